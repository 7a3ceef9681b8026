//! A contract (ODCS YAML, or the same as JSON) compiled once into the [`Plan`] that every later stage follows.

mod column;
mod compile;
mod fields;
mod kind;
mod odcs;
mod path;
mod pattern;
mod target;
mod yaml;

use std::collections::{HashMap, HashSet};
use std::fmt;

use regex::Regex;

use crate::types::{Bound, Type};

/// Columns of the staging table, and of the Parquet files that fill it, behind the contract's own.
pub const SOURCE_URI: &str = "_source_uri";
pub const SOURCE_OFFSET: &str = "_source_offset";
pub const MATCHED: &str = "_matched";

/// Everything a contract says, checked and ready to run.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gates {
    /// Largest share of quarantined transactions, 0 to 1; with 1 there is no limit.
    pub max_quarantine_ratio: f64,
    /// Fewest transactions a run must read.
    pub min_rows: u64,
}

impl Default for Gates {
    /// A file that has changed its shape should not pass because it was quarantined so neatly.
    fn default() -> Self {
        Self { max_quarantine_ratio: 0.05, min_rows: 0 }
    }
}

#[derive(Debug, Clone)]
pub struct Source {
    /// The schema object's name, e.g. as it stands in the quarantine.
    pub name: String,
    pub columns: Vec<Column>,
    /// Indices of the primary key's columns.
    pub key: Vec<usize>,
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub path: Path,
    pub kind: Type,
    pub required: bool,
    pub clean: Vec<Verb>,
    /// Text that fills a missing value; it is cleaned and checked like any other.
    pub default: Option<String>,
    pub minimum: Option<Bound>,
    pub maximum: Option<Bound>,
    /// Characters, not bytes.
    pub min_length: Option<u32>,
    pub max_length: Option<u32>,
    /// Must match somewhere in the value, as in JSON Schema and in PostgreSQL's `~`: `^` and `$` bind it to the whole.
    pub pattern: Option<Regex>,
    pub format: Option<TextFormat>,
    /// The values allowed; none given, all are.
    pub allowed: Option<Allowed>,
    pub on_violation: OnViolation,
    /// How the value is made unreadable before it is written. A join still compares the value itself.
    pub mask: Option<Mask>,
    /// Whether its values are for few eyes only: `classification: restricted`, or joined to a column that has it.
    pub is_restricted: bool,
}

/// `validValues` of a quality rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// Of text, after cleaning.
    Texts(HashSet<String>),
    /// Of other types, as [`Bound::Exact`] counts.
    Exact(HashSet<i128>),
}

/// Where a source's record holds a value: a field, or a place inside the JSON value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The field of the record; of a CSV file, the name in its header.
    pub field: String,
    /// The way on from there; empty for the field itself.
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    /// Of an array, from 0.
    Index(usize),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |key: &str| format!("['{}']", key.replace('\\', "\\\\").replace('\'', "\\'"));
        let is_plain = |key: &str| !key.is_empty() && !key.contains(['.', '[', ']']);
        match self.field.as_str() {
            field if is_plain(field) || self.steps.is_empty() => f.write_str(field)?,
            field => f.write_str(&quoted(field))?,
        }
        for step in &self.steps {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                Step::Key(key) => f.write_str(&quoted(key))?,
            }
        }
        Ok(())
    }
}

/// A cleaning step of a value's text, in the order of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Trim,
    CollapseSpaces,
    Lowercase,
    Uppercase,
    /// First letter of each word upper-case, the others lower-case.
    TitleCase,
    EmptyToNull,
    /// These texts become null.
    NullValues(HashSet<String>),
    StripNonDigits,
    /// One text for another; others stay.
    Map(HashMap<String, String>),
    /// Unicode normalization form C.
    UnicodeNfc,
}

impl Verb {
    const WORDS: [(&'static str, Self); 8] = [
        ("trim", Self::Trim),
        ("collapse_spaces", Self::CollapseSpaces),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
        ("title_case", Self::TitleCase),
        ("empty_to_null", Self::EmptyToNull),
        ("strip_non_digits", Self::StripNonDigits),
        ("unicode_nfc", Self::UnicodeNfc),
    ];
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NullValues(values) => {
                let mut values: Vec<_> = values.iter().map(String::as_str).collect();
                values.sort_unstable();
                write!(f, "null_values [{}]", values.join(", "))
            }
            Self::Map(pairs) => {
                let mut pairs: Vec<_> = pairs.iter().map(|(from, to)| format!("{from}: {to}")).collect();
                pairs.sort_unstable();
                write!(f, "map {{{}}}", pairs.join(", "))
            }
            word => f.write_str(Self::WORDS.iter().find(|(_, verb)| verb == word).map_or("", |(name, _)| name)),
        }
    }
}

/// A well-known shape of text, `logicalTypeOptions.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    Email,
    Uuid,
    Uri,
    Hostname,
    Ipv4,
    Ipv6,
}

impl TextFormat {
    const ALL: [(&'static str, Self); 6] = [
        ("email", Self::Email),
        ("uuid", Self::Uuid),
        ("uri", Self::Uri),
        ("hostname", Self::Hostname),
        ("ipv4", Self::Ipv4),
        ("ipv6", Self::Ipv6),
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// Hex of SHA-256 over salt and value.
    Sha256,
    /// Stars for all but the last four characters; for all of them when there are no more than four.
    Last4,
    /// The word `REDACTED`.
    Redact,
}

impl Mask {
    const ALL: [(&'static str, Self); 3] = [("sha256", Self::Sha256), ("last4", Self::Last4), ("redact", Self::Redact)];
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

/// Their names in a contract.
macro_rules! display_by_name {
    ($($kind:ty),*) => {
        $(impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Self::ALL.iter().find(|(_, item)| item == self).map_or("", |(name, _)| name))
            }
        })*
    };
}
display_by_name!(TextFormat, Mask, OnViolation, Unmatched);

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

    /// Whether a target column shows restricted values: its source's column does, or one that lies inside it or around it.
    pub fn is_restricted(&self, origin: Origin) -> bool {
        let (source, index) = match origin {
            Origin::Transactions(index) => (&self.transactions, index),
            Origin::Customers(index) => (&self.customers, index),
            Origin::Matched => return false,
        };
        let path = &source.columns[index].path;
        let overlaps = |other: &Path| other.field == path.field && other.steps.iter().zip(&path.steps).all(|(a, b)| a == b);
        source.columns.iter().any(|column| column.is_restricted && overlaps(&column.path))
    }

    /// Whether a column is that of the join, of which a matched row has the same text as its customer.
    pub(crate) fn is_join_key(&self, column: &TargetColumn) -> bool {
        let Origin::Transactions(index) = column.origin else { return false };
        index == self.join.left && self.transactions.columns[index].mask.is_none() && column.kind.is_text()
    }

    /// Whether a column is masked with SHA-256, which is worth little without a salt that the run must then be given.
    pub fn needs_salt(&self) -> bool {
        self.transactions.columns.iter().chain(&self.customers.columns).any(|column| column.mask == Some(Mask::Sha256))
    }
}
