//! The general reader: serde_json's grammar and its words for what is wrong.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Field, Fields, Layout, Unparsable, field};
use crate::contract::Step;
use crate::rule::Rule;
use crate::source::MAX_DEPTH;

/// serde's errors are texts: this one is recognised again.
const DUPLICATE: &str = "a field of the contract stands twice";

pub(super) fn object<'a>(record: &'a [u8], layout: &Layout, fields: &mut Fields<'a>) -> Result<(), Unparsable> {
    fields.clear(layout.fields.len());
    // Once for the whole record: serde_json does not look into the strings it skips.
    let text = std::str::from_utf8(record).map_err(|e| Unparsable::Encoding { byte: e.valid_up_to() })?;
    let mut json = serde_json::Deserializer::from_str(text);
    let read = ObjectSeed { layout, fields }.deserialize(&mut json).and_then(|()| json.end());
    read.map_err(|e| match message_of(&e) {
        what if what == DUPLICATE => Unparsable::DuplicateField,
        what => Unparsable::Syntax { byte: byte_of(text, e.line(), e.column()), what },
    })?;
    if nesting(record) > MAX_DEPTH { Err(Unparsable::Depth) } else { Ok(()) }
}

/// Deepest nesting of a valid JSON value.
fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut at) = (0usize, 0, false, 0);
    while let Some(byte) = json.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
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

struct ObjectSeed<'s, 'a> {
    layout: &'s Layout,
    fields: &'s mut Fields<'a>,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut is_doubled = false;
        while let Some(raw) = map.next_key::<&'de RawValue>()? {
            let Some(index) = name(raw).and_then(|name| self.layout.position(&name)) else {
                self.fields.unknown += 1;
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let slot = &mut self.fields.values[index];
            is_doubled |= *slot != Field::Missing;
            *slot = field(map.next_value::<&'de RawValue>()?.get());
        }
        // Told at the end, so that a syntax error further on is not covered by it.
        if is_doubled { Err(A::Error::custom(DUPLICATE)) } else { Ok(()) }
    }
}

/// A member's name; nothing where it holds half of a surrogate pair, as no field of a contract does.
fn name(raw: &RawValue) -> Option<Cow<'_, str>> {
    match field(raw.get()) {
        Field::Text(name) => Some(name.into()),
        Field::Escaped(raw) => serde_json::from_str(raw).ok(),
        _ => None,
    }
}

pub(super) fn walk<'a>(raw: &'a str, steps: &[Step]) -> Result<Field<'a>, Rule> {
    let mut raw = raw;
    for step in steps {
        let mut json = serde_json::Deserializer::from_str(raw);
        let found = match (step, raw.as_bytes().first()) {
            (Step::Key(key), Some(b'{')) => json.deserialize_map(KeyFinder(key)),
            (Step::Index(index), Some(b'[')) => json.deserialize_seq(IndexFinder(*index)),
            _ => return Ok(Field::Missing),
        };
        match found {
            Ok(Some(value)) => raw = value,
            Ok(None) => return Ok(Field::Missing),
            // The record was read as valid JSON before, so this is the one thing wrong with it.
            Err(_) => return Err(Rule::DuplicateField),
        }
    }
    Ok(field(raw))
}

struct KeyFinder<'k>(&'k str);

impl<'de> Visitor<'de> for KeyFinder<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<&'de RawValue>()? {
            let value = map.next_value::<&'de RawValue>()?;
            if name(key).is_some_and(|name| name == self.0) && found.replace(value.get()).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(found)
    }
}

struct IndexFinder(usize);

impl<'de> Visitor<'de> for IndexFinder {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (mut at, mut found) = (0, None);
        while let Some(value) = seq.next_element::<&'de RawValue>()? {
            if at == self.0 {
                found = Some(value.get());
            }
            at += 1;
        }
        Ok(found)
    }
}
