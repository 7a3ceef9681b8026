//! Clean rows of one block, joined to their customers, as the column chunks of one row group.

use parquet::errors::ParquetError;
use parquet::file::statistics::Statistics;

use crate::clean::Row;
use crate::columns::{Column, Physical};
use crate::contract::{Mask, Origin, Plan};
use crate::customers::{CustomerColumn, Customers, NULL, exact_number};
use crate::files::FileSchema;
use crate::interner::{Full, Interner};
use crate::mask::Masker;
use crate::pages::{Chunk, Dictionary, Encoder, text_statistics};
use crate::types::Value;

/// Collects the clean rows of a block, keeping its buffers from one to the next.
pub struct GroupBuilder<'p> {
    customers: &'p Customers,
    masker: &'p Masker,
    schema: &'p FileSchema,
    columns: Vec<Source>,
    /// By target column, whether its sum is wanted.
    summed: Vec<bool>,
    /// By row, its customer as one of `locals`, or [`NULL`].
    who: Vec<u32>,
    /// The customers of this group, in the order of their first row.
    locals: Vec<u32>,
    /// By customer, its place in `locals`, or [`NULL`].
    local_of: Vec<u32>,
    offsets: Column,
    source_uri: &'p str,
    masked: String,
}

/// Where a target column's values are collected.
enum Source {
    Transactions {
        index: usize,
        mask: Option<Mask>,
        column: Column,
    },
    /// The join's own column: a matched row's value is its customer's key, so only the others' are kept.
    JoinKey {
        index: usize,
        unmatched: Interner,
        /// By row without a customer.
        ids: Vec<u32>,
        present: Vec<bool>,
    },
    /// Index in [`Customers::columns`].
    Customers(usize),
    Matched,
}

/// A clean row, its offset and its customer.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'r, 't> {
    pub row: &'r Row<'t>,
    pub offset: i64,
    /// [`NULL`] if it has none.
    pub customer: u32,
}

/// A row group and what it adds up to.
pub struct Group {
    pub chunks: Vec<Chunk>,
    pub rows: u64,
    pub matched: u64,
    /// By target column, the exact sum of its numbers, unscaled; `None` past 127 bits.
    pub sums: Vec<Option<i128>>,
}

impl<'p> GroupBuilder<'p> {
    pub fn new(plan: &'p Plan, customers: &'p Customers, masker: &'p Masker, schema: &'p FileSchema, source_uri: &'p str) -> Self {
        let source = |(target, column): (usize, &crate::contract::TargetColumn)| match column.origin {
            Origin::Matched => Source::Matched,
            Origin::Customers(_) => Source::Customers(customers.columns().iter().position(|c| c.target == target).unwrap_or_default()),
            Origin::Transactions(index) => {
                let mask = plan.transactions.columns[index].mask;
                if index == plan.join.left && mask.is_none() && Physical::of(column.kind) == Physical::Text {
                    Source::JoinKey { index, unmatched: Interner::default(), ids: Vec::new(), present: Vec::new() }
                } else {
                    Source::Transactions { index, mask, column: Column::new(Physical::of(column.kind), column.nullable) }
                }
            }
        };
        Self {
            customers,
            masker,
            schema,
            columns: plan.target.columns.iter().enumerate().map(source).collect(),
            summed: plan.target.columns.iter().map(|c| c.kind.is_exact_number()).collect(),
            who: Vec::new(),
            locals: Vec::new(),
            local_of: vec![NULL; customers.len()],
            offsets: Column::new(Physical::Int64, false),
            source_uri,
            masked: String::new(),
        }
    }

    /// Appends rows: column by column, since a column's next value is at hand where its last one went.
    pub fn extend(&mut self, rows: &[Joined<'_, '_>]) -> Result<(), Full> {
        for source in &mut self.columns {
            match source {
                Source::Transactions { index, mask: None, column } => column.extend(rows.iter().map(|r| r.row.value(*index)))?,
                Source::Transactions { index, mask: Some(mask), column } => {
                    for joined in rows {
                        match joined.row.value(*index) {
                            Value::Text(text) => {
                                self.masker.mask(*mask, text, &mut self.masked);
                                column.push(Value::Text(&self.masked))?;
                            }
                            value => column.push(value)?,
                        }
                    }
                }
                Source::JoinKey { index, unmatched, ids, present } => {
                    for joined in rows {
                        let value = joined.row.value(*index);
                        present.push(value != Value::Null);
                        if let (Value::Text(text), NULL) = (value, joined.customer) {
                            ids.push(unmatched.intern(text.as_bytes())?.0);
                        }
                    }
                }
                Source::Customers(_) | Source::Matched => {}
            }
        }
        self.offsets.extend(rows.iter().map(|r| Value::Integer(r.offset)))?;
        for joined in rows {
            let local = match self.local_of.get_mut(joined.customer as usize) {
                None => NULL,
                Some(local) => {
                    if *local == NULL {
                        *local = u32::try_from(self.locals.len()).map_err(|_| Full)?;
                        self.locals.push(joined.customer);
                    }
                    *local
                }
            };
            self.who.push(local);
        }
        Ok(())
    }

