//! Whether what the warehouse says of a run agrees with its sealed manifest.

use std::collections::BTreeMap;

use cloud::metrics::{Metric, Metrics};
use pipeline::contract::Plan;
use pipeline::manifest::RunManifest;
use pipeline::sql;
use serde::Serialize;

use crate::error::Error;
use crate::warehouse::Row;

/// The run as the warehouse has it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Balance {
    pub(crate) rows_read: u64,
    pub(crate) rows_loaded: u64,
    pub(crate) rows_inserted: u64,
    pub(crate) rows_updated: u64,
    pub(crate) rows_unchanged: u64,
    pub(crate) rows_superseded: u64,
    pub(crate) rows_quarantined: u64,
    pub(crate) rows_matched: u64,
    pub(crate) rows_unmatched: u64,
    /// By column: clean = loaded (inserted, updated, unchanged) + superseded, as exact decimal text.
    pub(crate) sums: BTreeMap<String, BTreeMap<String, String>>,
    /// Of the load's transaction, and from the execution's start to the commit.
    pub(crate) load_seconds: String,
    pub(crate) run_seconds: String,
}

/// Compares what the warehouse says with the sealed manifest.
pub(crate) fn balance(plan: &Plan, manifest: &RunManifest, row: &Row) -> Result<Balance, Error> {
    if row.is_empty() {
        return Err(Error::LedgerMismatch(format!("the run {} has no row in crosstally.ledger, so it is not loaded", manifest.run_id)));
    }
    let mut faults = Vec::new();
    let count = |name: &str, faults: &mut Vec<String>| match row.get(name).and_then(|text| text.parse::<u64>().ok()) {
        Some(n) => n,
        None => {
            faults.push(format!("{name} is not a count"));
            0
        }
    };
    let equal = |what: &str, found: &str, expected: &str, faults: &mut Vec<String>| {
        if found != expected {
            faults.push(format!("{what}: the warehouse says {found}, the manifest {expected}"));
        }
    };
    let rows = &manifest.ledger.transactions;
    let (read, loaded) = (count("rows_read", &mut faults), count("rows_loaded", &mut faults));
    let (superseded, quarantined) = (count("rows_superseded", &mut faults), count("rows_quarantined", &mut faults));
    equal("rows read", &read.to_string(), &rows.read.to_string(), &mut faults);
    equal("rows loaded and superseded", &(loaded + superseded).to_string(), &rows.clean.to_string(), &mut faults);
    equal("rows quarantined", &quarantined.to_string(), &rows.quarantined.to_string(), &mut faults);
    let in_quarantine = count("rows_in_quarantine", &mut faults);
    let expected = rows.quarantined + manifest.ledger.customers.quarantined;
    equal("rows in the quarantine table", &in_quarantine.to_string(), &expected.to_string(), &mut faults);
    equal("contract", row.get("contract_sha256").map_or("", String::as_str), &manifest.contract.sha256, &mut faults);

    let mut sums: BTreeMap<String, BTreeMap<String, String>> =
        row.get("sums").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    // A later run may have taken rows of this one over; what it left is not this run's to answer for.
    let is_last = count("later_runs", &mut faults) == 0;
    if is_last {
        let (table, written) = (count("rows_in_table", &mut faults), count("rows_written", &mut faults));
        equal("rows of this run in the table", &table.to_string(), &written.to_string(), &mut faults);
    }
    for (i, (column, _)) in sql::summed(plan).enumerate() {
        let name = &column.name;
        let parts = sums.entry(name.clone()).or_default();
        let manifest_sum = manifest.ledger.sums.get(name).map(ToString::to_string).unwrap_or_default();
        equal(&format!("sum of {name}"), parts.get("clean").map_or("", String::as_str), &manifest_sum, &mut faults);
        let in_table = row.get(&format!("written_{i}")).map_or("", String::as_str);
        if is_last && !is_same_number(in_table, parts.get("written").map_or("", String::as_str)) {
            faults.push(format!("sum of {name} in the table: {in_table}, the ledger says {:?}", parts.get("written")));
        }
        parts.remove("written");
    }
    if !faults.is_empty() {
        return Err(Error::LedgerMismatch(format!("the run {} does not balance: {}", manifest.run_id, faults.join("; "))));
    }
    Ok(Balance {
        rows_read: read,
        rows_loaded: loaded,
        rows_inserted: count("rows_inserted", &mut faults),
        rows_updated: count("rows_updated", &mut faults),
        rows_unchanged: count("rows_unchanged", &mut faults),
        rows_superseded: superseded,
        rows_quarantined: quarantined,
        rows_matched: count("rows_matched", &mut faults),
        rows_unmatched: count("rows_unmatched", &mut faults),
        sums,
        load_seconds: row.get("load_seconds").cloned().unwrap_or_default(),
        run_seconds: row.get("run_seconds").cloned().unwrap_or_default(),
    })
}

/// Most rules that are reported each by itself: every one is a metric, and metrics are paid for.
const RULES_REPORTED: usize = 20;

impl Balance {
    /// The run's rows by their fate, its quarantine by rule, and its seconds, as metrics.
    pub(crate) fn report(&self, metrics: &Metrics, manifest: &RunManifest) {
        let run_id = manifest.run_id.as_str();
        let mut figures = vec![
            Metric::Count("RowsRead", self.rows_read),
            Metric::Count("RowsInserted", self.rows_inserted),
            Metric::Count("RowsUpdated", self.rows_updated),
            Metric::Count("RowsUnchanged", self.rows_unchanged),
            Metric::Count("RowsSuperseded", self.rows_superseded),
            Metric::Count("RowsQuarantined", self.rows_quarantined),
            Metric::Plain("QuarantineRatio", ratio(self.rows_quarantined, self.rows_read)),
        ];
        figures.extend(self.run_seconds.parse().ok().map(|seconds| Metric::Seconds("RunSeconds", seconds)));
        figures.extend(self.load_seconds.parse().ok().map(|seconds| Metric::Seconds("LoadSeconds", seconds)));
        metrics.report(run_id, None, &figures);
        for (rule, rows) in by_rule(&manifest.ledger.transactions.quarantined_by_rule) {
            metrics.report(run_id, Some(("Rule", rule)), &[Metric::Count("RowsQuarantined", rows)]);
        }
    }
}

/// The rules with most rows, and all others as one.
fn by_rule(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut rules: Vec<(&str, u64)> = counts.iter().map(|(rule, &rows)| (rule.as_str(), rows)).collect();
    rules.sort_by_key(|&(_, rows)| std::cmp::Reverse(rows));
    let others: u64 = rules.iter().skip(RULES_REPORTED).map(|(_, rows)| rows).sum();
    rules.truncate(RULES_REPORTED);
    rules.extend((others > 0).then_some(("others", others)));
    rules
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for an alarm")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Whether two decimal texts are one number; a sum over no rows is 0 without its scale.
fn is_same_number(left: &str, right: &str) -> bool {
    let number = |text: &str| text.parse::<pipeline::decimal::Decimal>().ok();
    match (number(left), number(right)) {
        (Some(l), Some(r)) => l.rescale(l.scale.max(r.scale)) == r.rescale(l.scale.max(r.scale)),
        _ => false,
    }
}

#[cfg(test)]
pub(crate) mod tests;
