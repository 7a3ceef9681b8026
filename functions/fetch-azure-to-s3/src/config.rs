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
        Ok(())
    }
}
