//! Contracts that are understood, and contracts that are refused, with every fault and its line.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use pipeline::contract::{Allowed, Column, Gates, Mask, OnViolation, Origin, Plan, Step, TextFormat, Unmatched, Verb};
use pipeline::types::{Bound, Type};

const SHIPPED: &str = include_str!("../../../contract.odcs.yaml");
const EVERYTHING: &str = include_str!("everything.odcs.yaml");

fn compile(contract: &str) -> Plan {
    Plan::compile(contract.as_bytes()).unwrap_or_else(|faults| panic!("{faults:#?}\n{contract}"))
}

/// The plan as text, but for the hash of the contract's own bytes.
fn shown(plan: Plan) -> String {
    format!("{:#?}", Plan { sha256: String::new(), ..plan })
}

#[test]
fn the_shipped_contract_says_what_it_should() {
    let plan = compile(SHIPPED);
    let amount = plan.transactions.columns.iter().find(|c| c.name == "amount").unwrap();
    assert_eq!(amount.kind, Type::Decimal { precision: 18, scale: 2 });
    assert_eq!((amount.required, amount.minimum), (true, Some(Bound::Exact(0))));
    let required: Vec<_> = plan.transactions.columns.iter().filter(|c| c.required).map(|c| c.name.as_str()).collect();
    assert_eq!(required, ["transaction_id", "customer_id", "amount", "currency", "transaction_ts"]);
    assert_eq!(plan.target.columns.len(), 17);
    assert_eq!((plan.target.schema.as_str(), plan.target.table.as_str()), ("analytics", "customer_transactions"));
    assert_eq!(plan.join.unmatched, Unmatched::Keep);
    let matched: Vec<_> = plan.target.columns.iter().filter(|c| c.origin == Origin::Matched).map(|c| c.name.as_str()).collect();
    assert_eq!(matched, ["customer_matched"]);
    assert!(!plan.needs_salt());
}

#[test]
fn everything_a_contract_can_say() {
    let plan = compile(EVERYTHING);
    assert_eq!(plan.zone_offset_seconds, 7_200);
    assert_eq!(plan.gates, Gates { max_quarantine_ratio: 0.2, min_rows: 1 });
    assert!(plan.needs_salt());
    let names = |columns: &[Column]| columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    assert_eq!((plan.join.left, plan.join.right), (1, 0), "{:?} {:?}", names(&plan.transactions.columns), names(&plan.customers.columns));
    assert_eq!(plan.join.unmatched, Unmatched::Quarantine);
    let paths: Vec<_> = plan.transactions.columns.iter().map(|c| c.path.to_string()).collect();
    assert_eq!(&paths[..4], ["id", "customer.id", "customer.address['a.b']", "items[0].sku"]);
    assert_eq!(plan.transactions.columns[3].path.steps, [Step::Index(0), Step::Key("sku".into())]);
    // In a CSV header it is a name, whatever stands in it.
    assert_eq!((plan.customers.columns[0].path.field.as_str(), plan.customers.columns[0].path.steps.len()), ("Customer.Id[0]", 0));
    let kinds: Vec<_> = plan.target.columns.iter().map(|c| format!("{} {}{}", c.name, c.kind, if c.nullable { "" } else { "!" })).collect();
    assert_eq!(
        kinds,
        [
            "id VARCHAR(64)!",
            "customer_id CHAR(8)!",
            "street VARCHAR(64)",
            "sku VARCHAR(40)",
            "amount DECIMAL(38,10)",
            "big DECIMAL(30,0)",
            "small SMALLINT",
            "whole INTEGER",
            "long BIGINT",
            "rate DOUBLE PRECISION",
            "flag BOOLEAN",
            "day DATE",
            "at TIMESTAMPTZ!",
            "local_at TIMESTAMP",
            "items SUPER",
            "matched BOOLEAN!",
            "name VARCHAR(128)!",
            "email VARCHAR(64)",
            "phone VARCHAR(32)",
            "note VARCHAR(8)",
        ]
    );
}

