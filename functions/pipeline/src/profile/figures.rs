//! What a column's values come to: those of a row group, of a split, of a run.

use std::hash::Hash;

use hashbrown::{HashMap, HashSet};
use parquet::file::statistics::Statistics;
use serde::{Deserialize, Serialize};

use super::as_text;
use super::distinct::Distinct;
use super::frequent::Frequent;
use crate::columns::{Column, TextValues, Values};
use crate::rows::JoinKeys;
use crate::types::Type;

/// A value that compares with others of its column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Scalar {
    /// Unscaled, as [`crate::types::Bound::Exact`] counts.
    Exact(#[serde(with = "as_text")] i128),
    Double(#[serde(with = "as_text")] f64),
    /// As many characters of it as tell where it is cut.
    Text(String),
}

/// More of a text is not kept: a report shows no more.
const SHOWN_CHARS: usize = 64;

impl Scalar {
    fn text(bytes: &[u8]) -> Self {
        Self::Text(String::from_utf8_lossy(bytes).chars().take(SHOWN_CHARS + 1).collect())
    }

    fn is_less(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a < b,
            (Self::Double(a), Self::Double(b)) => a < b,
            (Self::Text(a), Self::Text(b)) => a < b,
            // Of one column, both are of one kind.
            _ => false,
        }
    }

    /// As the warehouse would show it.
    pub(super) fn show(&self, kind: Type) -> String {
        match self {
            Self::Exact(n) => kind.show(*n),
            Self::Double(x) => double(*x),
            Self::Text(text) if text.chars().nth(SHOWN_CHARS).is_none() => text.clone(),
            Self::Text(text) => text.chars().take(SHOWN_CHARS).chain(['…']).collect(),
        }
    }
}

/// As PostgreSQL and Redshift write it: all the digits that tell it from its neighbours, and a power of ten where it is far from 1.
fn double(x: f64) -> String {
    if x == 0.0 || (1e-4..1e15).contains(&x.abs()) {
        // The two zeros are one.
        return (x + 0.0).to_string();
    }
    let text = format!("{x:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    match power.strip_prefix('-') {
        Some(power) => format!("{digits}e-{power:0>2}"),
        None => format!("{digits}e+{power:0>2}"),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Range {
    pub(super) min: Scalar,
    pub(super) max: Scalar,
}

impl Range {
    fn merge(&mut self, other: Self) {
        if other.min.is_less(&self.min) {
            self.min = other.min;
        }
        if self.max.is_less(&other.max) {
            self.max = other.max;
        }
    }

    pub(super) fn of_texts<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Option<Self> {
        let range = |range: Option<(&'t [u8], &'t [u8])>, text: &'t [u8]| match range {
            None => Some((text, text)),
            Some((min, max)) => Some((min.min(text), max.max(text))),
        };
        texts.fold(None, range).map(|(min, max)| Self { min: Scalar::text(min), max: Scalar::text(max) })
    }

    pub(super) fn of_numbers(numbers: impl Iterator<Item = i128> + Clone) -> Option<Self> {
        let (min, max) = (numbers.clone().min()?, numbers.max()?);
        Some(Self { min: Scalar::Exact(min), max: Scalar::Exact(max) })
    }

    pub(super) fn of_doubles(doubles: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let (min, max) = (doubles.clone().reduce(f64::min)?, doubles.reduce(f64::max)?);
        Some(Self { min: Scalar::Double(min), max: Scalar::Double(max) })
    }

    /// The range that a column chunk tells of itself; `None` where it tells none.
    fn of_statistics(statistics: &Statistics) -> Option<Self> {
        let exact = |min: i128, max: i128| Some(Self { min: Scalar::Exact(min), max: Scalar::Exact(max) });
        match statistics {
            Statistics::Int32(s) => exact((*s.min_opt()?).into(), (*s.max_opt()?).into()),
            Statistics::Int64(s) => exact((*s.min_opt()?).into(), (*s.max_opt()?).into()),
            Statistics::Double(s) => Some(Self { min: Scalar::Double(*s.min_opt()?), max: Scalar::Double(*s.max_opt()?) }),
            Statistics::ByteArray(s) => Some(Self { min: Scalar::text(s.min_opt()?.data()), max: Scalar::text(s.max_opt()?.data()) }),
            _ => None,
        }
    }
}

/// What values come to; what is not wanted of them is left as it is of none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(super) nulls: u64,
    pub(super) range: Option<Range>,
    /// Of numbers.
    pub(super) sum: Option<Scalar>,
    pub(super) distinct: Distinct,
    pub(super) frequent: Frequent,
}

