//! Errors all functions share, and how an error reaches the state machine: under a stable name, with one sentence.

use std::error::Error as StdError;

use lambda_runtime::Diagnostic;
use pipeline::contract::Faults;

/// What can go wrong around any step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    ConfigInvalid(String),
    #[error("the contract {uri} is refused: {faults}: correct it there")]
    ContractInvalid { uri: String, faults: Faults },
    /// S3 did not answer, or not as it should; worth another try.
    #[error("{action} s3://{bucket}/{key} failed")]
    StorageUnavailable { action: &'static str, bucket: String, key: String, source: Box<dyn StdError + Send + Sync> },
    #[error("s3://{bucket}/{key} does not exist{hint}")]
    ObjectMissing { bucket: String, key: String, hint: &'static str },
    /// The object is another than the one this run pinned.
    #[error("s3://{bucket}/{key} was replaced while the run went on: start a new run")]
    ObjectChanged { bucket: String, key: String },
    #[error("s3://{bucket}/{key} is not what this step wrote: start a new run")]
    ObjectInvalid { bucket: String, key: String, source: serde_json::Error },
    /// S3 holds other bytes than were sent; nothing refers to them, and another try writes them anew.
    #[error("s3://{bucket}/{key} is not what was written ({what}): run again, which writes it anew")]
    ObjectCorrupt { bucket: String, key: String, what: String },
    /// Whoever began it has ended it, or the bucket's lifecycle rule has.
    #[error("the upload of s3://{bucket}/{key} is gone: run again, which begins it anew")]
    UploadGone { bucket: String, key: String },
    #[error("the secret {id} does not exist: create it, or correct the parameter that names it")]
    SecretMissing { id: String },
    #[error("the secret {id} {why}")]
    SecretInvalid { id: String, why: &'static str },
    /// Secrets Manager did not answer; worth another try.
    #[error("the secret {id} could not be read")]
    SecretUnavailable { id: String, source: Box<dyn StdError + Send + Sync> },
}

impl Error {
    /// The name a state machine's Retry and Catch go by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ConfigInvalid(_) => "ConfigInvalid",
            Self::ContractInvalid { .. } => "ContractInvalid",
            Self::StorageUnavailable { .. } | Self::ObjectCorrupt { .. } | Self::UploadGone { .. } => "StorageUnavailable",
            Self::ObjectMissing { .. } | Self::ObjectInvalid { .. } => "RunIncomplete",
            Self::ObjectChanged { .. } => "SourceChanged",
            Self::SecretMissing { .. } => "SecretMissing",
            Self::SecretInvalid { .. } => "SecretInvalid",
            Self::SecretUnavailable { .. } => "StorageUnavailable",
        }
    }
}

/// An error and its causes as one sentence.
pub fn sentence(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Libraries tend to print their cause as well as to have it as source.
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// What Lambda reports as `errorType` and `errorMessage`; logged once, here.
pub fn diagnostic(name: &str, error: &(dyn StdError + 'static)) -> Diagnostic {
    let message = sentence(error);
    tracing::error!(error = name, "{message}");
    Diagnostic { error_type: name.to_owned(), error_message: message }
}