#[test]
fn the_reference_is_true() {
    let reference = include_str!("../../../docs/contract.md");
    let fences: Vec<&str> = reference.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(yaml, _)| yaml).collect();
    let plan = compile(fences[0]);
    assert_eq!((plan.target.schema.as_str(), plan.target.table.as_str()), ("analytics", "sales"));
    let column = fences.iter().find(|yaml| yaml.starts_with("- name: email")).unwrap();
    let column: String = column.lines().map(|line| format!("      {line}\n")).collect();
    let contract = fences[0].replace("  - name: customers ", &format!("{column}  - name: customers "));
    assert_eq!(compile(&contract).transactions.columns[3].mask, Some(Mask::Sha256));
}

/// The smallest contract; `{}` stands for more lines of the column `v`.
fn small(column: &str) -> String {
    format!(
        "apiVersion: v3.1.0
kind: DataContract
version: 1.0.0
schema:
  - name: left
    properties:
      - {{name: id, logicalType: string, required: true, primaryKey: true}}
      - name: v
{column}
  - name: right
    properties:
      - {{name: id, logicalType: string, required: true, primaryKey: true}}
  - name: target
    customProperties: [{{property: join, value: {{left: left, right: right, on: id}}}}]
    properties:
      - {{name: id, primaryKey: true, transformSourceObjects: [left.id]}}
      - {{name: v, transformSourceObjects: [left.v]}}
"
    )
}

/// With more lines of the column `v`, not indented. They start at line 9.
fn v(column: &str) -> String {
    small(&column.lines().map(|l| format!("        {l}")).collect::<Vec<_>>().join("\n"))
}

#[test]
fn short_forms_have_defaults() {
    let plan = compile(&small("        logicalType: integer"));
    let v = &plan.transactions.columns[1];
    assert_eq!((v.kind, v.required, v.on_violation), (Type::Integer { bits: 64 }, false, OnViolation::Quarantine));
    assert!(v.clean.is_empty());
    assert_eq!((plan.target.schema.as_str(), plan.target.table.as_str()), ("public", "target"));
    assert_eq!(plan.gates, Gates { max_quarantine_ratio: 0.05, min_rows: 0 });
    let kind = |logical: &str| compile(&small(&format!("        logicalType: {logical}"))).transactions.columns[1].kind;
    assert_eq!(kind("string"), Type::Text { max_bytes: 65_535 });
    assert_eq!(kind("timestamp"), Type::Timestamp { has_zone: true });
    assert_eq!(kind("object"), Type::Super);
    assert_eq!(kind("array"), Type::Super);
}

#[test]
fn a_contract_written_as_json_is_the_same_contract() {
    let value: serde_json::Value = serde_saphyr::from_str(EVERYTHING).unwrap();
    let from_json = compile(&serde_json::to_string_pretty(&value).unwrap());
    // `null_values: [NO]` and the like stand in quotes there, since YAML's own reading of them is not the word.
    let sorted = |plan| {
        let mut lines: Vec<_> = shown(plan).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(from_json), sorted(compile(EVERYTHING)));
}

