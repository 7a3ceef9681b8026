//! The secret that leads into the storage account.

use azure_storage::{ConnectionString, StorageCredentials};
use cloud::Error;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
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
            format!("the SAS in the secret expires at {at}: make a new one with the permissions Read and List and store it in Secrets Manager")
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
        let kind = parsed.sas.map_or(Kind::Key, |sas| Kind::Sas { expires_at: expiry(sas) });
        Ok(Self { account, endpoint, credentials, kind })
    }
}

/// The end of a SAS, its field `se`: a day, or a time to the minute or finer, in UTC.
fn expiry(sas: &str) -> Option<Timestamp> {
    let field = sas.trim_start_matches('?').split('&').find_map(|pair| pair.strip_prefix("se="))?;
    let text = field.replace("%3A", ":").replace("%3a", ":");
    let day = || text.parse::<Date>().ok()?.to_datetime(civil::Time::midnight()).to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| day().map(|zoned| zoned.timestamp()))
}
