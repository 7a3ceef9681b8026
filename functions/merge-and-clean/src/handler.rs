//! What the state machine asks of this function: to clean one split, or to fail as a split of the run failed.

use std::time::Instant;

use aws_config::SdkConfig;
use cloud::bucket::Bucket;
use cloud::metrics::{Metric, Metrics};
use pipeline::contract::Plan;
use pipeline::manifest::{Failure, RunId};
use pipeline::mask::Masker;
use serde::{Deserialize, Serialize};
use tracing::{Instrument, info, info_span};

use crate::config::Config;
use crate::error::Error;
use crate::split;

pub(crate) struct Deps {
    pub(crate) bucket: Bucket,
    config: Config,
    metrics: Metrics,
    secrets: aws_sdk_secretsmanager::Client,
}

impl Deps {
    pub(crate) fn new(config: Config, aws: &SdkConfig) -> Self {
        let bucket = Bucket::new(aws_sdk_s3::Client::new(aws), config.data_bucket.clone());
        let metrics = Metrics::new(config.pipeline_name.clone());
        Self { bucket, config, metrics, secrets: aws_sdk_secretsmanager::Client::new(aws) }
    }

    /// What makes restricted values unreadable, with its salt if the contract's masks want one.
    pub(crate) async fn masker(&self, plan: &Plan) -> Result<Masker, Error> {
        if !plan.needs_salt() {
            return Ok(Masker::default());
        }
        match self.config.mask_salt_secret_id.as_str() {
            "" => Err(Error::SaltMissing),
            id => Ok(Masker::new(cloud::secrets::text(&self.secrets, id).await?)),
        }
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

async fn clean_or_leave_failure(deps: &Deps, run_id: RunId, number: u32) -> Result<Response, Error> {
    let key = run_id.part_key(number);
    let started = Instant::now();
    match split::clean(deps, &run_id, number).await {
        Ok(()) => {
            let seconds = Metric::Seconds("Seconds", started.elapsed().as_secs_f64());
            deps.metrics.report(run_id.as_str(), Some(("State", "CleanSplit")), &[seconds]);
            Ok(Response { run_id, split: Some(number), part: Some(key) })
        }
        Err(error) => {
            let failure = Failure {
                split: number,
                error_type: error.name().to_owned(),
                error_message: cloud::error::sentence(&error),
                is_reported: false,
            };
            if let Err(unwritten) = deps.bucket.put_json(&run_id.failure_key(number), &failure).await {
                tracing::warn!(error = cloud::error::sentence(&unwritten), "the failure of this split could not be left for its run");
            }
            Err(error)
        }
    }
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
