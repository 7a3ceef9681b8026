use super::*;
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
}

#[test]
fn refuses_utf16_and_endless_records() {
    assert!(scan(b"\xFF\xFE[\0", 1024).unwrap_err().what.contains("UTF-16"));
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
    fn any_splits_yield_the_same_records(records in json_records(), is_array: bool, split_bytes in 1u64..200, chunk in 1usize..50) {
        let source = if is_array { format!("[{}]", records.join(" ,\n")) } else { records.join("\n") };
        let mut finder = SplitFinder::new(split_bytes);
        for piece in source.as_bytes().chunks(chunk) {
            finder.push(piece).unwrap();
        }
        let Some(layout) = finder.finish().unwrap() else {
            prop_assert!(records.is_empty());
            return Ok(());
        };
        prop_assert_eq!(layout.records, records.len() as u64);
        prop_assert_eq!(layout.splits.iter().map(|s| s.records).sum::<u64>(), layout.records);

        let mut found = Vec::new();
        for split in &layout.splits {
            let mut reader = RecordReader::new(layout.format, split.start);
            let range = usize::try_from(split.start).unwrap()..usize::try_from(split.end).unwrap();
            let mut keep = |offset: u64, record: &[u8]| {
                found.push((offset, String::from_utf8(record.to_vec()).unwrap()));
                Ok::<_, Malformed>(())
            };
            for piece in source.as_bytes()[range].chunks(chunk) {
                reader.push(piece, &mut keep).unwrap();
            }
            reader.finish(&mut keep).unwrap();
        }
        for ((offset, text), record) in found.iter().zip(&records) {
            prop_assert_eq!(text, record);
            let at = usize::try_from(*offset).unwrap();
            prop_assert_eq!(&source[at..at + record.len()], record);
        }
        prop_assert_eq!(found.len(), records.len());
    }
}
