//! What can go wrong here, under the names the state machine knows.

use std::error::Error as StdError;

use lambda_runtime::Diagnostic;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Cloud(#[from] cloud::Error),
    #[error("{0}")]
    RunIncomplete(String),
    #[error(
        "{uri} has {rows} records and none has a field of the contract: a JSON array of objects or one object a line is due, with the fields the contract names"
    )]
    SourceMalformed { uri: String, rows: u64 },
    #[error("{0}; nothing was loaded")]
    QualityGateFailed(String),
    #[error("the Glue job {job} runs as often as it may at once")]
    GlueBusy { job: String },
    #[error("the Glue job {job} does not answer")]
    GlueUnavailable { job: String, source: Box<dyn StdError + Send + Sync> },
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

/// Names the Glue job gives its errors, besides `LoadFailed`. They begin its message: `Name: words`.
const NAMED_BY_THE_JOB: [&str; 3] = ["ConfigInvalid", "SecretMissing", "SecretInvalid"];

impl Error {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Cloud(error) => error.name(),
            Self::RunIncomplete(_) => "RunIncomplete",
            Self::SourceMalformed { .. } => "SourceMalformed",
            Self::QualityGateFailed(_) => "QualityGateFailed",
            Self::GlueBusy { .. } => "GlueBusy",
            Self::GlueUnavailable { .. } => "GlueUnavailable",
            Self::WarehouseUnavailable { .. } => "WarehouseUnavailable",
            Self::LoadFailed(_) => "LoadFailed",
            Self::LedgerMismatch(_) => "LedgerMismatch",
            Self::Job { name, .. } => name,
        }
    }

    /// A job's failure in its own words, under the name that stands in them. Glue may put words of its own in front.
    pub(crate) fn of_job(words: &str, message: String) -> Self {
        let has = |name: &&str| words.contains(&format!("{name}:"));
        if has(&"LedgerMismatch") {
            return Self::LedgerMismatch(message);
        }
        match NAMED_BY_THE_JOB.iter().find(|name| has(name)) {
            Some(name) => Self::Job { name, message },
            None => Self::LoadFailed(message),
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        cloud::error::diagnostic(error.name(), &error)
    }
}
