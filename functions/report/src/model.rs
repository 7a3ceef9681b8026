//! What is reported of a run: `runs/<run_id>/report.json`, and all that the page shows.
//!
//! Whatever a run has not come to is `None` or empty: a run that failed early has no rows, and says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the report's shape.
pub const REPORT_FORMAT: &str = "crosstally.report/1";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub format: String,
    pub run: Run,
    pub verdict: Verdict,
    /// What was read, in which version.
    pub sources: Vec<Source>,
    pub rows: Option<Rows>,
    pub customers: Option<Customers>,
    /// By exact numeric column of the target.
    pub sums: Vec<Sum>,
    /// By rule and column, those that most rows broke first.
    pub quarantine: Vec<Broken>,
    /// In the order of the target's columns.
    pub columns: Vec<Column>,
    /// In the order in which they were entered.
    pub states: Vec<State>,
    /// How much the copy and the merge went through.
    pub speeds: Vec<Speed>,
    pub cost: Cost,
    /// The runs before this one, newest first.
    pub history: Vec<PastRun>,
}

impl Report {
    /// The run as the history keeps it, but for its bytes and columns, which a report does not have as they are needed there.
    pub fn summary(&self) -> PastRun {
        PastRun {
            run_id: self.run.run_id.clone(),
            started_at: self.run.started_at.clone(),
            outcome: self.verdict.outcome,
            error: self.verdict.error.as_ref().map(|error| error.name.clone()),
            rows: self.rows,
            seconds: self.run.seconds,
            cost: self.cost.total,
            bytes: None,
            columns: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub run_id: String,
    /// Name of the deployment.
    pub pipeline: String,
    /// `schema.table`.
    pub table: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub ended_at: String,
    pub seconds: f64,
    /// What the execution was given.
    pub input: serde_json::Value,
    pub redrives: u32,
    pub contract_version: Option<String>,
    /// Address of the execution in the console.
    pub console: String,
    /// The data bucket, which has the run's files under `runs/<run_id>/`.
    pub bucket: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub outcome: Outcome,
    pub error: Option<RunError>,
    /// Why there was nothing to load, or what else is to be known.
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The warehouse says that the ledger balances.
    Balanced,
    /// Done in a transaction, and rolled back.
    Planned,
    /// The sources were unchanged, or there were none.
    NothingToLoad,
    Failed,
    TimedOut,
    Aborted,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// Stable, such as `SourceMissing`.
    pub name: String,
    /// One sentence: what, which object, where, and what to do.
    pub message: String,
    /// The state that it ended in.
    pub state: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// `customers` or `transactions`, as the contract calls it.
    pub name: String,
    pub uri: String,
    pub version: String,
    pub bytes: u64,
    pub records: Option<u64>,
    /// RFC 3339, UTC.
    pub modified_at: Option<String>,
}

/// Transactions by their fate: `read = inserted + updated + unchanged + superseded + quarantined`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    pub read: u64,
    pub quarantined: u64,
    /// What the load made of the clean rows; `None` before it committed.
    pub loaded: Option<Loaded>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    pub inserted: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub superseded: u64,
    /// Of those inserted, updated or unchanged: how many found their customer.
    pub matched: u64,
    pub unmatched: u64,
}

impl Loaded {
    pub fn rows(&self) -> u64 {
        self.inserted + self.updated + self.unchanged
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customers {
    pub read: u64,
    pub kept: u64,
    pub superseded: u64,
    pub quarantined: u64,
}

/// Exact decimal texts: `clean = loaded + superseded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub column: String,
    pub clean: String,
    /// By fate; empty before the load committed.
    pub parts: BTreeMap<String, String>,
}

/// The records that broke one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    pub source: String,
    /// `column.rule`, or `rule` when the whole record is wrong.
    pub rule: String,
    pub column: Option<String>,
    pub rows: u64,
    /// A few of them.
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Of the record's first byte in the source.
    pub offset: u64,
    pub record_bytes: u64,
    /// The record, cut short, restricted values masked.
    pub text: String,
}

/// A column of the clean rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    /// As the table has it, such as `DECIMAL(18,2)`.
    pub kind: String,
    pub rows: u64,
    pub nulls: u64,
    /// An estimate, a few per cent off.
    pub distinct: u64,
    /// As text; `None` without values, and of restricted columns.
    pub min: Option<String>,
    pub max: Option<String>,
    pub mean: Option<String>,
    pub frequent: Vec<Frequent>,
    /// Beside the runs before; `None` while there are none.
    pub moved: Option<Moved>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frequent {
    pub value: String,
    /// At least, and nearly.
    pub rows: u64,
}

/// What a column was in the runs before: medians of those that balanced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    pub null_share: f64,
    pub distinct: f64,
    pub mean: Option<f64>,
    /// The largest of its changes, 0 for none: by it columns are ordered when they are shown.
    pub by: f64,
    /// In words, such as `nulls 0.2 % → 14 %`; empty when nothing is worth a word.
    pub what: String,
}

/// A state, over all stays in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub name: String,
    /// Seconds since the run's start.
    pub start: f64,
    pub end: f64,
    /// Seconds in it: less than from start to end where a loop has passed through it more than once.
    pub took: f64,
    pub visits: u32,
    /// Tries of its task beyond the first.
    pub retries: u32,
    pub has_failed: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Such as `copied from Azure` or `merged and cleaned`.
    pub what: String,
    pub bytes: u64,
    pub seconds: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub items: Vec<CostItem>,
    /// US dollars.
    pub total: f64,
    /// What is estimated and how.
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostItem {
    /// Such as `AWS Lambda`.
    pub what: String,
    pub quantity: f64,
    /// Such as `GB-seconds`.
    pub unit: String,
    /// US dollars for one of them.
    pub price: f64,
    pub dollars: f64,
}

/// A run as the history keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastRun {
    pub run_id: String,
    pub started_at: String,
    pub outcome: Outcome,
    /// Name of the error.
    pub error: Option<String>,
    pub rows: Option<Rows>,
    pub seconds: f64,
    /// US dollars.
    pub cost: f64,
    /// Bytes of the transactions.
    pub bytes: Option<u64>,
    /// By column; empty unless it balanced.
    pub columns: Vec<PastColumn>,
}

/// What drift is told by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastColumn {
    pub name: String,
    pub null_share: f64,
    pub distinct: u64,
    pub mean: Option<f64>,
}
