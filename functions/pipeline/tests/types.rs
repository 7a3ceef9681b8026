//! Every type a contract can name, through the pipeline and back out of the Parquet file.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use pipeline::contract::Plan;
use pipeline::ledger::Ledger;
use pipeline::mask::Masker;
use pipeline::merge::{Job, Sinks, merge};
use pipeline::split::Format;

const CONTRACT: &[u8] = include_bytes!("everything.odcs.yaml");

const CUSTOMERS: &str = "Customer.Id[0],name,email,phone,note\n\
    K1, ada   LOVELACE ,ADA@Example.org,+44 20 7946 0000,secret\n\
    K2,bo,not an address,,\n";

const ORDERS: &str = r#"{"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "customer": {"id": "K1", "address": {"a.b": "Main \"St\""}}, "items": [ {"sku": "a1", "n": 1.0} , 2 ], "amount": "12345.6789012345", "big": 123456789012345678901234567890, "small": "-32768", "whole": 2147483647, "long": -9223372036854775808, "rate": 2.5e-1, "flag": true, "day": "2024-02-29", "at": "2024-02-29T23:30:00-05:00", "local_at": "2024-02-29 12:00:00"}
{"id": "1f8fad5b-d9cb-469f-a165-70867728950e", "customer": {"id": "K2"}, "items": [{"sku": "n/a"}], "at": "2024-02-29T00:00:00Z"}
{"id": "2f8fad5b-d9cb-469f-a165-70867728950e", "customer": {"id": "K9"}, "at": "2024-02-29T00:00:00Z"}
{"id": "3f8fad5b-d9cb-469f-a165-70867728950e", "customer": {"id": "K1"}, "items": [{"sku": "C-3"}], "at": "2024-02-29T00:00:00Z"}
{"id": "4f8fad5b-d9cb-469f-a165-70867728950e", "customer": {"id": "K1"}, "amount": "0.0000000001", "big": "-1", "rate": 0, "flag": false, "at": "2024-03-01"}
"#;

struct Merged {
    clean: Bytes,
    quarantine: Bytes,
    ledger: Ledger,
}

fn merged(plan: &Plan, orders: &str) -> Merged {
    let masker = Masker::new("salt");
    let job = Job::new(plan, &masker, Format::Ndjson, 0);
    let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
    let pipeline::merge::Merged { sinks, ledger, .. } = merge(&job, CUSTOMERS.as_bytes(), orders.as_bytes(), sinks).unwrap();
    Merged { clean: sinks.clean.into(), quarantine: sinks.quarantine.into(), ledger }
}

fn rows(parquet: &Bytes) -> RecordBatch {
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(parquet.clone()).unwrap().build().unwrap();
    reader.next().unwrap().unwrap()
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    batch.column_by_name(column).unwrap().as_string::<i32>().iter().map(|v| v.map(str::to_owned)).collect()
}

#[test]
fn every_type_comes_through() {
    let plan = Plan::compile(CONTRACT).unwrap();
    let orders: String = ORDERS.lines().take(4).map(|line| format!("{line}\n")).collect();
    let merged = merged(&plan, &orders);
    merged.ledger.balance().unwrap();
    assert_eq!((merged.ledger.transactions.read, merged.ledger.transactions.clean, merged.ledger.matched), (4, 2, 2));
    let batch = rows(&merged.clean);
    let text = |column: &str| texts(&batch, column);
    let some = |text: &str| Some(text.to_owned());

    assert_eq!(text("customer_id"), [some("K1"), some("K2")]);
    assert_eq!(text("street"), [some("Main \"St\""), None]);
    assert_eq!(text("sku"), [some("A-1"), None]);
    assert_eq!(text("items"), [some(r#"[{"sku":"a1","n":1.0},2]"#), some(r#"[{"sku":"n/a"}]"#)]);
    assert_eq!(text("name"), [some("Ada Lovelace"), some("Bo")]);
    // sha256 of `saltada@example.org`; an address that is none is null.
    assert_eq!(text("email"), [some("4c9a1b39e3e622a5bb0967692bedc018b441b3f40d7d80d81571d709653d9bac"), None]);
    assert_eq!(text("phone"), [some("********0000"), None]);
    assert_eq!(text("note"), [some("REDACTED"), some("REDACTED")]);

    let column = |name: &str| batch.column_by_name(name).unwrap().clone();
    assert_eq!(column("amount").as_primitive::<Decimal128Type>().iter().collect::<Vec<_>>(), [Some(123_456_789_012_345), None]);
    assert_eq!(column("big").as_primitive::<Decimal128Type>().value(0), 123_456_789_012_345_678_901_234_567_890);
    assert_eq!(column("small").as_primitive::<Int16Type>().iter().collect::<Vec<_>>(), [Some(i16::MIN), Some(7)]);
    assert_eq!(column("whole").as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(i32::MAX), None]);
    assert_eq!(column("long").as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(i64::MIN), None]);
    assert_eq!(column("rate").as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(0.25), None]);
    assert_eq!(column("flag").as_boolean().iter().collect::<Vec<_>>(), [Some(true), None]);
    assert_eq!(column("day").as_primitive::<Date32Type>().iter().collect::<Vec<_>>(), [Some(19_782), None]);
    let instants = |name: &str| column(name).as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>();
    assert_eq!(instants("at"), [Some(1_709_267_400_000_000), Some(1_709_164_800_000_000)]);
    assert_eq!(instants("local_at")[1], None);

    assert_eq!(merged.ledger.sums["big"].to_string(), "123456789012345678901234567890");
    assert_eq!(merged.ledger.sums["long"].to_string(), "-9223372036854775808");
    // In the order of the records, also where the join rejects.
    let quarantine = rows(&merged.quarantine);
    assert_eq!(texts(&quarantine, "rule"), [some("unmatched"), some("validValues")]);
    assert_eq!(texts(&quarantine, "column_name"), [some("customer_ref"), some("sku")]);
}

