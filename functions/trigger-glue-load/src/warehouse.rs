//! The warehouse through the Redshift Data API: statements submitted, followed and read.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_redshiftdata::types::{Field, SqlParameter, StatementStatusString, StatusString};
use pipeline::contract::Plan;
use pipeline::sql::{ExistingColumn, TARGET_COLUMNS};

use crate::config::Config;
use crate::error::Error;

/// How long one call waits for a statement before it lets the state machine wait instead.
const POLLS: u32 = 40;
const POLL_EVERY: Duration = Duration::from_millis(250);

/// A row of the warehouse, by column; numbers as text. Nulls are left out.
pub(crate) type Row = BTreeMap<String, String>;

/// Where a statement stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatementState {
    /// Submitted, picked or started.
    Unfinished,
    Finished,
    Failed(Failure),
    /// The Data API knows the id no more: it keeps statements for 24 hours.
    Gone,
}

/// Why a statement or a batch failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// FAILED, or ABORTED when somebody cancelled it.
    pub(crate) status: String,
    pub(crate) error: String,
    /// The text of the failing statement.
    pub(crate) sql: String,
    /// The session it ran in.
    pub(crate) pid: i64,
}

pub(crate) struct Warehouse {
    client: Client,
    workgroup: String,
    database: String,
    secret_arn: String,
}

impl Warehouse {
    pub(crate) fn new(client: Client, config: &Config) -> Self {
        Self {
            client,
            workgroup: config.workgroup.clone(),
            database: config.database.clone(),
            secret_arn: config.warehouse_secret_arn.clone(),
        }
    }

    /// Starts a statement with named parameters; returns its id.
    pub(crate) async fn submit(&self, sql: &str, parameters: &[(&str, &str)]) -> Result<String, Error> {
        let parameter = |(name, value): &(&str, &str)| SqlParameter::builder().name(*name).value(*value).build();
        let parameters: Vec<SqlParameter> =
            parameters.iter().map(parameter).collect::<Result<_, _>>().map_err(|e| Error::WarehouseUnavailable { source: e.into() })?;
        let submitted = self
            .client
            .execute_statement()
            .workgroup_name(&self.workgroup)
            .database(&self.database)
            .secret_arn(&self.secret_arn)
            .sql(sql)
            .set_parameters((!parameters.is_empty()).then_some(parameters))
            .send()
            .await;
        submitted
            .map_err(|e| self.refused(e))?
            .id
            .ok_or_else(|| Error::LoadFailed("the Data API started a statement without an id".to_owned()))
    }

    /// Starts statements as one transaction. Of one token, the Data API carries only the first call out.
    pub(crate) async fn submit_batch(&self, statements: Vec<String>, token: &str) -> Result<String, Error> {
        let submitted = self
            .client
            .batch_execute_statement()
            .workgroup_name(&self.workgroup)
            .database(&self.database)
            .secret_arn(&self.secret_arn)
            .set_sqls(Some(statements))
            .client_token(token)
            .send()
            .await;
        submitted.map_err(|e| self.refused(e))?.id.ok_or_else(|| Error::LoadFailed("the Data API started a batch without an id".to_owned()))
    }

    pub(crate) async fn state(&self, id: &str) -> Result<StatementState, Error> {
        let described = match self.client.describe_statement().id(id).send().await {
            Ok(described) => described,
            Err(e) if e.code() == Some("ResourceNotFoundException") => return Ok(StatementState::Gone),
            Err(e) => return Err(self.refused(e)),
        };
        let status = match described.status {
            Some(StatusString::Finished) => return Ok(StatementState::Finished),
            Some(status @ (StatusString::Failed | StatusString::Aborted)) => status,
            // Submitted, picked, started; or a state that the Data API has learnt since.
            _ => return Ok(StatementState::Unfinished),
        };
        // The others of a batch were aborted with it.
        let culprit = described.sub_statements.unwrap_or_default().into_iter().find(|s| s.status == Some(StatementStatusString::Failed));
        let (error, sql) = match culprit {
            Some(statement) => (statement.error, statement.query_string),
            None => (None, described.query_string),
        };
        Ok(StatementState::Failed(Failure {
            status: status.as_str().to_owned(),
            error: error.or(described.error).map_or_else(|| "no reason given".to_owned(), |error| one_line(&error)),
            sql: sql.unwrap_or_default(),
            pid: described.redshift_pid,
        }))
    }