impl Figures {
    pub(crate) fn merge(&mut self, other: Self) {
        self.nulls += other.nulls;
        match (&mut self.range, other.range) {
            (Some(range), Some(other)) => range.merge(other),
            (range, other) => *range = range.take().or(other),
        }
        match (&mut self.sum, other.sum) {
            // A run whose sums leave this range has failed.
            (Some(Scalar::Exact(sum)), Some(Scalar::Exact(other))) => *sum = sum.saturating_add(other),
            (Some(Scalar::Double(sum)), Some(Scalar::Double(other))) => *sum += other,
            (sum, other) => *sum = sum.take().or(other),
        }
        self.distinct.merge(&other.distinct);
        self.frequent.merge(&other.frequent);
    }

    /// Of flags, of which so many are true.
    pub(super) fn of_flags(yes: u64, no: u64) -> Self {
        let counted = [("true", 1, yes), ("false", 0, no)];
        let mut distinct = Distinct::default();
        distinct.add_words(counted.iter().filter(|(.., rows)| *rows > 0).map(|(_, word, _)| *word));
        let frequent = Frequent::of(counted.into_iter().map(|(name, _, rows)| (name, rows)), str::to_owned);
        Self { distinct, frequent, ..Self::default() }
    }

    /// Keeps nothing that shows a value.
    pub(super) fn hide(&mut self) {
        self.range = None;
        self.frequent = Frequent::uncounted();
    }
}

/// Takes the figures of row groups' columns, keeping its buffer from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// By number of a dictionary, its rows.
    counts: Vec<u32>,
}

/// Whether a column's texts and large numbers repeat themselves is judged by so many of them.
const TRIAL: usize = 1_024;

/// As many different whole numbers may lie next to each other to be counted by their distance.
const SPAN: i64 = 4_096;

impl Observer {
    /// Of a row group's column, and the statistics of its chunk.
    pub(crate) fn column(&mut self, column: &Column, statistics: Option<&Statistics>, kind: Type, is_shown: bool) -> Figures {
        let range = statistics.and_then(Range::of_statistics);
        let mut figures = match &column.values {
            Values::Text(texts) => self.texts(texts, range, kind),
            Values::Int32(v) => self.whole_numbers(v, range, |n| i64::from(*n), kind),
            Values::Int64(v) => self.whole_numbers(v, range, |n| *n, kind),
            Values::Wide { numbers, .. } => {
                let mut figures = counted(numbers, |n| [*n >> 64, *n].map(low_word), |n| kind.show(*n));
                figures.range = Range::of_numbers(numbers.iter().copied());
                figures
            }
            Values::Double(doubles) => {
                let bits: Vec<u64> = doubles.iter().map(|x| (x + 0.0).to_bits()).collect();
                let mut figures = counted(&bits, |bits| [0, *bits], |bits| double(f64::from_bits(*bits)));
                figures.sum = (!doubles.is_empty()).then(|| Scalar::Double(doubles.iter().sum()));
                Figures { range, ..figures }
            }
            Values::Boolean(flags) => {
                let yes = flags.iter().filter(|flag| **flag).count();
                Figures::of_flags(yes as u64, (flags.len() - yes) as u64)
            }
        };
        let nulls = statistics.and_then(Statistics::null_count_opt);
        figures.nulls = nulls.unwrap_or_else(|| column.present.iter().filter(|present| !**present).count() as u64);
        if !is_shown {
            figures.hide();
        }
        figures
    }

    /// Of the keys that no customer has. The others' come with their customers.
    pub(crate) fn unmatched_keys(&mut self, keys: &JoinKeys, is_shown: bool) -> Figures {
        let arena = keys.unmatched.arena();
        self.count(arena.len(), keys.ids.iter().copied());
        let mut figures = Figures {
            nulls: keys.present.iter().filter(|present| !**present).count() as u64,
            range: Range::of_texts(arena.iter()),
            frequent: self.frequent(|id| String::from_utf8_lossy(arena.get(id)).into_owned()),
            ..Figures::default()
        };
        figures.distinct.add_texts(arena.iter());
        if !is_shown {
            figures.hide();
        }
        figures
    }

