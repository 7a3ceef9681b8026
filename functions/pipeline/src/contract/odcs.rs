//! An Open Data Contract Standard v3.1 document, as far as Crosstally reads it.
//!
//! What stands in `customProperties` is ours and must be known.
//! Source: Open Data Contract Standard v3.1.0, "Schema", "Data Quality" and "Custom Properties".

use std::collections::HashMap;
use std::fmt;

use serde_saphyr::Spanned;

use super::Verb;
use super::fields::{Fields, Reader};
use super::yaml::{Node, Text, Value};

// Source of these lists: JSON Schema of the Open Data Contract Standard, v3.1.0.
const DOCUMENT: &str = "apiVersion kind id name version status tenant domain dataProduct description schema servers price team roles slaProperties \
     slaDefaultElement support tags customProperties authoritativeDefinitions contractCreatedTs";
const OBJECT: &str = "id name physicalName physicalType logicalType businessName description dataGranularityDescription properties quality \
     relationships tags customProperties authoritativeDefinitions";
const PROPERTY: &str = "id name physicalName physicalType logicalType logicalTypeOptions businessName description required unique primaryKey \
     primaryKeyPosition partitioned partitionKeyPosition classification encryptedName criticalDataElement transformSourceObjects transformLogic \
     transformDescription examples items properties quality relationships tags customProperties authoritativeDefinitions";
const QUALITY: &str = "id name type metric rule arguments description query engine implementation dimension method severity businessImpact \
     scheduler schedule unit mustBe mustNotBe mustBeGreaterThan mustBeGreaterOrEqualTo mustBeLessThan mustBeLessOrEqualTo mustBeBetween \
     mustNotBeBetween validValues tags customProperties authoritativeDefinitions";
const CUSTOM: &str = "id property value description";

#[derive(Debug)]
pub(super) struct Document {
    pub(super) line: u64,
    pub(super) api_version: Option<Text>,
    pub(super) kind: Option<Text>,
    pub(super) version: Option<Text>,
    pub(super) schema: Vec<Object>,
    pub(super) custom_properties: Vec<CustomProperty>,
}

impl Document {
    pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, "the contract", DOCUMENT)?;
        Some(Self {
            line: fields.line(),
            api_version: reader.due_text(&fields, "apiVersion"),
            kind: reader.due_text(&fields, "kind"),
            version: reader.due_text(&fields, "version"),
            schema: reader.each(&fields, "schema", Object::read),
            custom_properties: reader.each(&fields, "customProperties", CustomProperty::read),
        })
    }
}

/// A schema object: one of the two sources, or the target table.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) name: Text,
    pub(super) physical_name: Option<Text>,
    pub(super) properties: Vec<Property>,
    /// Whether all its properties could be read. If not, nobody can say what it does not have.
    pub(super) is_whole: bool,
    pub(super) custom_properties: Vec<CustomProperty>,
}

impl Object {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, "a schema object", OBJECT)?;
        let name = reader.due_text(&fields, "name");
        reader.each(&fields, "quality", Quality::read);
        let properties = reader.each(&fields, "properties", Property::read);
        let written = fields.get("properties").map_or(Some(0), |node| match &node.value {
            Value::List(items) => Some(items.len()),
            _ => None,
        });
        Some(Self {
            physical_name: reader.text(&fields, "physicalName"),
            is_whole: written == Some(properties.len()),
            properties,
            custom_properties: reader.each(&fields, "customProperties", CustomProperty::read),
            name: name?,
        })
    }
}

#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: Text,
    pub(super) physical_name: Option<Text>,
    pub(super) logical_type: Option<Text>,
    pub(super) physical_type: Option<Text>,
    pub(super) required: bool,
    pub(super) unique: bool,
    pub(super) primary_key: bool,
    pub(super) classification: Option<Text>,
    pub(super) logical_type_options: LogicalTypeOptions,
    pub(super) quality: Vec<Quality>,
    pub(super) transform_source_objects: Vec<Text>,
    pub(super) custom_properties: Vec<CustomProperty>,
}

