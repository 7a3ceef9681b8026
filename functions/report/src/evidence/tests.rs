use pipeline::decimal::Decimal;
use pipeline::ledger::{Counts, Ledger};
use pipeline::manifest::{ContractRef, CustomersRef, RawBlob, Replay, RunInput, Written};
use pipeline::profile::{ColumnSummary, RejectedSample};
use pipeline::rule::Rule;
use pipeline::split::{Format, Split};
use serde_json::json;

use super::*;
use crate::model::{PastColumn, State, Verdict};

pub(crate) const STARTED: i64 = 1_795_658_400_000; // 2026-11-26T02:00:00Z

fn run_id(name: &str) -> pipeline::manifest::RunId {
    name.to_owned().try_into().unwrap()
}

fn execution(status: &str, seconds: i64) -> Execution {
    Execution {
        arn: "arn:aws:states:eu-west-1:123456789012:execution:crosstally-dev:nightly-1".into(),
        status: status.into(),
        started: STARTED,
        ended: STARTED + seconds * 1000,
        redrives: 0,
        input: json!({"scheduledAt": "2026-11-26T02:00:00Z"}),
        output: None,
        error: None,
        cause: None,
    }
}

/// Seconds since the start, kind, state.
fn events(list: &[(i64, &str, &str)]) -> Vec<Event> {
    let event = |&(at, kind, state): &(i64, &str, &str)| Event {
        at: STARTED + at * 1000,
        kind: kind.into(),
        state: (!state.is_empty()).then(|| state.into()),
    };
    list.iter().map(event).collect()
}

/// A run of which nothing is known but that it ended.
pub(crate) fn bare(status: &str) -> Evidence {
    Evidence {
        execution: execution(status, 100),
        events: Vec::new(),
        inputs: None,
        raw: None,
        is_raw_new: false,
        plan: None,
        parts: Vec::new(),
        profile: None,
        profiled: 0,
        glue_dpu_seconds: None,
        setup: Setup {
            pipeline: "crosstally-dev".into(),
            bucket: "data".into(),
            fetch_memory: 1024,
            merge_memory: 2048,
            trigger_memory: 512,
            prices: Prices { lambda_gb_second: 0.00001, state_transition: 0.000025, glue_dpu_hour: 0.44, redshift_rpu_hour: 0.375 },
            base_rpus: Some(8.0),
            jdbc_url: "jdbc:redshift://nightly.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439/dev".into(),
        },
        history: Vec::new(),
    }
}

fn part(split: u32, read: u64, bad: u64) -> Part {
    let written = |what: &str| Written { key: format!("runs/nightly-1/{what}/part-{split:05}.parquet"), bytes: 500, sha256: String::new() };
    let mut transactions = Counts { read, clean: read - bad, recognised: read, ..Counts::default() };
    (0..bad).for_each(|_| transactions.quarantine(Rule::Minimum, Some("amount")));
    let mut customers = Counts { read: 7, clean: 6, recognised: 7, ..Counts::default() };
    customers.quarantine(Rule::Required, Some("customer_id"));
    let sums = [("amount".to_owned(), Decimal { unscaled: 1250, scale: 2 })].into();
    let ledger = Ledger { transactions, customers, customers_superseded: 2, matched: read - bad, sums };
    Part { split, clean: written("clean"), quarantine: written("quarantine"), ledger }
}

fn raw() -> RawManifest {
    let blob = |name: &str, start: u64, end: u64, records: u64| RawBlob {
        uri: format!("https://shop.blob.core.windows.net/transactions/{name}"),
        etag: format!("0x{name}"),
        modified_at: "2026-11-26T01:30:00Z".into(),
        start,
        end,
        bytes: end - start,
        md5: "d41d8cd98f00b204e9800998ecf8427e".into(),
        content_md5: None,
        is_gzip: false,
        format: Some(Format::Ndjson),
        records,
    };
    RawManifest {
        uri: "https://shop.blob.core.windows.net/transactions/2026/".into(),
        version: "v1".into(),
        etag: "0xb.json".into(),
        modified_at: "2026-11-26T01:30:00Z".into(),
        raw_key: "raw/transactions/v1/2026".into(),
        original_key: None,
        bytes: 2_000_000,
        md5: String::new(),
        sha256: String::new(),
        crc64nvme: None,
        format: Format::Ndjson,
        records: 15,
        splits: vec![
            Split { start: 0, end: 1_000_000, records: 10, format: None },
            Split { start: 1_000_000, end: 2_000_000, records: 5, format: None },
        ],
        blobs: vec![blob("2026/a.json", 0, 1_200_000, 9), blob("2026/b.json", 1_200_000, 2_000_000, 6)],
        replay: None,
    }
}

