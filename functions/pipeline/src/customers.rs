//! The join side: all customers, compact, the last row of a key winning.

use arrow_array::{Array, ArrayRef};
use csv::{ByteRecord, ReaderBuilder};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Cow;
use std::hash::BuildHasher;

use crate::clean::{Cleaner, Rule, Violation};
use crate::columns::ColumnBuilder;
use crate::contract::{Origin, Plan};
use crate::ledger::Counts;
use crate::record::Field;
use crate::source::{MAX_RECORD_BYTES, Malformed, UTF8_BOM, is_utf16};
use crate::types::Row;

/// Customers by join key, with the columns the target wants.
#[derive(Debug)]
pub struct Customers {
    /// One per target column that comes from the customers.
    columns: Vec<Option<ArrayRef>>,
    keys: Keys,
    counts: Counts,
    superseded: u64,
}

impl Customers {
    /// Row of the customer with this join key.
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        self.keys.find(key)
    }

    pub fn columns(&self) -> &[Option<ArrayRef>] {
        &self.columns
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Clean rows whose key came again later in the file.
    pub fn superseded(&self) -> u64 {
        self.superseded
    }

    /// Bytes held, for the memory budget.
    pub fn memory_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().flatten().map(|c| c.get_array_memory_size()).sum();
        columns
            + self.keys.bytes.capacity()
            + self.keys.ends.capacity() * 4
            + self.keys.rows.capacity() * 4
            + self.keys.index.allocation_size()
    }
}

/// Reads a CSV file of customers; `on_rejected` gets each record that broke a rule, with its offset.
///
/// # Errors
/// When the file as a whole is no such CSV: no header, a column missing or doubled in it, a quote that is never closed.
pub fn read_customers<E: From<Malformed>>(
    csv: &[u8],
    plan: &Plan,
    mut on_rejected: impl FnMut(u64, &[u8], Violation) -> Result<(), E>,
) -> Result<Customers, E> {
    if is_utf16(csv) {
        return Err(Malformed::new(0, "the file is UTF-16: store it as UTF-8").into());
    }
    let body = csv.strip_prefix(UTF8_BOM).unwrap_or(csv);
    let lead = csv.len() - body.len();
    let mut reader = ReaderBuilder::new().flexible(true).buffer_capacity(1 << 18).from_reader(body);
    let header = reader.byte_headers().map_err(|e| Malformed::new(0, e.to_string()))?.clone();
    let source = &plan.customers;
    let fields = field_positions(&header, plan)?;

    let mut builders: Vec<Option<ColumnBuilder>> =
        plan.target.columns.iter().map(|c| matches!(c.origin, Origin::Customers(_)).then(|| ColumnBuilder::new(c.kind))).collect();
    let mut keys = Keys::default();
    let mut counts = Counts::default();
    let mut superseded = 0;
    let mut cleaner = Cleaner::new(source, plan.zone_offset_seconds);
    let mut row = Row::default();
    let mut record = ByteRecord::new();
    let mut scratch = [0; 16];
    let mut end = reader.position().byte();
    loop {
        let start = record_start(body, end);
        if !reader.read_byte_record(&mut record).map_err(|e| Malformed::new(start, e.to_string()))? {
            break;
        }
        end = reader.position().byte();
        let text = slice(body, start, end);
        check_quotes(text, start + lead as u64)?;
        counts.read += 1;
        counts.recognised += 1;
        let cleaned = as_fields(&record, &fields, header.len()).and_then(|fields| cleaner.clean(&fields, &mut row));
        if let Err(violation) = cleaned {
            counts.quarantine(violation.rule, violation.column.map(|c| source.columns[c].name.as_str()));
            on_rejected(start + lead as u64, trim_newline(text), violation)?;
            continue;
        }
        counts.clean += 1;
        let Some(key) = row.key_bytes(plan.join.right, &mut scratch) else { continue };
        superseded += u64::from(keys.insert(key)?);
        for (column, builder) in plan.target.columns.iter().zip(&mut builders) {
            if let (Origin::Customers(index), Some(builder)) = (column.origin, builder) {
                builder.push(&row, row.value(index));
            }
        }
    }
    if counts.read == 0 {
        return Err(Malformed::new(lead as u64, "the file has no customer: put at least one row below the header").into());
    }
    let columns = builders.iter_mut().map(|b| b.as_mut().map(ColumnBuilder::finish)).collect();
    Ok(Customers { columns, keys, counts, superseded })
}

/// Where each of the contract's columns stands in the file; `None` for an optional one that is not there.
fn field_positions(header: &ByteRecord, plan: &Plan) -> Result<Vec<Option<usize>>, Malformed> {
    let names: Vec<Cow<'_, str>> = header.iter().map(|name| String::from_utf8_lossy(name.trim_ascii())).collect();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            return Err(Malformed::new(0, format!("the header has `{name}` twice")));
        }
    }
    let columns = plan.customers.columns.iter();
    let positions: Vec<_> = columns.clone().map(|c| names.iter().position(|name| *name == c.field)).collect();
    for (column, position) in columns.zip(&positions) {
        if position.is_none() && column.required && column.default.is_none() {
            let found = names.join(", ");
            return Err(Malformed::new(0, format!("the header has no `{}`, which the contract requires; it has: {found}", column.field)));
        }
    }
    Ok(positions)
}

