//! `start` seals the run and starts the load; `check` ends it only when the warehouse says that it balances.

use std::time::{Instant, SystemTime};

use ::report::evidence::run_of;
use aws_config::SdkConfig;
use cloud::bucket::Bucket;
use cloud::metrics::{Metric, Metrics};
use pipeline::contract::Plan;
use pipeline::manifest::{Inputs, LAST_SUCCESS_KEY, LastSuccess, RunId, RunManifest};
use pipeline::sql::{self, Evolution};
use serde::{Deserialize, Serialize};
use tracing::{Instrument, info, info_span};

use crate::balance::{self, Balance};
use crate::config::Config;
use crate::error::Error;
use crate::load::{Load, Loader, PlannedCounts, Progress};
use crate::report::{Reported, Reporter};
use crate::seal;
use crate::warehouse::{StatementState, Warehouse};

pub(crate) struct Deps {
    config: Config,
    metrics: Metrics,
    bucket: Bucket,
    glue: aws_sdk_glue::Client,
    steps: aws_sdk_sfn::Client,
    secrets: aws_sdk_secretsmanager::Client,
    warehouse: Warehouse,
}

impl Deps {
    pub(crate) fn new(config: Config, aws: &SdkConfig) -> Self {
        let bucket = Bucket::new(aws_sdk_s3::Client::new(aws), config.data_bucket.clone());
        let warehouse = Warehouse::new(aws_sdk_redshiftdata::Client::new(aws), &config);
        let metrics = Metrics::new(config.pipeline_name.clone());
        Self {
            config,
            metrics,
            bucket,
            glue: aws_sdk_glue::Client::new(aws),
            steps: aws_sdk_sfn::Client::new(aws),
            secrets: aws_sdk_secretsmanager::Client::new(aws),
            warehouse,
        }
    }

