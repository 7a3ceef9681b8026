//! Clean values, column by column, until they are enough for a row group.

use std::ops::Range;

use parquet::errors::ParquetError;

use crate::interner::{Full, Interner, Recent};
use crate::pages::push_plain_text;
use crate::types::{Type, Value};

/// How a column's values lie in a Parquet file.
/// Source: "Parquet Logical Type Definitions", apache/parquet-format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Physical {
    Boolean,
    Int32,
    Int64,
    Double,
    Text,
    /// A two's complement number, big-endian, of so many bytes.
    Wide(u8),
}

impl Physical {
    pub fn of(kind: Type) -> Self {
        match kind {
            Type::Text { .. } | Type::Char { .. } | Type::Super => Self::Text,
            Type::Integer { bits: 16 | 32 } | Type::Date => Self::Int32,
            Type::Integer { .. } | Type::Timestamp { .. } => Self::Int64,
            Type::Decimal { precision: 0..=9, .. } => Self::Int32,
            Type::Decimal { precision: 10..=18, .. } => Self::Int64,
            Type::Decimal { precision, .. } => Self::Wide(decimal_bytes(precision)),
            Type::Double => Self::Double,
            Type::Boolean => Self::Boolean,
        }
    }
}

/// Fewest bytes that hold any number of so many digits.
fn decimal_bytes(precision: u8) -> u8 {
    let bits = 128 - (10u128.saturating_pow(u32::from(precision)) - 1).leading_zeros() + 1;
    u8::try_from(bits.div_ceil(8)).unwrap_or(16)
}

/// The values of one column that are not null, in the order of the rows.
#[derive(Debug)]
pub enum Values {
    Boolean(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Double(Vec<f64>),
    Wide { bytes: u8, numbers: Vec<i128> },
    Text(TextValues),
}

/// One column of a row group.
#[derive(Debug)]
pub struct Column {
    pub values: Values,
    /// By row, whether it has a value; left empty by a column that always has one.
    pub present: Vec<bool>,
    is_nullable: bool,
}

impl Column {
    pub fn new(physical: Physical, is_nullable: bool) -> Self {
        let values = match physical {
            Physical::Boolean => Values::Boolean(Vec::new()),
            Physical::Int32 => Values::Int32(Vec::new()),
            Physical::Int64 => Values::Int64(Vec::new()),
            Physical::Double => Values::Double(Vec::new()),
            Physical::Wide(bytes) => Values::Wide { bytes, numbers: Vec::new() },
            Physical::Text => Values::Text(TextValues::default()),
        };
        Self { values, present: Vec::new(), is_nullable }
    }

    /// A column of flags, whole; `present` stays empty where every row has one.
    pub fn of_flags(flags: Vec<bool>, present: Vec<bool>) -> Self {
        Self { is_nullable: !present.is_empty(), present, values: Values::Boolean(flags) }
    }

    /// Appends a value.
    pub fn push(&mut self, value: Value<'_>) -> Result<(), Full> {
        self.extend(std::iter::once(value))
    }

    /// Appends values. One of another type than the column's cannot be: the plan gives both one type.
    pub fn extend<'v>(&mut self, values: impl Iterator<Item = Value<'v>> + Clone) -> Result<(), Full> {
        if self.is_nullable {
            self.present.extend(values.clone().map(|value| value != Value::Null));
        }
        match &mut self.values {
            Values::Text(texts) => {
                for value in values {
                    if let Value::Text(text) = value {
                        texts.push(text.as_bytes())?;
                    }
                }
            }
            Values::Int32(numbers) => numbers.extend(values.filter_map(|value| match value {
                Value::Integer(n) => i32::try_from(n).ok(),
                Value::Decimal(n) => i32::try_from(n).ok(),
                Value::Date(n) => Some(n),
                _ => None,
            })),
            Values::Int64(numbers) => numbers.extend(values.filter_map(|value| match value {
                Value::Integer(n) | Value::Timestamp(n) => Some(n),
                Value::Decimal(n) => i64::try_from(n).ok(),
                _ => None,
            })),
            Values::Wide { numbers, .. } => numbers.extend(values.filter_map(|value| match value {
                Value::Decimal(n) => Some(n),
                Value::Integer(n) => Some(n.into()),
                _ => None,
            })),
            Values::Double(numbers) => numbers.extend(values.filter_map(|value| match value {
                Value::Double(n) => Some(n),
                _ => None,
            })),
            Values::Boolean(flags) => flags.extend(values.filter_map(|value| match value {
                Value::Boolean(flag) => Some(flag),
                _ => None,
            })),
        }
        Ok(())
    }

