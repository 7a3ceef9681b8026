//! The join side: all customers, compact, the last row of a key winning.

use std::io::Read;

use crate::clean::{Cleaner, Row};
use crate::columns::Physical;
use crate::contract::{Mask, Origin, Plan};
use crate::csv::{CsvError, CsvReader, CsvRecord};
use crate::interner::{Arena, Full, Interner, NOT_FOUND};
use crate::ledger::Counts;
use crate::mask::Masker;
use crate::record::Layout;
use crate::rule::Violation;
use crate::source::Malformed;
use crate::types::Value;

/// The place of a value that is null.
pub const NULL: u32 = NOT_FOUND;

/// Customers by join key, with the values the target wants of them.
#[derive(Debug)]
pub struct Customers {
    columns: Vec<CustomerColumn>,
    /// Row by row, a number into the dictionary of each column.
    cells: Vec<u32>,
    /// A customer's row is the number of its key.
    keys: Interner,
    counts: Counts,
    superseded: u64,
}

/// One target column that comes from the customers.
#[derive(Debug)]
pub struct CustomerColumn {
    /// Index in the target.
    pub target: usize,
    pub physical: Physical,
    /// The values as the PLAIN encoding has them, a text without its length.
    pub dictionary: Arena,
    /// Whether nearly every customer has a value of their own, so that the dictionary was not searched for doubles.
    pub is_distinct: bool,
}

impl Customers {
    /// Row of the customer with this join key.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        self.keys.find(key)
    }

    /// The rows of many customers, each [`NULL`] if there is none.
    pub fn find_all(&self, keys: &[&[u8]], rows: &mut Vec<u32>) {
        self.keys.find_all(keys, rows);
    }

    pub fn key(&self, row: u32) -> &[u8] {
        self.keys.arena().get(row)
    }

    pub fn len(&self) -> usize {
        self.keys.arena().len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.arena().is_empty()
    }

    pub fn columns(&self) -> &[CustomerColumn] {
        &self.columns
    }

    /// A customer's numbers into the dictionaries of [`Self::columns`].
    #[inline]
    pub fn row(&self, row: u32) -> &[u32] {
        let width = self.columns.len();
        &self.cells[row as usize * width..][..width]
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Clean rows whose key came again later in the file.
    pub fn superseded(&self) -> u64 {
        self.superseded
    }

    /// Bytes held, and of those the texts' own.
    pub fn memory_bytes(&self) -> (usize, usize) {
        let parts = self.columns.iter().map(|c| c.dictionary.memory_bytes()).chain([self.keys.memory_bytes()]);
        let (held, text) = parts.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        (held + self.cells.capacity() * 4, text)
    }
}

/// Reads a CSV file of customers; `on_rejected` gets each record that broke a rule.
///
/// # Errors
/// When the file as a whole is no such CSV: no header, a column missing or doubled in it, a quote that is never closed, Latin-1.
pub fn read_customers<E: From<CsvError>>(
    csv: impl Read,
    plan: &Plan,
    masker: &Masker,
    mut on_rejected: impl FnMut(&CsvRecord<'_>, Violation) -> Result<(), E>,
) -> Result<Customers, E> {
    let source = &plan.customers;
    let layout = Layout::new(source);
    let required: Vec<bool> = (0..layout.fields().len())
        .map(|field| {
            let columns = source.columns.iter().zip(&layout.of_column).filter(|(_, f)| **f == field);
            columns.clone().any(|(column, _)| column.required && column.default.is_none())
        })
        .collect();
    let mut reader = CsvReader::open(csv, layout.fields(), &required)?;
    let mut builder = Builder::new(plan, masker);
    let mut counts = Counts::default();
    let mut cleaner = Cleaner::csv(source, &layout, plan.zone_offset_seconds);
    while let Some(record) = reader.read()? {
        counts.read += 1;
        counts.recognised += 1;
        let mut row = Row::default();
        let fields = record.fields.as_ref().map_err(|rule| Violation::of_record(*rule));
        let cleaned = fields.and_then(|fields| cleaner.clean(fields, &mut row));
        match cleaned {
            Err(violation) => {
                counts.quarantine(violation.rule, violation.column.map(|c| source.columns[c].name.as_str()));
                on_rejected(&record, violation)?;
            }
            Ok(()) => {
                counts.clean += 1;
                builder.push(plan, &row).map_err(|full| CsvError::Malformed(Malformed::new(record.offset, full.to_string())))?;
            }
        }
    }
    if counts.read == 0 {
        return Err(CsvError::Malformed(Malformed::new(0, "the file has no customer: put at least one row below the header")).into());
    }
    Ok(builder.finish(counts))
}

struct Builder<'p> {
    columns: Vec<ColumnBuilder<'p>>,
    cells: Vec<u32>,
    keys: Interner,
    superseded: u64,
}

