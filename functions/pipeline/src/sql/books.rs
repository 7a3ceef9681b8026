//! The books of a load, kept and checked in the warehouse: quarantine, tally, law, ledger; and the question that ends a run.

use super::evolution::LINEAGE;
use super::names::{InvalidName, check_names, ident, table};
use super::{Dialect, Render};
use crate::contract::{Plan, TargetColumn};
use crate::decimal::Decimal;

/// What the error of a plan's last statement begins with; an object in JSON follows.
pub const PLANNED: &str = "Planned: ";

/// What becomes of a staged row that is loaded.
const LOADED_FATES: [&str; 3] = ["inserted", "updated", "unchanged"];

/// What the warehouse itself says of a run, as one row of text and numbers; asks for the named parameter `run_id`.
///
/// `later_runs` tells how many loads have been committed since, which may have taken rows over. `written_0`, `written_1` and so on are
/// the sums of [`summed`] over the run's rows in the target, in that order.
pub fn verify(plan: &Plan) -> Result<String, InvalidName> {
    check_names(plan)?;
    let target = table(plan);
    let sums: String = summed(plan)
        .enumerate()
        .map(|(i, (c, _))| {
            let name = ident(&c.name);
            format!(",\n  (SELECT CAST(COALESCE(SUM(t.{name}), 0) AS VARCHAR) FROM {target} t WHERE t._run_id = l.run_id) AS written_{i}")
        })
        .collect();
    Ok(format!(
        "SELECT l.rows_read, l.rows_loaded, l.rows_inserted, l.rows_updated, l.rows_unchanged, l.rows_superseded, l.rows_quarantined,\n  \
         l.rows_written, l.rows_matched, l.rows_unmatched, l.contract_sha256, l.source_version, l.sums,\n  \
         CAST(l.load_seconds AS VARCHAR) AS load_seconds, CAST(l.run_seconds AS VARCHAR) AS run_seconds,\n  \
         (SELECT COUNT(*) FROM {target} t WHERE t.{run_id} = l.run_id) AS rows_in_table,\n  \
         (SELECT COUNT(*) FROM crosstally.quarantine q WHERE q.run_id = l.run_id) AS rows_in_quarantine,\n  \
         (SELECT COUNT(*) FROM crosstally.ledger n WHERE n.commit_order > l.commit_order) AS later_runs{sums}\n\
         FROM crosstally.ledger l WHERE l.run_id = :run_id",
        run_id = LINEAGE[0].0,
    ))
}

/// Target columns whose sums the ledger keeps, with the digits after the point.
pub fn summed(plan: &Plan) -> impl Iterator<Item = (&TargetColumn, u8)> {
    plan.target.columns.iter().filter_map(|c| Some((c, c.kind.sum_scale()?)))
}

