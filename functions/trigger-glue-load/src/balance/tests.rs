use super::*;

use pipeline::decimal::Decimal;
use pipeline::ledger::{Counts, Ledger};
use pipeline::manifest::{ContractRef, CustomersRef, Dialects, Load, MANIFEST_FORMAT, RawManifest, RunInput};
use pipeline::split::Format;
use pipeline::sql::LoadSql;

fn plan() -> Plan {
    Plan::compile(include_bytes!("../../../../contract.odcs.yaml")).unwrap()
}

pub(crate) fn manifest() -> RunManifest {
    let rows = Counts { read: 10, clean: 8, quarantined: 2, recognised: 10, ..Counts::default() };
    let customers = Counts { read: 3, clean: 2, quarantined: 1, recognised: 3, ..Counts::default() };
    let sums = [("amount", 1250, 2), ("quantity", 9, 0)].map(|(name, unscaled, scale)| (name.to_owned(), Decimal { unscaled, scale }));
    RunManifest {
        format: MANIFEST_FORMAT.to_owned(),
        run_id: "run-1".to_owned().try_into().unwrap(),
        input: RunInput::default(),
        contract: ContractRef { key: "c".into(), sha256: "abc".into(), version: "1".into() },
        transactions: RawManifest {
            uri: "https://a/b/c".into(),
            version: "v".into(),
            etag: "e".into(),
            modified_at: "2026-01-01T00:00:00Z".into(),
            raw_key: "raw".into(),
            original_key: None,
            bytes: 1,
            md5: String::new(),
            sha256: String::new(),
            crc64nvme: None,
            format: Format::Ndjson,
            records: 10,
            splits: vec![],
            blobs: Vec::new(),
            replay: None,
        },
        customers: CustomersRef {
            uri: "s3://b/c".into(),
            bucket: "b".into(),
            key: "c".into(),
            etag: "e".into(),
            version_id: None,
            bytes: 1,
        },
        parts: vec![],
        ledger: Ledger { transactions: rows, customers, customers_superseded: 0, sums: sums.into(), ..Ledger::default() },
        load: Load { staging: vec![], ddl: vec![], dialects: Dialects { postgres: LoadSql::default(), redshift: LoadSql::default() } },
    }
}

fn row() -> Row {
    let sums = r#"{"amount":{"clean":"12.50","loaded":"10.00","superseded":"2.50","written":"10.00"},"quantity":{"clean":"9","loaded":"7","superseded":"2","written":"7"}}"#;
    [
        ("rows_read", "10"),
        ("rows_loaded", "7"),
        ("rows_inserted", "4"),
        ("rows_updated", "2"),
        ("rows_unchanged", "1"),
        ("rows_superseded", "1"),
        ("rows_quarantined", "2"),
        ("rows_written", "7"),
        ("rows_matched", "6"),
        ("rows_unmatched", "1"),
        ("rows_in_table", "7"),
        ("rows_in_quarantine", "3"),
        ("later_runs", "0"),
        ("contract_sha256", "abc"),
        ("sums", sums),
        ("written_0", "10.00"),
        ("written_1", "7"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[test]
fn books_that_agree_balance() {
    let balance = balance(&plan(), &manifest(), &row()).unwrap();
    assert_eq!((balance.rows_loaded, balance.rows_matched), (7, 6));
    assert_eq!(balance.sums["amount"]["superseded"], "2.50");
    assert!(!balance.sums["amount"].contains_key("written"));
}

#[test]
fn every_difference_is_named() {
    let check = |name: &str, value: &str, expected: &str| {
        let mut row = row();
        row.insert(name.to_owned(), value.to_owned());
        match balance(&plan(), &manifest(), &row) {
            Err(Error::LedgerMismatch(message)) => assert!(message.contains(expected), "{name}: {message}"),
            other => panic!("{name}: {other:?}"),
        }
    };
    check("rows_read", "9", "rows read: the warehouse says 9, the manifest 10");
    check("rows_loaded", "6", "rows loaded and superseded: the warehouse says 7, the manifest 8");
    check("rows_in_quarantine", "2", "rows in the quarantine table");
    check("rows_in_table", "8", "rows of this run in the table: the warehouse says 8, the manifest 7");
    check("written_0", "10.01", "sum of amount in the table: 10.01");
    check("contract_sha256", "other", "contract");
    check("sums", "{}", "sum of amount");
}

#[test]
fn a_later_run_may_have_taken_rows_over() {
    let mut row = row();
    row.extend([("later_runs", "1"), ("rows_in_table", "2"), ("written_0", "1.00")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert!(balance(&plan(), &manifest(), &row).is_ok());
}

#[test]
fn a_run_that_is_not_in_the_ledger_is_not_loaded() {
    assert!(matches!(balance(&plan(), &manifest(), &Row::new()), Err(Error::LedgerMismatch(m)) if m.contains("not loaded")));
}

#[test]
fn the_rules_with_most_rows_are_reported_and_the_rest_as_one() {
    let check = |counts: &[(&str, u64)], expected: &[(&str, u64)]| {
        let counts = counts.iter().map(|&(rule, rows)| (rule.to_owned(), rows)).collect();
        assert_eq!(by_rule(&counts), expected);
    };
    check(&[], &[]);
    check(&[("a.type", 1), ("b.type", 9)], &[("b.type", 9), ("a.type", 1)]);
    let names: Vec<String> = (0..30).map(|n| format!("c{n:02}.type")).collect();
    let many: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(1..).collect();
    let mut expected: Vec<_> = many.iter().rev().copied().take(20).collect();
    expected.push(("others", (1..=10).sum()));
    check(&many, &expected);
}
