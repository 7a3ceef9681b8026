//! Contracts that are understood, and contracts that are refused, with every fault and its line.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use pipeline::contract::{OnViolation, Origin, Plan, Unmatched, Verb};
use pipeline::types::{Type, Value};

const SHIPPED: &str = include_str!("../../../contract.odcs.yaml");

#[test]
fn the_shipped_contract_says_what_it_should() {
    let plan = Plan::compile(SHIPPED.as_bytes()).unwrap();
    let amount = plan.transactions.columns.iter().find(|c| c.name == "amount").unwrap();
    assert_eq!(amount.kind, Type::Decimal { precision: 18, scale: 2 });
    assert_eq!((amount.required, amount.minimum), (true, Some(Value::Decimal(0))));
    let required: Vec<_> = plan.transactions.columns.iter().filter(|c| c.required).map(|c| c.name.as_str()).collect();
    assert_eq!(required, ["transaction_id", "customer_id", "amount", "currency", "transaction_ts"]);
    assert_eq!(plan.target.columns.len(), 17);
    assert_eq!((plan.target.schema.as_str(), plan.target.table.as_str()), ("analytics", "customer_transactions"));
    assert_eq!(plan.join.unmatched, Unmatched::Keep);
    let matched: Vec<_> = plan.target.columns.iter().filter(|c| c.origin == Origin::Matched).map(|c| c.name.as_str()).collect();
    assert_eq!(matched, ["customer_matched"]);
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

#[test]
fn short_forms_have_defaults() {
    let plan = Plan::compile(small("        logicalType: integer").as_bytes()).unwrap();
    let v = &plan.transactions.columns[1];
    assert_eq!((v.kind, v.required, v.on_violation), (Type::Integer { bits: 64 }, false, OnViolation::Quarantine));
    assert!(v.clean.is_empty());
    assert_eq!((plan.target.schema.as_str(), plan.target.table.as_str()), ("public", "target"));
    assert_eq!((plan.gates.min_rows, plan.gates.max_quarantine_ratio), (0, None));
}

#[test]
fn a_contract_written_as_json_is_the_same_contract() {
    let yaml = small("        {logicalType: string, customProperties: [{property: clean, value: [trim]}]}")
        .replace("name: v\n        {", "{name: v, ");
    let value: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    let from_yaml = Plan::compile(yaml.as_bytes()).unwrap();
    let from_json = Plan::compile(serde_json::to_string_pretty(&value).unwrap().as_bytes()).unwrap();
    assert_eq!(from_yaml.transactions, from_json.transactions);
    assert_eq!(from_json.transactions.columns[1].clean, [Verb::Trim]);
    assert_eq!(from_yaml.target, from_json.target);
}

#[test]
fn refuses_with_the_line() {
    let check = |contract: &str, line: u64, expected: &str| {
        let faults = Plan::compile(contract.as_bytes()).expect_err(expected).0;
        let found = faults.iter().any(|f| f.line == line && f.message.contains(expected));
        assert!(found, "line {line}: {expected}\n{faults:#?}");
    };
    let v = |column: &str| small(&column.lines().map(|l| format!("        {l}\n")).collect::<String>());

    check("a: [1, 2", 1, "not an ODCS contract in YAML");
    check("just some text", 1, "not an ODCS contract in YAML");
    check("", 1, "not an ODCS contract in YAML");
    check("apiVersion: v3.1.0\nkind: DataContract\n", 2, "missing field `version`");
    check("apiVersion: v2.2.2\nkind: DataContract\nversion: 1\n", 1, "apiVersion `v2.2.2`");
    check("apiVersion: v3.1.0\nkind: DataContract\nversion: 1\n", 2, "no schema object has the customProperty join");

    check(&v("physicalType: MONEY"), 9, "physicalType `MONEY`");
    check(&v("physicalType: DECIMAL(39,2)"), 9, "at most 38 digits");
    check(&v("physicalType: VARCHAR(70000)"), 9, "1 to 65535 bytes");
    check(&v("logicalType: money"), 9, "unknown logicalType `money`");
    check(&v("logicalType: number"), 9, "needs a physicalType");
    check(&v("logicalType: date\nphysicalType: INTEGER"), 9, "does not go with");
    check(&v("logicalType: integer\nlogicalTypeOptions: {minimum: 0.5}"), 10, "minimum 0.5 is no value of BIGINT");
    check(
        &v("logicalType: string\ncustomProperties:\n  - {property: clean, value: [trim, shout]}"),
        11,
        "unknown cleaning step \"shout\": known are trim",
    );
    check(&v("logicalType: string\ncustomProperties:\n  - {property: cleen, value: [trim]}"), 11, "unknown customProperty `cleen`");
    check(&v("logicalType: string\ncustomProperties:\n  - {property: onViolation, value: explode}"), 11, "unknown onViolation \"explode\"");
    check(&v("logicalType: integer\ncustomProperties:\n  - {property: default, value: many}"), 11, "default `many` is no value of BIGINT");
    check(
        &v("logicalType: string\nrequired: true\ncustomProperties: [{property: onViolation, value: null}]"),
        8,
        "onViolation cannot be null",
    );

    let good = v("logicalType: string");
    check(
        &good.replace("required: true, primaryKey: true}\n      - name: v", "required: true}\n      - name: v"),
        5,
        "`left` has no primaryKey",
    );
    check(&good.replace("primaryKey: true, transform", "transform"), 14, "`target` has no primaryKey");
    check(&good.replace("on: id", "on: nr"), 14, "`nr` is no column of `left`");
    check(&good.replace("left: left", "left: lift"), 14, "`lift` is no schema object");
    check(&good.replace("on: id}", "on: id, unmatched: drop}"), 14, "unknown unmatched `drop`");
    check(&good.replace("[left.v]", "[left.w]"), 18, "`left.w` is no column");
    check(&good.replace("name: v, transform", "name: \"v; drop\", transform"), 18, "is no table or column name");
    check(&good.replace("name: v, transform", "name: _v, transform"), 18, "kept for the pipeline's own columns");
    check(&good.replace("name: v, transform", "name: id, transform"), 18, "target column `id` stands twice");
    check(
        &good.replace("primaryKey: true, transformSourceObjects: [left.id]", "primaryKey: true, transformSourceObjects: [right.id]"),
        17,
        "key column `id` can be missing",
    );
    check(&good.replace("name: v, transform", "name: v, physicalType: VARCHAR(3), transform"), 18, "too narrow");
}

#[test]
fn lists_every_fault_at_once() {
    let contract =
        SHIPPED.replace("physicalType: INTEGER", "physicalType: INTEGRE").replace("[trim, empty_to_null, uppercase]", "[trim, SHOUT]");
    let faults = Plan::compile(contract.as_bytes()).unwrap_err().0;
    assert_eq!(faults.len(), 3, "{faults:#?}");
    assert!(faults.is_sorted_by_key(|f| f.line));
}
