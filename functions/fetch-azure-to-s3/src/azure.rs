//! Azure Blob Storage behind one small door: the only place that knows the Azure crates.

use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::request_options::IfMatchCondition;
use azure_core::{ExponentialRetryOptions, RetryOptions, StatusCode};
use azure_storage::{CloudLocation, ConnectionString};
use azure_storage_blobs::prelude::{BlobClient, ClientBuilder};
use bytes::Bytes;
use futures::StreamExt;
use serde::Deserialize;

use crate::error::Error;

/// Bytes of one ranged GET, which is also the most that is held of the blob.
const RANGE_BYTES: u64 = 8 * 1024 * 1024;

/// A blob that can be read.
pub(crate) struct Blob {
    client: BlobClient,
    container: String,
    /// Its address, without credentials.
    pub(crate) uri: String,
}

/// The version of a blob that a run works on.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) etag: String,
    pub(crate) bytes: u64,
    /// Content-MD5, when whoever stored the blob gave one.
    pub(crate) md5: Option<[u8; 16]>,
    /// RFC 3339, UTC.
    pub(crate) modified_at: String,
}

/// The secret's two forms: the bare connection string, or `{"connectionString": "…"}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretJson {
    connection_string: String,
}

impl Blob {
    pub(crate) fn open(secret_id: &str, secret: &str, container: &str, name: &str) -> Result<Self, Error> {
        // The parser's own error repeats the string, key and all, so it is never shown.
        let invalid = |why| cloud::Error::SecretInvalid { id: secret_id.to_owned(), why };
        let text = match serde_json::from_str::<SecretJson>(secret) {
            Ok(json) => json.connection_string,
            Err(_) if secret.trim_start().starts_with('{') => {
                return Err(invalid("is JSON without connectionString: store {\"connectionString\": \"…\"} or the bare string").into());
            }
            Err(_) => secret.to_owned(),
        };
        let not_one = "is no Azure connection string: copy it from the storage account, Security + networking, Access keys";
        let parsed = ConnectionString::new(text.trim()).map_err(|_| invalid(not_one))?;
        let credentials = parsed
            .storage_credentials()
            .map_err(|_| invalid("has neither an AccountKey nor a SharedAccessSignature: copy the whole connection string"))?;
        let account = parsed.account_name.unwrap_or_default().to_owned();
        let uri = match (parsed.blob_endpoint, parsed.endpoint_suffix) {
            (Some(endpoint), _) => endpoint.trim_end_matches('/').to_owned(),
            (None, _) if account.is_empty() => {
                return Err(invalid("has neither an AccountName nor a BlobEndpoint: copy the whole connection string").into());
            }
            (None, suffix) => format!("https://{account}.blob.{}", suffix.unwrap_or("core.windows.net")),
        };
        let retry = ExponentialRetryOptions::default().max_retries(4u32).max_total_elapsed(Duration::from_secs(60));
        let client = ClientBuilder::with_location(CloudLocation::Custom { account, uri: uri.clone() }, credentials)
            .retry(RetryOptions::exponential(retry))
            .blob_client(container, name);
        Ok(Self { client, container: container.to_owned(), uri: format!("{uri}/{container}/{name}") })
    }

    /// The blob as it stands now.
    pub(crate) async fn version(&self) -> Result<Version, Error> {
        let properties = self.client.get_properties().await.map_err(|e| self.explain(e, "asking for its properties"))?.blob.properties;
        Ok(Version {
            etag: properties.etag.to_string(),
            bytes: properties.content_length,
            md5: properties.content_md5.map(|md5| *md5.as_slice()),
            modified_at: azure_core::date::to_rfc3339(&properties.last_modified),
        })
    }

    /// Reads this very version, range by range; each range insists on the ETag. `on_bytes` gets the bytes in their order.
    pub(crate) async fn read<F>(&self, version: &Version, mut on_bytes: F) -> Result<(), Error>
    where
        F: AsyncFnMut(Bytes) -> Result<(), Error>,
    {
        let request = self.client.get().chunk_size(RANGE_BYTES).if_match(IfMatchCondition::Match(version.etag.clone()));
        let mut ranges = request.into_stream();
        while let Some(range) = ranges.next().await {
            let mut body = range.map_err(|e| self.explain(e, "reading it"))?.data;
            while let Some(bytes) = body.next().await {
                on_bytes(bytes.map_err(|e| self.explain(e, "reading it"))?).await?;
            }
        }
        Ok(())
    }