#[test]
fn a_column_says_how_it_is_read() {
    let check = |column: &str, holds: fn(&Column) -> bool| {
        let plan = compile(&v(column));
        let column_v = &plan.transactions.columns[1];
        assert!(holds(column_v), "{column}\n{column_v:#?}");
    };
    let clean = "logicalType: string\ncustomProperties: [{property: clean, value: ";
    check(&format!("{clean}[trim, title_case, unicode_nfc]}}]"), |c| c.clean == [Verb::Trim, Verb::TitleCase, Verb::UnicodeNfc]);
    // By their own characters: YAML would read a number, a boolean, a number.
    check(&format!("{clean}[{{null_values: [007, NO, 1.10]}}]}}]"), |c| {
        c.clean == [Verb::NullValues(["007", "NO", "1.10"].map(str::to_owned).into())]
    });
    check(&format!("{clean}[{{map: {{Y: true, 0: no}}}}]}}]"), |c| {
        c.clean == [Verb::Map([("Y", "true"), ("0", "no")].map(|(a, b)| (a.to_owned(), b.to_owned())).into())]
    });
    check("physicalName: a.b[2]\nlogicalType: string", |c| c.path.field == "a" && c.path.steps.len() == 2);
    check("physicalName: \"['a.b']\"\nlogicalType: string", |c| c.path.field == "a.b" && c.path.steps.is_empty());

    let exact = |n| Some(Bound::Exact(n));
    assert_eq!(exact(1), Some(Bound::Exact(1)));
    check("physicalType: DECIMAL(38,2)\nlogicalTypeOptions: {maximum: 123456789012345678901234567890123456.78}", |c| {
        c.maximum == Some(Bound::Exact(12_345_678_901_234_567_890_123_456_789_012_345_678))
    });
    check("physicalType: DECIMAL(18,2)\nlogicalTypeOptions: {exclusiveMinimum: 0}", |c| c.minimum == Some(Bound::Exact(1)));
    check("physicalType: INTEGER\nlogicalTypeOptions: {minimum: -5, exclusiveMaximum: 10}", |c| {
        (c.minimum, c.maximum) == (Some(Bound::Exact(-5)), Some(Bound::Exact(9)))
    });
    check("physicalType: DOUBLE\nlogicalTypeOptions: {minimum: 0.5, exclusiveMaximum: 1}", |c| {
        (c.minimum, c.maximum) == (Some(Bound::Double(0.5)), Some(Bound::Double(1f64.next_down())))
    });
    check("logicalType: date\nlogicalTypeOptions: {minimum: 1970-01-02, maximum: '1970-01-03', format: yyyy-MM-dd}", |c| {
        (c.minimum, c.maximum) == (Some(Bound::Exact(1)), Some(Bound::Exact(2)))
    });
    check("logicalType: timestamp\nlogicalTypeOptions: {minimum: 1970-01-01T00:00:01+00:00}", |c| {
        c.minimum == Some(Bound::Exact(1_000_000))
    });
    check("logicalType: string\nlogicalTypeOptions: {minLength: 2, maxLength: 3, pattern: '^\\d', format: ipv4}", |c| {
        (c.min_length, c.max_length, c.format) == (Some(2), Some(3), Some(TextFormat::Ipv4))
            && c.pattern.as_ref().is_some_and(|p| p.as_str() == "^[0-9]")
    });
    check("logicalType: string\nquality: [{metric: invalidValues, arguments: {validValues: [NO, SE, 1, null]}, mustBe: 0}]", |c| {
        c.allowed == Some(Allowed::Texts(["NO", "SE", "1"].map(str::to_owned).into()))
    });
    check("logicalType: string\nquality: [{type: library, metric: invalidValues, arguments: {pattern: '^a'}, mustBe: 0}]", |c| {
        c.pattern.is_some()
    });
    check("logicalType: integer\nquality: [{metric: invalidValues, arguments: {validValues: [1, 2]}, mustBe: 0}]", |c| {
        c.allowed == Some(Allowed::Exact([1, 2].into()))
    });
    check("logicalType: string\nrequired: true\nquality: [{type: text, description: x}, {metric: nullValues, mustBe: 0}]", |c| c.required);
    check("logicalType: string\nquality: [{type: sql, query: SELECT 1, mustBeLessThan: 2}, {type: custom, engine: soda}]", |c| {
        c.allowed.is_none()
    });
    check("physicalType: DECIMAL(38,0)\nlogicalType: integer\ncustomProperties: [{property: default, value: 00.0}]", |c| {
        c.default.as_deref() == Some("00.0")
    });
    check("logicalType: string\nclassification: restricted\ncustomProperties: [{property: mask, value: last4}]", |c| {
        c.mask == Some(Mask::Last4)
    });
    check("logicalType: string\ncustomProperties: [{property: onViolation, value: null}]", |c| c.on_violation == OnViolation::Null);
    // What the standard has and Crosstally does not read.
    check(
        "logicalType: string\nbusinessName: V\ntags: [a]\nexamples: [1, b]\ncriticalDataElement: true\ndescription: |\n  two\n  lines",
        |c| c.name == "v",
    );
}

fn refused(contract: &str, line: u64, expected: &str) {
    let faults = Plan::compile(contract.as_bytes()).expect_err(expected).0;
    let found = faults.iter().any(|f| f.line == line && f.message.contains(expected));
    assert!(found, "line {line}: {expected}\n{faults:#?}");
}

