use super::*;
use crate::blocks::{Block, End, Found, Tail, records};
use crate::record::{Fields, Layout};
use proptest::prelude::*;

/// The records of a whole source, scanned in chunks of `chunk` bytes.
fn scan(source: &[u8], chunk: usize) -> Result<Vec<&[u8]>, Malformed> {
    let mut scanner = Scanner::new();
    let mut spans = Vec::new();
    for piece in source.chunks(chunk) {
        scanner.push(piece, |span| spans.push(span))?;
    }
    scanner.finish(|span| spans.push(span))?;
    let at = |n: u64| usize::try_from(n).unwrap();
    Ok(spans.iter().map(|s| &source[at(s.start)..at(s.end)]).collect())
}

#[test]
fn finds_the_records_whatever_the_chunks() {
    let check = |source: &str, expected: &[&str]| {
        for chunk in [1, 2, 3, 7, 1024] {
            let found = scan(source.as_bytes(), chunk).unwrap();
            let expected: Vec<&[u8]> = expected.iter().map(|r| r.as_bytes()).collect();
            assert_eq!(found, expected, "{source:?} in chunks of {chunk}");
        }
    };
    check("", &[]);
    check(" \n ", &[]);
    check("[]", &[]);
    check("[ {\"a\": 1} , {} ]\n", &["{\"a\": 1}", "{}"]);
    check("\u{FEFF}[{\"a\":{\"b\":{}}}]", &["{\"a\":{\"b\":{}}}"]);
    check(r#"[{"a":"}],{\"\\"},{"b":"\\\""}]"#, &[r#"{"a":"}],{\"\\"}"#, r#"{"b":"\\\""}"#]);
    check("{\"a\":1}\n{\"b\":2}", &["{\"a\":1}", "{\"b\":2}"]);
    check("{\"a\":1}\r\n\r\n  {\"b\":2} \n", &["{\"a\":1}\r", "{\"b\":2} "]);
    check("{\"a\":1}\noops\n", &["{\"a\":1}", "oops"]);
}

#[test]
fn refuses_what_is_no_array_of_objects_and_no_ndjson() {
    let check = |source: &[u8], byte: u64, what: &str| {
        for chunk in [1, 5, 1024] {
            let error = scan(source, chunk).unwrap_err();
            assert!(error.byte == byte && error.what.contains(what), "{:?}: {error}", String::from_utf8_lossy(source));
        }
    };
    check(b"hello world", 0, "no line is a JSON object");
    check(b"  42\n", 2, "no line is a JSON object");
    check(b"{\n  \"a\": 1\n}\n", 0, "no line is a JSON object");
    check(b"[1, 2]", 1, "an object is due in the array, not `1`");
    check(b"[{},]", 4, "an object is due");
    check(b"[{} {}]", 4, "a comma or ] is due");
    check(b"[{}", 3, "before its array is closed");
    check(b"[{}] x", 5, "nothing may follow the array");
    check(b"[{\"a\": \"x]", 1, "ends inside the record");
    check(b"\xFF\xFE[\0", 0, "UTF-16");
    check(b"\xFE\xFF\n{}", 0, "UTF-16");
    check(b"\x1F\x8B\x08\0", 0, "the source is gzip");
    check(b"\x1F{}", 0, "no line is a JSON object");
    // Half a mark is none, and a mark stands at the beginning.
    check(b"\xEF\xBB", 0, "no line is a JSON object");
    check(b"\xEF\xBB[{}]", 0, "no line is a JSON object");
    check(b" \xBB\xBF[{}]", 1, "no line is a JSON object");
}

#[test]
fn refuses_endless_records() {
    let endless = vec![b'x'; usize::try_from(MAX_RECORD_BYTES).unwrap() + 2];
    assert!(scan(&endless, 1 << 20).unwrap_err().what.contains("longer than 16 MiB"));
}

fn json_records() -> impl Strategy<Value = Vec<String>> {
    let text = proptest::collection::vec(
        prop_oneof![
            Just("\\\"".to_owned()),
            Just("\\\\".to_owned()),
            Just("}".to_owned()),
            Just("{".to_owned()),
            Just("],".to_owned()),
            "[a-zé ]{0,5}"
        ],
        0..5,
    );
    let record = (text, 0..3u32).prop_map(|(parts, depth)| {
        let inner = format!("{{\"k\":\"{}\"}}", parts.concat());
        (0..depth).fold(inner, |inner, _| format!("{{\"n\": {inner}}}"))
    });
    proptest::collection::vec(record, 0..20)
}

proptest! {
    /// However a source is cut into splits and chunks, the records are the same, at the same offsets.
    #[test]
    fn any_splits_yield_the_same_records(texts in json_records(), is_array: bool, split_bytes in 1u64..200, chunk in 1usize..50) {
        let expected = texts;
        let source = if is_array { format!("[{}]", expected.join(" ,\n")) } else { expected.join("\n") };
        let mut finder = SplitFinder::new(split_bytes);
        for piece in source.as_bytes().chunks(chunk) {
            finder.push(piece).unwrap();
        }
        let Some(layout) = finder.finish().unwrap() else {
            prop_assert!(expected.is_empty());
            return Ok(());
        };
        prop_assert_eq!(layout.records, expected.len() as u64);
        prop_assert_eq!(layout.splits.iter().map(|s| s.records).sum::<u64>(), layout.records);

        let mut found = Vec::new();
        for split in &layout.splits {
            let range = usize::try_from(split.start).unwrap()..usize::try_from(split.end).unwrap();
            let block = Block { bytes: source.as_bytes()[range].to_vec(), offset: split.start, is_first: true, is_last: true };
            let keep = |record: Found<'_, '_>| {
                found.push((record.offset, String::from_utf8(record.text.to_vec()).unwrap()));
                Ok::<_, Malformed>(())
            };
            let none = Layout::of_fields(&[]);
            let end = records(&block, layout.format, Tail::Nothing, &none, &mut Fields::default(), keep).unwrap();
            prop_assert_eq!(end, End::Complete);
        }
        for ((offset, text), record) in found.iter().zip(&expected) {
            prop_assert_eq!(text, record);
            let at = usize::try_from(*offset).unwrap();
            prop_assert_eq!(&source[at..at + record.len()], record);
        }
        prop_assert_eq!(found.len(), expected.len());
    }

    /// However a scan is interrupted and taken up again, it finds the same.
    #[test]
    fn a_saved_scan_goes_on_where_it_was(texts in json_records(), is_array: bool, split_bytes in 1u64..200, cuts in proptest::collection::vec(0usize..400, 0..4)) {
        let source = if is_array { format!("[{}]", texts.join(" ,\n")) } else { texts.join("\n") };
        let mut whole = SplitFinder::new(split_bytes);
        whole.push(source.as_bytes()).unwrap();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(source.len())).collect();
        cuts.sort_unstable();
        let mut saved = SplitFinder::new(split_bytes);
        let mut start = 0;
        for end in cuts.into_iter().chain([source.len()]) {
            saved = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
            saved.push(&source.as_bytes()[start..end]).unwrap();
            start = end;
        }
        prop_assert_eq!(saved.finish().unwrap(), whole.finish().unwrap());
    }

    /// Each text is cut as if it stood alone, and lies where it lies.
    #[test]
    fn texts_behind_each_other_are_cut_one_by_one(texts in proptest::collection::vec((json_records(), any::<bool>()), 1..6), split_bytes in 1u64..200) {
        let mut sections = Sections::new(split_bytes);
        let (mut start, mut expected) = (0, Vec::new());
        for (records, is_array) in &texts {
            let text = if *is_array { format!("[{}]", records.join(",")) } else { records.join("\n") };
            let mut alone = SplitFinder::new(split_bytes);
            alone.push(text.as_bytes()).unwrap();
            sections.push(text.as_bytes()).unwrap();
            let found = sections.end_text().unwrap();
            let layout = alone.finish().unwrap();
            prop_assert_eq!(found, layout.as_ref().map(|layout| (layout.format, layout.records)));
            for split in layout.iter().flat_map(|layout| &layout.splits).filter(|split| split.records > 0) {
                let format = layout.as_ref().unwrap().format;
                expected.push((split.start + start, split.end + start, split.records, format));
            }
            start += text.len() as u64;
            prop_assert_eq!(sections.end(), start);
        }
        let Some(layout) = sections.finish() else {
            prop_assert!(texts.iter().all(|(records, is_array)| records.is_empty() && !is_array));
            return Ok(());
        };
        prop_assert_eq!(layout.records, expected.iter().map(|(_, _, records, _)| records).sum::<u64>());
        prop_assert!(!layout.splits.is_empty());
        let found: Vec<_> = layout.splits.iter().filter(|s| s.records > 0).map(|s| (s.start, s.end, s.records, s.format.unwrap_or(layout.format))).collect();
        prop_assert!(expected.is_empty() || found.len() == layout.splits.len(), "an empty split among others");
        prop_assert_eq!(found, expected);
    }
}
