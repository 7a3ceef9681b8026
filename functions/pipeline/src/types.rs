//! The column types of a contract, and the values that flow through the pipeline.

use std::fmt;

/// A column type, as ODCS `physicalType` names it and as Redshift understands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `VARCHAR(n)`: n counts **bytes** of UTF-8, as in Redshift.
    Text {
        max_bytes: u32,
    },
    /// `SMALLINT`, `INTEGER`, `BIGINT`.
    Integer {
        bits: u8,
    },
    /// `DECIMAL(p,s)`, p ≤ 38.
    Decimal {
        precision: u8,
        scale: u8,
    },
    Boolean,
    Date,
    /// An instant, kept as microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
}

/// Redshift's widest VARCHAR, in bytes. Source: "Character types", Amazon Redshift Database Developer Guide.
pub const MAX_TEXT_BYTES: u32 = 65_535;

impl Type {
    /// Whether its values are exact numbers, which the ledger therefore sums.
    pub fn is_exact_number(self) -> bool {
        self.sum_scale().is_some()
    }

    /// Digits after the point of a sum over this type; `None` when it is not summed.
    pub fn sum_scale(self) -> Option<u8> {
        match self {
            Self::Integer { .. } => Some(0),
            Self::Decimal { scale, .. } => Some(scale),
            Self::Text { .. } | Self::Boolean | Self::Date | Self::Timestamp => None,
        }
    }

    /// Whether every value of `narrower` is also a value of `self`.
    pub fn holds(self, narrower: Self) -> bool {
        match (self, narrower) {
            (Self::Text { max_bytes: wide }, Self::Text { max_bytes: narrow }) => wide >= narrow,
            (Self::Integer { bits: wide }, Self::Integer { bits: narrow }) => wide >= narrow,
            (Self::Decimal { precision: p, scale: s }, Self::Decimal { precision: q, scale: t }) => s == t && p >= q,
            (wide, narrow) => wide == narrow,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { max_bytes } => write!(f, "VARCHAR({max_bytes})"),
            Self::Integer { bits: 16 } => f.write_str("SMALLINT"),
            Self::Integer { bits: 32 } => f.write_str("INTEGER"),
            Self::Integer { .. } => f.write_str("BIGINT"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp => f.write_str("TIMESTAMPTZ"),
        }
    }
}

/// One value of a row. Text lies in the row's own buffer, so a row is reused without allocating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Null,
    /// A byte range of [`Row::text`].
    Text {
        start: usize,
        end: usize,
    },
    Integer(i64),
    /// The unscaled number: 12.34 of `DECIMAL(18,2)` is 1234.
    Decimal(i128),
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

/// A clean row of one source: a value per contract column.
#[derive(Debug, Default, Clone)]
pub struct Row {
    values: Vec<Value>,
    text: String,
}

impl Row {
    pub fn clear(&mut self) {
        self.values.clear();
        self.text.clear();
    }

    pub fn push(&mut self, value: Value) {
        self.values.push(value);
    }

    /// Appends a text value, copied into the row.
    pub fn push_text(&mut self, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.values.push(Value::Text { start, end: self.text.len() });
    }

    pub fn value(&self, column: usize) -> Value {
        self.values[column]
    }

    /// The text of a [`Value::Text`] of this row.
    pub fn text(&self, start: usize, end: usize) -> &str {
        &self.text[start..end]
    }

    /// The bytes by which a join compares this value; `None` for null, which matches nothing.
    pub fn key_bytes<'a>(&'a self, column: usize, scratch: &'a mut [u8; 16]) -> Option<&'a [u8]> {
        let number = match self.values[column] {
            Value::Null => return None,
            Value::Text { start, end } => return Some(&self.text.as_bytes()[start..end]),
            Value::Integer(v) | Value::Timestamp(v) => i128::from(v),
            Value::Decimal(v) => v,
            Value::Boolean(v) => i128::from(v),
            Value::Date(v) => i128::from(v),
        };
        *scratch = number.to_le_bytes();
        Some(&scratch[..])
    }
}
