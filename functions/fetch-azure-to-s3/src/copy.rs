//! The blob's bytes into S3, exactly: whatever arrives is hashed, measured and scanned on its way, and becomes visible only if all agree.

use bytes::Bytes;
use cloud::bucket::Bucket;
use cloud::upload::Upload;
use futures::StreamExt;
use md5::{Digest, Md5};
use pipeline::manifest::{RawManifest, hex};
use pipeline::split::{Layout, SplitFinder};

use crate::azure::{Blob, Version};
use crate::error::Error;

const RANGE_BYTES: u64 = 8 * 1024 * 1024;

/// Copies one version of the blob to `raw_key`.
pub(crate) async fn copy(
    blob: &Blob,
    version: &Version,
    version_name: &str,
    bucket: &Bucket,
    raw_key: String,
    split_bytes: u64,
) -> Result<RawManifest, Error> {
    let mut upload = Upload::new(bucket, raw_key.clone());
    let mut md5 = Md5::new();
    let mut finder = SplitFinder::new(split_bytes);
    let mut bytes = 0u64;
    let malformed = |malformed| Error::SourceMalformed { uri: blob.uri.clone(), malformed };
    let streamed = read(blob, version, async |chunk: Bytes| {
        bytes += chunk.len() as u64;
        md5.update(&chunk);
        finder.push(&chunk).map_err(malformed)?;
        Ok(upload.write(&chunk).await?)
    })
    .await;
    let md5: [u8; 16] = md5.finalize().into();
    let checked = streamed.and_then(|()| verify(blob, version, bytes, md5)).and_then(|()| layout(blob, finder));
    let layout = match checked {
        Ok(layout) => layout,
        Err(error) => {
            upload.abort().await;
            return Err(error);
        }
    };
    let uploaded = upload.finish().await?;
    Ok(RawManifest {
        uri: blob.uri.clone(),
        version: version_name.to_owned(),
        etag: version.etag.clone(),
        modified_at: version.modified_at.clone(),
        raw_key,
        bytes: uploaded.bytes,
        md5: hex(&md5),
        sha256: hex(&uploaded.sha256),
        format: layout.format,
        records: layout.records,
        splits: layout.splits,
        replay: None,
    })
}

async fn read<F>(blob: &Blob, version: &Version, mut on_bytes: F) -> Result<(), Error>
where
    F: AsyncFnMut(Bytes) -> Result<(), Error>,
{
    let mut start = 0;
    while start < version.bytes {
        let end = version.bytes.min(start + RANGE_BYTES);
        let mut body = blob.open_range(version, start..end).await.map_err(|e| blob.explain(e, "reading it"))?;
        while let Some(bytes) = body.next().await {
            on_bytes(bytes.map_err(|e| blob.explain(e, "reading it"))?).await?;
        }
        start = end;
    }
    Ok(())
}

fn verify(blob: &Blob, version: &Version, bytes: u64, md5: [u8; 16]) -> Result<(), Error> {
    let corrupt = |what| Error::SourceCorrupt { uri: blob.uri.clone(), what };
    if bytes != version.bytes {
        return Err(corrupt(format!("{bytes} bytes arrived of {}", version.bytes)));
    }
    match version.md5 {
        Some(expected) if expected != md5 => Err(corrupt(format!("its MD5 is {}, its Content-MD5 says {}", hex(&md5), hex(&expected)))),
        _ => Ok(()),
    }
}

fn layout(blob: &Blob, finder: SplitFinder) -> Result<Layout, Error> {
    let layout = finder.finish().map_err(|malformed| Error::SourceMalformed { uri: blob.uri.clone(), malformed })?;
    layout.ok_or_else(|| Error::SourceEmpty { uri: blob.uri.clone() })
}
