//! The load as SQL, rendered from the plan for Redshift and for PostgreSQL: staging, fold, quarantine, law, ledger.
//!
//! The statements decide everything; whoever runs them (the Glue job, a Data API batch) only runs them, in order. What must stop a
//! load raises inside the warehouse: a text that says why is cast to INTEGER, so that the database's own error carries it.
//!
//! Both dialects get the same statements but for types, three functions, and how staging is filled. No MERGE: Redshift's has a narrower
//! form than PostgreSQL's, and DELETE and INSERT say the same in both.

mod books;
mod evolution;
mod fold;
mod names;
mod tables;

use serde::{Deserialize, Serialize};

use crate::contract::{Plan, TargetColumn};
use crate::ledger::Ledger;
use crate::manifest::{CustomersRef, RawManifest, RunId, RunInput};
use crate::types::Type;

pub use books::{PLANNED, summed, verify};
pub use evolution::{Evolution, ExistingColumn, Incompatible, TARGET_COLUMNS};
pub use names::{InvalidName, is_name};
use names::{check_names, ident, text};
pub use tables::create_target;

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
    /// A query: if it answers with a row, the statement's work is done already, and it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
}

impl Statement {
    fn new(name: &str, sql: String) -> Self {
        Self { name: name.to_owned(), sql, unless: None }
    }

    /// With a comment in front that tells whoever looks at the warehouse's queries what this one is.
    fn labelled(self, run_id: &RunId) -> Self {
        Self { sql: format!("/* crosstally {} of {run_id} */ {}", self.name, self.sql), ..self }
    }
}

/// A load in the order it is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSql {
    /// What cannot be part of the transaction; each statement commits by itself.
    pub prepare: Vec<Statement>,
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
    pub input: &'r RunInput,
    /// When its execution started: RFC 3339, UTC.
    pub started_at: &'r str,
    pub transactions: &'r RawManifest,
    pub customers: &'r CustomersRef,
    pub ledger: &'r Ledger,
    /// What the target lacks.
    pub evolution: &'r Evolution,
    /// `s3://` addresses of the COPY manifests: clean rows, quarantine.
    pub copy_manifests: &'r [String; 2],
    /// The role COPY reads S3 with; the namespace's default role when empty.
    pub copy_role_arn: &'r str,
}

/// Renders the load of a run.
pub fn load(dialect: Dialect, run: &LoadRun<'_>) -> Result<LoadSql, InvalidName> {
    check_names(run.plan)?;
    let staging = match dialect {
        Dialect::Postgres => run.run_id.staging_tables(),
        Dialect::Redshift => ["crosstally_staging", "crosstally_staging_quarantine"].map(str::to_owned),
    };
    let render = Render { dialect, run, staging };
    let labelled = |statements: Vec<Statement>| statements.into_iter().map(|s| s.labelled(run.run_id)).collect();
    Ok(LoadSql { prepare: labelled(render.prepare()?), transaction: labelled(render.transaction()), cleanup: labelled(render.cleanup()) })
}

struct Render<'r> {
    dialect: Dialect,
    run: &'r LoadRun<'r>,
    staging: [String; 2],
}

