//! What can go wrong here, under the names the state machine knows.

use std::error::Error as StdError;

use lambda_runtime::Diagnostic;
use pipeline::manifest::{InvalidInput, RunId};
use pipeline::source::Malformed;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Cloud(#[from] cloud::Error),
    #[error("the input of this execution cannot be taken, since {0}: start it with {{}}, or with fields as the README names them")]
    InputInvalid(InvalidInput),
    #[error("the run {0} is asked to replay itself: start one under another name")]
    ReplaysItself(RunId),
    #[error("{0}")]
    SourceMissing(String),
    #[error("{uri} is empty: put the file there again")]
    SourceEmpty { uri: String },
    #[error("{uri} may not be read ({code}): {advice}")]
    SourceForbidden { uri: String, code: String, advice: String },
    #[error("{uri} cannot be asked for, since its name {why}: store it under another name")]
    NameUnusable { uri: String, why: &'static str },
    #[error("{uri} holds more than {most} blobs: name a narrower prefix in the parameter AzureBlob, one by date for instance")]
    TooManyBlobs { uri: String, most: usize },
    #[error("{uri} has more than {} GB, which is the most that one source may have: store it in several, each with a run of its own", most / 1_000_000_000)]
    SourceTooLarge { uri: String, most: u64 },
    /// What unpacks it cannot be saved and taken up by another call.
    #[error(
        "{uri} is gzip and takes longer to unpack than a call of the function may last: store it unpacked, or in several smaller blobs"
    )]
    GzipTooLong { uri: String },
    #[error("{uri}: {malformed}: store a JSON array of objects, or one object a line")]
    SourceMalformed { uri: String, malformed: Malformed },
    /// A bug, or no memory left.
    #[error("a task of the copy has stopped without a word: start the run again, and raise the parameter FetchMemory if it lasts")]
    Died,
    #[error("{uri} was replaced while it was read: start a new run")]
    SourceChanged { uri: String },
    #[error("{uri} did not arrive whole: {what}; nothing of it was kept")]
    SourceCorrupt { uri: String, what: String },
    #[error(
        "the run {of} cannot be replayed, since {uri} does not exist (either no run of that name has read its source, or its objects have \
         expired, raw/ after 30 days and runs/ after 90): correct the name, or load the source anew with the input {{}}"
    )]
    ReplayMissing { of: RunId, uri: String },
    #[error("the run {of} has quarantined no transactions, so there is nothing to replay: name a run that has quarantined some")]
    ReplayEmpty { of: RunId },
    #[error("{uri} is not as the run {of} left it ({what}): load the source anew with the input {{}}")]
    ReplayCorrupt { of: RunId, uri: String, what: String },
    #[error("{uri} does not answer ({action}, {source}): start the run again, and check the account's name and network if it lasts")]
    SourceUnavailable { uri: String, action: &'static str, source: Box<dyn StdError + Send + Sync> },
}

impl Error {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            // What a run is to read has not arrived as it was; other functions write what they can make anew.
            Self::Cloud(cloud::Error::ObjectCorrupt { .. }) => "SourceCorrupt",
            Self::Cloud(error) => error.name(),
            Self::InputInvalid(_) | Self::ReplaysItself(_) => "InputInvalid",
            Self::SourceMissing(_) => "SourceMissing",
            Self::SourceEmpty { .. } => "SourceEmpty",
            Self::SourceForbidden { .. } => "SourceForbidden",
            Self::SourceMalformed { .. }
            | Self::NameUnusable { .. }
            | Self::TooManyBlobs { .. }
            | Self::SourceTooLarge { .. }
            | Self::GzipTooLong { .. } => "SourceMalformed",
            Self::SourceChanged { .. } => "SourceChanged",
            Self::SourceCorrupt { .. } | Self::ReplayCorrupt { .. } => "SourceCorrupt",
            Self::ReplayMissing { .. } => "ReplayMissing",
            Self::ReplayEmpty { .. } => "ReplayEmpty",
            Self::SourceUnavailable { .. } | Self::Died => "SourceUnavailable",
        }
    }

    /// Whether another try may succeed, and go on from what this one has done.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::SourceUnavailable { .. } | Self::Cloud(cloud::Error::StorageUnavailable { .. } | cloud::Error::SecretUnavailable { .. })
        )
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        cloud::error::diagnostic(error.name(), &error)
    }
}

/// Past the last colon, semicolon or comma that leads to no other colon or semicolon, a sentence says what to do.
#[cfg(test)]
pub(crate) fn advice(sentence: &str) -> Option<&str> {
    let last = sentence.rfind([':', ';']).unwrap_or(0);
    let begins = sentence[last..].match_indices([':', ';', ',']).map(|(at, sign)| &sentence[last + at + sign.len()..]);
    begins.filter_map(|rest| rest.strip_prefix(' ')).find(|rest| rest.len() > 8 && rest.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_of_a_replay_says_what_to_do() {
        let run_id = |name: &str| RunId::try_from(name.to_owned()).unwrap();
        let of = run_id(&"x".repeat(80));
        let uri = format!("s3://{}/{}", "b".repeat(63), of.inputs_key());
        let check = |error: Error, name: &str, expected: &str| {
            let sentence = cloud::error::sentence(&error);
            assert_eq!((error.name(), advice(&sentence)), (name, Some(expected)), "{sentence}");
            assert!(sentence.len() < 1000 && !sentence.contains('\n'), "{sentence}");
        };
        let input = InvalidInput::new("plan", "is refused (invalid type: string, expected a boolean; or else)");
        check(Error::InputInvalid(input), "InputInvalid", "start it with {}, or with fields as the README names them");
        check(Error::ReplaysItself(of.clone()), "InputInvalid", "start one under another name");
        let anew = "correct the name, or load the source anew with the input {}";
        check(Error::ReplayMissing { of: of.clone(), uri: uri.clone() }, "ReplayMissing", anew);
        check(Error::ReplayEmpty { of: of.clone() }, "ReplayEmpty", "name a run that has quarantined some");
        let what = "x".repeat(300);
        check(Error::ReplayCorrupt { of, uri, what }, "SourceCorrupt", "load the source anew with the input {}");
    }
}
