//! A load by the Data API: the statements that the Glue job would run, as one batch, which is one transaction.

use std::collections::HashSet;

use pipeline::contract::Plan;
use pipeline::manifest::RunManifest;
use pipeline::sql::{Evolution, PLANNED, Statement};

use crate::error::Error;
use crate::load::Progress;
use crate::warehouse::{Failure, StatementState, Warehouse};

/// A batch has no more statements. Source: BatchExecuteStatement, Amazon Redshift Data API Reference.
const BATCH_STATEMENTS: usize = 40;
/// Nor has a statement more bytes. Source: "Considerations when calling the Amazon Redshift Data API".
const STATEMENT_BYTES: usize = 100 * 1024;

/// Starts the load; returns the batch's id.
///
/// `evolution` is what the target lacks now: a batch cannot ask a statement's `unless` on its way.
pub(crate) async fn start(
    warehouse: &Warehouse,
    manifest: &RunManifest,
    plan: &Plan,
    (evolution, has_ledger): (&Evolution, bool),
    attempt: u32,
) -> Result<String, Error> {
    let run_id = &manifest.run_id;
    let sql = &manifest.load.dialects.redshift;
    let still_due: HashSet<String> = evolution.names(plan).into_iter().collect();
    let is_due = |s: &&Statement| s.unless.is_none() || still_due.contains(&s.name);
    let transaction: Vec<String> = sql.transaction.iter().filter(is_due).map(|s| s.sql.clone()).collect();
    if let Some(long) = transaction.iter().find(|sql| sql.len() > STATEMENT_BYTES) {
        return Err(Error::ConfigInvalid(format!(
            "a statement of {} bytes is more than the Data API takes, as the contract has so many columns: load by LoadMode glue",
            long.len()
        )));
    }
    if transaction.len() > BATCH_STATEMENTS {
        return Err(Error::ConfigInvalid(format!(
            "the load has {} statements, more than a batch of the Data API, as so many columns are new: load this run by LoadMode glue",
            transaction.len()
        )));
    }
    // They are no part of the transaction: a transaction has to begin by locking the ledger, and a column can be widened in none.
    for statement in sql.prepare.iter().filter(|s| if s.unless.is_some() { is_due(s) } else { !has_ledger }) {
        warehouse.carry_out(&statement.name, &statement.sql, &[]).await?;
    }
    let [rows, _] = run_id.staging_tables();
    // At most 64 characters, and a run's name may be longer: its hash is in the staging table's name.
    let token = format!("{}-{attempt}", rows.rsplit('_').next().unwrap_or_default());
    warehouse.submit_batch(transaction, &token).await
}

pub(crate) async fn progress(warehouse: &Warehouse, id: &str) -> Result<Progress, Error> {
    let failure = match warehouse.state(id).await? {
        StatementState::Unfinished => return Ok(Progress::Unfinished),
        StatementState::Finished => return Ok(Progress::Ended),
        StatementState::Gone => return Ok(Progress::Interrupted("the Data API knows its batch no more".to_owned())),
        StatementState::Failed(failure) => failure,
    };
    if let Some(progress) = told(&failure) {
        return Ok(progress);
    }
    let mut words = format!("{}: {}: {}", failure.status, failure.statement(), failure.error);
    if failure.statement().starts_with("copy_")
        && let Some(detail) = warehouse.load_error(failure.pid).await?
    {
        words = format!("{words}: {detail}");
    }
    Ok(Progress::Failed(words))
}

/// What a failed batch was told by its own statements, or by what stood in its way.
fn told(failure: &Failure) -> Option<Progress> {
    let error = &failure.error;
    // Redshift may name no more of a text that is no number than its first character.
    let is_refused_by = |statement: &str| failure.statement() == statement && error.contains("Invalid digit");
    if error.contains("AlreadyLoaded:") || is_refused_by("refuse_second_load") {
        return Some(Progress::Ended);
    }
    if is_refused_by("check_law") {
        return Some(Progress::Failed(format!("LedgerMismatch: the law does not hold: {error}")));
    }
    if let Some((_, report)) = error.split_once(PLANNED) {
        // The database quotes the text.
        let object = report.split_inclusive('}').next().unwrap_or_default();
        return Some(match serde_json::from_str(&object.replace("\\\"", "\"")) {
            Ok(counts) => Progress::Planned(counts),
            Err(_) => Progress::Failed(format!("report_plan: the warehouse's report cannot be read: {report}")),
        });
    }
    if failure.may_pass() || failure.status == "ABORTED" {
        return Some(Progress::Interrupted(format!("{}: {}: {}", failure.status, failure.statement(), error)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_batch_is_told_apart() {
        let check = |status: &str, error: &str, expected: &str| {
            let failure = Failure { status: status.into(), error: error.into(), ..Failure::default() };
            let name = match told(&failure) {
                None => "none",
                Some(Progress::Unfinished) => "unfinished",
                Some(Progress::Ended) => "ended",
                Some(Progress::Planned(counts)) if counts.rows_inserted == 3 => "planned",
                Some(Progress::Interrupted(_)) => "interrupted",
                Some(_) => "failed",
            };
            assert_eq!(name, expected, "{status} {error}");
        };
        let report = r#"{"rows_inserted":3,"rows_updated":1,"rows_unchanged":2,"rows_superseded":0,"rows_written":4,"rows_matched":5}"#;
        check("FAILED", r#"ERROR: invalid input syntax for type integer: "AlreadyLoaded: the run r stands in the ledger""#, "ended");
        check("FAILED", &format!("ERROR: invalid input syntax for type integer: \"Planned: {report}\""), "planned");
        check("FAILED", "ERROR: invalid input syntax for type integer: \"Planned: {\"rows_ins", "failed");
        check("FAILED", "ERROR: 1023 DETAIL: Serializable isolation violation on table", "interrupted");
        let of = |statement: &str| {
            let sql = format!("/* crosstally {statement} of run-1 */ SELECT 1");
            told(&Failure { sql, error: "ERROR: Invalid digit, Value 'L', Pos 0, Type: Integer".into(), ..Failure::default() })
        };
        assert_eq!(of("refuse_second_load"), Some(Progress::Ended));
        assert!(matches!(of("check_law"), Some(Progress::Failed(words)) if words.starts_with("LedgerMismatch:")));
        assert_eq!(of("fold"), None);
        check("ABORTED", "Query cancelled on user's request", "interrupted");
        check("FAILED", "ERROR: value too long for type character varying(3)", "none");
    }
}
