//! The blobs' bytes into S3, exactly: whatever arrives is hashed, measured and scanned on its way, and becomes visible only if all agree.
//!
//! What is held of them is the same whatever their size, see [`ranges_at_once`].

mod checkpoint;
#[cfg(test)]
pub(crate) mod fake;
mod job;
mod tap;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloud::upload::{MAX_OBJECT_BYTES, Upload, Uploaded};
use futures::StreamExt;
use futures::stream::Stream;
use pipeline::manifest::{RawManifest, hex};
use pipeline::source::Malformed;
use tokio::time::Instant;
use tracing::{info, warn};

use self::checkpoint::Checkpoint;
pub(crate) use self::job::Job;
use self::job::{ranges_at_once, sending};
use self::tap::Tap;
use crate::error::Error;
use crate::inflate::{Inflater, MAX_INFLATED_BYTES, begins_gzip, is_called_gzip};
use crate::pinned::PinnedBlob;
use crate::ranges::{Blobs, Position, Segment, in_order, segments};

/// How often a checkpoint is left, so that a call that is killed is no longer lost than that.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// How a call of a copy ends well.
#[derive(Debug)]
pub(crate) enum Copied {
    Whole(Box<RawManifest>),
    /// Its time is over; the next call goes on.
    Partly,
}

/// Copies a source, from its beginning or from where a former call has stopped.
pub(crate) async fn copy<B: Blobs>(job: &Job<'_>, blobs: B) -> Result<Copied, Error> {
    if job.pinned.bytes() == 0 {
        return Err(Error::SourceEmpty { uri: job.pinned.uri.clone() });
    }
    if job.pinned.bytes() > MAX_OBJECT_BYTES {
        return Err(Error::SourceTooLarge { uri: job.pinned.uri.clone(), most: MAX_OBJECT_BYTES });
    }
    let _logging = job.progress.log();
    let copying = match checkpoint::load(job).await?.and_then(|saved| Copying::resume(job, saved)) {
        Some(copying) => copying,
        None => Copying::begin(job, job.pinned.is_called_gzip()),
    };
    if let Some(copied) = copying.run(blobs.clone()).await? {
        return Ok(copied);
    }
    // A blob that no name gave away is gzip: now there are two objects to be written.
    let again = Copying::begin(job, true).run(blobs).await?;
    again.ok_or_else(|| Error::SourceChanged { uri: job.pinned.uri.clone() })
}

/// A copy under way.
struct Copying<'j> {
    job: &'j Job<'j>,
    /// The next byte to deal with.
    position: Position,
    /// Away while it is used on a thread of its own.
    tap: Option<Box<Tap>>,
    /// Of the present blob.
    inflater: Option<Box<Inflater>>,
    raw: Upload<'j>,
    /// Where some blob is compressed.
    original: Option<Upload<'j>>,
    /// Whether all of it stands at `position`, and not in the middle of a segment.
    is_settled: bool,
    is_renewed: bool,
    /// Bytes before the last checkpoint of this call.
    saved: Option<u64>,
    saved_at: Instant,
    /// Left by this call or a former one.
    has_checkpoint: bool,
    began_at: Position,
}

enum Stop {
    End,
    Deadline,
    UnexpectedGzip,
}

type Arriving = Pin<Box<dyn Stream<Item = (Segment, Result<Bytes, Error>)> + Send>>;

impl<'j> Copying<'j> {
    fn begin(job: &'j Job<'j>, is_compressed: bool) -> Self {
        let upload = |key| sending(Upload::in_parts_of(job.part_bytes, job.bucket, key), is_compressed);
        let is_several = job.pinned.blobs.len() > 1;
        Self {
            job,
            position: Position::default(),
            tap: Some(Box::new(Tap::new(job.split_bytes, is_several || is_compressed))),
            inflater: None,
            raw: upload(job.raw_key(is_compressed)).with_md5(),
            original: is_compressed.then(|| upload(job.original_key())),
            is_settled: true,
            is_renewed: false,
            saved: None,
            saved_at: Instant::now(),
            has_checkpoint: false,
            began_at: Position::default(),
        }
    }