    /// The row group, if there is any row; the builder is empty again.
    pub fn finish(&mut self, encoder: &mut Encoder) -> Result<Option<Group>, ParquetError> {
        if self.who.is_empty() {
            return Ok(None);
        }
        let rows = self.who.len();
        let mut chunks = Vec::with_capacity(self.schema.columns.len());
        let mut sums = Vec::with_capacity(self.columns.len());
        let mut descrs = self.schema.columns.iter();
        let matched: Vec<bool> = self.who.iter().map(|local| *local != NULL).collect();
        let matched_rows = matched.iter().filter(|m| **m).count() as u64;
        let matched = Column::of_flags(matched, Vec::new());
        for ((source, summed), descr) in self.columns.iter().zip(&self.summed).zip(descrs.by_ref()) {
            let (chunk, sum) = match source {
                Source::Transactions { column, .. } => (encoder.column(descr, column, rows)?, if *summed { column.sum() } else { Some(0) }),
                Source::JoinKey { unmatched, ids, present, .. } => {
                    let (dictionary, ids) = self.keys(unmatched, ids, present);
                    let texts = self.locals.iter().map(|customer| self.customers.key(*customer)).chain(unmatched.arena().iter());
                    (encoder.dictionary(descr, &dictionary, &ids, present, rows, text_statistics(texts))?, Some(0))
                }
                Source::Customers(index) => {
                    let values = self.customer_values(*index);
                    (values.chunk(encoder, descr, rows)?, values.sum)
                }
                Source::Matched => (encoder.column(descr, &matched, rows)?, Some(0)),
            };
            chunks.push(chunk);
            sums.push(sum);
        }
        let mut uri = Dictionary::default();
        uri.push_text(self.source_uri.as_bytes());
        let uri_statistics = text_statistics(std::iter::once(self.source_uri.as_bytes()));
        for (position, descr) in descrs.enumerate() {
            chunks.push(match position {
                0 => encoder.dictionary(descr, &uri, &vec![0; rows], &[], rows, uri_statistics.clone())?,
                1 => encoder.column(descr, &self.offsets, rows)?,
                _ => encoder.column(descr, &matched, rows)?,
            });
        }
        self.clear();
        Ok(Some(Group { chunks, rows: rows as u64, matched: matched_rows, sums }))
    }

    /// The join's column: first the customers' keys, then those that nobody has.
    fn keys(&self, unmatched: &Interner, unmatched_ids: &[u32], present: &[bool]) -> (Dictionary, Vec<u32>) {
        let mut dictionary = Dictionary::default();
        for customer in &self.locals {
            dictionary.push_text(self.customers.key(*customer));
        }
        // Both counts fit, since each row has at most one of either.
        let known = u32::try_from(self.locals.len()).unwrap_or(u32::MAX);
        for text in unmatched.arena().iter() {
            dictionary.push_text(text);
        }
        let mut unmatched_ids = unmatched_ids.iter();
        let ids = self.who.iter().zip(present).filter(|(_, present)| **present).map(|(local, _)| match *local {
            NULL => known + unmatched_ids.next().copied().unwrap_or_default(),
            local => local,
        });
        let ids = ids.collect();
        (dictionary, ids)
    }

    fn customer_values(&self, index: usize) -> CustomerValues {
        let column = &self.customers.columns()[index];
        let dictionary = self.local_dictionary(index, column);
        let mut present = vec![false; self.who.len()];
        let mut ids = vec![0; self.who.len()];
        let mut values = 0;
        for (local, present) in self.who.iter().zip(&mut present) {
            let id = dictionary.of_local.get(*local as usize).copied().unwrap_or(NULL);
            // Written in any case and kept if it is a value: a branch here would be a guess for every row.
            ids[values] = id;
            *present = id != NULL;
            values += usize::from(*present);
        }
        ids.truncate(values);
        let is_number = !matches!(column.physical, Physical::Text | Physical::Boolean | Physical::Double);
        let values: Vec<i128> = match is_number {
            true => dictionary.entries.iter().filter_map(|id| exact_number(column.dictionary.get(*id), column.physical)).collect(),
            false => Vec::new(),
        };
        let is_summed = self.summed[column.target];
        let sum = if is_summed { ids.iter().try_fold(0i128, |sum, id| sum.checked_add(values[*id as usize])) } else { Some(0) };
        let mut plain = Dictionary::default();
        for id in &dictionary.entries {
            let value = column.dictionary.get(*id);
            if column.physical == Physical::Text { plain.push_text(value) } else { plain.push_plain(value) }
        }
        let entries = || dictionary.entries.iter().map(|id| column.dictionary.get(*id));
        let statistics = match column.physical {
            Physical::Text => text_statistics(entries()),
            physical => number_statistics(physical, entries(), &values),
        };
        CustomerValues { physical: column.physical, dictionary: plain, ids, present, statistics, sum }
    }