fn as_fields<'r>(record: &'r ByteRecord, positions: &[Option<usize>], width: usize) -> Result<Vec<Field<'r>>, Violation> {
    let whole = |rule| Violation { rule, column: None, is_fatal: false };
    if record.len() != width {
        return Err(whole(Rule::Malformed));
    }
    let field = |position: &Option<usize>| match position.and_then(|p| record.get(p)) {
        None => Ok(Field::Missing),
        Some(bytes) => std::str::from_utf8(bytes).map(|text| Field::Text(Cow::Borrowed(text))).map_err(|_| whole(Rule::Encoding)),
    };
    positions.iter().map(field).collect()
}

/// The csv reader passes over blank lines, which belong to no record.
fn record_start(body: &[u8], end: u64) -> u64 {
    let at = usize::try_from(end).unwrap_or(usize::MAX).min(body.len());
    end + body[at..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count() as u64
}

fn slice(body: &[u8], start: u64, end: u64) -> &[u8] {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(body.len());
    &body[at(start).min(at(end))..at(end)]
}

fn trim_newline(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// RFC 4180's rule for quotes. The csv reader takes an unclosed quote as one field up to the end of the file, and text behind a
/// closing one as part of the field: either way rows would vanish into a field without a word.
fn check_quotes(record: &[u8], offset: u64) -> Result<(), Malformed> {
    if record.len() as u64 > MAX_RECORD_BYTES {
        return Err(Malformed::new(offset, format!("a row is longer than {} MiB: is a quote not closed?", MAX_RECORD_BYTES >> 20)));
    }
    if memchr::memchr(b'"', record).is_none() {
        return Ok(());
    }
    #[derive(PartialEq)]
    enum At {
        FieldStart,
        Plain,
        Quoted,
        QuoteInQuoted,
    }
    let mut at = At::FieldStart;
    for (index, byte) in record.iter().enumerate() {
        at = match (at, byte) {
            (At::FieldStart, b'"') | (At::QuoteInQuoted, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::QuoteInQuoted,
            (At::Quoted, _) => At::Quoted,
            (_, b',' | b'\r' | b'\n') => At::FieldStart,
            (At::QuoteInQuoted, _) => {
                return Err(Malformed::new(offset + index as u64, "text follows a closing quote: double the quotes inside a quoted field"));
            }
            (At::FieldStart | At::Plain, _) => At::Plain,
        };
    }
    if at == At::Quoted {
        return Err(Malformed::new(offset, "a quote of the row that begins here is never closed"));
    }
    Ok(())
}

/// Join keys in one arena, found by hash: 8 bytes a row and about 5 a key besides their text.
#[derive(Debug, Default)]
struct Keys {
    bytes: Vec<u8>,
    /// End of each distinct key in `bytes`.
    ends: Vec<u32>,
    /// Newest row of each distinct key.
    rows: Vec<u32>,
    next_row: u32,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Keys {
    /// Adds the next row under its key; true when it supersedes an earlier one.
    fn insert(&mut self, key: &[u8]) -> Result<bool, Malformed> {
        let too_many = || Malformed::new(0, "more customers than 32-bit row numbers hold");
        let row = self.next_row;
        self.next_row = row.checked_add(1).ok_or_else(too_many)?;
        let Self { bytes, ends, rows, index, hasher, .. } = self;
        let found = index.find(hasher.hash_one(key), |id| key_of(bytes, ends, *id) == key).copied();
        if let Some(id) = found {
            rows[id as usize] = row;
            return Ok(true);
        }
        let id = u32::try_from(ends.len()).map_err(|_| too_many())?;
        bytes.extend_from_slice(key);
        ends.push(u32::try_from(bytes.len()).map_err(|_| too_many())?);
        rows.push(row);
        index.insert_unique(hasher.hash_one(key), id, |id| hasher.hash_one(key_of(bytes, ends, *id)));
        Ok(false)
    }

    fn find(&self, key: &[u8]) -> Option<u32> {
        let id = self.index.find(self.hasher.hash_one(key), |id| key_of(&self.bytes, &self.ends, *id) == key)?;
        Some(self.rows[*id as usize])
    }
}

fn key_of<'k>(bytes: &'k [u8], ends: &[u32], id: u32) -> &'k [u8] {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] as usize };
    &bytes[start..ends[id] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_that_would_swallow_rows_are_refused() {
        let check = |record: &str, expected: Option<(u64, &str)>| match (check_quotes(record.as_bytes(), 100), expected) {
            (Ok(()), None) => {}
            (Err(e), Some((byte, what))) => assert!(e.byte == byte && e.what.contains(what), "{record}: {e}"),
            (found, _) => panic!("{record}: {found:?}"),
        };
        check("a,b\n", None);
        check("a,\"b, \"\"c\"\"\nd\",e\r\n", None);
        check("5\" disk,b\n", None);
        check("\"\",\"\"\n", None);
        check("a,\"b\n", Some((100, "never closed")));
        check("a,\"b\nc,\"d\"\n", Some((108, "follows a closing quote")));
    }

    #[test]
    fn the_last_row_of_a_key_wins() {
        let mut keys = Keys::default();
        assert_eq!(keys.insert(b"a"), Ok(false));
        assert_eq!(keys.insert(b"b"), Ok(false));
        assert_eq!(keys.insert(b"a"), Ok(true));
        assert_eq!((keys.find(b"a"), keys.find(b"b"), keys.find(b"c")), (Some(2), Some(1), None));
    }
}