/// A run that balanced: two splits, one look at the load more than needed.
pub(crate) fn balanced() -> Evidence {
    let history = [
        (0, "ExecutionStarted", ""),
        (0, "PassStateEntered", "PrepareRun"),
        (0, "PassStateExited", "PrepareRun"),
        (0, "TaskStateEntered", "FetchTransactions"),
        (0, "TaskScheduled", ""),
        (0, "TaskStarted", ""),
        (10, "TaskSucceeded", ""),
        (10, "TaskStateExited", "FetchTransactions"),
        (10, "ChoiceStateEntered", "WhatWasFetched"),
        (10, "ChoiceStateExited", "WhatWasFetched"),
        (10, "MapStateEntered", "MergeAndClean"),
        (30, "MapStateExited", "MergeAndClean"),
        (30, "TaskStateEntered", "StartLoad"),
        (30, "TaskScheduled", ""),
        (30, "TaskStarted", ""),
        (34, "TaskSucceeded", ""),
        (34, "TaskStateExited", "StartLoad"),
        (34, "WaitStateEntered", "WaitForLoad"),
        (49, "WaitStateExited", "WaitForLoad"),
        (49, "TaskStateEntered", "CheckLoad"),
        (49, "TaskScheduled", ""),
        (49, "TaskStarted", ""),
        (51, "TaskSucceeded", ""),
        (51, "TaskStateExited", "CheckLoad"),
        (51, "ChoiceStateEntered", "IsLoadFinished"),
        (51, "ChoiceStateExited", "IsLoadFinished"),
        (51, "WaitStateEntered", "WaitForLoad"),
        (66, "WaitStateExited", "WaitForLoad"),
        (66, "TaskStateEntered", "CheckLoad"),
        (66, "TaskScheduled", ""),
        (66, "TaskStarted", ""),
        (68, "TaskSucceeded", ""),
        (68, "TaskStateExited", "CheckLoad"),
        (68, "ChoiceStateEntered", "IsLoadFinished"),
        (68, "ChoiceStateExited", "IsLoadFinished"),
        (68, "SucceedStateEntered", "Done"),
        (68, "SucceedStateExited", "Done"),
        (68, "ExecutionSucceeded", ""),
    ];
    let output = json!({
        "run_id": "nightly-1", "status": "BALANCED", "finished": true,
        "ledger": {
            "rows_read": 15, "rows_loaded": 11, "rows_inserted": 8, "rows_updated": 2, "rows_unchanged": 1, "rows_superseded": 1,
            "rows_quarantined": 3, "rows_matched": 9, "rows_unmatched": 2, "load_seconds": "90.5", "run_seconds": "60",
            "sums": {"amount": {"clean": "25.00", "loaded": "20.00", "inserted": "12.00", "updated": "6.00", "unchanged": "2.00", "superseded": "5.00"}},
        },
    });
    Evidence {
        execution: Execution { output: Some(output), ..execution("SUCCEEDED", 68) },
        events: events(&history),
        inputs: Some(Inputs {
            run_id: run_id("nightly-1"),
            input: RunInput::default(),
            started_at: "2026-11-26T02:00:00Z".into(),
            contract: ContractRef { key: "runs/nightly-1/contract.odcs.yaml".into(), sha256: "abc".into(), version: "1.2.0".into() },
            customers: CustomersRef {
                uri: "s3://landing/customers.csv".into(),
                bucket: "landing".into(),
                key: "customers.csv".into(),
                etag: "e".into(),
                version_id: Some("3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY".into()),
                bytes: 700,
            },
            raw_manifest: "raw/transactions/v1/manifest-1.json".into(),
        }),
        raw: Some(raw()),
        is_raw_new: true,
        plan: Some(Plan::compile(include_bytes!("../../../../contract.odcs.yaml")).unwrap()),
        parts: vec![part(0, 10, 2), part(1, 5, 1)],
        glue_dpu_seconds: Some(180.0),
        ..bare("SUCCEEDED")
    }
}

