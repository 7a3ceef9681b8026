//! An object written while it is made: one PUT when it is small, a multipart upload when it is not. Visible only when complete.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

use crate::bucket::Bucket;
use crate::error::Error;

/// Bytes of a part. S3 takes 10,000 parts of 5 MiB to 5 GiB, so this reaches 78 GiB.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// An upload under way. Ends by [`Self::finish`] or [`Self::abort`]; what a killed function leaves, the bucket's lifecycle rule removes.
#[derive(Debug)]
pub struct Upload<'b> {
    bucket: &'b Bucket,
    key: String,
    buffer: BytesMut,
    upload_id: Option<String>,
    parts: Vec<CompletedPart>,
    bytes: u64,
    sha256: Sha256,
}

/// An object that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    pub key: String,
    pub bytes: u64,
    pub sha256: [u8; 32],
}

impl<'b> Upload<'b> {
    pub fn new(bucket: &'b Bucket, key: String) -> Self {
        Self { bucket, key, buffer: BytesMut::new(), upload_id: None, parts: Vec::new(), bytes: 0, sha256: Sha256::new() }
    }

    /// Appends bytes; sends a part whenever one is full.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        self.sha256.update(bytes);
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= PART_BYTES {
            let part = self.buffer.split_to(PART_BYTES).freeze();
            self.send_part(part).await?;
        }
        Ok(())
    }

    /// Makes the object visible.
    pub async fn finish(mut self) -> Result<Uploaded, Error> {
        let rest = self.buffer.split().freeze();
        if self.upload_id.is_none() {
            self.bucket.put(&self.key, rest).await?;
        } else {
            if !rest.is_empty() {
                self.send_part(rest).await?;
            }
            self.complete().await?;
        }
        Ok(Uploaded { key: self.key, bytes: self.bytes, sha256: self.sha256.finalize().into() })
    }

    /// Leaves nothing behind.
    pub async fn abort(self) {
        let Some(upload_id) = &self.upload_id else { return };
        let Bucket { client, name } = self.bucket;
        let aborted = client.abort_multipart_upload().bucket(name).key(&self.key).upload_id(upload_id).send().await;
        if let Err(error) = aborted {
            // The lifecycle rule of the bucket removes it then.
            tracing::warn!(key = self.key, error = %aws_sdk_s3::error::DisplayErrorContext(&error), "an upload could not be aborted");
        }
    }

    async fn send_part(&mut self, part: Bytes) -> Result<(), Error> {
        let Bucket { client, name } = self.bucket;
        let upload_id = match &self.upload_id {
            Some(id) => id.clone(),
            None => {
                let created = client.create_multipart_upload().bucket(name).key(&self.key).send().await;
                let created = created.map_err(|e| self.bucket.unavailable("writing", &self.key, e))?;
                self.upload_id.insert(created.upload_id.unwrap_or_default()).clone()
            }
        };
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let sent = client
            .upload_part()
            .bucket(name)
            .key(&self.key)
            .upload_id(&upload_id)
            .part_number(number)
            .body(ByteStream::from(part))
            .send()
            .await;
        let sent = sent.map_err(|e| self.bucket.unavailable("writing", &self.key, e))?;
        self.parts.push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).set_checksum_crc32(sent.checksum_crc32).build());
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), Error> {
        let Bucket { client, name } = self.bucket;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts))).build();
        let request = client.complete_multipart_upload().bucket(name).key(&self.key).set_upload_id(self.upload_id.clone());
        let completed = request.multipart_upload(parts).send().await;
        completed.map(|_| ()).map_err(|e| self.bucket.unavailable("writing", &self.key, e))
    }
}