    /// `None` when the checkpoint is of another shape than ours.
    fn resume(job: &'j Job<'j>, saved: Checkpoint) -> Option<Self> {
        let is_compressed = saved.original.is_some();
        let original = match saved.original {
            Some(paused) => Some(sending(Upload::resume(job.bucket, job.original_key(), paused)?, is_compressed)),
            None => None,
        };
        let copying = Self {
            position: saved.position,
            began_at: saved.position,
            tap: Some(Box::new(saved.tap.restore()?)),
            raw: sending(Upload::resume(job.bucket, job.raw_key(is_compressed), saved.raw)?, is_compressed),
            original,
            has_checkpoint: true,
            ..Self::begin(job, is_compressed)
        };
        job.progress.begin_at(copying.copied());
        info!(copied = copying.copied(), total = job.pinned.bytes(), "going on where a former call has stopped");
        Some(copying)
    }

    /// `None` when a blob is gzip and was not known to be.
    async fn run<B: Blobs>(mut self, blobs: B) -> Result<Option<Copied>, Error> {
        match self.advance(blobs).await {
            Ok(Stop::End) => self.finish().await.map(|raw| Some(Copied::Whole(Box::new(raw)))),
            Ok(Stop::Deadline) => self.stop().await.map(|()| Some(Copied::Partly)),
            Ok(Stop::UnexpectedGzip) => {
                self.job.progress.begin_at(0);
                self.discard().await;
                Ok(None)
            }
            Err(error) => {
                self.fail(&error).await;
                Err(error)
            }
        }
    }

    async fn advance<B: Blobs>(&mut self, mut blobs: B) -> Result<Stop, Error> {
        self.end_empty_blobs().await?;
        let mut arriving = self.arriving(&blobs);
        loop {
            let next = tokio::select! {
                biased;
                () = self.job.deadline.passed() => return Ok(Stop::Deadline),
                next = arriving.next() => next,
            };
            let Some((segment, read)) = next else { return Ok(Stop::End) };
            let bytes = match read {
                Err(refused @ Error::SourceForbidden { .. }) if !self.is_renewed => {
                    self.is_renewed = true;
                    blobs = blobs.renewed().await?.ok_or(refused)?;
                    arriving = self.arriving(&blobs);
                    info!("the credential was renewed in the middle of the copy");
                    continue;
                }
                read => read?,
            };
            if self.is_unexpected_gzip(&segment, &bytes) {
                return Ok(Stop::UnexpectedGzip);
            }
            self.is_settled = false;
            self.take(segment, bytes).await?;
            self.is_settled = true;
            if self.is_checkpoint_due() {
                self.save().await?;
            }
        }
    }

    fn arriving<B: Blobs>(&self, blobs: &B) -> Arriving {
        let sizes: Arc<[u64]> = self.job.pinned.blobs.iter().map(|blob| blob.found.version.bytes).collect();
        let at_once = ranges_at_once(self.job.part_bytes, self.original.is_some());
        let wanted = segments(sizes, self.position, self.job.range_bytes);
        Box::pin(in_order(blobs.clone(), wanted, at_once, self.job.budget.clone()))
    }

    fn is_unexpected_gzip(&self, segment: &Segment, bytes: &[u8]) -> bool {
        segment.range.start == 0 && self.original.is_none() && begins_gzip(bytes)
    }

