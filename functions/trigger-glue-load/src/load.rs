//! A load: started once an attempt, by the Glue job or by the Data API, and followed to its end.

use cloud::bucket::Bucket;
use pipeline::contract::Plan;
use pipeline::manifest::{RunId, RunManifest};
use pipeline::sql::Evolution;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::config::{Config, LoadMode};
use crate::direct;
use crate::error::Error;
use crate::glue::{self, JobArguments, JobState};
use crate::seal::Sealed;
use crate::warehouse::Warehouse;

/// How often a load is started again by itself when something has interrupted it; a redrive counts anew.
const ATTEMPTS: u32 = 3;

/// The load that was started last, in S3, so that a repeated call does not start a second one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) mode: LoadMode,
    /// Of the Glue job's run, or of the Data API's batch.
    pub(crate) id: String,
    /// From 1, over all redrives.
    pub(crate) attempt: u32,
    /// Of them, those since the last redrive.
    attempts_since_redrive: u32,
    /// How often the execution had been redriven when it was started.
    redrives: u32,
}

/// Where a load stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Unfinished,
    /// By its own word; the ledger has the last one.
    Ended,
    /// A plan has been carried out and rolled back.
    Planned(PlannedCounts),
    /// It died on the way. The table is as it was, or the load is in the ledger: another attempt finds out.
    Interrupted(String),
    Failed(String),
}

/// What a plan would have done, as the warehouse counted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlannedCounts {
    pub(crate) rows_inserted: u64,
    pub(crate) rows_updated: u64,
    pub(crate) rows_unchanged: u64,
    pub(crate) rows_superseded: u64,
    /// Rows the table would have got anew: inserted, updated, and unchanged ones of a newer source version.
    pub(crate) rows_written: u64,
    pub(crate) rows_matched: u64,
}

/// What a load needs.
pub(crate) struct Loader<'l> {
    pub(crate) bucket: &'l Bucket,
    pub(crate) config: &'l Config,
    pub(crate) glue: &'l aws_sdk_glue::Client,
    pub(crate) warehouse: &'l Warehouse,
}

impl Loader<'_> {
    /// The load of this run, started unless it has been: once for each redrive of the execution, and once for each interruption.
    pub(crate) async fn start(
        &self,
        manifest: &RunManifest,
        sealed: &Sealed,
        plan: &Plan,
        target: (&Evolution, bool),
        last: Option<&Load>,
        redrives: u32,
    ) -> Result<Load, Error> {
        let since_redrive = last.filter(|last| last.redrives >= redrives).map_or(0, |last| last.attempts_since_redrive);
        let attempt = last.map_or(0, |last| last.attempt) + 1;
        let id = match self.config.load_mode {
            LoadMode::Glue => {
                let arguments = JobArguments {
                    run_id: &manifest.run_id,
                    manifest: self.bucket.uri(&sealed.key),
                    manifest_sha256: sealed.sha256.clone(),
                    attempt,
                };
                glue::start(self.glue, &self.config.glue_job_name, &arguments).await?
            }
            LoadMode::Direct => direct::start(self.warehouse, manifest, plan, target, attempt).await?,
        };
        let load = Load { mode: self.config.load_mode, id, attempt, attempts_since_redrive: since_redrive + 1, redrives };
        self.bucket.put_json(&manifest.run_id.load_key(), &load).await?;
        info!(id = load.id, attempt, "load started");
        Ok(load)
    }

    pub(crate) async fn progress(&self, run_id: &RunId, load: &Load, is_plan: bool) -> Result<Progress, Error> {
        let progress = match load.mode {
            LoadMode::Direct => direct::progress(self.warehouse, &load.id).await?,
            LoadMode::Glue => self.progress_of_job(run_id, load, is_plan).await?,
        };
        if let Progress::Interrupted(words) = &progress {
            warn!(attempt = load.attempt, "the load was interrupted: {words}");
            if load.attempts_since_redrive >= ATTEMPTS {
                return Ok(Progress::Failed(format!(
                    "{words}: {ATTEMPTS} attempts ended so; redrive the execution when the cause is gone"
                )));
            }
        }
        Ok(progress)
    }

    async fn progress_of_job(&self, run_id: &RunId, load: &Load, is_plan: bool) -> Result<Progress, Error> {
        Ok(match glue::state(self.glue, &self.config.glue_job_name, &load.id).await? {
            JobState::Unfinished => Progress::Unfinished,
            JobState::Succeeded if is_plan => Progress::Planned(self.bucket.get_json(&run_id.plan_key()).await?),
            JobState::Succeeded => Progress::Ended,
            JobState::Interrupted(words) => Progress::Interrupted(words),
            JobState::Failed(words) => Progress::Failed(words),
        })
    }
}

impl Load {
    /// Whether the execution has been redriven since this load was started.
    pub(crate) fn is_redriven(&self, redrives: u32) -> bool {
        redrives > self.redrives
    }
}
