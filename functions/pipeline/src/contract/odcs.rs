//! The shape of an Open Data Contract Standard v3.1 document, as far as Crosstally reads it.
//!
//! What stands in `customProperties` is ours and must be known. Scalars are kept by their own characters: a bound, a default or an
//! allowed value that went through YAML's number types would lose digits, leading zeros, and the word `NO`.
//! Source: Open Data Contract Standard v3.1.0, "Schema", "Data Quality" and "Custom Properties".

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_saphyr::Spanned;

pub(super) type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) api_version: Text,
    pub(super) kind: Text,
    pub(super) version: Text,
    #[serde(default)]
    pub(super) schema: Vec<Object>,
    #[serde(default)]
    pub(super) custom_properties: Vec<CustomProperty>,
}

/// A schema object: one of the two sources, or the target table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    pub(super) name: Text,
    pub(super) physical_name: Option<Text>,
    #[serde(default)]
    pub(super) properties: Vec<Property>,
    #[serde(default)]
    pub(super) custom_properties: Vec<CustomProperty>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Property {
    pub(super) name: Text,
    pub(super) physical_name: Option<Text>,
    pub(super) logical_type: Option<Text>,
    pub(super) physical_type: Option<Text>,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(default)]
    pub(super) unique: bool,
    #[serde(default)]
    pub(super) primary_key: bool,
    pub(super) classification: Option<Text>,
    #[serde(default)]
    pub(super) logical_type_options: LogicalTypeOptions,
    #[serde(default)]
    pub(super) quality: Vec<Quality>,
    #[serde(default)]
    pub(super) transform_source_objects: Vec<Text>,
    #[serde(default)]
    pub(super) custom_properties: Vec<CustomProperty>,
}

impl Property {
    /// The name it has in the file or in the table.
    pub(super) fn physical(&self) -> &Text {
        self.physical_name.as_ref().unwrap_or(&self.name)
    }
}

/// The options that are enforced, and the names and lines of all others.
#[derive(Debug, Default)]
pub(super) struct LogicalTypeOptions {
    pub(super) known: HashMap<&'static str, Text>,
    pub(super) others: Vec<(String, u64)>,
}

impl LogicalTypeOptions {
    pub(super) const KNOWN: [&'static str; 8] =
        ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern", "format"];
}

impl<'de> Deserialize<'de> for LogicalTypeOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Options;
        impl<'de> Visitor<'de> for Options {
            type Value = LogicalTypeOptions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the options of a logicalType")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut options = LogicalTypeOptions::default();
                while let Some(name) = map.next_key::<String>()? {
                    match LogicalTypeOptions::KNOWN.iter().find(|known| **known == name) {
                        Some(known) => options.known.extend(map.next_value::<Option<Text>>()?.map(|value| (*known, value))),
                        None => options.others.push((name, map.next_value::<Spanned<IgnoredAny>>()?.referenced.line())),
                    }
                }
                Ok(options)
            }
        }
        deserializer.deserialize_map(Options)
    }
}

/// A quality rule; see [`super::column`] for which of them are enforced.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Quality {
    #[serde(rename = "type")]
    pub(super) kind: Option<Text>,
    /// `rule` is its name before v3.1.
    #[serde(alias = "rule")]
    pub(super) metric: Option<Text>,
    pub(super) arguments: Option<Arguments>,
    pub(super) must_be: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Arguments {
    pub(super) valid_values: Option<Vec<Option<Text>>>,
    pub(super) pattern: Option<Text>,
}

#[derive(Debug)]
pub(super) struct CustomProperty {
    pub(super) property: Text,
    pub(super) value: Given,
}

/// The value of a custom property, read as the property's name asks for.
#[derive(Debug)]
pub(super) enum Given {
    /// A single value by its own characters; nothing for YAML's null.
    Scalar(Option<String>),
    Steps(Vec<Spanned<Step>>),
    Join(Join),
    /// The property is not known, so neither is what it should hold.
    Unread,
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(Some(text)) => write!(f, "`{text}`"),
            _ => f.write_str("`null`"),
        }
    }
}

impl CustomProperty {
    const SCALARS: [&'static str; 7] = ["timezone", "maxQuarantineRatio", "minRows", "default", "onViolation", "mask", "derive"];

    /// The single value, if it is one.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Given::Scalar(text) => text.as_deref(),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for CustomProperty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Custom;
        impl<'de> Visitor<'de> for Custom {
            type Value = CustomProperty;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a customProperty {property, value}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut property: Option<Text> = None;
                let mut value = Given::Unread;
                while let Some(key) = map.next_key::<String>()? {
                    match (key.as_str(), &property) {
                        ("property", _) => property = Some(map.next_value()?),
                        ("value", None) => return Err(A::Error::custom("a customProperty names its property before its value")),
                        ("value", Some(name)) => {
                            value = match name.value.as_str() {
                                "clean" => Given::Steps(map.next_value::<Steps>()?.0),
                                "join" => Given::Join(map.next_value()?),
                                known if CustomProperty::SCALARS.contains(&known) => Given::Scalar(map.next_value()?),
                                _ => {
                                    map.next_value::<IgnoredAny>()?;
                                    Given::Unread
                                }
                            };
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let property = property.ok_or_else(|| A::Error::missing_field("property"))?;
                Ok(CustomProperty { property, value })
            }
        }
        deserializer.deserialize_map(Custom)
    }
}

/// The `join` of the target table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    pub(super) left: String,
    pub(super) right: String,
    pub(super) on: On,
    pub(super) unmatched: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields, expecting = "join's `on` is a column's name or {left: name, right: name}")]
pub(super) enum On {
    Same(String),
    Each { left: String, right: String },
}

impl On {
    pub(super) fn sides(&self) -> (&str, &str) {
        match self {
            Self::Same(name) => (name, name),
            Self::Each { left, right } => (left, right),
        }
    }
}

/// A cleaning step as it is written.
#[derive(Debug)]
pub(super) enum Step {
    Word(String),
    NullValues(Vec<String>),
    Map(HashMap<String, String>),
}

struct Steps(Vec<Spanned<Step>>);

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Steps;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of cleaning steps, like [trim, empty_to_null]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut steps = Vec::new();
                while let Some(step) = list.next_element()? {
                    steps.push(step);
                }
                Ok(Steps(steps))
            }
        }
        deserializer.deserialize_any(List)
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Step;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a cleaning step")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Step, E> {
                Ok(Step::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Step, A::Error> {
                let name: String = map.next_key()?.ok_or_else(|| A::Error::custom("an empty cleaning step"))?;
                let step = match name.as_str() {
                    "null_values" => Step::NullValues(map.next_value()?),
                    "map" => Step::Map(map.next_value()?),
                    _ => {
                        map.next_value::<IgnoredAny>()?;
                        Step::Word(name)
                    }
                };
                match map.next_key::<String>()? {
                    Some(second) => Err(A::Error::custom(format!("`{second}` is a cleaning step of its own: start it with a -"))),
                    None => Ok(step),
                }
            }
        }
        deserializer.deserialize_any(One)
    }
}