    /// Deals with the next segment.
    async fn take(&mut self, segment: Segment, bytes: Bytes) -> Result<(), Error> {
        if segment.range.start == 0 {
            self.begin_blob(segment.blob, &bytes)?;
        }
        match self.inflater {
            None => {
                let (tapped, raw) = match &mut self.original {
                    Some(original) => {
                        let both = async {
                            original.write(bytes.clone()).await?;
                            self.raw.write(bytes.clone()).await
                        };
                        tokio::join!(tap::plain(&mut self.tap, bytes.clone()), both)
                    }
                    None => tokio::join!(tap::plain(&mut self.tap, bytes.clone()), self.raw.write(bytes.clone())),
                };
                tapped?.map_err(|malformed| self.malformed(malformed))?;
                raw?;
            }
            Some(_) => self.take_gzip(bytes).await?,
        }
        self.job.progress.add(segment.range.end - segment.range.start);
        self.position = Position { blob: segment.blob, byte: segment.range.end };
        if segment.range.end == self.blob().found.version.bytes {
            self.end_blob().await?;
            self.end_empty_blobs().await?;
        }
        Ok(())
    }

    fn begin_blob(&mut self, number: usize, bytes: &[u8]) -> Result<(), Error> {
        self.position = Position { blob: number, byte: 0 };
        let is_gzip = begins_gzip(bytes);
        if !is_gzip && is_called_gzip(&self.blob().found) {
            let what = "it is called gzip by its name or its Content-Encoding, and does not begin like gzip";
            return Err(self.malformed(Malformed::new(0, what)));
        }
        let left = MAX_INFLATED_BYTES.saturating_sub(self.raw.bytes());
        self.inflater = is_gzip.then(|| Box::new(Inflater::new(left)));
        Ok(())
    }

    async fn take_gzip(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        let Some(original) = &mut self.original else { return Ok(()) };
        let (tapped, written) = tokio::join!(tap::stored(&mut self.tap, bytes.clone()), original.write(bytes.clone()));
        tapped?;
        written?;
        while !bytes.is_empty() {
            let (rest, text) =
                tap::inflate(&mut self.tap, &mut self.inflater, bytes).await?.map_err(|malformed| self.malformed(malformed))?;
            self.raw.write(text).await?;
            bytes = rest;
        }
        Ok(())
    }

    /// The blob at `position` has come whole.
    async fn end_blob(&mut self) -> Result<(), Error> {
        if self.inflater.is_some() {
            let rest = tap::finish(&mut self.tap, &mut self.inflater).await?.map_err(|malformed| self.malformed(malformed))?;
            self.raw.write(rest).await?;
        }
        let is_gzip = self.inflater.take().is_some();
        let PinnedBlob { uri, found } = self.blob();
        let expected = found.version.md5;
        let md5 = match self.tap()?.take_blob_md5() {
            Some(md5) => md5,
            None => self.raw.md5().await?.ok_or(Error::Died)?,
        };
        if expected.is_some_and(|expected| expected != md5) {
            let what = format!("its MD5 is {}, its Content-MD5 says {}", hex(&md5), expected.map(|md5| hex(&md5)).unwrap_or_default());
            return Err(Error::SourceCorrupt { uri: uri.clone(), what });
        }
        let blob = self.blob();
        self.tap()?.end_blob(blob, md5, is_gzip).map_err(|malformed| self.malformed(malformed))?;
        self.position = Position { blob: self.position.blob + 1, byte: 0 };
        Ok(())
    }

    async fn end_empty_blobs(&mut self) -> Result<(), Error> {
        while self.job.pinned.blobs.get(self.position.blob).is_some_and(|blob| blob.found.version.bytes == 0) {
            self.end_blob().await?;
        }
        Ok(())
    }

    /// All blobs have come.
    async fn finish(mut self) -> Result<RawManifest, Error> {
        let Some(tap) = self.tap.take() else { return Err(Error::Died) };
        let (layout, blobs) = tap.finish();
        let pinned = self.job.pinned;
        let (Some(layout), Some(newest)) = (layout, pinned.newest()) else {
            self.discard().await;
            return Err(Error::SourceEmpty { uri: pinned.uri.clone() });
        };
        let original_key = match self.original {
            Some(original) => Some(original.finish().await?.key),
            None => None,
        };
        let Uploaded { key, bytes, sha256, md5, crc64 } = self.raw.finish().await?;
        let md5 = md5.ok_or(Error::Died)?;
        Ok(RawManifest {
            uri: pinned.uri.clone(),
            version: self.job.version.clone(),
            etag: newest.found.version.etag.clone(),
            modified_at: newest.found.version.modified_at.clone(),
            raw_key: key,
            original_key,
            bytes,
            md5: hex(&md5),
            sha256: hex(&sha256),
            crc64nvme: Some(crc64),
            format: layout.format,
            records: layout.records,
            splits: layout.splits,
            blobs,
            replay: None,
        })
    }

