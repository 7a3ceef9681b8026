//! The profile of a split, against what its Parquet file says when it is read again.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::blocks::BLOCK_BYTES;
use pipeline::contract::Plan;
use pipeline::mask::Masker;
use pipeline::merge::{GROUP_BYTES, Job, Merged, Sinks, merge};
use pipeline::profile::{ColumnSummary, Profile};
use pipeline::split::{Format, SplitFinder};
use pipeline::types::Type;
use proptest::prelude::*;

mod golden;

const CONTRACT: &[u8] = include_bytes!("profiled.odcs.yaml");

const PEOPLE: &str = "person,secret,age,town,born,score,balance,is_staff\n\
    P1,alpha-secret,41,Köln,1983-01-02,1.5,-1234567890123456789012345678.9012,true\n\
    P2,beta-secret,,Köln,,-2e300,0.0001,false\n\
    P3,gamma-secret,7,,2019-02-28,,,\n\
    P2,delta-secret,17,Łódź,2009-12-31,3,5,true\n\
    ,epsilon-secret,1,Bonn,,,,\n\
    P4,zeta-secret,old,Bonn,,,,\n";

/// How a source is cut up and worked on.
#[derive(Debug, Clone, Copy)]
struct Cut {
    split_bytes: u64,
    block_bytes: usize,
    group_bytes: u64,
    threads: usize,
}

const WHOLE: Cut = Cut { split_bytes: u64::MAX, block_bytes: BLOCK_BYTES, group_bytes: GROUP_BYTES, threads: 1 };

fn merged(sales: &str, cut: Cut) -> Vec<Merged<Vec<u8>, Vec<u8>>> {
    let plan = Plan::compile(CONTRACT).unwrap();
    let masker = Masker::default();
    let mut finder = SplitFinder::new(cut.split_bytes);
    finder.push(sales.as_bytes()).unwrap();
    let layout = finder.finish().unwrap().unwrap();
    let splits = layout.splits.iter().enumerate().map(|(index, split)| {
        let job = Job {
            is_first: index == 0,
            threads: cut.threads,
            block_bytes: cut.block_bytes,
            group_bytes: cut.group_bytes,
            ..Job::new(&plan, &masker, Format::Ndjson, split.start)
        };
        let range = usize::try_from(split.start).unwrap()..usize::try_from(split.end).unwrap();
        let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
        merge(&job, PEOPLE.as_bytes(), &sales.as_bytes()[range], sinks).unwrap()
    });
    splits.collect()
}

/// Of a run, through the text that each split leaves.
fn profile<'m>(splits: impl IntoIterator<Item = &'m Merged<Vec<u8>, Vec<u8>>>) -> Profile {
    let mut run = Profile::default();
    for split in splits {
        let text = serde_json::to_string(split.profile.as_ref().unwrap()).unwrap();
        let read: Profile = serde_json::from_str(&text).unwrap();
        assert!(Some(&read) == split.profile.as_ref(), "what was written is not what is read");
        run.merge(read);
    }
    run
}

/// A value as it is compared, and as it is shown.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Cell {
    Exact(i128),
    Double(f64),
    Text(String),
    Flag(bool),
}

fn cells(batch: &RecordBatch, column: usize, kind: Type) -> Vec<Option<Cell>> {
    let array = batch.column(column);
    let exact = |row: usize| match kind {
        Type::Integer { bits: 16 } => array.as_primitive::<Int16Type>().value(row).into(),
        Type::Integer { bits: 32 } => array.as_primitive::<Int32Type>().value(row).into(),
        Type::Integer { .. } => array.as_primitive::<Int64Type>().value(row).into(),
        Type::Decimal { .. } => array.as_primitive::<Decimal128Type>().value(row),
        Type::Date => array.as_primitive::<Date32Type>().value(row).into(),
        _ => array.as_primitive::<TimestampMicrosecondType>().value(row).into(),
    };
    let cell = |row: usize| match kind {
        Type::Double => Cell::Double(array.as_primitive::<Float64Type>().value(row)),
        Type::Boolean => Cell::Flag(array.as_boolean().value(row)),
        kind if kind.is_text() => Cell::Text(array.as_string::<i32>().value(row).to_owned()),
        _ => Cell::Exact(exact(row)),
    };
    (0..batch.num_rows()).map(|row| array.is_valid(row).then(|| cell(row))).collect()
}

