//! What can go wrong here, under the names the state machine knows.

use lambda_runtime::Diagnostic;
use pipeline::ledger::Unbalanced;
use pipeline::manifest::{Failure, RunId};
use pipeline::merge::MergeError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Cloud(#[from] cloud::Error),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(
        "the contract masks a column by sha256, and there is no salt: store a long random text as a secret and name it by the parameter MaskSaltSecretArn"
    )]
    SaltMissing,
    #[error("the books of split {split} do not balance: {unbalanced}; nothing of it was kept")]
    LedgerMismatch { split: u32, unbalanced: Unbalanced },
    #[error("the run has no split {split}: it has {splits}")]
    RunIncomplete { split: u32, splits: usize },
    #[error(
        "a split of the run {run_id} ended without a word, as out of memory or time does: its log tells; give merge-and-clean more memory or set SplitBytes lower"
    )]
    SplitDied { run_id: RunId },
    /// What a split of this run failed with, told again for the whole run.
    #[error("{message}")]
    Reported { name: &'static str, message: String },
}

/// Names that a failed split may hand on to its run.
const HANDED_ON: [&str; 11] = [
    "ConfigInvalid",
    "ContractInvalid",
    "LedgerMismatch",
    "LoadFailed",
    "QualityGateFailed",
    "RunIncomplete",
    "SecretInvalid",
    "SecretMissing",
    "SourceChanged",
    "SourceMalformed",
    "StorageUnavailable",
];

impl Error {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Cloud(error) => error.name(),
            Self::Merge(MergeError::Malformed { .. }) => "SourceMalformed",
            Self::Merge(MergeError::Fatal { .. }) => "QualityGateFailed",
            Self::Merge(MergeError::SumOverflow { .. }) => "QualityGateFailed",
            Self::Merge(MergeError::Read { .. } | MergeError::Parquet(_) | MergeError::Died) => "MergeFailed",
            Self::SaltMissing => "ConfigInvalid",
            Self::LedgerMismatch { .. } => "LedgerMismatch",
            Self::RunIncomplete { .. } | Self::SplitDied { .. } => "RunIncomplete",
            Self::Reported { name, .. } => name,
        }
    }

    /// The error of a split, as it left it.
    pub(crate) fn reported(failure: &Failure) -> Self {
        let name = HANDED_ON.into_iter().find(|name| *name == failure.error_type).unwrap_or("MergeFailed");
        Self::Reported { name, message: failure.error_message.clone() }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        cloud::error::diagnostic(error.name(), &error)
    }
}
