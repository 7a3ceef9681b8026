//! An object written while it is made: one PUT when it is small, a multipart upload when it is not. Visible only when complete.
//!
//! Parts are on their way while the next ones are made, a bounded number of them. S3 is told the CRC-64/NVME of every part and of the
//! whole object, so that it refuses what is not what was written.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::bucket::Bucket;
use crate::checksum::{Hashes, SavedHashes, base64_crc, composite, whole};
use crate::error::Error;

/// Bytes of a part, unless the object needs larger ones.
pub const PART_BYTES: usize = 8 * 1024 * 1024;

/// Most parts of an object. Source: "Amazon S3 multipart upload limits", Amazon S3 User Guide.
const MAX_PARTS: u64 = 10_000;

/// Parts that are on their way at once, unless told otherwise, and bytes of larger ones.
const IN_FLIGHT: usize = 4;
const IN_FLIGHT_BYTES: usize = IN_FLIGHT * PART_BYTES;

/// Largest part, since parts are held until S3 has them; so an object has at most 234 GiB.
const LARGEST_PART_BYTES: usize = 3 * PART_BYTES;
pub const MAX_OBJECT_BYTES: u64 = MAX_PARTS * LARGEST_PART_BYTES as u64;

/// Tries of a part or of the end of an upload: S3 answers SlowDown in bursts, and a part sent again costs less than a run.
const ATTEMPTS: u32 = 8;
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// An upload under way. Ends by [`Self::finish`] or [`Self::abort`]; what a killed function leaves, the bucket's lifecycle rule removes.
#[derive(Debug)]
pub struct Upload<'b> {
    bucket: &'b Bucket,
    key: String,
    part_bytes: usize,
    /// Most parts on their way.
    at_once: usize,
    /// The part that is being filled.
    buffer: BytesMut,
    begun: Option<Begun>,
    /// By number; `None` while it is on its way.
    parts: Vec<Option<Part>>,
    sending: JoinSet<Result<(usize, Part), Error>>,
    bytes: u64,
    hashes: Hashes,
}

/// A multipart upload as S3 knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    upload_id: String,
    /// What S3 said it would keep: the checksum of the whole, or one of the parts' checksums. S3 does what it is asked for, the whole;
    /// the local emulator (ministack 1.5.33) knows only the other kind (2026-11-25). Each is computed here as well and must agree.
    is_composite: bool,
}

/// A part that S3 has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    e_tag: String,
    pub(crate) crc64: u64,
    pub(crate) bytes: u64,
}

#[cfg(any(test, feature = "testing"))]
impl Part {
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self { e_tag: String::new(), crc64: crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes), bytes: bytes.len() as u64 }
    }
}

/// An upload that can be taken up again later, by another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    begun: Option<Begun>,
    part_bytes: usize,
    parts: Vec<Part>,
    hashes: SavedHashes,
    /// What no part holds yet: Base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rest: String,
}

/// An object that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    pub key: String,
    pub bytes: u64,
    pub sha256: [u8; 32],
    /// Where it was asked for, see [`Upload::with_md5`].
    pub md5: Option<[u8; 16]>,
    /// CRC-64/NVME of the whole, as S3 shows it.
    pub crc64: String,
}

impl<'b> Upload<'b> {
    /// For an object of up to 78 GiB.
    pub fn new(bucket: &'b Bucket, key: String) -> Self {
        Self::in_parts_of(PART_BYTES, bucket, key)
    }

    /// In parts of another size, such as [`part_bytes`] gives for larger objects.
    pub fn in_parts_of(part_bytes: usize, bucket: &'b Bucket, key: String) -> Self {
        Self {
            bucket,
            key,
            part_bytes,
            at_once: parts_at_once(part_bytes),
            buffer: BytesMut::new(),
            begun: None,
            parts: Vec::new(),
            sending: JoinSet::new(),
            bytes: 0,
            hashes: Hashes::sha256_alone(),
        }
    }