#[test]
fn refuses_a_document_with_the_line() {
    refused("a: [1, 2", 1, "not an ODCS contract in YAML");
    refused("just some text", 1, "not an ODCS contract in YAML");
    refused("", 1, "not an ODCS contract in YAML");
    refused("apiVersion: v3.1.0\nkind: DataContract\n", 2, "missing field `version`");
    refused("apiVersion: v2.2.2\nkind: DataContract\nversion: 1\n", 1, "apiVersion `v2.2.2`");
    refused("apiVersion: v3.1.0\nkind: Data\nversion: 1\n", 2, "kind `Data` is not DataContract");
    refused("apiVersion: v3.1.0\nkind: DataContract\nversion: 1\n", 2, "no schema object has the customProperty join");

    let gates = |value: &str| format!("customProperties:\n  - {{property: {value}}}\n{}", v("logicalType: string"));
    refused(&gates("maxQuarantineRatio, value: 5"), 2, "maxQuarantineRatio `5` is not a number from 0 to 1");
    refused(&gates("maxQuarantineRatio, value: nan"), 2, "is not a number from 0 to 1");
    refused(&gates("minRows, value: -1"), 2, "minRows `-1` is not a whole number");
    refused(&gates("timezone, value: Europe/Berlin"), 2, "timezone `Europe/Berlin` is neither UTC nor an offset");
    refused(&gates("minRow, value: 1"), 2, "unknown customProperty `minRow`: known here: timezone, maxQuarantineRatio, minRows");
    refused(&gates("minRows, value: 1}\n  - {property: minRows, value: 2"), 3, "customProperty `minRows` stands twice");
    refused(&format!("shema: []\n{}", v("logicalType: string")), 1, "`shema` is no field of the contract: did you mean `schema`?");
}

#[test]
fn refuses_a_type_with_the_line() {
    refused(&v("physicalType: MONEY"), 9, "physicalType `MONEY`");
    refused(&v("physicalType: DECIMAL(39,2)"), 9, "at most 38 digits");
    refused(&v("physicalType: VARCHAR(70000)"), 9, "1 to 65535 bytes");
    refused(&v("logicalType: money"), 9, "unknown logicalType `money`");
    refused(&v("logicalType: time"), 9, "unknown logicalType `time`");
    refused(&v("logicalType: number"), 9, "needs a physicalType");
    refused(&v("logicalType: date\nphysicalType: INTEGER"), 9, "does not go with");
    refused(&v("description: none"), 8, "has neither physicalType nor logicalType");
    refused(&v("logicalType: string\nrequierd: true"), 10, "`requierd` is no field of a column: did you mean `required`?");
    refused(&v("logicalType: string\nenum: [{value: a}]"), 10, "`enum` is no field of a column");
    refused(&v("logicalType: string\nunique: true"), 8, "unique of `v` is not enforced");
    refused(&v("logicalType: string\nphysicalName: a[b]"), 10, "physicalName `a[b]`: between [ and ]");
    refused(&v("logicalType: string\nphysicalName: \"['id']\""), 10, "source field `id` stands twice");
}

