//! The SQL of a load, as golden files: a change shows in review as the SQL it makes.
//!
//! `UPDATE_GOLDEN=1 cargo test -p pipeline` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod golden;

use std::fmt::Write as _;

use pipeline::contract::Plan;
use pipeline::decimal::Decimal;
use pipeline::ledger::{Counts, Ledger};
use pipeline::manifest::{CustomersRef, RawManifest, RunId};
use pipeline::split::Format;
use pipeline::sql::{Dialect, LoadRun, LoadSql, load, verify};

const SHIPPED: &str = include_str!("../../../contract.odcs.yaml");
const URI: &str = "https://account/container/transactions.json";
const EVERYTHING: &str = include_str!("everything.odcs.yaml");

fn render(dialect: Dialect, contract: &str, uri: &str) -> LoadSql {
    let plan = Plan::compile(contract.as_bytes()).unwrap();
    let run_id: RunId = "run-1".to_owned().try_into().unwrap();
    let transactions = RawManifest {
        uri: uri.to_owned(),
        version: "0123456789abcdef".into(),
        etag: "\"0x8DC\"".into(),
        modified_at: "2026-01-01T00:00:00Z".into(),
        raw_key: "raw/transactions/0123456789abcdef/transactions.json".into(),
        bytes: 100,
        md5: String::new(),
        sha256: String::new(),
        format: Format::Ndjson,
        records: 10,
        splits: vec![],
        replay: None,
    };
    let customers = CustomersRef {
        uri: "s3://bucket/landing/customers/customers.csv".into(),
        key: "k".into(),
        etag: "\"e\"".into(),
        version_id: None,
        bytes: 1,
    };
    let mut rows = Counts { read: 10, clean: 9, ..Counts::default() };
    rows.quarantine(pipeline::rule::Rule::Minimum, Some("amount"));
    let sums = [("amount", 1250, 2), ("quantity", 9, 0)].map(|(name, unscaled, scale)| (name.to_owned(), Decimal { unscaled, scale }));
    let ledger = Ledger {
        transactions: rows,
        customers: Counts { read: 3, clean: 3, ..Counts::default() },
        customers_superseded: 1,
        sums: sums.into(),
        ..Ledger::default()
    };
    let copy_manifests = ["s3://bucket/runs/run-1/copy-clean.json".to_owned(), "s3://bucket/runs/run-1/copy-quarantine.json".to_owned()];
    let sql = LoadRun {
        // The hash of the contract's bytes would change with every comment in it.
        plan: &Plan { sha256: "c0ffee".into(), ..plan },
        run_id: &run_id,
        transactions: &transactions,
        customers: &customers,
        ledger: &ledger,
        copy_manifests: &copy_manifests,
        copy_role_arn: "arn:aws:iam::123456789012:role/copy",
    };
    load(dialect, &sql)
}

fn show(sql: &LoadSql) -> String {
    let mut text = String::new();
    for (title, statements) in
        [("prepare", &sql.prepare), ("fill", &sql.fill), ("transaction", &sql.transaction), ("cleanup", &sql.cleanup)]
    {
        writeln!(text, "-- {title}").unwrap();
        for statement in statements {
            writeln!(text, "\n-- {}\n{};", statement.name, statement.sql).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_load_in_both_dialects() {
    for (name, contract) in [("load", SHIPPED), ("every-type", EVERYTHING)] {
        for (dialect, suffix) in [(Dialect::Postgres, "postgres"), (Dialect::Redshift, "redshift")] {
            golden::check(&format!("{name}.{suffix}.sql"), &show(&render(dialect, contract, URI)));
        }
    }
}

#[test]
fn the_question_that_ends_a_run() {
    let plan = Plan::compile(SHIPPED.as_bytes()).unwrap();
    golden::check("verify.sql", &format!("{};\n", verify(&plan)));
}

#[test]
fn a_text_cannot_leave_its_literal() {
    let uri = "https://a/b'); DROP TABLE x; --\\";
    let ledger = |dialect| render(dialect, SHIPPED, uri).transaction.pop().unwrap().sql;
    assert!(ledger(Dialect::Postgres).contains(r"'https://a/b''); DROP TABLE x; --\'"));
    assert!(ledger(Dialect::Redshift).contains(r"'https://a/b''); DROP TABLE x; --\\'"));
}

#[test]
fn the_data_api_takes_every_statement() {
    // Source: ExecuteStatement, "Considerations when calling the Amazon Redshift Data API": 100 KB a statement, 40 in a batch.
    let sql = render(Dialect::Redshift, EVERYTHING, URI);
    assert!(sql.transaction.len() <= 40);
    for statement in sql.prepare.iter().chain(&sql.fill).chain(&sql.transaction).chain(&sql.cleanup) {
        assert!(statement.sql.len() <= 100 * 1024, "{}", statement.name);
    }
}
