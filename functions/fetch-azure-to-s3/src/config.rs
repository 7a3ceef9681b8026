//! What the template tells this function.

use cloud::{Error, env};

#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) data_bucket: String,
    /// Names this deployment in its metrics.
    pub(crate) pipeline_name: String,
    pub(crate) azure: AzureConfig,
    /// A blob's name, a prefix, or a template of either.
    pub(crate) azure_blob: String,
    /// IANA name of the zone whose days the schedule counts.
    pub(crate) schedule_timezone: String,
    /// Whether no blob at all is a good end, where the run's input does not say.
    pub(crate) allow_empty: bool,
    /// Whether an unchanged source ends the run, where the run's input does not say.
    pub(crate) skip_unchanged: bool,
    /// Where the customers file is: the data bucket, or one that the business has already.
    pub(crate) customers_bucket: String,
    pub(crate) customers_key: String,
    pub(crate) split_bytes: u64,
}

/// The storage account and the way into it. What is wrong with it is said when a run asks for it, so that the run's failure shows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct AzureConfig {
    pub(crate) container: String,
    /// Name or ARN of the secret that holds the connection string; empty with federation.
    pub(crate) secret_id: String,
    /// These three together mean federation: no stored secret, but the function's own identity.
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) account: String,
    /// With federation: the whole address of the account's blob service, where it is not the public cloud's.
    pub(crate) blob_endpoint: String,
    /// With federation: who gives tokens.
    pub(crate) authority_host: String,
}

impl Config {
    pub(crate) fn from_env() -> Result<Self, Error> {
        Ok(Self {
            data_bucket: env::required("DATA_BUCKET")?,
            pipeline_name: env::required("PIPELINE_NAME")?,
            azure: AzureConfig {
                container: env::required("AZURE_CONTAINER")?,
                secret_id: env::optional("AZURE_SECRET_ID"),
                tenant_id: env::optional("AZURE_TENANT_ID"),
                client_id: env::optional("AZURE_CLIENT_ID"),
                account: env::optional("AZURE_ACCOUNT"),
                blob_endpoint: env::optional("AZURE_BLOB_ENDPOINT"),
                authority_host: env::optional("AZURE_AUTHORITY_HOST"),
            },
            azure_blob: env::required("AZURE_BLOB")?,
            schedule_timezone: env::optional("SCHEDULE_TIMEZONE"),
            allow_empty: env::flag("ALLOW_EMPTY")?,
            skip_unchanged: env::flag("SKIP_UNCHANGED")?,
            customers_bucket: env::required("CUSTOMERS_BUCKET")?,
            customers_key: env::required("CUSTOMERS_KEY")?,
            split_bytes: env::positive("SPLIT_BYTES")?,
        })
    }
}

impl AzureConfig {
    pub(crate) fn is_federation(&self) -> bool {
        [&self.tenant_id, &self.client_id, &self.account].iter().any(|part| !part.is_empty())
    }

    /// With federation: the address of the account's blob service, without a slash at its end.
    pub(crate) fn blob_service(&self) -> String {
        match self.blob_endpoint.trim_end_matches('/') {
            "" => format!("https://{}.blob.core.windows.net", self.account),
            endpoint => endpoint.to_owned(),
        }
    }

    /// Whether a store can be asked for with this.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |what: String| Err(Error::ConfigInvalid(what));
        if !is_container(&self.container) {
            let shown: String = self.container.chars().take(80).flat_map(char::escape_debug).collect();
            return invalid(format!(
                "`{shown}` is no name of a container, which has 3 to 63 small letters, digits and hyphens: correct the parameter AzureContainer"
            ));
        }
        if !self.is_federation() {
            return match self.secret_id.as_str() {
                "" => invalid(
                    "there is no way into the storage account: give the parameter AzureSecretArn, or AzureTenantId, AzureClientId and AzureAccount"
                        .to_owned(),
                ),
                _ => Ok(()),
            };
        }
        let parts = [("AzureTenantId", &self.tenant_id), ("AzureClientId", &self.client_id), ("AzureAccount", &self.account)];
        let is_plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        if let Some((name, _)) = parts.iter().find(|(_, part)| !is_plain(part)) {
            return invalid(format!(
                "the parameter {name} is empty or holds more than letters, digits, dots and hyphens: federation needs AzureTenantId, AzureClientId and AzureAccount"
            ));
        }
        // A token that travels in the clear is anybody's.
        let addresses = [("AzureBlobEndpoint", &self.blob_endpoint), ("AzureAuthorityHost", &self.authority_host)];
        match addresses.iter().find(|(_, address)| !address.is_empty() && !is_private(address)) {
            Some((name, _)) => {
                invalid(format!("the parameter {name} is no plain https address: give it as https and a host, or leave it empty"))
            }
            None => Ok(()),
        }
    }
}

