//! A source's column: what it reads, how it is cleaned, and the rules it obeys.

use std::collections::HashSet;

use super::compile::{Compiler, named, names};
use super::odcs::{CustomProperty, Given, Property, Quality, Step};
use super::yaml::Text;
use super::{Allowed, Column, Mask, OnViolation, Path, TextFormat, Verb, pattern};
use crate::parse::{self, Written};
use crate::rule::{check_bounds, check_text};
use crate::types::{Bound, MAX_TEXT_BYTES, Type, Value};
use crate::verbs::{self, Outcome};

/// What a source's file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Json,
    Csv,
}

impl Compiler<'_> {
    pub(super) fn column(&mut self, property: &Property, side: Side) -> Column {
        let kind = self.kind(property);
        let mut column = Column {
            name: property.name.value.clone(),
            path: self.path(property, side),
            // Any will do for a column that is refused; what follows from its type is then not looked at.
            kind: kind.unwrap_or(Type::Text { max_bytes: MAX_TEXT_BYTES }),
            required: property.required,
            clean: Vec::new(),
            default: None,
            minimum: None,
            maximum: None,
            min_length: None,
            max_length: None,
            pattern: None,
            format: None,
            allowed: None,
            on_violation: OnViolation::default(),
            mask: None,
            is_restricted: property.classification.as_ref().is_some_and(|c| c.value == "restricted"),
        };
        self.unique(property.custom_properties.iter().map(|c| (&c.property, &c.property.value)), "customProperty");
        for custom in &property.custom_properties {
            self.column_property(custom, &mut column);
        }
        if let Some(kind) = kind {
            self.bounds(property, kind, &mut column);
            self.text_rules(property, kind, &mut column);
            self.quality(property, &mut column);
            self.unsupported(property, kind, side, &column);
            self.masked(property, &column);
            self.default(property, &column);
        }
        column
    }

    fn path(&mut self, property: &Property, side: Side) -> Path {
        match &property.physical_name {
            Some(name) if side == Side::Json => Path::parse(&name.value).unwrap_or_else(|why| {
                self.faults.at(name, format!("physicalName `{}`: {why}", name.value));
                Path::of_field(&name.value)
            }),
            _ => Path::of_field(&property.physical().value),
        }
    }

    fn column_property(&mut self, custom: &CustomProperty, column: &mut Column) {
        match (custom.property.value.as_str(), &custom.value) {
            ("clean", Given::Steps(steps)) => {
                for step in steps {
                    match verb(&step.value) {
                        Ok(verb) => column.clean.push(verb),
                        Err(why) => self.faults.line(step.referenced.line(), why),
                    }
                }
            }
            ("onViolation", value) => match named(&OnViolation::ALL, custom.scalar()) {
                Some(action) => column.on_violation = action,
                // An unquoted YAML null is what a person writes for the word.
                None if custom.scalar().is_none() => column.on_violation = OnViolation::Null,
                None => self.faults.at(&custom.property, format!("unknown onViolation {value}: known are {}", names(&OnViolation::ALL))),
            },
            ("mask", value) => match named(&Mask::ALL, custom.scalar()) {
                Some(mask) => column.mask = Some(mask),
                None => self.faults.at(&custom.property, format!("unknown mask {value}: known are {}", names(&Mask::ALL))),
            },
            ("default", _) => match custom.scalar() {
                Some(text) => column.default = Some(text.to_owned()),
                None => self.faults.at(&custom.property, "default null is what a missing value is already"),
            },
            _ => self.unknown_property(custom, "clean, default, onViolation, mask"),
        }
    }

    /// `minimum` and `maximum`. An exclusive bound is the next value inside it, since every type here has one.
    fn bounds(&mut self, property: &Property, kind: Type, column: &mut Column) {
        let options = &property.logical_type_options.known;
        for (inclusive, exclusive, step) in [("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)] {
            let bound = match (options.get(inclusive), options.get(exclusive)) {
                (Some(_), Some(text)) => {
                    self.faults.at(text, format!("{inclusive} and {exclusive} cannot both hold: keep one"));
                    continue;
                }
                (Some(text), None) => self.bound(inclusive, text, kind),
                (None, Some(text)) => self.bound(exclusive, text, kind).map(|bound| {
                    let inside = match bound {
                        Bound::Exact(n) => Bound::Exact(n + step),
                        Bound::Double(x) => Bound::Double(if step > 0 { x.next_up() } else { x.next_down() }),
                    };
                    if !is_value(inside, kind) {
                        self.faults.at(text, format!("no value of {kind} lies inside {exclusive} {}", text.value));
                    }
                    inside
                }),
                (None, None) => None,
            };
            *(if step > 0 { &mut column.minimum } else { &mut column.maximum }) = bound;
        }
        let is_empty = match (column.minimum, column.maximum) {
            (Some(Bound::Exact(min)), Some(Bound::Exact(max))) => min > max,
            (Some(Bound::Double(min)), Some(Bound::Double(max))) => min > max,
            _ => false,
        };
        let upper = options.get("maximum").or_else(|| options.get("exclusiveMaximum"));
        let lower = options.get("minimum").or_else(|| options.get("exclusiveMinimum"));
        if let (true, Some(upper), Some(lower)) = (is_empty, upper, lower) {
            self.faults.at(upper, format!("no value lies between minimum {} and maximum {}", lower.value, upper.value));
        }
    }

    fn bound(&mut self, name: &str, text: &Text, kind: Type) -> Option<Bound> {
        let value = match kind {
            Type::Integer { .. } | Type::Decimal { .. } | Type::Double | Type::Date | Type::Timestamp { .. } => {
                parse::value(&text.value, Written::Literal, kind, self.zone_offset_seconds).ok()
            }
            _ => {
                self.faults.at(text, format!("{name} is for numbers, dates and timestamps, and the column is {kind}"));
                return None;
            }
        };
        let bound = value.and_then(exact).map(Bound::Exact).or(match value {
            Some(Value::Double(x)) => Some(Bound::Double(x)),
            _ => None,
        });
        if bound.is_none() {
            self.faults.at(text, format!("{name} {} is no value of {kind}", text.value));
        }
        bound
    }

    fn text_rules(&mut self, property: &Property, kind: Type, column: &mut Column) {
        let options = &property.logical_type_options.known;
        let is_text = matches!(kind, Type::Text { .. } | Type::Char { .. });
        for (name, slot) in [("minLength", &mut column.min_length), ("maxLength", &mut column.max_length)] {
            let Some(text) = options.get(name) else { continue };
            *slot = text.value.parse().ok();
            if !is_text {
                self.faults.at(text, format!("{name} is for text, and the column is {kind}"));
            } else if slot.is_none() {
                self.faults.at(text, format!("{name} {} is not a whole number", text.value));
            }
        }
        if let (Some(min), Some(text)) = (column.min_length, options.get("minLength")) {
            if column.max_length.is_some_and(|max| min > max) {
                self.faults.at(text, format!("minLength {min} is greater than maxLength {}", column.max_length.unwrap_or_default()));
            }
            if matches!(kind, Type::Text { max_bytes } | Type::Char { max_bytes } if min > max_bytes) {
                self.faults.at(text, format!("minLength {min} does not fit {kind}"));
            }
        }
        if let Some(text) = options.get("pattern") {
            if is_text {
                self.pattern(text, column);
            } else {
                self.faults.at(text, format!("pattern is for text, and the column is {kind}"));
            }
        }
        if let Some(text) = options.get("format") {
            self.format(text, kind, column);
        }
    }

    fn pattern(&mut self, text: &Text, column: &mut Column) {
        match pattern::compile(&text.value) {
            Ok(pattern) => column.pattern = Some(pattern),
            Err(why) => self.faults.at(text, format!("pattern `{}`: {why}", text.value)),
        }
    }

    /// For text a well-known shape; for other types the standard's `format` says how values are written, and only ours is read.
    fn format(&mut self, text: &Text, kind: Type, column: &mut Column) {
        let known = match kind {
            Type::Text { .. } | Type::Char { .. } => {
                column.format = named(&TextFormat::ALL, Some(&text.value));
                if column.format.is_some() {
                    return;
                }
                names(&TextFormat::ALL)
            }
            Type::Date => "yyyy-MM-dd".to_owned(),
            Type::Timestamp { .. } => "yyyy-MM-ddTHH:mm:ssZ, yyyy-MM-dd'T'HH:mm:ssXXX, yyyy-MM-dd HH:mm:ss".to_owned(),
            Type::Integer { bits } => format!("i{bits}"),
            Type::Double => "f64".to_owned(),
            _ => String::new(),
        };
        if !known.split(", ").any(|known| known == text.value) {
            let known = if known.is_empty() { "there is none".to_owned() } else { format!("known are {known}") };
            self.faults.at(text, format!("unknown format `{}` for {kind}: {known}", text.value));
        }
    }

    /// Enforces `invalidValues … mustBe: 0`. A rule of the types text, sql and custom is for people and other tools; any other metric
    /// counts over the whole table, which no row can be measured by, and must therefore not stand here as if it were enforced.
    fn quality(&mut self, property: &Property, column: &mut Column) {
        for rule in &property.quality {
            let Some(metric) = rule.metric.as_ref().filter(|_| rule.kind.as_ref().is_none_or(|kind| kind.value == "library")) else {
                continue;
            };
            let is_none_allowed = rule.must_be.as_ref().is_some_and(|n| n.value == "0");
            match metric.value.as_str() {
                "invalidValues" if !is_none_allowed => {
                    self.faults.at(metric, "invalidValues is enforced row by row, so only with mustBe: 0");
                }
                "invalidValues" => self.invalid_values(metric, rule, column),
                "nullValues" if is_none_allowed && column.required => {}
                "nullValues" => self.faults.at(metric, "nullValues is not enforced: write required: true"),
                other => self.faults.at(
                    metric,
                    format!(
                        "the metric `{other}` is not enforced on a source: put it on the target's column, for tools that test the table"
                    ),
                ),
            }
        }
    }

    fn invalid_values(&mut self, metric: &Text, rule: &Quality, column: &mut Column) {
        let (values, pattern) = (rule.valid_values.as_ref(), rule.pattern.as_ref());
        if values.is_none() && pattern.is_none() {
            self.faults.at(metric, "invalidValues needs the arguments validValues, pattern or both");
        }
        let is_text = matches!(column.kind, Type::Text { .. } | Type::Char { .. });
        match pattern {
            Some(text) if !is_text => self.faults.at(text, format!("pattern is for text, and the column is {}", column.kind)),
            Some(text) if column.pattern.is_some() => self.faults.at(text, "a second pattern for one column"),
            Some(text) => self.pattern(text, column),
            None => {}
        }
        let Some(values) = values else { return };
        if column.allowed.is_some() {
            return self.faults.at(metric, "a second list of validValues for one column");
        }
        if is_text {
            for text in values {
                if let Err(why) = can_come_out(&text.value, column) {
                    self.faults.at(text, format!("validValues `{}` can never occur: {why}", text.value));
                }
            }
            column.allowed = Some(Allowed::Texts(values.iter().map(|text| text.value.clone()).collect()));
            return;
        }
        if matches!(column.kind, Type::Double | Type::Boolean | Type::Super) {
            return self.faults.at(metric, format!("validValues cannot be enforced on {}", column.kind));
        }
        let mut allowed = HashSet::new();
        for text in values {
            match parse::value(&text.value, Written::Literal, column.kind, self.zone_offset_seconds).ok().and_then(exact) {
                Some(n) => _ = allowed.insert(n),
                None => self.faults.at(text, format!("validValues `{}` is no value of {}", text.value, column.kind)),
            }
        }
        column.allowed = Some(Allowed::Exact(allowed));
    }

    /// What the standard can say and Crosstally does not do must not look as if it did.
    fn unsupported(&mut self, property: &Property, kind: Type, side: Side, column: &Column) {
        for name in &property.logical_type_options.others {
            let instead = match name.value.as_str() {
                "timezone" | "defaultTimezone" => {
                    "write physicalType TIMESTAMPTZ or TIMESTAMP, and the contract's customProperty timezone for instants that name none"
                }
                "enum" => "write quality: [{metric: invalidValues, arguments: {validValues: [...]}, mustBe: 0}]",
                _ => "known are minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, pattern, format",
            };
            self.faults.at(name, format!("logicalTypeOptions `{}` is not enforced: {instead}", name.value));
        }
        if column.required && column.on_violation == OnViolation::Null {
            self.faults.at(&property.name, format!("`{}` is required, so onViolation cannot be null", column.name));
        }
        if property.unique && !property.primary_key {
            self.faults
                .at(&property.name, format!("unique of `{}` is not enforced: only a primaryKey is, where the last row wins", column.name));
        }
        if kind == Type::Super {
            if side == Side::Csv {
                self.faults.at(&property.name, format!("`{}`: a CSV field holds text, so SUPER is for the JSON source", column.name));
            }
            for custom in &property.custom_properties {
                if matches!(custom.property.value.as_str(), "clean" | "default") {
                    self.faults.at(&custom.property, format!("{} is for single values, and SUPER is kept as it is", custom.property.value));
                }
            }
        }
    }

    fn masked(&mut self, property: &Property, column: &Column) {
        let Some(custom) = property.custom_properties.iter().find(|c| c.property.value == "mask") else { return };
        if !matches!(column.kind, Type::Text { .. } | Type::Char { .. }) {
            self.faults.at(&custom.property, format!("mask is for text, and `{}` is {}", column.name, column.kind));
        }
        if !column.is_restricted {
            self.faults.at(&custom.property, format!("mask needs classification: restricted on `{}`", column.name));
        }
    }

    fn default(&mut self, property: &Property, column: &Column) {
        let custom = property.custom_properties.iter().find(|c| c.property.value == "default");
        let (Some(custom), Some(default)) = (custom, &column.default) else { return };
        if column.kind == Type::Super {
            return;
        }
        let Some(text) = cleaned(&column.clean, default) else {
            return self.faults.at(&custom.property, format!("default `{default}` is made null by the column's own cleaning"));
        };
        let broken = if column.kind.is_text() {
            check_text(column, &text)
        } else {
            match parse::value(&text, Written::Literal, column.kind, self.zone_offset_seconds) {
                Ok(value) => check_bounds(column, value),
                Err(_) => return self.faults.at(&custom.property, format!("default `{default}` is no value of {}", column.kind)),
            }
        };
        if let Err(rule) = broken {
            self.faults.at(&custom.property, format!("default `{default}` breaks the column's own rule {}", rule.name()));
        }
    }
}

