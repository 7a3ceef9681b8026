//! What was wrong with the records that were not taken.

use std::collections::BTreeMap;

use crate::charts::{self, Chart, Span, Tone};
use crate::format;
use crate::model::{Broken, Rows, Sample};

/// Rules shown open, with their records; and those behind them, without.
const FIRST: usize = 12;
const REST: usize = 200;
const SAMPLES: usize = 5;
const SAMPLE_CHARS: usize = 600;
/// Columns in the chart.
const COLUMNS: usize = 10;

pub(crate) struct Quarantine {
    /// Rows quarantined by column, if there are at least two columns.
    pub(crate) chart: Option<Chart>,
    pub(crate) first: Vec<Rule>,
    pub(crate) rest: Vec<Rule>,
    pub(crate) has_samples: bool,
    /// Neither first nor rest.
    pub(crate) left_out: usize,
}

pub(crate) struct Rule {
    pub(crate) rule: String,
    pub(crate) column: String,
    pub(crate) source: String,
    pub(crate) rows: String,
    pub(crate) share: String,
    pub(crate) samples: Vec<Record>,
}

pub(crate) struct Record {
    pub(crate) offset: String,
    pub(crate) bytes: String,
    pub(crate) text: String,
}

pub(crate) fn view(broken: &[Broken], rows: Option<&Rows>) -> Quarantine {
    let read = rows.map_or(0, |rows| rows.read);
    let mut ordered: Vec<&Broken> = broken.iter().collect();
    ordered.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.rule.cmp(&b.rule)));
    let first: Vec<Rule> = ordered.iter().take(FIRST).map(|broken| rule(broken, read, SAMPLES)).collect();
    Quarantine {
        chart: chart(broken),
        has_samples: first.iter().any(|rule| !rule.samples.is_empty()),
        first,
        rest: ordered.iter().skip(FIRST).take(REST).map(|broken| rule(broken, read, 0)).collect(),
        left_out: ordered.len().saturating_sub(FIRST + REST),
    }
}

fn rule(broken: &Broken, read: u64, samples: usize) -> Rule {
    let record = |sample: &Sample| Record {
        offset: format::count(sample.offset),
        bytes: format::count(sample.record_bytes),
        text: format::text(&sample.text, SAMPLE_CHARS),
    };
    Rule {
        rule: format::text(&broken.rule, 120),
        column: broken.column.as_deref().map_or_else(|| "–".to_owned(), |column| format::text(column, 80)),
        source: format::text(&broken.source, 40),
        rows: format::count(broken.rows),
        share: format::share(broken.rows, read),
        samples: broken.samples.iter().take(samples).map(record).collect(),
    }
}

fn chart(broken: &[Broken]) -> Option<Chart> {
    let mut by_column: BTreeMap<&str, u64> = BTreeMap::new();
    for broken in broken {
        let rows = by_column.entry(broken.column.as_deref().unwrap_or("whole record")).or_default();
        *rows = rows.saturating_add(broken.rows);
    }
    if by_column.len() < 2 {
        return None;
    }
    let mut columns: Vec<_> = by_column.into_iter().collect();
    columns.sort_by_key(|&(_, rows)| std::cmp::Reverse(rows));
    let bars: Vec<Span> = columns
        .iter()
        .take(COLUMNS)
        .map(|&(column, rows)| Span { label: charts::label(column), start: 0.0, end: format::ratio(rows, 1), tone: Tone::Bad })
        .collect();
    let most: Vec<String> =
        columns.iter().take(3).map(|&(column, rows)| format!("{} {}", format::text(column, 40), format::count(rows))).collect();
    let words = format!("Bars: rows quarantined by column, most of them {}", most.join(", "));
    Some(charts::lying(&bars, "rows quarantined", 390.0, words))
}
