//! What is known of a run once it has ended, and the report it makes.
//!
//! Whoever gathers it may come back with little: a run that failed early has written nothing, and an object can be gone. What is not
//! there is missing in the report, and nothing else.

mod columns;
mod stays;
#[cfg(test)]
pub(crate) mod tests;
mod verdict;

use std::collections::BTreeMap;

use pipeline::contract::Plan;
use pipeline::ledger::{Counts, Ledger};
use pipeline::manifest::{Inputs, Part, RawManifest, RunId};
use pipeline::profile::Profile;
use pipeline::types::Type;
use serde::Deserialize;
use serde_json::Value;

use self::stays::{Stay, stays};
use crate::cost::{self, Prices, Usage};
use crate::drift;
use crate::model::{Broken, Customers, Loaded, Outcome, PastRun, REPORT_FORMAT, Report, Rows, Run, Sample, Source, Speed, Sum};

/// So many runs before it are shown beside a run.
pub const PAST_RUNS: usize = 30;

#[derive(Debug, Clone)]
pub struct Evidence {
    pub execution: Execution,
    /// Of the execution, in their order.
    pub events: Vec<Event>,
    pub inputs: Option<Inputs>,
    pub raw: Option<RawManifest>,
    /// Whether this run has copied it; another may have before.
    pub is_raw_new: bool,
    pub plan: Option<Plan>,
    /// Of the splits that are done.
    pub parts: Vec<Part>,
    /// Of the splits that are done, together.
    pub profile: Option<Profile>,
    /// So many of them.
    pub profiled: usize,
    /// Of all Glue runs that loaded it.
    pub glue_dpu_seconds: Option<f64>,
    pub setup: Setup,
    /// Other runs, in any order.
    pub history: Vec<PastRun>,
}

/// What Step Functions says of it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    pub arn: String,
    pub status: String,
    pub started: i64,
    pub ended: i64,
    pub redrives: u32,
    pub input: Value,
    pub output: Option<Value>,
    pub error: Option<String>,
    pub cause: Option<String>,
}

/// An event of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub at: i64,
    /// Such as `TaskStateEntered`.
    pub kind: String,
    /// Of the state that is entered or left.
    pub state: Option<String>,
}

/// How the pipeline is deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    pub pipeline: String,
    pub bucket: String,
    /// MB of the functions.
    pub fetch_memory: u64,
    pub merge_memory: u64,
    pub trigger_memory: u64,
    pub prices: Prices,
    /// Redshift Processing Units that a query gets at first, where they are known.
    pub base_rpus: Option<f64>,
    /// Of the warehouse and its database.
    pub jdbc_url: String,
}

/// `arn:partition:states:region:account:execution:machine:name`.
impl Execution {
    pub fn run_id(&self) -> RunId {
        run_of(&self.arn)
    }

    pub fn region(&self) -> &str {
        self.part(3)
    }

    fn part(&self, at: usize) -> &str {
        part_of(&self.arn, at)
    }

    pub fn seconds(&self) -> f64 {
        seconds(self.ended - self.started)
    }

    /// Its page in the console.
    pub fn console(&self) -> String {
        let region = self.region();
        format!("https://{region}.console.aws.amazon.com/states/home?region={region}#/v2/executions/details/{}", self.arn)
    }
}

/// The run that an execution is: its name. One that no key should carry, under which no run gets far, is made a plain one.
pub fn run_of(execution_arn: &str) -> RunId {
    let name = part_of(execution_arn, 7);
    RunId::try_from(name.to_owned()).unwrap_or_else(|_| RunId::made_of(name))
}

fn part_of(arn: &str, at: usize) -> &str {
    arn.split(':').nth(at).unwrap_or_default()
}

/// The parts of an execution's output that are told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Output {
    status: String,
    /// Of the fetching function.
    outcome: String,
    since_run: Option<String>,
    ledger: Option<Counted>,
    plan: Option<Counted>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counted {
    rows_inserted: u64,
    rows_updated: u64,
    rows_unchanged: u64,
    rows_superseded: u64,
    rows_matched: u64,
    /// By column and fate.
    sums: BTreeMap<String, BTreeMap<String, String>>,
    load_seconds: String,
}

impl Counted {
    fn loaded(&self) -> Loaded {
        let (inserted, updated, unchanged) = (self.rows_inserted, self.rows_updated, self.rows_unchanged);
        let unmatched = (inserted + updated + unchanged).saturating_sub(self.rows_matched);
        Loaded { inserted, updated, unchanged, superseded: self.rows_superseded, matched: self.rows_matched, unmatched }
    }
}

/// Milliseconds since 1970 as RFC 3339, UTC, all of one length, so that their order is that of their texts.
pub fn instant(millis: i64) -> String {
    let seconds = millis.div_euclid(1000) * 1_000_000;
    let text = Type::Timestamp { has_zone: true }.show(i128::from(seconds));
    format!("{}.{:03}Z", text.trim_end_matches('Z'), millis.rem_euclid(1000))
}