impl Property {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, "a column", PROPERTY)?;
        let name = reader.due_text(&fields, "name");
        // Those inside a SUPER are for people, but misspelt they help nobody.
        reader.each(&fields, "properties", Self::read);
        let property = Self {
            physical_name: reader.text(&fields, "physicalName"),
            logical_type: reader.text(&fields, "logicalType"),
            physical_type: reader.text(&fields, "physicalType"),
            // Where nobody can say, as it calls for no fault that may be none.
            required: reader.flag(&fields, "required").unwrap_or(true),
            unique: reader.flag(&fields, "unique").unwrap_or(false),
            primary_key: reader.flag(&fields, "primaryKey").unwrap_or(true),
            classification: reader.text(&fields, "classification"),
            logical_type_options: LogicalTypeOptions::read(reader, &fields),
            quality: reader.each(&fields, "quality", Quality::read),
            transform_source_objects: reader
                .each(&fields, "transformSourceObjects", |reader, node| reader.single(node, "an item of `transformSourceObjects`")),
            custom_properties: reader.each(&fields, "customProperties", CustomProperty::read),
            name: name?,
        };
        Some(property)
    }

    /// The name it has in the file or in the table.
    pub(super) fn physical(&self) -> &Text {
        self.physical_name.as_ref().unwrap_or(&self.name)
    }
}

/// The options that are enforced, and the names of all others.
#[derive(Debug, Default)]
pub(super) struct LogicalTypeOptions {
    pub(super) known: HashMap<&'static str, Text>,
    pub(super) others: Vec<Text>,
}

impl LogicalTypeOptions {
    pub(super) const KNOWN: [&'static str; 8] =
        ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern", "format"];

    fn read(reader: &mut Reader<'_>, column: &Fields<'_>) -> Self {
        let mut options = Self::default();
        let Some(node) = column.get("logicalTypeOptions") else { return options };
        for (name, value) in reader.map(node, "`logicalTypeOptions`").unwrap_or_default() {
            match Self::KNOWN.iter().find(|known| **known == name.value) {
                None => options.others.push(name.clone()),
                Some(_) if matches!(value.value, Value::Null) => {}
                Some(known) => options.known.extend(reader.single(value, &format!("`{known}`")).map(|value| (*known, value))),
            }
        }
        options
    }
}

/// A quality rule; see [`super::column`] for which of them are enforced.
#[derive(Debug)]
pub(super) struct Quality {
    pub(super) kind: Option<Text>,
    pub(super) metric: Option<Text>,
    pub(super) valid_values: Option<Vec<Text>>,
    pub(super) pattern: Option<Text>,
    pub(super) must_be: Option<Text>,
}

impl Quality {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, "a quality rule", QUALITY)?;
        reader.each(&fields, "customProperties", CustomProperty::read);
        let mut rule = Self {
            kind: reader.text(&fields, "type"),
            // `rule` is its name before v3.1.
            metric: reader.text(&fields, "metric").or_else(|| reader.text(&fields, "rule")),
            valid_values: None,
            pattern: None,
            must_be: reader.text(&fields, "mustBe"),
        };
        let arguments = fields.get("arguments").map_or(Some(&[][..]), |node| reader.map(node, "`arguments`"))?;
        for (name, value) in arguments {
            match name.value.as_str() {
                "validValues" => {
                    let values = reader.list(value, "`validValues`");
                    if values.is_some_and(<[Node]>::is_empty) {
                        reader.faults.at(name, "validValues is empty, so no value would be valid");
                    }
                    // A null among the values says that null is valid, which `required` decides.
                    let values = values.unwrap_or_default().iter().filter(|value| !matches!(value.value, Value::Null));
                    rule.valid_values = Some(values.filter_map(|value| reader.single(value, "an item of `validValues`")).collect());
                }
                "pattern" => rule.pattern = reader.single(value, "`pattern`"),
                _ => {}
            }
        }
        Some(rule)
    }
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
    Join(Box<Join>),
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
    const KNOWN: [&'static str; 9] =
        ["timezone", "maxQuarantineRatio", "minRows", "clean", "default", "onViolation", "mask", "join", "derive"];

    /// Nothing where the value could not be read, which has then been reported.
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, "a customProperty", CUSTOM)?;
        let property = reader.due_text(&fields, "property")?;
        if !Self::KNOWN.contains(&property.value.as_str()) {
            return Some(Self { property, value: Given::Unread });
        }
        let node = reader.due(&fields, "value")?;
        let value = match (property.value.as_str(), &node.value) {
            ("clean", _) => Given::Steps(Step::read_all(reader, node)?),
            ("join", _) => Given::Join(Box::new(Join::read(reader, node)?)),
            (_, Value::Null) => Given::Scalar(None),
            (name, _) => Given::Scalar(Some(reader.single(node, &format!("`{name}`"))?.value)),
        };
        Some(Self { property, value })
    }

    /// The single value, if it is one.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Given::Scalar(text) => text.as_deref(),
            _ => None,
        }
    }
}

