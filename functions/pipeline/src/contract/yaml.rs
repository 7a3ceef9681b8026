//! A YAML document as a tree that knows its lines: unlike a typed reader it goes on behind a value of the wrong shape.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Spanned, budget, from_str_with_options, options};

use super::compile::Collector;
use super::{Fault, Faults};

pub(super) type Text = Spanned<String>;
pub(super) type Node = Spanned<Value>;

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Text(String),
    /// What YAML takes for a number or a boolean. See [`own_characters`].
    Plain,
    List(Vec<Node>),
    Map(Vec<(Text, Node)>),
}

impl Value {
    /// For the one who has to be told what stands there.
    pub(super) fn shape(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) | Self::Plain => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads the whole document; a field that stands twice is reported, and the first of them counts.
pub(super) fn read(source: &str, faults: &mut Collector) -> Result<Node, Faults> {
    let options = options! {
        // Thrice what a contract needs; the library's own limit lets a tree overflow a thread's stack.
        budget: budget! { max_depth: 32 },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    let root: Node = from_str_with_options(source, options).map_err(|e| {
        let line = e.location().map_or(1, |l| l.line());
        // The library's message repeats the place and draws the lines around it: its first line says what is wrong.
        let message = e.without_snippet().to_string();
        let what = message.lines().find(|l| !l.trim().is_empty()).unwrap_or("not readable");
        let what = what.rsplit_once(" at line ").map_or(what, |(what, _)| what);
        // What follows a semicolon is for those who call the library.
        let what = what.split(';').next().unwrap_or(what);
        Faults(vec![Fault { line, message: format!("not readable as YAML: {what}") }])
    })?;
    doubles(&root, faults);
    Ok(root)
}

fn doubles(node: &Node, faults: &mut Collector) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| doubles(item, faults)),
        Value::Map(fields) => {
            let mut seen = HashSet::new();
            for (name, value) in fields {
                if !seen.insert(&name.value) {
                    faults.at(name, format!("the field `{}` stands twice", name.value));
                }
                doubles(value, faults);
            }
        }
        Value::Null | Value::Text(_) | Value::Plain => {}
    }
}

/// A single value by its own characters: a bound, a default or an allowed value that went through YAML's types would lose digits,
/// leading zeros, and the word `NO`.
pub(super) fn own_characters(node: &Node, source: &str) -> Option<Text> {
    let characters = match &node.value {
        Value::Text(text) => text,
        Value::Plain => {
            let at = node.defined.span();
            let (start, length) = (usize::try_from(at.byte_offset()?).ok()?, usize::try_from(at.byte_len()?).ok()?);
            source.get(start..start + length)?
        }
        _ => return None,
    };
    Some(Spanned::new(characters.to_owned(), node.referenced, node.defined))
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("YAML")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Value::Map(fields))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Value::List(items))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Value, E> {
                Ok(Value::Plain)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
                Ok(Value::Plain)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Value, E> {
                Ok(Value::Plain)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
                Ok(Value::Plain)
            }

            fn visit_unit<E: Error>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_value_by_its_own_characters() {
        let check = |yaml: &str, expected: Option<&str>| {
            for (before, after) in [("", ""), ("\u{feff}# é\nz: é\n", "\n"), ("z: &a [1]\r\n", "\r\ny: *a")] {
                let source = format!("{before}v: {yaml}{after}");
                let root = read(&source, &mut Collector::default()).unwrap();
                let Value::Map(fields) = &root.value else { panic!("{source}") };
                let (_, node) = fields.iter().find(|(name, _)| name.value == "v").unwrap();
                assert_eq!(own_characters(node, &source).map(|text| text.value).as_deref(), expected, "{source}");
            }
        };
        check("007", Some("007"));
        check("1.10", Some("1.10"));
        check("NO", Some("NO"));
        check("1e999", Some("1e999"));
        check("-.inf", Some("-.inf"));
        check("0x10 # hex", Some("0x10"));
        check("123456789012345678901234567890123456.78", Some("123456789012345678901234567890123456.78"));
        check("é   # text", Some("é"));
        check("\"a\\tb\"", Some("a\tb"));
        check("'007'", Some("007"));
        check("~", None);
        check("", None);
        check("[1]", None);
    }

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let source = "a: &x 1.10\nb: *x\n";
        let root = read(source, &mut Collector::default()).unwrap();
        let Value::Map(fields) = &root.value else { panic!() };
        let found = own_characters(&fields[1].1, source).unwrap();
        assert_eq!((found.value.as_str(), found.referenced.line()), ("1.10", 2));
    }
}
