//! One split at a time: raw bytes and customers in, Parquet and its books out. The books are written last, as the commit point.

use aws_config::SdkConfig;
use cloud::bucket::{Bucket, Pin};
use cloud::upload::{Upload, Uploaded};
use pipeline::ledger::Ledger;
use pipeline::manifest::{Failure, Inputs, Part, RawManifest, RunId, Written, hex};
use pipeline::merge::{Merge, Origins};
use pipeline::split::Split;
use serde::{Deserialize, Serialize};
use tracing::{Instrument, info, info_span};

use crate::config::Config;
use crate::error::Error;

pub(crate) struct Deps {
    bucket: Bucket,
}

impl Deps {
    pub(crate) fn new(config: &Config, aws: &SdkConfig) -> Self {
        Self { bucket: Bucket::new(aws_sdk_s3::Client::new(aws), config.data_bucket.clone()) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Merge and clean one split.
    Clean { run_id: RunId, split: u32 },
    /// Fail as a split of this run failed: the Map over the splits hides their errors behind one of its own.
    ReportFailure { run_id: RunId },
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Response {
    run_id: RunId,
    split: Option<u32>,
    /// Key of the split's books.
    part: Option<String>,
}

pub(crate) async fn handle(deps: &Deps, request: Request) -> Result<Response, Error> {
    match request {
        Request::Clean { run_id, split } => {
            let span = info_span!("merge", %run_id, split);
            clean_or_leave_failure(deps, run_id, split).instrument(span).await
        }
        Request::ReportFailure { run_id } => {
            let span = info_span!("report_failure", %run_id);
            report_failure(deps, run_id).instrument(span).await
        }
    }
}

async fn clean_or_leave_failure(deps: &Deps, run_id: RunId, split: u32) -> Result<Response, Error> {
    let key = run_id.part_key(split);
    match clean(deps, &run_id, split).await {
        Ok(()) => Ok(Response { run_id, split: Some(split), part: Some(key) }),
        Err(error) => {
            let failure =
                Failure { split, error_type: error.name().to_owned(), error_message: cloud::error::sentence(&error), is_reported: false };
            if let Err(unwritten) = deps.bucket.put_json(&run_id.failure_key(split), &failure).await {
                tracing::warn!(error = cloud::error::sentence(&unwritten), "the failure of this split could not be left for its run");
            }
            Err(error)
        }
    }
}

async fn clean(deps: &Deps, run_id: &RunId, split: u32) -> Result<(), Error> {
    let bucket = &deps.bucket;
    if bucket.head(&run_id.part_key(split)).await?.is_some() {
        info!("this split is done already");
        return Ok(());
    }
    let inputs: Inputs = bucket.get_json(&run_id.inputs_key()).await?;
    let raw: RawManifest = bucket.get_json(&inputs.raw_manifest).await?;
    let plan = cloud::contract::pinned(bucket, &inputs.contract).await?;
    let Some(range) = raw.splits.get(split as usize) else {
        return Err(Error::RunIncomplete { split, splits: raw.splits.len() });
    };
    let pin = match &inputs.customers.version_id {
        Some(version) => Pin { version_id: Some(version.clone()), etag: None },
        None => Pin { etag: Some(inputs.customers.etag.clone()), version_id: None },
    };
    let customers = bucket.get(&inputs.customers.key, &pin).await?;

    let origins = Origins { transactions_uri: &raw.uri, customers_uri: &inputs.customers.uri };
    let merge = Merge::new(&plan, &customers, raw.format, *range, split == 0, origins)?;
    drop(customers);
    let mut clean = Upload::new(bucket, run_id.clean_key(split));
    let mut quarantine = Upload::new(bucket, run_id.quarantine_key(split));
    let merged = stream(bucket, &raw, *range, merge, &mut clean, &mut quarantine).await;
    let balanced = merged.and_then(|ledger| match ledger.balance() {
        Ok(()) => Ok(ledger),
        Err(unbalanced) => Err(Error::LedgerMismatch { split, unbalanced }),
    });
    let ledger = match balanced {
        Ok(ledger) => ledger,
        Err(error) => {
            clean.abort().await;
            quarantine.abort().await;
            return Err(error);
        }
    };
    let part = Part { split, clean: written(clean.finish().await?), quarantine: written(quarantine.finish().await?), ledger };
    bucket.put_json(&run_id.part_key(split), &part).await?;
    let rows = &part.ledger.transactions;
    info!(read = rows.read, clean = rows.clean, quarantined = rows.quarantined, bytes = part.clean.bytes, "split merged and cleaned");
    Ok(())
}

/// The split's bytes through the pipeline, chunk by chunk.
async fn stream(
    bucket: &Bucket,
    raw: &RawManifest,
    range: Split,
    mut merge: Merge<'_>,
    clean: &mut Upload<'_>,
    quarantine: &mut Upload<'_>,
) -> Result<Ledger, Error> {
    if range.start < range.end {
        let mut body = bucket.open(&raw.raw_key, Some((range.start, range.end)), &Pin::default()).await?;
        while let Some(chunk) = bucket.next_chunk(&raw.raw_key, &mut body).await? {
            let ready = merge.push(&chunk)?;
            clean.write(&ready.clean).await?;
            quarantine.write(&ready.quarantine).await?;
        }
    }
    let (ready, ledger) = merge.finish()?;
    clean.write(&ready.clean).await?;
    quarantine.write(&ready.quarantine).await?;
    Ok(ledger)
}

fn written(uploaded: Uploaded) -> Written {
    Written { key: uploaded.key, bytes: uploaded.bytes, sha256: hex(&uploaded.sha256) }
}

/// Fails as the first failed split did. When all of them were reported before, the run was redriven: then it succeeds, and the
/// state machine tries the splits again.
async fn report_failure(deps: &Deps, run_id: RunId) -> Result<Response, Error> {
    let mut was_reported = false;
    for key in deps.bucket.list(&run_id.failures_prefix()).await? {
        let mut failure: Failure = deps.bucket.get_json(&key).await?;
        // A split that failed and was tried again with success has its books.
        if deps.bucket.head(&run_id.part_key(failure.split)).await?.is_some() {
            continue;
        }
        if failure.is_reported {
            was_reported = true;
            continue;
        }
        failure.is_reported = true;
        deps.bucket.put_json(&key, &failure).await?;
        return Err(Error::reported(&failure));
    }
    if !was_reported {
        return Err(Error::SplitDied { run_id });
    }
    info!("every failure of a split was reported before: trying the splits again");
    Ok(Response { run_id, split: None, part: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_state_machines_payloads() {
        let clean: Request = serde_json::from_str(r#"{"action": "clean", "run_id": "run-1", "split": 3}"#).unwrap();
        assert!(matches!(clean, Request::Clean { split: 3, .. }));
        let report: Request = serde_json::from_str(r#"{"action": "report_failure", "run_id": "run-1"}"#).unwrap();
        assert!(matches!(report, Request::ReportFailure { .. }));
    }

    #[test]
    fn a_reported_failure_keeps_its_name_and_words() {
        let failure = Failure { split: 1, error_type: "SourceMalformed".into(), error_message: "what, where".into(), is_reported: false };
        let error = Error::reported(&failure);
        assert_eq!((error.name(), error.to_string().as_str()), ("SourceMalformed", "what, where"));
    }
}
