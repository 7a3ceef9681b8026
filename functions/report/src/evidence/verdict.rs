//! How a run ended, in one of six words, and why.

use serde::Deserialize;

use super::stays::Stay;
use super::{Execution, Output};
use crate::model::{Outcome, RunError, Verdict};

/// It fails with the error of another state's work: that one is to be named.
const SPEAKS_FOR: (&str, &str) = ("ReportFailedSplit", "MergeAndClean");

pub(super) fn verdict(execution: &Execution, output: &Output, stays: &[Stay]) -> Verdict {
    let outcome = outcome(execution, output);
    let is_bad = matches!(outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Aborted);
    let error = is_bad.then(|| error(execution, outcome, ended_in(stays)));
    Verdict { outcome, error, note: note(outcome, output) }
}

fn outcome(execution: &Execution, output: &Output) -> Outcome {
    match execution.status.as_str() {
        "TIMED_OUT" => Outcome::TimedOut,
        "ABORTED" => Outcome::Aborted,
        "SUCCEEDED" if matches!(output.outcome.as_str(), "unchanged" | "empty") => Outcome::NothingToLoad,
        "SUCCEEDED" if output.status == "PLANNED" => Outcome::Planned,
        // No other way leads to the state machine's end.
        "SUCCEEDED" => Outcome::Balanced,
        _ => Outcome::Failed,
    }
}

fn note(outcome: Outcome, output: &Output) -> Option<String> {
    match outcome {
        Outcome::NothingToLoad if output.outcome == "empty" => Some("The source has no blob, which may be so.".to_owned()),
        Outcome::NothingToLoad => {
            let since = output.since_run.as_ref().map_or(String::new(), |run| format!(" since run {run}"));
            Some(format!("Sources and contract have not changed{since}."))
        }
        Outcome::Planned => Some("Done in a transaction and rolled back: the table is as it was.".to_owned()),
        _ => None,
    }
}

/// The state that was never left, by the name of the one whose work failed.
fn ended_in(stays: &[Stay]) -> Option<String> {
    let last = stays.iter().rev().find(|stay| stay.has_failed)?;
    let name = if last.name == SPEAKS_FOR.0 { SPEAKS_FOR.1 } else { &last.name };
    Some(name.to_owned())
}

/// What a function that failed leaves in the cause.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfFunction {
    error_type: Option<String>,
    error_message: String,
}

fn error(execution: &Execution, outcome: Outcome, state: Option<String>) -> RunError {
    let cause = execution.cause.as_deref().unwrap_or_default();
    let of_function: Option<OfFunction> = serde_json::from_str(cause).ok();
    let (own_name, message) = match of_function {
        Some(OfFunction { error_type, error_message }) => (error_type, error_message),
        None => (None, cause.to_owned()),
    };
    let name = own_name.or_else(|| execution.error.clone()).filter(|name| !name.is_empty());
    let message = if message.is_empty() { without_words(outcome, state.as_deref()) } else { message };
    RunError { name: name.unwrap_or_else(|| execution.status.clone()), message, state }
}

/// Step Functions gives no reason for what it ends itself.
fn without_words(outcome: Outcome, state: Option<&str>) -> String {
    let place = state.map_or(String::new(), |state| format!(" in {state}"));
    match outcome {
        Outcome::TimedOut => format!("the run reached the state machine's time limit{place}: see what it waited for, then redrive it"),
        Outcome::Aborted => format!("somebody stopped the run{place}: redrive it to go on from there"),
        _ => format!("the run failed{place} and gave no reason: look at the execution's history"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn execution(status: &str, error: Option<&str>, cause: Option<&str>) -> Execution {
        Execution {
            arn: "arn:aws:states:eu-west-1:1:execution:m:run-1".into(),
            status: status.into(),
            started: 0,
            ended: 1,
            redrives: 0,
            input: json!({}),
            output: None,
            error: error.map(str::to_owned),
            cause: cause.map(str::to_owned),
        }
    }

    #[test]
    fn a_run_ends_in_one_of_six_ways() {
        let check = |status: &str, output: serde_json::Value, expected: Outcome| {
            let verdict = verdict(&execution(status, None, None), &serde_json::from_value(output.clone()).unwrap(), &[]);
            assert_eq!(verdict.outcome, expected, "{status} {output}");
            assert_eq!(verdict.error.is_some(), matches!(expected, Outcome::Failed | Outcome::TimedOut | Outcome::Aborted));
        };
        check("SUCCEEDED", json!({"status": "BALANCED"}), Outcome::Balanced);
        check("SUCCEEDED", json!({"status": "PLANNED"}), Outcome::Planned);
        check("SUCCEEDED", json!({"outcome": "unchanged", "since_run": "run-0"}), Outcome::NothingToLoad);
        check("SUCCEEDED", json!({"outcome": "empty"}), Outcome::NothingToLoad);
        check("SUCCEEDED", json!({}), Outcome::Balanced);
        check("FAILED", json!({}), Outcome::Failed);
        check("TIMED_OUT", json!({}), Outcome::TimedOut);
        check("ABORTED", json!({}), Outcome::Aborted);
    }

    #[test]
    fn an_error_is_named_by_whoever_knows_it_best() {
        let check = |status: &str, error: Option<&str>, cause: Option<&str>, expected: (&str, &str)| {
            let verdict = verdict(&execution(status, error, cause), &Output::default(), &[]);
            let found = verdict.error.unwrap();
            assert_eq!((found.name.as_str(), found.message.as_str()), expected);
        };
        let of_function = r#"{"errorType": "SourceMissing", "errorMessage": "there is no blob"}"#;
        check("FAILED", Some("SourceMissing"), Some(of_function), ("SourceMissing", "there is no blob"));
        check("FAILED", Some("States.TaskFailed"), Some(of_function), ("SourceMissing", "there is no blob"));
        check("FAILED", Some("Lambda.Unknown"), Some(r#"{"errorMessage": "timed out"}"#), ("Lambda.Unknown", "timed out"));
        check("FAILED", Some("States.Runtime"), Some("no such field"), ("States.Runtime", "no such field"));
        check("FAILED", Some("States.Runtime"), Some(r#"{"a": 1}"#), ("States.Runtime", r#"{"a": 1}"#));
        let stopped = "somebody stopped the run: redrive it to go on from there";
        check("ABORTED", None, None, ("ABORTED", stopped));
        check("ABORTED", Some(""), Some(""), ("ABORTED", stopped));
        check("ABORTED", Some("Maintenance"), Some("by ops"), ("Maintenance", "by ops"));
    }

    #[test]
    fn the_state_is_the_one_whose_work_failed() {
        let stay = |name: &str, has_failed: bool| Stay { name: name.into(), has_failed, ..Stay::default() };
        let check = |stays: &[Stay], expected: Option<&str>| {
            let verdict = verdict(&execution("FAILED", Some("E"), None), &Output::default(), stays);
            assert_eq!(verdict.error.unwrap().state.as_deref(), expected);
        };
        check(&[stay("PrepareRun", false), stay("FetchTransactions", true)], Some("FetchTransactions"));
        check(&[stay("MergeAndClean", true), stay("ReportFailedSplit", true)], Some("MergeAndClean"));
        check(&[stay("StartLoad", true), stay("CheckLoad", true)], Some("CheckLoad"));
        check(&[], None);
    }
}
