//! Whole splits through the pipeline, read back from their Parquet.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::contract::Plan;
use pipeline::ledger::Ledger;
use pipeline::merge::{Merge, MergeError, Origins};
use pipeline::split::{Format, Split, SplitFinder};
use proptest::prelude::*;

const CONTRACT: &[u8] = include_bytes!("../../../contract.odcs.yaml");
const CUSTOMERS: &str = "customer_id,first_name,last_name,email,phone,country,city,signup_date\n\
    C1, Ada ,Lovelace,ADA@Example.org,,gb,London,2020-02-29\n\
    C2,\"Bo, Jr.\",\"O\"\"Neil\",b@x.org,1,de,\"Köln\nDeutz\",\n\
    C3,Cy,X,c@x.org,2,fr,Paris,2020-02-30\n\
    ,No,Id,n@x.org,3,fr,Paris,2020-01-01\n\
    C2,Bob,ONeil,bob@x.org,1,de,Köln,2021-01-01\n";

struct Merged {
    clean: Vec<u8>,
    quarantine: Vec<u8>,
    ledger: Ledger,
}

fn merge(transactions: &[u8], split_bytes: u64, chunk: usize) -> Result<Vec<Merged>, MergeError> {
    let plan = Plan::compile(CONTRACT).unwrap();
    let mut finder = SplitFinder::new(split_bytes);
    finder.push(transactions).unwrap();
    let layout = finder.finish().unwrap().unwrap();
    let origins = Origins { transactions_uri: "https://account/container/t.json", customers_uri: "s3://bucket/c.csv" };
    let one = |(index, split): (usize, &Split)| {
        let mut merge = Merge::new(&plan, CUSTOMERS.as_bytes(), layout.format, *split, index == 0, origins)?;
        let mut merged = Merged { clean: vec![], quarantine: vec![], ledger: Ledger::default() };
        let range = usize::try_from(split.start).unwrap()..usize::try_from(split.end).unwrap();
        for piece in transactions[range].chunks(chunk) {
            let ready = merge.push(piece)?;
            merged.clean.extend(ready.clean);
            merged.quarantine.extend(ready.quarantine);
        }
        let (ready, ledger) = merge.finish()?;
        merged.clean.extend(ready.clean);
        merged.quarantine.extend(ready.quarantine);
        merged.ledger = ledger;
        Ok(merged)
    };
    layout.splits.iter().enumerate().map(one).collect()
}

fn read(parquet: &[u8]) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(parquet)).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

/// Rows as text, so that splits can be compared.
fn rows(parquet: &[u8]) -> Vec<String> {
    let show = |batch: &RecordBatch, row: usize| {
        let cells = batch.columns().iter().map(|c| format!("{:?}", c.slice(row, 1)));
        cells.collect::<Vec<_>>().join("|")
    };
    read(parquet).iter().flat_map(|batch| (0..batch.num_rows()).map(|row| show(batch, row)).collect::<Vec<_>>()).collect()
}

