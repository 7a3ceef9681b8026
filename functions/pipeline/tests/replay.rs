//! Records taken out of a source and merged with their places, against the merge of the whole source.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::blocks::{BLOCK_BYTES, Block, Found, Tail, records};
use pipeline::contract::Plan;
use pipeline::ledger::Ledger;
use pipeline::mask::Masker;
use pipeline::merge::{GROUP_BYTES, Job, MergeError, Sinks};
use pipeline::quarantine::QuarantineReader;
use pipeline::record::{Fields, Layout as Columns};
use pipeline::replay::{Made, Places, ReplayWriter};
use pipeline::source::Malformed;
use pipeline::split::{Format, Layout, SplitFinder};
use proptest::prelude::*;

const CONTRACT: &[u8] = include_bytes!("../../../contract.odcs.yaml");
const CUSTOMERS: &str = "customer_id,first_name\nC1,Ada\nC2,Bo\n";
const URI: &str = "https://account/container/t.json";

/// How an object is worked on.
#[derive(Debug, Clone, Copy)]
struct Cut {
    block_bytes: usize,
    group_bytes: u64,
    threads: usize,
}

const WHOLE: Cut = Cut { block_bytes: BLOCK_BYTES, group_bytes: GROUP_BYTES, threads: 1 };

struct Merged {
    clean: Vec<u8>,
    quarantine: Vec<u8>,
    ledger: Ledger,
}

/// Merges every split of an object, with the list of its places if it is a replay's.
fn merge(contract: &[u8], object: &[u8], layout: &Layout, places: Option<&[u8]>, cut: Cut) -> Result<Vec<Merged>, MergeError> {
    let plan = Plan::compile(contract).unwrap();
    let masker = Masker::default();
    let mut merged = Vec::new();
    for (index, split) in layout.splits.iter().enumerate() {
        let places = places.map(|list| Places::read(list, split).unwrap());
        let job = Job {
            transactions_uri: URI,
            customers_uri: "s3://bucket/c.csv",
            places: places.as_ref(),
            is_first: index == 0,
            threads: cut.threads,
            block_bytes: cut.block_bytes,
            group_bytes: cut.group_bytes,
            ..Job::new(&plan, &masker, layout.format, split.start)
        };
        let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
        let bytes = &object[usize::try_from(split.start).unwrap()..usize::try_from(split.end).unwrap()];
        let pipeline::merge::Merged { sinks, ledger, .. } = pipeline::merge::merge(&job, CUSTOMERS.as_bytes(), bytes, sinks)?;
        merged.push(Merged { clean: sinks.clean, quarantine: sinks.quarantine, ledger });
    }
    Ok(merged)
}

fn find(source: &[u8]) -> Layout {
    let mut finder = SplitFinder::new(u64::MAX);
    finder.push(source).unwrap();
    finder.finish().unwrap().unwrap()
}

struct Replayed {
    object: Vec<u8>,
    places: Vec<u8>,
    layout: Layout,
}

/// Lays records of a source into an object of their own.
fn take_out<'r>(format: Format, records: impl IntoIterator<Item = (u64, &'r [u8])>, split_bytes: u64) -> Option<Replayed> {
    let mut writer = ReplayWriter::new(split_bytes);
    let mut made = Made::default();
    for (offset, record) in records {
        // As the fetch does: a record of no bytes is a line of form feeds.
        writer.push(format, offset, if record.is_empty() { b"\x0C" } else { record }, &mut made).unwrap();
    }
    let layout = writer.finish(&mut made).unwrap()?;
    Some(Replayed { object: made.object, places: made.places, layout })
}

/// Every record of a source: its offset and its bytes.
fn records_of(source: &[u8], layout: &Layout) -> Vec<(u64, Vec<u8>)> {
    let split = layout.splits[0];
    let bytes = source[usize::try_from(split.start).unwrap()..usize::try_from(split.end).unwrap()].to_vec();
    let block = Block { bytes, offset: split.start, is_first: true, is_last: true };
    let mut found = Vec::new();
    let keep = |record: Found<'_, '_>| {
        found.push((record.offset, record.text.to_vec()));
        Ok::<_, Malformed>(())
    };
    records(&block, layout.format, Tail::Nothing, &Columns::of_fields(&[]), &mut Fields::default(), keep).unwrap();
    found
}

