//! Clean rows joined to their customers, column by column: those of one block, and then those of all blocks of a row group.

use crate::clean::Row;
use crate::columns::{Column, Physical};
use crate::contract::{Mask, Origin, Plan};
use crate::customers::{Customers, NULL};
use crate::interner::{Full, Interner};
use crate::mask::Masker;
use crate::types::Value;

/// A clean row, its offset and its customer.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'r, 't> {
    pub row: &'r Row<'t>,
    pub offset: i64,
    /// [`NULL`] if it has none.
    pub customer: u32,
}

/// Rows with nothing of their source's bytes left in them: small enough to wait until they are a row group.
#[derive(Debug)]
pub struct Rows {
    pub(crate) columns: Vec<Collected>,
    /// By row, its customer, or [`NULL`].
    pub(crate) customers: Vec<u32>,
    pub(crate) offsets: Column,
    masked: String,
}

/// Where a target column's values are collected.
#[derive(Debug)]
pub(crate) enum Collected {
    Transactions {
        index: usize,
        mask: Option<Mask>,
        column: Column,
    },
    JoinKey {
        index: usize,
        keys: JoinKeys,
    },
    /// Index in [`Customers::columns`]; the values are looked up when the row group is encoded.
    Customers(usize),
    Matched,
}

/// The join's own column: a matched row's value is its customer's key, so only the others' are kept.
#[derive(Debug, Default)]
pub(crate) struct JoinKeys {
    pub(crate) unmatched: Interner,
    /// By row that has a key and no customer.
    pub(crate) ids: Vec<u32>,
    /// By row, whether it has a key.
    pub(crate) present: Vec<bool>,
}

impl Rows {
    pub fn new(plan: &Plan, customers: &Customers) -> Self {
        let collected = |(target, column): (usize, &crate::contract::TargetColumn)| match column.origin {
            Origin::Matched => Collected::Matched,
            Origin::Customers(_) => Collected::Customers(customers.columns().iter().position(|c| c.target == target).unwrap_or_default()),
            Origin::Transactions(index) => {
                let mask = plan.transactions.columns[index].mask;
                if plan.is_join_key(column) {
                    Collected::JoinKey { index, keys: JoinKeys::default() }
                } else {
                    Collected::Transactions { index, mask, column: Column::new(Physical::of(column.kind), column.nullable) }
                }
            }
        };
        Self {
            columns: plan.target.columns.iter().enumerate().map(collected).collect(),
            customers: Vec::new(),
            offsets: Column::new(Physical::Int64, false),
            masked: String::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.customers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }

    /// Appends rows: column by column, since a column's next value is at hand where its last one went.
    pub fn extend(&mut self, rows: &[Joined<'_, '_>], masker: &Masker) -> Result<(), Full> {
        for collected in &mut self.columns {
            match collected {
                Collected::Transactions { index, mask: None, column } => column.extend(rows.iter().map(|r| r.row.value(*index)))?,
                Collected::Transactions { index, mask: Some(mask), column } => {
                    for joined in rows {
                        match joined.row.value(*index) {
                            Value::Text(text) => {
                                masker.mask(*mask, text, &mut self.masked);
                                column.push(Value::Text(&self.masked))?;
                            }
                            value => column.push(value)?,
                        }
                    }
                }
                Collected::JoinKey { index, keys } => {
                    for joined in rows {
                        let value = joined.row.value(*index);
                        keys.present.push(value != Value::Null);
                        if let (Value::Text(text), NULL) = (value, joined.customer) {
                            keys.ids.push(keys.unmatched.intern(text.as_bytes())?.0);
                        }
                    }
                }
                Collected::Customers(_) | Collected::Matched => {}
            }
        }
        self.offsets.extend(rows.iter().map(|r| Value::Integer(r.offset)))?;
        self.customers.extend(rows.iter().map(|r| r.customer));
        Ok(())
    }

    /// Appends the rows of the block that follows.
    pub fn append(&mut self, block: &Self) -> Result<(), Full> {
        for (to, from) in self.columns.iter_mut().zip(&block.columns) {
            match (to, from) {
                (Collected::Transactions { column: to, .. }, Collected::Transactions { column: from, .. }) => to.append(from)?,
                (Collected::JoinKey { keys: to, .. }, Collected::JoinKey { keys: from, .. }) => {
                    to.present.extend_from_slice(&from.present);
                    to.unmatched.adopt(&mut to.ids, from.unmatched.arena(), &from.ids)?;
                }
                // Both were made from one plan.
                _ => {}
            }
        }
        self.offsets.append(&block.offsets)?;
        self.customers.extend_from_slice(&block.customers);
        Ok(())
    }

    pub fn clear(&mut self) {
        for collected in &mut self.columns {
            match collected {
                Collected::Transactions { column, .. } => column.clear(),
                Collected::JoinKey { keys, .. } => {
                    keys.unmatched.clear();
                    keys.ids.clear();
                    keys.present.clear();
                }
                Collected::Customers(_) | Collected::Matched => {}
            }
        }
        self.customers.clear();
        self.offsets.clear();
    }
}