#[test]
fn a_balanced_run_is_told_in_full() {
    let report = balanced().report();
    assert_eq!(
        (report.run.run_id.as_str(), report.run.seconds, report.run.table.as_deref()),
        ("nightly-1", 68.0, Some("analytics.customer_transactions"))
    );
    assert_eq!((report.run.started_at.as_str(), report.run.ended_at.as_str()), ("2026-11-26T02:00:00.000Z", "2026-11-26T02:01:08.000Z"));
    assert_eq!(report.run.contract_version.as_deref(), Some("1.2.0"));
    assert!(report.run.console.ends_with("details/arn:aws:states:eu-west-1:123456789012:execution:crosstally-dev:nightly-1"));
    assert_eq!(report.verdict, Verdict { outcome: Outcome::Balanced, error: None, note: None });
    let loaded = Loaded { inserted: 8, updated: 2, unchanged: 1, superseded: 1, matched: 9, unmatched: 2 };
    assert_eq!(report.rows, Some(Rows { read: 15, quarantined: 3, loaded: Some(loaded) }));
    assert_eq!(report.customers, Some(Customers { read: 7, kept: 4, superseded: 2, quarantined: 1 }));
    let sum = &report.sums[0];
    assert_eq!((sum.column.as_str(), sum.clean.as_str()), ("amount", "25.00"));
    let parts = [("loaded", "20.00"), ("superseded", "5.00")];
    assert_eq!(sum.parts.iter().map(|(fate, sum)| (fate.as_str(), sum.as_str())).collect::<Vec<_>>(), parts);
    let broken: Vec<(&str, &str, Option<&str>, u64)> =
        report.quarantine.iter().map(|b| (b.source.as_str(), b.rule.as_str(), b.column.as_deref(), b.rows)).collect();
    assert_eq!(
        broken,
        [("transactions", "amount.minimum", Some("amount"), 3), ("customers", "customer_id.required", Some("customer_id"), 1)]
    );
    let sources: Vec<(&str, u64, Option<u64>)> = report.sources.iter().map(|s| (s.name.as_str(), s.bytes, s.records)).collect();
    assert_eq!(sources, [("transactions", 2_000_000, Some(15)), ("customers", 700, Some(7))]);
    let speeds: Vec<(&str, u64, f64)> = report.speeds.iter().map(|s| (s.what.as_str(), s.bytes, s.seconds)).collect();
    assert_eq!(speeds, [("copied from Azure", 2_000_000, 10.0), ("merged and cleaned", 2_000_000, 20.0)]);
}

#[test]
fn the_states_are_on_a_line_of_time() {
    let report = balanced().report();
    let names: Vec<(&str, f64, f64, u32)> = report.states.iter().map(|s| (s.name.as_str(), s.start, s.end, s.visits)).collect();
    let expected = [
        ("PrepareRun", 0.0, 0.0, 1),
        ("FetchTransactions", 0.0, 10.0, 1),
        ("WhatWasFetched", 10.0, 10.0, 1),
        ("MergeAndClean", 10.0, 30.0, 1),
        ("StartLoad", 30.0, 34.0, 1),
        ("WaitForLoad", 34.0, 66.0, 2),
        ("CheckLoad", 49.0, 68.0, 2),
        ("IsLoadFinished", 51.0, 68.0, 2),
        ("Done", 68.0, 68.0, 1),
    ];
    assert_eq!(names, expected);
    assert!(report.states.iter().all(|state: &State| !state.has_failed && state.retries == 0));
}

#[test]
fn the_cost_is_that_of_what_was_used() {
    let cost = balanced().report().cost;
    let quantities: Vec<(&str, String)> = cost.items.iter().map(|item| (item.unit.as_str(), format!("{:.4}", item.quantity))).collect();
    // 10 s × 1 GB + (4 + 2 + 2) s × 0.5 GB; 12 states and 2 splits; 180 DPU-seconds; 90.5 s × 8 RPU.
    let expected = [("GB-seconds", "14.0000"), ("state transitions", "14.0000"), ("DPU-hours", "0.0500"), ("RPU-hours", "0.2011")];
    assert_eq!(quantities, expected.map(|(unit, quantity)| (unit, quantity.to_owned())));
    assert!(cost.note.contains("time of the splits is not known"), "{}", cost.note);
    let elsewhere = Evidence { setup: Setup { base_rpus: None, ..balanced().setup }, ..balanced() };
    assert_eq!(elsewhere.report().cost.items.len(), 3);
    let asleep = Evidence { events: events(&[(0, "TaskStateEntered", "FetchTransactions"), (3, "ExecutionFailed", "")]), ..bare("FAILED") };
    assert_eq!(asleep.report().cost.items.len(), 2, "a warehouse that nobody asked costs nothing");
}