/// The rows of Parquet files as text, each under its offset. Rejections of customers are left out.
fn by_offset<'m>(files: impl Iterator<Item = &'m Vec<u8>>, offset_column: &str) -> BTreeMap<u64, String> {
    let mut rows = BTreeMap::new();
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(file)).unwrap().build().unwrap();
        for batch in reader.map(Result::unwrap) {
            let batch: RecordBatch = batch;
            let offsets = batch.column_by_name(offset_column).unwrap().as_primitive::<Int64Type>().clone();
            for row in 0..batch.num_rows() {
                let source = batch.column_by_name("source").map(|column| column.as_string::<i32>().value(row).to_owned());
                if source.is_some_and(|source| source != "transactions") {
                    continue;
                }
                let cells: Vec<_> = batch.columns().iter().map(|column| format!("{:?}", column.slice(row, 1))).collect();
                let twice = rows.insert(u64::try_from(offsets.value(row)).unwrap(), cells.join("|"));
                assert_eq!(twice, None, "two rows of one record");
            }
        }
    }
    rows
}

fn rows(merged: &[Merged]) -> BTreeMap<u64, String> {
    by_offset(merged.iter().map(|m| &m.clean), "_source_offset")
}

fn rejections(merged: &[Merged]) -> BTreeMap<u64, String> {
    by_offset(merged.iter().map(|m| &m.quarantine), "source_offset")
}

fn good(id: u32) -> String {
    format!(
        r#"{{"transaction_id":"T{id}","customer_id":"C{}","amount":{id}.50,"currency":"EUR","transaction_ts":"2026-01-01T00:00:00Z"}}"#,
        id % 3
    )
}

