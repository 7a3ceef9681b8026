//! From the document to the plan: every fault is collected, so that one look mends them all.

use std::collections::HashSet;
use std::fmt::Display;

use sha2::{Digest, Sha256};

use super::column::Side;
use super::fields::Reader;
use super::odcs::{self, CustomProperty, Document, Given, Object};
use super::yaml::{self, Text};
use super::{Fault, Faults, Gates, Join, Plan, Source, Unmatched};
use crate::manifest::hex;
use crate::parse;
use crate::types::Type;

pub(super) fn compile(bytes: &[u8]) -> Result<Plan, Faults> {
    let text = utf8(bytes)?;
    let mut faults = Collector::default();
    let root = yaml::read(text, &mut faults)?;
    let document = Document::read(&mut Reader { source: text, faults: &mut faults }, &root);
    let plan = document.and_then(|document| Compiler { faults: &mut faults, zone_offset_seconds: 0 }.plan(&document, bytes));
    match plan {
        Some(plan) if faults.0.is_empty() => Ok(plan),
        _ => Err(faults.finish()),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Faults> {
    std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        Faults(vec![Fault { line, message: "the contract is not UTF-8 text".to_owned() }])
    })
}

#[derive(Default)]
pub(super) struct Collector(Vec<Fault>);

impl Collector {
    pub(super) fn at(&mut self, place: &Text, message: impl Into<String>) {
        self.line(place.referenced.line(), message);
    }

    pub(super) fn line(&mut self, line: u64, message: impl Into<String>) {
        self.0.push(Fault { line, message: message.into() });
    }

    fn finish(mut self) -> Faults {
        self.0.sort_by_key(|f| f.line);
        Faults(self.0)
    }
}

pub(super) struct Compiler<'a> {
    pub(super) faults: &'a mut Collector,
    pub(super) zone_offset_seconds: i32,
}