#[test]
fn refuses_a_rule_with_the_line() {
    let options = |kind: &str, options: &str| v(&format!("physicalType: {kind}\nlogicalTypeOptions: {{{options}}}"));
    refused(&options("BIGINT", "minimum: 0.5"), 10, "minimum 0.5 is no value of BIGINT");
    refused(&options("BIGINT", "minimum: 0x10"), 10, "minimum 0x10 is no value of BIGINT");
    refused(&options("\"DECIMAL(4,2)\"", "maximum: 100"), 10, "maximum 100 is no value of DECIMAL(4,2)");
    refused(&options("DATE", "minimum: 2024-02-30"), 10, "minimum 2024-02-30 is no value of DATE");
    refused(&options("DOUBLE", "minimum: .nan"), 10, "minimum .nan is no value of DOUBLE PRECISION");
    refused(&options("VARCHAR(9)", "minimum: 1"), 10, "minimum is for numbers, dates and timestamps");
    refused(&options("INT", "minimum: 5, maximum: 3"), 10, "no value lies between minimum 5 and maximum 3");
    refused(&options("INT", "exclusiveMinimum: 5, maximum: 5"), 10, "no value lies between");
    refused(&options("INT", "minimum: 5, exclusiveMinimum: 5"), 10, "minimum and exclusiveMinimum cannot both hold");
    refused(&options("INT", "minimum: 5, exclusiveMinimum: true"), 10, "cannot both hold");
    refused(&options("INT", "multipleOf: 5"), 10, "logicalTypeOptions `multipleOf` is not enforced");
    refused(&options("TIMESTAMP", "timezone: true"), 10, "write physicalType TIMESTAMPTZ or TIMESTAMP");
    refused(&options("SUPER", "maxItems: 5"), 10, "logicalTypeOptions `maxItems` is not enforced");
    refused(&options("VARCHAR(9)", "minLength: 5, maxLength: 3"), 10, "minLength 5 is greater than maxLength 3");
    refused(&options("VARCHAR(9)", "minLength: 10"), 10, "minLength 10 does not fit VARCHAR(9)");
    refused(&options("VARCHAR(9)", "maxLength: -1"), 10, "maxLength -1 is not a whole number");
    refused(&options("INT", "maxLength: 3"), 10, "maxLength is for text, and the column is INTEGER");
    refused(&options("VARCHAR(9)", "pattern: '[A-Z'"), 10, "pattern `[A-Z`: unclosed character class");
    refused(&options("VARCHAR(9)", "pattern: '(?=a)'"), 10, "look-around");
    refused(&options("INT", "pattern: '1'"), 10, "pattern is for text");
    refused(&options("VARCHAR(9)", "format: password"), 10, "unknown format `password` for VARCHAR(9): known are email, uuid");
    refused(&options("DATE", "format: dd.MM.yyyy"), 10, "unknown format `dd.MM.yyyy` for DATE: known are yyyy-MM-dd");
    refused(&options("TIMESTAMPTZ", "format: HH:mm"), 10, "unknown format `HH:mm` for TIMESTAMPTZ");
    refused(&options("INT", "format: u8"), 10, "unknown format `u8` for INTEGER: known are i32");
    refused(&options("BOOLEAN", "format: x"), 10, "there is none");

    let quality = |kind: &str, rule: &str| v(&format!("physicalType: {kind}\nquality:\n  - {{{rule}}}"));
    let values = "arguments: {validValues: [a, B]}";
    refused(&quality("VARCHAR(9)", &format!("metric: invalidValues, {values}, mustBeLessThan: 5")), 11, "only with mustBe: 0");
    refused(&quality("VARCHAR(9)", &format!("metric: invalidValues, {values}")), 11, "only with mustBe: 0");
    refused(&quality("VARCHAR(9)", "metric: invalidValues, mustBe: 0"), 11, "needs the arguments validValues, pattern or both");
    refused(&quality("VARCHAR(9)", "metric: duplicateValues, mustBe: 0"), 11, "the metric `duplicateValues` is not enforced on a source");
    refused(&quality("VARCHAR(9)", "metric: nullValues, mustBe: 0"), 11, "write required: true");
    refused(&quality("VARCHAR(9)", "metrik: nullValues"), 11, "`metrik` is no field of a quality rule: did you mean `metric`?");
    refused(
        &quality("DOUBLE", &format!("metric: invalidValues, {values}, mustBe: 0")),
        11,
        "validValues cannot be enforced on DOUBLE PRECISION",
    );
    refused(&quality("INT", &format!("metric: invalidValues, {values}, mustBe: 0")), 11, "validValues `a` is no value of INTEGER");
    refused(
        &quality("VARCHAR(2)", "metric: invalidValues, arguments: {validValues: [abc]}, mustBe: 0"),
        11,
        "it breaks the column's rule type",
    );
    let upper = "customProperties: [{property: clean, value: [uppercase]}]";
    refused(
        &quality("VARCHAR(9)", &format!("metric: invalidValues, {values}, mustBe: 0"))
            .replace("quality:", &format!("{upper}\n        quality:")),
        12,
        "validValues `a` can never occur: the cleaning makes it `A`",
    );
}

