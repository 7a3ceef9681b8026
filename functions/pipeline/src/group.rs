//! Rows to the column chunks of one row group.

use parquet::errors::ParquetError;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;

use crate::columns::{Column, Physical};
use crate::contract::{Plan, TargetColumn};
use crate::customers::{CustomerColumn, Customers, NULL, exact_number};
use crate::files::FileSchema;
use crate::pages::{Chunk, Dictionary, Encoder, text_statistics};
use crate::profile::{Figures, GroupFigures, Observer};
use crate::rows::{Collected, JoinKeys, Rows};
use crate::selection::Selection;
use crate::types::Type;

/// Makes row groups, keeping its buffers from one to the next.
pub struct GroupMaker<'p> {
    customers: &'p Customers,
    schema: &'p FileSchema,
    /// By target column, whether its sum is wanted.
    summed: Vec<bool>,
    source_uri: &'p str,
    /// By target column, its type and whether its values may be shown; nothing where no profile is wanted.
    profiled: Option<Vec<(Type, bool)>>,
    observer: Observer,
    selection: Selection,
    /// The customers of this group, in their order.
    locals: Vec<u32>,
    /// By row, its customer as one of `locals`, or [`NULL`].
    who: Vec<u32>,
    values: CustomerValues,
}

/// A row group and what it adds up to.
pub struct Group {
    pub chunks: Vec<Chunk>,
    pub matched: u64,
    /// By target column, the exact sum of its numbers, unscaled; `None` past 127 bits.
    pub sums: Vec<Option<i128>>,
    pub(crate) figures: Option<GroupFigures>,
}

impl<'p> GroupMaker<'p> {
    pub fn new(plan: &Plan, customers: &'p Customers, schema: &'p FileSchema, source_uri: &'p str, is_profiled: bool) -> Self {
        let profiled = |column: &TargetColumn| (column.kind, !plan.is_restricted(column.origin));
        Self {
            customers,
            schema,
            summed: plan.target.columns.iter().map(|c| c.kind.is_exact_number()).collect(),
            source_uri,
            profiled: is_profiled.then(|| plan.target.columns.iter().map(profiled).collect()),
            observer: Observer::default(),
            selection: Selection::new(customers.len()),
            locals: Vec::new(),
            who: Vec::new(),
            values: CustomerValues::default(),
        }
    }

