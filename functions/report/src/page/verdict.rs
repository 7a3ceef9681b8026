//! How the run ended, in one line, and what to know first.

use crate::format;
use crate::model::{Cost, Outcome, Report, Rows};

/// What the outcome is called, in a word or two.
pub(crate) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Balanced => "balanced",
        Outcome::Planned => "planned",
        Outcome::NothingToLoad => "nothing to load",
        Outcome::Failed => "failed",
        Outcome::TimedOut => "timed out",
        Outcome::Aborted => "aborted",
    }
}

/// The style sheet's class.
pub(crate) fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Balanced => "good",
        Outcome::Planned | Outcome::NothingToLoad => "same",
        Outcome::Failed | Outcome::TimedOut | Outcome::Aborted => "bad",
    }
}

fn sentence(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Balanced => "The warehouse itself says that every row read was loaded, superseded or quarantined.",
        Outcome::Planned => "Everything was done in the load's transaction, and rolled back: the table is as it was.",
        Outcome::NothingToLoad => "The run ended well without a load: the table is as it was.",
        Outcome::Failed => "The run ended in an error.",
        Outcome::TimedOut => "The run took longer than it may, and was ended.",
        Outcome::Aborted => "The run was stopped by hand.",
    }
}

pub(crate) struct Verdict {
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
    pub(crate) sentence: &'static str,
    pub(crate) error: Option<ErrorView>,
    pub(crate) note: String,
    pub(crate) figures: Vec<Figure>,
}

pub(crate) struct ErrorView {
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) state: String,
}

pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) hint: String,
}

/// Sums among the big figures; all are in a table below.
const SUMS: usize = 2;

pub(crate) fn view(report: &Report) -> Verdict {
    let outcome = report.verdict.outcome;
    let error = report.verdict.error.as_ref().map(|error| ErrorView {
        name: format::text(&error.name, 80),
        message: format::text(&error.message, 4_000),
        state: error.state.as_deref().map(|state| format::text(state, 80)).unwrap_or_default(),
    });
    let mut figures = report.rows.as_ref().map(|rows| rows_figures(rows, outcome)).unwrap_or_default();
    for sum in report.sums.iter().take(SUMS) {
        let loaded = sum.parts.get("loaded").unwrap_or(&sum.clean);
        let what = if sum.parts.contains_key("loaded") { in_table(outcome) } else { "of the clean rows" };
        figures.push(Figure {
            name: format!("sum of {}", format::text(&sum.column, 40)),
            value: format::decimal(&format::text(loaded, 40)),
            hint: what.to_owned(),
        });
    }
    figures.push(plain("time", format::seconds(report.run.seconds)));
    figures.push(Figure { name: "cost".to_owned(), value: format::dollars(report.cost.total), hint: cost_hint(&report.cost) });
    Verdict {
        class: class(outcome),
        word: word(outcome),
        sentence: sentence(outcome),
        error,
        note: report.verdict.note.as_deref().map(|note| format::text(note, 2_000)).unwrap_or_default(),
        figures,
    }
}

fn cost_hint(cost: &Cost) -> String {
    if cost.items.is_empty() { String::new() } else { "estimated".to_owned() }
}

fn plain(name: &str, value: String) -> Figure {
    Figure { name: name.to_owned(), value, hint: String::new() }
}

fn in_table(outcome: Outcome) -> &'static str {
    if outcome == Outcome::Planned { "would be loaded" } else { "loaded" }
}

fn rows_figures(rows: &Rows, outcome: Outcome) -> Vec<Figure> {
    let of_read = |name: &str, n: u64| Figure { name: name.to_owned(), value: format::count(n), hint: format::share(n, rows.read) };
    let mut figures = vec![plain("rows read", format::count(rows.read))];
    if let Some(loaded) = &rows.loaded {
        figures.push(of_read(in_table(outcome), loaded.rows()));
        figures.push(of_read("superseded", loaded.superseded));
    }
    figures.push(of_read("quarantined", rows.quarantined));
    figures
}