    fn loader(&self) -> Loader<'_> {
        Loader { bucket: &self.bucket, config: &self.config, glue: &self.glue, warehouse: &self.warehouse }
    }

    fn reporter(&self) -> Reporter<'_> {
        Reporter {
            bucket: &self.bucket,
            config: &self.config,
            metrics: &self.metrics,
            glue: &self.glue,
            steps: &self.steps,
            secrets: &self.secrets,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum Request {
    Start {
        run_id: RunId,
        /// How often the execution has been redriven.
        redrives: u32,
    },
    Check {
        run_id: RunId,
        redrives: u32,
        /// Of a question to the warehouse that was still running at the last check.
        statement_id: Option<String>,
    },
    /// Of a run that has ended, however it did. Asked by the rule on the executions' ends, not by the state machine.
    Report { execution_arn: String },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Load(Box<Response>),
    Report(Reported),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Loading,
    Verifying,
    Balanced,
    Planned,
}

#[derive(Debug, Serialize)]
pub(crate) struct Response {
    run_id: RunId,
    /// Which attempt at the load this is, and by whom.
    load: Load,
    statement_id: Option<String>,
    finished: bool,
    status: Status,
    ledger: Option<Balance>,
    plan: Option<PlanReport>,
    /// Where the run's report will be, which is written after its end; null until then.
    report: Option<String>,
}

/// What a plan would have done.
#[derive(Debug, Serialize)]
struct PlanReport {
    rows_read: u64,
    rows_quarantined: u64,
    quarantined_by_rule: std::collections::BTreeMap<String, u64>,
    #[serde(flatten)]
    counts: PlannedCounts,
    /// What would become of the target's definition first, in Redshift's words.
    ddl: Vec<String>,
}

pub(crate) async fn handle(deps: &Deps, request: Request) -> Result<Answer, Error> {
    match request {
        Request::Start { run_id, redrives } => {
            let span = info_span!("start", %run_id);
            start(deps, run_id, redrives).instrument(span).await.map(Answer::of)
        }
        Request::Check { run_id, redrives, statement_id } => {
            let span = info_span!("check", %run_id);
            check(deps, run_id, redrives, statement_id).instrument(span).await.map(Answer::of)
        }
        Request::Report { execution_arn } => {
            let run_id = run_of(&execution_arn);
            let span = info_span!("report", %run_id);
            deps.reporter().report(run_id, &execution_arn).instrument(span).await.map(Answer::Report)
        }
    }
}

impl Answer {
    fn of(response: Response) -> Self {
        Self::Load(Box::new(response))
    }
}

async fn start(deps: &Deps, run_id: RunId, redrives: u32) -> Result<Response, Error> {
    let last: Option<Load> = deps.bucket.get_json_optional(&run_id.load_key()).await?;
    if let Some(load) = last.as_ref().filter(|load| !load.is_redriven(redrives)) {
        info!(id = load.id, "the load is started already");
        return Ok(unfinished(run_id, load.clone(), Status::Loading, None));
    }
    let started = Instant::now();
    let load = start_attempt(deps, &run_id, last.as_ref(), redrives).await?;
    let seconds = Metric::Seconds("Seconds", started.elapsed().as_secs_f64());
    deps.metrics.report(run_id.as_str(), Some(("State", "StartLoad")), &[seconds]);
    Ok(unfinished(run_id, load, Status::Loading, None))
}

async fn start_attempt(deps: &Deps, run_id: &RunId, last: Option<&Load>, redrives: u32) -> Result<Load, Error> {
    let inputs: Inputs = deps.bucket.get_json(&run_id.inputs_key()).await?;
    let plan = cloud::contract::pinned(&deps.bucket, &inputs.contract).await?;
    let (manifest, sealed, evolution, has_ledger) = match seal::sealed(&deps.bucket, run_id).await? {
        Some((manifest, sealed)) => {
            let (evolution, has_ledger) = evolution(deps, &plan).await?;
            (manifest, sealed, evolution, has_ledger)
        }
        None => {
            let gathered = seal::gather(&deps.bucket, inputs, &plan).await?;
            let (evolution, has_ledger) = evolution(deps, &plan).await?;
            let (manifest, sealed) = seal::seal(&deps.bucket, gathered, &plan, &evolution, &deps.config.copy_role_arn).await?;
            (manifest, sealed, evolution, has_ledger)
        }
    };
    deps.loader().start(&manifest, &sealed, &plan, (&evolution, has_ledger), last, redrives).await
}

/// What the target lacks, before any row moves; and whether the warehouse has a ledger.
async fn evolution(deps: &Deps, plan: &Plan) -> Result<(Evolution, bool), Error> {
    let (columns, has_ledger) = deps.warehouse.target_columns(plan).await?;
    Ok((Evolution::of(plan, &columns)?, has_ledger))
}

async fn check(deps: &Deps, run_id: RunId, redrives: u32, statement_id: Option<String>) -> Result<Response, Error> {
    let load: Load = deps.bucket.get_json(&run_id.load_key()).await?;
    let Some((manifest, _)) = seal::sealed(&deps.bucket, &run_id).await? else {
        return Err(Error::RunIncomplete(format!("the run {run_id} has no manifest: start a new run")));
    };
    if statement_id.is_none() {
        match deps.loader().progress(&run_id, &load, manifest.input.plan).await? {
            Progress::Unfinished => return Ok(unfinished(run_id, load, Status::Loading, None)),
            Progress::Ended => {}
            Progress::Planned(counts) => return Ok(planned(run_id, load, manifest, counts)),
            Progress::Failed(words) if !load.is_redriven(redrives) => return Err(failed(&run_id, &words)),
            Progress::Failed(_) | Progress::Interrupted(_) => {
                let load = start_attempt(deps, &run_id, Some(&load), redrives).await?;
                return Ok(unfinished(run_id, load, Status::Loading, None));
            }
        }
    }
    verify(deps, run_id, load, &manifest, statement_id).await
}

async fn verify(deps: &Deps, run_id: RunId, load: Load, manifest: &RunManifest, statement_id: Option<String>) -> Result<Response, Error> {
    let plan = cloud::contract::pinned(&deps.bucket, &manifest.contract).await?;
    let id = match statement_id {
        Some(id) => id,
        None => deps.warehouse.submit(&sql::verify(&plan)?, &[("run_id", run_id.as_str())]).await?,
    };
    let rows = match deps.warehouse.wait(&id).await? {
        StatementState::Unfinished => return Ok(unfinished(run_id, load, Status::Verifying, Some(id))),
        // Asked anew, from the load on.
        StatementState::Gone => return Ok(unfinished(run_id, load, Status::Loading, None)),
        StatementState::Failed(failure) if failure.may_pass() => {
            return Err(Error::WarehouseUnavailable { source: failure.error.into() });
        }
        StatementState::Failed(failure) => {
            return Err(Error::LoadFailed(format!(
                "the ledger cannot be read from the warehouse ({}: {}): see whether its tables are there, then redrive the execution",
                failure.status, failure.error
            )));
        }
        StatementState::Finished => deps.warehouse.rows(&id).await?,
    };
    let balance = balance::balance(&plan, manifest, &rows.into_iter().next().unwrap_or_default())?;
    balance.report(&deps.metrics, manifest);
    report_waiting(deps, &run_id).await?;
    if let Some(success) = last_success(manifest) {
        deps.bucket.put_json(LAST_SUCCESS_KEY, &success).await?;
    }
    info!(read = balance.rows_read, loaded = balance.rows_loaded, superseded = balance.rows_superseded, "the ledger balances");
    let ended = unfinished(run_id, load, Status::Balanced, Some(id));
    Ok(Response { finished: true, ledger: Some(balance), report: Some(ended.run_id.report_page_key()), ..ended })
}

/// What a later run compares its sources with. A replay has loaded an excerpt, and of a source that may be an old one.
fn last_success(manifest: &RunManifest) -> Option<LastSuccess> {
    manifest.transactions.replay.is_none().then(|| LastSuccess {
        run_id: manifest.run_id.clone(),
        source_version: manifest.transactions.version.clone(),
        customers: manifest.customers.clone(),
        contract_sha256: manifest.contract.sha256.clone(),
    })
}

/// The time between the load's start and now, as the metric of the state that waits for it.
async fn report_waiting(deps: &Deps, run_id: &RunId) -> Result<(), Error> {
    let written = deps.bucket.head(&run_id.load_key()).await?.and_then(|head| head.last_modified);
    let waited =
        written.and_then(|written| SystemTime::try_from(written).ok()).and_then(|since| SystemTime::now().duration_since(since).ok());
    if let Some(waited) = waited {
        deps.metrics.report(run_id.as_str(), Some(("State", "WaitForLoad")), &[Metric::Seconds("Seconds", waited.as_secs_f64())]);
    }
    Ok(())
}

fn planned(run_id: RunId, load: Load, manifest: RunManifest, counts: PlannedCounts) -> Response {
    let rows = manifest.ledger.transactions;
    info!(inserted = counts.rows_inserted, updated = counts.rows_updated, "planned, and rolled back");
    let plan = PlanReport {
        rows_read: rows.read,
        rows_quarantined: rows.quarantined,
        quarantined_by_rule: rows.quarantined_by_rule,
        counts,
        ddl: manifest.load.ddl,
    };
    let report = Some(run_id.report_page_key());
    Response { finished: true, plan: Some(plan), report, ..unfinished(run_id, load, Status::Planned, None) }
}

fn unfinished(run_id: RunId, load: Load, status: Status, statement_id: Option<String>) -> Response {
    Response { run_id, load, statement_id, finished: false, status, ledger: None, plan: None, report: None }
}

fn failed(run_id: &RunId, words: &str) -> Error {
    Error::of_load(words, format!("the load of run {run_id} failed, and the table is as it was: {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::manifest::Replay;

    #[test]
    fn reads_the_state_machines_payloads() {
        let check = |payload: &str| serde_json::from_str::<Request>(payload).unwrap();
        assert!(matches!(check(r#"{"action": "start", "run_id": "r", "redrives": 0}"#), Request::Start { redrives: 0, .. }));
        let payload = r#"{"action": "check", "run_id": "r", "redrives": 2, "statement_id": null}"#;
        assert!(matches!(check(payload), Request::Check { statement_id: None, redrives: 2, .. }));
        // The rule's.
        let payload = r#"{"action": "report", "execution_arn": "arn:aws:states:eu-west-1:1:execution:m:r"}"#;
        assert!(matches!(check(payload), Request::Report { execution_arn } if execution_arn.ends_with(":r")));
    }

    #[test]
    fn a_failed_load_is_named_after_its_cause() {
        let run_id = RunId::try_from("r".to_owned()).unwrap();
        assert_eq!(failed(&run_id, "FAILED: LedgerMismatch: 3 is not 4").name(), "LedgerMismatch");
        assert_eq!(failed(&run_id, "FAILED: LoadFailed: insert_rows: disk full").name(), "LoadFailed");
        assert_eq!(failed(&run_id, "FAILED: SecretMissing: the secret w does not exist").name(), "SecretMissing");
        assert_eq!(failed(&run_id, "TIMEOUT: Glue gave no reason").name(), "LoadFailed");
    }

    #[test]
    fn a_replay_is_no_success_of_its_source() {
        let mut manifest = crate::balance::tests::manifest();
        let success = last_success(&manifest).unwrap();
        assert_eq!((success.run_id.as_str(), success.source_version.as_str(), success.contract_sha256.as_str()), ("run-1", "v", "abc"));
        assert_eq!(success.customers, manifest.customers);
        let of = manifest.run_id.clone();
        manifest.transactions.replay = Some(Replay { of, source_key: "k".into(), places_key: "p".into() });
        assert_eq!(last_success(&manifest), None);
    }
}