    /// The row group of these rows.
    pub fn make(&mut self, collected: &Rows, encoder: &mut Encoder) -> Result<Group, ParquetError> {
        let rows = collected.len();
        self.selection.select(&collected.customers);
        self.locals.clear();
        self.locals.extend(self.selection.iter());
        self.who.clear();
        self.who.extend(collected.customers.iter().map(|customer| self.selection.rank(*customer)));

        let mut values = std::mem::take(&mut self.values);
        let mut chunks = Vec::with_capacity(self.schema.columns.len());
        let mut sums = Vec::with_capacity(self.summed.len());
        let mut descrs = self.schema.columns.iter();
        let matched: Vec<bool> = self.who.iter().map(|local| *local != NULL).collect();
        let matched_rows = matched.iter().filter(|m| **m).count() as u64;
        let matched = Column::of_flags(matched, Vec::new());
        for ((source, summed), descr) in collected.columns.iter().zip(&self.summed).zip(descrs.by_ref()) {
            let (chunk, sum) = match source {
                Collected::Transactions { column, .. } => {
                    (encoder.column(descr, column, rows)?, if *summed { column.sum() } else { Some(0) })
                }
                Collected::JoinKey { keys, .. } => {
                    let (dictionary, ids) = self.keys(keys);
                    let texts = self.locals.iter().map(|customer| self.customers.key(*customer)).chain(keys.unmatched.arena().iter());
                    (encoder.dictionary(descr, &dictionary, &ids, &keys.present, rows, text_statistics(texts))?, Some(0))
                }
                Collected::Customers(index) => {
                    let (statistics, sum) = self.customer_values(*index, &mut values);
                    let physical = self.customers.columns()[*index].physical;
                    (values.chunk(physical, encoder, descr, rows, statistics)?, sum)
                }
                Collected::Matched => (encoder.column(descr, &matched, rows)?, Some(0)),
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
                1 => encoder.column(descr, &collected.offsets, rows)?,
                _ => encoder.column(descr, &matched, rows)?,
            });
        }
        self.values = values;
        let figures = self.figures(collected, &chunks);
        Ok(Group { chunks, matched: matched_rows, sums, figures })
    }

    /// What the columns come to; those that come from the customers when all rows of each are counted.
    fn figures(&mut self, collected: &Rows, chunks: &[Chunk]) -> Option<GroupFigures> {
        let profiled = self.profiled.as_ref()?;
        let columns = collected.columns.iter().zip(chunks).zip(profiled).map(|((source, chunk), (kind, is_shown))| match source {
            Collected::Transactions { column, .. } => self.observer.column(column, chunk.close.metadata.statistics(), *kind, *is_shown),
            Collected::JoinKey { keys, .. } => self.observer.unmatched_keys(keys, *is_shown),
            Collected::Customers(_) | Collected::Matched => Figures::default(),
        });
        let columns = columns.collect();
        let rows = self.observer.count(self.locals.len(), self.who.iter().filter(|local| **local != NULL).copied());
        let customers = self.locals.iter().copied().zip(rows.iter().copied()).collect();
        Some(GroupFigures { columns, customers })
    }

    /// The join's column: first the customers' keys, then those that nobody has.
    fn keys(&self, keys: &JoinKeys) -> (Dictionary, Vec<u32>) {
        let mut dictionary = Dictionary::default();
        for customer in &self.locals {
            dictionary.push_text(self.customers.key(*customer));
        }
        // Both counts fit, since each row has at most one of either.
        let known = u32::try_from(self.locals.len()).unwrap_or(u32::MAX);
        for text in keys.unmatched.arena().iter() {
            dictionary.push_text(text);
        }
        let mut unmatched = keys.ids.iter();
        let ids = self.who.iter().zip(&keys.present).filter(|(_, present)| **present).map(|(local, _)| match *local {
            NULL => known + unmatched.next().copied().unwrap_or_default(),
            local => local,
        });
        let ids = ids.collect();
        (dictionary, ids)
    }

    /// Fills `values` with a customers' column: what each row's customer has there.
    fn customer_values(&self, index: usize, values: &mut CustomerValues) -> (Statistics, Option<i128>) {
        let column = &self.customers.columns()[index];
        self.local_dictionary(index, column, values);
        let CustomerValues { entries, of_local, dictionary, ids, present, .. } = values;
        present.clear();
        present.resize(self.who.len(), false);
        ids.clear();
        ids.resize(self.who.len(), 0);
        let mut count = 0;
        for (local, present) in self.who.iter().zip(present.iter_mut()) {
            let id = of_local.get(*local as usize).copied().unwrap_or(NULL);
            // Written in any case and kept if it is a value: a branch here would be a guess for every row.
            ids[count] = id;
            *present = id != NULL;
            count += usize::from(*present);
        }
        ids.truncate(count);
        let is_number = !matches!(column.physical, Physical::Text | Physical::Boolean | Physical::Double);
        let numbers: Vec<i128> = match is_number {
            true => entries.iter().filter_map(|id| exact_number(column.dictionary.get(*id), column.physical)).collect(),
            false => Vec::new(),
        };
        let is_summed = self.summed[column.target];
        let sum = if is_summed { ids.iter().try_fold(0i128, |sum, id| sum.checked_add(numbers[*id as usize])) } else { Some(0) };
        dictionary.clear();
        for id in entries.iter() {
            let value = column.dictionary.get(*id);
            if column.physical == Physical::Text { dictionary.push_text(value) } else { dictionary.push_plain(value) }
        }
        let values = entries.iter().map(|id| column.dictionary.get(*id));
        let statistics = match column.physical {
            Physical::Text => text_statistics(values),
            physical => number_statistics(physical, values, &numbers),
        };
        (statistics, sum)
    }

    /// The values of one column that the customers of this group have, numbered anew.
    fn local_dictionary(&self, index: usize, column: &CustomerColumn, values: &mut CustomerValues) {
        let CustomerValues { entries, of_local, seen, .. } = values;
        entries.clear();
        of_local.clear();
        seen.clear();
        if !column.is_distinct {
            seen.resize(column.dictionary.len(), NULL);
        }
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
    }
}

/// One customers' column of a row group; memory that each of them uses in turn.
#[derive(Debug, Default)]
struct CustomerValues {
    /// Numbers into the column's own dictionary.
    entries: Vec<u32>,
    /// By local customer, a place in `entries`, or [`NULL`].
    of_local: Vec<u32>,
    /// By number in the column's own dictionary, its place in `entries`, or [`NULL`].
    seen: Vec<u32>,
    dictionary: Dictionary,
    ids: Vec<u32>,
    present: Vec<bool>,
}

impl CustomerValues {
    fn chunk(
        &self,
        physical: Physical,
        encoder: &mut Encoder,
        descr: &ColumnDescPtr,
        rows: usize,
        statistics: Statistics,
    ) -> Result<Chunk, ParquetError> {
        if physical == Physical::Boolean {
            // The format has no dictionary of booleans.
            let values = self.ids.iter().map(|id| self.dictionary.bytes[*id as usize] != 0).collect();
            let column = Column::of_flags(values, self.present.clone());
            return encoder.column(descr, &column, rows);
        }
        encoder.dictionary(descr, &self.dictionary, &self.ids, &self.present, rows, statistics)
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
