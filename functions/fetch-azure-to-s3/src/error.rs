//! What can go wrong here, under the names the state machine knows.

use std::error::Error as StdError;

use lambda_runtime::Diagnostic;
use pipeline::source::Malformed;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Cloud(#[from] cloud::Error),
    #[error("the input of this execution is not one ({0}): start it with {{}}, {{\"plan\": true}} or {{\"replay\": \"<run id>\"}}")]
    InputInvalid(#[source] serde_json::Error),
    #[error("{0}")]
    SourceMissing(String),
    #[error("{uri} is empty: put the file there again")]
    SourceEmpty { uri: String },
    #[error("{uri} may not be read ({code}): {advice}")]
    SourceForbidden { uri: String, code: String, advice: &'static str },
    #[error("{uri}: {malformed}: store a JSON array of objects, or one object a line")]
    SourceMalformed { uri: String, malformed: Malformed },
    #[error("{uri} was replaced while it was read: start a new run")]
    SourceChanged { uri: String },
    #[error("{uri} did not arrive whole: {what}; nothing of it was kept")]
    SourceCorrupt { uri: String, what: String },
    #[error("{uri} does not answer: {action}")]
    SourceUnavailable { uri: String, action: &'static str, source: Box<dyn StdError + Send + Sync> },
}

impl Error {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Cloud(error) => error.name(),
            Self::InputInvalid(_) => "InputInvalid",
            Self::SourceMissing(_) => "SourceMissing",
            Self::SourceEmpty { .. } => "SourceEmpty",
            Self::SourceForbidden { .. } => "SourceForbidden",
            Self::SourceMalformed { .. } => "SourceMalformed",
            Self::SourceChanged { .. } => "SourceChanged",
            Self::SourceCorrupt { .. } => "SourceCorrupt",
            Self::SourceUnavailable { .. } => "SourceUnavailable",
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        cloud::error::diagnostic(error.name(), &error)
    }
}
