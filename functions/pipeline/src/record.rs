//! Text to record: the fields a contract names, as they were written, and nothing else.
//!
//! Two readers give the same fields. [`fast`] takes a record apart in one pass and stops at whatever it does not expect; then
//! [`general`] reads the record with serde_json, and its word counts: what is wrong, and where. A property test holds them together.

mod fast;
mod general;

use std::collections::HashMap;

use crate::contract::{Source, Step};
use crate::rule::Rule;

pub use fast::skip_object;

/// A field of a record as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    Missing,
    Null,
    /// A text without escapes.
    Text(&'a str),
    /// A JSON string with escapes, in its quotes.
    Escaped(&'a str),
    /// A JSON number or boolean, by its own characters.
    Literal(&'a str),
    /// A JSON object or array.
    Nested(&'a str),
}

/// Why a record could not be taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unparsable {
    /// Not UTF-8, from this byte of the record on.
    Encoding { byte: usize },
    /// Not JSON, from about this byte of the record on.
    Syntax { byte: usize, what: String },
    /// The contract's field stands twice.
    DuplicateField,
    /// Nested deeper than [`crate::source::MAX_DEPTH`].
    Depth,
}

/// The fields of one record: one for each of [`Layout::fields`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    pub values: Vec<Field<'a>>,
    /// Fields the contract does not name.
    pub unknown: u64,
}

impl Fields<'_> {
    /// Whether the record has any field of the contract.
    pub fn is_recognised(&self) -> bool {
        self.values.iter().any(|f| *f != Field::Missing)
    }

    fn clear(&mut self, length: usize) {
        self.values.resize(length, Field::Missing);
        self.values.fill(Field::Missing);
        self.unknown = 0;
    }
}

/// The fields that the columns of a source are found in. Several columns may lie inside one field.
#[derive(Debug, Clone)]
pub struct Layout {
    fields: Vec<String>,
    /// By column, its field.
    pub(crate) of_column: Vec<usize>,
    by_name: HashMap<String, usize>,
    quoted: Vec<Name>,
}

/// A field's name with the quote that closes it in a record.
#[derive(Debug, Clone)]
struct Name {
    bytes: Box<[u8]>,
    /// Its first 16 bytes as a number, and the bits of it that count.
    word: u128,
    mask: u128,
}

impl Name {
    fn new(name: &str) -> Self {
        let bytes = [name.as_bytes(), b"\""].concat().into_boxed_slice();
        let mut first = [0; 16];
        let mut counts = [0; 16];
        let length = bytes.len().min(16);
        first[..length].copy_from_slice(&bytes[..length]);
        counts[..length].fill(0xFF);
        Self { bytes, word: u128::from_le_bytes(first), mask: u128::from_le_bytes(counts) }
    }

    /// Whether the name stands at the start of `text`.
    #[inline(always)]
    fn begins(&self, text: &[u8]) -> bool {
        match text.first_chunk::<16>() {
            Some(first) if self.bytes.len() <= 16 => u128::from_le_bytes(*first) & self.mask == self.word,
            _ => text.starts_with(&self.bytes),
        }
    }
}

impl Layout {
    pub fn new(source: &Source) -> Self {
        Self::of_fields(&source.columns.iter().map(|c| c.path.field.as_str()).collect::<Vec<_>>())
    }

    /// For columns in these fields.
    pub fn of_fields(names: &[&str]) -> Self {
        let mut fields: Vec<String> = Vec::new();
        let mut by_name = HashMap::new();
        let of_column = names.iter().map(|name| {
            *by_name.entry((*name).to_owned()).or_insert_with(|| {
                fields.push((*name).to_owned());
                fields.len() - 1
            })
        });
        let of_column = of_column.collect();
        let quoted = fields.iter().map(|name| Name::new(name)).collect();
        Self { fields, of_column, by_name, quoted }
    }

    /// Names, in the order of the contract's columns.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// How a record ends and what may stand inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// It may go over several lines.
    Free,
    /// A newline ends it.
    Line,
}

/// Takes the JSON object at `start` of `text` apart, if it is of the expected kind; returns its end.
///
/// `None` says nothing of the record: ask [`parse_json`].
pub fn parse_fast<'a>(text: &'a str, start: usize, extent: Extent, layout: &Layout, fields: &mut Fields<'a>) -> Option<usize> {
    match extent {
        Extent::Free => fast::object::<false>(text, start, layout, fields),
        Extent::Line => fast::object::<true>(text, start, layout, fields),
    }
}

/// Takes one JSON object apart. A field that stands twice makes the record unparsable, since nobody can say which one was meant.
pub fn parse_json<'a>(record: &'a [u8], layout: &Layout, fields: &mut Fields<'a>) -> Result<(), Unparsable> {
    general::object(record, layout, fields)
}

/// What JSON text of one value it is. The text is a valid value.
fn field(raw: &str) -> Field<'_> {
    match raw.as_bytes() {
        [b'"', ..] if memchr::memchr(b'\\', raw.as_bytes()).is_none() => Field::Text(&raw[1..raw.len() - 1]),
        [b'"', ..] => Field::Escaped(raw),
        [b'{' | b'[', ..] => Field::Nested(raw),
        b"null" => Field::Null,
        _ => Field::Literal(raw),
    }
}

/// The value at the end of a path of keys and indices inside a JSON value. A step that leads nowhere finds nothing; one to a key that
/// stands twice breaks a rule, since nobody can say which one was meant.
pub fn walk<'a>(raw: &'a str, steps: &[Step]) -> Result<Field<'a>, Rule> {
    general::walk(raw, steps)
}

#[cfg(test)]
mod tests;
