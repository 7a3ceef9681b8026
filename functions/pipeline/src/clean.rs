//! Record to clean row, or to the first rule it breaks.

use std::borrow::Cow;

use crate::contract::{Column, OnViolation, Source, Verb};
use crate::parse::{self, Written};
use crate::record::{Field, Fields, Layout, walk};
use crate::rule::{Rule, Violation, check_bounds, check_text, check_text_without_nul};
use crate::types::{Bound, Type, Value};
use crate::verbs::{self, Outcome};

/// A clean row of one source: a value per contract column. Text that no step changed stays where it was read.
#[derive(Debug, Default)]
pub struct Row<'t> {
    cells: Vec<Cell<'t>>,
    changed: String,
    wide: Vec<i128>,
}

/// A value in half the room of a [`Value`]: a row is written and read for every record.
#[derive(Debug, Clone, Copy)]
enum Cell<'t> {
    Null,
    Text(&'t str),
    /// A byte range of `Row::changed`.
    Changed {
        start: u32,
        end: u32,
    },
    /// An exact number of any kind, unscaled, where 64 bits hold it.
    Exact(i64),
    /// Index in `Row::wide`.
    Wide(u32),
    Double(f64),
    Boolean(bool),
}

impl Row<'_> {
    /// The value; of an exact number only the number itself, since its column knows of what kind it is.
    #[inline(always)]
    pub fn value(&self, column: usize) -> Value<'_> {
        match self.cells[column] {
            Cell::Null => Value::Null,
            Cell::Text(text) => Value::Text(text),
            Cell::Changed { start, end } => Value::Text(&self.changed[start as usize..end as usize]),
            Cell::Exact(number) => Value::Integer(number),
            Cell::Wide(index) => Value::Decimal(self.wide[index as usize]),
            Cell::Double(number) => Value::Double(number),
            Cell::Boolean(flag) => Value::Boolean(flag),
        }
    }

    /// The bytes by which a join compares this value; `None` for null, which matches nothing.
    #[inline(always)]
    pub fn key_bytes<'a>(&'a self, column: usize, scratch: &'a mut [u8; 16]) -> Option<&'a [u8]> {
        let number = match self.value(column) {
            Value::Null => return None,
            Value::Text(text) => return Some(text.as_bytes()),
            Value::Integer(v) | Value::Timestamp(v) => i128::from(v),
            Value::Decimal(v) => v,
            Value::Double(v) => i128::from(v.to_bits()),
            Value::Boolean(v) => i128::from(v),
            Value::Date(v) => i128::from(v),
        };
        *scratch = number.to_le_bytes();
        Some(&scratch[..])
    }

    fn changed_from<'t>(&self, start: usize) -> Result<Cell<'t>, Rule> {
        // A record is shorter than 4 GiB by far, see MAX_RECORD_BYTES.
        let place = |at: usize| u32::try_from(at).map_err(|_| Rule::Type);
        Ok(Cell::Changed { start: place(start)?, end: place(self.changed.len())? })
    }

    fn wide<'t>(&mut self, number: i128) -> Result<Cell<'t>, Rule> {
        let index = u32::try_from(self.wide.len()).map_err(|_| Rule::Type)?;
        self.wide.push(number);
        Ok(Cell::Wide(index))
    }

    fn clear(&mut self) {
        self.cells.clear();
        self.changed.clear();
        self.wide.clear();
    }
}

/// Cleans the records of one source.
#[derive(Debug)]
pub struct Cleaner<'p> {
    columns: Vec<ColumnCleaner<'p>>,
    shared: Shared,
}

/// What the columns of a source have in common.
#[derive(Debug)]
struct Shared {
    zone_offset_seconds: i32,
    /// Whether a text may hold a NUL as it was read.
    may_hold_nul: bool,
    spare: String,
}

#[derive(Debug)]
struct ColumnCleaner<'p> {
    column: &'p Column,
    /// The field that holds it.
    field: usize,
    glance: Glance,
    kind: Type,
    /// What breaks no rule, as far as it can be told at once.
    free: Free,
}

/// The values of a column that need no further check.
#[derive(Debug, Clone, Copy)]
enum Free {
    /// Texts of so many bytes.
    Text { max_bytes: usize },
    /// Exact numbers between these two.
    Exact { min: i64, max: i64 },
    /// None that could be told at once.
    Nothing,
}

impl Free {
    fn of(column: &Column) -> Self {
        let has_text_rules =
            column.min_length.is_some() || column.max_length.is_some() || column.pattern.is_some() || column.format.is_some();
        // The bounds as far as 64 bits go, beyond which the long way knows.
        let bound = |bound: Option<Bound>, otherwise: i64| match bound {
            Some(Bound::Exact(bound)) => i64::try_from(bound).ok(),
            Some(Bound::Double(_)) => None,
            None => Some(otherwise),
        };
        match (column.kind, bound(column.minimum, i64::MIN), bound(column.maximum, i64::MAX)) {
            _ if column.allowed.is_some() => Self::Nothing,
            (Type::Text { max_bytes }, ..) if !has_text_rules => Self::Text { max_bytes: max_bytes as usize },
            (Type::Integer { .. } | Type::Decimal { .. } | Type::Date | Type::Timestamp { .. }, Some(min), Some(max)) => {
                Self::Exact { min, max }
            }
            _ => Self::Nothing,
        }
    }
}

