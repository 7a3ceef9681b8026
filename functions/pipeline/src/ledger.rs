//! Counts and exact sums, and the law they obey:
//!
//! ```text
//! rows read = clean + quarantined        (per split, checked when it is written)
//! clean     = loaded + superseded        (in the warehouse, see crate::sql)
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decimal::{Decimal, SumOverflow};
use crate::rule::Rule;

/// The books of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub read: u64,
    /// Rows that passed every rule; of the customers, before the last of a key wins.
    pub clean: u64,
    pub quarantined: u64,
    /// `column.rule` (or `rule`, when the whole record is wrong) → rows.
    pub quarantined_by_rule: BTreeMap<String, u64>,
    /// Records with at least one field of the contract.
    pub recognised: u64,
    /// Fields that the contract does not name.
    pub unknown_fields: u64,
}

impl Counts {
    pub fn quarantine(&mut self, rule: Rule, column: Option<&str>) {
        self.quarantined += 1;
        *self.quarantined_by_rule.entry(rule_key(rule, column)).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.clean += other.clean;
        self.quarantined += other.quarantined;
        self.recognised += other.recognised;
        self.unknown_fields += other.unknown_fields;
        for (rule, rows) in &other.quarantined_by_rule {
            *self.quarantined_by_rule.entry(rule.clone()).or_default() += rows;
        }
    }

    fn balance(&self, source: &str) -> Result<(), Unbalanced> {
        let by_rule: u64 = self.quarantined_by_rule.values().sum();
        if self.read == self.clean + self.quarantined && self.quarantined == by_rule {
            return Ok(());
        }
        Err(Unbalanced(format!(
            "{source}: {} rows read are not {} clean + {} quarantined ({by_rule} by rule)",
            self.read, self.clean, self.quarantined
        )))
    }
}

/// How a rule that was broken is named in the books.
pub fn rule_key(rule: Rule, column: Option<&str>) -> String {
    match column {
        Some(column) => format!("{column}.{}", rule.name()),
        None => rule.name().to_owned(),
    }
}

/// The books of one split, or of a whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    pub transactions: Counts,
    /// Every split reads all customers, so these are the same in each.
    pub customers: Counts,
    /// Customers whose key came again later in the file.
    pub customers_superseded: u64,
    /// Clean rows that found their customer.
    #[serde(default)]
    pub matched: u64,
    /// Exact sums over the clean rows, by target column.
    pub sums: BTreeMap<String, Decimal>,
}

/// The law is broken: rows or amounts went missing, or came from nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unbalanced(String);

impl Ledger {
    /// The books of a run from those of its splits, each checked.
    pub fn total<'l>(parts: impl IntoIterator<Item = &'l Self>) -> Result<Self, Unbalanced> {
        let mut total: Option<Self> = None;
        for part in parts {
            part.balance()?;
            match &mut total {
                None => total = Some(part.clone()),
                Some(total) => total.add(part)?,
            }
        }
        Ok(total.unwrap_or_default())
    }

    pub fn balance(&self) -> Result<(), Unbalanced> {
        self.transactions.balance("transactions")?;
        self.customers.balance("customers")
    }

    fn add(&mut self, other: &Self) -> Result<(), Unbalanced> {
        if self.customers != other.customers || self.customers_superseded != other.customers_superseded {
            return Err(Unbalanced("two splits saw different customers".to_owned()));
        }
        self.transactions.add(&other.transactions);
        self.matched += other.matched;
        for (column, sum) in &other.sums {
            let total = self.sums.entry(column.clone()).or_insert(Decimal::zero(sum.scale));
            total.add_unscaled(sum.unscaled).map_err(|SumOverflow| Unbalanced(format!("{column}: {SumOverflow}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(read: u64, bad: u64, amount: i128) -> Ledger {
        let mut counts = Counts { read, clean: read - bad, recognised: read, ..Counts::default() };
        for _ in 0..bad {
            counts.quarantine(Rule::Minimum, Some("amount"));
        }
        Ledger {
            transactions: counts,
            sums: BTreeMap::from([("amount".to_owned(), Decimal { unscaled: amount, scale: 2 })]),
            ..Ledger::default()
        }
    }

    #[test]
    fn a_run_is_the_sum_of_its_splits() {
        let total = Ledger::total([&part(10, 2, 150), &part(5, 1, -50)]).unwrap();
        assert_eq!((total.transactions.read, total.transactions.quarantined), (15, 3));
        assert_eq!(total.transactions.quarantined_by_rule["amount.minimum"], 3);
        assert_eq!(total.sums["amount"].to_string(), "1.00");
    }

    #[test]
    fn a_lost_row_is_loud() {
        let mut broken = part(10, 2, 0);
        broken.transactions.clean -= 1;
        let error = Ledger::total([&part(5, 0, 0), &broken]).unwrap_err();
        assert_eq!(error.to_string(), "transactions: 10 rows read are not 7 clean + 2 quarantined (2 by rule)");
    }

    #[test]
    fn splits_that_saw_other_customers_do_not_add_up() {
        let mut other = part(5, 0, 0);
        other.customers_superseded = 1;
        assert!(Ledger::total([&part(5, 0, 0), &other]).is_err());
    }
}