impl Render<'_> {
    pub(super) fn insert_quarantine(&self) -> String {
        format!(
            "INSERT INTO crosstally.quarantine (run_id, source, source_uri, source_offset, rule, column_name, record, record_bytes, quarantined_at)\n\
             SELECT {}, source, source_uri, source_offset, rule, column_name, record, record_bytes, {} FROM {}",
            self.text(self.run.run_id.as_str()),
            self.now(),
            self.staging[1]
        )
    }

    /// What the warehouse now holds of this run, counted in its tables. `loaded` is read from the target itself: the rows that were
    /// written by the run's name, which they must carry, and those that were in place already by their keys.
    ///
    /// Sums are numbered in the order of [`summed`]: with a column's own name in it, an alias could be longer than a name may be.
    pub(super) fn tally(&self) -> String {
        let plan = self.run.plan;
        let sums = |value: &dyn Fn(&str) -> String, prefix: &str| -> String {
            summed(plan)
                .enumerate()
                .map(|(i, (c, scale))| {
                    // The outer cast keeps the scale of a sum over no rows.
                    format!(
                        ",\n    CAST(COALESCE(SUM(CAST({} AS DECIMAL(38,{scale}))), 0) AS DECIMAL(38,{scale})) AS {prefix}_{i}",
                        value(&ident(&c.name))
                    )
                })
                .collect()
        };
        let loaded_sums: String = sums(&|name| format!("l.{name}"), "loaded");
        let written_sums: String = sums(&|name| format!("CASE WHEN l._is_written THEN l.{name} END"), "written");
        let fate_sums: String =
            LOADED_FATES.iter().map(|fate| sums(&|name| format!("CASE WHEN l._fate = '{fate}' THEN l.{name} END"), fate)).collect();
        let summed_columns: String = summed(plan).map(|(c, _)| format!(", t.{}", ident(&c.name))).collect();
        // Two searches, since the warehouse finds rows of one run without comparing the keys of all others.
        let found = |condition: &str| {
            format!(
                "SELECT f._fate, f._is_written{summed_columns}\n    \
                 FROM crosstally_fold f JOIN {} t ON {} AND t.\"_source_uri\" = f.\"_source_uri\" AND t.\"_source_offset\" = f.\"_source_offset\"\n    \
                 WHERE {condition}",
                table(plan),
                self.key_equal("t", "f")
            )
        };
        let superseded_sums: String = sums(&|name| format!("s.{name}"), "superseded");
        let run = self.text(self.run.run_id.as_str());
        let fate = |fate: &str| format!("COALESCE(SUM(CASE WHEN _fate = '{fate}' THEN 1 ELSE 0 END), 0) AS {fate}");
        format!(
            "CREATE TEMP TABLE crosstally_tally AS\n\
             SELECT * FROM (\n  \
               SELECT COUNT(*) AS staged, {inserted}, {updated}, {unchanged}, {superseded},\n    \
               COALESCE(SUM(CASE WHEN _is_written THEN 1 ELSE 0 END), 0) AS written,\n    \
               COALESCE(SUM(CASE WHEN _fate <> 'superseded' AND \"_matched\" THEN 1 ELSE 0 END), 0) AS matched\n  \
               FROM crosstally_fold\n\
             ) a CROSS JOIN (\n  \
               SELECT COUNT(*) AS loaded{loaded_sums}{written_sums}{fate_sums}\n  \
               FROM (\n    {written}\n    UNION ALL\n    {in_place}\n  ) l\n\
             ) b CROSS JOIN (\n  \
               SELECT COUNT(*) AS replaced{superseded_sums}\n  \
               FROM crosstally_fold f JOIN {staging} s ON f.\"_source_uri\" = s.\"_source_uri\" AND f.\"_source_offset\" = s.\"_source_offset\"\n  \
               WHERE f._fate = 'superseded'\n\
             ) c CROSS JOIN (\n  \
               SELECT COUNT(*) AS quarantined FROM crosstally.quarantine WHERE run_id = {run}\n\
             ) d",
            inserted = fate("inserted"),
            updated = fate("updated"),
            unchanged = fate("unchanged"),
            superseded = fate("superseded"),
            written = found(&format!("f._is_written AND t.\"_run_id\" = {run}")),
            in_place = found("f._fate <> 'superseded' AND NOT f._is_written"),
            staging = self.staging[0],
        )
    }

    /// rows clean = loaded + superseded, for counts and for every exact sum; what was counted before the warehouse against what is in it.
    pub(super) fn check_law(&self) -> String {
        let ledger = self.run.ledger;
        let clean = ledger.transactions.clean;
        let quarantined = ledger.transactions.quarantined + ledger.customers.quarantined;
        let mut laws = vec![
            format!("staged = {clean}"),
            format!("loaded + superseded = {clean}"),
            "loaded = inserted + updated + unchanged".to_owned(),
            "superseded = replaced".to_owned(),
            format!("quarantined = {quarantined}"),
        ];
        let mut says = vec![
            format!(
                "{} || CAST(staged AS VARCHAR)",
                self.text(&format!("LedgerMismatch: {clean} clean rows were written, and the warehouse has staged "))
            ),
            "', loaded ' || CAST(loaded AS VARCHAR)".to_owned(),
            "', superseded ' || CAST(superseded AS VARCHAR)".to_owned(),
            format!("{} || CAST(quarantined AS VARCHAR)", self.text(&format!("; {quarantined} rows were quarantined, and it has "))),
        ];
        for (i, (column, scale)) in summed(self.run.plan).enumerate() {
            let clean = self.clean_sum(column, scale);
            laws.push(format!("loaded_{i} + superseded_{i} = {clean}"));
            says.push(format!(
                "{} || CAST(loaded_{i} AS VARCHAR) || ' loaded and ' || CAST(superseded_{i} AS VARCHAR) || ' superseded'",
                self.text(&format!("; {}: {clean} clean, ", column.name))
            ));
        }
        format!(
            "SELECT CAST(CASE WHEN {}\n  THEN '0' ELSE {} END AS INTEGER) FROM crosstally_tally",
            laws.join("\n  AND "),
            says.join("\n  || ")
        )
    }

    /// Ends a plan's transaction by an error that says what it would have done, so that nothing of it can be committed.
    pub(super) fn report_plan(&self) -> String {
        let counts: Vec<String> = ["inserted", "updated", "unchanged", "superseded", "written", "matched"]
            .iter()
            .map(|count| format!("'\"rows_{count}\":' || CAST({count} AS VARCHAR)"))
            .collect();
        let opening = self.text(&format!("{PLANNED}{{"));
        format!("SELECT CAST({opening} || {} || '}}' AS INTEGER) FROM crosstally_tally", counts.join(" || ',' || "))
    }

    pub(super) fn insert_ledger(&self) -> String {
        let run = self.run;
        let ledger = run.ledger;
        let by_rule = serde_json::to_string(&ledger.transactions.quarantined_by_rule).unwrap_or_default();
        let sums: Vec<String> = summed(run.plan)
            .enumerate()
            .map(|(i, (c, scale))| {
                let part = |what: &str| format!("\"{what}\":\"' || CAST({what}_{i} AS VARCHAR) || '\"");
                let parts = ["loaded", "inserted", "updated", "unchanged", "superseded", "written"].map(part).join(",");
                format!("\"{}\":{{\"clean\":\"{}\",{parts}}}", c.name, self.clean_sum(c, scale))
            })
            .collect();
        let replay_of = run.transactions.replay.as_ref().map_or("NULL".to_owned(), |replay| self.text(replay.of.as_str()));
        let values = [
            ("run_id", self.text(run.run_id.as_str())),
            ("commit_order", "(SELECT COALESCE(MAX(commit_order), 0) + 1 FROM crosstally.ledger)".to_owned()),
            ("replay_of", replay_of),
            ("contract_version", self.text(&run.plan.version)),
            ("contract_sha256", self.text(&run.plan.sha256)),
            ("source_uri", self.text(&run.transactions.uri)),
            ("source_version", self.text(&run.transactions.version)),
            ("source_modified_at", self.source_instant()),
            ("customers_uri", self.text(&run.customers.uri)),
            ("customers_version", self.text(run.customers.version())),
            ("rows_read", ledger.transactions.read.to_string()),
            ("rows_loaded", "loaded".to_owned()),
            ("rows_inserted", "inserted".to_owned()),
            ("rows_updated", "updated".to_owned()),
            ("rows_unchanged", "unchanged".to_owned()),
            ("rows_superseded", "superseded".to_owned()),
            ("rows_quarantined", ledger.transactions.quarantined.to_string()),
            ("rows_written", "written".to_owned()),
            ("rows_matched", "matched".to_owned()),
            ("rows_unmatched", "loaded - matched".to_owned()),
            ("quarantined_by_rule", self.text(&by_rule)),
            ("customers_read", ledger.customers.read.to_string()),
            ("customers_kept", (ledger.customers.clean - ledger.customers_superseded).to_string()),
            ("customers_superseded", ledger.customers_superseded.to_string()),
            ("customers_quarantined", ledger.customers.quarantined.to_string()),
            ("sums", format!("'{{{}}}'", sums.join(","))),
            ("load_seconds", self.seconds_since(&self.now())),
            ("run_seconds", self.seconds_since(&format!("CAST({} AS TIMESTAMPTZ)", self.text(run.started_at)))),
            ("committed_at", self.clock()),
        ];
        let (names, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        format!("INSERT INTO crosstally.ledger ({})\nSELECT {} FROM crosstally_tally", names.join(", "), values.join(", "))
    }

    /// Redshift's clock has whole seconds, so there both instants are cut to them.
    fn seconds_since(&self, instant: &str) -> String {
        let instant = match self.dialect {
            Dialect::Postgres => instant.to_owned(),
            Dialect::Redshift => format!("DATE_TRUNC('second', {instant})"),
        };
        format!("CAST(EXTRACT(EPOCH FROM {}) - EXTRACT(EPOCH FROM {instant}) AS DECIMAL(12,3))", self.clock())
    }

    fn clean_sum(&self, column: &TargetColumn, scale: u8) -> Decimal {
        self.run.ledger.sums.get(&column.name).copied().unwrap_or(Decimal::zero(scale))
    }
}
