//! The load as SQL, rendered from the plan for Redshift and for PostgreSQL: staging, fold, quarantine, law, ledger.
//!
//! The statements decide everything; whoever runs them (the Glue job, a Data API batch) only runs them, in order. What must stop a
//! load raises inside the warehouse: a text that says why is cast to INTEGER, so that the database's own error carries it.
//!
//! Both dialects get the same statements but for types and three functions. No MERGE: Redshift's has a narrower form than
//! PostgreSQL's, and DELETE and INSERT say the same in both.

mod tables;

use serde::{Deserialize, Serialize};

use crate::contract::{Plan, TargetColumn};
use crate::ledger::Ledger;
use crate::manifest::{CustomersRef, RawManifest, RunId};
use crate::types::Type;

pub use tables::create_target;
use tables::{CREATE_LEDGER, CREATE_QUARANTINE, create_quarantine_staging, create_staging};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    Redshift,
}

/// One statement, under the name that logs and errors call it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    pub name: String,
    pub sql: String,
}

/// A load in the order it is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSql {
    /// Tables; each statement commits by itself.
    pub prepare: Vec<Statement>,
    /// COPY into the staging tables, where the warehouse can; empty where the job writes them.
    pub fill: Vec<Statement>,
    /// One transaction.
    pub transaction: Vec<Statement>,
    /// After commit or rollback.
    pub cleanup: Vec<Statement>,
}

/// What a load says of its run.
#[derive(Debug, Clone, Copy)]
pub struct LoadRun<'r> {
    pub plan: &'r Plan,
    pub run_id: &'r RunId,
    pub transactions: &'r RawManifest,
    pub customers: &'r CustomersRef,
    pub ledger: &'r Ledger,
    /// `s3://` addresses of the COPY manifests: clean rows, quarantine.
    pub copy_manifests: &'r [String; 2],
    /// The role COPY reads S3 with; the namespace's default role when empty.
    pub copy_role_arn: &'r str,
}

/// Renders the load of a run.
pub fn load(dialect: Dialect, run: &LoadRun<'_>) -> LoadSql {
    let render = Render { dialect, run, staging: run.run_id.staging_tables() };
    LoadSql { prepare: render.prepare(), fill: render.fill(), transaction: render.transaction(), cleanup: render.cleanup() }
}

/// What the warehouse itself says of a run, as one row of text and numbers; asks for the named parameter `run_id`.
///
/// `later_runs` tells whether another load has been committed since, which may have taken rows over.
pub fn verify(plan: &Plan) -> String {
    let target = table(plan);
    let sums: String = summed(plan)
        .map(|(c, _)| {
            format!(
                ",\n  (SELECT CAST(COALESCE(SUM(t.{0}), 0) AS VARCHAR) FROM {target} t WHERE t._run_id = l.run_id) AS {1}",
                ident(&c.name),
                ident(&format!("written_{}", c.name))
            )
        })
        .collect();
    format!(
        "SELECT l.rows_read, l.rows_loaded, l.rows_inserted, l.rows_updated, l.rows_unchanged, l.rows_superseded, l.rows_quarantined,\n  \
         l.rows_written, l.rows_matched, l.rows_unmatched, l.contract_sha256, l.source_version, l.sums,\n  \
         (SELECT COUNT(*) FROM {target} t WHERE t._run_id = l.run_id) AS rows_in_table,\n  \
         (SELECT COUNT(*) FROM crosstally.quarantine q WHERE q.run_id = l.run_id) AS rows_in_quarantine,\n  \
         (SELECT COUNT(*) FROM crosstally.ledger n WHERE n.committed_at > l.committed_at) AS later_runs{sums}\n\
         FROM crosstally.ledger l WHERE l.run_id = :run_id"
    )
}

/// Target columns whose sums the ledger keeps, with the digits after the point.
pub fn summed(plan: &Plan) -> impl Iterator<Item = (&TargetColumn, u8)> {
    plan.target.columns.iter().filter_map(|c| Some((c, c.kind.sum_scale()?)))
}