#[test]
fn refuses_what_is_ours_with_the_line() {
    let custom = |kind: &str, value: &str| {
        v(&format!("physicalType: {kind}\nclassification: restricted\ncustomProperties:\n  - {{property: {value}}}"))
    };
    refused(&custom("INT", "clean, value: [trim, shout]"), 12, "unknown cleaning step `shout`: known are trim, collapse_spaces");
    refused(&custom("INT", "clean, value: [{trim: 1}, {cut: 2}]"), 12, "unknown cleaning step `cut`");
    refused(&custom("INT", "clean, value: trim"), 12, "a list of cleaning steps");
    refused(&custom("INT", "clean, value: [{null_values: a}]"), 12, "not an ODCS contract in YAML");
    refused(&custom("INT", "clean, value: [{map: {a: b}, null_values: [c]}]"), 12, "`null_values` is a cleaning step of its own");
    refused(&custom("INT", "cleen, value: [trim]"), 12, "unknown customProperty `cleen`: known here: clean, default, onViolation, mask");
    refused(&custom("INT", "onViolation, value: explode"), 12, "unknown onViolation `explode`: known are quarantine, null, fail");
    refused(&custom("INT", "default, value: many"), 12, "default `many` is no value of INTEGER");
    refused(&custom("INT", "default, value: [1]"), 12, "not an ODCS contract in YAML");
    refused(&custom("INT", "default, value: null"), 12, "default null is what a missing value is already");
    refused(&custom("INT", "default, value: '-'"), 12, "default `-` is no value of INTEGER");
    refused(&custom("VARCHAR(2)", "default, value: abc"), 12, "default `abc` breaks the column's own rule type");
    refused(
        &custom("INT", "default, value: 5").replace("classification: restricted", "logicalTypeOptions: {maximum: 4}"),
        12,
        "default `5` breaks the column's own rule maximum",
    );
    refused(
        &custom("VARCHAR(9)", "clean, value: [{null_values: [x]}]}\n  - {property: default, value: x"),
        13,
        "default `x` is made null by the column's own cleaning",
    );
    refused(&custom("SUPER", "clean, value: [trim]"), 12, "clean is for single values, and SUPER is kept as it is");
    refused(&custom("SUPER", "default, value: 1"), 12, "default is for single values");
    refused(&custom("VARCHAR(9)", "mask, value: rot13"), 12, "unknown mask `rot13`: known are sha256, last4, redact");
    refused(&custom("INT", "mask, value: last4"), 12, "mask is for text, and `v` is INTEGER");
    refused(&custom("SUPER", "mask, value: redact"), 12, "mask is for text, and `v` is SUPER");
    refused(&custom("VARCHAR(9)", "mask, value: last4").replace("restricted", "public"), 12, "mask needs classification: restricted");
    refused(
        &custom("VARCHAR(63)", "mask, value: sha256"),
        20,
        "target column `v` is VARCHAR(63), and its source's mask sha256 needs VARCHAR(64)",
    );
    refused(&custom("CHAR(7)", "mask, value: redact"), 20, "needs VARCHAR(8)");
    refused(
        &v("logicalType: string\nrequired: true\ncustomProperties: [{property: onViolation, value: null}]"),
        8,
        "onViolation cannot be null",
    );
}

