//! The rules a record can break, and the checks of a cleaned value against its column's.

use serde::{Deserialize, Serialize};

use crate::contract::{Allowed, Column};
use crate::types::{Bound, MAX_TEXT_BYTES, Type, Value};

mod format;

/// A rule a record can break. The names are ODCS's where it has one; they stand in the quarantine and in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// The record is not one: broken JSON, or a CSV row of another width than its header.
    Malformed,
    /// The record or a text in it is not UTF-8: stray bytes, or half of a surrogate pair.
    Encoding,
    /// A field of the contract stands twice in the record, and nobody can say which one was meant.
    DuplicateField,
    /// The record nests deeper than [`crate::source::MAX_DEPTH`].
    Depth,
    Required,
    /// The value does not fit its column's type exactly.
    Type,
    Minimum,
    Maximum,
    MinLength,
    MaxLength,
    Pattern,
    Format,
    ValidValues,
    /// The join found no customer, and the contract wants one.
    Unmatched,
}

impl Rule {
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Encoding => "encoding",
            Self::DuplicateField => "duplicateField",
            Self::Depth => "depth",
            Self::Required => "required",
            Self::Type => "type",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::MinLength => "minLength",
            Self::MaxLength => "maxLength",
            Self::Pattern => "pattern",
            Self::Format => "format",
            Self::ValidValues => "validValues",
            Self::Unmatched => "unmatched",
        }
    }
}

/// The first rule, in the order of the contract's columns, that a record breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    /// Index of the column; `None` when the record as a whole is wrong.
    pub column: Option<usize>,
    /// Whether the contract wants the run to fail for it.
    pub is_fatal: bool,
}

impl Violation {
    /// Of the record as a whole.
    pub fn of_record(rule: Rule) -> Self {
        Self { rule, column: None, is_fatal: false }
    }
}

/// Checks a cleaned text against its column: type, length, pattern, format, allowed values.
pub fn check_text(column: &Column, text: &str) -> Result<(), Rule> {
    // No warehouse text holds a NUL.
    if memchr::memchr(0, text.as_bytes()).is_some() { Err(Rule::Type) } else { check_text_without_nul(column, text) }
}

/// As [`check_text`], of a text that is known to hold no NUL.
#[inline]
pub fn check_text_without_nul(column: &Column, text: &str) -> Result<(), Rule> {
    let fits = match column.kind {
        Type::Text { max_bytes } => text.len() <= max_bytes as usize,
        Type::Char { max_bytes } => text.len() <= max_bytes as usize && text.is_ascii(),
        _ => text.len() <= MAX_TEXT_BYTES as usize,
    };
    if !fits {
        return Err(Rule::Type);
    }
    if column.min_length.is_some() || column.max_length.is_some() {
        let length = text.chars().count();
        if column.min_length.is_some_and(|min| length < min as usize) {
            return Err(Rule::MinLength);
        }
        if column.max_length.is_some_and(|max| length > max as usize) {
            return Err(Rule::MaxLength);
        }
    }
    if column.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
        return Err(Rule::Pattern);
    }
    if column.format.is_some_and(|format| !format.matches(text)) {
        return Err(Rule::Format);
    }
    match &column.allowed {
        Some(Allowed::Texts(allowed)) if !allowed.contains(text) => Err(Rule::ValidValues),
        _ => Ok(()),
    }
}

/// Checks a value that is no text against its column's bounds and allowed values.
#[inline]
pub fn check_bounds(column: &Column, value: Value<'_>) -> Result<(), Rule> {
    if column.minimum.is_none() && column.maximum.is_none() && column.allowed.is_none() {
        return Ok(());
    }
    check_given_bounds(column, value)
}