    /// Appends the values of a column like this one.
    pub fn append(&mut self, other: &Self) -> Result<(), Full> {
        self.present.extend_from_slice(&other.present);
        match (&mut self.values, &other.values) {
            (Values::Boolean(to), Values::Boolean(from)) => to.extend_from_slice(from),
            (Values::Int32(to), Values::Int32(from)) => to.extend_from_slice(from),
            (Values::Int64(to), Values::Int64(from)) => to.extend_from_slice(from),
            (Values::Double(to), Values::Double(from)) => to.extend_from_slice(from),
            (Values::Wide { numbers: to, .. }, Values::Wide { numbers: from, .. }) => to.extend_from_slice(from),
            (Values::Text(to), Values::Text(from)) => to.append(from)?,
            // Columns of one contract column; `check` would notice others.
            _ => {}
        }
        Ok(())
    }

    /// That each of `rows` rows has its value or its null: a page that counts otherwise would be read as other rows.
    pub fn check(&self, rows: usize) -> Result<(), ParquetError> {
        let values = match &self.values {
            Values::Boolean(v) => v.len(),
            Values::Int32(v) => v.len(),
            Values::Int64(v) => v.len(),
            Values::Double(v) => v.len(),
            Values::Wide { numbers, .. } => numbers.len(),
            Values::Text(texts) => texts.len(),
        };
        let (marked, present) = if self.is_nullable { (self.present.len(), count(&self.present)) } else { (rows, rows) };
        if marked == rows && present == values {
            return Ok(());
        }
        Err(ParquetError::General(format!(
            "a column holds {values} values, {present} of {marked} rows have one, and there are {rows} rows"
        )))
    }

    pub fn clear(&mut self) {
        self.present.clear();
        match &mut self.values {
            Values::Boolean(v) => v.clear(),
            Values::Int32(v) => v.clear(),
            Values::Int64(v) => v.clear(),
            Values::Double(v) => v.clear(),
            Values::Wide { numbers, .. } => numbers.clear(),
            Values::Text(texts) => texts.clear(),
        }
    }

    /// The exact sum of the column's numbers, unscaled; zero where they are none. `None` past 127 bits.
    pub fn sum(&self) -> Option<i128> {
        match &self.values {
            // 2^64 numbers of 63 bits would be needed to leave this range.
            Values::Int32(v) => Some(v.iter().map(|n| i128::from(*n)).sum()),
            Values::Int64(v) => Some(v.iter().map(|n| i128::from(*n)).sum()),
            Values::Wide { numbers, .. } => numbers.iter().try_fold(0i128, |sum, n| sum.checked_add(*n)),
            Values::Boolean(_) | Values::Double(_) | Values::Text(_) => Some(0),
        }
    }
}

fn count(present: &[bool]) -> usize {
    present.iter().filter(|p| **p).count()
}

/// Texts as numbers into a dictionary while they repeat themselves, else as a page has them.
#[derive(Debug, Default)]
pub struct TextValues {
    pub dictionary: Interner,
    pub ids: Vec<u32>,
    recent: Recent,
    /// In use once the dictionary was found useless: then it and the ids are empty.
    pub plain: PlainTexts,
}

/// After so many texts the dictionary is judged, once.
const TRIAL: usize = 2_048;

impl TextValues {
    #[inline]
    fn push(&mut self, text: &[u8]) -> Result<(), Full> {
        if !self.plain.is_empty() {
            return self.plain.push(text);
        }
        self.ids.push(self.recent.intern(&mut self.dictionary, text)?);
        if self.ids.len() == TRIAL && self.dictionary.arena().len() > TRIAL / 2 {
            self.give_up_dictionary()?;
        }
        Ok(())
    }