#[test]
fn refuses_keys_joins_and_targets_with_the_line() {
    let good = v("logicalType: string");
    let check = |from: &str, to: &str, line: u64, expected: &str| {
        assert!(good.contains(from), "{from}");
        refused(&good.replace(from, to), line, expected);
    };
    check("required: true, primaryKey: true}\n      - name: v", "required: true}\n      - name: v", 5, "`left` has no primaryKey");
    check(
        "required: true, primaryKey: true}\n      - name: v",
        "primaryKey: true}\n      - name: v",
        7,
        "key column `id` must be required: true",
    );
    check(
        "required: true, primaryKey: true}\n      - name: v",
        "required: true, primaryKey: true, customProperties: [{property: default, value: x}]}\n      - name: v",
        7,
        "key column `id` has a default",
    );
    check(
        "{name: id, logicalType: string, required: true, primaryKey: true}\n      - name: v",
        "{name: id, physicalType: DOUBLE, required: true, primaryKey: true}\n      - name: v",
        7,
        "key column `id` is DOUBLE PRECISION",
    );
    check("primaryKey: true, transform", "transform", 13, "`target` has no primaryKey");
    check("on: id", "on: nr", 13, "`nr` is no column of `left`");
    check("on: id", "on: {left: v, right: nr}", 13, "`nr` is no column of `right`");
    check("on: id", "on: {left: v, rite: id}", 14, "join's `on` is a column's name or {left: name, right: name}");
    check("on: id", "on: id, how: inner", 14, "unknown field `how`");
    check("left: left", "left: lift", 13, "`lift` is no schema object");
    check("on: id}", "on: id, unmatched: drop}", 13, "unknown unmatched `drop`");
    check(
        "        logicalType: string\n  - name: right\n    properties:\n      - {name: id, logicalType: string",
        "        logicalType: string\n  - name: right\n    properties:\n      - {name: id, logicalType: integer",
        13,
        "the join compares `id` VARCHAR(65535) with `id` BIGINT",
    );
    check("[left.v]", "[left.w]", 17, "`left.w` is no column");
    check(", transformSourceObjects: [left.v]", "", 17, "target column `v` needs exactly one transformSourceObjects entry");
    check("[left.v]", "[left.v, left.id]", 17, "needs exactly one transformSourceObjects entry");
    check("name: v, transform", "name: \"v; drop\", transform", 17, "is no table or column name");
    check("name: v, transform", "name: _v, transform", 17, "kept for the pipeline's own columns");
    check("name: v, transform", "name: ctid, transform", 17, "`ctid` is a name the warehouse keeps for itself");
    check("name: v, transform", "name: id, transform", 17, "target column `id` stands twice");
    check(
        "name: v, transform",
        "name: v, required: true, transform",
        17,
        "target column `v` is required, but its source `v` can be missing",
    );
    check(
        "name: v, transform",
        "name: v, logicalTypeOptions: {minLength: 1}, transform",
        17,
        "logicalTypeOptions `minLength` is not that of the source's",
    );
    check(
        "name: v, transform",
        "name: v, customProperties: [{property: clean, value: [trim]}], transform",
        17,
        "it belongs to the source's",
    );
    check("name: v, transform", "name: v, customProperties: [{property: derive, value: magic}], transform", 17, "unknown derive `magic`");
    check(
        "name: v, transform",
        "name: v, customProperties: [{property: derive, value: matched}], transform",
        17,
        "takes no source's column",
    );
    check(
        "name: v, transformSourceObjects: [left.v]",
        "name: v, physicalType: INT, customProperties: [{property: derive, value: matched}]",
        17,
        "BOOLEAN, not INTEGER",
    );
    check(
        "primaryKey: true, transformSourceObjects: [left.id]",
        "primaryKey: true, transformSourceObjects: [right.id]",
        16,
        "key column `id` can be missing",
    );
    check("name: v, transform", "name: v, physicalType: VARCHAR(3), transform", 17, "too narrow");
    check("name: v, transform", "name: v, physicalType: SUPER, transform", 17, "too narrow");
    check(
        "  - name: right\n    properties:\n      - {name: id, logicalType: string",
        "  - name: right\n    properties:\n      - {name: o, logicalType: object}\n      - {name: id, logicalType: string",
        12,
        "a CSV field holds text",
    );

    let masked = |mask: &str| {
        good.replace(
            "required: true, primaryKey: true}\n      - name: v",
            &format!("required: true, primaryKey: true, classification: restricted, customProperties: [{{property: mask, value: {mask}}}]}}\n      - name: v"),
        )
    };
    refused(&masked("last4"), 16, "key column `id` takes a value with mask last4, which makes different keys the same");
    refused(&masked("redact"), 16, "makes different keys the same");
    assert!(compile(&masked("sha256")).needs_salt());
}

#[test]
fn a_target_may_say_again_what_its_source_says() {
    let contract = v("physicalType: INTEGER\nlogicalTypeOptions: {minimum: 0}").replace(
        "name: v, transform",
        "name: v, physicalType: BIGINT, logicalTypeOptions: {minimum: 0}, quality: [{metric: rowCount, mustBeGreaterThan: 0}], transform",
    );
    assert_eq!(compile(&contract).target.columns[1].kind, Type::Integer { bits: 64 });
    let filled = v("logicalType: string\ncustomProperties: [{property: default, value: x}]")
        .replace("name: v, transform", "name: v, required: true, transform");
    assert!(!compile(&filled).target.columns[1].nullable);
}

#[test]
fn lists_every_fault_at_once() {
    let contract =
        SHIPPED.replace("physicalType: INTEGER", "physicalType: INTEGRE").replace("[trim, empty_to_null, uppercase]", "[trim, SHOUT]");
    let faults = Plan::compile(contract.as_bytes()).unwrap_err().0;
    assert_eq!(faults.len(), 3, "{faults:#?}");
    assert!(faults.is_sorted_by_key(|f| f.line));
}

#[test]
fn any_slip_is_a_fault_and_no_panic() {
    // Each line of a good contract left out, and each cut in half.
    let lines: Vec<&str> = EVERYTHING.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        for with in ["", &line[..line.len() / 2]] {
            let mut lines = lines.clone();
            lines[i] = with;
            let _either_way = Plan::compile(lines.join("\n").as_bytes()).is_ok();
        }
    }
}