const TRANSACTIONS: &str = r#"{"transaction_id": " T1 ", "customer_id": "C1", "amount": 12.3, "currency": "eur", "quantity": "3", "transaction_ts": "2026-01-01T01:00:00+01:00", "extra": 1}
{"transaction_id": "T2", "customer_id": "C2", "amount": "1234567890123456.78", "currency": "USD", "product": "", "transaction_ts": "2026-01-01 00:00:00.5"}
{"transaction_id": "T3", "customer_id": "C3", "amount": 1, "currency": "USD", "transaction_ts": "2026-01-01T00:00:00Z"}
{"transaction_id": "T4", "customer_id": "C1", "amount": -1, "currency": "USD", "transaction_ts": "2026-01-01T00:00:00Z"}
{"transaction_id": "T5", "customer_id": "C1", "amount": 1, "currency": "  ", "transaction_ts": "2026-01-01T00:00:00Z"}
{"transaction_id": "T6", "customer_id": "C1", "amount": 1, "currency": "USD", "transaction_ts": "soon"}
{"transaction_id": "T7", broken
{"transaction_id": "T8", "customer_id": "C1", "amount": 1.001, "currency": "USD", "transaction_ts": "2026-01-01T00:00:00Z"}
"#;

#[test]
fn cleans_joins_and_counts() {
    let merged = merge(TRANSACTIONS.as_bytes(), 1 << 20, 7).unwrap().remove(0);
    let rows = &merged.ledger.transactions;
    assert_eq!((rows.read, rows.clean, rows.quarantined, rows.unknown_fields), (8, 3, 5, 1));
    let by_rule = [("amount.minimum", 1), ("amount.type", 1), ("currency.required", 1), ("malformed", 1), ("transaction_ts.type", 1)];
    assert_eq!(rows.quarantined_by_rule, by_rule.map(|(rule, n)| (rule.to_owned(), n)).into());
    let customers = &merged.ledger.customers;
    assert_eq!((customers.read, customers.clean, customers.quarantined, merged.ledger.customers_superseded), (5, 3, 2, 1));
    assert_eq!(merged.ledger.sums["amount"].to_string(), "1234567890123470.08");
    assert_eq!(merged.ledger.sums["quantity"].to_string(), "3");
    merged.ledger.balance().unwrap();

    let batches = read(&merged.clean);
    let batch = &batches[0];
    let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().iter().map(|v| v.map(str::to_owned)).collect::<Vec<_>>();
    let some = |values: [&str; 3]| values.map(|v| Some(v.to_owned())).to_vec();
    assert_eq!(text("transaction_id"), some(["T1", "T2", "T3"]));
    assert_eq!(text("currency"), some(["EUR", "USD", "USD"]));
    // The last C2 wins; C3 is quarantined and matches nothing.
    assert_eq!(text("first_name"), [Some("Ada".to_owned()), Some("Bob".to_owned()), None]);
    assert_eq!(text("email"), [Some("ada@example.org".to_owned()), Some("bob@x.org".to_owned()), None]);
    assert_eq!(text("product"), [None, None, None]);
    let matched: Vec<_> = batch.column_by_name("customer_matched").unwrap().as_boolean().iter().flatten().collect();
    assert_eq!(matched, [true, true, false]);
    let amounts = batch.column_by_name("amount").unwrap().as_primitive::<Decimal128Type>();
    assert_eq!(amounts.values(), &[1230, 123_456_789_012_345_678, 100]);
    let instants = batch.column_by_name("transaction_ts").unwrap().as_primitive::<TimestampMicrosecondType>();
    assert_eq!(instants.values(), &[1_767_225_600_000_000, 1_767_225_600_500_000, 1_767_225_600_000_000]);
    let signup = batch.column_by_name("signup_date").unwrap().as_primitive::<Date32Type>();
    assert_eq!(signup.iter().collect::<Vec<_>>(), [Some(18_321), Some(18_628), None]);
    let offsets = batch.column_by_name("_source_offset").unwrap().as_primitive::<Int64Type>();
    assert_eq!(offsets.value(1), i64::try_from(TRANSACTIONS.find("{\"transaction_id\": \"T2\"").unwrap()).unwrap());

    let quarantine = read(&merged.quarantine);
    let column = |name: &str| {
        quarantine[0].column_by_name(name).unwrap().as_string::<i32>().iter().map(|v| v.unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        column("source"),
        ["customers", "customers", "transactions", "transactions", "transactions", "transactions", "transactions"]
    );
    assert_eq!(column("rule"), ["type", "required", "minimum", "required", "type", "malformed", "type"]);
    assert_eq!(column("column_name"), ["signup_date", "customer_id", "amount", "currency", "transaction_ts", "-", "amount"]);
    assert_eq!(column("record")[0], "C3,Cy,X,c@x.org,2,fr,Paris,2020-02-30");
    assert_eq!(column("record")[5], "{\"transaction_id\": \"T7\", broken");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (one, other) = (merge(TRANSACTIONS.as_bytes(), 1 << 20, 3).unwrap(), merge(TRANSACTIONS.as_bytes(), 1 << 20, 1000).unwrap());
    assert_eq!(one[0].clean, other[0].clean);
    assert_eq!(one[0].quarantine, other[0].quarantine);
}

#[test]
fn a_syntax_error_in_an_array_is_refused_with_its_byte() {
    let source = r#"[{"transaction_id": "T1"}, {"transaction_id": tru}]"#;
    match merge(source.as_bytes(), 1 << 20, 1000) {
        Err(MergeError::Malformed { uri, malformed }) => {
            assert_eq!((uri.as_str(), malformed.byte), ("https://account/container/t.json", 49));
        }
        other => panic!("{:?}", other.map(|m| m.len())),
    }
}

#[test]
fn customers_that_are_no_csv_of_the_contract_are_refused() {
    let plan = Plan::compile(CONTRACT).unwrap();
    let check = |csv: &str, expected: &str| {
        let origins = Origins { transactions_uri: "t", customers_uri: "s3://bucket/c.csv" };
        let split = Split { start: 0, end: 0, records: 0 };
        match Merge::new(&plan, csv.as_bytes(), Format::Ndjson, split, true, origins) {
            Err(MergeError::Malformed { uri, malformed }) => {
                assert!(uri == "s3://bucket/c.csv" && malformed.what.contains(expected), "{csv:?}: {malformed}");
            }
            Err(other) => panic!("{csv:?}: {other}"),
            Ok(_) => panic!("{csv:?} was taken"),
        }
    };
    check("first_name,email\nAda,a@x.org\n", "no `customer_id`");
    check("customer_id,email,email\n1,2,3\n", "`email` twice");
    check("customer_id,email\n", "no customer");
    check("customer_id,email\nC1,\"a@x.org\nC2,b@x.org\n", "never closed");
}

#[test]
fn a_customers_row_of_another_width_is_quarantined() {
    let plan = Plan::compile(CONTRACT).unwrap();
    let mut rejected = Vec::new();
    let csv = "\u{FEFF}customer_id,email\r\nC1,a@x.org\r\n\r\nC2\r\nC3,c@x.org,more\r\n";
    let customers =
        pipeline::customers::read_customers::<pipeline::source::Malformed>(csv.as_bytes(), &plan, |offset, record, violation| {
            rejected.push((offset, String::from_utf8(record.to_vec()).unwrap(), violation.rule.name()));
            Ok(())
        })
        .unwrap();
    assert_eq!((customers.counts().read, customers.counts().quarantined), (3, 2));
    assert_eq!(rejected, [(36, "C2".to_owned(), "malformed"), (40, "C3,c@x.org,more".to_owned(), "malformed")]);
    assert!(customers.find(b"C1").is_some() && customers.find(b"C2").is_none());
}

fn transaction() -> impl Strategy<Value = String> {
    let amount =
        prop_oneof![Just("\"x\"".to_owned()), (-500i32..50_000).prop_map(|cents| format!("{}.{:02}", cents / 100, cents.abs() % 100))];
    let line = ("T[0-9]{1,2}", "C[1-5]", amount, prop_oneof![Just("EUR"), Just("")]);
    line.prop_map(|(id, customer, amount, currency)| {
        format!(r#"{{"transaction_id":"{id}","customer_id":"{customer}","amount":{amount},"currency":"{currency}","transaction_ts":"2026-01-01T00:00:00Z"}}"#)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a source is split, the rows, the quarantine and the books are the same, and the law holds.
    #[test]
    fn any_splits_give_the_same_books(records in proptest::collection::vec(transaction(), 1..40), split_bytes in 1u64..2_000, is_array: bool) {
        let source = if is_array { format!("[{}]", records.join(",")) } else { records.join("\n") };
        let whole = merge(source.as_bytes(), u64::MAX, 512).unwrap();
        let parts = merge(source.as_bytes(), split_bytes, 512).unwrap();
        let collect = |merged: &[Merged], pick: fn(&Merged) -> &Vec<u8>| merged.iter().flat_map(|m| rows(pick(m))).collect::<Vec<_>>();
        prop_assert_eq!(collect(&whole, |m| &m.clean), collect(&parts, |m| &m.clean));
        prop_assert_eq!(collect(&whole, |m| &m.quarantine), collect(&parts, |m| &m.quarantine));
        let total = Ledger::total(parts.iter().map(|m| &m.ledger)).unwrap();
        prop_assert_eq!(&total, &whole[0].ledger);
        prop_assert_eq!(total.transactions.read, records.len() as u64);
        let by_rule: u64 = BTreeMap::values(&total.transactions.quarantined_by_rule).sum();
        prop_assert_eq!(total.transactions.read, total.transactions.clean + by_rule);
    }
}
