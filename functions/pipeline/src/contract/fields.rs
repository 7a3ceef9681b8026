//! Fields that the standard does not have: a misspelt `requierd: true` would otherwise mean nothing, without a word.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::compile::Collector;

// Source of the lists: JSON Schema of the Open Data Contract Standard, v3.1.0.
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

/// Reports every field of the document that is not the standard's.
pub(super) fn check(text: &str, faults: &mut Collector) {
    // What cannot be read at all has been reported by who read the document.
    let Ok(document) = serde_saphyr::from_str::<Node>(text) else { return };
    level(&document, "the contract", DOCUMENT, faults);
    for object in document.children("schema") {
        level(object, "a schema object", OBJECT, faults);
        properties(object, faults);
    }
}

fn properties(parent: &Node, faults: &mut Collector) {
    for property in parent.children("properties") {
        level(property, "a column", PROPERTY, faults);
        properties(property, faults);
    }
}

fn level(node: &Node, what: &str, known: &str, faults: &mut Collector) {
    let Node::Map(fields) = node else { return };
    for (name, _) in fields {
        if !known.split_ascii_whitespace().any(|known| known == name.value) {
            let meant = known.split_ascii_whitespace().find(|known| is_near(known, &name.value));
            let hint = meant.map(|known| format!(": did you mean `{known}`?")).unwrap_or_default();
            faults.line(name.referenced.line(), format!("`{}` is no field of {what}{hint}", name.value));
        }
    }
    for rule in node.children("quality") {
        level(rule, "a quality rule", QUALITY, faults);
    }
    for custom in node.children("customProperties") {
        level(custom, "a customProperty", CUSTOM, faults);
    }
}

/// Whether one slip lies between two words: a letter more, less, another, or two exchanged; case aside.
fn is_near(known: &str, written: &str) -> bool {
    let (mut a, mut b) = (known.to_ascii_lowercase().into_bytes(), written.to_ascii_lowercase().into_bytes());
    let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let ending = a[common..].iter().rev().zip(b[common..].iter().rev()).take_while(|(x, y)| x == y).count();
    a.truncate(a.len() - ending);
    b.truncate(b.len() - ending);
    let (a, b) = (&a[common..], &b[common..]);
    a.len().max(b.len()) <= 1 || matches!((a, b), ([p, q], [r, s]) if p == s && q == r)
}

enum Node {
    Map(Vec<(Spanned<String>, Node)>),
    List(Vec<Node>),
    Other,
}

impl Node {
    fn children(&self, name: &str) -> &[Node] {
        let Self::Map(fields) = self else { return &[] };
        match fields.iter().find(|(field, _)| field.value == name) {
            Some((_, Self::List(items))) => items,
            _ => &[],
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("YAML")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Node::Map(fields))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Other)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Other)
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Node, E> {
                Ok(Node::Other)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Other)
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Node, E> {
                Ok(Node::Other)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
                Ok(Node::Other)
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                IgnoredAny::deserialize(deserializer).map(|_| Node::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