    /// As [`Self::state`], after having waited some seconds for it to end.
    pub(crate) async fn wait(&self, id: &str) -> Result<StatementState, Error> {
        for _ in 0..POLLS {
            match self.state(id).await? {
                StatementState::Unfinished => tokio::time::sleep(POLL_EVERY).await,
                ended => return Ok(ended),
            }
        }
        Ok(StatementState::Unfinished)
    }

    /// The rows of a finished statement.
    pub(crate) async fn rows(&self, id: &str) -> Result<Vec<Row>, Error> {
        let mut pages = self.client.get_statement_result().id(id).into_paginator().send();
        let mut rows = Vec::new();
        let mut names: Vec<String> = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| match e.code() {
                // Forgotten since it was found finished; the next check asks anew.
                Some("ResourceNotFoundException") => Error::WarehouseUnavailable { source: Box::new(e) },
                _ => self.refused(e),
            })?;
            if let Some(columns) = page.column_metadata {
                names = columns.into_iter().map(|c| c.name.unwrap_or_default()).collect();
            }
            rows.extend(
                page.records.into_iter().map(|record| names.iter().cloned().zip(record.into_iter().map(text)).filter_map(known).collect()),
            );
        }
        Ok(rows)
    }

    /// Carries a statement out and waits for its end; `what` says what it is for.
    pub(crate) async fn carry_out(&self, what: &str, sql: &str, parameters: &[(&str, &str)]) -> Result<String, Error> {
        let id = self.submit(sql, parameters).await?;
        match self.wait(&id).await? {
            StatementState::Finished => Ok(id),
            StatementState::Failed(failure) if failure.may_pass() => Err(Error::WarehouseUnavailable { source: failure.error.into() }),
            StatementState::Failed(failure) => Err(Error::LoadFailed(format!("{what} failed ({}): {}", failure.status, failure.error))),
            StatementState::Unfinished | StatementState::Gone => Err(Error::WarehouseUnavailable {
                source: format!("{what} has not ended within {} s", (POLLS * POLL_EVERY).as_secs()).into(),
            }),
        }
    }

    /// The target's columns, none if there is no such table; and whether there is a ledger.
    pub(crate) async fn target_columns(&self, plan: &Plan) -> Result<(Vec<ExistingColumn>, bool), Error> {
        let parameters = [("schema", plan.target.schema.as_str()), ("table", plan.target.table.as_str())];
        let id = self.carry_out("reading the columns of the target", TARGET_COLUMNS, &parameters).await?;
        let (ledger, target): (Vec<Row>, Vec<Row>) =
            self.rows(&id).await?.into_iter().partition(|row| row.get("table_schema").is_some_and(|schema| schema == "crosstally"));
        Ok((target.iter().map(existing).collect(), !ledger.is_empty()))
    }

    /// What went wrong in a COPY, from the system view that keeps it: file, line, column, and why.
    pub(crate) async fn load_error(&self, pid: i64) -> Result<Option<String>, Error> {
        let id = self.carry_out("reading sys_load_error_detail", LOAD_ERROR, &[("pid", &pid.to_string())]).await?;
        Ok(self.rows(&id).await?.first().map(|row| {
            let of = |name: &str| row.get(name).map_or("?", |value| value.trim());
            format!(
                "{}, line {}, column {} ({}): {}",
                of("file_name"),
                of("line_number"),
                of("column_name"),
                of("column_type"),
                of("error_message")
            )
        }))
    }

    /// The Data API has not taken a call: worth another try, or wrongly set up.
    fn refused<E>(&self, error: SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        match (error.code(), error.message()) {
            (Some(code @ ("ValidationException" | "AccessDeniedException" | "ResourceNotFoundException")), message) => {
                Error::ConfigInvalid(format!(
                    "the Data API refuses ({code}: {}): correct the workgroup {}, the database {} or the secret, or allow the function's role the call",
                    message.unwrap_or("no reason given"),
                    self.workgroup,
                    self.database
                ))
            }
            _ => Error::WarehouseUnavailable { source: Box::new(error) },
        }
    }
}

