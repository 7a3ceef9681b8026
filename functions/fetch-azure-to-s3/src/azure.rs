//! Azure Blob Storage behind one small door: the only place, with the modules below it, that knows the Azure crates.

mod connection;
mod explain;
mod federation;
pub(crate) mod names;
mod transport;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use aws_config::SdkConfig;
use azure_core::auth::Secret;
use azure_core::error::ErrorKind;
use azure_core::request_options::IfMatchCondition;
use azure_core::{RetryOptions, StatusCode, TransportOptions};
use azure_storage::{CloudLocation, StorageCredentials};
use azure_storage_blobs::blob::BlobProperties;
use azure_storage_blobs::container::operations::BlobItem;
use azure_storage_blobs::prelude::{BlobClient, ClientBuilder, ContainerClient};
use bytes::Bytes;
use futures::future::ready;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use self::connection::Connection;
use self::explain::{Place, Way, unanswered};
use self::federation::Federation;
use self::transport::Transport;
use crate::config::AzureConfig;
use crate::error::Error;

pub(crate) use self::transport::{Failure, failure};

/// The most blobs of one source: their names and versions are held and recorded together.
const MOST_BLOBS: usize = 10_000;

/// The crate has the store compute a CRC64 of every range shorter than this, which nobody reads and Azurite does not know. So more is asked for;
/// at the end of a blob, where such ranges are, no more comes.
const LEAST_ASKED: u64 = 4 * 1024 * 1024;

/// What leads to the store: a secret that is read anew for every run, or the function's own identity.
#[derive(Clone)]
pub(crate) struct Access {
    config: Arc<AzureConfig>,
    secrets: aws_sdk_secretsmanager::Client,
    /// Kept from run to run, since its token lives longer than one.
    federation: Option<Federation>,
}

/// A container and a credential.
#[derive(Clone)]
pub(crate) struct Store {
    access: Access,
    container: ContainerClient,
    /// What opened it, to be compared when it is renewed.
    proof: Secret,
    place: Arc<Place>,
}

/// A blob that can be read.
#[derive(Clone)]
pub(crate) struct Blob {
    client: BlobClient,
    place: Arc<Place>,
    /// Its address, without credentials.
    pub(crate) uri: String,
}

/// A blob that was found, and its version then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) version: Version,
}

/// The version of a blob that a run works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// As a header has it: in quotes.
    pub(crate) etag: String,
    pub(crate) bytes: u64,
    /// Content-MD5, when whoever stored the blob gave one.
    pub(crate) md5: Option<[u8; 16]>,
    /// RFC 3339, UTC.
    pub(crate) modified_at: String,
    pub(crate) content_encoding: Option<String>,
}

impl Access {
    pub(crate) fn new(config: &AzureConfig, aws: &SdkConfig) -> Self {
        let federation = config.is_federation().then(|| Federation::new(config, aws));
        Self { config: Arc::new(config.clone()), secrets: aws_sdk_secretsmanager::Client::new(aws), federation }
    }

    /// Reads the secret, or has a token given, and opens the container with it.
    pub(crate) async fn open(&self) -> Result<Store, Error> {
        self.config.check()?;
        match &self.federation {
            Some(federation) => {
                let place = self.place(&self.config.blob_service(), Way::Federation);
                let token = federation.token().await.map_err(|why| place.no_token(why))?;
                self.federated(federation.clone(), token, place)
            }
            None => self.unlocked(cloud::secrets::text(&self.secrets, &self.config.secret_id).await?),
        }
    }

    fn unlocked(&self, secret: String) -> Result<Store, Error> {
        let Connection { account, endpoint, credentials, kind } = Connection::parse(&self.config.secret_id, &secret)?;
        if let Some(warning) = kind.warning(Timestamp::now()) {
            warn!(secret = self.config.secret_id, "{warning}");
        }
        let place = self.place(&endpoint, Way::Secret(kind));
        self.store(CloudLocation::Custom { account, uri: endpoint }, credentials, Secret::new(secret), place)
    }

    fn federated(&self, federation: Federation, token: Secret, place: Place) -> Result<Store, Error> {
        let location = CloudLocation::Custom { account: self.config.account.clone(), uri: self.config.blob_service() };
        self.store(location, StorageCredentials::token_credential(Arc::new(federation)), token, place)
    }

    fn store(&self, location: CloudLocation, credentials: StorageCredentials, proof: Secret, place: Place) -> Result<Store, Error> {
        let client = transport::client().map_err(|e| Error::SourceUnavailable {
            uri: place.uri.clone(),
            action: "making a client",
            source: Box::new(e),
        })?;
        // What to try again is decided by who reads, range by range.
        let container = ClientBuilder::with_location(location, credentials)
            .retry(RetryOptions::none())
            .transport(TransportOptions::new(Arc::new(Transport(client))))
            .container_client(&self.config.container);
        Ok(Store { access: self.clone(), container, proof, place: Arc::new(place) })
    }

    fn place(&self, endpoint: &str, way: Way) -> Place {
        let container = self.config.container.clone();
        Place { uri: format!("{endpoint}/{container}"), container, way }
    }
}

