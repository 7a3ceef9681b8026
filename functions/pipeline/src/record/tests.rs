use super::*;
use crate::contract::Step;
use proptest::prelude::*;

fn layout() -> Layout {
    Layout::of_fields(&["a", "b"])
}

fn read(record: &[u8]) -> Result<Fields<'_>, Unparsable> {
    let mut fields = Fields::default();
    parse_json(record, &layout(), &mut fields).map(|()| fields)
}

#[test]
fn takes_records_apart() {
    let check = |record: &str, a: Field<'_>, b: Field<'_>, unknown, is_fast: bool| {
        let expected = Fields { values: vec![a, b], unknown };
        assert_eq!(read(record.as_bytes()), Ok(expected.clone()), "{record}");
        let mut fields = Fields::default();
        let end = parse_fast(record, 0, Extent::Free, &layout(), &mut fields);
        assert_eq!(end, is_fast.then_some(record.len()), "{record}");
        assert!(!is_fast || fields == expected, "{record}: {fields:?}");
    };
    let (missing, text, literal) = (Field::Missing, Field::Text, Field::Literal);
    check("{}", missing, missing, 0, true);
    check("{ }", missing, missing, 0, true);
    check(r#"{"a": "x", "b": null}"#, text("x"), Field::Null, 0, true);
    check(r#"{"b": "é", "a": 12.30}"#, literal("12.30"), text("é"), 0, true);
    check(r#"{"a": "q\"\u00e9", "c": {"a": 1}, "b": true}"#, Field::Escaped(r#""q\"\u00e9""#), literal("true"), 1, true);
    check(r#"{"a": [1], "b": {"x": [ {}, "]" ]}}"#, Field::Nested("[1]"), Field::Nested(r#"{"x": [ {}, "]" ]}"#), 0, true);
    check(r#"{"\ud800": 1, "a": null}"#, Field::Null, Field::Missing, 1, false);
    check(r#"{"a": "\ud800", "b": 1234567890123456.78}"#, Field::Escaped(r#""\ud800""#), literal("1234567890123456.78"), 0, true);
    check(r#"{"a": -0.5e+3, "b": 40e400}"#, literal("-0.5e+3"), literal("40e400"), 0, true);
    check("{\"a\"\n:\t1\r\n}", literal("1"), missing, 0, true);
    // Unusual, and left to the general reader.
    check(r#"{"\u0061": 1}"#, literal("1"), missing, 0, false);
}

#[test]
fn says_where_a_record_breaks() {
    let check = |record: &[u8], expected_byte: usize, expected: &str| match read(record) {
        Err(Unparsable::Syntax { byte, what }) => assert!(byte == expected_byte && what.contains(expected), "{byte}: {what}"),
        other => panic!("{other:?}"),
    };
    check(br#"{"a": tru}"#, 9, "expected ident");
    check(b"{\"a\":\n tru}", 10, "expected ident");
    check(br#"["a"]"#, 0, "expected a JSON object");
    check(br#"{"a": 1} x"#, 9, "trailing");
    check(b"{\"a\": \"tab\there\"}", 9, "control character");
    assert_eq!(read(b"{\"z\": \"\xFF\"}"), Err(Unparsable::Encoding { byte: 7 }));
    assert_eq!(read(br#"{"a": 1, "b": 2, "a": 2}"#), Err(Unparsable::DuplicateField));
    // What the contract does not name may stand twice.
    assert_eq!(read(br#"{"z": 1, "z": 2}"#).map(|f| f.unknown), Ok(2));
}

#[test]
fn a_record_nests_128_deep_at_most() {
    let nested = |depth: usize| format!(r#"{{"z": {}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    for (depth, expected) in [(2, Ok(1)), (128, Ok(1)), (129, Err(Unparsable::Depth)), (100_000, Err(Unparsable::Depth))] {
        let record = nested(depth);
        assert_eq!(read(record.as_bytes()).map(|f| f.unknown), expected, "{depth}");
        let fast = parse_fast(&record, 0, Extent::Free, &layout(), &mut Fields::default());
        assert_eq!(fast.is_some(), expected.is_ok(), "{depth}");
    }
}

#[test]
fn a_newline_ends_a_line() {
    let record = "{\"a\":\n1}";
    let mut fields = Fields::default();
    assert_eq!(parse_fast(record, 0, Extent::Free, &layout(), &mut fields), Some(record.len()));
    assert_eq!(parse_fast(record, 0, Extent::Line, &layout(), &mut fields), None);
}

#[test]
fn walks_into_a_value() {
    let check = |raw: &str, steps: &[Step], expected: Result<Field<'_>, Rule>| assert_eq!(walk(raw, steps), expected, "{raw}");
    let (key, index) = (|k: &str| Step::Key(k.to_owned()), Step::Index);
    check(r#"{"x": {"y": "z"}}"#, &[key("x"), key("y")], Ok(Field::Text("z")));
    check(r#"[{"sku": 1}, {"sku": 2}]"#, &[index(1), key("sku")], Ok(Field::Literal("2")));
    check(r#"[1]"#, &[index(1)], Ok(Field::Missing));
    check(r#"{"x": null}"#, &[key("x")], Ok(Field::Null));
    check(r#"{"x": null}"#, &[key("x"), key("y")], Ok(Field::Missing));
    check(r#"{"x": {"y": []}}"#, &[key("x")], Ok(Field::Nested(r#"{"y": []}"#)));
    check(r#"{"x": 1, "x": 2}"#, &[key("x")], Err(Rule::DuplicateField));
    check(r#"{"x": 1, "\u0078": 2}"#, &[key("x")], Err(Rule::DuplicateField));
    check(r#"{"\ud800": 2, "x": 1}"#, &[key("x")], Ok(Field::Literal("1")));
    check(r#"{"\u0078": 1}"#, &[key("x")], Ok(Field::Literal("1")));
}

/// JSON-like text: valid values of every kind, with white space, and now and then a stray byte.
fn json() -> impl Strategy<Value = String> {
    let name = prop_oneof![4 => "[ab]", 1 => "[a-c]{0,3}", 1 => Just("\\u0061".to_owned())];
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?",
        "[0-9+.eE-]{1,4}",
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("fals".to_owned()),
        r#""([ -!#-\[\]-~é\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-f]{4}|\\x){0,12}""#,
    ];
    let space = || "[ \\t\\r\\n]{0,2}";
    let value = leaf.prop_recursive(3, 12, 4, move |inner| {
        let member = ("[ab]", inner.clone()).prop_map(|(k, v)| format!("\"{k}\":{v}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec(member, 0..3).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    });
    let member =
        (name, space(), value, space()).prop_map(|(name, before, value, after)| format!("{before}\"{name}\":{before}{value}{after}"));
    let object = proptest::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",")));
    (object, proptest::option::weighted(0.3, (any::<prop::sample::Index>(), "[\\x00-~]"))).prop_map(|(mut object, stray)| {
        if let Some((at, stray)) = stray
            && object.is_ascii()
        {
            object.insert_str(at.index(object.len()), &stray);
        }
        object
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What the fast reader takes, the general one reads the same, to the last byte.
    #[test]
    fn the_two_readers_agree(record in json(), rest in "[,\\]\\n x]{0,2}") {
        let text = format!("{record}{rest}");
        for extent in [Extent::Free, Extent::Line] {
            let mut fast = Fields::default();
            if let Some(end) = parse_fast(&text, 0, extent, &layout(), &mut fast) {
                prop_assert_eq!(read(&text.as_bytes()[..end]), Ok(fast));
                prop_assert_eq!(skip_object(text.as_bytes(), 0), Some(end));
            }
        }
    }

    /// The fast reader takes every usual record: were it to refuse them all, the law above would hold for nothing.
    #[test]
    fn the_fast_reader_takes_usual_records(a in -99_999i64..99_999, b in "[ -!#-\\[\\]-~é]{0,20}", z in proptest::collection::vec(0u8..9, 0..4)) {
        let record = format!(r#"{{"a": {a}, "z": {z:?}, "b": "{b}"}}"#);
        let mut fields = Fields::default();
        prop_assert_eq!(parse_fast(&record, 0, Extent::Line, &layout(), &mut fields), Some(record.len()));
        let shown = a.to_string();
        prop_assert_eq!(fields.values, vec![Field::Literal(&shown), Field::Text(&b)]);
    }
}
