//! `start` seals the run and starts the load; `check` ends it only when the warehouse says that it balances.

use aws_config::SdkConfig;
use cloud::bucket::Bucket;
use pipeline::manifest::{RunId, RunManifest};
use serde::{Deserialize, Serialize};
use tracing::{Instrument, info, info_span};

use crate::config::Config;
use crate::error::Error;
use crate::glue::{self, JobArguments, JobState};
use crate::seal::seal;
use crate::warehouse::{self, Balance};

pub(crate) struct Deps {
    config: Config,
    bucket: Bucket,
    glue: aws_sdk_glue::Client,
    data_api: aws_sdk_redshiftdata::Client,
}

impl Deps {
    pub(crate) fn new(config: Config, aws: &SdkConfig) -> Self {
        let bucket = Bucket::new(aws_sdk_s3::Client::new(aws), config.data_bucket.clone());
        Self { config, bucket, glue: aws_sdk_glue::Client::new(aws), data_api: aws_sdk_redshiftdata::Client::new(aws) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum Request {
    Start {
        run_id: RunId,
    },
    Check {
        run_id: RunId,
        job_run_id: String,
        /// Of a question to the warehouse that was still running at the last check.
        statement_id: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Loading,
    Verifying,
    Balanced,
}

#[derive(Debug, Serialize)]
pub(crate) struct Response {
    run_id: RunId,
    job_run_id: String,
    statement_id: Option<String>,
    finished: bool,
    status: Status,
    ledger: Option<Balance>,
}

pub(crate) async fn handle(deps: &Deps, request: Request) -> Result<Response, Error> {
    match request {
        Request::Start { run_id } => {
            let span = info_span!("start", %run_id);
            start(deps, run_id).instrument(span).await
        }
        Request::Check { run_id, job_run_id, statement_id } => {
            let span = info_span!("check", %run_id, job_run_id);
            check(deps, run_id, job_run_id, statement_id).instrument(span).await
        }
    }
}

/// The job run of this run, so that a repeated `start` does not start a second one.
#[derive(Debug, Serialize, Deserialize)]
struct StartedLoad {
    job_run_id: String,
}

async fn start(deps: &Deps, run_id: RunId) -> Result<Response, Error> {
    let sealed = seal(&deps.bucket, &run_id, &deps.config.copy_role_arn).await?;
    let load_key = format!("runs/{run_id}/load.json");
    let started: Option<StartedLoad> = deps.bucket.get_json_optional(&load_key).await?;
    let job_run_id = match started {
        Some(load) => load.job_run_id,
        None => {
            let arguments = JobArguments { run_id: &run_id, manifest: deps.bucket.uri(&sealed.key), manifest_sha256: sealed.sha256 };
            let job_run_id = glue::start(&deps.glue, &deps.config.glue_job_name, arguments).await?;
            deps.bucket.put_json(&load_key, &StartedLoad { job_run_id: job_run_id.clone() }).await?;
            job_run_id
        }
    };
    info!(job_run_id, "load started");
    Ok(unfinished(run_id, job_run_id, Status::Loading, None))
}

async fn check(deps: &Deps, run_id: RunId, job_run_id: String, statement_id: Option<String>) -> Result<Response, Error> {
    if statement_id.is_none() {
        match glue::state(&deps.glue, &deps.config.glue_job_name, &job_run_id).await? {
            JobState::Unfinished => return Ok(unfinished(run_id, job_run_id, Status::Loading, None)),
            JobState::Failed(words) => return Err(failed(&run_id, &words)),
            JobState::Succeeded => {}
        }
    }
    let manifest: RunManifest = deps.bucket.get_json(&run_id.manifest_key()).await?;
    let plan = cloud::contract::pinned(&deps.bucket, &manifest.contract).await?;
    let statement_id = match statement_id {
        Some(id) => id,
        None => warehouse::ask(&deps.data_api, &deps.config, &plan, run_id.as_str()).await?,
    };
    let Some(row) = warehouse::answer(&deps.data_api, &statement_id).await? else {
        return Ok(unfinished(run_id, job_run_id, Status::Verifying, Some(statement_id)));
    };
    let balance = warehouse::balance(&plan, &manifest, &row)?;
    info!(read = balance.rows_read, loaded = balance.rows_loaded, superseded = balance.rows_superseded, "the ledger balances");
    Ok(Response { run_id, job_run_id, statement_id: Some(statement_id), finished: true, status: Status::Balanced, ledger: Some(balance) })
}

fn unfinished(run_id: RunId, job_run_id: String, status: Status, statement_id: Option<String>) -> Response {
    Response { run_id, job_run_id, statement_id, finished: false, status, ledger: None }
}

fn failed(run_id: &RunId, words: &str) -> Error {
    Error::of_job(words, format!("the load of run {run_id} failed, and the table is as it was: {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_state_machines_payloads() {
        let check = |payload: &str| serde_json::from_str::<Request>(payload).unwrap();
        assert!(matches!(check(r#"{"action": "start", "run_id": "r"}"#), Request::Start { .. }));
        let payload = r#"{"action": "check", "run_id": "r", "job_run_id": "jr_1", "statement_id": null}"#;
        assert!(matches!(check(payload), Request::Check { statement_id: None, .. }));
    }

    #[test]
    fn a_failed_load_is_named_after_its_cause() {
        let run_id = RunId::try_from("r".to_owned()).unwrap();
        assert_eq!(failed(&run_id, "FAILED: LedgerMismatch: 3 is not 4").name(), "LedgerMismatch");
        assert_eq!(failed(&run_id, "FAILED: LoadFailed: insert_rows: disk full").name(), "LoadFailed");
        assert_eq!(failed(&run_id, "FAILED: SecretMissing: the secret w does not exist").name(), "SecretMissing");
        assert_eq!(failed(&run_id, "TIMEOUT: Glue gave no reason").name(), "LoadFailed");
    }
}
