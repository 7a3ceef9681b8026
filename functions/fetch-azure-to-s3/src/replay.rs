//! The transactions that a former run has quarantined, taken out of its raw object to go through this run's merge and load.
//!
//! All of them lie in S3, where that run has put them: Azure is not asked. What is laid out here is read like any source, and the
//! manifest that says so is written last.

use std::iter::Peekable;

use bytes::{Buf, Bytes, BytesMut};
use cloud::bucket::{Bucket, Pin};
use cloud::upload::Upload;
use md5::{Digest, Md5};
use pipeline::manifest::{Inputs, Part, RawManifest, RunId, Written, hex};
use pipeline::quarantine::{QuarantineReader, Quarantined};
use pipeline::replay::{Made, Misplaced, ReplayWriter};
use pipeline::split::{Format, Layout};
use sha2::Sha256;
use tracing::info;

use crate::error::Error;

/// Bytes between two records that are sooner read than passed over with another request.
const GAP_BYTES: u64 = 1024 * 1024;

/// Most rejections, and most bytes of their texts, that are held while their records are read.
const HELD: usize = 10_000;
const HELD_BYTES: usize = 8 * 1024 * 1024;

/// Bytes that are collected before they are handed to an upload.
const WRITE_BYTES: usize = 256 * 1024;

/// Lays out what the run `of` has quarantined, unless this run has done so already; gives the key of its manifest, too.
pub(crate) async fn take_up(bucket: &Bucket, run_id: &RunId, of: &RunId, split_bytes: u64) -> Result<(String, RawManifest), Error> {
    let manifest_key = run_id.replay_manifest_key();
    if let Some(raw) = bucket.get_json_optional(&manifest_key).await? {
        info!("the records of this replay are laid out already");
        return Ok((manifest_key, raw));
    }
    let origin = Origin::find(bucket, of).await?;
    let mut replay = Replay::new(bucket, run_id, split_bytes);
    let laid = origin.lay(&mut replay).await;
    let Replay { writer, mut output } = replay;
    let closed = match laid {
        Ok(()) => output.close(writer).await.map_err(|error| origin.explain(error)),
        Err(error) => Err(error),
    };
    let layout = match closed.and_then(|layout| layout.ok_or_else(|| Error::ReplayEmpty { of: of.clone() })) {
        Ok(layout) => layout,
        Err(error) => {
            output.object.abort().await;
            output.places.abort().await;
            return Err(error);
        }
    };
    let md5 = hex(&output.md5.finalize());
    let object = output.object.finish().await?;
    output.places.finish().await?;
    let object = Written { key: object.key, bytes: object.bytes, sha256: hex(&object.sha256) };
    let raw = origin.raw.replayed(of, run_id, object, md5, layout);
    bucket.put_json(&manifest_key, &raw).await?;
    info!(%of, version = raw.version, bytes = raw.bytes, records = raw.records, splits = raw.splits.len(), "quarantined records laid out");
    Ok((manifest_key, raw))
}

/// The run that is replayed, as it stands in S3.
struct Origin<'b> {
    bucket: &'b Bucket,
    of: &'b RunId,
    raw: RawManifest,
    /// Bytes of the source's raw object.
    source_bytes: u64,
    /// What its contract calls the transactions.
    transactions: String,
    parts: Vec<Part>,
}

impl<'b> Origin<'b> {
    async fn find(bucket: &'b Bucket, of: &'b RunId) -> Result<Self, Error> {
        let missing = |error| missing(of, error);
        let inputs: Inputs = bucket.get_json(&of.inputs_key()).await.map_err(missing)?;
        let raw: RawManifest = bucket.get_json(&inputs.raw_manifest).await.map_err(missing)?;
        let plan = cloud::contract::pinned(bucket, &inputs.contract).await.map_err(missing)?;
        let Some(head) = bucket.head(raw.source_key()).await? else {
            return Err(Error::ReplayMissing { of: of.clone(), uri: bucket.uri(raw.source_key()) });
        };
        let source_bytes = head.content_length.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        let mut parts = Vec::with_capacity(raw.splits.len());
        // A split without its books was not read to its end: what else it would have quarantined, nobody knows.
        for split in 0..u32::try_from(raw.splits.len()).unwrap_or(u32::MAX) {
            parts.push(bucket.get_json::<Part>(&of.part_key(split)).await.map_err(missing)?);
        }
        Ok(Self { bucket, of, raw, source_bytes, transactions: plan.transactions.name, parts })
    }

    /// Lays out the rejections of every part. The parts follow each other as the splits do, so the records come in their order.
    async fn lay(&self, replay: &mut Replay<'_>) -> Result<(), Error> {
        for (part, split) in self.parts.iter().zip(&self.raw.splits) {
            let format = self.raw.format_of(split);
            let expected = part.ledger.transactions.quarantined;
            if expected == 0 {
                continue;
            }
            let key = &part.quarantine.key;
            let corrupt = |what| self.corrupt(key, what);
            let file = self.bucket.get(key, &Pin::default()).await.map_err(|e| missing(self.of, e))?;
            if hex(&Sha256::digest(&file)) != part.quarantine.sha256 {
                return Err(corrupt("its SHA-256 is another".to_owned()));
            }
            let unreadable = |e: &dyn std::error::Error| corrupt(e.to_string().chars().take(300).collect());
            let mut rejections = QuarantineReader::new(file, &self.transactions).map_err(|e| unreadable(&e))?.peekable();
            let before = replay.writer.records();
            loop {
                let near = next_near(&mut rejections).map_err(|e| unreadable(&e))?;
                if near.is_empty() {
                    break;
                }
                self.fetch(format, &near, replay).await?;
            }
            let found = replay.writer.records() - before;
            if found != expected {
                return Err(corrupt(format!("it has {found} transactions, and its books say {expected}")));
            }
        }
        Ok(())
    }

