//! From the document to the plan: every fault is collected, so that one look mends them all.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::odcs::{CustomProperty, Document, Object, Property, Text};
use super::{Column, Fault, Faults, Gates, Join, OnViolation, Origin, Plan, Source, Target, TargetColumn, Unmatched, Verb};
use crate::manifest::hex;
use crate::parse::{self, Written};
use crate::types::{MAX_TEXT_BYTES, Type, Value};

pub(super) fn compile(bytes: &[u8]) -> Result<Plan, Faults> {
    let document = read(bytes)?;
    let mut faults = Collector::default();
    let plan = Compiler { faults: &mut faults, zone_offset_seconds: 0 }.plan(&document, bytes);
    match plan {
        Some(plan) if faults.0.is_empty() => Ok(plan),
        _ => Err(faults.finish()),
    }
}

fn read(bytes: &[u8]) -> Result<Document, Faults> {
    let one = |line, message: String| Faults(vec![Fault { line, message }]);
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        one(line, "the contract is not UTF-8 text".to_owned())
    })?;
    serde_saphyr::from_str(text).map_err(|e| {
        let line = e.location().map_or(1, |l| l.line());
        // The library's message repeats the place and draws the lines around it: its first line says what is wrong.
        let message = e.without_snippet().to_string();
        let what = message.lines().find(|l| !l.trim().is_empty()).unwrap_or("not readable");
        let what = what.rsplit_once(" at line ").map_or(what, |(what, _)| what);
        one(line, format!("not an ODCS contract in YAML: {what}"))
    })
}

#[derive(Default)]
struct Collector(Vec<Fault>);

impl Collector {
    fn at(&mut self, place: &Text, message: impl Into<String>) {
        self.line(place.referenced.line(), message);
    }

    fn line(&mut self, line: u64, message: impl Into<String>) {
        self.0.push(Fault { line, message: message.into() });
    }

    fn finish(mut self) -> Faults {
        self.0.sort_by_key(|f| f.line);
        Faults(self.0)
    }
}