fn verb(step: &Step) -> Result<Verb, String> {
    Ok(match step {
        Step::NullValues(values) => Verb::NullValues(values.iter().cloned().collect()),
        Step::Map(pairs) => Verb::Map(pairs.clone()),
        Step::Word(word) => match Verb::WORDS.iter().find(|(name, _)| name == word) {
            Some((_, verb)) => verb.clone(),
            None => {
                return Err(format!(
                    "unknown cleaning step `{word}`: known are {}, {{null_values: [...]}}, {{map: {{from: to}}}}",
                    names(&Verb::WORDS)
                ));
            }
        },
    })
}

/// The text behind the cleaning steps; `None` when they make it null.
fn cleaned(verbs: &[Verb], text: &str) -> Option<String> {
    let (mut text, mut out) = (text.to_owned(), String::new());
    for verb in verbs {
        match verbs::apply(verb, &text, &mut out) {
            Outcome::Unchanged => {}
            Outcome::Changed => std::mem::swap(&mut text, &mut out),
            Outcome::Null => return None,
        }
    }
    Some(text)
}

/// Whether a cleaned value can be this text. The steps behind the last one that maps single values leave what they made alone.
fn can_come_out(text: &str, column: &Column) -> Result<(), String> {
    let is_mapping = |verb: &Verb| matches!(verb, Verb::Map(_) | Verb::NullValues(_));
    let behind = column.clean.iter().rposition(is_mapping).map_or(0, |at| at + 1);
    match cleaned(&column.clean[behind..], text) {
        None => Err("the cleaning makes it null".to_owned()),
        Some(other) if other != text => Err(format!("the cleaning makes it `{other}`")),
        Some(_) => check_text(column, text).map_err(|rule| format!("it breaks the column's rule {}", rule.name())),
    }
}

fn is_value(bound: Bound, kind: Type) -> bool {
    match bound {
        Bound::Exact(n) => parse::value(&kind.show(n), Written::Text, kind, 0).is_ok(),
        Bound::Double(x) => x.is_finite(),
    }
}

/// The value as the whole number that bounds and allowed values are compared by.
fn exact(value: Value<'_>) -> Option<i128> {
    match value {
        Value::Integer(n) | Value::Timestamp(n) => Some(i128::from(n)),
        Value::Date(n) => Some(i128::from(n)),
        Value::Decimal(n) => Some(n),
        _ => None,
    }
}
