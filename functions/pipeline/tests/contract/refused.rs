//! Contracts that are refused, with every fault and its line.

use pipeline::contract::Plan;

use super::{EVERYTHING, compile, v};

fn refused(contract: &str, line: u64, expected: &str) {
    let faults = Plan::compile(contract.as_bytes()).expect_err(expected).0;
    let found = faults.iter().any(|f| f.line == line && f.message.contains(expected));
    assert!(found, "line {line}: {expected}\n{faults:#?}");
}

#[test]
fn refuses_a_document_with_the_line() {
    refused("a: [1, 2", 1, "not readable as YAML: unclosed bracket");
    refused(&"[".repeat(1_000), 1, "not readable as YAML");
    refused("a: 1\n---\nb: 2\n", 3, "not readable as YAML: multiple YAML documents detected");
    refused("just some text", 1, "the contract is a map, not a single value");
    refused("", 1, "the contract is a map, not nothing");
    refused("apiVersion: v3.1.0\nkind: DataContract\n", 1, "the contract has no `version`");
    refused("apiVersion: v2.2.2\nkind: DataContract\nversion: 1\n", 1, "apiVersion `v2.2.2`");
    refused("apiVersion: v3.1.0\nkind: Data\nversion: 1\n", 2, "kind `Data` is not DataContract");
    refused("apiVersion: v3.1.0\nkind: DataContract\nversion: 1\n", 1, "no schema object has the customProperty join");

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
    refused(&options("SMALLINT", "exclusiveMinimum: 32767"), 10, "no value of SMALLINT lies inside exclusiveMinimum 32767");
    refused(&options("DATE", "exclusiveMaximum: 0001-01-01"), 10, "no value of DATE lies inside");
    refused(&options("DOUBLE", "exclusiveMaximum: -1.7976931348623157e308"), 10, "no value of DOUBLE PRECISION lies inside");
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
    refused(&quality("INT", "metric: invalidValues, arguments: {validValues: []}, mustBe: 0"), 11, "validValues is empty");
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
    refused(&custom("INT", "clean, value: [{cut: 2}]"), 12, "unknown cleaning step `cut`");
    refused(&custom("INT", "clean, value: [{trim: false}]"), 12, "the cleaning step `trim` takes nothing");
    refused(&custom("INT", "clean, value: [{}]"), 12, "an empty cleaning step");
    refused(&custom("INT", "clean, value: [{map: {a: b}, null_values: [c]}]"), 12, "`null_values` is a cleaning step of its own");
    refused(&custom("INT", "cleen, value: [trim]"), 12, "unknown customProperty `cleen`: known here: clean, default, onViolation, mask");
    refused(&custom("INT", "onViolation, value: explode"), 12, "unknown onViolation `explode`: known are quarantine, null, fail");
    refused(&custom("INT", "default, value: many"), 12, "default `many` is no value of INTEGER");
    refused(&custom("INT", "default"), 12, "a customProperty has no `value`");
    refused(&custom("INT", "default, value: 1}\n  - {property: default, value: 2"), 13, "customProperty `default` stands twice");
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
    let key =
        |is: &str| good.replacen("{name: id, logicalType: string, required: true, primaryKey: true}", &format!("{{name: id, {is}}}"), 1);
    refused(&key("logicalType: string, required: true"), 5, "`left` has no primaryKey");
    refused(&key("logicalType: string, primaryKey: true"), 7, "key column `id` must be required: true");
    let keyed = "required: true, primaryKey: true";
    let custom =
        |property: &str| format!("logicalType: string, {keyed}, classification: restricted, customProperties: [{{property: {property}}}]");
    refused(&key(&custom("default, value: x")), 7, "key column `id` has a default");
    refused(&key(&format!("physicalType: DOUBLE, {keyed}")), 7, "key column `id` is DOUBLE PRECISION");
    refused(&key(&custom("mask, value: last4")), 16, "key column `id` takes a value with mask last4, which makes different keys the same");
    refused(&key(&custom("mask, value: redact")), 16, "makes different keys the same");
    assert!(compile(&key(&custom("mask, value: sha256"))).needs_salt());

    check("primaryKey: true, transform", "transform", 13, "`target` has no primaryKey");
    check("on: id", "on: nr", 14, "`nr` is no column of `left`");
    check("on: id", "on: {left: v, right: nr}", 14, "`nr` is no column of `right`");
    check("on: id", "on: {left: v, rite: id}", 14, "`rite` is no field of the join's `on`");
    check("on: id", "on: {left: v, rite: id}", 14, "the join's `on` has no `right`");
    check("on: id", "on: [id]", 14, "the join's `on` is a column's name or {left: name, right: name}, not a list");
    check(", on: id", "", 14, "the join has no `on`");
    check("on: id", "on: id, how: inner", 14, "`how` is no field of the join");
    check("left: left", "left: lift", 14, "`lift` is no schema object");
    check("on: id}", "on: id, unmatched: drop}", 14, "unknown unmatched `drop`");
    check(
        "        logicalType: string\n  - name: right\n    properties:\n      - {name: id, logicalType: string",
        "        logicalType: string\n  - name: right\n    properties:\n      - {name: id, logicalType: integer",
        14,
        "the join compares `id` VARCHAR(65535) with `id` BIGINT",
    );
    check("[left.v]", "[left.w]", 17, "`left.w` is no column");
    check(", transformSourceObjects: [left.v]", "", 17, "target column `v` needs exactly one transformSourceObjects entry");
    check("[left.v]", "[left.v, left.id]", 17, "needs exactly one transformSourceObjects entry");
    check("name: v, transform", "name: \"v; drop\", transform", 17, "is no table or column name");
    check(
        "name: target",
        "name: target\n    physicalName: crosstally.ledger",
        14,
        "the schema `crosstally` is kept for the pipeline's own",
    );
    check("name: v, transform", "name: _v, transform", 17, "kept for the pipeline's own columns");
    check("name: v, transform", "name: ctid, transform", 17, "`ctid` is a name the warehouse keeps for itself");
    check("name: v, transform", "name: id, transform", 17, "target column `id` stands twice");
    let many: String = (0..1_600).map(|n| format!("      - {{name: v{n}, transformSourceObjects: [left.v]}}\n")).collect();
    refused(&format!("{good}{many}"), 13, "a table has at most 1596 columns");
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
}

