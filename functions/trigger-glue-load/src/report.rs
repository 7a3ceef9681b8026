//! The report of a run that has ended: gathered from what it has left, written beside it, and told to whoever keeps lineage.
//!
//! It is made after the run and can do it no harm. Nor does it ask the warehouse, which would wake up for it and be paid for.

mod gather;
mod index;
mod send;
#[cfg(test)]
mod tests;

use std::time::Duration;

use cloud::bucket::Bucket;
use cloud::metrics::{Metric, Metrics};
use pipeline::manifest::RunId;
use report::evidence::{Evidence, Setup};
use report::model::{Outcome, PastRun, Report};
use report::{lineage, page};
use serde::Serialize;
use tracing::{info, warn};

use self::index::History;
use crate::config::Config;
use crate::error::Error;
use crate::steps;

/// The report, and where its page lies.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Reported {
    run_id: RunId,
    /// Null of an execution that goes on, as one does that was redriven meanwhile: it is reported when it ends.
    report: Option<String>,
    outcome: Option<Outcome>,
}

/// What a report needs.
pub(crate) struct Reporter<'r> {
    pub(crate) bucket: &'r Bucket,
    pub(crate) config: &'r Config,
    pub(crate) metrics: &'r Metrics,
    pub(crate) glue: &'r aws_sdk_glue::Client,
    pub(crate) steps: &'r aws_sdk_sfn::Client,
    pub(crate) secrets: &'r aws_sdk_secretsmanager::Client,
}

/// How long a receiver of lineage may take to be found, and to answer. The report stands by then.
const PATIENCE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

impl Reporter<'_> {
    pub(crate) async fn report(&self, run_id: RunId, execution_arn: &str) -> Result<Reported, Error> {
        let Some(execution) = steps::execution(self.steps, execution_arn).await? else {
            info!("the execution goes on, and is reported when it ends");
            return Ok(Reported { run_id, report: None, outcome: None });
        };
        let events = known("the execution's history", steps::history(self.steps, execution_arn).await).unwrap_or_default();
        let mut history = History::read(self.bucket).await;
        let begun = Evidence { events, history: history.runs(), ..Evidence::of(execution, self.setup()) };
        let evidence = gather::gather(self.bucket, self.glue, self.config, &run_id, begun).await;
        self.write(&run_id, &evidence, &mut history).await
    }

    async fn write(&self, run_id: &RunId, evidence: &Evidence, history: &mut History<'_>) -> Result<Reported, Error> {
        let report = evidence.report();
        let events = lineage::events(evidence, &report);
        self.put_report(run_id, &report, lineage::ndjson(&events)).await?;

        let summary = evidence.summary(&report);
        let key = run_id.history_key(&summary.started_at);
        let cost_before = self.note(&key, &summary).await?;
        let cost = (report.cost.total - cost_before).max(0.0);
        history.insert(key, summary);
        history.write_index().await?;

        self.metrics.report(run_id.as_str(), None, &[Metric::Plain("CostDollars", cost)]);
        if let Err(why) = send::send(self.secrets, &self.config.lineage, &events, PATIENCE).await {
            warn!(why, "the lineage was not taken; it stands in the run's openlineage.ndjson");
        }
        let outcome = report.verdict.outcome;
        info!(?outcome, "reported");
        Ok(Reported { run_id: run_id.clone(), report: Some(run_id.report_page_key()), outcome: Some(outcome) })
    }

    /// Adds the run to the history; returns the cost that it stood there with. A run that is redriven is reported again, with all that
    /// it has cost, and two reports can be under way at once: each dollar is told once.
    async fn note(&self, key: &str, summary: &PastRun) -> Result<f64, Error> {
        if self.bucket.put_once(key, self.bucket.to_json(key, summary)?).await? {
            return Ok(0.0);
        }
        let before: Option<PastRun> = gather::read(self.bucket, key).await;
        self.bucket.put_json(key, summary).await?;
        Ok(before.map_or(0.0, |run| run.cost))
    }

    /// The page last: who finds it finds the others.
    async fn put_report(&self, run_id: &RunId, report: &Report, events: String) -> Result<(), Error> {
        let page = page::html(report).map_err(|error| Error::ReportUnwritten(error.to_string()))?;
        let json = self.bucket.to_json(&run_id.report_key(), report)?;
        self.bucket.put_as(&run_id.lineage_key(), events.into_bytes(), NDJSON).await?;
        self.bucket.put_as(&run_id.report_key(), json, JSON).await?;
        self.bucket.put_as(&run_id.report_page_key(), page.into_bytes(), HTML).await?;
        Ok(())
    }

    fn setup(&self) -> Setup {
        let config = self.config;
        Setup {
            pipeline: config.pipeline_name.clone(),
            bucket: self.bucket.name().to_owned(),
            fetch_memory: config.memory.fetch,
            merge_memory: config.memory.merge,
            trigger_memory: config.memory.trigger,
            prices: config.prices,
            base_rpus: config.base_rpus,
            jdbc_url: config.jdbc_url.clone(),
        }
    }
}

/// What is reported is what can be had: the rest is said in the log, and missing.
fn known<T>(what: &str, found: Result<T, impl Into<Error>>) -> Option<T> {
    found.map_err(|error| warn!(error = cloud::error::sentence(&error.into()), "{what} cannot be read, and is missing in the report")).ok()
}