impl Compiler<'_> {
    fn plan(&mut self, document: &Document, bytes: &[u8]) -> Option<Plan> {
        let is_legible = self.faults.0.is_empty();
        if let Some(version) = document.api_version.as_ref().filter(|version| !version.value.starts_with("v3.")) {
            self.faults.at(version, format!("apiVersion `{}` is not supported: write v3.1.0", version.value));
        }
        if let Some(kind) = document.kind.as_ref().filter(|kind| kind.value != "DataContract") {
            self.faults.at(kind, format!("kind `{}` is not DataContract", kind.value));
        }
        let gates = self.contract_properties(&document.custom_properties);
        self.unique(document.schema.iter().map(|o| (&o.name, &o.name.value)), "schema object");

        let (target, join) = self.target_object(document, is_legible)?;
        let left = self.object(document, join.left.as_ref(), "left").map(|object| (object, self.source(object, Side::Json)));
        let right = self.object(document, join.right.as_ref(), "right").map(|object| (object, self.source(object, Side::Csv)));
        let ((left, mut transactions), (right, mut customers)) = (left?, right?);
        let join = self.join(join, (left, &transactions), (right, &customers));
        if let Some(join) = join {
            // Both hold the same values.
            let (l, r) = (&mut transactions.columns[join.left].is_restricted, &mut customers.columns[join.right].is_restricted);
            (*l, *r) = (*l || *r, *l || *r);
        }
        let unmatched = join.map_or(Unmatched::Keep, |join| join.unmatched);
        let target = self.target(target, (left, &transactions), (right, &customers), unmatched);
        Some(Plan {
            version: document.version.as_ref()?.value.clone(),
            sha256: hex(&Sha256::digest(bytes)),
            zone_offset_seconds: self.zone_offset_seconds,
            transactions,
            customers,
            join: join?,
            target: target?,
            gates,
        })
    }

    fn contract_properties(&mut self, properties: &[CustomProperty]) -> Gates {
        let mut gates = Gates::default();
        self.unique(properties.iter().map(|c| (&c.property, &c.property.value)), "customProperty");
        for custom in properties {
            let (place, value) = (&custom.property, &custom.value);
            match place.value.as_str() {
                "timezone" => match custom.scalar().and_then(zone_offset) {
                    Some(seconds) => self.zone_offset_seconds = seconds,
                    None => self.faults.at(place, format!("timezone {value} is neither UTC nor an offset like +02:00")),
                },
                "maxQuarantineRatio" => match custom.scalar().and_then(|text| text.parse().ok()) {
                    Some(ratio) if (0.0..=1.0).contains(&ratio) => gates.max_quarantine_ratio = ratio,
                    _ => self.faults.at(place, format!("maxQuarantineRatio {value} is not a number from 0 to 1")),
                },
                "minRows" => match custom.scalar().and_then(|text| text.parse().ok()) {
                    Some(rows) => gates.min_rows = rows,
                    None => self.faults.at(place, format!("minRows {value} is not a whole number")),
                },
                _ => self.unknown_property(custom, "timezone, maxQuarantineRatio, minRows"),
            }
        }
        gates
    }

    /// The one schema object with a `join`. Where the document could not be read in full, that may be why there is none.
    fn target_object<'d>(&mut self, document: &'d Document, is_legible: bool) -> Option<(&'d Object, &'d odcs::Join)> {
        let mut found = None;
        let before = self.faults.0.len();
        for object in &document.schema {
            for custom in &object.custom_properties {
                match &custom.value {
                    Given::Join(_) if found.is_some() => self.faults.at(&custom.property, "a second join: a contract has one target table"),
                    Given::Join(join) => found = Some((object, &**join)),
                    _ => self.unknown_property(custom, "join"),
                }
            }
        }
        if found.is_none() && is_legible && self.faults.0.len() == before {
            let what = "no schema object has the customProperty join: {left, right, on}, so there is no target table";
            self.faults.line(document.line, what);
        }
        found
    }

    fn object<'d>(&mut self, document: &'d Document, name: Option<&Text>, side: &str) -> Option<&'d Object> {
        let name = name?;
        let object = document.schema.iter().find(|o| o.name.value == name.value);
        if object.is_none() {
            self.faults.at(name, format!("the join's {side} `{}` is no schema object of this contract", name.value));
        }
        object
    }

    fn source(&mut self, object: &Object, side: Side) -> Source {
        self.unique(object.properties.iter().map(|p| (&p.name, &p.name.value)), "column");
        let columns: Vec<_> = object.properties.iter().map(|p| self.column(p, side)).collect();
        // Two ways to one place are one, however they are written.
        let places: Vec<_> = columns.iter().map(|column| column.path.to_string()).collect();
        self.unique(object.properties.iter().map(|p| p.physical()).zip(&places), "source field");
        let key = self.key(object);
        for index in &key {
            let (place, column) = (&object.properties[*index].name, &columns[*index]);
            if !column.required {
                self.faults.at(place, format!("key column `{}` must be required: true", column.name));
            }
            if column.default.is_some() {
                self.faults.at(place, format!("key column `{}` has a default, which would make many rows one", column.name));
            }
            if matches!(column.kind, Type::Double | Type::Super) {
                self.faults.at(place, format!("key column `{}` is {}, whose values do not compare exactly", column.name, column.kind));
            }
        }
        Source { name: object.name.value.clone(), columns, key }
    }

    pub(super) fn key(&mut self, object: &Object) -> Vec<usize> {
        let key: Vec<usize> = (0..object.properties.len()).filter(|i| object.properties[*i].primary_key).collect();
        if key.is_empty() && object.is_whole {
            self.faults.at(
                &object.name,
                format!("`{}` has no primaryKey: mark the column that identifies a row with primaryKey: true", object.name.value),
            );
        }
        key
    }

    fn join(&mut self, join: &odcs::Join, left: (&Object, &Source), right: (&Object, &Source)) -> Option<Join> {
        let unmatched = match &join.unmatched {
            None => Unmatched::default(),
            Some(word) => named(&Unmatched::ALL, Some(&word.value)).unwrap_or_else(|| {
                self.faults.at(word, format!("unknown unmatched `{}`: known are {}", word.value, names(&Unmatched::ALL)));
                Unmatched::default()
            }),
        };
        let (on_left, on_right) = join.on.as_ref()?;
        let mut side = |(object, source): (&Object, &Source), name: &Text| {
            let found = source.columns.iter().position(|c| c.name == name.value);
            if found.is_none() && object.is_whole {
                self.faults.at(name, format!("the join's column `{}` is no column of `{}`", name.value, source.name));
            }
            found
        };
        let (left_index, right_index) = (side(left, on_left), side(right, on_right));
        let (left_index, right_index) = (left_index?, right_index?);
        let (customers, l, r) = (right.1, &left.1.columns[left_index], &right.1.columns[right_index]);
        if !joins(l.kind, r.kind) {
            self.faults.at(
                on_right,
                format!("the join compares `{}` {} with `{}` {}: give both one type that compares exactly", l.name, l.kind, r.name, r.kind),
            );
        }
        if customers.key != [right_index] {
            self.faults.at(
                on_right,
                format!(
                    "the join's column `{}` must be the one primaryKey of `{}`, so that a row matches at most once",
                    r.name, customers.name
                ),
            );
        }
        Some(Join { left: left_index, right: right_index, unmatched })
    }

    pub(super) fn unique<'t>(&mut self, names: impl Iterator<Item = (&'t Text, &'t String)>, what: &str) {
        let mut seen = HashSet::new();
        for (place, name) in names {
            if !seen.insert(name) {
                self.faults.at(place, format!("{what} `{name}` stands twice"));
            }
        }
    }

    pub(super) fn unknown_property(&mut self, custom: &CustomProperty, known: &str) {
        self.faults.at(&custom.property, format!("unknown customProperty `{}`: known here: {known}", custom.property.value));
    }
}

/// Whether equal values of both are equal as they are kept.
fn joins(left: Type, right: Type) -> bool {
    let is_text = |kind| matches!(kind, Type::Text { .. } | Type::Char { .. });
    match (left, right) {
        (Type::Double | Type::Super, _) => false,
        (Type::Integer { .. }, Type::Integer { .. }) => true,
        (Type::Decimal { scale: l, .. }, Type::Decimal { scale: r, .. }) => l == r,
        _ => left == right || (is_text(left) && is_text(right)),
    }
}

fn zone_offset(text: &str) -> Option<i32> {
    if text == "UTC" { Some(0) } else { parse::offset_seconds(text.as_bytes()) }
}

/// The item of that name.
pub(super) fn named<T: Copy>(all: &[(&str, T)], word: Option<&str>) -> Option<T> {
    all.iter().find(|(name, _)| Some(*name) == word).map(|(_, item)| *item)
}

pub(super) fn names<T>(all: &[(impl Display, T)]) -> String {
    all.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(", ")
}
