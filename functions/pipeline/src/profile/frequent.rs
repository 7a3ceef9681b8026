//! The values that most rows have: few counts, of many values.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A count is short of its value's rows by less than a 48th part of all rows, and not at all while there are no more values than this.
const KEPT: usize = 48;

/// Longer values are not shown, so they are not counted.
const MAX_CHARS: usize = 64;

/// Counts that never are too high.
/// Algorithm: Agarwal et al., "Mergeable Summaries", which is Misra and Gries' for more than one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frequent {
    counts: BTreeMap<String, u64>,
    /// Whether these are all values, with all their rows.
    is_whole: bool,
}

/// Of nothing.
impl Default for Frequent {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), is_whole: true }
    }
}

impl Frequent {
    /// Of values that are not counted, since nearly each has one row, or nobody is to see them.
    pub(super) fn uncounted() -> Self {
        Self { counts: BTreeMap::new(), is_whole: false }
    }

    /// Of distinct values with their rows; `show` is asked for few of them. Those without a row do not count.
    pub(super) fn of<V>(counted: impl Iterator<Item = (V, u64)>, show: impl Fn(V) -> String) -> Self {
        let mut counted: Vec<(V, u64)> = counted.filter(|(_, rows)| *rows > 0).collect();
        let mut short_by = 0;
        if counted.len() > KEPT {
            let (_, next, _) = counted.select_nth_unstable_by_key(KEPT, |(_, rows)| Reverse(*rows));
            short_by = next.1;
        }
        let mut found = Self { counts: BTreeMap::new(), is_whole: short_by == 0 };
        for (value, rows) in counted.into_iter().filter(|(_, rows)| *rows > short_by) {
            let text = show(value);
            if text.chars().nth(MAX_CHARS).is_none() {
                // Values of one look are one.
                *found.counts.entry(text).or_default() += rows - short_by;
            } else {
                found.is_whole = false;
            }
        }
        found
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (value, rows) in &other.counts {
            match self.counts.get_mut(value) {
                Some(count) => *count += rows,
                None => _ = self.counts.insert(value.clone(), *rows),
            }
        }
        self.is_whole &= other.is_whole;
        if self.counts.len() > KEPT {
            let mut rows: Vec<u64> = self.counts.values().copied().collect();
            let short_by = *rows.select_nth_unstable_by_key(KEPT, |rows| Reverse(*rows)).1;
            self.counts.values_mut().for_each(|rows| *rows = rows.saturating_sub(short_by));
            self.counts.retain(|_, rows| *rows > 0);
            self.is_whole = false;
        }
    }

    /// How many values there are, if that is known exactly.
    pub(super) fn distinct(&self) -> Option<u64> {
        self.is_whole.then_some(self.counts.len() as u64)
    }

    /// Most frequent first; equally frequent ones in their order. Of values that are not all counted, those with a hundredth of so many
    /// rows at least: a count of fewer would be the least part of the truth.
    pub(super) fn top(&self, length: usize, rows: u64) -> Vec<(String, u64)> {
        let fewest = if self.is_whole { 1 } else { rows.div_ceil(100) };
        let frequent = self.counts.iter().filter(|(_, rows)| **rows >= fewest);
        let mut top: Vec<_> = frequent.map(|(value, rows)| (value.clone(), *rows)).collect();
        top.sort_by_key(|(_, rows)| Reverse(*rows));
        top.truncate(length);
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count(values: &[u8]) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        values.iter().for_each(|value| *counts.entry(value.to_string()).or_default() += 1);
        counts
    }

    fn of(values: &[u8]) -> Frequent {
        Frequent::of(count(values).into_iter(), |value| value)
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let mut found = of(&[1, 2, 2, 3, 3]);
        found.merge(&of(&[3, 0]));
        assert_eq!(found.top(3, 6), [("3".to_owned(), 3), ("2".to_owned(), 2), ("0".to_owned(), 1)]);
        assert_eq!(found.distinct(), Some(4));
        found.merge(&Frequent::uncounted());
        assert_eq!((found.distinct(), found.top(9, 6).len()), (None, 4));
        // The three as a hundredth of so many, and no others.
        assert_eq!(found.top(9, 300), [("3".to_owned(), 3)]);
    }

    #[test]
    fn long_values_are_not_counted() {
        let found = Frequent::of([("é".repeat(64), 1), ("é".repeat(65), 9)].into_iter(), |value| value);
        assert_eq!((found.top(5, 10), found.distinct()), (vec![("é".repeat(64), 1)], None));
    }

    proptest! {
        /// However the rows are cut up, no count is too high, and none is short by more than its share.
        #[test]
        fn counts_are_near_from_below(
            parts in proptest::collection::vec(proptest::collection::vec(prop_oneof![0u8..9, any::<u8>()], 0..400), 1..8),
        ) {
            let mut found = Frequent::default();
            parts.iter().for_each(|part| found.merge(&of(part)));
            let all = parts.concat();
            let most = all.len() as u64 / (KEPT as u64 + 1);
            let top: BTreeMap<String, u64> = found.top(KEPT, 0).into_iter().collect();
            prop_assert_eq!(found.top(usize::MAX, 0).len(), top.len());
            for (value, rows) in count(&all) {
                let counted = top.get(&value).copied().unwrap_or_default();
                prop_assert!(counted <= rows && rows - counted <= most, "{}: {} of {}", value, counted, rows);
            }
            if let Some(distinct) = found.distinct() {
                prop_assert_eq!(distinct, count(&all).len() as u64);
            }
        }
    }
}