fn profile() -> Profile {
    let rejected = |source: &str, rule: &str, offset: u64| RejectedSample {
        source: source.into(),
        rule: rule.into(),
        offset,
        column: None,
        record_bytes: 20,
        text: "{}".into(),
    };
    let rejected = vec![
        rejected("transactions", "amount.minimum", 40),
        rejected("customers", "amount.minimum", 1),
        rejected("transactions", "syntax", 2),
    ];
    Profile { rows: 12, millis: 30_000, raw_bytes: 2_000_000, rejected, ..Profile::default() }
}

#[test]
fn a_profile_shows_records_and_tells_the_time_of_the_splits() {
    let evidence = Evidence { profile: Some(profile()), profiled: 2, ..balanced() };
    let report = evidence.report();
    let offsets = |broken: &Broken| broken.samples.iter().map(|sample| sample.offset).collect::<Vec<_>>();
    assert_eq!(report.quarantine.iter().map(offsets).collect::<Vec<_>>(), [vec![40], vec![]]);
    // 14, and 30 s × 2 GB.
    assert!((report.cost.items[0].quantity - 74.0).abs() < 1e-9, "{:?}", report.cost.items[0]);
    assert!(!report.cost.note.contains("is not known"), "{}", report.cost.note);
}

#[test]
fn a_column_is_what_its_profile_says() {
    let summary = ColumnSummary {
        name: "amount".into(),
        kind: "DECIMAL(18,2)".into(),
        rows: 10,
        nulls: 1,
        distinct: 7,
        min: Some("0.50".into()),
        max: Some("9.00".into()),
        mean: Some("4.5".into()),
        mean_value: Some(4.5),
        frequent: vec![("1.00".into(), 3)],
    };
    let measured = columns::measured(summary);
    let past = drift::past_column(&measured.column, measured.mean);
    assert_eq!(past, PastColumn { name: "amount".into(), null_share: 0.1, distinct: 7, mean: Some(4.5) });
    let column = measured.column;
    assert_eq!((column.min.as_deref(), column.max.as_deref(), column.mean.as_deref()), (Some("0.50"), Some("9.00"), Some("4.5")));
    assert_eq!((column.frequent[0].value.as_str(), column.frequent[0].rows), ("1.00", 3));
}

#[test]
fn a_run_that_failed_early_says_what_is_known() {
    let cause = r#"{"errorType": "SourceMissing", "errorMessage": "there is no blob t.json: put it there"}"#;
    let evidence = Evidence {
        execution: Execution { error: Some("SourceMissing".into()), cause: Some(cause.into()), ..execution("FAILED", 3) },
        events: events(&[
            (0, "TaskStateEntered", "FetchTransactions"),
            (0, "TaskScheduled", ""),
            (3, "TaskFailed", ""),
            (3, "ExecutionFailed", ""),
        ]),
        ..bare("FAILED")
    };
    let report = evidence.report();
    let error = report.verdict.error.clone().unwrap();
    assert_eq!((error.name.as_str(), error.state.as_deref()), ("SourceMissing", Some("FetchTransactions")));
    assert_eq!((report.rows, report.customers, report.sources.len(), report.columns.len()), (None, None, 0, 0));
    assert_eq!(evidence.summary(&report).error.as_deref(), Some("SourceMissing"));
    // Not even that.
    let report = bare("ABORTED").report();
    assert_eq!((report.verdict.outcome, report.states.len(), report.run.table), (Outcome::Aborted, 0, None));
}

#[test]
fn books_that_are_not_whole_are_no_books() {
    let mut evidence = balanced();
    evidence.parts.pop();
    let report = evidence.report();
    assert_eq!((report.rows, report.quarantine.len(), report.sums.len()), (None, 0, 0));
    assert_eq!(report.speeds.len(), 1, "nor has all been merged");
    assert_eq!(report.sources.len(), 2);
}

