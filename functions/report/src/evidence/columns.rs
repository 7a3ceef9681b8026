//! What the profile of the clean rows says, in the words of the report.

use pipeline::profile::{ColumnSummary, Profile, RejectedSample};

use crate::drift::{Measured, past_column};
use crate::model::{Column, Frequent, PastColumn, Sample};

pub(super) fn columns(profile: Option<&Profile>) -> Vec<Measured> {
    profile.map(Profile::summary).unwrap_or_default().into_iter().map(measured).collect()
}

/// Of the columns, what a later run compares with its own.
pub(super) fn past(profile: Option<&Profile>) -> Vec<PastColumn> {
    columns(profile).iter().map(|measured| past_column(&measured.column, measured.mean)).collect()
}

/// Of all splits together.
pub(super) fn millis(profile: Option<&Profile>) -> Option<i64> {
    profile.map(|profile| i64::try_from(profile.millis).unwrap_or(i64::MAX))
}

/// Records that broke a rule, as the ledger names it.
pub(super) fn samples(profile: Option<&Profile>, source: &str, rule: &str) -> Vec<Sample> {
    let is_of_rule = |sample: &&RejectedSample| sample.source == source && sample.rule == rule;
    let sample = |sample: &RejectedSample| Sample { offset: sample.offset, record_bytes: sample.record_bytes, text: sample.text.clone() };
    profile.map(|profile| profile.rejected.iter().filter(is_of_rule).map(sample).collect()).unwrap_or_default()
}

pub(super) fn measured(summary: ColumnSummary) -> Measured {
    let column = Column {
        name: summary.name,
        kind: summary.kind,
        rows: summary.rows,
        nulls: summary.nulls,
        distinct: summary.distinct,
        min: summary.min,
        max: summary.max,
        mean: summary.mean,
        frequent: summary.frequent.into_iter().map(|(value, rows)| Frequent { value, rows }).collect(),
        moved: None,
    };
    Measured { column, mean: summary.mean_value }
}
