//! Any bytes as one block: each byte belongs to a record or stands between two, and both readers say the same of a record.

use arrow_array::RecordBatch;
use pipeline::blocks::{Block, End, Tail, records};
use pipeline::merge::{Job, MergeError};
use pipeline::record::{Extent, Field, Fields, Layout, Unparsable, parse_fast, parse_json, skip_object};
use pipeline::source::{Malformed, quarantined_text};
use pipeline::split::Format;
use serde_json::Value;

use super::merged::{PLAN, job, numbers, read, run, sum, texts};

/// Where the block lies in its source.
const BASE: u64 = 1_000;

pub fn check(bytes: &[u8]) {
    for (format, tail) in [(Format::Ndjson, Tail::Nothing), (Format::Array, Tail::Nothing), (Format::Array, Tail::Bracket)] {
        for layout in [Layout::of_fields(&["a", "b"]), Layout::new(&PLAN.transactions)] {
            check_records(bytes, format, tail, &layout);
        }
        check_merge(bytes, format, tail);
    }
}

/// A record's bytes, `start..end`.
type Span = (usize, usize);

fn check_records(bytes: &[u8], format: Format, tail: Tail, layout: &Layout) {
    let (spans, end) = scan(bytes, format, tail, layout);
    let mut last = 0;
    for (index, (start, end)) in spans.iter().enumerate() {
        assert!(*start >= last, "records overlap at {start}");
        check_gap(&bytes[last..*start], format, index == 0);
        assert!(format == Format::Array || !bytes[*start..*end].contains(&b'\n'), "a line has several");
        last = *end;
    }
    match end {
        Ok(End::Complete) => {
            let rest = String::from_utf8(without_space(&bytes[last..])).expect("only separators are passed over");
            assert_eq!(rest, if tail == Tail::Bracket { "]" } else { "" }, "bytes behind the last record");
        }
        Ok(End::Open(open)) => {
            assert!(format == Format::Array && (last..bytes.len()).contains(&open));
            assert!(without_space(&bytes[last..open]).is_empty());
        }
        Err(malformed) => assert!((BASE + last as u64..=BASE + bytes.len() as u64).contains(&malformed.byte), "{malformed}"),
    }
}

fn check_gap(gap: &[u8], format: Format, is_first: bool) {
    let expected: &[u8] = if format == Format::Array && !is_first { b"," } else { b"" };
    assert_eq!(without_space(gap), expected, "between two records");
    assert!(format == Format::Array || is_first || gap.contains(&b'\n'), "two records on a line");
}

fn without_space(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect()
}

/// The records of a block; each was read the same by whatever reads it.
fn scan(bytes: &[u8], format: Format, tail: Tail, layout: &Layout) -> (Vec<Span>, Result<End, Malformed>) {
    let block = Block { bytes: bytes.to_vec(), offset: BASE, is_first: true, is_last: true };
    let mut spans = Vec::new();
    let end = records(&block, format, tail, layout, &mut Fields::default(), |found| {
        let start = usize::try_from(found.offset - BASE).expect("an offset in the block");
        let text = &bytes[start..start + found.text.len()];
        assert_eq!(found.text, text);
        let general = general(text, layout);
        assert_eq!(found.fields.cloned(), general);
        check_readers(text, layout);
        check_values(text, layout, &general);
        spans.push((start, start + text.len()));
        Ok::<_, Malformed>(())
    });
    (spans, end)
}

fn general<'t>(text: &'t [u8], layout: &Layout) -> Result<Fields<'t>, Unparsable> {
    let mut fields = Fields::default();
    parse_json(text, layout, &mut fields).map(|()| fields)
}

/// What the fast reader takes, the general one reads the same, to the last byte.
fn check_readers(record: &[u8], layout: &Layout) {
    let Ok(text) = std::str::from_utf8(record) else { return };
    for extent in [Extent::Free, Extent::Line] {
        let mut fast = Fields::default();
        if let Some(end) = parse_fast(text, 0, extent, layout, &mut fast) {
            assert_eq!(general(&record[..end], layout), Ok(fast), "{text}");
            assert_eq!(skip_object(record, 0), Some(end), "{text}");
        }
    }
}

