//! The target table: which column of which source each of its columns takes.

use super::compile::Compiler;
use super::odcs::{Object, Property};
use super::yaml::Text;
use super::{Column, Mask, Origin, Source, Target, TargetColumn, Unmatched};
use crate::sql;
use crate::types::Type;

/// Names PostgreSQL and Redshift keep for themselves in every table.
const SYSTEM_COLUMNS: [&str; 8] = ["oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "deletexid"];

/// Redshift's 1,600 columns a table, less `_run_id`, `_source_uri`, `_source_offset` and `_loaded_at`.
/// Source: "Quotas and limits in Amazon Redshift", Amazon Redshift Management Guide.
const MAX_COLUMNS: usize = 1_596;

impl Compiler<'_> {
    pub(super) fn target(
        &mut self,
        object: &Object,
        (left, transactions): (&Object, &Source),
        (right, customers): (&Object, &Source),
        unmatched: Unmatched,
    ) -> Option<Target> {
        self.unique(object.properties.iter().map(|p| (p.physical(), &p.physical().value)), "target column");
        let physical = object.physical_name.as_ref().unwrap_or(&object.name);
        let (schema, table) = physical.value.split_once('.').unwrap_or(("public", &physical.value));
        for name in [schema, table] {
            self.identifier(physical, name);
        }
        if schema == "crosstally" {
            self.faults.at(physical, "the schema `crosstally` is kept for the pipeline's own tables");
        }
        if object.properties.len() > MAX_COLUMNS {
            self.faults.at(&object.name, format!("a table has at most {MAX_COLUMNS} columns beside the pipeline's own"));
        }
        let mut columns = Vec::with_capacity(object.properties.len());
        for property in &object.properties {
            let name = property.physical();
            self.identifier(name, &name.value);
            if SYSTEM_COLUMNS.contains(&name.value.as_str()) {
                self.faults.at(name, format!("`{}` is a name the warehouse keeps for itself", name.value));
            }
            let Some(origin) = self.origin(property, (left, transactions), (right, customers)) else { continue };
            let states_type = property.physical_type.is_some() || property.logical_type.is_some();
            let stated = if states_type { self.kind(property) } else { None };
            let (kind, nullable) = match origin {
                Origin::Matched => self.derived(property, stated),
                Origin::Transactions(i) => self.taken(property, stated, (&left.properties[i], &transactions.columns[i]), true),
                Origin::Customers(i) => {
                    let is_there = unmatched == Unmatched::Quarantine;
                    self.taken(property, stated, (&right.properties[i], &customers.columns[i]), is_there)
                }
            };
            let can_be_keyed = matches!(origin, Origin::Transactions(i) if transactions.columns[i].required);
            if property.primary_key && !can_be_keyed {
                self.faults.at(
                    &property.name,
                    format!("key column `{}` can be missing: its source must be a required column of `{}`", name.value, transactions.name),
                );
            }
            columns.push(TargetColumn { name: name.value.clone(), kind, nullable, origin });
        }
        let key = self.key(object);
        (columns.len() == object.properties.len()).then(|| Target { schema: schema.to_owned(), table: table.to_owned(), columns, key })
    }

    fn derived(&mut self, property: &Property, stated: Option<Type>) -> (Type, bool) {
        if let Some(kind) = stated.filter(|kind| *kind != Type::Boolean) {
            self.faults
                .at(property.physical(), format!("`{}` tells whether a customer was found: BOOLEAN, not {kind}", property.name.value));
        }
        self.no_rules_of_its_own(property, None);
        (Type::Boolean, false)
    }

    /// Type and nullability of a column that takes a source's; `is_there` says that every row has that source.
    fn taken(&mut self, property: &Property, stated: Option<Type>, (source, column): (&Property, &Column), is_there: bool) -> (Type, bool) {
        let name = property.physical();
        let kind = stated.unwrap_or(column.kind);
        if !kind.holds(column.kind) {
            self.faults.at(name, format!("target column `{}` is {kind}, too narrow for its source's {}", name.value, column.kind));
        }
        let is_filled = column.required || (column.default.is_some() && column.on_violation != super::OnViolation::Null);
        let is_never_null = is_there && is_filled;
        if property.required && !is_never_null {
            self.faults
                .at(&property.name, format!("target column `{}` is required, but its source `{}` can be missing", name.value, column.name));
        }
        if let Some(mask) = column.mask {
            self.masked_target(property, kind, mask);
        }
        self.no_rules_of_its_own(property, Some(source));
        (kind, !(is_never_null && (column.required || property.required)))
    }

    fn masked_target(&mut self, property: &Property, kind: Type, mask: Mask) {
        let name = property.physical();
        let needed = match mask {
            Mask::Sha256 => 64,
            Mask::Redact => crate::mask::REDACTED.len(),
            // As long as the value itself.
            Mask::Last4 => 0,
        };
        if matches!(kind, Type::Text { max_bytes } | Type::Char { max_bytes } if (max_bytes as usize) < needed) {
            self.faults.at(name, format!("target column `{}` is {kind}, and its source's mask {mask} needs VARCHAR({needed})", name.value));
        }
        if property.primary_key && mask != Mask::Sha256 {
            self.faults
                .at(name, format!("key column `{}` takes a value with mask {mask}, which makes different keys the same", name.value));
        }
    }

    /// Rules are enforced where a value is read. Here they may be said again, for tools that test the table; a rule that the source
    /// does not have would only look enforced.
    fn no_rules_of_its_own(&mut self, property: &Property, source: Option<&Property>) {
        let options = &property.logical_type_options;
        let is_sources = |name: &str, text: &Text| {
            source.and_then(|source| source.logical_type_options.known.get(name)).is_some_and(|rule| rule.value == text.value)
        };
        let own = options.known.iter().filter(|(name, text)| !is_sources(name, text)).map(|(name, text)| (*name, text));
        for (name, place) in own.chain(options.others.iter().map(|name| (name.value.as_str(), name))) {
            self.faults.at(place, format!("logicalTypeOptions `{name}` is not that of the source's column, where rules are enforced"));
        }
    }

    fn origin(
        &mut self,
        property: &Property,
        (left, transactions): (&Object, &Source),
        (right, customers): (&Object, &Source),
    ) -> Option<Origin> {
        let mut derived = None;
        for custom in &property.custom_properties {
            match (custom.property.value.as_str(), custom.scalar()) {
                ("derive", Some("matched")) => derived = Some(Origin::Matched),
                ("derive", _) => {
                    self.faults.at(&custom.property, format!("unknown derive {}: known is matched", custom.value));
                    return None;
                }
                ("clean" | "default" | "onViolation" | "mask", _) => self.faults.at(
                    &custom.property,
                    format!("customProperty `{}` on a target column: it belongs to the source's", custom.property.value),
                ),
                _ => self.unknown_property(custom, "derive"),
            }
        }
        let name = &property.name.value;
        match (derived, property.transform_source_objects.as_slice()) {
            (Some(_), []) => return derived,
            (Some(_), [reference, ..]) => {
                self.faults.at(reference, format!("`{name}` is derived, so it takes no source's column"));
                return None;
            }
            (None, [_]) => {}
            (None, _) => {
                self.faults.at(
                    &property.name,
                    format!("target column `{name}` needs exactly one transformSourceObjects entry, e.g. [{}.{name}]", left.name.value),
                );
                return None;
            }
        }
        let reference = &property.transform_source_objects[0];
        let column = |object: &Object| reference.value.strip_prefix(&object.name.value).and_then(|rest| rest.strip_prefix('.'));
        let find = |object: &Object, source: &Source| source.columns.iter().position(|c| Some(c.name.as_str()) == column(object));
        let origin = find(left, transactions).map(Origin::Transactions).or_else(|| find(right, customers).map(Origin::Customers));
        if origin.is_none() && left.is_whole && right.is_whole {
            self.faults.at(reference, format!("`{}` is no column of a source of the join", reference.value));
        }
        origin
    }

    /// Names that reach SQL are plain, so that quoting is never where safety hangs.
    fn identifier(&mut self, place: &Text, name: &str) {
        if !sql::is_name(name) {
            self.faults.at(place, format!("`{name}` is no table or column name: lower-case letters, digits and _, at most 63 of them"));
        }
        if name.starts_with('_') {
            self.faults.at(place, format!("`{name}`: names that start with _ are kept for the pipeline's own columns"));
        }
    }
}