    fn explain(&self, error: azure_core::Error, action: &'static str) -> Error {
        let uri = self.uri.clone();
        let (status, code) = match error.kind() {
            ErrorKind::HttpResponse { status, error_code } => (Some(*status), error_code.clone().unwrap_or_default()),
            _ => (None, String::new()),
        };
        match status {
            Some(StatusCode::NotFound) if code == "ContainerNotFound" => Error::SourceMissing(format!(
                "{uri} does not exist: the storage account has no container `{}`; create it, or correct the parameter AzureContainer",
                self.container
            )),
            Some(StatusCode::NotFound) => Error::SourceMissing(format!(
                "{uri} does not exist: upload the blob, or correct the parameters AzureContainer and AzureBlob"
            )),
            Some(StatusCode::Forbidden | StatusCode::Unauthorized) => Error::SourceForbidden {
                uri,
                code: if code.is_empty() { "403".to_owned() } else { code },
                advice: "the key or SAS in the secret is wrong, expired or lacks read permission; renew it in Secrets Manager",
            },
            Some(StatusCode::PreconditionFailed) => Error::SourceChanged { uri },
            // A key that is no base64 fails before anything is sent.
            None if *error.kind() == ErrorKind::Credential => Error::SourceForbidden {
                uri,
                code: "Credential".to_owned(),
                advice: "the AccountKey in the secret is no base64; copy the connection string again",
            },
            _ => Error::SourceUnavailable { uri, action, source: Box::new(Unanswered::from(error)) },
        }
    }
}

/// What the Azure crates say, without the query of any address in it: a SAS stands there, and HTTP errors quote their address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unanswered(String);

/// Characters of it that are kept: an HTTP error repeats the whole body of the answer.
const KEPT_CHARS: usize = 500;

impl From<azure_core::Error> for Unanswered {
    fn from(error: azure_core::Error) -> Self {
        Self(without_queries(&cloud::error::sentence(&error)).chars().take(KEPT_CHARS).collect())
    }
}

fn without_queries(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('?') {
        kept.push_str(&rest[..start]);
        let query = &rest[start..];
        let end = query.find(|c: char| c.is_whitespace() || matches!(c, ')' | '"' | '\'' | '<')).unwrap_or(query.len());
        rest = &query[end..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_quotes_a_sas() {
        let check = |text: &str, expected: &str| assert_eq!(without_queries(text), expected);
        check(
            "error sending request for url (https://a.net/c/b?sv=1&sig=SECRET): timed out",
            "error sending request for url (https://a.net/c/b): timed out",
        );
        check("https://a.net/c/b?sig=SECRET", "https://a.net/c/b");
        check("<Uri>https://a.net?sig=SECRET</Uri> \"https://b.net?sig=SECRET\"", "<Uri>https://a.net</Uri> \"https://b.net\"");
        check("plain", "plain");
    }

    #[test]
    fn a_secret_that_is_none_is_refused_without_its_words() {
        let check = |secret: &str, expected: &str| match Blob::open("the-secret", secret, "container", "blob") {
            Err(Error::Cloud(error @ cloud::Error::SecretInvalid { .. })) => {
                let message = error.to_string();
                assert!(message.contains("the-secret") && message.contains(expected) && !message.contains("S3CRET"), "{message}");
            }
            Err(other) => panic!("{other}"),
            Ok(blob) => panic!("{}", blob.uri),
        };
        check("S3CRET", "is no Azure connection string");
        check("AccountName=a;AccountKey=", "is no Azure connection string");
        check("{\"other\": \"S3CRET\"}", "without connectionString");
        check("AccountName=a;EndpointSuffix=core.windows.net", "neither an AccountKey nor a SharedAccessSignature");
        check("SharedAccessSignature=sig=S3CRET", "neither an AccountName nor a BlobEndpoint");
    }

    #[test]
    fn both_forms_of_the_secret_name_the_blob() {
        let check = |secret: &str, expected: &str| {
            let blob = Blob::open("s", secret, "container", "a/blob.json").unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(blob.uri, expected);
        };
        let bare = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5;EndpointSuffix=core.chinacloudapi.cn";
        check(bare, "https://acc.blob.core.chinacloudapi.cn/container/a/blob.json");
        check(&format!("{{\"connectionString\": \"{bare}\"}}"), "https://acc.blob.core.chinacloudapi.cn/container/a/blob.json");
        check("AccountName=acc;AccountKey=a2V5", "https://acc.blob.core.windows.net/container/a/blob.json");
        check("BlobEndpoint=http://127.0.0.1:1/acc/;SharedAccessSignature=sv=1&sig=x", "http://127.0.0.1:1/acc/container/a/blob.json");
    }
}
