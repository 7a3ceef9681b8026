//! Staging into the target: what becomes of every staged row, and the rows that are written.

use super::names::{ident, key_list, table};
use super::{Dialect, Render};
use crate::contract::TargetColumn;
use crate::types::Type;

impl Render<'_> {
    /// The fate of every staged row. Of a key the newest source version wins, then the highest offset.
    ///
    /// Its own columns start with _, as no column of a contract does.
    pub(super) fn fold(&self) -> String {
        let plan = self.run.plan;
        let key_equal = self.key_equal("t", "s");
        let first_key = ident(&plan.target.columns[plan.target.key[0]].name);
        let same_content: Vec<String> = plan
            .target
            .columns
            .iter()
            .enumerate()
            .filter(|(i, _)| !plan.target.key.contains(i))
            .map(|(_, c)| {
                let (stored, staged) = (format!("t.{}", ident(&c.name)), format!("s.{}", ident(&c.name)));
                // Values of SUPER have no equality of their own in Redshift, but one text each. Of a null that text is 'null'.
                let are_equal = match (self.dialect, c.kind) {
                    (Dialect::Redshift, Type::Super) => {
                        format!(
                            "{stored} IS NOT NULL AND {staged} IS NOT NULL AND JSON_SERIALIZE({stored}) = JSON_SERIALIZE({})",
                            self.staged(c, "s")
                        )
                    }
                    _ => format!("{stored} = {}", self.staged(c, "s")),
                };
                format!("({are_equal} OR ({stored} IS NULL AND {staged} IS NULL))")
            })
            .collect();
        let same_content = if same_content.is_empty() { "TRUE".to_owned() } else { same_content.join("\n      AND ") };
        let version = self.text(&self.run.transactions.version);
        let modified = self.source_instant();
        format!(
            "CREATE TEMP TABLE crosstally_fold AS\n\
             SELECT f.*, f._fate IN ('inserted', 'updated') OR (f._fate = 'unchanged' AND NOT f._is_in_place) AS _is_written\n\
             FROM (\n  \
               SELECT {keys}, s.\"_source_uri\", s.\"_source_offset\", s.\"_matched\",\n    \
                 CASE WHEN s._rank > 1 THEN 'superseded'\n      \
                   WHEN t.{first_key} IS NULL THEN 'inserted'\n      \
                   WHEN l.source_modified_at > {modified} OR (l.source_version = {version} AND t.\"_source_offset\" > s.\"_source_offset\") THEN 'superseded'\n      \
                   WHEN {same_content} THEN 'unchanged'\n      \
                   ELSE 'updated' END AS _fate,\n    \
                 COALESCE(l.source_version = {version} AND t.\"_source_uri\" = s.\"_source_uri\" AND t.\"_source_offset\" = s.\"_source_offset\", FALSE) AS _is_in_place\n  \
               FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {partition} ORDER BY \"_source_uri\" DESC, \"_source_offset\" DESC) AS _rank FROM {staging}) s\n  \
               LEFT JOIN {target} t ON {key_equal}\n  \
               LEFT JOIN crosstally.ledger l ON l.run_id = t.\"_run_id\"\n\
             ) f",
            keys = key_list(plan, "s."),
            partition = key_list(plan, ""),
            staging = self.staging[0],
            target = table(plan),
        )
    }

    pub(super) fn delete_replaced(&self) -> String {
        let plan = self.run.plan;
        let keys = self.key_equal(&ident(&plan.target.table), "f");
        format!("DELETE FROM {} USING crosstally_fold f WHERE {keys} AND f._is_written", table(plan))
    }

    pub(super) fn insert_rows(&self) -> String {
        let plan = self.run.plan;
        let columns: Vec<String> = plan.target.columns.iter().map(|c| ident(&c.name)).collect();
        let values: Vec<String> = plan.target.columns.iter().enumerate().map(|(i, c)| self.inserted(i, c)).collect();
        format!(
            "INSERT INTO {target} ({columns}, \"_run_id\", \"_source_uri\", \"_source_offset\", \"_loaded_at\")\n\
             SELECT {values}, {run}, s.\"_source_uri\", s.\"_source_offset\", {now}\n\
             FROM {staging} s JOIN crosstally_fold f ON f.\"_source_uri\" = s.\"_source_uri\" AND f.\"_source_offset\" = s.\"_source_offset\"\n\
             WHERE f._is_written",
            target = table(plan),
            columns = columns.join(", "),
            values = values.join(", "),
            run = self.text(self.run.run_id.as_str()),
            now = self.now(),
            staging = self.staging[0],
        )
    }

    /// A staged value as it is inserted. A plan widens no column, so there a text is cut to what fits: it is rolled back anyway.
    fn inserted(&self, index: usize, column: &TargetColumn) -> String {
        match self.run.evolution.widened.get(&index) {
            Some(width) if self.run.input.plan => format!("CAST(s.{} AS VARCHAR({width}))", ident(&column.name)),
            _ => self.staged(column, "s"),
        }
    }
}