/// One JSON value that the warehouse cannot take in would fail the whole load.
#[test]
fn a_json_value_is_kept_whole_or_quarantined() {
    let plan = Plan::compile(CONTRACT).unwrap();
    let check = |value: &str, expected: Option<&str>| {
        let order = format!(
            r#"{{"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "customer": {{"id": "K1"}}, "items": {value}, "at": "2024-02-29T00:00:00Z"}}"#
        );
        let merged = merged(&plan, &order);
        match expected {
            Some(expected) => assert_eq!(texts(&rows(&merged.clean), "items"), [Some(expected.to_owned())], "{value}"),
            None => assert_eq!(merged.ledger.transactions.quarantined_by_rule, [("items.type".to_owned(), 1)].into(), "{value}"),
        }
    };
    check("7", Some("7"));
    check("true", Some("true"));
    check(r#""a b""#, Some(r#""a b""#));
    check(r#""a\"b""#, Some(r#""a\"b""#));
    check("{ \"k\" : [ 1e2 , { } ] }", Some(r#"{"k":[1e2,{}]}"#));
    check("1e999999", None);
    check(r#""\u0000""#, None);
    check(r#""\ud800""#, None);
    check(r#"["\u0000"]"#, None);
}

#[test]
fn a_rule_that_must_fail_the_run_does() {
    let plan = Plan::compile(CONTRACT).unwrap();
    let masker = Masker::default();
    let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
    let job = Job { transactions_uri: "https://a/b/orders.json", ..Job::new(&plan, &masker, Format::Ndjson, 0) };
    let error = merge(&job, CUSTOMERS.as_bytes(), ORDERS.as_bytes(), sinks).err().unwrap().to_string();
    let byte = ORDERS.find("{\"id\": \"4f").unwrap();
    assert_eq!(
        error,
        format!(
            "https://a/b/orders.json: `at` breaks the rule type at byte {byte}, where the contract says onViolation fail: mend that record, or the contract"
        )
    );
}

#[test]
fn a_file_says_which_contract_made_it_and_what_its_columns_hold() {
    let plan = Plan::compile(CONTRACT).unwrap();
    let orders: String = ORDERS.lines().take(2).map(|line| format!("{line}\n")).collect();
    let merged = merged(&plan, &orders);
    for parquet in [&merged.clean, &merged.quarantine] {
        let reader = SerializedFileReader::new(parquet.clone()).unwrap();
        let about = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
        let about: Vec<_> = about.iter().map(|entry| (entry.key.as_str(), entry.value.as_deref().unwrap())).collect();
        assert_eq!(about, [("crosstally.contract.version", "2.0.0"), ("crosstally.contract.sha256", plan.sha256.as_str())]);
    }
    let reader = SerializedFileReader::new(merged.clean.clone()).unwrap();
    let group = reader.metadata().row_group(0);
    let statistics = |name: &str| {
        let chunk = group.columns().iter().find(|c| c.column_path().string() == name).unwrap();
        chunk.statistics().unwrap().clone()
    };
    let check_bytes = |name: &str, min: &str, max: &str, nulls: u64| match statistics(name) {
        Statistics::ByteArray(found) => {
            assert_eq!(found.min_opt().unwrap().as_utf8().unwrap(), min, "{name}");
            assert_eq!(found.max_opt().unwrap().as_utf8().unwrap(), max, "{name}");
            assert_eq!(found.null_count_opt(), Some(nulls), "{name}");
        }
        other => panic!("{name}: {other:?}"),
    };
    check_bytes("customer_id", "K1", "K2", 0);
    check_bytes("sku", "A-1", "A-1", 1);
    check_bytes("name", "Ada Lovelace", "Bo", 0);
    match statistics("small") {
        Statistics::Int32(found) => assert_eq!((found.min_opt(), found.max_opt()), (Some(&-32_768), Some(&7))),
        other => panic!("{other:?}"),
    }
    match statistics("at") {
        Statistics::Int64(found) => {
            assert_eq!((found.min_opt(), found.max_opt()), (Some(&1_709_164_800_000_000), Some(&1_709_267_400_000_000)));
        }
        other => panic!("{other:?}"),
    }
    match statistics("big") {
        Statistics::FixedLenByteArray(found) => assert_eq!((found.min_opt(), found.null_count_opt()), (found.max_opt(), Some(1))),
        other => panic!("{other:?}"),
    }
}
