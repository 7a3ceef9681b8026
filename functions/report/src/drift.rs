//! Whether a column is other than it used to be: its share of nulls, its distinct values and its mean beside the medians of the runs
//! before. Nothing is decided by it; it says where to look.

use crate::model::{Column, Moved, PastColumn, PastRun};

/// From here on a change is worth a word: points of the share of nulls.
const NULLS: f64 = 0.01;
/// Parts of what it was.
const RELATIVE: f64 = 0.2;

/// A column and what drift is told by.
pub(crate) struct Measured {
    pub(crate) column: Column,
    pub(crate) mean: Option<f64>,
}

/// The columns, each beside the same one in the runs before; `history` has what it was in those that balanced.
pub(crate) fn compared(columns: Vec<Measured>, history: &[PastRun], is_whole: bool) -> Vec<Column> {
    let compared = |Measured { column, mean }: Measured| {
        let now = past_column(&column, mean);
        let moved = if is_whole { moved(&now, column.rows, history) } else { None };
        Column { moved, ..column }
    };
    columns.into_iter().map(compared).collect()
}

pub(crate) fn past_column(column: &Column, mean: Option<f64>) -> PastColumn {
    PastColumn { name: column.name.clone(), null_share: share(column.nulls, column.rows), distinct: column.distinct, mean }
}

fn moved(now: &PastColumn, rows: u64, history: &[PastRun]) -> Option<Moved> {
    let then: Vec<(&PastColumn, u64)> = history.iter().filter_map(|run| Some((run.column(&now.name)?, run.clean_rows()))).collect();
    let null_share = median(then.iter().map(|(column, _)| column.null_share))?;
    let distinct = median(then.iter().map(|(column, _)| float(column.distinct)))?;
    let distinct_share = median(then.iter().map(|&(column, rows)| share(column.distinct, rows)))?;
    let mean = median(then.iter().filter_map(|(column, _)| column.mean));

    let of_nulls = (now.null_share - null_share).abs();
    // More rows have more keys, and as many countries: what has moved is neither in step with the rows nor the same.
    let of_distinct = relative(float(now.distinct), distinct).min(relative(share(now.distinct, rows), distinct_share));
    let of_mean = now.mean.zip(mean).map_or(0.0, |(now, then)| relative(now, then));
    let words = [
        (of_nulls >= NULLS).then(|| format!("nulls {} → {}", percent(null_share), percent(now.null_share))),
        (of_distinct >= RELATIVE).then(|| format!("distinct values {} → {}", plain(distinct), now.distinct)),
        now.mean.zip(mean).filter(|_| of_mean >= RELATIVE).map(|(now, then)| format!("mean {} → {}", plain(then), plain(now))),
    ];
    let what = words.into_iter().flatten().collect::<Vec<_>>().join(", ");
    Some(Moved { null_share, distinct, mean, by: of_nulls.max(of_distinct).max(of_mean), what })
}

impl PastRun {
    fn column(&self, name: &str) -> Option<&PastColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    fn clean_rows(&self) -> u64 {
        self.rows.map_or(0, |rows| rows.read.saturating_sub(rows.quarantined))
    }
}

/// Of no numbers there is none; of an even number of them it is the middle of the two in the middle.
fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.filter(|number| number.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied()?;
    let lower = if sorted.len().is_multiple_of(2) { *sorted.get(middle.checked_sub(1)?)? } else { upper };
    Some(f64::midpoint(lower, upper))
}