/// Records that a source of either form may hold between others.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let changed = |from: &'static str, to: &'static str| move |id| good(id).replacen(from, to, 1).into_bytes();
    prop_oneof![
        3 => (0..99u32).prop_map(|id| good(id).into_bytes()),
        1 => (0..99u32).prop_map(changed(r#""EUR""#, r#""""#)),
        1 => (0..99u32).prop_map(changed(r#""amount":"#, r#""amount":-"#)),
        1 => (0..99u32).prop_map(changed(r#""currency""#, r#""product":"},{\"a\":1","currency""#)),
        1 => (0..99u32).prop_map(changed(r#""currency""#, r#""amount":1,"currency""#)),
        1 => (0..99u32).prop_map(|id| [b"{\"z\":\"\xC3\x28\",", &good(id).as_bytes()[1..]].concat()),
        1 => Just(format!("{{\"z\":{}1{}}}", "[".repeat(200), "]".repeat(200)).into_bytes()),
        1 => Just(b"{}".to_vec()),
    ]
}

/// A source, and the records that are to be taken out of it, by their number.
fn source() -> impl Strategy<Value = (Vec<u8>, Vec<bool>)> {
    let pretty = |record: Vec<u8>| record.iter().flat_map(|b| if *b == b',' { b",\n\t".to_vec() } else { vec![*b] }).collect::<Vec<u8>>();
    let element = prop_oneof![record(), (0..99u32).prop_map(move |id| pretty(good(id).into_bytes()))];
    let array = (proptest::collection::vec(element, 1..30), prop_oneof![Just(" ,\n"), Just(",")])
        .prop_map(|(elements, between)| [b" [ ", elements.join(between.as_bytes()).as_slice(), b" ]\n"].concat());
    let line = prop_oneof![
        6 => record(),
        1 => prop_oneof![Just("[1, 2]"), Just("[]"), Just("oops"), Just("{"), Just("\u{FEFF}{}"), Just("\x0C"), Just("\x0C \x0C\x0C"), Just("{} {}"), Just("{}\r{}")]
            .prop_map(|line| line.as_bytes().to_vec()),
        1 => prop_oneof![Just(b"\xFF\xFE{}".to_vec()), Just(b"\x1F\x8B".to_vec()), Just(b"a\0b".to_vec())],
    ];
    let lines = (proptest::collection::vec(line, 0..30), prop_oneof![Just("\n"), Just(" \r\n"), Just("\n\n \t")])
        .prop_map(|(lines, between)| [good(7).as_bytes(), between.as_bytes(), lines.join(between.as_bytes()).as_slice()].concat());
    (prop_oneof![array, lines], proptest::collection::vec(any::<bool>(), 31))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whichever records are taken out of a source, and however they are cut: they become what they are in it, at the same offsets.
    #[test]
    fn a_record_is_the_same_out_of_its_source(
        (source, is_taken) in source(),
        split_bytes in 1u64..2_000,
        block_bytes in 1usize..500,
        group_bytes in 1u64..2_000,
        threads in 1usize..4,
    ) {
        let layout = find(&source);
        let whole = merge(CONTRACT, &source, &layout, None, WHOLE).unwrap();
        let (mut clean, mut rejected) = (rows(&whole), rejections(&whole));
        let taken: Vec<_> = records_of(&source, &layout).into_iter().zip(is_taken).filter(|(_, is_taken)| *is_taken).map(|(r, _)| r).collect();
        let Some(replayed) = take_out(layout.format, taken.iter().map(|(at, text)| (*at, text.as_slice())), split_bytes) else {
            return Ok(());
        };
        prop_assert_eq!(replayed.layout.records, taken.len() as u64);
        for cut in [WHOLE, Cut { block_bytes, group_bytes, threads }] {
            let merged = merge(CONTRACT, &replayed.object, &replayed.layout, Some(&replayed.places), cut).unwrap();
            clean.retain(|offset, _| taken.iter().any(|(at, _)| at == offset));
            rejected.retain(|offset, _| taken.iter().any(|(at, _)| at == offset));
            prop_assert_eq!(&rows(&merged), &clean);
            prop_assert_eq!(&rejections(&merged), &rejected);
            let total = Ledger::total(merged.iter().map(|m| &m.ledger)).unwrap();
            prop_assert_eq!(total.transactions.read, taken.len() as u64);
        }
    }

    /// What a merge has quarantined is found in its file, byte for byte in the source, and quarantined anew by the same contract.
    #[test]
    fn the_quarantine_leads_back_to_its_records((source, _) in source(), split_bytes in 1u64..2_000, block_bytes in 1usize..500) {
        let layout = find(&source);
        let whole = merge(CONTRACT, &source, &layout, None, WHOLE).unwrap();
        let file = Bytes::copy_from_slice(&whole[0].quarantine);
        let quarantined: Vec<_> = QuarantineReader::new(file, "transactions").unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(quarantined.len() as u64, whole[0].ledger.transactions.quarantined);
        let bytes = |offset: u64, end: u64| &source[usize::try_from(offset).unwrap()..usize::try_from(end).unwrap()];
        for record in &quarantined {
            prop_assert!(record.is(bytes(record.offset, record.end())), "{record:?}");
        }
        let records = quarantined.iter().map(|record| (record.offset, bytes(record.offset, record.end())));
        let Some(replayed) = take_out(layout.format, records, split_bytes) else { return Ok(()) };
        let cut = Cut { block_bytes, ..WHOLE };
        let merged = merge(CONTRACT, &replayed.object, &replayed.layout, Some(&replayed.places), cut).unwrap();
        prop_assert_eq!(rows(&merged).len(), 0);
        prop_assert_eq!(rejections(&merged), rejections(&whole));
    }
}

/// What a merge stops at, it names by its byte in the source.
#[test]
fn an_error_names_the_byte_of_the_source() {
    let minimum = "logicalTypeOptions: {minimum: 0}\n        customProperties: [";
    let fatal = String::from_utf8_lossy(CONTRACT).replacen(minimum, &format!("{minimum}{{property: onViolation, value: fail}}, "), 1);
    let bad = good(1).replace("1.50", "-1.50");
    let source = format!("[{},{},{bad}]", good(2), good(3));
    let place = u64::try_from(source.find(&bad).unwrap()).unwrap();
    for (threads, block_bytes) in [(1, 8), (1, BLOCK_BYTES), (3, 8)] {
        let first = good(2);
        let records = [(1, first.as_bytes()), (place, bad.as_bytes())];
        let replayed = take_out(Format::Array, records, u64::MAX).unwrap();
        let cut = Cut { threads, block_bytes, ..WHOLE };
        match merge(fatal.as_bytes(), &replayed.object, &replayed.layout, Some(&replayed.places), cut) {
            Err(MergeError::Fatal { offset, uri, .. }) => assert_eq!((offset, uri.as_str()), (place, URI)),
            other => panic!("{:?}", other.map(|m| m.len())),
        }
        // As if the object had been damaged.
        let mut damaged = replayed.object.clone();
        let colon = damaged.iter().rposition(|b| *b == b':').unwrap();
        damaged[colon - 9] = b'"';
        match merge(CONTRACT, &damaged, &replayed.layout, Some(&replayed.places), cut) {
            Err(MergeError::Malformed { malformed, .. }) => {
                assert!((place..place + bad.len() as u64).contains(&malformed.byte), "{malformed} and not from {place} on");
            }
            other => panic!("{:?}", other.map(|m| m.len())),
        }
    }
}