/// What can be seen of a text at a glance, so that none of its column's steps needs to be taken: most values are clean already.
#[derive(Debug, Clone, Copy)]
struct Glance {
    /// Whether nothing but a glance is needed to know.
    is_enough: bool,
    trim: bool,
    empty_to_null: bool,
    lowercase: bool,
    uppercase: bool,
}

impl Glance {
    fn new(steps: &[Verb]) -> Self {
        let seen = |verb: &Verb| matches!(verb, Verb::Trim | Verb::EmptyToNull | Verb::Lowercase | Verb::Uppercase);
        Self {
            is_enough: steps.iter().all(seen),
            trim: steps.contains(&Verb::Trim),
            empty_to_null: steps.contains(&Verb::EmptyToNull),
            lowercase: steps.contains(&Verb::Lowercase),
            uppercase: steps.contains(&Verb::Uppercase),
        }
    }

    /// Whether every step would leave the text as it is, whatever their order.
    #[inline(always)]
    fn is_clean(self, text: &str) -> bool {
        self.is_enough
            && (!self.trim || is_trimmed(text))
            && (!self.empty_to_null || !text.is_empty())
            && (!self.lowercase || text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()))
            && (!self.uppercase || text.bytes().all(|b| b.is_ascii() && !b.is_ascii_lowercase()))
    }
}

/// A text on its way through the cleaning steps.
enum Text<'t> {
    /// As it was read, or a part of it.
    Read(&'t str),
    /// From this byte of `Row::changed` to its end.
    Changed(usize),
}

impl<'p> Cleaner<'p> {
    /// For JSON records.
    pub fn json(source: &'p Source, layout: &Layout, zone_offset_seconds: i32) -> Self {
        Self::new(source, layout, zone_offset_seconds, false)
    }

    /// For CSV records, where any byte may stand.
    pub fn csv(source: &'p Source, layout: &Layout, zone_offset_seconds: i32) -> Self {
        Self::new(source, layout, zone_offset_seconds, true)
    }

    fn new(source: &'p Source, layout: &Layout, zone_offset_seconds: i32, may_hold_nul: bool) -> Self {
        let columns = source.columns.iter().zip(&layout.of_column);
        let columns = columns.map(|(column, field)| ColumnCleaner {
            column,
            field: *field,
            glance: Glance::new(&column.clean),
            kind: column.kind,
            free: Free::of(column),
        });
        Self { columns: columns.collect(), shared: Shared { zone_offset_seconds, may_hold_nul, spare: String::new() } }
    }

    /// Fills `row` with a value per column of the source.
    pub fn clean<'t>(&mut self, fields: &Fields<'t>, row: &mut Row<'t>) -> Result<(), Violation>
    where
        'p: 't,
    {
        row.clear();
        for (index, cleaner) in self.columns.iter().enumerate() {
            let column = cleaner.column;
            let field = match (fields.values[cleaner.field], column.path.steps.as_slice()) {
                (field, []) => Ok(field),
                (Field::Nested(raw), steps) => walk(raw, steps),
                // A path through what is no object or array leads nowhere.
                _ => Ok(Field::Missing),
            };
            let cell = field.and_then(|field| match cleaner.at_a_glance(field, &self.shared) {
                Some(cell) => Ok(cell),
                None => cleaner.value(field, row, &mut self.shared),
            });
            match cell {
                Ok(cell) => row.cells.push(cell),
                Err(_) if column.on_violation == OnViolation::Null => row.cells.push(Cell::Null),
                Err(rule) => {
                    let is_fatal = column.on_violation == OnViolation::Fail;
                    return Err(Violation { rule, column: Some(index), is_fatal });
                }
            }
        }
        Ok(())
    }
}