fn show(cell: &Cell, kind: Type) -> String {
    match cell {
        Cell::Exact(n) => kind.show(*n),
        Cell::Double(x) => x.to_string(),
        Cell::Text(text) => text.clone(),
        Cell::Flag(flag) => flag.to_string(),
    }
}

/// What the summary of these files must say, with the rows of each value.
fn check(summary: &[ColumnSummary], files: &[&Vec<u8>]) -> Result<(), TestCaseError> {
    let plan = Plan::compile(CONTRACT).unwrap();
    let mut columns = vec![Vec::new(); plan.target.columns.len()];
    for file in files {
        for batch in ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(file)).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let kinds = plan.target.columns.iter().enumerate();
            kinds.for_each(|(index, column)| columns[index].extend(cells(&batch, index, column.kind)));
        }
    }
    prop_assert_eq!(summary.len(), columns.len());
    for ((found, cells), column) in summary.iter().zip(&columns).zip(&plan.target.columns) {
        let (name, kind) = (&column.name, column.kind);
        let values: Vec<&Cell> = cells.iter().flatten().collect();
        prop_assert_eq!((&found.name, &found.kind), (name, &kind.to_string()));
        prop_assert_eq!((found.rows, found.nulls), (cells.len() as u64, (cells.len() - values.len()) as u64), "{}", name);
        let mut counts = BTreeMap::<String, u64>::new();
        values.iter().for_each(|cell| *counts.entry(show(cell, kind)).or_default() += 1);
        // Of so few values, far within the sketch's error.
        let distinct = counts.len() as u64;
        prop_assert!(found.distinct.abs_diff(distinct) <= distinct.div_ceil(10), "{}: {} of {}", name, found.distinct, distinct);
        let is_hidden = ["card", "payment", "secret", "age"].contains(&name.as_str());
        let has_order = !is_hidden && !matches!(kind, Type::Boolean | Type::Super);
        let by_value = |a: &&&Cell, b: &&&Cell| a.partial_cmp(b).unwrap();
        let cut = |text: String| if text.chars().count() > 64 { text.chars().take(64).chain(['…']).collect() } else { text };
        let expected = |cell: Option<&&Cell>| cell.filter(|_| has_order).map(|cell| cut(show(cell, kind)));
        if kind == Type::Double {
            let read = |text: &Option<String>| text.as_ref().map(|text| text.parse::<f64>().unwrap());
            let bare = |cell: Option<&&Cell>| cell.map(|cell| if let Cell::Double(x) = cell { *x } else { unreachable!() });
            prop_assert_eq!(read(&found.min), bare(values.iter().min_by(by_value)), "{}", name);
            prop_assert_eq!(read(&found.max), bare(values.iter().max_by(by_value)), "{}", name);
        } else {
            prop_assert_eq!(&found.min, &expected(values.iter().min_by(by_value)), "{}", name);
            prop_assert_eq!(&found.max, &expected(values.iter().max_by(by_value)), "{}", name);
        }
        check_mean(found, &values, kind, is_hidden)?;
        prop_assert!(found.frequent.len() <= if is_hidden { 0 } else { 5 }, "{}: {:?}", name, found.frequent);
        for (value, rows) in &found.frequent {
            let counted = counts.get(value).copied().or_else(|| (kind == Type::Double).then_some(u64::MAX)).unwrap_or_default();
            prop_assert!(*rows >= 1 && *rows <= counted, "{}: {} {} of {}", name, value, rows, counted);
        }
        // Few values are told exactly, in their order.
        if ["is_paid", "is_known", "is_staff", "town", "born"].contains(&name.as_str()) {
            let mut top: Vec<(String, u64)> = counts.into_iter().collect();
            top.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
            top.truncate(5);
            prop_assert_eq!(&found.frequent, &top, "{}", name);
            prop_assert_eq!(found.distinct, distinct, "{}", name);
        }
    }
    Ok(())
}