    /// Goes on with an upload where it was paused; `None` when the pause cannot be read.
    pub fn resume(bucket: &'b Bucket, key: String, paused: Paused) -> Option<Self> {
        let rest = crate::checksum::from_base64(&paused.rest)?;
        let sent: u64 = paused.parts.iter().map(|part| part.bytes).sum();
        Some(Self {
            bucket,
            key,
            part_bytes: paused.part_bytes,
            at_once: parts_at_once(paused.part_bytes),
            bytes: sent + rest.len() as u64,
            buffer: BytesMut::from(rest.as_slice()),
            begun: paused.begun,
            parts: paused.parts.into_iter().map(Some).collect(),
            sending: JoinSet::new(),
            hashes: Hashes::restore(&paused.hashes)?,
        })
    }

    /// With no more parts on their way than this, which is at least one: who writes two objects at once holds twice as much.
    #[must_use]
    pub fn at_once(self, parts: usize) -> Self {
        Self { at_once: parts.max(1), ..self }
    }

    /// Finds the MD5 as well. To be said before the first byte is written.
    #[must_use]
    pub fn with_md5(self) -> Self {
        Self { hashes: Hashes::with_md5(), ..self }
    }

    /// The MD5 of what is written so far, where it was asked for.
    pub async fn md5(&self) -> Result<Option<[u8; 16]>, Error> {
        let (mut hashes, rest) = (self.hashes.clone(), self.buffer.clone());
        self.computing(move || {
            hashes.update(&rest);
            hashes.md5()
        })
        .await
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends bytes; sends a part whenever one is full, and waits while too many are on their way.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        while self.buffer.len() + bytes.len() >= self.part_bytes {
            let missing = bytes.split_to(self.part_bytes - self.buffer.len());
            let part = if self.buffer.is_empty() {
                missing
            } else {
                self.buffer.extend_from_slice(&missing);
                std::mem::take(&mut self.buffer).freeze()
            };
            self.send_part(part).await?;
        }
        if !bytes.is_empty() && self.buffer.capacity() == 0 && self.begun.is_some() {
            // Grown bit by bit, a part would be copied some times over.
            self.buffer.reserve(self.part_bytes);
        }
        self.buffer.extend_from_slice(&bytes);
        Ok(())
    }

    /// Waits for what is on its way, and says how to go on later. The upload itself may go on as well.
    pub async fn pause(&mut self) -> Result<Paused, Error> {
        self.settle(0).await?;
        Ok(Paused {
            begun: self.begun.clone(),
            part_bytes: self.part_bytes,
            parts: self.sent()?.into_iter().cloned().collect(),
            hashes: self.hashes.save(),
            rest: crate::checksum::base64(&self.buffer),
        })
    }

