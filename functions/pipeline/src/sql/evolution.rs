//! What must become of a target table that is there already, so that it can take what the contract says.
//!
//! Only what loses nothing is done: a new column that may be null is added, a text column is widened. Redshift can alter nothing else
//! (source: "ALTER TABLE", Amazon Redshift Database Developer Guide), and PostgreSQL is asked for no more, so that a laptop shows
//! what production will do.

use std::collections::BTreeMap;

use super::names::{check_names, ident, table, text};
use super::tables::{column, create_target};
use super::{Dialect, InvalidName, Statement};
use crate::contract::{Plan, TargetColumn};
use crate::types::Type;

/// A column of the warehouse, as its information schema describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingColumn {
    pub name: String,
    pub data_type: String,
    pub max_length: Option<u32>,
    pub precision: Option<u8>,
    pub scale: Option<u8>,
    pub nullable: bool,
}

/// What a load does to the target's definition first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evolution {
    pub creates_target: bool,
    /// Indices of target columns that the table lacks.
    pub added: Vec<usize>,
    /// Target columns that are too narrow, with their width now, in bytes.
    pub widened: BTreeMap<usize, u32>,
}

/// The contract asks of the table what cannot be done to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the table {table} cannot become what the contract says: {}; nothing was moved. Undo that in the contract, or name another table there",
    faults.join("; ")
)]
pub struct Incompatible {
    table: String,
    faults: Vec<String>,
}

/// The question for the target's columns; asks for the named parameters `schema` and `table`.
///
/// The same view in both dialects.
pub const TARGET_COLUMNS: &str = "SELECT table_schema, table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable\n\
     FROM information_schema.columns\n\
     WHERE (table_schema = :schema AND table_name = :table) OR (table_schema = 'crosstally' AND table_name = 'ledger')\n\
     ORDER BY table_schema, ordinal_position";

/// The pipeline's own columns of a target.
pub(super) const LINEAGE: [(&str, &str); 4] =
    [("_run_id", "VARCHAR(128)"), ("_source_uri", "VARCHAR(2048)"), ("_source_offset", "BIGINT"), ("_loaded_at", "TIMESTAMPTZ")];

impl Evolution {
    /// What to do to a table of these columns; to none, when there is no such table.
    pub fn of(plan: &Plan, existing: &[ExistingColumn]) -> Result<Self, Incompatible> {
        if existing.is_empty() {
            return Ok(Self { creates_target: true, ..Self::default() });
        }
        let target = &plan.target;
        let mut evolution = Self::default();
        let mut faults = Vec::new();
        let is_key = |i: usize| target.key.contains(&i);
        for (i, wanted) in target.columns.iter().enumerate() {
            let Some(found) = existing.iter().find(|e| e.name == wanted.name) else {
                if wanted.nullable {
                    evolution.added.push(i);
                } else {
                    faults.push(format!("{} is new and never null, which the rows that are there could not fulfil", wanted.name));
                }
                continue;
            };
            match difference(wanted, found, is_key(i)) {
                Difference::None => {}
                Difference::Width(now) => {
                    evolution.widened.insert(i, now);
                }
                Difference::Fault(fault) => faults.push(fault),
            }
        }
        for (name, _) in LINEAGE {
            if !existing.iter().any(|e| e.name == name) {
                faults.push(format!("it has no column {name}, so it is no table of Crosstally's"));
            }
        }
        let is_known =
            |e: &ExistingColumn| target.columns.iter().any(|c| c.name == e.name) || LINEAGE.iter().any(|(name, _)| *name == e.name);
        for unknown in existing.iter().filter(|e| !is_known(e)) {
            faults.push(format!("{} is in the table only, and a row that changes would lose it", unknown.name));
        }
        if faults.is_empty() {
            return Ok(evolution);
        }
        Err(Incompatible { table: format!("{}.{}", target.schema, target.table), faults })
    }

