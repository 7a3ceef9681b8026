//! Text to record: the fields a contract names, as they were written, and nothing else.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::contract::Source;

/// A field of a record as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field<'a> {
    Missing,
    Null,
    Text(Cow<'a, str>),
    /// A JSON number or boolean, by its own characters.
    Literal(&'a str),
    /// An object, an array, or a string that is no text (a lone surrogate): no value of any column.
    Nested,
}

/// Why a record could not be taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unparsable {
    /// Not UTF-8, from this byte of the record on.
    Encoding { byte: usize },
    /// Not JSON, from about this byte of the record on.
    Syntax { byte: usize, what: String },
}

/// The fields of one record, in the order of the contract's columns.
#[derive(Debug, Default, PartialEq, Eq)]
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
}

/// Takes one JSON object apart. A field that stands twice makes the record unparsable, since nobody can say which one was meant.
pub fn parse_json<'a>(record: &'a [u8], source: &Source) -> Result<Fields<'a>, Unparsable> {
    // Once for the whole record: serde_json does not look into the strings it skips.
    let text = std::str::from_utf8(record).map_err(|e| Unparsable::Encoding { byte: e.valid_up_to() })?;
    let mut json = serde_json::Deserializer::from_str(text);
    let fields = RecordSeed { source }.deserialize(&mut json).and_then(|fields| json.end().map(|()| fields));
    fields.map_err(|e| Unparsable::Syntax { byte: byte_of(text, e.line(), e.column()), what: message_of(&e) })
}

/// serde_json counts lines and columns (bytes, from 1); we speak of bytes.
fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (line_start + column.saturating_sub(1)).min(text.len())
}

fn message_of(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(end) => message[..end].to_owned(),
        None => message,
    }
}

struct RecordSeed<'s> {
    source: &'s Source,
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let columns = &self.source.columns;
        let mut fields = Fields { values: vec![Field::Missing; columns.len()], unknown: 0 };
        let mut next = 0;
        while let Some(found) = map.next_key_seed(KeySeed { source: self.source, next })? {
            let Some(index) = found else {
                fields.unknown += 1;
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if fields.values[index] != Field::Missing {
                return Err(A::Error::custom(format_args!("the field `{}` stands twice", columns[index].field)));
            }
            fields.values[index] = field(map.next_value::<&'de RawValue>()?.get());
            next = index + 1;
        }
        Ok(fields)
    }
}

fn field(raw: &str) -> Field<'_> {
    match raw.as_bytes() {
        [b'"', ..] if memchr::memchr(b'\\', raw.as_bytes()).is_none() => Field::Text(Cow::Borrowed(&raw[1..raw.len() - 1])),
        [b'"', ..] => serde_json::from_str(raw).map_or(Field::Nested, |text| Field::Text(Cow::Owned(text))),
        [b'{' | b'[', ..] => Field::Nested,
        b"null" => Field::Null,
        _ => Field::Literal(raw),
    }
}

/// Which column a key names. Records mostly keep the order of the one before, so the next column is tried first.
struct KeySeed<'s> {
    source: &'s Source,
    next: usize,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        let columns = &self.source.columns;
        let expected = columns.get(self.next).filter(|c| c.field == key).map(|_| self.next);
        Ok(expected.or_else(|| columns.iter().position(|c| c.field == key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Column, OnViolation};
    use crate::types::Type;

    fn source() -> Source {
        let column = |name: &str| Column {
            name: name.to_owned(),
            field: name.to_owned(),
            kind: Type::Text { max_bytes: 10 },
            required: false,
            clean: vec![],
            default: None,
            minimum: None,
            maximum: None,
            min_length: None,
            max_length: None,
            on_violation: OnViolation::Quarantine,
        };
        Source { name: "s".into(), columns: vec![column("a"), column("b")], key: vec![0] }
    }

    #[test]
    fn takes_records_apart() {
        let check = |record: &str, a: Field<'_>, b: Field<'_>, unknown| {
            let fields = Fields { values: vec![a, b], unknown };
            assert_eq!(parse_json(record.as_bytes(), &source()), Ok(fields), "{record}");
        };
        let text = |t| Field::Text(Cow::Borrowed(t));
        check("{}", Field::Missing, Field::Missing, 0);
        check(r#"{"a": "x", "b": null}"#, text("x"), Field::Null, 0);
        check(r#"{"b": "é", "a": 12.30}"#, Field::Literal("12.30"), text("é"), 0);
        check(r#"{"a": "q\"\u00e9", "c": {"a": 1}, "b": true}"#, text("q\"é"), Field::Literal("true"), 1);
        check(r#"{"a": [1], "b": {"x": 1}}"#, Field::Nested, Field::Nested, 0);
        check(r#"{"a": "\ud800", "b": 1234567890123456.78}"#, Field::Nested, Field::Literal("1234567890123456.78"), 0);
        check(r#"{"\u0061": 1}"#, Field::Literal("1"), Field::Missing, 0);
    }

    #[test]
    fn says_where_a_record_breaks() {
        let check = |record: &[u8], expected_byte: usize, expected: &str| match parse_json(record, &source()) {
            Err(Unparsable::Syntax { byte, what }) => assert!(byte == expected_byte && what.contains(expected), "{byte}: {what}"),
            other => panic!("{other:?}"),
        };
        check(br#"{"a": tru}"#, 9, "expected ident");
        check(b"{\"a\":\n tru}", 10, "expected ident");
        check(br#"{"a": 1, "a": 2}"#, 11, "`a` stands twice");
        check(br#"["a"]"#, 0, "expected a JSON object");
        check(br#"{"a": 1} x"#, 9, "trailing");
        assert_eq!(parse_json(b"{\"z\": \"\xFF\"}", &source()), Err(Unparsable::Encoding { byte: 7 }));
    }

    #[test]
    fn a_depth_bomb_in_a_field_nobody_asked_for_is_harmless() {
        let bomb = format!(r#"{{"z": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse_json(bomb.as_bytes(), &source()).map(|f| f.unknown), Ok(1));
    }
}
