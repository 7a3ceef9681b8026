//! A source's bytes, range by range: several at once, each tried on its own, handed on in their order.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio_util::task::AbortOnDropHandle;

use crate::azure::{Blob, Found, Store, Version, failure};
use crate::buffers::Buffers;
use crate::error::Error;
use crate::retry::{Budget, Fault, retrying};

/// Bytes of one ranged GET: as much as a part of an upload, so that what arrives is what is sent on.
pub(crate) const RANGE_BYTES: u64 = 8 * 1024 * 1024;

/// The longest that a range may take, 70 KB/s: whatever drips in more slowly is sooner read by another request.
const RANGE_TIMEOUT: Duration = Duration::from_secs(120);

/// A place in a source: a blob by its number, and a byte of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) blob: usize,
    pub(crate) byte: u64,
}

/// Bytes of one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) blob: usize,
    pub(crate) range: Range<u64>,
}

/// Where segments are read from.
pub(crate) trait Blobs: Clone + Send + Sync + Sized + 'static {
    /// Reads a segment, once.
    fn read(&self, segment: Segment) -> impl Future<Output = Result<Bytes, Fault>> + Send;

    /// Opened anew after a refusal; `None` when that changes nothing.
    fn renewed(&self) -> impl Future<Output = Result<Option<Self>, Error>> + Send;
}

/// Blobs of Azure, each in the version that was found.
#[derive(Clone)]
pub(crate) struct AzureBlobs {
    store: Store,
    found: Arc<[Found]>,
    buffers: Buffers,
}

impl AzureBlobs {
    pub(crate) fn new(store: Store, found: Arc<[Found]>) -> Self {
        Self { store, found, buffers: Buffers::default() }
    }
}

impl Blobs for AzureBlobs {
    async fn read(&self, segment: Segment) -> Result<Bytes, Fault> {
        let Found { name, version } = &self.found[segment.blob];
        let blob = self.store.blob(name);
        match tokio::time::timeout(RANGE_TIMEOUT, read(&blob, version, segment.range, &self.buffers)).await {
            Ok(read) => read,
            Err(elapsed) => Err(Error::SourceUnavailable { uri: blob.uri, action: "reading it", source: Box::new(elapsed) }.into()),
        }
    }

    async fn renewed(&self) -> Result<Option<Self>, Error> {
        Ok(self.store.renewed().await?.map(|store| Self { store, ..self.clone() }))
    }
}

async fn read(blob: &Blob, version: &Version, range: Range<u64>, buffers: &Buffers) -> Result<Bytes, Fault> {
    let explain = |error| {
        let failure = failure(&error);
        Fault::new(blob.explain(error, "reading it"), failure)
    };
    let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut body = blob.open_range(version, range).await.map_err(explain)?;
    let mut bytes = buffers.take(length);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(explain)?;
        if bytes.len() + chunk.len() > length {
            return Err(other_length(blob, "more bytes came than the range has").into());
        }
        bytes.extend(&chunk);
    }
    if bytes.len() < length {
        return Err(other_length(blob, "the range broke off").into());
    }
    Ok(bytes.freeze())
}

fn other_length(blob: &Blob, what: &'static str) -> Error {
    Error::SourceUnavailable { uri: blob.uri.clone(), action: "reading it", source: what.into() }
}

/// What lies from a place on, blob by blob, in pieces of at most `range_bytes`.
pub(crate) fn segments(sizes: Arc<[u64]>, from: Position, range_bytes: u64) -> impl Iterator<Item = Segment> {
    let mut next = from;
    std::iter::from_fn(move || {
        loop {
            let size = *sizes.get(next.blob)?;
            if next.byte < size {
                let end = size.min(next.byte + range_bytes);
                let segment = Segment { blob: next.blob, range: next.byte..end };
                next.byte = end;
                return Some(segment);
            }
            next = Position { blob: next.blob + 1, byte: 0 };
        }
    })
}

/// Reads segments, so many at once, each on a task of its own: they arrive while others are hashed and sent on. No more than `at_once` of
/// them are held here.
pub(crate) fn in_order<B: Blobs>(
    blobs: B,
    segments: impl Iterator<Item = Segment> + Send,
    at_once: usize,
    budget: Arc<Budget>,
) -> impl Stream<Item = (Segment, Result<Bytes, Error>)> + Send {
    let reading = segments.map(move |segment| {
        budget.add_range();
        let (blobs, budget, wanted) = (blobs.clone(), budget.clone(), segment.clone());
        let task = tokio::spawn(async move { retrying(&budget, || blobs.read(wanted.clone())).await });
        let task = AbortOnDropHandle::new(task);
        async move { (segment, task.await.unwrap_or_else(|_| Err(Error::Died))) }
    });
    stream::iter(reading).buffered(at_once)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::fake::FakeBlobs;
    use proptest::prelude::*;

    #[test]
    fn segments_cover_every_byte_once_and_no_two_blobs() {
        let check = |sizes: &[u64], from: (usize, u64), expected: &[(usize, Range<u64>)]| {
            let from = Position { blob: from.0, byte: from.1 };
            let found: Vec<_> = segments(sizes.into(), from, 10).map(|segment| (segment.blob, segment.range)).collect();
            assert_eq!(found, expected);
        };
        check(&[], (0, 0), &[]);
        check(&[0, 0], (0, 0), &[]);
        check(&[10], (0, 0), &[(0, 0..10)]);
        check(&[25, 0, 3], (0, 0), &[(0, 0..10), (0, 10..20), (0, 20..25), (2, 0..3)]);
        check(&[25, 0, 3], (0, 20), &[(0, 20..25), (2, 0..3)]);
        check(&[25, 0, 3], (0, 25), &[(2, 0..3)]);
        check(&[25, 0, 3], (3, 0), &[]);
    }

    proptest! {
        /// Whatever arrives first and whatever fails on its way: the bytes come in their order, and each once.
        #[test]
        fn order_and_bytes_survive_any_interleaving(
            sizes in proptest::collection::vec(0usize..60, 1..5),
            delays in proptest::collection::vec(0u64..50, 1..20),
            // No more than the budget has for each range.
            failures in proptest::collection::vec(0u32..3, 1..20),
            at_once in 1usize..8,
            range_bytes in 1u64..20,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let blobs = FakeBlobs::of_sizes(&sizes).delayed(delays).failing(failures);
            let expected = blobs.contents().concat();
            let sizes: Arc<[u64]> = sizes.iter().map(|size| *size as u64).collect();
            let wanted: Vec<_> = segments(sizes.clone(), Position::default(), range_bytes).collect();
            let (arrived, most) = runtime.block_on(async {
                let mut arriving = Box::pin(in_order(blobs.clone(), wanted.clone().into_iter(), at_once, Arc::new(Budget::new())));
                let mut arrived = Vec::new();
                while let Some((segment, bytes)) = arriving.next().await {
                    arrived.push((segment, bytes.unwrap()));
                }
                (arrived, blobs.most_at_once())
            });
            prop_assert_eq!(arrived.iter().map(|(segment, _)| segment.clone()).collect::<Vec<_>>(), wanted);
            prop_assert_eq!(arrived.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect::<Vec<_>>(), expected);
            prop_assert!(most <= at_once, "{} at once", most);
        }
    }
}