#[expect(clippy::cast_precision_loss, reason = "a time of days at most")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

impl Evidence {
    /// Of an execution of which nothing else is known.
    pub fn of(execution: Execution, setup: Setup) -> Self {
        Self {
            execution,
            events: Vec::new(),
            inputs: None,
            raw: None,
            is_raw_new: false,
            plan: None,
            parts: Vec::new(),
            profile: None,
            profiled: 0,
            glue_dpu_seconds: None,
            setup,
            history: Vec::new(),
        }
    }

    pub fn report(&self) -> Report {
        let stays = stays(&self.events, self.execution.ended);
        let output = self.output();
        let ledger = self.ledger();
        let counted = output.ledger.as_ref().or(output.plan.as_ref());
        let history = self.past();
        let started_at = instant(self.execution.started);
        Report {
            format: REPORT_FORMAT.to_owned(),
            run: self.run(&started_at),
            verdict: verdict::verdict(&self.execution, &output, &stays),
            sources: self.sources(ledger.as_ref()),
            rows: ledger.as_ref().map(|ledger| Rows {
                read: ledger.transactions.read,
                quarantined: ledger.transactions.quarantined,
                loaded: counted.map(Counted::loaded),
            }),
            customers: ledger.as_ref().map(customers),
            sums: ledger.as_ref().map(|ledger| sums(ledger, counted)).unwrap_or_default(),
            quarantine: ledger.as_ref().map(|ledger| self.quarantine(ledger)).unwrap_or_default(),
            columns: drift::compared(columns::columns(self.whole_profile()), &history, self.is_whole()),
            states: stays::states(&stays, self.execution.started),
            speeds: self.speeds(&stays),
            cost: cost::cost(&self.usage(&stays, &output), &self.setup.prices),
            history,
        }
    }

    /// What a later run's report says of this one.
    pub fn summary(&self, report: &Report) -> PastRun {
        let is_example = report.verdict.outcome == Outcome::Balanced && self.is_whole();
        PastRun {
            bytes: self.raw.as_ref().map(|raw| raw.bytes),
            columns: if is_example { columns::past(self.whole_profile()) } else { Vec::new() },
            ..report.summary()
        }
    }

    /// A replay reads an excerpt, and a bad one: no run is to be measured by it, nor it by others.
    fn is_whole(&self) -> bool {
        self.raw.as_ref().is_none_or(|raw| raw.replay.is_none())
    }

    /// The books, when every split has closed its own.
    fn ledger(&self) -> Option<Ledger> {
        let splits = self.raw.as_ref()?.splits.len();
        if splits == self.parts.len() { Ledger::total(self.parts.iter().map(|part| &part.ledger)).ok() } else { None }
    }

    /// As with the books.
    fn whole_profile(&self) -> Option<&Profile> {
        let splits = self.raw.as_ref()?.splits.len();
        self.profile.as_ref().filter(|_| splits == self.profiled)
    }

    fn output(&self) -> Output {
        self.execution.output.clone().and_then(|output| serde_json::from_value(output).ok()).unwrap_or_default()
    }

    fn past(&self) -> Vec<PastRun> {
        let (id, started_at) = (self.execution.run_id(), instant(self.execution.started));
        let is_before = |run: &&PastRun| run.run_id != id.as_str() && run.started_at < started_at;
        let mut past: Vec<PastRun> = self.history.iter().filter(is_before).cloned().collect();
        past.sort_by(|a, b| b.started_at.cmp(&a.started_at));
        past.truncate(PAST_RUNS);
        past
    }

    fn run(&self, started_at: &str) -> Run {
        let execution = &self.execution;
        Run {
            run_id: execution.run_id().to_string(),
            pipeline: self.setup.pipeline.clone(),
            table: self.plan.as_ref().map(|plan| format!("{}.{}", plan.target.schema, plan.target.table)),
            started_at: started_at.to_owned(),
            ended_at: instant(execution.ended),
            seconds: execution.seconds(),
            input: execution.input.clone(),
            redrives: execution.redrives,
            contract_version: self.inputs.as_ref().map(|inputs| inputs.contract.version.clone()),
            console: execution.console(),
            bucket: self.setup.bucket.clone(),
        }
    }

    fn sources(&self, ledger: Option<&Ledger>) -> Vec<Source> {
        let transactions = self.raw.as_ref().map(|raw| Source {
            name: self.names()[0].to_owned(),
            uri: raw.uri.clone(),
            version: raw.version.clone(),
            bytes: raw.bytes,
            records: Some(raw.records),
            modified_at: Some(raw.modified_at.clone()),
        });
        let customers = self.inputs.as_ref().map(|inputs| Source {
            name: self.names()[1].to_owned(),
            uri: inputs.customers.uri.clone(),
            version: inputs.customers.version().to_owned(),
            bytes: inputs.customers.bytes,
            records: ledger.map(|ledger| ledger.customers.read),
            modified_at: None,
        });
        transactions.into_iter().chain(customers).collect()
    }

