//! The history of an execution as stays in its states.

use std::collections::BTreeMap;

use super::{Event, seconds};
use crate::model::State;

/// One stay in a state; milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stay {
    pub(super) name: String,
    pub(super) start: i64,
    pub(super) end: i64,
    /// Tries of its task.
    pub(super) tries: u32,
    /// Milliseconds that its task was being tried.
    pub(super) busy: i64,
    pub(super) has_failed: bool,
    /// How often the execution had been redriven.
    pub(super) redrives: u32,
    /// A redrive goes on in the state that failed, without entering it again.
    pub(super) is_entered: bool,
}

impl Stay {
    pub(super) fn millis(&self) -> i64 {
        self.end - self.start
    }

    /// What Step Functions bills: a state that is entered, and a task that is tried again.
    /// Source: AWS Step Functions pricing, Standard Workflows.
    pub(super) fn transitions(&self) -> u64 {
        let again = if self.is_entered { self.tries.saturating_sub(1) } else { self.tries };
        u64::from(self.is_entered) + u64::from(again)
    }
}

/// The stays in their order; one that nobody left ends with the execution.
pub(super) fn stays(events: &[Event], ended: i64) -> Vec<Stay> {
    let mut stays: Vec<Stay> = Vec::new();
    let mut open = Open::default();
    for event in events {
        let at = event.at;
        match event.kind.as_str() {
            kind if kind.ends_with("StateEntered") => {
                // What was taken up again is entered after all.
                open.stay = Some(Stay {
                    name: event.state.clone().unwrap_or_default(),
                    start: at,
                    end: at,
                    redrives: open.redrives,
                    is_entered: true,
                    ..Stay::default()
                });
                open.trying_since = None;
            }
            kind if kind.ends_with("StateExited") => stays.extend(open.close(at, false)),
            "TaskScheduled" | "LambdaFunctionScheduled" => open.begin(at),
            "TaskStarted" | "LambdaFunctionStarted" => open.trying_since = Some(at),
            "MapRunFailed" | "MapRunAborted" | "MapStateFailed" | "MapStateAborted" => {
                if let Some(stay) = &mut open.stay {
                    stay.has_failed = true;
                }
            }
            "ExecutionFailed" | "ExecutionTimedOut" | "ExecutionAborted" => stays.extend(open.close(at, true)),
            "ExecutionRedriven" => {
                open.redrives += 1;
                let name = stays.iter().rev().find(|stay| stay.has_failed).map(|stay| stay.name.clone());
                open.stay = name.map(|name| Stay { name, start: at, end: at, redrives: open.redrives, ..Stay::default() });
            }
            kind if is_end_of_try(kind) => open.end(at),
            _ => {}
        }
    }
    stays.extend(open.close(ended, true));
    stays
}

fn is_end_of_try(kind: &str) -> bool {
    let of_task = kind.strip_prefix("Task").or_else(|| kind.strip_prefix("LambdaFunction"));
    matches!(of_task, Some("Succeeded" | "Failed" | "TimedOut" | "StartFailed" | "SubmitFailed" | "ScheduleFailed"))
}

#[derive(Default)]
struct Open {
    stay: Option<Stay>,
    trying_since: Option<i64>,
    redrives: u32,
}

impl Open {
    fn begin(&mut self, at: i64) {
        self.trying_since = Some(at);
        if let Some(stay) = &mut self.stay {
            stay.tries += 1;
        }
    }

    fn end(&mut self, at: i64) {
        if let (Some(since), Some(stay)) = (self.trying_since.take(), &mut self.stay) {
            stay.busy += at - since;
        }
    }

    fn close(&mut self, at: i64, has_failed: bool) -> Option<Stay> {
        self.end(at);
        let stay = self.stay.take()?;
        Some(Stay { end: at, has_failed: has_failed || stay.has_failed, ..stay })
    }
}