fn check_mean(found: &ColumnSummary, values: &[&Cell], kind: Type, is_hidden: bool) -> Result<(), TestCaseError> {
    let scale = kind.sum_scale().map_or(1.0, |scale| 10f64.powi(scale.into()));
    let number = |cell: &&Cell| match cell {
        Cell::Exact(n) if kind.is_exact_number() => Some(*n as f64 / scale),
        Cell::Double(x) => Some(*x),
        _ => None,
    };
    let numbers: Vec<f64> = values.iter().filter_map(number).collect();
    let is_told = numbers.len() >= if is_hidden { 10 } else { 1 };
    prop_assert_eq!(found.mean_value.is_some(), is_told, "{}", found.name);
    prop_assert_eq!(found.mean.is_some(), is_told, "{}", found.name);
    if let (Some(mean), Some(text)) = (found.mean_value, &found.mean) {
        let largest = numbers.iter().fold(0f64, |largest, x| largest.max(x.abs()));
        let expected = numbers.iter().sum::<f64>() / numbers.len() as f64;
        prop_assert!((mean - expected).abs() <= largest * 1e-9, "{}: {} for {}", found.name, mean, expected);
        prop_assert!((mean - text.parse::<f64>().unwrap()).abs() <= mean.abs() * 1e-5, "{}: {} for {}", found.name, text, mean);
    }
    Ok(())
}

