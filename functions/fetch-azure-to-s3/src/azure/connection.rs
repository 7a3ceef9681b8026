//! The secret that leads into the storage account.

use azure_core::Url;
use azure_storage::{ConnectionString, StorageCredentials};
use cloud::Error;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// Where the account's blobs are, and what opens them.
pub(crate) struct Connection {
    pub(crate) account: String,
    /// Address of the blob service, without a slash at its end.
    pub(crate) endpoint: String,
    pub(crate) credentials: StorageCredentials,
    pub(crate) kind: Kind,
}

/// What a connection string opens the account with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Key,
    Sas { expires_at: Option<Timestamp> },
}

/// A SAS that ends within this time is warned about.
const NOTICE: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Kind {
    /// What to do, where the end of a SAS is near.
    pub(crate) fn warning(self, now: Timestamp) -> Option<String> {
        let Self::Sas { expires_at: Some(at) } = self else { return None };
        let left = at.duration_since(now);
        (!left.is_negative() && left <= NOTICE).then(|| {
            format!(
                "the SAS in the secret expires at {at}: make a new one with the permissions Read and List and store it in Secrets Manager"
            )
        })
    }
}

/// The secret's two forms: the bare connection string, or `{"connectionString": "…"}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretJson {
    connection_string: String,
}

impl Connection {
    /// Reads the text of the secret `id`.
    pub(crate) fn parse(id: &str, secret: &str) -> Result<Self, Error> {
        // The parser's own error repeats the string, key and all, so it is never shown.
        let invalid = |why| Error::SecretInvalid { id: id.to_owned(), why };
        let text = match serde_json::from_str::<SecretJson>(secret) {
            Ok(json) => json.connection_string,
            Err(_) if secret.trim_start().starts_with('{') => {
                return Err(invalid("is JSON without connectionString: store {\"connectionString\": \"…\"} or the bare string"));
            }
            Err(_) => secret.to_owned(),
        };
        let not_one = "is no Azure connection string: copy it from the storage account, Security + networking, Access keys";
        let parsed = ConnectionString::new(text.trim()).map_err(|_| invalid(not_one))?;
        let credentials = parsed
            .storage_credentials()
            .map_err(|_| invalid("has neither an AccountKey nor a SharedAccessSignature: copy the whole connection string"))?;
        let account = parsed.account_name.unwrap_or_default().to_owned();
        let endpoint = match (parsed.blob_endpoint, parsed.endpoint_suffix) {
            (Some(endpoint), _) => endpoint.trim_end_matches('/').to_owned(),
            (None, _) if account.is_empty() => {
                return Err(invalid("has neither an AccountName nor a BlobEndpoint: copy the whole connection string"));
            }
            (None, suffix) => format!("https://{account}.blob.{}", suffix.unwrap_or("core.windows.net")),
        };
        if !is_address(&endpoint) {
            return Err(invalid("leads to no plain http or https address: copy its AccountName, BlobEndpoint and EndpointSuffix again"));
        }
        let kind = parsed.sas.map_or(Kind::Key, |sas| Kind::Sas { expires_at: expiry(sas) });
        Ok(Self { account, endpoint, credentials, kind })
    }
}

/// An address is shown in every message, so nothing secret can be part of it.
fn is_address(endpoint: &str) -> bool {
    Url::parse(endpoint).is_ok_and(|url| {
        let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        is_bare && matches!(url.scheme(), "http" | "https")
    })
}