    /// The statements that do it outside the load's transaction, where alone Redshift widens a column. Doing them twice is harmless.
    pub fn widening(&self, plan: &Plan, dialect: Dialect) -> Result<Vec<Statement>, InvalidName> {
        check_names(plan)?;
        let widened = self.widened.keys().map(|i| {
            let wanted = &plan.target.columns[*i];
            let name = ident(&wanted.name);
            let sql = format!("ALTER TABLE {} ALTER COLUMN {name} TYPE {}", table(plan), dialect.kind(wanted.kind));
            let width = match wanted.kind {
                Type::Text { max_bytes } => max_bytes,
                _ => 0,
            };
            Statement {
                unless: Some(format!("{} AND character_maximum_length >= {width}", is_there(plan, dialect, wanted))),
                ..Statement::new(&format!("widen_{}", wanted.name), sql)
            }
        });
        Ok(widened.collect())
    }

    /// Names of the statements that do it.
    pub fn names(&self, plan: &Plan) -> Vec<String> {
        let name = |what: &str, i: &usize| format!("{what}_{}", plan.target.columns[*i].name);
        self.widened.keys().map(|i| name("widen", i)).chain(self.added.iter().map(|i| name("add", i))).collect()
    }

    /// All of it as a person reads it, in Redshift's words.
    pub fn ddl(&self, plan: &Plan) -> Result<Vec<String>, InvalidName> {
        let created = self.creates_target.then(|| create_target(Dialect::Redshift, plan));
        let altered = self.widening(plan, Dialect::Redshift)?.into_iter().chain(self.adding(plan, Dialect::Redshift));
        Ok(created.into_iter().chain(altered.map(|statement| statement.sql)).collect())
    }

    /// The statements that do it inside the transaction.
    pub(super) fn adding(&self, plan: &Plan, dialect: Dialect) -> Vec<Statement> {
        let added = self.added.iter().map(|i| {
            let wanted = &plan.target.columns[*i];
            let sql = format!("ALTER TABLE {} ADD COLUMN {}", table(plan), column(wanted, &dialect.kind(wanted.kind)));
            Statement { unless: Some(is_there(plan, dialect, wanted)), ..Statement::new(&format!("add_{}", wanted.name), sql) }
        });
        added.collect()
    }
}

fn is_there(plan: &Plan, dialect: Dialect, column: &TargetColumn) -> String {
    let [schema, table, name] = [&plan.target.schema, &plan.target.table, &column.name].map(|name| text(dialect, name));
    format!("SELECT 1 FROM information_schema.columns WHERE table_schema = {schema} AND table_name = {table} AND column_name = {name}")
}

enum Difference {
    None,
    Width(u32),
    Fault(String),
}

fn difference(wanted: &TargetColumn, found: &ExistingColumn, is_key: bool) -> Difference {
    let name = &wanted.name;
    if wanted.nullable && !found.nullable {
        return Difference::Fault(format!("{name} may be null in the contract and not in the table"));
    }
    let Some(kind) = kind_of(found) else {
        return Difference::Fault(format!("{name} is {} there and {} in the contract", found.data_type, wanted.kind));
    };
    match (wanted.kind, kind) {
        (wanted, found) if found.holds(wanted) => Difference::None,
        (Type::Text { .. }, Type::Text { .. }) if is_key => {
            Difference::Fault(format!("{name} is {kind} there and {} in the contract, and Redshift widens no column of a key", wanted.kind))
        }
        (Type::Text { .. }, Type::Text { max_bytes }) => Difference::Width(max_bytes),
        _ => Difference::Fault(format!("{name} is {kind} there and {} in the contract, and Redshift can alter that no more", wanted.kind)),
    }
}

/// The type that an information schema's words stand for.
fn kind_of(column: &ExistingColumn) -> Option<Type> {
    Some(match column.data_type.as_str() {
        "character varying" => Type::Text { max_bytes: column.max_length? },
        "character" => Type::Char { max_bytes: column.max_length? },
        "smallint" => Type::Integer { bits: 16 },
        "integer" => Type::Integer { bits: 32 },
        "bigint" => Type::Integer { bits: 64 },
        "numeric" => Type::Decimal { precision: column.precision?, scale: column.scale? },
        "double precision" => Type::Double,
        "boolean" => Type::Boolean,
        "date" => Type::Date,
        "timestamp without time zone" => Type::Timestamp { has_zone: false },
        "timestamp with time zone" => Type::Timestamp { has_zone: true },
        "super" | "jsonb" => Type::Super,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