struct Compiler<'a> {
    faults: &'a mut Collector,
    zone_offset_seconds: i32,
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
        self.unique(document.schema.iter().map(|o| &o.name), "schema object");

        let (target, join) = self.target_object(document)?;
        let left = self.object(document, target, &join.left, "left")?;
        let right = self.object(document, target, &join.right, "right")?;
        let mut transactions = self.source(left);
        let mut customers = self.source(right);
        let join = self.join(target, &join, &transactions, &customers);
        let target = self.target(target, left, right, &mut transactions, &mut customers);
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
        for custom in properties {
            match custom.property.value.as_str() {
                "timezone" => match custom.value.as_str().and_then(zone_offset) {
                    Some(seconds) => self.zone_offset_seconds = seconds,
                    None => self.faults.at(&custom.property, format!("timezone {} is neither UTC nor an offset like +02:00", custom.value)),
                },
                "maxQuarantineRatio" => match custom.value.as_f64() {
                    Some(ratio) if (0.0..=1.0).contains(&ratio) => gates.max_quarantine_ratio = Some(ratio),
                    _ => self.faults.at(&custom.property, format!("maxQuarantineRatio {} is not a number from 0 to 1", custom.value)),
                },
                "minRows" => match custom.value.as_u64() {
                    Some(rows) => gates.min_rows = rows,
                    None => self.faults.at(&custom.property, format!("minRows {} is not a whole number", custom.value)),
                },
                _ => self.unknown_property(custom, "timezone, maxQuarantineRatio, minRows"),
            }
        }
        gates
    }

    /// The one schema object with a `join`.
    fn target_object<'d>(&mut self, document: &'d Document) -> Option<(&'d Object, JoinValue)> {
        let mut found = None;
        for object in &document.schema {
            for custom in &object.custom_properties {
                if custom.property.value != "join" {
                    self.unknown_property(custom, "join");
                    continue;
                }
                match serde_json::from_value::<JoinValue>(custom.value.clone()) {
                    Err(e) => self.faults.at(&custom.property, format!("join is not {{left, right, on, unmatched}}: {e}")),
                    Ok(_) if found.is_some() => {
                        self.faults.at(&custom.property, "a second schema object has a join: a contract has one target table")
                    }
                    Ok(join) => found = Some((object, join)),
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

    fn source(&mut self, object: &Object) -> Source {
        self.unique(object.properties.iter().map(|p| &p.name), "column");
        self.unique(object.properties.iter().map(|p| p.physical_name.as_ref().unwrap_or(&p.name)), "source field");
        let columns: Vec<Column> = object.properties.iter().map(|p| self.column(p)).collect();
        Source { name: object.name.value.clone(), columns, key: self.key(object) }
    }

    fn column(&mut self, property: &Property) -> Column {
        let kind = self.kind(property).unwrap_or(Type::Text { max_bytes: MAX_TEXT_BYTES });
        let mut column = Column {
            name: property.name.value.clone(),
            field: property.physical_name.as_ref().unwrap_or(&property.name).value.clone(),
            kind,
            required: property.required,
            clean: Vec::new(),
            default: None,
            minimum: None,
            maximum: None,
            min_length: property.logical_type_options.min_length.as_ref().map(|n| n.value),
            max_length: property.logical_type_options.max_length.as_ref().map(|n| n.value),
            on_violation: OnViolation::default(),
        };
        let options = &property.logical_type_options;
        for (name, bound, slot) in [("minimum", &options.minimum, &mut column.minimum), ("maximum", &options.maximum, &mut column.maximum)]
        {
            let Some(bound) = bound else { continue };
            *slot = self.bound(&bound.value.to_string(), kind);
            if slot.is_none() {
                self.faults.line(bound.referenced.line(), format!("{name} {} is no value of {kind}", bound.value));
            }
        }
        for custom in &property.custom_properties {
            self.column_property(custom, &mut column);
        }
        if column.required && column.on_violation == OnViolation::Null {
            self.faults.at(&property.name, format!("`{}` is required, so onViolation cannot be null", column.name));
        }
        column
    }

    fn bound(&self, text: &str, kind: Type) -> Option<Value> {
        kind.is_exact_number().then(|| parse::value(text, Written::Literal, kind, 0).ok()).flatten()
    }

    fn column_property(&mut self, custom: &CustomProperty, column: &mut Column) {
        let value = &custom.value;
        match custom.property.value.as_str() {
            "clean" => {
                let Some(verbs) = value.as_array() else {
                    return self.faults.at(&custom.property, "clean is not a list of cleaning steps");
                };
                for verb in verbs {
                    match named(&Verb::ALL, verb) {
                        Some(verb) => column.clean.push(verb),
                        None => self.faults.at(&custom.property, format!("unknown cleaning step {verb}: known are {}", names(&Verb::ALL))),
                    }
                }
            }
            "onViolation" => match named(&OnViolation::ALL, value) {
                Some(action) => column.on_violation = action,
                // An unquoted YAML null is what a person writes for the word.
                None if value.is_null() => column.on_violation = OnViolation::Null,
                None => self.faults.at(&custom.property, format!("unknown onViolation {value}: known are {}", names(&OnViolation::ALL))),
            },
            "default" => match value {
                serde_json::Value::String(text) => column.default = Some(text.clone()),
                serde_json::Value::Number(number) => column.default = Some(number.to_string()),
                serde_json::Value::Bool(flag) => column.default = Some(flag.to_string()),
                _ => self.faults.at(&custom.property, format!("default {value} is not a single value")),
            },
            _ => self.unknown_property(custom, "clean, default, onViolation"),
        }
        if let Some(default) = &column.default
            && !matches!(column.kind, Type::Text { .. })
            && parse::value(default, Written::Literal, column.kind, self.zone_offset_seconds).is_err()
        {
            self.faults.at(&custom.property, format!("default `{default}` is no value of {}", column.kind));
        }
    }

    fn kind(&mut self, property: &Property) -> Option<Type> {
        let logical = property.logical_type.as_ref();
        if let Some(physical) = &property.physical_type {
            let kind = physical_type(&physical.value);
            match kind {
                Err(why) => self.faults.at(physical, format!("physicalType `{}`: {why}", physical.value)),
                Ok(kind) => {
                    if let Some(logical) = logical
                        && !logical_matches(&logical.value, kind)
                    {
                        self.faults.at(logical, format!("logicalType `{}` does not go with physicalType {kind}", logical.value));
                    }
                }
            }
            return kind.ok();
        }
        let Some(logical) = logical else {
            self.faults.at(&property.name, format!("`{}` has neither physicalType nor logicalType", property.name.value));
            return None;
        };
        match logical.value.as_str() {
            "string" => Some(Type::Text { max_bytes: MAX_TEXT_BYTES }),
            "integer" => Some(Type::Integer { bits: 64 }),
            "boolean" => Some(Type::Boolean),
            "date" => Some(Type::Date),
            "timestamp" => Some(Type::Timestamp),
            "number" => {
                self.faults
                    .at(logical, "logicalType number needs a physicalType like DECIMAL(18,2), since its digits must be kept exactly");
                None
            }
            other => {
                self.faults
                    .at(logical, format!("unknown logicalType `{other}`: known are string, integer, number, boolean, date, timestamp"));
                None
            }
        }
    }

    fn key(&mut self, object: &Object) -> Vec<usize> {
        let key: Vec<usize> = (0..object.properties.len()).filter(|i| object.properties[*i].primary_key).collect();
        if key.is_empty() {
            self.faults.at(
                &object.name,
                format!("`{}` has no primaryKey: mark the column that identifies a row with primaryKey: true", object.name.value),
            );
        }
        key
    }

    fn join(&mut self, object: &Object, join: &JoinValue, transactions: &Source, customers: &Source) -> Option<Join> {
        let mut side = |source: &Source| {
            let found = source.columns.iter().position(|c| c.name == join.on);
            if found.is_none() {
                self.faults.at(&object.name, format!("the join's column `{}` is no column of `{}`", join.on, source.name));
            }
            found
        };
        let (left, right) = (side(transactions), side(customers));
        let (left, right) = (left?, right?);
        let (l, r) = (&transactions.columns[left], &customers.columns[right]);
        if std::mem::discriminant(&l.kind) != std::mem::discriminant(&r.kind) {
            self.faults
                .at(&object.name, format!("the join compares {} with {}: give `{}` one type on both sides", l.kind, r.kind, join.on));
        }
        if customers.key != [right] {
            self.faults.at(
                &object.name,
                format!(
                    "the join's column `{}` must be the one primaryKey of `{}`, so that a row matches at most once",
                    join.on, customers.name
                ),
            );
        }
        let unmatched = match &join.unmatched {
            None => Unmatched::default(),
            Some(word) => Unmatched::ALL.iter().find(|(name, _)| name == word).map(|(_, action)| *action).or_else(|| {
                self.faults.at(&object.name, format!("unknown unmatched `{word}`: known are {}", names(&Unmatched::ALL)));
                None
            })?,
        };
        Some(Join { left, right, unmatched })
    }

    fn target(
        &mut self,
        object: &Object,
        left: &Object,
        right: &Object,
        transactions: &mut Source,
        customers: &mut Source,
    ) -> Option<Target> {
        self.unique(object.properties.iter().map(|p| p.physical_name.as_ref().unwrap_or(&p.name)), "target column");
        let physical = object.physical_name.as_ref().unwrap_or(&object.name);
        let (schema, table) = physical.value.split_once('.').unwrap_or(("public", &physical.value));
        for name in [schema, table] {
            self.identifier(physical, name);
        }
        let mut columns = Vec::with_capacity(object.properties.len());
        for property in &object.properties {
            let name = property.physical_name.as_ref().unwrap_or(&property.name);
            self.identifier(name, &name.value);
            let Some(origin) = self.origin(property, (left, transactions), (right, customers)) else { continue };
            let source = match origin {
                Origin::Transactions(i) => Some(&mut transactions.columns[i]),
                Origin::Customers(i) => Some(&mut customers.columns[i]),
                Origin::Matched => None,
            };
            let stated = (property.physical_type.is_some() || property.logical_type.is_some()).then(|| self.kind(property)).flatten();
            let (kind, nullable) = match source {
                None => (Type::Boolean, false),
                Some(column) => {
                    let kind = stated.unwrap_or(column.kind);
                    if !kind.holds(column.kind) {
                        self.faults
                            .at(name, format!("target column `{}` is {kind}, too narrow for its source's {}", name.value, column.kind));
                    }
                    let from_transactions = matches!(origin, Origin::Transactions(_));
                    (kind, !(from_transactions && column.required))
                }
            };
            columns.push(TargetColumn { name: name.value.clone(), kind, nullable, origin });
        }
        let key = self.key(object);
        for index in &key {
            let Some(column) = columns.get(*index) else { continue };
            if column.nullable {
                self.faults.at(
                    &object.properties[*index].name,
                    format!("key column `{}` can be missing: its source must be a required column of `{}`", column.name, transactions.name),
                );
            }
        }
        (columns.len() == object.properties.len()).then(|| Target { schema: schema.to_owned(), table: table.to_owned(), columns, key })
    }

    fn origin(
        &mut self,
        property: &Property,
        (left, transactions): (&Object, &Source),
        (right, customers): (&Object, &Source),
    ) -> Option<Origin> {
        for custom in &property.custom_properties {
            match (custom.property.value.as_str(), custom.value.as_str()) {
                ("derive", Some("matched")) => return Some(Origin::Matched),
                ("derive", _) => {
                    self.faults.at(&custom.property, format!("unknown derive {}: known is matched", custom.value));
                    return None;
                }
                _ => self.unknown_property(custom, "derive"),
            }
        }
        let name = &property.name.value;
        let [reference] = property.transform_source_objects.as_slice() else {
            self.faults.at(
                &property.name,
                format!("target column `{name}` needs exactly one transformSourceObjects entry, e.g. [{}.{name}]", left.name.value),
            );
            return None;
        };
        let (object, column) = reference.value.split_once('.').unwrap_or(("", &reference.value));
        let find = |source: &Source| source.columns.iter().position(|c| c.name == column);
        let origin = if object == left.name.value {
            find(transactions).map(Origin::Transactions)
        } else if object == right.name.value {
            find(customers).map(Origin::Customers)
        } else {
            None
        };
        if origin.is_none() {
            self.faults.at(reference, format!("`{}` is no column of a source of the join", reference.value));
        }
        origin
    }

    /// Names that reach SQL are plain, so that quoting is never where safety hangs.
    fn identifier(&mut self, place: &Text, name: &str) {
        let mut chars = name.chars();
        let starts_well = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
        if !starts_well || !chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') || name.len() > 63 {
            self.faults.at(place, format!("`{name}` is no table or column name: lower-case letters, digits and _, at most 63 of them"));
        }
        if name.starts_with('_') {
            self.faults.at(place, format!("`{name}`: names that start with _ are kept for the pipeline's own columns"));
        }
    }

    fn unique<'t>(&mut self, names: impl Iterator<Item = &'t Text>, what: &str) {
        let mut seen = HashSet::new();
        for name in names {
            if !seen.insert(name.value.as_str()) {
                self.faults.at(name, format!("{what} `{}` stands twice", name.value));
            }
        }
    }

    fn unknown_property(&mut self, custom: &CustomProperty, known: &str) {
        self.faults.at(&custom.property, format!("unknown customProperty `{}`: known here: {known}", custom.property.value));
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinValue {
    left: String,
    right: String,
    on: String,
    unmatched: Option<String>,
}

fn physical_type(text: &str) -> Result<Type, &'static str> {
    let text = text.trim().to_ascii_uppercase();
    let (name, arguments) = match text.split_once('(') {
        None => (text.as_str(), Vec::new()),
        Some((name, rest)) => {
            let inner = rest.strip_suffix(')').ok_or("the bracket is not closed")?;
            let arguments = inner.split(',').map(|n| n.trim().parse::<u32>().map_err(|_| "not a number in the brackets"));
            (name.trim_end(), arguments.collect::<Result<Vec<_>, _>>()?)
        }
    };
    let digits = |n: u32| u8::try_from(n).map_err(|_| "at most 38 digits");
    match (name, arguments.as_slice()) {
        ("VARCHAR", []) => Ok(Type::Text { max_bytes: 256 }),
        ("VARCHAR", [bytes]) if (1..=MAX_TEXT_BYTES).contains(bytes) => Ok(Type::Text { max_bytes: *bytes }),
        ("VARCHAR", [_]) => Err("1 to 65535 bytes"),
        ("SMALLINT", []) => Ok(Type::Integer { bits: 16 }),
        ("INTEGER" | "INT", []) => Ok(Type::Integer { bits: 32 }),
        ("BIGINT", []) => Ok(Type::Integer { bits: 64 }),
        ("DECIMAL" | "NUMERIC", [precision, scale]) if (1..=38).contains(precision) && scale <= precision => {
            Ok(Type::Decimal { precision: digits(*precision)?, scale: digits(*scale)? })
        }
        ("DECIMAL" | "NUMERIC", _) => Err("write DECIMAL(precision,scale), at most 38 digits, scale within the precision"),
        ("BOOLEAN" | "BOOL", []) => Ok(Type::Boolean),
        ("DATE", []) => Ok(Type::Date),
        ("TIMESTAMPTZ", []) => Ok(Type::Timestamp),
        _ => Err("known are VARCHAR(n), SMALLINT, INTEGER, BIGINT, DECIMAL(p,s), BOOLEAN, DATE, TIMESTAMPTZ"),
    }
}

fn logical_matches(logical: &str, kind: Type) -> bool {
    match kind {
        Type::Text { .. } => logical == "string",
        Type::Integer { .. } => logical == "integer",
        Type::Decimal { .. } => logical == "number",
        Type::Boolean => logical == "boolean",
        Type::Date => logical == "date",
        Type::Timestamp => logical == "timestamp",
    }
}

fn zone_offset(text: &str) -> Option<i32> {
    if text == "UTC" { Some(0) } else { parse::offset_seconds(text.as_bytes()) }
}

fn named<T: Copy>(all: &[(&str, T)], value: &serde_json::Value) -> Option<T> {
    let word = value.as_str()?;
    all.iter().find(|(name, _)| *name == word).map(|(_, item)| *item)
}

fn names<T>(all: &[(&str, T)]) -> String {
    all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
