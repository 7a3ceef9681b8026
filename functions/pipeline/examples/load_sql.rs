//! Renders the load of a made-up run for PostgreSQL: for the benchmark of the warehouse's part, which knows no statement itself.
//!
//! `load_sql CONTRACT < run.json` prints one JSON object: what the load is called in the warehouse, and its statements.

#![allow(clippy::print_stdout, reason = "a command's result goes to its output")]

use std::collections::BTreeMap;
use std::error::Error;

use pipeline::contract::{Plan, SOURCE_OFFSET, SOURCE_URI};
use pipeline::decimal::Decimal;
use pipeline::ledger::{Counts, Ledger};
use pipeline::manifest::{CustomersRef, RawManifest, RunId, RunInput};
use pipeline::split::Format;
use pipeline::sql::{self, Dialect, Evolution, LoadRun};
use serde::Deserialize;
use serde_json::json;

/// What a benchmark says of a run, and what its books hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    run_id: RunId,
    source_uri: String,
    source_version: String,
    /// RFC 3339, UTC; the run counts as started then.
    source_modified_at: String,
    rows_clean: u64,
    rows_matched: u64,
    quarantined_by_rule: BTreeMap<String, u64>,
    sums: BTreeMap<String, Decimal>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let contract = std::env::args_os().nth(1).ok_or("usage: load_sql CONTRACT < run.json")?;
    let plan = Plan::compile(&std::fs::read(contract)?)?;
    let run: Run = serde_json::from_reader(std::io::stdin())?;
    let names = |columns: &[usize]| columns.iter().map(|i| plan.target.columns[*i].name.clone()).collect::<Vec<_>>();
    let all: Vec<usize> = (0..plan.target.columns.len()).collect();
    let answer = json!({
        "schema": plan.target.schema,
        "table": plan.target.table,
        "columns": names(&all),
        "key": names(&plan.target.key),
        "source": [SOURCE_URI, SOURCE_OFFSET],
        "summed": sql::summed(&plan).map(|(column, _)| &column.name).collect::<Vec<_>>(),
        "staging": run.run_id.staging_tables(),
        "load": load(&plan, &run)?,
    });
    println!("{answer}");
    Ok(())
}

fn load(plan: &Plan, run: &Run) -> Result<sql::LoadSql, sql::InvalidName> {
    let quarantined = run.quarantined_by_rule.values().sum();
    let ledger = Ledger {
        transactions: Counts {
            read: run.rows_clean + quarantined,
            clean: run.rows_clean,
            quarantined,
            quarantined_by_rule: run.quarantined_by_rule.clone(),
            ..Counts::default()
        },
        matched: run.rows_matched,
        sums: run.sums.clone(),
        ..Ledger::default()
    };
    let transactions = RawManifest {
        uri: run.source_uri.clone(),
        version: run.source_version.clone(),
        etag: String::new(),
        modified_at: run.source_modified_at.clone(),
        raw_key: String::new(),
        original_key: None,
        bytes: 0,
        md5: String::new(),
        sha256: String::new(),
        crc64nvme: None,
        format: Format::Ndjson,
        records: ledger.transactions.read,
        splits: Vec::new(),
        blobs: Vec::new(),
        replay: None,
    };
    let customers =
        CustomersRef { uri: String::new(), bucket: String::new(), key: String::new(), etag: String::new(), version_id: None, bytes: 0 };
    let load = LoadRun {
        plan,
        run_id: &run.run_id,
        input: &RunInput::default(),
        started_at: &run.source_modified_at,
        transactions: &transactions,
        customers: &customers,
        ledger: &ledger,
        evolution: &Evolution::default(),
        // PostgreSQL has no COPY from S3: its staging is filled from outside.
        copy_manifests: &[String::new(), String::new()],
        copy_role_arn: "",
    };
    sql::load(Dialect::Postgres, &load)
}
