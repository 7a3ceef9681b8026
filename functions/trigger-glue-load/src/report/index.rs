//! The runs that have been, as their reports have summed them up, and the page that lists them.

use std::collections::BTreeMap;

use cloud::bucket::Bucket;
use futures::StreamExt;
use futures::stream;
use pipeline::manifest::{HISTORY_PREFIX, INDEX_KEY};
use report::index;
use report::model::PastRun;
use tracing::warn;

use super::gather::{SIDE_BY_SIDE, read};
use super::{HTML, known};
use crate::error::Error;

/// So many runs are listed; the objects of older ones are there all the same.
const LISTED: usize = 200;
/// So often is the page written anew when another run's report came in between.
const ROUNDS: usize = 3;

pub(super) struct History<'h> {
    bucket: &'h Bucket,
    /// By key, and so in the order of their starts; `None` for what cannot be read.
    runs: BTreeMap<String, Option<PastRun>>,
}

impl<'h> History<'h> {
    pub(super) async fn read(bucket: &'h Bucket) -> Self {
        let mut history = Self { bucket, runs: BTreeMap::new() };
        let keys = known("the history", newest(bucket).await).unwrap_or_default();
        history.read_more(keys).await;
        history
    }

    pub(super) fn insert(&mut self, key: String, run: PastRun) {
        self.runs.insert(key, Some(run));
    }

    pub(super) fn runs(&self) -> Vec<PastRun> {
        self.runs.values().flatten().cloned().collect()
    }

    /// Writes the page, again if meanwhile another report has added its run: whichever is the last to write has seen both.
    pub(super) async fn write_index(&mut self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let page = index::html(&self.runs()).map_err(|error| Error::ReportUnwritten(error.to_string()))?;
            self.bucket.put_as(INDEX_KEY, page.into_bytes(), HTML).await?;
            let unread: Vec<String> = newest(self.bucket).await?.into_iter().filter(|key| !self.runs.contains_key(key)).collect();
            if unread.is_empty() {
                return Ok(());
            }
            self.read_more(unread).await;
        }
        warn!("runs end faster than their list can be written; the next report writes it anew");
        Ok(())
    }

    async fn read_more(&mut self, keys: Vec<String>) {
        let bucket = self.bucket;
        let read = stream::iter(keys).map(|key| async move { (read(bucket, &key).await, key) });
        let found: Vec<(Option<PastRun>, String)> = read.buffered(SIDE_BY_SIDE).collect().await;
        self.runs.extend(found.into_iter().map(|(run, key)| (key, run)));
    }
}

/// S3 lists keys in their order.
async fn newest(bucket: &Bucket) -> Result<Vec<String>, Error> {
    let mut keys = bucket.list(HISTORY_PREFIX).await?;
    Ok(keys.split_off(keys.len().saturating_sub(LISTED)))
}
