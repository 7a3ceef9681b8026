use super::*;
use crate::evidence::tests::{balanced, bare};

fn shown(evidence: &Evidence) -> [Value; 2] {
    events(evidence, &evidence.report())
}

/// The lines that the tests of the stack read with OpenLineage's own client.
#[test]
#[expect(clippy::disallowed_methods, reason = "UPDATE_GOLDEN=1 is for whoever runs the tests")]
fn the_events_are_as_they_were() {
    let cause = r#"{"errorType": "LedgerMismatch", "errorMessage": "3 is not 4"}"#;
    let mut failed = balanced();
    failed.execution.status = "FAILED".into();
    failed.execution.output = None;
    failed.execution.cause = Some(cause.into());
    for (name, evidence) in [("balanced", balanced()), ("failed", failed), ("bare", bare("ABORTED"))] {
        let path = format!("{}/tests/openlineage/{name}.ndjson", env!("CARGO_MANIFEST_DIR"));
        let lines = ndjson(&shown(&evidence));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &lines).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(lines.replace(env!("CARGO_PKG_VERSION"), "0.1.0"), golden, "{path}: UPDATE_GOLDEN=1 writes it anew");
    }
}

#[test]
fn a_run_starts_and_ends() {
    let check = |evidence: &Evidence, expected: &str, outputs: usize| {
        let [started, ended] = shown(evidence);
        assert_eq!((&started["eventType"], &ended["eventType"]), (&json!("START"), &json!(expected)));
        assert_eq!(started["run"]["runId"], ended["run"]["runId"]);
        assert_eq!(ended["outputs"].as_array().map(Vec::len), Some(outputs));
        assert_eq!(ended["run"]["facets"].get("errorMessage").is_some(), expected != "COMPLETE");
        assert_eq!(started["run"]["facets"].get("errorMessage"), None);
    };
    check(&balanced(), "COMPLETE", 1);
    for (status, expected) in [("FAILED", "FAIL"), ("TIMED_OUT", "FAIL"), ("ABORTED", "ABORT")] {
        check(&bare(status), expected, 0);
        let mut evidence = balanced();
        evidence.execution.status = status.into();
        check(&evidence, expected, 0);
    }
    let mut plan = balanced();
    plan.execution.output = Some(json!({"status": "PLANNED"}));
    check(&plan, "COMPLETE", 0);
}

#[test]
fn every_column_says_where_it_comes_from() {
    let [started, _] = shown(&balanced());
    let fields = started["outputs"][0]["facets"]["columnLineage"]["fields"].as_object().unwrap();
    let plan = balanced().plan.unwrap();
    assert_eq!(fields.len(), plan.target.columns.len());
    let from = |column: &str| -> Vec<String> {
        let inputs = fields[column]["inputFields"].as_array().unwrap();
        let one = |i: &Value| {
            format!(
                "{} {} {}",
                i["name"].as_str().unwrap(),
                i["field"].as_str().unwrap(),
                i["transformations"][0]["type"].as_str().unwrap()
            )
        };
        inputs.iter().map(one).collect()
    };
    assert_eq!(from("amount"), ["2026/a.json amount DIRECT", "2026/b.json amount DIRECT"]);
    let joined = ["2026/a.json customer_id INDIRECT", "2026/b.json customer_id INDIRECT", "customers.csv customer_id INDIRECT"];
    assert_eq!(from("customer_matched"), joined);
    assert_eq!(from("email"), [&["customers.csv email DIRECT"], &joined[..]].concat());
}

#[test]
fn a_run_has_one_name_however_often_it_is_reported() {
    let arn = "arn:aws:states:eu-west-1:1:execution:m:run-1";
    let first = run_uuid(arn, 0);
    assert_eq!(first, run_uuid(arn, 0));
    assert_ne!(first, run_uuid(arn, 1));
    assert_ne!(first, run_uuid("arn:aws:states:eu-west-1:1:execution:m:run-2", 0));
    let digits: Vec<usize> = first.split('-').map(str::len).collect();
    assert_eq!(digits, [8, 4, 4, 4, 12]);
    assert_eq!(&first[14..15], "8", "the version");
    assert!(matches!(&first[19..20], "8" | "9" | "a" | "b"), "the variant of RFC 9562: {first}");
}
