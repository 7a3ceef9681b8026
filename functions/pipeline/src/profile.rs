//! What the clean rows of a split look like, column by column, and a few of the records that broke a rule.
//!
//! Profiles merge: those of a run's splits come to that of the run, whatever their order. Counts, ends and sums of exact numbers are
//! exact; how many distinct values there are is an estimate, and the rows of frequent values are counted from below. Nothing in a
//! profile shows a value that the contract calls restricted.

mod distinct;
mod figures;
mod frequent;
mod rejected;

use serde::{Deserialize, Serialize};

pub(crate) use self::figures::{Figures, Observer};
use self::figures::{Range, Scalar};
use self::frequent::Frequent;
pub use self::rejected::RejectedSample;
pub(crate) use self::rejected::Samples;
use crate::columns::Physical;
use crate::contract::{Origin, Plan};
use crate::customers::{Customers, NULL, exact_number};
use crate::decimal::Decimal;
use crate::ledger::Ledger;
use crate::types::Type;

/// Of one split, or of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Clean ones.
    pub rows: u64,
    /// What the splits took, one after the other.
    pub millis: u64,
    /// Of the transactions as they were read.
    pub raw_bytes: u64,
    /// In the order of the target's.
    pub columns: Vec<ColumnProfile>,
    /// By source and rule, lowest offsets first.
    pub rejected: Vec<RejectedSample>,
}

/// Of one column of the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    name: String,
    #[serde(with = "as_text")]
    kind: Type,
    is_restricted: bool,
    figures: Figures,
}

/// A column's profile in words and numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSummary {
    pub name: String,
    /// As the table's DDL has it.
    pub kind: String,
    pub rows: u64,
    pub nulls: u64,
    /// An estimate: a standard error of 2.3 %, and exact where [`Self::frequent`] was picked from all values.
    pub distinct: u64,
    /// As the warehouse would show it, long texts cut; `None` without values, of restricted columns, and of types without an order.
    pub min: Option<String>,
    pub max: Option<String>,
    /// Of numbers, to a few digits.
    pub mean: Option<String>,
    pub mean_value: Option<f64>,
    /// Most frequent first, with their rows: at least, and nearly.
    pub frequent: Vec<(String, u64)>,
}

/// So many frequent values are told of a column.
const TOLD: usize = 5;

/// A mean of fewer values would tell nearly what they are, which nobody is to see of restricted ones.
const HIDING: u64 = 10;

impl Profile {
    /// Adds the profile of other rows by the same contract.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.millis += other.millis;
        self.raw_bytes += other.raw_bytes;
        if self.columns.is_empty() {
            self.columns = other.columns;
        } else {
            self.columns.iter_mut().zip(other.columns).for_each(|(column, other)| column.figures.merge(other.figures));
        }
        self.rejected.extend(other.rejected);
        rejected::keep_few(&mut self.rejected);
    }

    pub fn summary(&self) -> Vec<ColumnSummary> {
        self.columns.iter().map(|column| column.summary(self.rows)).collect()
    }
}

impl ColumnProfile {
    fn summary(&self, rows: u64) -> ColumnSummary {
        let Figures { nulls, range, sum, distinct, frequent } = &self.figures;
        let values = rows.saturating_sub(*nulls);
        let is_told = values > 0 && (!self.is_restricted || values >= HIDING);
        let mean = sum.as_ref().filter(|_| is_told).and_then(|sum| self.mean(sum, values));
        ColumnSummary {
            name: self.name.clone(),
            kind: self.kind.to_string(),
            rows,
            nulls: *nulls,
            distinct: frequent.distinct().unwrap_or_else(|| distinct.estimate()).min(values),
            min: range.as_ref().map(|range| range.min.show(self.kind)),
            max: range.as_ref().map(|range| range.max.show(self.kind)),
            mean: mean.map(few_digits),
            mean_value: mean,
            frequent: frequent.top(TOLD, values),
        }
    }

    fn mean(&self, sum: &Scalar, values: u64) -> Option<f64> {
        let sum = match sum {
            Scalar::Exact(sum) => Decimal { unscaled: *sum, scale: self.kind.sum_scale()? }.to_string().parse().ok()?,
            Scalar::Double(sum) => *sum,
            Scalar::Text(_) => return None,
        };
        Some(sum / values as f64)
    }
}