/// Source: "Naming and referencing containers, blobs, and metadata", Azure Storage REST reference.
fn is_container(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    matches!(name, "$root" | "$web" | "$logs") || ((3..=63).contains(&name.len()) && name.chars().all(is_plain))
}

/// Whether what is sent there can be read by nobody on the way: https, or a server on this machine.
fn is_private(address: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(address) else { return false };
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    is_plain && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn federation() -> AzureConfig {
        let [tenant_id, client_id] = ["7f0b1c1e-0000-4000-8000-000000000001", "7f0b1c1e-0000-4000-8000-000000000002"].map(str::to_owned);
        AzureConfig { container: "transactions".into(), tenant_id, client_id, account: "acc".into(), ..AzureConfig::default() }
    }

    #[test]
    fn a_way_in_is_whole_or_refused_with_its_parameter() {
        let check = |config: AzureConfig, expected: Option<&str>| {
            let refused = config.check().err().map(|error| (error.name(), error.to_string()));
            match expected {
                None => assert_eq!(refused, None),
                Some(part) => assert!(matches!(&refused, Some(("ConfigInvalid", text)) if text.contains(part)), "{part}: {refused:?}"),
            }
        };
        let secret = AzureConfig { container: "transactions".into(), secret_id: "s".into(), ..AzureConfig::default() };
        check(secret.clone(), None);
        check(federation(), None);
        check(AzureConfig { secret_id: String::new(), ..secret.clone() }, Some("no way into the storage account"));
        for container in ["", "ab", "Transactions", "a/b", "tränsactions", "a\nb", &"x".repeat(64)] {
            check(AzureConfig { container: container.into(), ..secret.clone() }, Some("AzureContainer"));
        }
        check(AzureConfig { container: "$root".into(), ..secret }, None);
        check(AzureConfig { tenant_id: String::new(), ..federation() }, Some("AzureTenantId is empty"));
        check(AzureConfig { tenant_id: "a/../b".into(), ..federation() }, Some("AzureTenantId is empty"));
        check(AzureConfig { client_id: String::new(), ..federation() }, Some("AzureClientId is empty"));
        check(AzureConfig { account: "a@evil".into(), ..federation() }, Some("AzureAccount is empty"));
        for (address, is_good) in [
            ("https://acc.blob.core.usgovcloudapi.net", true),
            ("http://127.0.0.1:10000/acc", true),
            ("http://[::1]:1", true),
            ("http://acc.blob.core.windows.net", false),
            ("http://127.0.0.1.evil.net", false),
            ("https://user@acc.blob.core.windows.net", false),
            ("https://acc.blob.core.windows.net?sig=x", false),
            ("acc.blob.core.windows.net", false),
            ("ftp://127.0.0.1", false),
        ] {
            check(AzureConfig { blob_endpoint: address.into(), ..federation() }, (!is_good).then_some("AzureBlobEndpoint"));
            check(AzureConfig { authority_host: address.into(), ..federation() }, (!is_good).then_some("AzureAuthorityHost"));
        }
    }

    #[test]
    fn the_blob_service_is_the_public_clouds_or_the_one_given() {
        let check = |endpoint: &str, expected: &str| {
            assert_eq!(AzureConfig { blob_endpoint: endpoint.into(), ..federation() }.blob_service(), expected);
        };
        check("", "https://acc.blob.core.windows.net");
        check("https://acc.blob.core.chinacloudapi.cn/", "https://acc.blob.core.chinacloudapi.cn");
    }
}