impl Render<'_> {
    /// The ledger, since a transaction begins by locking it; and staging, where Spark fills it over connections of its own.
    fn prepare(&self) -> Result<Vec<Statement>, InvalidName> {
        let mut statements = vec![
            Statement::new("create_crosstally_schema", "CREATE SCHEMA IF NOT EXISTS crosstally".to_owned()),
            Statement::new("create_ledger", tables::create_ledger(self.dialect)),
        ];
        // A plan leaves the target as it is, and widening cannot be rolled back.
        if !self.run.input.plan {
            statements.extend(self.run.evolution.widening(self.run.plan, self.dialect)?);
        }
        if self.dialect == Dialect::Postgres {
            statements.extend(self.drop_staging("drop_old_staging"));
            statements.extend(self.create_staging());
        }
        Ok(statements)
    }

    fn transaction(&self) -> Vec<Statement> {
        let target = &self.run.plan.target;
        let mut statements = vec![
            Statement::new("lock_ledger", self.lock_ledger()),
            Statement::new("refuse_second_load", self.refuse_second_load()),
            Statement::new("create_target_schema", format!("CREATE SCHEMA IF NOT EXISTS {}", ident(&target.schema))),
            Statement::new("create_target", create_target(self.dialect, self.run.plan)),
        ];
        statements.extend(self.run.evolution.adding(self.run.plan, self.dialect));
        statements.push(Statement::new("create_quarantine", tables::create_quarantine(self.dialect)));
        if self.dialect == Dialect::Redshift {
            statements.extend(self.create_staging());
            statements.extend(self.fill());
        }
        statements.push(Statement::new("fold", self.fold()));
        // PostgreSQL has no figures of a temporary table until it is told to look, and took 1,000,000 rows for 180,000 (measured 2026-11).
        if self.dialect == Dialect::Postgres {
            statements.push(Statement::new("analyze_fold", "ANALYZE crosstally_fold".to_owned()));
        }
        statements.extend([
            Statement::new("delete_replaced", self.delete_replaced()),
            Statement::new("insert_rows", self.insert_rows()),
            Statement::new("insert_quarantine", self.insert_quarantine()),
            Statement::new("tally", self.tally()),
            Statement::new("check_law", self.check_law()),
        ]);
        statements.push(if self.run.input.plan {
            Statement::new("report_plan", self.report_plan())
        } else {
            Statement::new("insert_ledger", self.insert_ledger())
        });
        statements
    }

    fn cleanup(&self) -> Vec<Statement> {
        match self.dialect {
            Dialect::Postgres => self.drop_staging("drop_staging"),
            // There it is temporary.
            Dialect::Redshift => Vec::new(),
        }
    }

    fn drop_staging(&self, name: &str) -> Vec<Statement> {
        let drop = |suffix, table: &str| Statement::new(&format!("{name}{suffix}"), format!("DROP TABLE IF EXISTS {table}"));
        vec![drop("", &self.staging[0]), drop("_quarantine", &self.staging[1])]
    }

    fn create_staging(&self) -> Vec<Statement> {
        vec![
            Statement::new("create_staging", tables::create_staging(self.dialect, self.run.plan, &self.staging[0])),
            Statement::new("create_staging_quarantine", tables::create_quarantine_staging(self.dialect, &self.staging[1])),
        ]
    }

    fn fill(&self) -> Vec<Statement> {
        let role = match self.run.copy_role_arn {
            "" => "default".to_owned(),
            arn => self.text(arn),
        };
        let copy =
            |table: &str, manifest: &str| format!("COPY {table} FROM {} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST", self.text(manifest));
        vec![
            Statement::new("copy_staging", copy(&self.staging[0], &self.run.copy_manifests[0])),
            Statement::new("copy_staging_quarantine", copy(&self.staging[1], &self.run.copy_manifests[1])),
        ]
    }

    /// Loads of one warehouse go one after the other, so that the fold sees every run that came before it.
    ///
    /// It is the first statement: Redshift's transactions see what was committed before their first query.
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
    fn source_instant(&self) -> String {
        format!("CAST({} AS TIMESTAMPTZ)", self.text(&self.run.transactions.modified_at))
    }

    /// The transaction's start.
    fn now(&self) -> String {
        match self.dialect {
            Dialect::Postgres => "CURRENT_TIMESTAMP".to_owned(),
            Dialect::Redshift => "(SYSDATE AT TIME ZONE 'UTC')".to_owned(),
        }
    }

    /// The time now, and not that of the transaction's start.
    fn clock(&self) -> String {
        match self.dialect {
            Dialect::Postgres => "clock_timestamp()".to_owned(),
            Dialect::Redshift => "(GETDATE() AT TIME ZONE 'UTC')".to_owned(),
        }
    }

    fn text(&self, words: &str) -> String {
        text(self.dialect, words)
    }
}
