//! Record to clean row, or to the first rule it breaks.

use serde::{Deserialize, Serialize};

use crate::contract::{Column, OnViolation, Source, Verb};
use crate::parse::{self, Written};
use crate::record::Field;
use crate::types::{Row, Type, Value};

/// A rule a record can break. The names are ODCS's where it has one; they stand in the quarantine and in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// The record is not one: broken JSON, or a CSV row of another width than its header.
    Malformed,
    /// The record is not UTF-8.
    Encoding,
    Required,
    /// The value does not fit its column's type exactly.
    Type,
    Minimum,
    Maximum,
    MinLength,
    MaxLength,
    /// The join found no customer, and the contract wants one.
    Unmatched,
}

impl Rule {
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Encoding => "encoding",
            Self::Required => "required",
            Self::Type => "type",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::MinLength => "minLength",
            Self::MaxLength => "maxLength",
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

/// Cleans the records of one source, keeping its buffers from one to the next.
#[derive(Debug)]
pub struct Cleaner<'p> {
    source: &'p Source,
    zone_offset_seconds: i32,
    text: String,
    spare: String,
}

impl<'p> Cleaner<'p> {
    pub fn new(source: &'p Source, zone_offset_seconds: i32) -> Self {
        Self { source, zone_offset_seconds, text: String::new(), spare: String::new() }
    }

    /// Fills `row` with a value per column of the source.
    pub fn clean(&mut self, fields: &[Field<'_>], row: &mut Row) -> Result<(), Violation> {
        row.clear();
        for (index, (column, field)) in self.source.columns.iter().zip(fields).enumerate() {
            if let Err(rule) = self.value(column, field, row) {
                match column.on_violation {
                    OnViolation::Null => row.push(Value::Null),
                    action => return Err(Violation { rule, column: Some(index), is_fatal: action == OnViolation::Fail }),
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, column: &Column, field: &Field<'_>, row: &mut Row) -> Result<(), Rule> {
        let written = match field {
            Field::Missing | Field::Null => None,
            Field::Text(text) => self.cleaned(text, &column.clean).then_some(Written::Text),
            Field::Literal(text) => self.cleaned(text, &column.clean).then_some(Written::Literal),
            Field::Nested => return Err(Rule::Type),
        };
        let written = match (written, &column.default) {
            (Some(written), _) => written,
            (None, Some(default)) if self.cleaned(default, &column.clean) => Written::Literal,
            (None, _) if column.required => return Err(Rule::Required),
            (None, _) => {
                row.push(Value::Null);
                return Ok(());
            }
        };
        if let Type::Text { max_bytes } = column.kind {
            check_text(column, max_bytes, &self.text)?;
            row.push_text(&self.text);
        } else {
            let value = parse::value(&self.text, written, column.kind, self.zone_offset_seconds).map_err(|_| Rule::Type)?;
            check_bounds(column, value)?;
            row.push(value);
        }
        Ok(())
    }

    /// Leaves the cleaned text in `self.text`; false when the steps made it null.
    fn cleaned(&mut self, text: &str, steps: &[Verb]) -> bool {
        self.text.clear();
        self.text.push_str(text);
        for step in steps {
            match step {
                Verb::Trim => {
                    self.text.truncate(self.text.trim_end().len());
                    let lead = self.text.len() - self.text.trim_start().len();
                    self.text.drain(..lead);
                }
                Verb::CollapseSpaces => self.replace(collapse_spaces),
                Verb::Lowercase if self.text.is_ascii() => self.text.make_ascii_lowercase(),
                Verb::Uppercase if self.text.is_ascii() => self.text.make_ascii_uppercase(),
                Verb::Lowercase => self.replace(|text, out| out.push_str(&text.to_lowercase())),
                Verb::Uppercase => self.replace(|text, out| out.push_str(&text.to_uppercase())),
                Verb::EmptyToNull if self.text.is_empty() => return false,
                Verb::EmptyToNull => {}
            }
        }
        true
    }

    fn replace(&mut self, step: impl Fn(&str, &mut String)) {
        self.spare.clear();
        step(&self.text, &mut self.spare);
        std::mem::swap(&mut self.text, &mut self.spare);
    }
}

/// Every run of white space becomes one space.
fn collapse_spaces(text: &str, out: &mut String) {
    let mut in_space = false;
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !in_space {
            out.push(' ');
        }
        in_space = c.is_whitespace();
    }
}

fn check_text(column: &Column, max_bytes: u32, text: &str) -> Result<(), Rule> {
    // No warehouse text holds a NUL.
    if text.len() > max_bytes as usize || memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(Rule::Type);
    }
    if column.min_length.is_none() && column.max_length.is_none() {
        return Ok(());
    }
    let length = text.chars().count();
    if column.min_length.is_some_and(|min| length < min as usize) {
        return Err(Rule::MinLength);
    }
    if column.max_length.is_some_and(|max| length > max as usize) {
        return Err(Rule::MaxLength);
    }
    Ok(())
}

fn check_bounds(column: &Column, value: Value) -> Result<(), Rule> {
    let number = |value| match value {
        Value::Integer(n) => Some(i128::from(n)),
        Value::Decimal(n) => Some(n),
        _ => None,
    };
    let Some(n) = number(value) else { return Ok(()) };
    if column.minimum.and_then(number).is_some_and(|min| n < min) {
        return Err(Rule::Minimum);
    }
    if column.maximum.and_then(number).is_some_and(|max| n > max) {
        return Err(Rule::Maximum);
    }
    Ok(())
}