/// As they are shown: the visits of a state that a loop leads to again and again are one stay, from the first to the last; what came
/// after a redrive is another.
pub(super) fn states(stays: &[Stay], started: i64) -> Vec<State> {
    let mut states: Vec<State> = Vec::new();
    let mut shown: BTreeMap<(u32, &str), usize> = BTreeMap::new();
    for stay in stays {
        let retries = stay.tries.saturating_sub(1);
        let at = *shown.entry((stay.redrives, &stay.name)).or_insert(states.len());
        match states.get_mut(at) {
            Some(state) => {
                state.end = seconds(stay.end - started);
                state.took += seconds(stay.millis());
                state.visits += 1;
                state.retries += retries;
                state.has_failed |= stay.has_failed;
            }
            None => states.push(State {
                name: stay.name.clone(),
                start: seconds(stay.start - started),
                end: seconds(stay.end - started),
                took: seconds(stay.millis()),
                visits: 1,
                retries,
                has_failed: stay.has_failed,
            }),
        }
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `at kind state` a line.
    fn history(text: &str) -> Vec<Event> {
        let event = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Event { at: words[0].parse().unwrap(), kind: words[1].into(), state: words.get(2).map(|&word| word.into()) }
        };
        text.lines().filter(|line| !line.trim().is_empty()).map(event).collect()
    }

    /// `name start-end tries busy`, with `!` behind a name that failed.
    fn check(text: &str, expected: &[&str], transitions: u64) {
        let stays = stays(&history(text), 9000);
        let shown = |s: &Stay| format!("{}{} {}-{} {} {}", s.name, if s.has_failed { "!" } else { "" }, s.start, s.end, s.tries, s.busy);
        assert_eq!(stays.iter().map(shown).collect::<Vec<_>>(), expected);
        assert_eq!(stays.iter().map(Stay::transitions).sum::<u64>(), transitions);
    }

    #[test]
    fn a_task_is_tried_until_it_succeeds() {
        let text = "
            0 ExecutionStarted
            1 PassStateEntered PrepareRun
            1 PassStateExited PrepareRun
            2 TaskStateEntered FetchTransactions
            2 TaskScheduled
            3 TaskStarted
            10 TaskFailed
            30 TaskScheduled
            31 TaskStarted
            50 TaskSucceeded
            50 TaskStateExited FetchTransactions
            51 ExecutionSucceeded";
        check(text, &["PrepareRun 1-1 0 0", "FetchTransactions 2-50 2 26"], 3);
    }

    #[test]
    fn a_state_that_nobody_left_has_failed() {
        let failed = "
            1 TaskStateEntered StartLoad
            1 TaskScheduled
            7 TaskFailed
            8 ExecutionFailed";
        check(failed, &["StartLoad! 1-8 1 6"], 1);
        let cut_short = "
            1 WaitStateEntered WaitForLoad";
        check(cut_short, &["WaitForLoad! 1-9000 0 0"], 1);
        check("1 TaskStateEntered CheckLoad\n1 TaskScheduled\n5 ExecutionTimedOut", &["CheckLoad! 1-5 1 4"], 1);
        check("0 ExecutionStarted\n1 ExecutionAborted", &[], 0);
        check("", &[], 0);
    }

    #[test]
    fn a_map_that_is_caught_has_failed_all_the_same() {
        let text = "
            1 MapStateEntered MergeAndClean
            1 MapRunStarted
            5 MapRunFailed
            5 MapStateFailed
            5 MapStateExited MergeAndClean
            5 TaskStateEntered ReportFailedSplit
            5 TaskScheduled
            6 TaskFailed
            6 ExecutionFailed";
        check(text, &["MergeAndClean! 1-5 0 0", "ReportFailedSplit! 5-6 1 1"], 2);
    }

    #[test]
    fn a_redrive_goes_on_where_the_run_failed() {
        let text = "
            1 TaskStateEntered StartLoad
            1 TaskScheduled
            3 TaskFailed
            3 ExecutionFailed
            100 ExecutionRedriven
            100 TaskScheduled
            104 TaskSucceeded
            104 TaskStateExited StartLoad
            104 SucceedStateEntered Done
            105 SucceedStateExited Done
            105 ExecutionSucceeded";
        check(text, &["StartLoad! 1-3 1 2", "StartLoad 100-104 1 4", "Done 104-105 0 0"], 3);
        let entered_again = "
            1 TaskStateEntered A
            3 ExecutionFailed
            10 ExecutionRedriven
            11 TaskStateEntered A
            12 TaskStateExited A";
        check(entered_again, &["A! 1-3 0 0", "A 11-12 0 0"], 2);
    }

    #[test]
    fn a_loop_is_shown_as_one_stay_a_state() {
        let mut text = String::new();
        for look in 0..3 {
            let at = 1000 + look * 100;
            text.push_str(&format!("{at} WaitStateEntered WaitForLoad\n{} WaitStateExited WaitForLoad\n", at + 60));
            text.push_str(&format!("{} TaskStateEntered CheckLoad\n{} TaskScheduled\n", at + 60, at + 60));
            text.push_str(&format!("{} TaskSucceeded\n{} TaskStateExited CheckLoad\n", at + 90, at + 90));
        }
        text.push_str("1400 ExecutionFailed\n5000 ExecutionRedriven\n5000 WaitStateEntered WaitForLoad\n5100 WaitStateExited WaitForLoad");
        let shown = states(&stays(&history(&text), 9000), 1000);
        let state = |name: &str, [start, end, took]: [f64; 3], visits: u32| State {
            name: name.into(),
            start,
            end,
            took,
            visits,
            retries: 0,
            has_failed: false,
        };
        let expected = [
            state("WaitForLoad", [0.0, 0.26, 0.18], 3),
            state("CheckLoad", [0.06, 0.29, 0.09], 3),
            state("WaitForLoad", [4.0, 4.1, 0.1], 1),
        ];
        assert_eq!(shown, expected);
    }
}
