//! The data bucket: whole objects, ranges, and writes that happen once.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// One S3 bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// What a read insists on, so that it sees the very object that was pinned.
#[derive(Debug, Clone, Default)]
pub struct Pin {
    pub etag: Option<String>,
    pub version_id: Option<String>,
}

impl Bucket {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Another bucket of the same Region.
    pub fn sibling(&self, name: &str) -> Self {
        Self { client: self.client.clone(), name: name.to_owned() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// `s3://bucket/key`.
    pub fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// An object's properties; `None` when there is no such object.
    pub async fn head(&self, key: &str) -> Result<Option<HeadObjectOutput>, Error> {
        match self.client.head_object().bucket(&self.name).key(key).send().await {
            Ok(head) => Ok(Some(head)),
            Err(e) if status(&e) == Some(404) => Ok(None),
            Err(e) => Err(self.unavailable("looking up", key, e)),
        }
    }

    /// A whole object; `None` when there is no such object.
    pub async fn get_optional(&self, key: &str) -> Result<Option<Bytes>, Error> {
        match self.open(key, None, &Pin::default()).await {
            Ok(body) => self.collect(key, body).await.map(Some),
            Err(Error::ObjectMissing { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A whole object as it was pinned.
    pub async fn get(&self, key: &str, pin: &Pin) -> Result<Bytes, Error> {
        let body = self.open(key, None, pin).await?;
        self.collect(key, body).await
    }

    /// An object or a byte range of it (`start..end`), as a stream.
    pub async fn open(&self, key: &str, range: Option<(u64, u64)>, pin: &Pin) -> Result<ByteStream, Error> {
        let request = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key)
            .set_range(range.map(|(start, end)| format!("bytes={start}-{}", end.saturating_sub(1))))
            .set_if_match(pin.etag.clone())
            .set_version_id(pin.version_id.clone());
        request.send().await.map(|response| response.body).map_err(|e| match status(&e) {
            Some(404) => Error::ObjectMissing { bucket: self.name.clone(), key: key.to_owned(), hint: "" },
            Some(412) => Error::ObjectChanged { bucket: self.name.clone(), key: key.to_owned() },
            _ => self.unavailable("reading", key, e),
        })
    }

    /// The next bytes of an object that is being read.
    pub async fn next_chunk(&self, key: &str, body: &mut ByteStream) -> Result<Option<Bytes>, Error> {
        body.next().await.transpose().map_err(|e| self.unavailable("reading", key, e))
    }

    /// A JSON object that an earlier step wrote.
    pub async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        let bytes = self.get(key, &Pin::default()).await?;
        self.parse(key, &bytes)
    }

    /// As [`Self::get_json`]; `None` when there is no such object.
    pub async fn get_json_optional<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        match self.get_optional(key).await? {
            Some(bytes) => self.parse(key, &bytes).map(Some),
            None => Ok(None),
        }
    }

    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<(), Error> {
        let body = ByteStream::from(bytes.into());
        let sent = self.client.put_object().bucket(&self.name).key(key).body(body).send().await;
        sent.map(|_| ()).map_err(|e| self.unavailable("writing", key, e))
    }

    /// As [`Self::put`], for whoever opens the object in a browser.
    pub async fn put_as(&self, key: &str, bytes: impl Into<Bytes>, content_type: &str) -> Result<(), Error> {
        let body = ByteStream::from(bytes.into());
        let sent = self.client.put_object().bucket(&self.name).key(key).content_type(content_type).body(body).send().await;
        sent.map(|_| ()).map_err(|e| self.unavailable("writing", key, e))
    }

    pub async fn put_json(&self, key: &str, value: &(impl Serialize + Sync)) -> Result<(), Error> {
        self.put(key, self.to_json(key, value)?).await
    }

    /// Writes an object that nobody may have written before; false when somebody has.
    pub async fn put_once(&self, key: &str, bytes: impl Into<Bytes>) -> Result<bool, Error> {
        let body = ByteStream::from(bytes.into());
        let sent = self.client.put_object().bucket(&self.name).key(key).if_none_match("*").body(body).send().await;
        match sent {
            Ok(_) => Ok(true),
            Err(e) if status(&e) == Some(412) => Ok(false),
            Err(e) => Err(self.unavailable("writing", key, e)),
        }
    }

    /// The keys below a prefix.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let mut pages = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| self.unavailable("listing", prefix, e))?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
        }
        Ok(keys)
    }

    /// The bytes a JSON object is written as.
    pub fn to_json(&self, key: &str, value: &(impl Serialize + Sync)) -> Result<Vec<u8>, Error> {
        serde_json::to_vec_pretty(value).map_err(|source| Error::ObjectInvalid { bucket: self.name.clone(), key: key.to_owned(), source })
    }

    /// A JSON object from the bytes it was read as.
    pub fn parse<T: DeserializeOwned>(&self, key: &str, bytes: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(|source| Error::ObjectInvalid { bucket: self.name.clone(), key: key.to_owned(), source })
    }

    async fn collect(&self, key: &str, body: ByteStream) -> Result<Bytes, Error> {
        body.collect().await.map(|b| b.into_bytes()).map_err(|e| self.unavailable("reading", key, e))
    }

    pub(crate) fn unavailable(&self, action: &'static str, key: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::StorageUnavailable { action, bucket: self.name.clone(), key: key.to_owned(), source: Box::new(error) }
    }
}

/// The HTTP status of the answer that an error stands for.
fn status<E: ProvideErrorMetadata + std::error::Error>(error: &SdkError<E>) -> Option<u16>
where
    SdkError<E>: RequestId,
{
    error.raw_response().map(|response| response.status().as_u16())
}