fn sale() -> impl Strategy<Value = String> {
    let person = prop_oneof![Just("null".to_owned()), "\"P[1-9]\""];
    let numbers = (
        prop_oneof![Just("null".to_owned()), (-99_999i32..99_999).prop_map(|n| format!("{}.{:02}", n / 100, n.abs() % 100))],
        prop_oneof![
            Just("null".to_owned()),
            (any::<i64>(), 0u32..1_000).prop_map(|(n, thousandths)| format!("\"{n}{n:.0}.{thousandths:03}\"").replacen("--", "-", 1))
        ],
        prop_oneof![Just("null".to_owned()), (0i32..5).prop_map(|n| n.to_string()), any::<i32>().prop_map(|n| n.to_string())],
        prop_oneof![Just("7000000000".to_owned()), Just("null".to_owned()), any::<i64>().prop_map(|n| n.to_string())],
        prop_oneof![Just("null".to_owned()), Just("0.5".to_owned()), Just("-0.0".to_owned()), (-1e6f64..1e6).prop_map(|x| x.to_string())],
    );
    let rest = (
        prop_oneof![Just("true"), Just("false"), Just("null")],
        "20[0-2][0-9]-0[1-9]-[12][0-8]",
        prop_oneof![Just("mug".to_owned()), Just("Größe 7".to_owned()), "[a-zé]{0,12}", "[ab]{60,70}"],
        prop_oneof![Just("null".to_owned()), r#"\{"card": "[0-9]{8}", "n": 1\}"#],
        prop_oneof![Just("[]"), Just("[1,2]"), Just("null")],
    );
    let all = ("[0-9a-f]{1,4}", person, numbers, rest);
    all.prop_map(|(id, person, (price, huge, pieces, code, weight), (paid, day, product, payment, tags))| {
        let huge = if huge.matches('-').count() > 1 { "null".to_owned() } else { huge };
        format!(
            r#"{{"id":"{id}","person":{person},"price":{price},"huge":{huge},"pieces":{pieces},"code":{code},"weight":{weight},"is_paid":{paid},"day":"{day}","at":"{day}T12:00:00.5Z","product":"{product}","payment":{payment},"tags":{tags}}}"#
        )
    })
}

/// What is exact of a profile, and of what is estimated the sketches themselves, which do not depend on the order; sums of doubles do.
fn exact(profile: &Profile) -> serde_json::Value {
    let mut json = serde_json::to_value(profile).unwrap();
    for column in json["columns"].as_array_mut().unwrap() {
        let figures = column["figures"].as_object_mut().unwrap();
        if figures["sum"].get("double").is_some() {
            figures.remove("sum");
        }
        figures.remove("frequent");
    }
    // The bytes between two splits are in neither.
    json["raw_bytes"] = 0.into();
    json
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a source is cut up, and in whatever order its splits come, its profile is that of its rows.
    #[test]
    fn a_profile_is_that_of_the_rows(
        sales in proptest::collection::vec(sale(), 1..120),
        split_bytes in 1u64..9_000,
        block_bytes in 1usize..2_000,
        group_bytes in 1u64..9_000,
        threads in 1usize..4,
    ) {
        let source = sales.join("\n");
        let whole = merged(&source, WHOLE);
        let parts = merged(&source, Cut { split_bytes, block_bytes, group_bytes, threads });
        let [of_whole, of_parts] = [&whole, &parts].map(profile);
        check(&of_whole.summary(), &whole.iter().map(|m| &m.sinks.clean).collect::<Vec<_>>())?;
        check(&of_parts.summary(), &parts.iter().map(|m| &m.sinks.clean).collect::<Vec<_>>())?;
        // Said in a word, since sketches are long.
        prop_assert!(exact(&of_whole) == exact(&of_parts), "the parts do not come to the whole");
        prop_assert!(exact(&profile(parts.iter().rev())) == exact(&of_parts), "the order of the splits tells");
        prop_assert_eq!(of_whole.raw_bytes, source.len() as u64);
        let between = of_whole.raw_bytes - of_parts.raw_bytes;
        prop_assert!(between < parts.len() as u64, "{} bytes between {} splits", between, parts.len());
        // Groups are entered in their order, so that threads change nothing at all.
        let alone = merged(&source, Cut { split_bytes, block_bytes, group_bytes, threads: 1 });
        prop_assert!(profile(&alone) == of_parts, "the number of threads tells");
    }
}

/// Enough rows for dictionaries to be given up, numbers to be far apart, and frequent values to be left out.
#[test]
fn a_profile_of_many_rows_is_near() {
    let mut source = String::new();
    for n in 0..30_000u64 {
        let scattered = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let product = if n % 3 == 0 { "mug".to_owned() } else { format!("thing {}", scattered % 700) };
        let (person, cents, code) = (scattered % 7, scattered % 900_000, [40_000_000_000u64, 7, 90_000][(n % 3) as usize]);
        writeln!(
            source,
            r#"{{"id":"{n:08}","person":"P{person}","price":{}.{:02},"huge":"{scattered}{scattered}.5","pieces":{},"code":{code},"weight":{},"day":"2026-01-0{}","at":"2026-01-01T00:00:00.{:06}Z","product":"{product}"}}"#,
            cents / 100, cents % 100, scattered % 90, scattered as f64 / 7.0, 1 + n % 9, scattered % 1_000_000
        )
        .unwrap();
    }
    let merged = merged(&source, Cut { block_bytes: 1 << 16, group_bytes: 1 << 20, ..WHOLE });
    let summary = profile(&merged).summary();
    check(&summary, &[&merged[0].sinks.clean]).unwrap();
    let column = |name: &str| summary.iter().find(|column| column.name == name).unwrap();
    let top = |name: &str| column(name).frequent.first().cloned().unwrap();
    // Short by less than a 49th of all rows.
    let is_mug = |(value, rows): (String, u64)| value == "mug" && (9_400..=10_000).contains(&rows);
    assert!(is_mug(top("product")), "{:?}", column("product").frequent);
    assert_eq!(top("code"), ("40000000000".to_owned(), 10_000));
    assert!(column("pieces").frequent.is_empty(), "of ninety equally frequent values none stands out");
    assert!(column("id").frequent.is_empty() && column("price").frequent.is_empty(), "what hardly repeats itself is not counted");
}

#[test]
fn a_profile_says_what_is_in_a_small_sample() {
    let source = r#"{"id":"1","person":"P1","price":9.5,"huge":"-12345678901234567890.125","pieces":3,"code":7000000000,"weight":2.5,"is_paid":true,"day":"2026-01-31","at":"2026-01-31T23:00:00+01:00","product":"mug","payment":{"card":"4111-1111"},"tags":["a"]}
{"id":"2","person":"P2","price":0.5,"pieces":4,"is_paid":false,"day":"2024-02-29","at":"2026-01-31 00:00:00.25","product":"mug","payment":{"card":"4222-2222"}}
{"id":"3","person":"P9","price":100,"product":"étui","weight":1e-7}
{"id":"4","price":"dear","payment":{"card":"4333-3333"}}
{"id":"5","price":"dear","payment":"4444-4444"}
{"id":"6","price":1.001}
{"id":"7","price":1.0001}
{"price":2,"payment":{"card":"4555-5555","card":"4666-6666"}}
{"id":"8","payment":{"card":"4777-7777"
"#;
    let merged = merged(source, WHOLE);
    let profile = profile(&merged);
    let mut shown = String::new();
    for ColumnSummary { name, kind, rows, nulls, distinct, min, max, mean, frequent, .. } in profile.summary() {
        let ends = [min, max, mean].map(|text| text.unwrap_or_else(|| "-".to_owned())).join(" | ");
        writeln!(shown, "{name} {kind}: {rows} rows, {nulls} null, {distinct} distinct | {ends} | {frequent:?}").unwrap();
    }
    for rejected in &profile.rejected {
        let (source, rule, offset) = (&rejected.source, &rejected.rule, rejected.offset);
        writeln!(shown, "{source} {rule} {:?} at {offset}, {} bytes: {}", rejected.column, rejected.record_bytes, rejected.text).unwrap();
    }
    golden::check("profile.txt", &shown);
    let left = serde_json::to_string(&profile).unwrap();
    for part in ["-secret", "4111", "4222", "4333", "4444", "4555", "4666", "4777"] {
        assert!(!left.contains(part), "{part} is in {left}");
    }
}

/// What a split of a wide table leaves in the bucket.
#[test]
fn a_wide_profile_is_small() {
    let columns = 300;
    let mut contract = String::from_utf8(CONTRACT.to_vec()).unwrap();
    let source: String = (0..columns).map(|n| format!("      - {{name: c{n}, physicalType: VARCHAR(256)}}\n")).collect();
    let target: String = (0..columns).map(|n| format!("      - {{name: c{n}, transformSourceObjects: [sales.c{n}]}}\n")).collect();
    contract = contract.replacen(
        "      - {name: tags, logicalType: array}\n",
        &format!("      - {{name: tags, logicalType: array}}\n{source}"),
        1,
    );
    contract.push_str(&target);
    let plan = Plan::compile(contract.as_bytes()).unwrap();
    let records: String = (0..400)
        .map(|row| {
            // Half as many values as rows, and as long as they are counted.
            let fields: String = (0..columns).map(|n| format!(r#","c{n}":"{:064}""#, row % 200)).collect();
            format!("{{\"id\":\"{row}\"{fields}}}\n")
        })
        .collect();
    let masker = Masker::default();
    let job = Job::new(&plan, &masker, Format::Ndjson, 0);
    let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
    let profile = merge(&job, PEOPLE.as_bytes(), records.as_bytes(), sinks).unwrap().profile.unwrap();
    let bytes = serde_json::to_vec(&profile).unwrap().len();
    assert!(bytes < 2 << 20, "{bytes} bytes");
}