/// The `join` of the target table.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) left: Option<Text>,
    pub(super) right: Option<Text>,
    /// The column on the left, and that on the right.
    pub(super) on: Option<(Text, Text)>,
    pub(super) unmatched: Option<Text>,
}

impl Join {
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, "the join", "left right on unmatched")?;
        Some(Self {
            left: reader.due_text(&fields, "left"),
            right: reader.due_text(&fields, "right"),
            on: reader.due(&fields, "on").and_then(|node| Self::read_on(reader, node)),
            unmatched: reader.text(&fields, "unmatched"),
        })
    }

    fn read_on(reader: &mut Reader<'_>, node: &Node) -> Option<(Text, Text)> {
        match node.value {
            Value::Map(_) => {
                let fields = reader.fields(node, "the join's `on`", "left right")?;
                reader.due_text(&fields, "left").zip(reader.due_text(&fields, "right"))
            }
            Value::Text(_) | Value::Plain => reader.single(node, "`on`").map(|name| (name.clone(), name)),
            _ => reader.misshapen(node, "the join's `on`", "a column's name or {left: name, right: name}"),
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

impl Step {
    fn read_all(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Spanned<Self>>> {
        let Value::List(items) = &node.value else {
            return reader.misshapen(node, "`clean`", "a list of cleaning steps, like [trim, empty_to_null]");
        };
        let read = |item: &Node| Self::read(reader, item).map(|step| Spanned::new(step, item.referenced, item.defined));
        Some(items.iter().filter_map(read).collect())
    }

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let Value::Map(fields) = &node.value else {
            return reader.single(node, "a cleaning step").map(|word| Self::Word(word.value));
        };
        let refused = |reader: &mut Reader<'_>, why: String| {
            reader.faults.line(node.referenced.line(), why);
            None
        };
        match fields.as_slice() {
            [] => refused(reader, "an empty cleaning step".to_owned()),
            [_, (second, _), ..] => refused(reader, format!("`{}` is a cleaning step of its own: start it with a -", second.value)),
            [(name, value)] => match name.value.as_str() {
                "null_values" => {
                    let values = reader.list(value, "`null_values`")?.iter();
                    Some(Self::NullValues(
                        values.filter_map(|value| Some(reader.single(value, "an item of `null_values`")?.value)).collect(),
                    ))
                }
                "map" => {
                    let pairs = reader.map(value, "`map`")?.iter();
                    let pair = |(from, to): &(Text, Node)| {
                        let to = reader.single(to, &format!("`{}` of `map`", from.value))?;
                        Some((from.value.clone(), to.value))
                    };
                    Some(Self::Map(pairs.filter_map(pair).collect()))
                }
                word if Verb::WORDS.iter().any(|(name, _)| *name == word) => {
                    refused(reader, format!("the cleaning step `{word}` takes nothing: write it alone, without a colon"))
                }
                word => Some(Self::Word(word.to_owned())),
            },
        }
    }
}