    /// Of the transactions and of the customers, in the contract's words.
    fn names(&self) -> [&str; 2] {
        self.plan.as_ref().map_or(["transactions", "customers"], |plan| [&plan.transactions.name, &plan.customers.name])
    }

    fn quarantine(&self, ledger: &Ledger) -> Vec<Broken> {
        let of = |source: &str, counts: &Counts| -> Vec<Broken> {
            let one = |(rule, &rows): (&String, &u64)| Broken {
                source: source.to_owned(),
                rule: rule.clone(),
                column: rule.rsplit_once('.').map(|(column, _)| column.to_owned()),
                rows,
                samples: self.samples(source, rule),
            };
            counts.quarantined_by_rule.iter().map(one).collect()
        };
        let [transactions, customers] = self.names();
        let mut broken = of(transactions, &ledger.transactions);
        broken.extend(of(customers, &ledger.customers));
        broken.sort_by_key(|broken| std::cmp::Reverse(broken.rows));
        broken
    }

    fn samples(&self, source: &str, rule: &str) -> Vec<Sample> {
        columns::samples(self.profile.as_ref(), source, rule)
    }

    fn speeds(&self, stays: &[Stay]) -> Vec<Speed> {
        let Some(raw) = &self.raw else { return Vec::new() };
        let in_state = |name: &str| seconds(stays.iter().filter(|stay| stay.name == name && !stay.has_failed).map(Stay::millis).sum());
        let stored = if raw.blobs.is_empty() { raw.bytes } else { raw.blobs.iter().map(|blob| blob.bytes).sum() };
        let copied = (self.is_raw_new && self.is_whole()).then_some(("copied from Azure", stored, in_state("FetchTransactions")));
        let is_merged = raw.splits.len() == self.parts.len();
        let merged = is_merged.then_some(("merged and cleaned", raw.bytes, in_state("MergeAndClean")));
        let speeds = copied.into_iter().chain(merged).filter(|(_, _, seconds)| *seconds > 0.0);
        speeds.map(|(what, bytes, seconds)| Speed { what: what.to_owned(), bytes, seconds }).collect()
    }

    fn usage(&self, stays: &[Stay], output: &Output) -> Usage {
        let setup = &self.setup;
        let memory = |state: &str| match state {
            "FetchTransactions" => setup.fetch_memory,
            "ReportFailedSplit" => setup.merge_memory,
            "StartLoad" | "CheckLoad" => setup.trigger_memory,
            _ => 0,
        };
        let called: f64 = stays.iter().map(|stay| gb_seconds(stay.busy, memory(&stay.name))).sum();
        let splits = columns::millis(self.profile.as_ref());
        let load_seconds = output.ledger.as_ref().and_then(|ledger| ledger.load_seconds.parse().ok());
        let is_asked = stays.iter().any(|stay| stay.name == "StartLoad");
        Usage {
            lambda_gb_seconds: called + gb_seconds(splits.unwrap_or_default(), setup.merge_memory),
            has_splits: self.profiled >= self.parts.len(),
            transitions: stays.iter().map(Stay::transitions).sum::<u64>() + self.children(stays),
            glue_dpu_seconds: self.glue_dpu_seconds,
            redshift_rpu_seconds: setup.base_rpus.filter(|_| is_asked).map(|rpus| cost::rpu_seconds(rpus, load_seconds)),
        }
    }
}

impl Evidence {
    /// The executions that the Map started, one a split.
    fn children(&self, stays: &[Stay]) -> u64 {
        let has_begun = stays.iter().any(|stay| stay.name == "MergeAndClean");
        self.raw.as_ref().filter(|_| has_begun).map_or(0, |raw| raw.splits.len() as u64)
    }
}

fn gb_seconds(millis: i64, memory: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some thousand MB")]
    let gigabytes = memory as f64 / 1024.0;
    seconds(millis) * gigabytes
}

fn customers(ledger: &Ledger) -> Customers {
    let counts = &ledger.customers;
    let superseded = ledger.customers_superseded;
    Customers { read: counts.read, kept: counts.clean.saturating_sub(superseded), superseded, quarantined: counts.quarantined }
}

/// The fates whose sums make up that of the clean rows.
const FATES: [&str; 2] = ["loaded", "superseded"];

fn sums(ledger: &Ledger, counted: Option<&Counted>) -> Vec<Sum> {
    let parts = |column: &str| {
        let mut parts = counted.and_then(|counted| counted.sums.get(column)).cloned().unwrap_or_default();
        parts.retain(|fate, _| FATES.contains(&fate.as_str()));
        parts
    };
    let sum = |(column, clean): (&String, &pipeline::decimal::Decimal)| Sum {
        column: column.clone(),
        clean: clean.to_string(),
        parts: parts(column),
    };
    ledger.sums.iter().map(sum).collect()
}