    /// Makes the object visible.
    pub async fn finish(mut self) -> Result<Uploaded, Error> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        let crc64 = match self.begun {
            None => self.put(rest).await?,
            Some(_) => {
                if !rest.is_empty() {
                    self.send_part(rest).await?;
                }
                self.settle(0).await?;
                self.complete().await?
            }
        };
        Ok(Uploaded { key: self.key, bytes: self.bytes, md5: self.hashes.md5(), sha256: self.hashes.sha256(), crc64 })
    }

    /// Leaves nothing behind.
    pub async fn abort(mut self) {
        // A part that arrives after the end of its upload would be kept.
        self.sending.shutdown().await;
        let Some(Begun { upload_id, .. }) = &self.begun else { return };
        let Bucket { client, name } = self.bucket;
        let aborted = client.abort_multipart_upload().bucket(name).key(&self.key).upload_id(upload_id).send().await;
        if let Err(error) = aborted {
            // The lifecycle rule of the bucket removes it then.
            tracing::warn!(key = self.key, error = %aws_sdk_s3::error::DisplayErrorContext(&error), "an upload could not be aborted");
        }
    }

    /// A small object at once.
    async fn put(&mut self, bytes: Bytes) -> Result<String, Error> {
        let crc = self.hash(bytes.clone()).await?;
        let Bucket { client, name } = self.bucket;
        let crc64 = base64_crc(crc);
        let request = client.put_object().bucket(name).key(&self.key).checksum_crc64_nvme(&crc64).body(ByteStream::from(bytes));
        match request.customize().config_override(persistent()).send().await {
            Ok(_) => Ok(crc64),
            Err(error) => self.excuse(error, "writing", &crc64, &crc64).await.map(|()| crc64),
        }
    }

    async fn send_part(&mut self, bytes: Bytes) -> Result<(), Error> {
        let upload_id = self.begin().await?;
        self.settle(self.at_once - 1).await?;
        let crc64 = self.hash(bytes.clone()).await?;
        let index = self.parts.len();
        self.parts.push(None);
        let (bucket, key) = (self.bucket.clone(), self.key.clone());
        self.sending.spawn(async move {
            let part = send_part(&bucket, &key, upload_id, index, bytes, crc64).await?;
            Ok((index, part))
        });
        Ok(())
    }

    async fn begin(&mut self) -> Result<String, Error> {
        if let Some(begun) = &self.begun {
            return Ok(begun.upload_id.clone());
        }
        let Bucket { client, name } = self.bucket;
        let request = client.create_multipart_upload().bucket(name).key(&self.key);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject);
        let created = request.customize().config_override(persistent()).send().await;
        let created = created.map_err(|e| self.bucket.unavailable("writing", &self.key, e))?;
        let upload_id = created.upload_id.unwrap_or_default();
        let is_composite = created.checksum_type == Some(ChecksumType::Composite);
        self.begun = Some(Begun { upload_id: upload_id.clone(), is_composite });
        Ok(upload_id)
    }

    /// Waits until no more than so many parts are on their way.
    async fn settle(&mut self, most: usize) -> Result<(), Error> {
        while self.sending.len() > most {
            if let Some(sent) = self.sending.join_next().await {
                let (index, part) = sent.map_err(|e| self.bucket.unavailable("writing", &self.key, e))??;
                self.parts[index] = Some(part);
            }
        }
        Ok(())
    }

    /// All parts; none of them may have failed.
    fn sent(&self) -> Result<Vec<&Part>, Error> {
        let parts: Option<Vec<&Part>> = self.parts.iter().map(Option::as_ref).collect();
        parts.ok_or_else(|| self.bucket.unavailable("writing", &self.key, std::io::Error::other("a part of it has failed")))
    }

    /// Takes bytes into the hashes of the whole; gives their own CRC.
    async fn hash(&mut self, bytes: Bytes) -> Result<u64, Error> {
        let mut hashes = self.hashes.clone();
        let (hashes, crc) = self
            .computing(move || {
                let crc = hashes.update(&bytes);
                (hashes, crc)
            })
            .await?;
        self.hashes = hashes;
        Ok(crc)
    }

    /// Works on a thread that may compute.
    async fn computing<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        tokio::task::spawn_blocking(work).await.map_err(|e| self.bucket.unavailable("writing", &self.key, e))
    }

    async fn complete(&self) -> Result<String, Error> {
        let Some(begun) = &self.begun else { return Ok(String::new()) };
        let parts = self.sent()?;
        let crc64 = base64_crc(whole(&parts));
        let (kind, expected) = match begun.is_composite {
            true => (ChecksumType::Composite, composite(&parts)),
            false => (ChecksumType::FullObject, crc64.clone()),
        };
        let listed = parts.iter().zip(1..).map(|(part, number)| {
            CompletedPart::builder().part_number(number).e_tag(&part.e_tag).checksum_crc64_nvme(base64_crc(part.crc64)).build()
        });
        let parts = CompletedMultipartUpload::builder().set_parts(Some(listed.collect())).build();
        let Bucket { client, name } = self.bucket;
        let request = client.complete_multipart_upload().bucket(name).key(&self.key).upload_id(&begun.upload_id).multipart_upload(parts);
        let request = request.checksum_type(kind).checksum_crc64_nvme(&expected);
        let request = request.mpu_object_size(i64::try_from(self.bytes).unwrap_or(i64::MAX));
        match request.customize().config_override(persistent()).send().await {
            Ok(completed) => match completed.checksum_crc64_nvme {
                Some(answered) if answered == expected => Ok(crc64),
                Some(answered) => Err(self.corrupt(format!("its CRC-64/NVME is {answered} and should be {expected}"))),
                None if self.stands(&expected, &crc64).await? => Ok(crc64),
                None => Err(self.corrupt(format!("S3 does not say that its CRC-64/NVME is {expected}"))),
            },
            // The answer may have been lost, and the upload be over: then the object stands.
            Err(error) => self.excuse(error, "completing", &expected, &crc64).await.map(|()| crc64),
        }
    }

    /// A failed write is none if the object stands all the same.
    async fn excuse<E>(&self, error: SdkError<E>, action: &'static str, expected: &str, crc64: &str) -> Result<(), Error>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let failed = failed(self.bucket, &self.key, action, error);
        match self.stands(expected, crc64).await {
            Ok(true) => {
                tracing::warn!(
                    key = self.key,
                    error = crate::error::sentence(&failed),
                    "the answer to a write was lost, and the object stands"
                );
                Ok(())
            }
            Ok(false) | Err(_) => Err(failed),
        }
    }

    /// Whether the very bytes stand under this key. S3 keeps one of these two checksums, depending on how they came there.
    async fn stands(&self, expected: &str, crc64: &str) -> Result<bool, Error> {
        let Bucket { client, name } = self.bucket;
        let request = client.head_object().bucket(name).key(&self.key).checksum_mode(ChecksumMode::Enabled);
        let head = request.send().await.map_err(|e| self.bucket.unavailable("looking up", &self.key, e))?;
        let has_length = head.content_length.and_then(|n| u64::try_from(n).ok()) == Some(self.bytes);
        Ok(has_length && head.checksum_crc64_nvme.is_some_and(|kept| kept == expected || kept == crc64))
    }

    fn corrupt(&self, what: String) -> Error {
        Error::ObjectCorrupt { bucket: self.bucket.name.clone(), key: self.key.clone(), what }
    }
}