/// How far it has gone, as a part of the larger of both: 0 for nothing, 1 for all, more where the sign has changed.
fn relative(now: f64, then: f64) -> f64 {
    let larger = now.abs().max(then.abs());
    if larger == 0.0 { 0.0 } else { (now - then).abs() / larger }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate anyway")]
fn float(number: u64) -> f64 {
    number as f64
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent >= 10.0 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// Three digits that count, and no more behind the point than it takes.
fn plain(number: f64) -> String {
    let digits = if number.abs() >= 100.0 || number.fract() == 0.0 {
        0
    } else if number.abs() >= 1.0 {
        2
    } else {
        4
    };
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Outcome, Rows};

    fn past(rows: u64, nulls: f64, distinct: u64, mean: Option<f64>) -> PastRun {
        PastRun {
            run_id: "run-0".into(),
            started_at: "2026-11-25T02:00:00.000Z".into(),
            outcome: Outcome::Balanced,
            error: None,
            rows: Some(Rows { read: rows, quarantined: 0, loaded: None }),
            seconds: 1.0,
            cost: 0.0,
            bytes: None,
            columns: vec![PastColumn { name: "c".into(), null_share: nulls, distinct, mean }],
        }
    }

    fn column(rows: u64, nulls: u64, distinct: u64) -> Column {
        Column {
            name: "c".into(),
            kind: "BIGINT".into(),
            rows,
            nulls,
            distinct,
            min: None,
            max: None,
            mean: None,
            frequent: Vec::new(),
            moved: None,
        }
    }

    fn moved_of(now: (u64, u64, u64, Option<f64>), history: &[PastRun]) -> Option<Moved> {
        let (rows, nulls, distinct, mean) = now;
        compared(vec![Measured { column: column(rows, nulls, distinct), mean }], history, true).remove(0).moved
    }

    #[test]
    fn says_what_is_other_than_it_was() {
        let check = |now, history: &[PastRun], expected: &str| assert_eq!(moved_of(now, history).unwrap().what, expected);
        let usual = || [past(1000, 0.002, 40, Some(12.5)), past(1100, 0.002, 40, Some(12.5)), past(900, 0.004, 41, Some(12.9))];
        check((1000, 2, 40, Some(12.5)), &usual(), "");
        check((1000, 140, 40, Some(12.5)), &usual(), "nulls 0.2 % → 14 %");
        check((1000, 2, 80, Some(12.5)), &usual(), "distinct values 40 → 80");
        check((1000, 2, 40, Some(-3.0)), &usual(), "mean 12.50 → -3");
        check((1000, 1000, 0, None), &usual(), "nulls 0.2 % → 100 %, distinct values 40 → 0");
        // As many countries in three times the rows, and three times the keys.
        check((3000, 6, 40, Some(12.5)), &usual(), "");
        check((3000, 0, 3000, None), &[past(1000, 0.0, 1000, None)], "");
        check((3000, 0, 1000, None), &[past(3000, 0.0, 3000, None)], "distinct values 3000 → 1000");
    }

    #[test]
    fn there_is_nothing_to_say_without_runs_to_compare() {
        assert_eq!(moved_of((10, 0, 1, None), &[]), None);
        let failed = PastRun { columns: Vec::new(), ..past(1, 1.0, 1, None) };
        assert_eq!(moved_of((10, 0, 1, None), &[failed]), None);
        let replay = compared(vec![Measured { column: column(1, 1, 0), mean: None }], &[past(1, 0.0, 1, None)], false);
        assert_eq!(replay[0].moved, None);
    }

    #[test]
    fn one_odd_run_does_not_move_what_is_usual() {
        let history = [past(10, 0.0, 5, None), past(10, 1.0, 0, None), past(10, 0.0, 5, None)];
        let moved = moved_of((10, 0, 5, None), &history).unwrap();
        assert_eq!((moved.null_share, moved.distinct, moved.by, moved.what.as_str()), (0.0, 5.0, 0.0, ""));
    }

    proptest! {
        /// A median has as many numbers below as above.
        #[test]
        fn a_median_is_in_the_middle(numbers in proptest::collection::vec(-1e6..1e6f64, 1..40)) {
            let middle = median(numbers.iter().copied()).unwrap();
            let below = numbers.iter().filter(|&&n| n < middle).count();
            let above = numbers.iter().filter(|&&n| n > middle).count();
            prop_assert!(below <= numbers.len() / 2 && above <= numbers.len() / 2);
        }

        /// What is as it was has not moved, and whatever it is now, the change is a number.
        #[test]
        fn a_change_is_a_number(rows in 1u64..1000, nulls in 0u64..1000, distinct in 0u64..1000, mean in proptest::option::of(-1e9..1e9f64)) {
            let nulls = nulls.min(rows);
            let same = past(rows, share(nulls, rows), distinct, mean);
            prop_assert_eq!(moved_of((rows, nulls, distinct, mean), &[same]).unwrap().by, 0.0);
            let other = moved_of((rows, nulls, distinct, mean), &[past(7, 0.5, 3, Some(0.0))]).unwrap();
            prop_assert!(other.by.is_finite() && other.by >= 0.0);
        }
    }
}