#[test]
fn a_plan_says_what_would_have_been() {
    let mut evidence = balanced();
    evidence.execution.output = Some(json!({
        "status": "PLANNED", "ledger": null,
        "plan": {"rows_read": 15, "rows_inserted": 9, "rows_updated": 1, "rows_unchanged": 1, "rows_superseded": 1, "rows_written": 10, "rows_matched": 11, "ddl": []},
    }));
    let report = evidence.report();
    assert_eq!(report.verdict.outcome, Outcome::Planned);
    assert_eq!(
        report.rows.unwrap().loaded,
        Some(Loaded { inserted: 9, updated: 1, unchanged: 1, superseded: 1, matched: 11, unmatched: 0 })
    );
    assert_eq!(report.sums[0].parts.len(), 0);
}

#[test]
fn the_history_is_what_was_before() {
    let past = |run_id: &str, started_at: &str| PastRun {
        run_id: run_id.into(),
        started_at: started_at.into(),
        ..balanced().summary(&balanced().report())
    };
    let mut evidence = balanced();
    evidence.history = (10..45).map(|n| past(&format!("r{n}"), &format!("2026-10-01T00:00:{n}.000Z"))).collect();
    evidence.history.push(past("later", "2026-11-27T00:00:00.000Z"));
    evidence.history.push(past("nightly-1", "2026-11-25T00:00:00.000Z"));
    let report = evidence.report();
    assert_eq!(report.history.len(), PAST_RUNS);
    assert_eq!((report.history[0].run_id.as_str(), report.history[29].run_id.as_str()), ("r44", "r15"));
}

#[test]
fn a_replay_is_no_measure() {
    let mut evidence = balanced();
    if let Some(raw) = &mut evidence.raw {
        raw.replay = Some(Replay { of: run_id("nightly-0"), source_key: "k".into(), places_key: "p".into() });
    }
    let report = evidence.report();
    assert_eq!(evidence.summary(&report).columns.len(), 0);
    assert_eq!(report.speeds.iter().map(|speed| speed.what.as_str()).collect::<Vec<_>>(), ["merged and cleaned"]);
}

#[test]
fn a_name_that_is_no_runs_is_made_one() {
    let run_id = |name: &str| {
        let arn = format!("arn:aws:states:eu-west-1:1:execution:m:{name}");
        Execution { arn, ..execution("FAILED", 1) }.run_id().to_string()
    };
    assert_eq!(run_id("nightly-1"), "nightly-1");
    let dotted = run_id("nightly.1");
    assert!(dotted.starts_with("nightly-1-") && dotted.len() == "nightly-1-".len() + 16, "{dotted}");
    assert_ne!(dotted, run_id("nightly+1"));
    assert!(!run_id("..").contains('.') && run_id("").len() > 1);
    let long = run_id(&"ü".repeat(80));
    assert!(long.len() <= 80, "{long}");
}

#[test]
fn an_instant_is_as_long_as_any_other() {
    let check = |millis: i64, expected: &str| assert_eq!(instant(millis), expected);
    check(STARTED, "2026-11-26T02:00:00.000Z");
    check(STARTED + 7, "2026-11-26T02:00:00.007Z");
    check(0, "1970-01-01T00:00:00.000Z");
    check(-1, "1969-12-31T23:59:59.999Z");
}

/// The names that are known here are those of the state machine, each with its function.
#[test]
fn the_states_are_the_state_machines() {
    let machine: Value = serde_json::from_str(include_str!("../../../../statemachine.asl.json")).unwrap();
    let states = machine["States"].as_object().unwrap();
    let function = |name: &str| states[name]["Arguments"]["FunctionName"].as_str().unwrap_or_default().to_owned();
    for (name, expected) in [
        ("FetchTransactions", "${FetchFunctionArn}"),
        ("ReportFailedSplit", "${MergeFunctionArn}"),
        ("StartLoad", "${TriggerFunctionArn}"),
        ("CheckLoad", "${TriggerFunctionArn}"),
    ] {
        assert_eq!(function(name), expected, "{name}");
    }
    assert_eq!(states.values().filter(|state| state["Type"] == "Task").count(), 4, "a task whose cost nobody counts");
    assert_eq!(states["MergeAndClean"]["Catch"][0]["Next"], "ReportFailedSplit");
}