fn check_given_bounds(column: &Column, value: Value<'_>) -> Result<(), Rule> {
    let (below, above, is_other) = match value {
        Value::Double(x) => (
            matches!(column.minimum, Some(Bound::Double(min)) if x < min),
            matches!(column.maximum, Some(Bound::Double(max)) if x > max),
            false,
        ),
        Value::Integer(n) | Value::Timestamp(n) => exact(column, i128::from(n)),
        Value::Date(n) => exact(column, i128::from(n)),
        Value::Decimal(n) => exact(column, n),
        Value::Null | Value::Text(_) | Value::Boolean(_) => return Ok(()),
    };
    match (below, above, is_other) {
        (true, _, _) => Err(Rule::Minimum),
        (_, true, _) => Err(Rule::Maximum),
        (_, _, true) => Err(Rule::ValidValues),
        _ => Ok(()),
    }
}

fn exact(column: &Column, n: i128) -> (bool, bool, bool) {
    (
        matches!(column.minimum, Some(Bound::Exact(min)) if n < min),
        matches!(column.maximum, Some(Bound::Exact(max)) if n > max),
        matches!(&column.allowed, Some(Allowed::Exact(allowed)) if !allowed.contains(&n)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{OnViolation, Path, TextFormat};

    fn column(kind: Type) -> Column {
        Column {
            name: "c".into(),
            path: Path { field: "c".into(), steps: Vec::new() },
            kind,
            required: false,
            clean: Vec::new(),
            default: None,
            minimum: None,
            maximum: None,
            min_length: None,
            max_length: None,
            pattern: None,
            format: None,
            allowed: None,
            on_violation: OnViolation::Quarantine,
            mask: None,
            is_restricted: false,
        }
    }

    #[test]
    fn checks_text() {
        let check = |change: fn(&mut Column), text: &str, expected: Result<(), Rule>| {
            let mut column = column(Type::Text { max_bytes: 4 });
            change(&mut column);
            assert_eq!(check_text(&column, text), expected, "{text:?}");
        };
        check(|_| {}, "éé", Ok(()));
        check(|_| {}, "ééa", Err(Rule::Type));
        check(|_| {}, "a\0", Err(Rule::Type));
        check(|c| c.kind = Type::Char { max_bytes: 4 }, "abcd", Ok(()));
        check(|c| c.kind = Type::Char { max_bytes: 4 }, "é", Err(Rule::Type));
        check(|c| c.min_length = Some(2), "é", Err(Rule::MinLength));
        check(|c| c.max_length = Some(2), "éé", Ok(()));
        check(|c| c.max_length = Some(1), "éé", Err(Rule::MaxLength));
        check(|c| c.pattern = regex::Regex::new("b").ok(), "abc", Ok(()));
        check(|c| c.pattern = regex::Regex::new("^b").ok(), "abc", Err(Rule::Pattern));
        check(|c| c.format = Some(TextFormat::Ipv4), "1.2", Err(Rule::Format));
        check(|c| c.allowed = Some(Allowed::Texts(["a".to_owned()].into())), "a", Ok(()));
        check(|c| c.allowed = Some(Allowed::Texts(["a".to_owned()].into())), "A", Err(Rule::ValidValues));
    }

    #[test]
    fn checks_bounds() {
        let check = |minimum, maximum, value: Value<'_>, expected: Result<(), Rule>| {
            let column = Column { minimum, maximum, ..column(Type::Double) };
            assert_eq!(check_bounds(&column, value), expected, "{value:?}");
        };
        let exact = |n| Some(Bound::Exact(n));
        check(exact(1), exact(3), Value::Integer(1), Ok(()));
        check(exact(1), exact(3), Value::Decimal(0), Err(Rule::Minimum));
        check(exact(1), exact(3), Value::Date(4), Err(Rule::Maximum));
        check(exact(1), exact(3), Value::Timestamp(3), Ok(()));
        check(exact(1), exact(3), Value::Null, Ok(()));
        check(Some(Bound::Double(0.5)), None, Value::Double(0.4), Err(Rule::Minimum));
        check(Some(Bound::Double(0.5)), Some(Bound::Double(0.5)), Value::Double(0.5), Ok(()));
        let column = Column { allowed: Some(Allowed::Exact([1, 2].into())), ..column(Type::Integer { bits: 16 }) };
        assert_eq!(check_bounds(&column, Value::Integer(2)), Ok(()));
        assert_eq!(check_bounds(&column, Value::Integer(3)), Err(Rule::ValidValues));
    }
}
