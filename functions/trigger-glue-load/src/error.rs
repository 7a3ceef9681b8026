//! What can go wrong here, under the names the state machine knows.

use std::error::Error as StdError;

use lambda_runtime::Diagnostic;
use pipeline::contract::Faults;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Cloud(#[from] cloud::Error),
    #[error("the contract {uri} is refused: {faults}: correct it there")]
    ContractInvalid { uri: String, faults: Faults },
    #[error("{0}")]
    RunIncomplete(String),
    #[error("{uri} has {rows} records and none has a field of the contract: a JSON array of objects or one object a line is due, with the fields the contract names")]
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
}

impl Error {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Cloud(error) => error.name(),
            Self::ContractInvalid { .. } => "ContractInvalid",
            Self::RunIncomplete(_) => "RunIncomplete",
            Self::SourceMalformed { .. } => "SourceMalformed",
            Self::QualityGateFailed(_) => "QualityGateFailed",
            Self::GlueBusy { .. } => "GlueBusy",
            Self::GlueUnavailable { .. } => "GlueUnavailable",
            Self::WarehouseUnavailable { .. } => "WarehouseUnavailable",
            Self::LoadFailed(_) => "LoadFailed",
            Self::LedgerMismatch(_) => "LedgerMismatch",
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        cloud::error::diagnostic(error.name(), &error)
    }
}