impl<'p> ColumnCleaner<'p> {
    /// The usual value: clean as it was read, and within its column's rules. `None` says nothing of the value.
    #[inline(always)]
    fn at_a_glance<'t>(&self, field: Field<'t>, shared: &Shared) -> Option<Cell<'t>> {
        let (Field::Text(text) | Field::Literal(text)) = field else { return None };
        if !self.glance.is_clean(text) {
            return None;
        }
        match self.free {
            Free::Text { max_bytes } => {
                let holds_nul = || shared.may_hold_nul && memchr::memchr(0, text.as_bytes()).is_some();
                (text.len() <= max_bytes && !holds_nul()).then_some(Cell::Text(text))
            }
            Free::Exact { min, max } => {
                let number = parse::exact(text, self.kind, shared.zone_offset_seconds)?;
                (min <= number && number <= max).then_some(Cell::Exact(number))
            }
            Free::Nothing => None,
        }
    }

    /// Any value, step by step.
    #[inline(never)]
    fn value<'t>(&self, field: Field<'t>, row: &mut Row<'t>, shared: &mut Shared) -> Result<Cell<'t>, Rule>
    where
        'p: 't,
    {
        let Self { column, kind, .. } = *self;
        let read = match (field, kind) {
            (Field::Missing | Field::Null, _) => None,
            (field, Type::Super) => Some((json_text(field, row)?, Written::Literal)),
            (Field::Text(text), _) => steps(Text::Read(text), &column.clean, row, &mut shared.spare).map(|text| (text, Written::Text)),
            (Field::Literal(text), _) => {
                steps(Text::Read(text), &column.clean, row, &mut shared.spare).map(|text| (text, Written::Literal))
            }
            (Field::Escaped(raw), _) => {
                // Half of a surrogate pair is the one thing a valid JSON string can hold that is no text.
                let text: Cow<'_, str> = serde_json::from_str(raw).map_err(|_| Rule::Encoding)?;
                let start = row.changed.len();
                row.changed.push_str(&text);
                steps(Text::Changed(start), &column.clean, row, &mut shared.spare).map(|text| (text, Written::Text))
            }
            (Field::Nested(_), _) => return Err(Rule::Type),
        };
        let (text, written) = match (read, &column.default) {
            (Some(read), _) => read,
            (None, Some(default)) => match steps(Text::Read(default), &column.clean, row, &mut shared.spare) {
                Some(text) => (text, Written::Literal),
                None => return missing(column),
            },
            (None, None) => return missing(column),
        };
        let shown = match text {
            Text::Read(text) => text,
            Text::Changed(start) => &row.changed[start..],
        };
        if kind.is_text() {
            match text {
                // A JSON string without escapes holds no NUL.
                Text::Read(text) if !shared.may_hold_nul => check_text_without_nul(column, text)?,
                _ => check_text(column, shown)?,
            }
            return Ok(match text {
                Text::Read(text) => Cell::Text(text),
                Text::Changed(start) => row.changed_from(start)?,
            });
        }
        let value = match parse::exact(shown, kind, shared.zone_offset_seconds) {
            Some(number) => Value::Integer(number),
            None => parse::value(shown, written, kind, shared.zone_offset_seconds).map_err(|_| Rule::Type)?,
        };
        check_bounds(column, value)?;
        Ok(match value {
            Value::Integer(n) | Value::Timestamp(n) => Cell::Exact(n),
            Value::Date(n) => Cell::Exact(n.into()),
            Value::Decimal(n) => row.wide(n)?,
            Value::Double(n) => Cell::Double(n),
            Value::Boolean(flag) => Cell::Boolean(flag),
            Value::Null | Value::Text(_) => Cell::Null,
        })
    }
}

/// The compact JSON text of a value of any shape.
fn json_text<'t>(field: Field<'t>, row: &mut Row<'t>) -> Result<Text<'t>, Rule> {
    let start = row.changed.len();
    match field {
        Field::Text(text) => row.changed.extend(["\"", text, "\""]),
        Field::Escaped(raw) | Field::Literal(raw) | Field::Nested(raw) => {
            parse::compact_json(raw, &mut row.changed).map_err(|_| Rule::Type)?;
        }
        Field::Missing | Field::Null => {}
    }
    Ok(Text::Changed(start))
}

/// The text after all steps; `None` when they made it null.
fn steps<'t>(mut text: Text<'t>, steps: &[Verb], row: &mut Row<'t>, spare: &mut String) -> Option<Text<'t>> {
    for step in steps {
        let shown = match text {
            Text::Read(text) => text,
            Text::Changed(start) => &row.changed[start..],
        };
        if let (Verb::Trim, Text::Read(read)) = (step, &text) {
            text = Text::Read(read.trim());
            continue;
        }
        match verbs::apply(step, shown, spare) {
            Outcome::Unchanged => {}
            Outcome::Null => return None,
            Outcome::Changed => {
                let start = match text {
                    Text::Read(_) => row.changed.len(),
                    Text::Changed(start) => start,
                };
                row.changed.truncate(start);
                row.changed.push_str(spare);
                text = Text::Changed(start);
            }
        }
    }
    Some(text)
}

fn missing<'t>(column: &Column) -> Result<Cell<'t>, Rule> {
    if column.required { Err(Rule::Required) } else { Ok(Cell::Null) }
}

/// Whether both ends are surely no white space.
#[inline(always)]
fn is_trimmed(text: &str) -> bool {
    let is_ink = |byte: &u8| (b'!'..=b'~').contains(byte);
    text.as_bytes().first().is_none_or(is_ink) && text.as_bytes().last().is_none_or(is_ink)
}
