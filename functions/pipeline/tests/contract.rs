//! Contracts that are understood; those that are refused stand in [`refused`].

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use pipeline::contract::{Allowed, Column, Gates, Mask, OnViolation, Origin, Plan, Step, TextFormat, Unmatched, Verb};
use pipeline::types::{Bound, Type};

#[path = "contract/refused.rs"]
mod refused;

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
    // A SUPER holds JSON of any shape.
    for logical in ["object", "array", "string", "number", "integer", "boolean"] {
        assert_eq!(kind(&format!("{logical}\n        physicalType: SUPER")), Type::Super);
    }
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

/// A restricted value is so wherever it comes from: by its own column, one around it, one inside it, or the join's other side.
#[test]
fn what_holds_a_restricted_value_is_restricted() {
    let profiled = include_str!("profiled.odcs.yaml");
    let check = |contract: &str, expected: &[&str]| {
        let plan = compile(contract);
        let restricted = plan.target.columns.iter().filter(|column| plan.is_restricted(column.origin)).map(|column| column.name.as_str());
        assert_eq!(restricted.collect::<Vec<_>>(), expected);
    };
    check(profiled, &["card", "payment", "secret", "age"]);
    let around = profiled
        .replace(", classification: restricted}", "}")
        .replace("logicalType: object}", "logicalType: object, classification: restricted}");
    check(&around, &["card", "payment", "secret", "age"]);
    let joined = "name: person, physicalType: VARCHAR(64), required: true, primaryKey: true";
    check(&profiled.replace(joined, &format!("{joined}, classification: restricted")), &["person", "card", "payment", "secret", "age"]);
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