impl<'p> Builder<'p> {
    fn new(plan: &'p Plan, masker: &'p Masker) -> Self {
        let columns = plan.target.columns.iter().enumerate().filter_map(|(target, column)| match column.origin {
            Origin::Customers(index) => Some(ColumnBuilder {
                target,
                index,
                physical: Physical::of(column.kind),
                mask: plan.customers.columns[index].mask.map(|mask| (mask, masker)),
                values: Interner::default(),
                plain: None,
                pushed: 0,
                scratch: Vec::new(),
                masked: String::new(),
            }),
            _ => None,
        });
        Self { columns: columns.collect(), cells: Vec::new(), keys: Interner::default(), superseded: 0 }
    }

    fn push(&mut self, plan: &Plan, row: &Row<'_>) -> Result<(), Full> {
        let mut scratch = [0; 16];
        let Some(key) = row.key_bytes(plan.join.right, &mut scratch) else { return Ok(()) };
        let (customer, is_new) = self.keys.intern(key)?;
        let width = self.columns.len();
        if is_new {
            self.cells.resize(self.cells.len() + width, NULL);
        } else {
            self.superseded += 1;
        }
        let cells = &mut self.cells[customer as usize * width..][..width];
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            *cell = column.push(row.value(column.index))?;
        }
        Ok(())
    }

    fn finish(mut self, counts: Counts) -> Customers {
        self.cells.shrink_to_fit();
        self.keys.shrink();
        let column = |builder: ColumnBuilder<'_>| {
            let is_distinct = builder.plain.is_some();
            let mut dictionary = builder.plain.unwrap_or_else(|| builder.values.into_arena());
            dictionary.shrink();
            CustomerColumn { target: builder.target, physical: builder.physical, dictionary, is_distinct }
        };
        let columns = self.columns.into_iter().map(column).collect();
        Customers { columns, cells: self.cells, keys: self.keys, counts, superseded: self.superseded }
    }
}

struct ColumnBuilder<'p> {
    target: usize,
    index: usize,
    physical: Physical,
    mask: Option<(Mask, &'p Masker)>,
    values: Interner,
    /// In use once searching for doubles was found useless.
    plain: Option<Arena>,
    pushed: usize,
    scratch: Vec<u8>,
    masked: String,
}

/// After so many values it is judged, once, whether they repeat themselves.
const TRIAL: usize = 4_096;

impl ColumnBuilder<'_> {
    fn push(&mut self, value: Value<'_>) -> Result<u32, Full> {
        self.scratch.clear();
        match (value, self.mask) {
            (Value::Null, _) => return Ok(NULL),
            (Value::Text(text), Some((mask, masker))) => {
                masker.mask(mask, text, &mut self.masked);
                self.scratch.extend_from_slice(self.masked.as_bytes());
            }
            (value, _) => plain_bytes(value, self.physical, &mut self.scratch),
        }
        if let Some(plain) = &mut self.plain {
            return plain.push(&self.scratch);
        }
        let (id, _) = self.values.intern(&self.scratch)?;
        self.pushed += 1;
        if self.pushed == TRIAL && self.values.arena().len() > TRIAL / 2 {
            self.plain = Some(std::mem::take(&mut self.values).into_arena());
        }
        Ok(id)
    }
}

/// A value as Parquet's PLAIN encoding has it; a text without its length.
fn plain_bytes(value: Value<'_>, physical: Physical, out: &mut Vec<u8>) {
    match (value, physical) {
        (Value::Text(text), _) => out.extend_from_slice(text.as_bytes()),
        (Value::Boolean(flag), _) => out.push(u8::from(flag)),
        (Value::Double(number), _) => out.extend_from_slice(&number.to_le_bytes()),
        (Value::Date(days), _) => out.extend_from_slice(&days.to_le_bytes()),
        (Value::Decimal(number), _) => push_number(number, physical, out),
        (Value::Integer(number) | Value::Timestamp(number), _) => push_number(number.into(), physical, out),
        (Value::Null, _) => {}
    }
}

fn push_number(number: i128, physical: Physical, out: &mut Vec<u8>) {
    match physical {
        Physical::Wide(bytes) => out.extend_from_slice(&number.to_be_bytes()[16 - usize::from(bytes)..]),
        Physical::Int32 => out.extend_from_slice(&number.to_le_bytes()[..4]),
        _ => out.extend_from_slice(&number.to_le_bytes()[..8]),
    }
}

/// The exact number that [`plain_bytes`] wrote; `None` where it is no exact number.
pub(crate) fn exact_number(bytes: &[u8], physical: Physical) -> Option<i128> {
    match physical {
        Physical::Int32 => Some(i32::from_le_bytes(bytes.try_into().ok()?).into()),
        Physical::Int64 => Some(i64::from_le_bytes(bytes.try_into().ok()?).into()),
        Physical::Wide(_) => {
            let sign = if bytes.first()? & 0x80 == 0 { 0 } else { 0xFF };
            let mut whole = [sign; 16];
            whole[16 - bytes.len()..].copy_from_slice(bytes);
            Some(i128::from_be_bytes(whole))
        }
        Physical::Boolean | Physical::Double | Physical::Text => None,
    }
}