/// What serde_json holds of a record, as far as it can hold it.
fn check_values(record: &[u8], layout: &Layout, found: &Result<Fields<'_>, Unparsable>) {
    let Ok(Value::Object(values)) = serde_json::from_slice(record) else { return };
    let fields = match found {
        Ok(fields) => fields,
        Err(Unparsable::DuplicateField) => return,
        Err(unparsable) => panic!("{unparsable:?} in {}", String::from_utf8_lossy(record)),
    };
    for (name, field) in layout.fields().iter().zip(&fields.values) {
        match (field, values.get(name)) {
            (Field::Missing, None) => {}
            (Field::Null, Some(value)) => assert!(value.is_null()),
            (Field::Text(text), Some(value)) => assert_eq!(value.as_str(), Some(*text)),
            (Field::Escaped(raw) | Field::Literal(raw) | Field::Nested(raw), Some(value)) => {
                assert_eq!(serde_json::from_str::<Value>(raw).ok().as_ref(), Some(value));
            }
            (field, value) => panic!("{name} is {field:?}, not {value:?}"),
        }
    }
    let found = fields.values.iter().filter(|field| **field != Field::Missing).count();
    assert!(fields.unknown >= (values.len() - found) as u64, "a field was passed over");
}

/// Each record is in one of the two files, and the books say so.
fn check_merge(bytes: &[u8], format: Format, tail: Tail) {
    let (spans, end) = scan(bytes, format, tail, &Layout::new(&PLAN.transactions));
    let job = Job { tail, block_bytes: bytes.len() + 1, ..job(format, BASE) };
    match run(&job, bytes) {
        Ok(merged) => {
            assert_eq!(end, Ok(End::Complete));
            let (clean, quarantine) = (read(merged.clean), read(merged.quarantine));
            let counts = &merged.ledger.transactions;
            let kept = numbers(&clean, "_source_offset");
            let rejected = numbers(&quarantine, "source_offset");
            assert_eq!((kept.len() as u64, rejected.len() as u64), (counts.clean, counts.quarantined));
            assert_eq!(counts.read, spans.len() as u64);
            let mut found = [kept.as_slice(), &rejected].concat();
            found.sort_unstable();
            assert!(found.iter().map(|at| *at as u64).eq(spans.iter().map(|(start, _)| BASE + *start as u64)));
            let record = |offset: &i64| {
                let start = usize::try_from(*offset as u64 - BASE).expect("an offset in the block");
                let at = spans.binary_search_by_key(&start, |(start, _)| *start).expect("a record");
                &bytes[start..spans[at].1]
            };
            for (offset, text) in rejected.iter().zip(texts(&quarantine, "record")) {
                assert_eq!(text, quarantined_text(record(offset)));
            }
            check_texts(&clean, &kept.iter().map(record).collect::<Vec<_>>());
            for column in ["wide", "money", "cents"] {
                assert_eq!(merged.ledger.sums[column].unscaled, sum(&clean, column), "{column}");
            }
        }
        Err(MergeError::Malformed { malformed, .. }) => {
            assert!((BASE..=BASE + bytes.len() as u64).contains(&malformed.byte), "{malformed}");
            let is_broken_element = format == Format::Array && malformed.what.starts_with("not JSON");
            assert!(end != Ok(End::Complete) || is_broken_element, "{malformed}");
        }
        Err(error) => assert!(matches!(error, MergeError::SumOverflow { .. }), "{error}"),
    }
}

/// The texts of the clean rows are those that serde_json finds in their records.
fn check_texts(clean: &[RecordBatch], records: &[&[u8]]) {
    let columns = ["a", "text", "inner", "any"].map(|column| texts(clean, column));
    for (row, record) in records.iter().enumerate() {
        let Ok(record) = serde_json::from_slice::<Value>(record) else { continue };
        let [a, text, inner, any] = columns.each_ref().map(|column| column[row].as_str());
        if let Some(expected) = record["a"].as_str() {
            assert_eq!(a, expected);
        }
        // A value past its column's limits is null.
        if let (Some(expected), false) = (record["t"].as_str(), text.is_empty()) {
            let expected = expected.to_lowercase();
            assert_eq!(text, if expected == "x" { "y" } else { &expected });
        }
        if let Some(expected) = record["o"]["x"][0].as_str() {
            assert_eq!(inner, expected);
        }
        if !any.is_empty() {
            assert_eq!(serde_json::from_str::<Value>(any).ok().as_ref(), Some(&record["s"]));
        }
    }
}
