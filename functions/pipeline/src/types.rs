//! The column types of a contract, and the values that flow through the pipeline.

use std::fmt;

use crate::decimal::Decimal;

/// A column type, as ODCS `physicalType` names it and as Redshift understands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `VARCHAR(n)`: n counts **bytes** of UTF-8, as in Redshift.
    Text {
        max_bytes: u32,
    },
    /// `CHAR(n)`: n single-byte characters.
    Char {
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
    /// `DOUBLE PRECISION`, finite.
    Double,
    Boolean,
    Date,
    /// `TIMESTAMPTZ` (`has_zone`) or `TIMESTAMP`; either is kept as microseconds since 1970-01-01T00:00:00Z.
    Timestamp {
        has_zone: bool,
    },
    /// `SUPER`: a JSON value of any shape, kept as its compact text.
    Super,
}

/// Redshift's widest VARCHAR, in bytes. Source: "Character types", Amazon Redshift Database Developer Guide.
pub const MAX_TEXT_BYTES: u32 = 65_535;

/// Redshift's widest CHAR, in bytes. Source: as for [`MAX_TEXT_BYTES`].
pub const MAX_CHAR_BYTES: u32 = 4_096;

impl Type {
    /// Whether its values are kept as text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text { .. } | Self::Char { .. } | Self::Super)
    }

    /// Whether its values are exact numbers, which the ledger therefore sums.
    pub fn is_exact_number(self) -> bool {
        self.sum_scale().is_some()
    }

    /// Digits after the point of a sum over this type; `None` when it is not summed.
    pub fn sum_scale(self) -> Option<u8> {
        match self {
            Self::Integer { .. } => Some(0),
            Self::Decimal { scale, .. } => Some(scale),
            _ => None,
        }
    }

    /// A value of this type as it is written in a contract, from what [`Bound::Exact`] keeps of it.
    pub fn show(self, exact: i128) -> String {
        let days = |micros: i128| micros.div_euclid(86_400_000_000);
        match self {
            Self::Decimal { scale, .. } => Decimal { unscaled: exact, scale }.to_string(),
            Self::Date => civil(exact),
            Self::Timestamp { has_zone } => {
                let (seconds, micros) = (exact.rem_euclid(86_400_000_000) / 1_000_000, exact.rem_euclid(1_000_000));
                let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
                let clock = format!("{:02}:{:02}:{:02}{fraction}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
                format!("{}T{clock}{}", civil(days(exact)), if has_zone { "Z" } else { "" })
            }
            _ => exact.to_string(),
        }
    }

    /// Whether every value of `narrower` is also a value of `self`.
    pub fn holds(self, narrower: Self) -> bool {
        match (self, narrower) {
            (Self::Text { max_bytes: wide }, Self::Text { max_bytes: narrow } | Self::Char { max_bytes: narrow }) => wide >= narrow,
            (Self::Char { max_bytes: wide }, Self::Char { max_bytes: narrow }) => wide >= narrow,
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
            Self::Char { max_bytes } => write!(f, "CHAR({max_bytes})"),
            Self::Integer { bits: 16 } => f.write_str("SMALLINT"),
            Self::Integer { bits: 32 } => f.write_str("INTEGER"),
            Self::Integer { .. } => f.write_str("BIGINT"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Double => f.write_str("DOUBLE PRECISION"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp { has_zone: true } => f.write_str("TIMESTAMPTZ"),
            Self::Timestamp { has_zone: false } => f.write_str("TIMESTAMP"),
            Self::Super => f.write_str("SUPER"),
        }
    }
}

/// `YYYY-MM-DD` of days since 1970-01-01. Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
fn civil(days: i128) -> String {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// One value of a row. Text lies in the source's block, or in the scratch of the cleaner that changed it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'t> {
    Null,
    Text(&'t str),
    Integer(i64),
    /// The unscaled number: 12.34 of `DECIMAL(18,2)` is 1234.
    Decimal(i128),
    Double(f64),
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

/// What a value is compared with by `minimum` and `maximum`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Unscaled, of the column's own scale; days of a date, microseconds of a timestamp.
    Exact(i128),
    Double(f64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{self, Written};
    use proptest::prelude::*;

    #[test]
    fn a_wider_type_holds_a_narrower_one() {
        let check = |wide: Type, narrow: Type, expected: bool| assert_eq!(wide.holds(narrow), expected, "{wide} holds {narrow}");
        let (text, char) = (|max_bytes| Type::Text { max_bytes }, |max_bytes| Type::Char { max_bytes });
        let decimal = |precision, scale| Type::Decimal { precision, scale };
        check(text(5), text(5), true);
        check(text(4), text(5), false);
        check(text(5), char(5), true);
        check(char(5), text(5), false);
        check(char(6), char(5), true);
        check(Type::Integer { bits: 64 }, Type::Integer { bits: 16 }, true);
        check(Type::Integer { bits: 16 }, Type::Integer { bits: 32 }, false);
        check(decimal(38, 2), decimal(18, 2), true);
        check(decimal(38, 3), decimal(18, 2), false);
        check(Type::Double, Type::Integer { bits: 16 }, false);
        check(Type::Timestamp { has_zone: true }, Type::Timestamp { has_zone: false }, false);
        check(Type::Super, text(5), false);
        check(Type::Super, Type::Super, true);
    }

    proptest! {
        /// What is shown is read back.
        #[test]
        fn shows_what_a_contract_would_say(days in -719_162i32..2_932_897, micros in 0i64..86_400_000_000, n in any::<i64>()) {
            let at = i64::from(days) * 86_400_000_000 + micros;
            for (kind, exact, value) in [
                (Type::Date, i128::from(days), Value::Date(days)),
                (Type::Timestamp { has_zone: true }, i128::from(at), Value::Timestamp(at)),
                (Type::Timestamp { has_zone: false }, i128::from(at), Value::Timestamp(at)),
                (Type::Integer { bits: 64 }, i128::from(n), Value::Integer(n)),
                (Type::Decimal { precision: 38, scale: 5 }, i128::from(n), Value::Decimal(i128::from(n))),
            ] {
                prop_assert_eq!(parse::value(&kind.show(exact), Written::Text, kind, 0), Ok(value));
            }
        }
    }
}