/// All that is said of a contract, which is refused.
fn faults(contract: &str) -> Vec<String> {
    Plan::compile(contract.as_bytes()).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn lists_every_fault_at_once() {
    let contract = "apiVersion: v3.1.0
kind: [DataContract]
version: 1.0.0
schema:
  - name: left
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - name: v
        physicalType: INTEGRE
        required: maybe
        logicalTypeOptions: [pattern]
      - name: w
        physicalType: VARCHAR(9)
        required: {}
        unique: 0
        required: true
        logicalTypeOptions: {minLength: [1], maxLength: -1}
        customProperties:
          - {property: clean, value: trim}
          - {property: clean, value: [[trim], {map: [a]}, {null_values: a}, {null_values: [{}]}, shout]}
          - {property: default, value: [1]}
          - {value: 1}
        quality:
          - {metric: invalidValues, arguments: [], mustBe: 0}
          - {metric: invalidValues, arguments: {validValues: a, pattern: {}}, mustBe: 0}
          - nullValues
  - name: right
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {logicalType: string}
  - name: target
    customProperties: [{property: join, value: {left: left, right: [right], unmatched: drop}}]
    properties: 3
  - target
customProperties: {minRows: 1}
";
    let expected = [
        "line 2: `kind` is a single value, not a list",
        "line 9: physicalType `INTEGRE`: known are",
        "line 10: `required` is true or false, not `maybe`",
        "line 11: `logicalTypeOptions` is a map, not a list",
        "line 14: `required` is true or false, not a map",
        "line 15: `unique` is true or false, not `0`",
        "line 16: the field `required` stands twice",
        "line 17: `minLength` is a single value, not a list",
        "line 17: maxLength -1 is not a whole number",
        "line 19: `clean` is a list of cleaning steps, like [trim, empty_to_null], not a single value",
        "line 20: a cleaning step is a single value, not a list",
        "line 20: `map` is a map, not a list",
        "line 20: `null_values` is a list, not a single value",
        "line 20: an item of `null_values` is a single value, not a map",
        "line 20: unknown cleaning step `shout`",
        "line 21: `default` is a single value, not a list",
        "line 22: a customProperty has no `property`",
        "line 24: `arguments` is a map, not a list",
        "line 25: `validValues` is a list, not a single value",
        "line 25: `pattern` is a single value, not a map",
        "line 26: a quality rule is a map, not a single value",
        "line 30: a column has no `name`",
        "line 32: `right` is a single value, not a list",
        "line 32: the join has no `on`",
        "line 33: `properties` is a list, not a single value",
        "line 34: a schema object is a map, not a single value",
        "line 35: `customProperties` is a list, not a map",
    ];
    let found = faults(contract);
    for expected in expected {
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{expected}\n{found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(Plan::compile(contract.as_bytes()).unwrap_err().0.is_sorted_by_key(|fault| fault.line));
}

/// What could not be read may hold what seems to be missing.
#[test]
fn a_fault_is_told_without_its_consequences() {
    let good = v("logicalType: string");
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert!(good.contains(from), "{from}");
        assert_eq!(faults(&good.replacen(from, to, 1)), expected, "{to}");
    };
    check("version: 1.0.0\n", "", &["line 1: the contract has no `version`"]);
    check(
        "properties:\n      - {name: id, logicalType",
        "properties:\n      - {nam: id, logicalType",
        &["line 7: `nam` is no field of a column: did you mean `name`?", "line 7: a column has no `name`"],
    );
    check("required: true", "required: [true]", &["line 7: `required` is true or false, not a list"]);
    check("primaryKey: true", "primaryKey: null", &["line 7: `primaryKey` is true or false, not nothing"]);
    check("{left: left, right: right, on: id}", "left", &["line 14: the join is a map, not a single value"]);
    check("customProperties: [{", "customProperties: {", &["line 14: not readable as YAML: misplaced bracket"]);
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