    /// The call's time is over.
    async fn stop(mut self) -> Result<(), Error> {
        let pinned = self.job.pinned;
        let has_advanced = self.position > self.began_at;
        if self.inflater.is_none() && has_advanced {
            self.save().await?;
        } else if self.saved.is_none() {
            let uri = pinned.blobs.get(self.position.blob).map_or(&pinned.uri, |blob| &blob.uri).clone();
            if self.inflater.is_some() {
                self.discard().await;
                return Err(Error::GzipTooLong { uri });
            }
            let source = "no range of it has arrived within the time of this call".into();
            return Err(Error::SourceUnavailable { uri, action: "reading it", source });
        }
        // Parts that come after the checkpoint are sent once more.
        self.job.progress.begin_at(self.saved.unwrap_or_default());
        info!(copied = self.saved, total = pinned.bytes(), "the time of this call is over");
        Ok(())
    }

    /// Bytes of the blobs before `position`.
    fn copied(&self) -> u64 {
        let before = self.job.pinned.blobs.iter().take(self.position.blob);
        before.map(|blob| blob.found.version.bytes).sum::<u64>() + self.position.byte
    }

    /// What unpacks a blob cannot be saved, so there is a checkpoint only between two that are compressed.
    fn is_checkpoint_due(&self) -> bool {
        let is_first_between = self.original.is_some() && self.saved.is_none() && self.position.byte == 0;
        self.inflater.is_none() && (is_first_between || self.saved_at.elapsed() >= CHECKPOINT_EVERY)
    }

    async fn save(&mut self) -> Result<(), Error> {
        let original = match &mut self.original {
            Some(original) => Some(original.pause().await?),
            None => None,
        };
        let (raw, position) = (self.raw.pause().await?, self.position);
        let tap = self.tap()?.save();
        checkpoint::store(self.job, Some(&Checkpoint { position, tap, raw, original })).await?;
        (self.saved, self.saved_at, self.has_checkpoint) = (Some(self.copied()), Instant::now(), true);
        Ok(())
    }

    /// What may pass is gone on with by the next try; anything else leaves nothing.
    async fn fail(mut self, error: &Error) {
        if !error.may_pass() {
            return self.discard().await;
        }
        if self.is_settled && self.inflater.is_none() && self.position > self.began_at {
            match self.save().await {
                Ok(()) => info!(copied = self.saved, "the next try goes on from here"),
                Err(unsaved) => warn!(error = cloud::error::sentence(&unsaved), "how far the copy is could not be saved"),
            }
        }
        if !self.has_checkpoint {
            self.abort().await;
        }
    }

    async fn discard(self) {
        if self.has_checkpoint
            && let Err(error) = checkpoint::store(self.job, None).await
        {
            warn!(error = cloud::error::sentence(&error), "the checkpoint of a copy could not be taken back");
        }
        self.abort().await;
    }

    async fn abort(self) {
        self.raw.abort().await;
        if let Some(original) = self.original {
            original.abort().await;
        }
    }

    fn blob(&self) -> &'j PinnedBlob {
        &self.job.pinned.blobs[self.position.blob]
    }

    fn tap(&mut self) -> Result<&mut Tap, Error> {
        self.tap.as_deref_mut().ok_or(Error::Died)
    }

    fn malformed(&self, malformed: Malformed) -> Error {
        Error::SourceMalformed { uri: self.blob().uri.clone(), malformed }
    }
}

#[cfg(test)]
mod tests;