struct Render<'r> {
    dialect: Dialect,
    run: &'r LoadRun<'r>,
    staging: [String; 2],
}

impl Render<'_> {
    fn prepare(&self) -> Vec<Statement> {
        let target = &self.run.plan.target;
        vec![
            statement("create_crosstally_schema", "CREATE SCHEMA IF NOT EXISTS crosstally".to_owned()),
            statement("create_target_schema", format!("CREATE SCHEMA IF NOT EXISTS {}", ident(&target.schema))),
            statement("create_target", create_target(self.dialect, self.run.plan)),
            statement("create_quarantine", CREATE_QUARANTINE.to_owned()),
            statement("create_ledger", CREATE_LEDGER.to_owned()),
            statement("drop_old_staging", format!("DROP TABLE IF EXISTS {}", self.staging[0])),
            statement("create_staging", create_staging(self.dialect, self.run.plan, &self.staging[0])),
            statement("drop_old_quarantine_staging", format!("DROP TABLE IF EXISTS {}", self.staging[1])),
            statement("create_quarantine_staging", create_quarantine_staging(&self.staging[1])),
        ]
    }

    fn fill(&self) -> Vec<Statement> {
        if self.dialect == Dialect::Postgres {
            return Vec::new();
        }
        let role = match self.run.copy_role_arn {
            "" => "default".to_owned(),
            arn => self.text(arn),
        };
        let copy =
            |table: &str, manifest: &str| format!("COPY {table} FROM {} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST", self.text(manifest));
        vec![
            statement("copy_staging", copy(&self.staging[0], &self.run.copy_manifests[0])),
            statement("copy_quarantine_staging", copy(&self.staging[1], &self.run.copy_manifests[1])),
        ]
    }

    fn transaction(&self) -> Vec<Statement> {
        vec![
            statement("lock_ledger", self.lock_ledger()),
            statement("refuse_second_load", self.refuse_second_load()),
            statement("fold", self.fold()),
            statement("delete_replaced", self.delete_replaced()),
            statement("insert_rows", self.insert_rows()),
            statement("insert_quarantine", self.insert_quarantine()),
            statement("tally", self.tally()),
            statement("check_law", self.check_law()),
            statement("insert_ledger", self.insert_ledger()),
        ]
    }

    fn cleanup(&self) -> Vec<Statement> {
        let drop = |name, table: &str| statement(name, format!("DROP TABLE IF EXISTS {table}"));
        vec![drop("drop_staging", &self.staging[0]), drop("drop_quarantine_staging", &self.staging[1])]
    }

    /// Loads of one warehouse go one after the other, so that the fold sees every run that came before it.
    fn lock_ledger(&self) -> String {
        match self.dialect {
            Dialect::Postgres => "LOCK TABLE crosstally.ledger IN SHARE ROW EXCLUSIVE MODE".to_owned(),
            Dialect::Redshift => "LOCK TABLE crosstally.ledger".to_owned(),
        }
    }

    fn refuse_second_load(&self) -> String {
        let run = self.text(self.run.run_id.as_str());
        let sentence = self.text(&format!("AlreadyLoaded: the run {} stands in the ledger, so there is nothing to do", self.run.run_id));
        format!("SELECT CAST(CASE WHEN COUNT(*) > 0 THEN {sentence} ELSE '0' END AS INTEGER) FROM crosstally.ledger WHERE run_id = {run}")
    }

    /// The fate of every staged row. Of a key the newest source version wins, then the highest offset.
    ///
    /// Its own columns start with _, as no column of a contract does.
    fn fold(&self) -> String {
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
        let modified = self.instant();
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

    fn delete_replaced(&self) -> String {
        let plan = self.run.plan;
        let keys = self.key_equal(&ident(&plan.target.table), "f");
        format!("DELETE FROM {} USING crosstally_fold f WHERE {keys} AND f._is_written", table(plan))
    }

    fn insert_rows(&self) -> String {
        let plan = self.run.plan;
        let columns: Vec<String> = plan.target.columns.iter().map(|c| ident(&c.name)).collect();
        let values: Vec<String> = plan.target.columns.iter().map(|c| self.staged(c, "s")).collect();
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

    fn insert_quarantine(&self) -> String {
        format!(
            "INSERT INTO crosstally.quarantine (run_id, source, source_uri, source_offset, rule, column_name, record, record_bytes, quarantined_at)\n\
             SELECT {}, source, source_uri, source_offset, rule, column_name, record, record_bytes, {} FROM {}",
            self.text(self.run.run_id.as_str()),
            self.now(),
            self.staging[1]
        )
    }

    /// What the warehouse now holds of this run, counted in its tables. `loaded` is read from the target itself.
    fn tally(&self) -> String {
        let plan = self.run.plan;
        let sums = |value: &dyn Fn(&str) -> String, prefix: &str| -> String {
            summed(plan)
                .map(|(c, scale)| {
                    let name = ident(&format!("{prefix}_{}", c.name));
                    // The outer cast keeps the scale of a sum over no rows.
                    format!(
                        ",\n    CAST(COALESCE(SUM(CAST({} AS DECIMAL(38,{scale}))), 0) AS DECIMAL(38,{scale})) AS {name}",
                        value(&ident(&c.name))
                    )
                })
                .collect()
        };
        let target_columns = |name: &str| format!("t.{name}");
        let written_columns = |name: &str| format!("CASE WHEN f._is_written THEN t.{name} END");
        let staged_columns = |name: &str| format!("s.{name}");
        let fate = |fate: &str| format!("COALESCE(SUM(CASE WHEN _fate = '{fate}' THEN 1 ELSE 0 END), 0) AS {fate}");
        format!(
            "CREATE TEMP TABLE crosstally_tally AS\n\
             SELECT * FROM (\n  \
               SELECT COUNT(*) AS staged, {inserted}, {updated}, {unchanged}, {superseded},\n    \
               COALESCE(SUM(CASE WHEN _is_written THEN 1 ELSE 0 END), 0) AS written,\n    \
               COALESCE(SUM(CASE WHEN _fate <> 'superseded' AND \"_matched\" THEN 1 ELSE 0 END), 0) AS matched\n  \
               FROM crosstally_fold\n\
             ) a CROSS JOIN (\n  \
               SELECT COUNT(*) AS loaded{loaded_sums}{written_sums}\n  \
               FROM crosstally_fold f JOIN {target} t ON {key_equal} AND t.\"_source_uri\" = f.\"_source_uri\" AND t.\"_source_offset\" = f.\"_source_offset\"\n  \
               WHERE f._fate <> 'superseded'\n\
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
            loaded_sums = sums(&target_columns, "loaded"),
            written_sums = sums(&written_columns, "written"),
            superseded_sums = sums(&staged_columns, "superseded"),
            target = table(plan),
            key_equal = self.key_equal("t", "f"),
            staging = self.staging[0],
            run = self.text(self.run.run_id.as_str()),
        )
    }

    /// rows clean = loaded + superseded, for counts and for every exact sum; what was counted before the warehouse against what is in it.
    fn check_law(&self) -> String {
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
        for (column, scale) in summed(self.run.plan) {
            let clean = ledger.sums.get(&column.name).copied().unwrap_or(crate::decimal::Decimal::zero(scale));
            let (loaded, superseded) = (ident(&format!("loaded_{}", column.name)), ident(&format!("superseded_{}", column.name)));
            laws.push(format!("{loaded} + {superseded} = {clean}"));
            says.push(format!(
                "{} || CAST({loaded} AS VARCHAR) || ' loaded and ' || CAST({superseded} AS VARCHAR) || ' superseded'",
                self.text(&format!("; {}: {clean} clean, ", column.name))
            ));
        }
        format!(
            "SELECT CAST(CASE WHEN {}\n  THEN '0' ELSE {} END AS INTEGER) FROM crosstally_tally",
            laws.join("\n  AND "),
            says.join("\n  || ")
        )
    }

    fn insert_ledger(&self) -> String {
        let run = self.run;
        let ledger = run.ledger;
        let by_rule = serde_json::to_string(&ledger.transactions.quarantined_by_rule).unwrap_or_default();
        let sums: Vec<String> = summed(run.plan)
            .map(|(c, scale)| {
                let clean = ledger.sums.get(&c.name).copied().unwrap_or(crate::decimal::Decimal::zero(scale));
                let part = |what: &str| format!("\"{what}\":\"' || CAST({} AS VARCHAR) || '\"", ident(&format!("{what}_{}", c.name)));
                format!("\"{}\":{{\"clean\":\"{clean}\",{},{},{}}}", c.name, part("loaded"), part("superseded"), part("written"))
            })
            .collect();
        let values = [
            ("run_id", self.text(run.run_id.as_str())),
            ("contract_version", self.text(&run.plan.version)),
            ("contract_sha256", self.text(&run.plan.sha256)),
            ("source_uri", self.text(&run.transactions.uri)),
            ("source_version", self.text(&run.transactions.version)),
            ("source_modified_at", self.instant()),
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
            ("committed_at", self.clock()),
        ];
        let (names, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        format!("INSERT INTO crosstally.ledger ({})\nSELECT {} FROM crosstally_tally", names.join(", "), values.join(", "))
    }

    /// A staged column as the target has it.
    fn staged(&self, column: &TargetColumn, alias: &str) -> String {
        let name = format!("{alias}.{}", ident(&column.name));
        match (self.dialect, column.kind) {
            (_, Type::Timestamp { has_zone: true }) => format!("({name} AT TIME ZONE 'UTC')"),
            (Dialect::Redshift, Type::Super) => format!("JSON_PARSE({name})"),
            (Dialect::Postgres, Type::Super) => format!("CAST({name} AS JSONB)"),
            _ => name,
        }
    }

    fn key_equal(&self, left: &str, right: &str) -> String {
        let target = &self.run.plan.target;
        // A staged instant has no zone yet; the fold's copy of it neither.
        let equal = |k: &usize| format!("{left}.{} = {}", ident(&target.columns[*k].name), self.staged(&target.columns[*k], right));
        target.key.iter().map(equal).collect::<Vec<_>>().join(" AND ")
    }

    /// When the source version came to be.
    fn instant(&self) -> String {
        format!("CAST({} AS TIMESTAMPTZ)", self.text(&self.run.transactions.modified_at))
    }

    fn now(&self) -> String {
        match self.dialect {
            Dialect::Postgres => "CURRENT_TIMESTAMP".to_owned(),
            Dialect::Redshift => "(SYSDATE AT TIME ZONE 'UTC')".to_owned(),
        }
    }

    /// The time now, and not that of the transaction's start: behind the lock it tells the order of the commits.
    fn clock(&self) -> String {
        match self.dialect {
            Dialect::Postgres => "clock_timestamp()".to_owned(),
            Dialect::Redshift => "(GETDATE() AT TIME ZONE 'UTC')".to_owned(),
        }
    }

    /// A text literal. Redshift takes a backslash as an escape, PostgreSQL as itself.
    fn text(&self, text: &str) -> String {
        let quoted = text.replace('\'', "''");
        match self.dialect {
            Dialect::Postgres => format!("'{quoted}'"),
            Dialect::Redshift => format!("'{}'", quoted.replace('\\', "\\\\")),
        }
    }
}

fn statement(name: &str, sql: String) -> Statement {
    Statement { name: name.to_owned(), sql }
}

/// The one place where a name becomes part of a statement. The contract lets only plain names through; a quote is doubled all the same.
fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn table(plan: &Plan) -> String {
    format!("{}.{}", ident(&plan.target.schema), ident(&plan.target.table))
}

fn key_list(plan: &Plan, prefix: &str) -> String {
    let target = &plan.target;
    target.key.iter().map(|k| format!("{prefix}{}", ident(&target.columns[*k].name))).collect::<Vec<_>>().join(", ")
}