    /// The values of one column that the customers of this group have, numbered anew.
    fn local_dictionary(&self, index: usize, column: &CustomerColumn) -> LocalDictionary {
        let mut entries = Vec::new();
        let mut of_local = Vec::with_capacity(self.locals.len());
        let mut seen = if column.is_distinct { Vec::new() } else { vec![NULL; column.dictionary.len()] };
        for customer in &self.locals {
            let id = self.customers.row(*customer)[index];
            if id == NULL {
                of_local.push(NULL);
                continue;
            }
            // As many as there are customers at most, which are numbered by 32 bits.
            let next = u32::try_from(entries.len()).unwrap_or(NULL);
            let number = match seen.get_mut(id as usize) {
                Some(number) if *number == NULL => {
                    *number = next;
                    next
                }
                Some(number) => *number,
                None => next,
            };
            if number == next {
                entries.push(id);
            }
            of_local.push(number);
        }
        LocalDictionary { entries, of_local }
    }

    fn clear(&mut self) {
        for source in &mut self.columns {
            match source {
                Source::Transactions { column, .. } => column.clear(),
                Source::JoinKey { unmatched, ids, present, .. } => {
                    unmatched.clear();
                    ids.clear();
                    present.clear();
                }
                Source::Customers(_) | Source::Matched => {}
            }
        }
        for customer in self.locals.drain(..) {
            self.local_of[customer as usize] = NULL;
        }
        self.who.clear();
        self.offsets.clear();
    }

    /// Forgets the rows of a block that is read again.
    pub fn discard(&mut self) {
        self.clear();
    }
}

struct LocalDictionary {
    /// Numbers into the column's own dictionary.
    entries: Vec<u32>,
    /// By local customer, a place in `entries`, or [`NULL`].
    of_local: Vec<u32>,
}

struct CustomerValues {
    physical: Physical,
    dictionary: Dictionary,
    ids: Vec<u32>,
    present: Vec<bool>,
    statistics: Statistics,
    sum: Option<i128>,
}

impl CustomerValues {
    fn chunk(&self, encoder: &mut Encoder, descr: &parquet::schema::types::ColumnDescPtr, rows: usize) -> Result<Chunk, ParquetError> {
        if self.physical == Physical::Boolean {
            // The format has no dictionary of booleans.
            let values = self.ids.iter().map(|id| self.dictionary.bytes[*id as usize] != 0).collect();
            let column = Column::of_flags(values, self.present.clone());
            return encoder.column(descr, &column, rows);
        }
        encoder.dictionary(descr, &self.dictionary, &self.ids, &self.present, rows, self.statistics.clone())
    }
}

fn number_statistics<'v>(physical: Physical, entries: impl Iterator<Item = &'v [u8]>, exact: &[i128]) -> Statistics {
    let (min, max) = (exact.iter().min().copied(), exact.iter().max().copied());
    match physical {
        Physical::Int32 => {
            let narrow = |n: i128| i32::try_from(n).ok();
            Statistics::int32(min.and_then(narrow), max.and_then(narrow), None, None, false)
        }
        Physical::Int64 => {
            let narrow = |n: i128| i64::try_from(n).ok();
            Statistics::int64(min.and_then(narrow), max.and_then(narrow), None, None, false)
        }
        Physical::Wide(bytes) => {
            let skip = 16 - usize::from(bytes);
            let shown = |n: i128| parquet::data_type::FixedLenByteArray::from(n.to_be_bytes()[skip..].to_vec());
            Statistics::fixed_len_byte_array(min.map(shown), max.map(shown), None, None, false)
        }
        Physical::Double => {
            let numbers: Vec<f64> = entries.filter_map(|bytes| bytes.try_into().ok().map(f64::from_le_bytes)).collect();
            crate::pages::double_statistics(&numbers)
        }
        Physical::Boolean | Physical::Text => Statistics::boolean(None, None, None, None, false),
    }
}
