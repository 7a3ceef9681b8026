//! Whole splits through the pipeline, read back from their Parquet.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::{Read, Write};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::blocks::{BLOCK_BYTES, Tail};
use pipeline::contract::Plan;
use pipeline::csv::CsvError;
use pipeline::ledger::Ledger;
use pipeline::mask::Masker;
use pipeline::merge::{GROUP_BYTES, Job, MergeError, Sinks};
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

/// How a source is cut up and worked on.
#[derive(Debug, Clone, Copy)]
struct Cut {
    split_bytes: u64,
    block_bytes: usize,
    group_bytes: u64,
    threads: usize,
}

const WHOLE: Cut = Cut { split_bytes: u64::MAX, block_bytes: BLOCK_BYTES, group_bytes: GROUP_BYTES, threads: 1 };

/// Gives a few bytes at a time, as a network does.
struct Trickle<'b>(&'b [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let some = buffer.len().min(97);
        self.0.read(&mut buffer[..some])
    }
}

fn merge(transactions: &[u8], cut: Cut) -> Result<Vec<Merged>, MergeError> {
    merge_with(CUSTOMERS.as_bytes(), transactions, cut)
}

fn merge_with(customers: &[u8], transactions: &[u8], cut: Cut) -> Result<Vec<Merged>, MergeError> {
    let plan = Plan::compile(CONTRACT).unwrap();
    let masker = Masker::default();
    let mut finder = SplitFinder::new(cut.split_bytes);
    finder.push(transactions).unwrap();
    let layout = finder.finish().unwrap().unwrap();
    let one = |(index, split): (usize, &Split)| {
        let job = Job {
            transactions_uri: "https://account/container/t.json",
            customers_uri: "s3://bucket/c.csv",
            is_first: index == 0,
            threads: cut.threads,
            block_bytes: cut.block_bytes,
            group_bytes: cut.group_bytes,
            ..Job::new(&plan, &masker, layout.format, split.start)
        };
        let range = usize::try_from(split.start).unwrap()..usize::try_from(split.end).unwrap();
        let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
        let pipeline::merge::Merged { sinks, ledger, .. } =
            pipeline::merge::merge(&job, Trickle(customers), Trickle(&transactions[range]), sinks)?;
        Ok(Merged { clean: sinks.clean, quarantine: sinks.quarantine, ledger })
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
    let merged = merge(TRANSACTIONS.as_bytes(), WHOLE).unwrap().remove(0);
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
fn a_syntax_error_in_an_array_is_refused_with_its_byte() {
    let source = r#"[{"transaction_id": "T1"}, {"transaction_id": tru}]"#;
    match merge(source.as_bytes(), WHOLE) {
        Err(MergeError::Malformed { uri, malformed }) => {
            assert_eq!((uri.as_str(), malformed.byte), ("https://account/container/t.json", 49));
        }
        other => panic!("{:?}", other.map(|m| m.len())),
    }
}

#[test]
fn customers_that_are_no_csv_of_the_contract_are_refused() {
    let check = |csv: &[u8], expected: &str| match merge_with(csv, TRANSACTIONS.as_bytes(), WHOLE) {
        Err(MergeError::Malformed { uri, malformed }) => {
            assert!(uri == "s3://bucket/c.csv" && malformed.what.contains(expected), "{csv:?}: {malformed}");
        }
        Err(other) => panic!("{csv:?}: {other}"),
        Ok(_) => panic!("{csv:?} was taken"),
    };
    check(b"first_name,email\nAda,a@x.org\n", "no `customer_id`");
    check(b"customer_id,email,email\n1,2,3\n", "`email` twice");
    check(b"customer_id,email\n", "no customer");
    check(b"customer_id,email\nC1,\"a@x.org\nC2,b@x.org\n", "never closed");
    check(b"customer_id,\"email\nC1,a@x.org\n", "never closed");
    check(b"customer_id,\"email\nC1,a@x.org\nC2,\"b@x.org\"\nC3,c@x.org\n", "follows a closing quote");
    check(b"customer_id,first_name\nC1,Ada\nC2,Zo\xEB\n", "looks like Latin-1");
    check(b"customer_id,pr\xE9nom\nC1,Ada\n", "looks like Latin-1");
    check(&gzip(b"customer_id,email\nC1,a@x.org\n")[..30], "damaged gzip");
    check([b"customer_id,email\nC1,\"".as_slice(), &[b'x'; 18 << 20]].concat().as_slice(), "longer than 16 MiB");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(to_bytes).collect()
}

/// The same customers however their file is spelled.
#[test]
fn customers_are_read_in_every_spelling() {
    let plain = merge(TRANSACTIONS.as_bytes(), WHOLE).unwrap().remove(0);
    let check = |csv: &[u8], what: &str| {
        let merged = merge_with(csv, TRANSACTIONS.as_bytes(), WHOLE).unwrap().remove(0);
        assert_eq!(rows(&merged.clean), rows(&plain.clean), "{what}");
        assert_eq!(merged.ledger, plain.ledger, "{what}");
    };
    check([pipeline::source::UTF8_BOM, CUSTOMERS.as_bytes()].concat().as_slice(), "with a mark");
    check(&utf16(CUSTOMERS, u16::to_le_bytes), "UTF-16, little-endian");
    check(&utf16(CUSTOMERS, u16::to_be_bytes), "UTF-16, big-endian");
    check(&gzip(CUSTOMERS.as_bytes()), "gzip");
    check(&gzip(&utf16(CUSTOMERS, u16::to_le_bytes)), "UTF-16 in gzip");
    check([gzip(CUSTOMERS.as_bytes()), gzip(b"")].concat().as_slice(), "gzip of two members");
    // Köln\nDeutz holds a newline of its own, which stays.
    check(CUSTOMERS.replace(",GB", ",gb").replace("\n", "\r\n").replace("Köln\r\n", "Köln\n").as_bytes(), "CRLF");
    check(CUSTOMERS.replace("\n", "\r").replace("Köln\r", "Köln\n").as_bytes(), "CR alone");
}

#[test]
fn damaged_rows_of_customers_are_quarantined() {
    let plan = Plan::compile(CONTRACT).unwrap();
    let check = |csv: &[u8], kept: u64, expected: &[(u64, &str, &str)]| {
        let mut rejected = Vec::new();
        let customers = pipeline::customers::read_customers::<CsvError>(csv, &plan, &Masker::default(), |record, violation| {
            rejected.push((record.offset, String::from_utf8_lossy(record.text).into_owned(), violation.rule.name()));
            Ok(())
        })
        .unwrap();
        assert_eq!(customers.counts().clean, kept);
        let rejected: Vec<_> = rejected.iter().map(|(offset, record, rule)| (*offset, record.as_str(), *rule)).collect();
        assert_eq!(rejected, expected);
    };
    check(
        "\u{FEFF}customer_id,email\r\nC1,a@x.org\r\n\r\nC2\r\nC3,c@x.org,more\r\n".as_bytes(),
        1,
        &[(36, "C2", "malformed"), (40, "C3,c@x.org,more", "malformed")],
    );
    // Where other characters are UTF-8, the file is, and the row is damaged.
    check(b"customer_id,city\nC1,K\xC3\xB6ln\nC2,K\xF6ln\n", 1, &[(26, "C2,K\u{FFFD}ln", "encoding")]);
    check(b"customer_id,city\nC1,a\0b\n", 0, &[(17, "C1,a\0b", "type")]);
    // Half of a surrogate pair in UTF-16.
    let broken: Vec<u8> =
        [0xFEFFu16].into_iter().chain("customer_id,city\nC1,".encode_utf16()).chain([0xD800, 0x0A]).flat_map(u16::to_le_bytes).collect();
    check(&broken, 0, &[(17, "C1,\u{FFFD}", "encoding")]);
}

/// Of a file of customers as large as those of a large shop: what each costs in memory beside its own text.
#[test]
fn a_customer_takes_120_bytes_beside_its_text() {
    let plan = Plan::compile(CONTRACT).unwrap();
    let mut csv = String::from("customer_id,first_name,last_name,email,phone,country,city,signup_date\n");
    let customers = 200_000;
    for n in 0..customers {
        csv += &format!(
            "C{n:07},First{},Last{},name{n}@example.org,+49 30 {n:07},DE,City{},2020-01-{:02}\n",
            n % 500,
            n % 3_000,
            n % 900,
            n % 28 + 1
        );
    }
    let customers_read = pipeline::customers::read_customers::<CsvError>(csv.as_bytes(), &plan, &Masker::default(), |_, _| Ok(())).unwrap();
    let (held, text) = customers_read.memory_bytes();
    let overhead = (held - text) / customers;
    assert!(overhead <= 120, "{overhead} bytes a customer");
}

/// Records, each its own kind of wrong, between two good ones.
#[test]
fn damaged_records_are_quarantined_and_the_rest_is_loaded() {
    let record = |product: &str| {
        format!(r#"{{"transaction_id":"T1","customer_id":"C1","amount":1,"currency":"EUR","product":{product},"transaction_ts":"2026-01-01T00:00:00Z"}}"#).into_bytes()
    };
    let amount = |amount: &str| {
        format!(
            r#"{{"transaction_id":"T1","customer_id":"C1","amount":{amount},"currency":"EUR","transaction_ts":"2026-01-01T00:00:00Z"}}"#
        )
        .into_bytes()
    };
    let check = |bad: &[u8], expected: &str, in_array: bool| {
        let good = record("\"fine\"");
        let lines = [good.as_slice(), bad, &good].join(b"\n".as_slice());
        let array = [b"[".as_slice(), &[good.as_slice(), bad, &good].join(b",".as_slice()), b"]"].concat();
        for source in [Some(lines), in_array.then_some(array)].into_iter().flatten() {
            let merged = merge(&source, WHOLE).unwrap().remove(0);
            let shown = String::from_utf8_lossy(bad).chars().take(80).collect::<String>();
            assert_eq!(merged.ledger.transactions.quarantined_by_rule, [(expected.to_owned(), 1)].into(), "{shown}");
            assert_eq!(merged.ledger.transactions.clean, 2, "{shown}");
            let quarantine = read(&merged.quarantine);
            let offsets = quarantine[0].column_by_name("source_offset").unwrap().as_primitive::<Int64Type>();
            let at = usize::try_from(offsets.values()[offsets.len() - 1]).unwrap();
            assert!(source[at..].starts_with(bad), "{shown} at {at}");
        }
    };
    check(b"{\"transaction_id\": \"T1\"", "malformed", false);
    check(b"not json at all", "malformed", false);
    check(b"[1, 2]", "malformed", false);
    check(b"{\"a\": 01}", "malformed", false);
    check(b"{\"a\": 1} {\"a\": 2}", "malformed", false);
    check(&record("\"\\uD83D\""), "product.encoding", true);
    check(&record("\"\\u0000\""), "product.type", true);
    check(&record("{\"nested\": [1]}"), "product.type", true);
    check(&record(&format!("\"{}\"", "é".repeat(257))), "product.type", true);
    check(&record(&format!("{}1{}", "[".repeat(200), "]".repeat(200))), "depth", true);
    check(&[b"{\"product\": \"\xC3\x28\"".as_slice(), b"}"].concat(), "encoding", true);
    check(br#"{"transaction_id":"T1","amount":1,"transaction_id":"T2"}"#, "duplicateField", true);
    check(&amount("1e999999"), "amount.type", true);
    check(&amount("1234567890123456789012345678901234567890"), "amount.type", true);
    check(&amount("0.1234567890123456789012345678901234567890"), "amount.type", true);
    check(&amount("true"), "amount.type", true);
    check(&amount("{}"), "amount.type", true);
    check(&amount("\"12,50\""), "amount.type", true);
    check(&amount("\"  \""), "amount.required", true);
}

#[test]
fn a_record_of_more_than_16_mib_is_refused() {
    let long = format!("{{\"z\":\"{}\"}}", "x".repeat(17 << 20));
    for (format, source) in [(Format::Ndjson, long.clone()), (Format::Array, long)] {
        let plan = Plan::compile(CONTRACT).unwrap();
        let masker = Masker::default();
        let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
        let merged = pipeline::merge::merge(&Job::new(&plan, &masker, format, 0), CUSTOMERS.as_bytes(), source.as_bytes(), sinks);
        match merged {
            Err(MergeError::Malformed { malformed, .. }) => assert!(malformed.what.contains("longer than 16 MiB"), "{malformed}"),
            other => panic!("{:?}", other.map(|merged| merged.ledger)),
        }
    }
}

/// A cut must be found between any two records, or a long array of them would pass for one long record.
#[test]
fn an_array_of_unusual_records_is_cut_too() {
    let space = " ".repeat(1 << 20);
    for record in ["{}", r#"{"a\"b":1}"#, "{ }", r#"{"\\":1}"#] {
        let source = format!("[{}]", vec![format!("{record}{space}"); 20].join(","));
        let merged = merge(source.as_bytes(), Cut { block_bytes: 1 << 16, ..WHOLE }).unwrap().remove(0);
        assert_eq!(merged.ledger.transactions.read, 20, "{record}");
    }
}

#[test]
fn an_array_that_breaks_off_or_goes_on_is_refused() {
    let plan = Plan::compile(CONTRACT).unwrap();
    let masker = Masker::default();
    let check = |source: &str, byte: u64, expected: &str| {
        for (threads, block_bytes) in [(1, 8), (1, BLOCK_BYTES), (3, 8)] {
            let job = Job { tail: Tail::Bracket, threads, block_bytes, ..Job::new(&plan, &masker, Format::Array, 1) };
            let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
            match pipeline::merge::merge(&job, CUSTOMERS.as_bytes(), &source.as_bytes()[1..], sinks) {
                Err(MergeError::Malformed { malformed, .. }) => {
                    assert!(malformed.byte == byte && malformed.what.contains(expected), "{source}: {malformed}");
                }
                other => panic!("{source}: {:?}", other.map(|merged| merged.ledger)),
            }
        }
    };
    check("[{}", 3, "before its array is closed");
    check("[{},]", 4, "an object is due");
    check("[{} {}]", 4, "a comma or ] is due");
    check("[{}] x", 5, "nothing may follow");
    check("[{\"a\": \"x]", 1, "ends inside the record");
    check("[{}, {\"a\": \"},{\\\"b\\\":1}\", \"c\": 1", 5, "ends inside the record");
    check("[{}, 7]", 5, "an object is due");
}

fn transaction() -> impl Strategy<Value = String> {
    let amount =
        prop_oneof![Just("\"x\"".to_owned()), (-500i32..50_000).prop_map(|cents| format!("{}.{:02}", cents / 100, cents.abs() % 100))];
    // Texts that look like the space between two records, and one with an escape.
    let product = prop_oneof![Just("mug"), Just(r#"},{\"a\":1"#), Just("},\n{"), Just("é\\n"), Just("")].prop_map(|p| p.replace('\n', " "));
    let line = ("T[0-9]{1,2}", "C[1-5]", amount, prop_oneof![Just("EUR"), Just("")], product);
    line.prop_map(|(id, customer, amount, currency, product)| {
        format!(r#"{{"transaction_id":"{id}","customer_id":"{customer}","amount":{amount},"currency":"{currency}","product":"{product}","transaction_ts":"2026-01-01T00:00:00Z"}}"#)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a source is cut, the rows, the quarantine and the books are the same, and the law holds.
    #[test]
    fn any_cut_gives_the_same_books(
        records in proptest::collection::vec(transaction(), 1..40),
        split_bytes in 1u64..2_000,
        block_bytes in 1usize..500,
        group_bytes in 1u64..2_000,
        threads in 1usize..4,
        is_array: bool,
    ) {
        let source = if is_array { format!("[{}]", records.join(" ,\n")) } else { records.join("\n") };
        let whole = merge(source.as_bytes(), WHOLE).unwrap();
        let parts = merge(source.as_bytes(), Cut { split_bytes, block_bytes, group_bytes, threads }).unwrap();
        let collect = |merged: &[Merged], pick: fn(&Merged) -> &Vec<u8>| merged.iter().flat_map(|m| rows(pick(m))).collect::<Vec<_>>();
        prop_assert_eq!(collect(&whole, |m| &m.clean), collect(&parts, |m| &m.clean));
        prop_assert_eq!(collect(&whole, |m| &m.quarantine), collect(&parts, |m| &m.quarantine));
        let total = Ledger::total(parts.iter().map(|m| &m.ledger)).unwrap();
        prop_assert_eq!(&total, &whole[0].ledger);
        prop_assert_eq!(total.transactions.read, records.len() as u64);
        let by_rule: u64 = BTreeMap::values(&total.transactions.quarantined_by_rule).sum();
        prop_assert_eq!(total.transactions.read, total.transactions.clean + by_rule);
    }

    /// The number of threads changes no byte.
    #[test]
    fn any_number_of_threads_gives_the_same_bytes(records in proptest::collection::vec(transaction(), 1..60), block_bytes in 1usize..1_000, group_bytes in 1u64..4_000, is_array: bool) {
        let source = if is_array { format!("[{}]", records.join(",")) } else { records.join("\n") };
        let one = merge(source.as_bytes(), Cut { block_bytes, group_bytes, ..WHOLE }).unwrap();
        for threads in [2, 5] {
            let other = merge(source.as_bytes(), Cut { block_bytes, group_bytes, threads, ..WHOLE }).unwrap();
            prop_assert_eq!(&one[0].clean, &other[0].clean);
            prop_assert_eq!(&one[0].quarantine, &other[0].quarantine);
        }
    }

    /// Whatever a text holds, CSV's quotes and JSON's escapes bring it into the table unchanged.
    #[test]
    fn quoted_texts_come_through(name in "[a-zé\",\\n\\r\\\\\t;|']{1,12}", product in "[a-zé\",\\n\\r\\\\\t}{:\u{1F600}]{1,12}") {
        prop_assume!(name.trim() == name && product.trim() == product);
        let customers = format!("customer_id,first_name\nC1,\"{}\"\n", name.replace('"', "\"\""));
        let transaction = serde_json::json!({"transaction_id": "T1", "customer_id": "C1", "amount": 1, "currency": "EUR", "product": product, "transaction_ts": "2026-01-01T00:00:00Z"});
        let merged = merge_with(customers.as_bytes(), transaction.to_string().as_bytes(), WHOLE).unwrap().remove(0);
        let batch = &read(&merged.clean)[0];
        let text = |column: &str| batch.column_by_name(column).unwrap().as_string::<i32>().value(0).to_owned();
        prop_assert_eq!(text("first_name"), name);
        prop_assert_eq!(text("product"), product);
    }
}