    /// Appends other texts; as soon as one of the two did without a dictionary, the whole does.
    fn append(&mut self, other: &Self) -> Result<(), Full> {
        if self.plain.is_empty() && other.plain.is_empty() {
            return self.dictionary.adopt(&mut self.ids, other.dictionary.arena(), &other.ids);
        }
        self.give_up_dictionary()?;
        for id in &other.ids {
            self.plain.push(other.dictionary.arena().get(*id))?;
        }
        self.plain.append(&other.plain)
    }

    fn give_up_dictionary(&mut self) -> Result<(), Full> {
        for id in self.ids.drain(..) {
            self.plain.push(self.dictionary.arena().get(id))?;
        }
        self.dictionary.clear();
        self.recent.clear();
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.ids.len() + self.plain.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn clear(&mut self) {
        self.dictionary.clear();
        self.recent.clear();
        self.ids.clear();
        self.plain.clear();
    }
}

/// Texts one behind the other in PLAIN encoding, each behind its length.
#[derive(Debug, Default)]
pub struct PlainTexts {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

impl PlainTexts {
    #[inline]
    fn push(&mut self, text: &[u8]) -> Result<(), Full> {
        let start = u32::try_from(self.bytes.len()).map_err(|_| Full)?;
        self.starts.push(start);
        push_plain_text(text, &mut self.bytes);
        Ok(())
    }

    fn append(&mut self, other: &Self) -> Result<(), Full> {
        let base = u32::try_from(self.bytes.len()).map_err(|_| Full)?;
        u32::try_from(self.bytes.len() + other.bytes.len()).map_err(|_| Full)?;
        self.starts.extend(other.starts.iter().map(|start| base + start));
        self.bytes.extend_from_slice(&other.bytes);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    fn start(&self, index: usize) -> usize {
        self.starts.get(index).map_or(self.bytes.len(), |start| *start as usize)
    }

    /// A range of the texts, encoded.
    pub fn encoded(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[self.start(range.start)..self.start(range.end)]
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| &self.bytes[self.start(index) + 4..self.start(index + 1)])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter::repeat_n;

    fn texts(column: &Column) -> Vec<String> {
        let Values::Text(texts) = &column.values else { return Vec::new() };
        // As they are encoded: by the dictionary, or without it.
        let shown = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
        match texts.plain.is_empty() {
            true => texts.ids.iter().map(|id| shown(texts.dictionary.arena().get(*id))).collect(),
            false => texts.plain.iter().map(shown).collect(),
        }
    }

    /// Whichever of the blocks of a row group did without a dictionary, all texts stand in their order.
    #[test]
    fn blocks_of_texts_become_one_column() {
        let distinct = |n: usize| (0..n).map(|i| format!("text {i}")).collect::<Vec<_>>();
        let repeated = |n: usize| repeat_n("again".to_owned(), n).collect::<Vec<_>>();
        let check = |blocks: &[Vec<String>], has_dictionary: bool| {
            let mut whole = Column::new(Physical::Text, true);
            for block in blocks {
                let mut column = Column::new(Physical::Text, true);
                column.extend(block.iter().map(|text| Value::Text(text)).chain([Value::Null])).unwrap();
                whole.append(&column).unwrap();
            }
            assert_eq!(texts(&whole), blocks.concat());
            whole.check(blocks.concat().len() + blocks.len()).unwrap();
            let Values::Text(values) = &whole.values else { panic!("{whole:?}") };
            assert_eq!(values.plain.is_empty(), has_dictionary, "{:?}", blocks.iter().map(Vec::len).collect::<Vec<_>>());
        };
        let (many, few) = (TRIAL + 10, 10);
        check(&[repeated(many), distinct(few), repeated(few)], true);
        check(&[distinct(few), distinct(many), repeated(many)], false);
        check(&[distinct(many), distinct(many), Vec::new(), repeated(few)], false);
        check(&[Vec::new(), Vec::new()], true);
    }
}