/// The end of a SAS, its field `se`: a day, or a time to the minute or finer, in UTC.
fn expiry(sas: &str) -> Option<Timestamp> {
    let field = sas.trim_start_matches('?').split('&').find_map(|pair| pair.strip_prefix("se="))?;
    let text = field.replace("%3A", ":").replace("%3a", ":");
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| day().map(|zoned| zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_none_is_refused_without_its_words() {
        let check = |secret: &str, expected: &str| match Connection::parse("the-secret", secret) {
            Err(error @ Error::SecretInvalid { .. }) => {
                let message = error.to_string();
                assert!(message.contains("the-secret") && message.contains(expected) && !message.contains("S3CRET"), "{message}");
            }
            Err(other) => panic!("{other}"),
            Ok(connection) => panic!("{}", connection.endpoint),
        };
        check("S3CRET", "is no Azure connection string");
        check("AccountName=a;AccountKey=", "is no Azure connection string");
        check("AccountName=a;AccountKee=S3CRET", "is no Azure connection string");
        check("{\"other\": \"S3CRET\"}", "without connectionString");
        check("{\"connectionString\": 7, \"key\": \"S3CRET\"}", "without connectionString");
        check("AccountName=a;EndpointSuffix=core.windows.net", "neither an AccountKey nor a SharedAccessSignature");
        check("SharedAccessSignature=sig=S3CRET", "neither an AccountName nor a BlobEndpoint");
        let no_address = "leads to no plain http or https address";
        check("BlobEndpoint=https://a.net/?sig=S3CRET;SharedAccessSignature=sig=S3CRET", no_address);
        check("BlobEndpoint=https://S3CRET@a.net;SharedAccessSignature=sig=S3CRET", no_address);
        check("BlobEndpoint=a.net;SharedAccessSignature=sig=S3CRET", no_address);
        check("AccountName=a b/?;AccountKey=S3CRET", no_address);
    }

    #[test]
    fn both_forms_of_the_secret_lead_to_the_account() {
        let check = |secret: &str, endpoint: &str, kind: Kind| {
            let connection = Connection::parse("s", secret).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!((connection.endpoint.as_str(), connection.kind), (endpoint, kind));
        };
        let bare = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5;EndpointSuffix=core.chinacloudapi.cn";
        check(bare, "https://acc.blob.core.chinacloudapi.cn", Kind::Key);
        check(&format!("{{\"connectionString\": \"{bare}\"}}"), "https://acc.blob.core.chinacloudapi.cn", Kind::Key);
        check(&format!("\n {bare};\n"), "https://acc.blob.core.chinacloudapi.cn", Kind::Key);
        check("AccountName=acc;AccountKey=a2V5", "https://acc.blob.core.windows.net", Kind::Key);
        let sas = "BlobEndpoint=http://127.0.0.1:1/acc/;SharedAccessSignature=sv=1&sig=x";
        check(sas, "http://127.0.0.1:1/acc", Kind::Sas { expires_at: None });
        let ends = "AccountName=acc;SharedAccessSignature=?sv=1&se=2026-12-01T00%3A00%3A00Z&sig=x";
        check(ends, "https://acc.blob.core.windows.net", Kind::Sas { expires_at: Some("2026-12-01T00:00:00Z".parse().unwrap()) });
    }

    #[test]
    fn the_end_of_a_sas_is_read_in_all_its_forms() {
        let check = |sas: &str, expected: Option<&str>| assert_eq!(expiry(sas), expected.map(|at| at.parse().unwrap()), "{sas}");
        check("se=2026-12-01T10:30:00Z&sig=x", Some("2026-12-01T10:30:00Z"));
        check("?sv=1&se=2026-12-01T10%3a30%3a00Z", Some("2026-12-01T10:30:00Z"));
        check("sv=1&se=2026-12-01T10:30Z", Some("2026-12-01T10:30:00Z"));
        check("sv=1&se=2026-12-01", Some("2026-12-01T00:00:00Z"));
        check("sv=1&ske=2026-12-01&sig=x", None);
        check("se=soon", None);
        check("si=policy&sig=x", None);
    }

    #[test]
    fn a_week_before_its_end_a_sas_is_warned_about() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let check = |kind: Kind, expected: Option<&str>| {
            let warning = kind.warning(now);
            assert_eq!(warning.is_some(), expected.is_some(), "{warning:?}");
            assert!(warning.as_deref().unwrap_or_default().contains(expected.unwrap_or_default()), "{warning:?}");
        };
        let sas = |at: &str| Kind::Sas { expires_at: Some(at.parse().unwrap()) };
        check(sas("2026-12-02T12:00:01Z"), None);
        check(sas("2026-12-02T12:00:00Z"), Some("2026-12-02T12:00:00Z: make a new one"));
        check(sas("2026-11-25T12:00:01Z"), Some("2026-11-25T12:00:01Z"));
        check(sas("2026-11-25T11:59:59Z"), None);
        check(Kind::Sas { expires_at: None }, None);
        check(Kind::Key, None);
    }
}