/// The smallest parts that an object of so many bytes can have: a whole number of [`PART_BYTES`]. What is written in such pieces is not
/// copied on its way.
pub fn part_bytes(object_bytes: u64) -> usize {
    let times = object_bytes.div_ceil(MAX_PARTS * PART_BYTES as u64).max(1);
    usize::try_from(times).unwrap_or(usize::MAX).saturating_mul(PART_BYTES)
}

/// Parts of this size that are on their way at once.
pub fn parts_at_once(part_bytes: usize) -> usize {
    (IN_FLIGHT_BYTES / part_bytes).clamp(1, IN_FLIGHT)
}

async fn send_part(bucket: &Bucket, key: &str, upload_id: String, index: usize, bytes: Bytes, crc64: u64) -> Result<Part, Error> {
    let Bucket { client, name } = bucket;
    let length = bytes.len() as u64;
    let request = client
        .upload_part()
        .bucket(name)
        .key(key)
        .upload_id(upload_id)
        .part_number(i32::try_from(index + 1).unwrap_or(i32::MAX))
        .checksum_crc64_nvme(base64_crc(crc64))
        .body(ByteStream::from(bytes));
    // The checksum says what the payload's signature would say, without hashing every byte once more.
    let sent = request.customize().config_override(persistent()).disable_payload_signing().send().await;
    let sent = sent.map_err(|e| failed(bucket, key, "writing", e))?;
    Ok(Part { e_tag: sent.e_tag.unwrap_or_default(), crc64, bytes: length })
}

/// An upload that S3 knows no more cannot be gone on with, and bytes of another checksum than theirs are not written.
fn failed<E>(bucket: &Bucket, key: &str, action: &'static str, error: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let (name, key) = (bucket.name.clone(), key.to_owned());
    match error.code() {
        Some("NoSuchUpload") => Error::UploadGone { bucket: name, key },
        Some("BadDigest") => Error::ObjectCorrupt { bucket: name, key, what: "other bytes reached S3 than were sent".to_owned() },
        _ => bucket.unavailable(action, &key, error),
    }
}

fn persistent() -> aws_sdk_s3::config::Builder {
    let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_max_backoff(MAX_BACKOFF);
    aws_sdk_s3::Config::builder().retry_config(retry)
}

#[cfg(test)]
mod tests;
