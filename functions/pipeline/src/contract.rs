//! A contract (ODCS YAML, or the same as JSON) compiled once into the [`Plan`] that every later stage follows.

mod compile;
mod odcs;

use std::fmt;

use crate::types::{Type, Value};

/// Everything a contract says, checked and ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The contract's own version.
    pub version: String,
    /// SHA-256 of the contract's bytes, hex.
    pub sha256: String,
    /// Seconds east of UTC for timestamps that name no offset.
    pub zone_offset_seconds: i32,
    /// The left side of the join: the JSON records, one target row each.
    pub transactions: Source,
    /// The right side of the join: the CSV records.
    pub customers: Source,
    pub join: Join,
    pub target: Target,
    pub gates: Gates,
}

/// What a run must fulfil to be loaded at all.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gates {
    /// Largest share of quarantined transactions, 0 to 1; no limit when absent.
    pub max_quarantine_ratio: Option<f64>,
    /// Fewest transactions a run must read.
    pub min_rows: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The schema object's name, e.g. as it stands in the quarantine.
    pub name: String,
    pub columns: Vec<Column>,
    /// Indices of the primary key's columns.
    pub key: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    /// The field's name in the source's records.
    pub field: String,
    pub kind: Type,
    pub required: bool,
    pub clean: Vec<Verb>,
    /// Text that fills a missing value; it is cleaned and checked like any other.
    pub default: Option<String>,
    pub minimum: Option<Value>,
    pub maximum: Option<Value>,
    /// Characters, not bytes.
    pub min_length: Option<u32>,
    pub max_length: Option<u32>,
    pub on_violation: OnViolation,
}

/// A cleaning step of a value's text, in the order of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Trim,
    CollapseSpaces,
    Lowercase,
    Uppercase,
    EmptyToNull,
}

impl Verb {
    const ALL: [(&'static str, Self); 5] = [
        ("trim", Self::Trim),
        ("collapse_spaces", Self::CollapseSpaces),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
        ("empty_to_null", Self::EmptyToNull),
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnViolation {
    /// The whole row goes to quarantine.
    #[default]
    Quarantine,
    /// Only this value becomes null.
    Null,
    /// The run fails.
    Fail,
}

impl OnViolation {
    const ALL: [(&'static str, Self); 3] = [("quarantine", Self::Quarantine), ("null", Self::Null), ("fail", Self::Fail)];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join {
    /// Column of the transactions.
    pub left: usize,
    /// Column of the customers.
    pub right: usize,
    pub unmatched: Unmatched,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unmatched {
    /// The transaction stays, with null customer columns.
    #[default]
    Keep,
    Quarantine,
}

impl Unmatched {
    const ALL: [(&'static str, Self); 2] = [("keep", Self::Keep), ("quarantine", Self::Quarantine)];
}

#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub schema: String,
    pub table: String,
    pub columns: Vec<TargetColumn>,
    /// Indices of the primary key's columns.
    pub key: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TargetColumn {
    pub name: String,
    pub kind: Type,
    pub nullable: bool,
    pub origin: Origin,
}

/// Where a target column's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Transactions(usize),
    Customers(usize),
    /// Whether the join found a customer.
    Matched,
}

/// One thing wrong with a contract, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line of the YAML, from 1.
    pub line: u64,
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// All that is wrong with a contract, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Fault::to_string).collect::<Vec<_>>().join("; "))]
pub struct Faults(pub Vec<Fault>);

impl Plan {
    /// Compiles a contract's bytes.
    ///
    /// # Errors
    /// Every fault found, each with its line.
    pub fn compile(bytes: &[u8]) -> Result<Self, Faults> {
        compile::compile(bytes)
    }
}
