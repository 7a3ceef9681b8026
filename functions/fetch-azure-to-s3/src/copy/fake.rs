//! Blobs of the tests' own, which come late, fail and change as they are told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::error::Error;
use crate::ranges::{Blobs, Segment};
use crate::retry::Fault;

#[derive(Clone, Default)]
pub(crate) struct FakeBlobs {
    contents: Arc<Vec<Vec<u8>>>,
    /// Milliseconds of each read, in turn.
    delays: Arc<Vec<u64>>,
    /// How often the reads of each range fail, in turn.
    failures: Arc<Vec<u32>>,
    shared: Arc<Shared>,
    /// Reads after which the credential is refused, until it is renewed.
    refused_after: Option<usize>,
    /// Reads after which the store is away for good.
    away_after: Option<usize>,
}

#[derive(Default)]
struct Shared {
    reads: AtomicUsize,
    tries: Mutex<HashMap<(usize, u64), u32>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl FakeBlobs {
    pub(crate) fn new(contents: Vec<Vec<u8>>) -> Self {
        Self { contents: Arc::new(contents), ..Self::default() }
    }

    /// Blobs in which no byte is as its neighbours.
    pub(crate) fn of_sizes(sizes: &[usize]) -> Self {
        let content =
            |(blob, size): (usize, &usize)| (0..*size).map(|at| at.wrapping_mul(7).wrapping_add(blob * 101).to_le_bytes()[0]).collect();
        Self::new(sizes.iter().enumerate().map(content).collect())
    }

    pub(crate) fn delayed(self, delays: Vec<u64>) -> Self {
        Self { delays: Arc::new(delays), ..self }
    }

    pub(crate) fn failing(self, failures: Vec<u32>) -> Self {
        Self { failures: Arc::new(failures), ..self }
    }

    pub(crate) fn refused_after(self, reads: usize) -> Self {
        Self { refused_after: Some(reads), ..self }
    }

    pub(crate) fn away_after(self, reads: usize) -> Self {
        Self { away_after: Some(reads), ..self }
    }

    pub(crate) fn contents(&self) -> &[Vec<u8>] {
        &self.contents
    }

    pub(crate) fn reads(&self) -> usize {
        self.shared.reads.load(Ordering::SeqCst)
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(Ordering::SeqCst)
    }
}

/// A place in bytes that are in memory.
pub(crate) fn at(byte: u64) -> usize {
    usize::try_from(byte).unwrap()
}

fn away() -> Fault {
    Error::SourceUnavailable { uri: "u".into(), action: "reading it", source: "503".into() }.into()
}

impl Blobs for FakeBlobs {
    async fn read(&self, segment: Segment) -> Result<Bytes, Fault> {
        let read = self.shared.reads.fetch_add(1, Ordering::SeqCst);
        if self.refused_after.is_some_and(|reads| read >= reads) {
            return Err(Error::SourceForbidden { uri: "u".into(), code: "403".into(), advice: "renew it".into() }.into());
        }
        if self.away_after.is_some_and(|reads| read >= reads) {
            return Err(away());
        }
        let at_once = self.shared.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.shared.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        if !self.delays.is_empty() {
            tokio::time::sleep(Duration::from_millis(self.delays[read % self.delays.len()])).await;
        }
        self.shared.at_once.fetch_sub(1, Ordering::SeqCst);
        let place = (segment.blob, segment.range.start);
        let tries = {
            let mut tries = self.shared.tries.lock().unwrap();
            let tries = tries.entry(place).or_default();
            *tries += 1;
            *tries
        };
        let failures = if self.failures.is_empty() { 0 } else { self.failures[(place.0 + at(place.1)) % self.failures.len()] };
        if tries <= failures {
            return Err(away());
        }
        let range = at(segment.range.start)..at(segment.range.end);
        Ok(Bytes::copy_from_slice(&self.contents[segment.blob][range]))
    }

    async fn renewed(&self) -> Result<Option<Self>, Error> {
        Ok(self.refused_after.map(|_| Self { refused_after: None, ..self.clone() }))
    }
}
