//! The tables of a load, in the types of each dialect.

use super::Dialect;
use super::evolution::LINEAGE;
use super::names::{ident, key_list, table};
use crate::contract::{MATCHED, Plan, SOURCE_OFFSET, SOURCE_URI, TargetColumn};
use crate::types::{MAX_TEXT_BYTES, Type};

/// The statement that makes the target table, where it is not there yet.
pub fn create_target(dialect: Dialect, plan: &Plan) -> String {
    let mut lines: Vec<String> = plan.target.columns.iter().map(|c| column(c, &dialect.kind(c.kind))).collect();
    lines.extend(LINEAGE.map(|(name, kind)| format!("{} {kind} NOT NULL", ident(name))));
    // Redshift takes the key as a hint to its planner and never enforces it; PostgreSQL would, so there it is left out: the
    // fold alone must keep rows apart, and the laptop must show it if it does not.
    if dialect == Dialect::Redshift {
        lines.push(format!("PRIMARY KEY ({})", key_list(plan, "")));
    }
    dialect.create("TABLE IF NOT EXISTS", &table(plan), &lines)
}

/// The staging table of the rows, filled from Parquet by position.
pub(super) fn create_staging(dialect: Dialect, plan: &Plan, name: &str) -> String {
    let mut lines: Vec<String> = plan.target.columns.iter().map(|c| column(c, &dialect.staging_kind(c.kind))).collect();
    lines.push(format!("{} VARCHAR(2048) NOT NULL", ident(SOURCE_URI)));
    lines.push(format!("{} BIGINT NOT NULL", ident(SOURCE_OFFSET)));
    lines.push(format!("{} BOOLEAN NOT NULL", ident(MATCHED)));
    dialect.create(dialect.staging_table(), name, &lines)
}

/// The staging table of the quarantine.
pub(super) fn create_quarantine_staging(dialect: Dialect, name: &str) -> String {
    dialect.create(dialect.staging_table(), name, &QUARANTINED.map(str::to_owned))
}

pub(super) fn create_quarantine(dialect: Dialect) -> String {
    let mut lines = vec!["run_id VARCHAR(128) NOT NULL"];
    lines.extend(QUARANTINED);
    lines.push("quarantined_at TIMESTAMPTZ NOT NULL");
    dialect.create("TABLE IF NOT EXISTS", "crosstally.quarantine", &lines)
}

pub(super) fn create_ledger(dialect: Dialect) -> String {
    dialect.create("TABLE IF NOT EXISTS", "crosstally.ledger", &LEDGER)
}

impl Dialect {
    pub(super) fn kind(self, kind: Type) -> String {
        match (self, kind) {
            (Self::Postgres, Type::Super) => "JSONB".to_owned(),
            _ => kind.to_string(),
        }
    }

    /// Staging holds what a COPY from Parquet can fill: instants as TIMESTAMP in UTC, since it loses zones, and JSON as its text.
    ///
    /// CHAR stays CHAR, so that blanks at the end count as little in the comparison with the target as they do in both tables.
    fn staging_kind(self, kind: Type) -> String {
        match kind {
            Type::Timestamp { .. } => "TIMESTAMP".to_owned(),
            Type::Super => Type::Text { max_bytes: MAX_TEXT_BYTES }.to_string(),
            _ => self.kind(kind),
        }
    }

    /// One session stages and folds on Redshift; elsewhere Spark fills staging over connections of its own, which must see it.
    fn staging_table(self) -> &'static str {
        match self {
            Self::Postgres => "TABLE",
            Self::Redshift => "TEMP TABLE",
        }
    }

    /// Redshift is left to choose distribution, sort order and encodings, and to change them as the table is used.
    fn create(self, what: &str, name: &str, lines: &[impl AsRef<str>]) -> String {
        let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
        let attributes = match self {
            Self::Redshift if what == "TABLE IF NOT EXISTS" => "\nDISTSTYLE AUTO SORTKEY AUTO ENCODE AUTO",
            _ => "",
        };
        format!("CREATE {what} {name} (\n  {}\n){attributes}", lines.join(",\n  "))
    }
}

/// A column as a table's definition has it.
pub(super) fn column(column: &TargetColumn, kind: &str) -> String {
    format!("{} {kind}{}", ident(&column.name), if column.nullable { "" } else { " NOT NULL" })
}

const QUARANTINED: [&str; 7] = [
    "source VARCHAR(128) NOT NULL",
    "source_uri VARCHAR(2048) NOT NULL",
    "source_offset BIGINT NOT NULL",
    "rule VARCHAR(64) NOT NULL",
    "column_name VARCHAR(128)",
    "record VARCHAR(65535) NOT NULL",
    "record_bytes BIGINT NOT NULL",
];

const LEDGER: [&str; 29] = [
    "run_id VARCHAR(128) NOT NULL",
    // 1, 2, 3: as the loads were committed, one behind the other.
    "commit_order BIGINT NOT NULL",
    "replay_of VARCHAR(128)",
    "contract_version VARCHAR(64) NOT NULL",
    "contract_sha256 VARCHAR(64) NOT NULL",
    "source_uri VARCHAR(2048) NOT NULL",
    "source_version VARCHAR(256) NOT NULL",
    "source_modified_at TIMESTAMPTZ NOT NULL",
    "customers_uri VARCHAR(2048) NOT NULL",
    "customers_version VARCHAR(1024) NOT NULL",
    "rows_read BIGINT NOT NULL",
    "rows_loaded BIGINT NOT NULL",
    "rows_inserted BIGINT NOT NULL",
    "rows_updated BIGINT NOT NULL",
    "rows_unchanged BIGINT NOT NULL",
    "rows_superseded BIGINT NOT NULL",
    "rows_quarantined BIGINT NOT NULL",
    "rows_written BIGINT NOT NULL",
    "rows_matched BIGINT NOT NULL",
    "rows_unmatched BIGINT NOT NULL",
    "quarantined_by_rule VARCHAR(65535) NOT NULL",
    "customers_read BIGINT NOT NULL",
    "customers_kept BIGINT NOT NULL",
    "customers_superseded BIGINT NOT NULL",
    "customers_quarantined BIGINT NOT NULL",
    "sums VARCHAR(65535) NOT NULL",
    // The transaction's, and since the execution started.
    "load_seconds DECIMAL(12,3) NOT NULL",
    "run_seconds DECIMAL(12,3) NOT NULL",
    "committed_at TIMESTAMPTZ NOT NULL",
];