/// Six digits that count, and as many more in front of the point as are known.
fn few_digits(x: f64) -> String {
    let power = format!("{x:e}").split_once('e').and_then(|(_, power)| power.parse::<i32>().ok()).unwrap_or_default();
    if power >= 15 {
        return format!("{x:.5e}");
    }
    let decimals = usize::try_from(5 - power).unwrap_or_default().min(17);
    let text = format!("{x:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// What a row group adds to a profile.
pub(crate) struct GroupFigures {
    /// By target column; of those that the customers' rows come to, nothing yet.
    pub(crate) columns: Vec<Figures>,
    /// Customers with their rows in the group.
    pub(crate) customers: Vec<(u32, u32)>,
}

/// Gathers the profile of a split while it is merged, row group by row group in their order.
pub(crate) struct Gatherer<'p> {
    plan: &'p Plan,
    columns: Vec<Figures>,
    /// By customer. One of more rows than this counts is frequent all the same.
    customer_rows: Vec<u32>,
    pub(crate) samples: Samples<'p>,
    pub(crate) raw_bytes: u64,
}

impl<'p> Gatherer<'p> {
    pub(crate) fn new(plan: &'p Plan, customers: &Customers, samples: Samples<'p>) -> Self {
        let columns = vec![Figures::default(); plan.target.columns.len()];
        Self { plan, columns, customer_rows: vec![0; customers.len()], samples, raw_bytes: 0 }
    }

    pub(crate) fn enter(&mut self, group: GroupFigures) {
        self.columns.iter_mut().zip(group.columns).for_each(|(column, made)| column.merge(made));
        for (customer, rows) in group.customers {
            if let Some(count) = self.customer_rows.get_mut(customer as usize) {
                *count = count.saturating_add(rows);
            }
        }
    }

    /// The profile, but for the time it took; the books are those of the same rows.
    pub(crate) fn finish(mut self, customers: &Customers, books: &Ledger) -> Profile {
        let rows = books.transactions.clean;
        self.add_keys(customers);
        for (column, figures) in customer_figures(self.plan, customers, &self.customer_rows, rows) {
            self.columns[column] = figures;
        }
        let columns = self.plan.target.columns.iter().zip(self.columns).map(|(column, mut figures)| {
            if column.origin == Origin::Matched {
                figures = Figures::of_flags(books.matched, rows - books.matched);
            }
            figures.sum = books.sums.get(&column.name).map(|sum| Scalar::Exact(sum.unscaled)).or(figures.sum);
            let is_restricted = self.plan.is_restricted(column.origin);
            if is_restricted {
                figures.hide();
            }
            ColumnProfile { name: column.name.clone(), kind: column.kind, is_restricted, figures }
        });
        Profile { rows, millis: 0, raw_bytes: self.raw_bytes, columns: columns.collect(), rejected: self.samples.finish() }
    }

    /// The keys of customers that stand for those of their rows: see [`crate::rows::JoinKeys`].
    fn add_keys(&mut self, customers: &Customers) {
        let seen = || (0u32..).zip(&self.customer_rows).filter(|(_, rows)| **rows > 0);
        let keys = || seen().map(|(customer, _)| customers.key(customer));
        for (column, figures) in self.plan.target.columns.iter().zip(&mut self.columns) {
            if self.plan.is_join_key(column) {
                let mut known = Figures { range: Range::of_texts(keys()), ..Figures::default() };
                known.distinct.add_texts(keys());
                let shown = |customer| String::from_utf8_lossy(customers.key(customer)).into_owned();
                known.frequent = Frequent::of(seen().map(|(customer, rows)| (customer, u64::from(*rows))), shown);
                figures.merge(known);
            }
        }
    }
}

/// By target column that comes from the customers, the figures of its values. A customer's value is looked at once, however many rows
/// it has.
fn customer_figures(plan: &Plan, customers: &Customers, customer_rows: &[u32], rows: u64) -> Vec<(usize, Figures)> {
    let columns = customers.columns();
    let mut counts: Vec<Vec<u64>> = columns.iter().map(|column| vec![0; column.dictionary.len()]).collect();
    for (customer, rows) in (0u32..).zip(customer_rows).filter(|(_, rows)| **rows > 0) {
        for (counts, id) in counts.iter_mut().zip(customers.row(customer)) {
            if *id != NULL {
                counts[*id as usize] += u64::from(*rows);
            }
        }
    }
    let figures = columns.iter().zip(&counts).map(|(column, counts)| {
        let kind = plan.target.columns[column.target].kind;
        let seen = || (0u32..).zip(counts.iter().copied()).filter(|(_, rows)| *rows > 0);
        let values = || seen().map(|(id, _)| column.dictionary.get(id));
        let mut figures = Figures { nulls: rows - counts.iter().sum::<u64>(), ..Figures::default() };
        match column.physical {
            Physical::Boolean => {
                let yes = seen().filter(|(id, _)| column.dictionary.get(*id) != [0]).map(|(_, rows)| rows).sum();
                figures = Figures { nulls: figures.nulls, ..Figures::of_flags(yes, counts.iter().sum::<u64>() - yes) };
            }
            Physical::Text => {
                figures.distinct.add_texts(values());
                if !plan.is_restricted(plan.target.columns[column.target].origin) {
                    figures.range = Range::of_texts(values());
                    figures.frequent = Frequent::of(seen(), |id| String::from_utf8_lossy(column.dictionary.get(id)).into_owned());
                }
            }
            physical => {
                let exact = |id: u32| exact_number(column.dictionary.get(id), physical);
                let double = |id: u32| column.dictionary.get(id).try_into().map(f64::from_le_bytes).ok();
                let scalar = |id: u32| exact(id).map(Scalar::Exact).or_else(|| double(id).map(Scalar::Double));
                figures.distinct.add_texts(values());
                figures.range = match physical {
                    Physical::Double => Range::of_doubles(seen().filter_map(|(id, _)| double(id))),
                    _ => Range::of_numbers(seen().filter_map(|(id, _)| exact(id))),
                };
                let doubles = seen().filter_map(|(id, rows)| Some(double(id)? * rows as f64));
                figures.sum = (physical == Physical::Double && seen().next().is_some()).then(|| Scalar::Double(doubles.sum()));
                figures.frequent = Frequent::of(seen(), |id| scalar(id).map(|value| value.show(kind)).unwrap_or_default());
            }
        }
        (column.target, figures)
    });
    figures.collect()
}

/// What is written in JSON as its own text: numbers that JSON's readers would round, and what has a text of its own.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_a_few_digits() {
        let check = |x: f64, expected: &str| assert_eq!(few_digits(x), expected);
        check(0.0, "0");
        check(110.0 / 3.0, "36.6667");
        check(-2.5, "-2.5");
        check(1_234_567.89, "1234568");
        check(0.000_012_345_678, "0.0000123457");
        check(-1e-30, "-0");
        check(-1.234_567_89e19, "-1.23457e19");
    }
}
