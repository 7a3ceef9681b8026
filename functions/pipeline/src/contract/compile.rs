//! From the document to the plan: every fault is collected, so that one look mends them all.

use std::collections::HashSet;
use std::fmt::Display;

use sha2::{Digest, Sha256};

use super::column::Side;
use super::odcs::{self, CustomProperty, Document, Given, Object, Text};
use super::{Fault, Faults, Gates, Join, Plan, Source, Unmatched, fields};
use crate::manifest::hex;
use crate::parse;
use crate::types::Type;

pub(super) fn compile(bytes: &[u8]) -> Result<Plan, Faults> {
    let text = utf8(bytes)?;
    let document = read(text)?;
    let mut faults = Collector::default();
    fields::check(text, &mut faults);
    let plan = Compiler { faults: &mut faults, zone_offset_seconds: 0 }.plan(&document, bytes);
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

fn read(text: &str) -> Result<Document, Faults> {
    serde_saphyr::from_str(text).map_err(|e| {
        let line = e.location().map_or(1, |l| l.line());
        // The library's message repeats the place and draws the lines around it: its first line says what is wrong.
        let message = e.without_snippet().to_string();
        let what = message.lines().find(|l| !l.trim().is_empty()).unwrap_or("not readable");
        let what = what.rsplit_once(" at line ").map_or(what, |(what, _)| what);
        Faults(vec![Fault { line, message: format!("not an ODCS contract in YAML: {what}") }])
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
        if !document.api_version.value.starts_with("v3.") {
            self.faults.at(&document.api_version, format!("apiVersion `{}` is not supported: write v3.1.0", document.api_version.value));
        }
        if document.kind.value != "DataContract" {
            self.faults.at(&document.kind, format!("kind `{}` is not DataContract", document.kind.value));
        }
        let gates = self.contract_properties(&document.custom_properties);
        self.unique(document.schema.iter().map(|o| (&o.name, &o.name.value)), "schema object");

        let (target, join) = self.target_object(document)?;
        let left = self.object(document, target, &join.left, "left");
        let right = self.object(document, target, &join.right, "right");
        let (left, right) = (left?, right?);
        let transactions = self.source(left, Side::Json);
        let customers = self.source(right, Side::Csv);
        let join = self.join(target, join, &transactions, &customers);
        let unmatched = join.map_or(Unmatched::Keep, |join| join.unmatched);
        let target = self.target(target, (left, &transactions), (right, &customers), unmatched);
        Some(Plan {
            version: document.version.value.clone(),
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

    /// The one schema object with a `join`.
    fn target_object<'d>(&mut self, document: &'d Document) -> Option<(&'d Object, &'d odcs::Join)> {
        let mut found = None;
        for object in &document.schema {
            for custom in &object.custom_properties {
                match &custom.value {
                    Given::Join(_) if found.is_some() => {
                        self.faults.at(&custom.property, "a second schema object has a join: a contract has one target table")
                    }
                    Given::Join(join) => found = Some((object, join)),
                    _ => self.unknown_property(custom, "join"),
                }
            }
        }
        if found.is_none() && self.faults.0.is_empty() {
            self.faults.at(&document.kind, "no schema object has the customProperty join: {left, right, on}, so there is no target table");
        }
        found
    }

    fn object<'d>(&mut self, document: &'d Document, target: &Object, name: &str, side: &str) -> Option<&'d Object> {
        let object = document.schema.iter().find(|o| o.name.value == name);
        if object.is_none() {
            self.faults.at(&target.name, format!("the join's {side} `{name}` is no schema object of this contract"));
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
        if key.is_empty() {
            self.faults.at(
                &object.name,
                format!("`{}` has no primaryKey: mark the column that identifies a row with primaryKey: true", object.name.value),
            );
        }
        key
    }

    fn join(&mut self, object: &Object, join: &odcs::Join, transactions: &Source, customers: &Source) -> Option<Join> {
        let (left, right) = join.on.sides();
        let mut side = |source: &Source, name: &str| {
            let found = source.columns.iter().position(|c| c.name == name);
            if found.is_none() {
                self.faults.at(&object.name, format!("the join's column `{name}` is no column of `{}`", source.name));
            }
            found
        };
        let (left, right) = (side(transactions, left), side(customers, right));
        let unmatched = match &join.unmatched {
            None => Unmatched::default(),
            Some(word) => named(&Unmatched::ALL, Some(word)).unwrap_or_else(|| {
                self.faults.at(&object.name, format!("unknown unmatched `{word}`: known are {}", names(&Unmatched::ALL)));
                Unmatched::default()
            }),
        };
        let (left, right) = (left?, right?);
        let (l, r) = (&transactions.columns[left], &customers.columns[right]);
        if !joins(l.kind, r.kind) {
            self.faults.at(
                &object.name,
                format!("the join compares `{}` {} with `{}` {}: give both one type that compares exactly", l.name, l.kind, r.name, r.kind),
            );
        }
        if customers.key != [right] {
            self.faults.at(
                &object.name,
                format!(
                    "the join's column `{}` must be the one primaryKey of `{}`, so that a row matches at most once",
                    r.name, customers.name
                ),
            );
        }
        Some(Join { left, right, unmatched })
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
