//! The tables of a load, in the types of each dialect.

use super::{Dialect, ident, key_list, table};
use crate::contract::{MATCHED, Plan, SOURCE_OFFSET, SOURCE_URI, TargetColumn};
use crate::types::{MAX_TEXT_BYTES, Type};

/// The statement that makes the target table, where it is not there yet.
pub fn create_target(dialect: Dialect, plan: &Plan) -> String {
    let mut lines: Vec<String> = plan.target.columns.iter().map(|c| column(c, &dialect.kind(c.kind))).collect();
    lines.extend(
        [
            "\"_run_id\" VARCHAR(128) NOT NULL",
            "\"_source_uri\" VARCHAR(2048) NOT NULL",
            "\"_source_offset\" BIGINT NOT NULL",
            "\"_loaded_at\" TIMESTAMPTZ NOT NULL",
        ]
        .map(str::to_owned),
    );
    // Redshift takes the key as a hint to its planner and never enforces it; PostgreSQL would, so there it is left out: the
    // fold alone must keep rows apart, and the laptop must show it if it does not.
    if dialect == Dialect::Redshift {
        lines.push(format!("PRIMARY KEY ({})", key_list(plan, "")));
    }
    format!("CREATE TABLE IF NOT EXISTS {} (\n  {}\n)", table(plan), lines.join(",\n  "))
}

/// The staging table of the rows, filled from Parquet by position.
pub(super) fn create_staging(dialect: Dialect, plan: &Plan, name: &str) -> String {
    let mut lines: Vec<String> = plan.target.columns.iter().map(|c| column(c, &dialect.staging_kind(c.kind))).collect();
    lines.push(format!("{} VARCHAR(2048) NOT NULL", ident(SOURCE_URI)));
    lines.push(format!("{} BIGINT NOT NULL", ident(SOURCE_OFFSET)));
    lines.push(format!("{} BOOLEAN NOT NULL", ident(MATCHED)));
    format!("CREATE TABLE {name} (\n  {}\n)", lines.join(",\n  "))
}

/// The staging table of the quarantine.
pub(super) fn create_quarantine_staging(name: &str) -> String {
    format!("CREATE TABLE {name} ({QUARANTINE_STAGING_COLUMNS})")
}

impl Dialect {
    fn kind(self, kind: Type) -> String {
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
}

fn column(column: &TargetColumn, kind: &str) -> String {
    format!("{} {kind}{}", ident(&column.name), if column.nullable { "" } else { " NOT NULL" })
}

const QUARANTINE_STAGING_COLUMNS: &str = "\n  source VARCHAR(128) NOT NULL,\n  source_uri VARCHAR(2048) NOT NULL,\n  source_offset BIGINT NOT NULL,\n  \
     rule VARCHAR(64) NOT NULL,\n  column_name VARCHAR(128),\n  record VARCHAR(65535) NOT NULL,\n  record_bytes BIGINT NOT NULL\n";

pub(super) const CREATE_QUARANTINE: &str = "CREATE TABLE IF NOT EXISTS crosstally.quarantine (\n  run_id VARCHAR(128) NOT NULL,\n  source VARCHAR(128) NOT NULL,\n  \
     source_uri VARCHAR(2048) NOT NULL,\n  source_offset BIGINT NOT NULL,\n  rule VARCHAR(64) NOT NULL,\n  column_name VARCHAR(128),\n  \
     record VARCHAR(65535) NOT NULL,\n  record_bytes BIGINT NOT NULL,\n  quarantined_at TIMESTAMPTZ NOT NULL\n)";

pub(super) const CREATE_LEDGER: &str = "CREATE TABLE IF NOT EXISTS crosstally.ledger (\n  run_id VARCHAR(128) NOT NULL,\n  contract_version VARCHAR(64) NOT NULL,\n  \
     contract_sha256 VARCHAR(64) NOT NULL,\n  source_uri VARCHAR(2048) NOT NULL,\n  source_version VARCHAR(256) NOT NULL,\n  \
     source_modified_at TIMESTAMPTZ NOT NULL,\n  customers_uri VARCHAR(2048) NOT NULL,\n  customers_version VARCHAR(1024) NOT NULL,\n  \
     rows_read BIGINT NOT NULL,\n  rows_loaded BIGINT NOT NULL,\n  rows_inserted BIGINT NOT NULL,\n  rows_updated BIGINT NOT NULL,\n  \
     rows_unchanged BIGINT NOT NULL,\n  rows_superseded BIGINT NOT NULL,\n  rows_quarantined BIGINT NOT NULL,\n  rows_written BIGINT NOT NULL,\n  \
     rows_matched BIGINT NOT NULL,\n  rows_unmatched BIGINT NOT NULL,\n  quarantined_by_rule VARCHAR(65535) NOT NULL,\n  \
     customers_read BIGINT NOT NULL,\n  customers_kept BIGINT NOT NULL,\n  customers_superseded BIGINT NOT NULL,\n  \
     customers_quarantined BIGINT NOT NULL,\n  sums VARCHAR(65535) NOT NULL,\n  committed_at TIMESTAMPTZ NOT NULL\n)";