impl Store {
    /// The store opened anew; `None` when what opens it is the same as before.
    pub(crate) async fn renewed(&self) -> Result<Option<Store>, Error> {
        let renewed = match &self.access.federation {
            Some(federation) => {
                let place = self.access.place(&self.access.config.blob_service(), Way::Federation);
                let token = federation.renewed().await.map_err(|why| place.no_token(why))?;
                self.access.federated(federation.clone(), token, place)?
            }
            None => self.access.open().await?,
        };
        Ok((renewed.proof != self.proof).then_some(renewed))
    }

    /// Address of a blob or of a prefix, without credentials.
    pub(crate) fn uri(&self, name: &str) -> String {
        format!("{}/{}", self.place.uri, names::shown(name))
    }

    pub(crate) fn blob(&self, name: &str) -> Blob {
        Blob { client: self.container.blob_client(name), place: self.place.clone(), uri: self.uri(name) }
    }

    /// A blob as it stands now; `None` when there is none of that name.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Found>, Error> {
        let blob = self.blob(name);
        let properties = match blob.client.get_properties().await {
            Ok(found) if is_folder(found.blob.metadata.as_ref(), &found.blob.properties) => {
                return Err(Error::SourceMissing(format!(
                    "{} is a folder: end the parameter AzureBlob with a slash to load the blobs in it",
                    blob.uri
                )));
            }
            Ok(found) => found.blob.properties,
            Err(error) if is_missing_blob(&error) => return Ok(None),
            Err(error) => return Err(blob.explain(error, "asking for its properties")),
        };
        Ok(Some(Found { name: name.to_owned(), version: Version::of(properties) }))
    }

    /// The blobs whose names begin with `prefix`, in the order of their names.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Found>, Error> {
        let uri = self.uri(prefix);
        let mut request = self.container.list_blobs().include_metadata(true);
        if !prefix.is_empty() {
            request = request.prefix(prefix.to_owned());
        }
        let mut pages = request.into_stream();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| self.place.explain(e, &uri, "listing it"))?;
            for item in page.blobs.items {
                let BlobItem::Blob(blob) = item else { continue };
                if is_folder(blob.metadata.as_ref(), &blob.properties) || (blob.name.ends_with('/') && blob.properties.content_length == 0)
                {
                    continue;
                }
                if let Some(why) = names::fault(&blob.name).or(blob.name.ends_with('/').then_some("ends with a slash")) {
                    return Err(Error::NameUnusable { uri: self.uri(&blob.name), why });
                }
                found.push(Found { name: blob.name, version: Version::of(blob.properties) });
            }
            if found.len() > MOST_BLOBS {
                return Err(Error::TooManyBlobs { uri, most: MOST_BLOBS });
            }
        }
        // An account with folders lists them one by one, which is another order.
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

impl Blob {
    /// Reads a range of this very version, once.
    pub(crate) async fn open_range(
        &self,
        version: &Version,
        range: Range<u64>,
    ) -> azure_core::Result<impl Stream<Item = azure_core::Result<Bytes>> + Send + Unpin + use<>> {
        let asked = range.start..range.end.max(range.start + LEAST_ASKED);
        let request = self.client.get().chunk_size(asked.end - asked.start).range(asked.clone());
        let mut answers = request.if_match(IfMatchCondition::Match(version.etag.clone())).into_stream();
        let other = |what: &'static str| azure_core::Error::message(ErrorKind::Io, what);
        let answer = answers.next().await.ok_or_else(|| other("nothing was answered"))??;
        let answered = answer.content_range.ok_or_else(|| other("the whole was answered for a range"))?;
        // The crate keeps the last byte's place as the end.
        if answered != azure_core::request_options::Range::new(asked.start, asked.end.min(version.bytes).saturating_sub(1)) {
            return Err(other("another range was answered"));
        }
        let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        Ok(answer.data.scan(left, |left, chunk| {
            let is_read = *left == 0;
            let chunk = chunk.map(|mut bytes| {
                bytes.truncate(*left);
                *left -= bytes.len();
                bytes
            });
            ready((!is_read).then_some(chunk))
        }))
    }

    /// What an error of the Azure crates means that came of `action`.
    pub(crate) fn explain(&self, error: azure_core::Error, action: &'static str) -> Error {
        self.place.explain(error, &self.uri, action)
    }
}

impl Version {
    fn of(properties: BlobProperties) -> Self {
        let etag = properties.etag.to_string();
        Self {
            // A list of blobs leaves out the quotes.
            etag: if etag.ends_with('"') { etag } else { format!("\"{etag}\"") },
            bytes: properties.content_length,
            md5: properties.content_md5.map(|md5| *md5.as_slice()),
            modified_at: azure_core::date::to_rfc3339(&properties.last_modified),
            content_encoding: properties.content_encoding.filter(|encoding| !encoding.is_empty()),
        }
    }
}

/// A folder of an account that has folders: a blob of no bytes to all who do not ask.
fn is_folder(metadata: Option<&HashMap<String, String>>, properties: &BlobProperties) -> bool {
    let is_marked = |(name, value): (&String, &String)| name.eq_ignore_ascii_case("hdi_isfolder") && value.eq_ignore_ascii_case("true");
    properties.resource_type.as_deref() == Some("directory") || metadata.is_some_and(|metadata| metadata.iter().any(is_marked))
}

/// Whether it is the blob that is not there, and not its container.
fn is_missing_blob(error: &azure_core::Error) -> bool {
    matches!(error.kind(), ErrorKind::HttpResponse { status: StatusCode::NotFound, error_code } if error_code.as_deref() != Some("ContainerNotFound"))
}

#[cfg(test)]
mod tests;
