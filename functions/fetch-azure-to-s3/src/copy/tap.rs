//! What is learned of the bytes while they pass: their hashes, and where their records are. It works on threads that may compute.

use bytes::Bytes;
use cloud::checksum::{restore, save};
use md5::{Digest, Md5};
use pipeline::manifest::{RawBlob, hex};
use pipeline::source::Malformed;
use pipeline::split::{Layout, Sections};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::inflate::Inflater;
use crate::pinned::PinnedBlob;

pub(super) struct Tap {
    /// Of the present blob as it is stored, where the object is another: else the upload finds it.
    blob_md5: Option<Md5>,
    sections: Sections,
    blobs: Vec<RawBlob>,
}

/// A tap that can be taken up again.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedTap {
    blob_md5: Option<String>,
    sections: Sections,
    blobs: Vec<RawBlob>,
}

impl SavedTap {
    /// `None` when it is none of ours.
    pub(super) fn restore(self) -> Option<Tap> {
        let blob_md5 = match &self.blob_md5 {
            Some(saved) => Some(restore(saved)?),
            None => None,
        };
        Some(Tap { blob_md5, sections: self.sections, blobs: self.blobs })
    }
}

impl Tap {
    pub(super) fn new(split_bytes: u64, is_object_apart: bool) -> Self {
        Self { blob_md5: is_object_apart.then(Md5::new), sections: Sections::new(split_bytes), blobs: Vec::new() }
    }

    pub(super) fn save(&self) -> SavedTap {
        SavedTap { blob_md5: self.blob_md5.as_ref().map(save), sections: self.sections.clone(), blobs: self.blobs.clone() }
    }

    fn stored(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.blob_md5 {
            md5.update(bytes);
        }
    }

    /// Of the blob that is over; the next one's begins. `None` where it is the object's.
    pub(super) fn take_blob_md5(&mut self) -> Option<[u8; 16]> {
        self.blob_md5.as_mut().map(|md5| std::mem::take(md5).finalize().into())
    }

    pub(super) fn end_blob(&mut self, blob: &PinnedBlob, md5: [u8; 16], is_gzip: bool) -> Result<(), Malformed> {
        let start = self.sections.start();
        let found = self.sections.end_text()?;
        let version = &blob.found.version;
        self.blobs.push(RawBlob {
            uri: blob.uri.clone(),
            etag: version.etag.clone(),
            modified_at: version.modified_at.clone(),
            start,
            end: self.sections.end(),
            bytes: version.bytes,
            md5: hex(&md5),
            content_md5: version.md5.map(|md5| hex(&md5)),
            is_gzip,
            format: found.map(|(format, _)| format),
            records: found.map_or(0, |(_, records)| records),
        });
        Ok(())
    }

    pub(super) fn finish(self) -> (Option<Layout>, Vec<RawBlob>) {
        (self.sections.finish(), self.blobs)
    }
}

/// Bytes that are stored as they are read.
pub(super) async fn plain(tap: &mut Option<Box<Tap>>, bytes: Bytes) -> Result<Result<(), Malformed>, Error> {
    on_thread(tap, move |tap| {
        tap.stored(&bytes);
        tap.sections.push(&bytes)
    })
    .await
}

/// Bytes that have to be unpacked, before they are.
pub(super) async fn stored(tap: &mut Option<Box<Tap>>, bytes: Bytes) -> Result<(), Error> {
    on_thread(tap, move |tap| tap.stored(&bytes)).await
}

/// Unpacks some of the bytes; gives those that are left, and the text.
pub(super) async fn inflate(
    tap: &mut Option<Box<Tap>>,
    inflater: &mut Option<Box<Inflater>>,
    mut bytes: Bytes,
) -> Result<Result<(Bytes, Bytes), Malformed>, Error> {
    unpack(tap, inflater, move |inflater| inflater.inflate(&mut bytes).map(|text| (bytes, text))).await
}

/// The rest of the text of a blob that is over.
pub(super) async fn finish(tap: &mut Option<Box<Tap>>, inflater: &mut Option<Box<Inflater>>) -> Result<Result<Bytes, Malformed>, Error> {
    let finished = unpack(tap, inflater, |inflater| inflater.finish().map(|text| (Bytes::new(), text))).await?;
    Ok(finished.map(|(_, text)| text))
}

async fn unpack(
    tap: &mut Option<Box<Tap>>,
    inflater: &mut Option<Box<Inflater>>,
    work: impl FnOnce(&mut Inflater) -> Result<(Bytes, Bytes), Malformed> + Send + 'static,
) -> Result<Result<(Bytes, Bytes), Malformed>, Error> {
    let Some(mut taken) = inflater.take() else { return Ok(Ok((Bytes::new(), Bytes::new()))) };
    let (taken, unpacked) = on_thread(tap, move |tap| {
        let unpacked = work(&mut taken).and_then(|(rest, text)| tap.sections.push(&text).map(|()| (rest, text)));
        (taken, unpacked)
    })
    .await?;
    *inflater = Some(taken);
    Ok(unpacked)
}

/// The tap is away until the work is done.
async fn on_thread<T: Send + 'static>(tap: &mut Option<Box<Tap>>, work: impl FnOnce(&mut Tap) -> T + Send + 'static) -> Result<T, Error> {
    let mut taken = tap.take().ok_or(Error::Died)?;
    let working = tokio::task::spawn_blocking(move || {
        let done = work(&mut taken);
        (taken, done)
    });
    let (taken, done) = working.await.map_err(|_| Error::Died)?;
    *tap = Some(taken);
    Ok(done)
}