/// Source: "SYS_LOAD_ERROR_DETAIL", Amazon Redshift Database Developer Guide.
const LOAD_ERROR: &str = "SELECT file_name, line_number, column_name, column_type, error_message FROM sys_load_error_detail \
     WHERE session_id = CAST(:pid AS INTEGER) ORDER BY start_time DESC LIMIT 1";

impl Failure {
    /// Another transaction was in the way: Redshift's error 1023, or two that make the same thing. The same statements may pass a moment later.
    pub(crate) fn is_conflict(&self) -> bool {
        const SIGNS: [&str; 7] = [
            "ERROR: 1023",
            "Serializable isolation violation",
            "conflict with concurrent transaction",
            "could not serialize access",
            "deadlock detected",
            "already exists",
            "duplicate key value",
        ];
        SIGNS.iter().any(|sign| self.error.contains(sign))
    }

    /// Whether the same statement may succeed a moment later: a conflict, or a connection that broke.
    pub(crate) fn may_pass(&self) -> bool {
        self.is_conflict() || self.error.contains("connection")
    }

    /// The name of the failing statement, from the label in front of it.
    pub(crate) fn statement(&self) -> &str {
        let label = self.sql.trim_start().strip_prefix("/* crosstally ");
        label.and_then(|rest| rest.split_once(" of ")).map_or("", |(name, _)| name)
    }
}

/// Databases put details on lines of their own; an execution's cause is one sentence.
fn one_line(error: &str) -> String {
    error.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(field: Field) -> Option<String> {
    match field {
        Field::LongValue(n) => Some(n.to_string()),
        Field::StringValue(text) => Some(text),
        Field::BooleanValue(flag) => Some(flag.to_string()),
        Field::DoubleValue(n) => Some(n.to_string()),
        _ => None,
    }
}

fn known((name, value): (String, Option<String>)) -> Option<(String, String)> {
    value.map(|value| (name, value))
}

fn existing(row: &Row) -> ExistingColumn {
    let of = |name: &str| row.get(name).cloned().unwrap_or_default();
    ExistingColumn {
        name: of("column_name"),
        data_type: of("data_type").to_lowercase(),
        max_length: of("character_maximum_length").parse().ok(),
        precision: of("numeric_precision").parse().ok(),
        scale: of("numeric_scale").parse().ok(),
        nullable: of("is_nullable").eq_ignore_ascii_case("yes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_knows_its_statement_and_whether_it_may_pass() {
        let check = |sql: &str, error: &str, statement: &str, is_conflict: bool| {
            let failure = Failure { sql: sql.into(), error: error.into(), ..Failure::default() };
            assert_eq!((failure.statement(), failure.is_conflict()), (statement, is_conflict));
        };
        check("/* crosstally fold of run-1 */ CREATE", "ERROR: 1023", "fold", true);
        check("/* crosstally fold of run-1 */ CREATE", "ERROR: could not serialize access due to concurrent update", "fold", true);
        check("SELECT 1", "ERROR: disk full", "", false);
    }

    #[test]
    fn a_column_is_read_from_the_information_schema() {
        let row = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Row>();
        let found = existing(&row(&[
            ("column_name", "a"),
            ("data_type", "NUMERIC"),
            ("numeric_precision", "18"),
            ("numeric_scale", "2"),
            ("is_nullable", "NO"),
        ]));
        let expected = ExistingColumn {
            name: "a".into(),
            data_type: "numeric".into(),
            max_length: None,
            precision: Some(18),
            scale: Some(2),
            nullable: false,
        };
        assert_eq!(found, expected);
    }
}