    fn texts(&mut self, texts: &TextValues, range: Option<Range>, kind: Type) -> Figures {
        let mut figures = Figures::default();
        // An order of JSON texts says nothing of their values; and statistics leave out what is long.
        let range = |all: &mut dyn Iterator<Item = &[u8]>| if kind == Type::Super { None } else { range.or_else(|| Range::of_texts(all)) };
        if texts.plain.is_empty() {
            let arena = texts.dictionary.arena();
            self.count(arena.len(), texts.ids.iter().copied());
            figures.distinct.add_texts(arena.iter());
            figures.frequent = self.frequent(|id| String::from_utf8_lossy(arena.get(id)).into_owned());
            figures.range = range(&mut arena.iter());
        } else {
            figures.distinct.add_texts(texts.plain.iter());
            figures.frequent = Frequent::uncounted();
            figures.range = range(&mut texts.plain.iter());
        }
        figures
    }

    fn whole_numbers<T>(&mut self, values: &[T], range: Option<Range>, number: impl Fn(&T) -> i64, kind: Type) -> Figures
    where
        T: Copy + Eq + Hash,
    {
        let show = |n: i64| kind.show(n.into());
        let ends = match &range {
            Some(Range { min: Scalar::Exact(min), max: Scalar::Exact(max) }) => i64::try_from(*min).ok().zip(i64::try_from(*max).ok()),
            _ => None,
        };
        let narrow = ends.and_then(|(min, max)| Some((min, max.checked_sub(min).filter(|span| *span < SPAN)?)));
        let figures = match narrow {
            Some((min, span)) => {
                let place = |n: i64| u32::try_from(n - min).unwrap_or_default();
                let at = |place: u32| min + i64::from(place);
                self.count(usize::try_from(span).unwrap_or_default() + 1, values.iter().map(|value| place(number(value))));
                let mut distinct = Distinct::default();
                let seen = (0u32..).zip(&self.counts).filter(|(_, rows)| **rows > 0);
                distinct.add_words(seen.map(|(place, _)| word(at(place))));
                Figures { distinct, frequent: self.frequent(|place| show(at(place))), ..Figures::default() }
            }
            None => counted(values, |value| [0, word(number(value))], |value| show(number(value))),
        };
        Figures { range, ..figures }
    }

    /// Counts the rows of each of so many numbers.
    pub(crate) fn count(&mut self, numbers: usize, ids: impl Iterator<Item = u32>) -> &[u32] {
        self.counts.clear();
        self.counts.resize(numbers, 0);
        for id in ids {
            if let Some(count) = self.counts.get_mut(id as usize) {
                // No group has so many rows.
                *count = count.wrapping_add(1);
            }
        }
        &self.counts
    }

    fn frequent(&self, show: impl Fn(u32) -> String) -> Frequent {
        Frequent::of((0u32..).zip(self.counts.iter().map(|rows| u64::from(*rows))), show)
    }
}

/// Values told apart by two words: counted where they repeat themselves.
fn counted<T: Copy + Eq + Hash>(values: &[T], words: impl Fn(&T) -> [u64; 2], show: impl Fn(&T) -> String) -> Figures {
    // Multiplied, so that a word and another with its high bits set are not the same.
    let word = |value: &T| {
        let [high, low] = words(value);
        low ^ high.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    };
    let mut figures = Figures::default();
    let trial = &values[..values.len().min(TRIAL)];
    if trial.iter().collect::<HashSet<_>>().len() > trial.len() / 2 {
        figures.distinct.add_words(values.iter().map(word));
        figures.frequent = Frequent::uncounted();
    } else {
        let mut rows = HashMap::<T, u64>::new();
        values.iter().for_each(|value| *rows.entry(*value).or_default() += 1);
        figures.distinct.add_words(rows.keys().map(word));
        figures.frequent = Frequent::of(rows.iter().map(|(value, rows)| (value, *rows)), show);
    }
    figures
}

fn word(number: i64) -> u64 {
    u64::from_le_bytes(number.to_le_bytes())
}

fn low_word(number: i128) -> u64 {
    let [low, _]: [u64; 2] = bytemuck::cast(number);
    low
}