    /// The records of rejections that lie near each other, by one ranged GET. No more is held than one of them and what has just arrived.
    async fn fetch(&self, format: Format, near: &[Quarantined], replay: &mut Replay<'_>) -> Result<(), Error> {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { return Ok(()) };
        let key = self.raw.source_key();
        let corrupt = |what: &str, offset: u64| self.corrupt(key, format!("{what} at byte {offset}"));
        if last.end() > self.source_bytes {
            return Err(corrupt("it ends before the record", last.offset));
        }
        let range = Some((first.offset, last.end()));
        let mut body = self.bucket.open(key, range, &Pin::default()).await.map_err(|e| missing(self.of, e))?;
        let mut arrived = Arrived { bytes: BytesMut::new(), at: first.offset };
        for rejection in near {
            let record = loop {
                if let Some(record) = arrived.take(rejection) {
                    break record;
                }
                let chunk = self.bucket.next_chunk(key, &mut body).await?;
                arrived.bytes.extend_from_slice(&chunk.ok_or_else(|| corrupt("it ends before the record", rejection.offset))?);
            };
            if !rejection.is(&record) {
                return Err(corrupt("another record stands", rejection.offset));
            }
            replay.push(format, rejection.offset, &record).await.map_err(|error| self.explain(error))?;
        }
        Ok(())
    }

    fn explain(&self, error: LayError) -> Error {
        match error {
            LayError::Misplaced(misplaced) => self.corrupt(self.raw.source_key(), misplaced.to_string()),
            LayError::Cloud(error) => error.into(),
        }
    }

    fn corrupt(&self, key: &str, what: String) -> Error {
        Error::ReplayCorrupt { of: self.of.clone(), uri: self.bucket.uri(key), what }
    }
}

/// An object of the run that is replayed, or of its source, is not there.
fn missing(of: &RunId, error: cloud::Error) -> Error {
    match error {
        cloud::Error::ObjectMissing { bucket, key, .. } => Error::ReplayMissing { of: of.clone(), uri: format!("s3://{bucket}/{key}") },
        error => error.into(),
    }
}

/// Bytes of the source that have arrived and are not taken yet.
struct Arrived {
    bytes: BytesMut,
    /// Of the first of them, in the source.
    at: u64,
}

impl Arrived {
    /// A record's bytes, once all of them are there. What stands before them is dropped.
    fn take(&mut self, rejection: &Quarantined) -> Option<BytesMut> {
        let clamp = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let before = clamp(rejection.offset.saturating_sub(self.at)).min(self.bytes.len());
        self.bytes.advance(before);
        self.at += before as u64;
        let length = clamp(rejection.end().saturating_sub(self.at));
        if self.at < rejection.offset || self.bytes.len() < length {
            return None;
        }
        self.at += length as u64;
        Some(self.bytes.split_to(length))
    }
}

/// The next rejections whose records are near each other; none when there are no more.
fn next_near<E>(rejections: &mut Peekable<impl Iterator<Item = Result<Quarantined, E>>>) -> Result<Vec<Quarantined>, E> {
    let mut near: Vec<Quarantined> = Vec::new();
    let mut held_bytes = 0;
    loop {
        let end = near.last().map(Quarantined::end);
        let has_room = near.len() < HELD && held_bytes < HELD_BYTES;
        let is_near = |next: &Quarantined| end.is_none_or(|end| has_room && next.offset.saturating_sub(end) <= GAP_BYTES);
        match rejections.next_if(|next| next.as_ref().map_or(true, is_near)) {
            None => return Ok(near),
            Some(next) => {
                let next = next?;
                held_bytes += next.record.len();
                near.push(next);
            }
        }
    }
}

/// A replay while it is laid out.
struct Replay<'b> {
    writer: ReplayWriter,
    output: Output<'b>,
}

/// Its objects on their way to S3.
struct Output<'b> {
    made: Made,
    md5: Md5,
    object: Upload<'b>,
    places: Upload<'b>,
}

enum LayError {
    Misplaced(Misplaced),
    Cloud(cloud::Error),
}

impl From<Misplaced> for LayError {
    fn from(misplaced: Misplaced) -> Self {
        Self::Misplaced(misplaced)
    }
}

impl From<cloud::Error> for LayError {
    fn from(error: cloud::Error) -> Self {
        Self::Cloud(error)
    }
}

impl<'b> Replay<'b> {
    fn new(bucket: &'b Bucket, run_id: &RunId, split_bytes: u64) -> Self {
        let object = Upload::new(bucket, run_id.replay_key());
        let places = Upload::new(bucket, run_id.places_key());
        let output = Output { made: Made::default(), md5: Md5::new(), object, places };
        Self { writer: ReplayWriter::new(split_bytes), output }
    }

    async fn push(&mut self, format: Format, offset: u64, record: &[u8]) -> Result<(), LayError> {
        self.writer.push(format, offset, record, &mut self.output.made)?;
        if self.output.made.object.len() >= WRITE_BYTES {
            self.output.send().await?;
        }
        Ok(())
    }
}

impl Output<'_> {
    /// `None` when no record was laid out.
    async fn close(&mut self, writer: ReplayWriter) -> Result<Option<Layout>, LayError> {
        let layout = writer.finish(&mut self.made)?;
        self.send().await?;
        Ok(layout)
    }

    async fn send(&mut self) -> Result<(), cloud::Error> {
        self.md5.update(&self.made.object);
        self.object.write(Bytes::copy_from_slice(&self.made.object)).await?;
        self.places.write(Bytes::copy_from_slice(&self.made.places)).await?;
        self.made.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
