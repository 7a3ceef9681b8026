//! What can go wrong here, under the names the state machine knows.

use std::error::Error as StdError;

use lambda_runtime::Diagnostic;
use pipeline::sql::{Incompatible, InvalidName};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Cloud(#[from] cloud::Error),
    #[error("{0}")]
    ConfigInvalid(String),
    #[error("{0}")]
    RunIncomplete(String),
    #[error(
        "{uri} has {rows} records and none has a field of the contract: store a JSON array of objects, or one object a line, with the fields that the contract names"
    )]
    SourceMalformed { uri: String, rows: u64 },
    #[error("{0}; nothing was loaded")]
    QualityGateFailed(String),
    #[error(transparent)]
    ContractIncompatible(#[from] Incompatible),
    #[error("the contract's names cannot stand in SQL: {0}")]
    NameInvalid(#[from] InvalidName),
    #[error("the Glue job {job} runs as often as it may at once: wait for the other run to end, then redrive the execution")]
    GlueBusy { job: String },
    #[error("the Glue job {job} does not answer")]
    GlueUnavailable { job: String, source: Box<dyn StdError + Send + Sync> },
    #[error("Step Functions does not answer about {arn}")]
    ExecutionUnavailable { arn: String, source: Box<dyn StdError + Send + Sync> },
    #[error("the page of the run cannot be written: {0}")]
    ReportUnwritten(String),
    #[error("the warehouse's Data API does not answer")]
    WarehouseUnavailable { source: Box<dyn StdError + Send + Sync> },
    #[error("{0}")]
    LoadFailed(String),
    #[error("{0}")]
    LedgerMismatch(String),
    /// What the Glue job names itself: its connection or its secret.
    #[error("{message}")]
    Job { name: &'static str, message: String },
}

/// Names the Glue job gives to what no further attempt would change. They begin its message: `Name: words`.
const NAMED_BY_THE_JOB: [&str; 5] = ["LoadFailed", "LedgerMismatch", "ConfigInvalid", "SecretMissing", "SecretInvalid"];

impl Error {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Cloud(error) => error.name(),
            Self::ConfigInvalid(_) => "ConfigInvalid",
            Self::RunIncomplete(_) => "RunIncomplete",
            Self::SourceMalformed { .. } => "SourceMalformed",
            Self::QualityGateFailed(_) => "QualityGateFailed",
            Self::ContractIncompatible(_) => "ContractIncompatible",
            Self::NameInvalid(_) => "ContractInvalid",
            Self::GlueBusy { .. } => "GlueBusy",
            Self::GlueUnavailable { .. } => "GlueUnavailable",
            Self::ExecutionUnavailable { .. } => "ExecutionUnavailable",
            Self::ReportUnwritten(_) => "ReportUnwritten",
            Self::WarehouseUnavailable { .. } => "WarehouseUnavailable",
            Self::LoadFailed(_) => "LoadFailed",
            Self::LedgerMismatch(_) => "LedgerMismatch",
            Self::Job { name, .. } => name,
        }
    }

    /// Whether a job's words are its script's own verdict. Glue may put words of its own in front.
    pub(crate) fn is_named_by_the_job(words: &str) -> bool {
        Self::name_in(words).is_some()
    }

    fn name_in(words: &str) -> Option<&'static str> {
        NAMED_BY_THE_JOB.into_iter().find(|name| words.contains(&format!("{name}:")))
    }

    /// A load's failure in its own words, under the name that stands in them.
    pub(crate) fn of_load(words: &str, message: String) -> Self {
        match Self::name_in(words) {
            Some("LedgerMismatch") => Self::LedgerMismatch(message),
            None | Some("LoadFailed") => Self::LoadFailed(message),
            Some(name) => Self::Job { name, message },
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        cloud::error::diagnostic(error.name(), &error)
    }
}
