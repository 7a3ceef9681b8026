//! What an error of the Azure crates means here, without a credential in it.

use std::error::Error as StdError;

use azure_core::StatusCode;
use azure_core::error::ErrorKind;
use jiff::Timestamp;

use super::connection::Kind;
use super::federation::NoToken;
use super::transport::{Failure, cause, failure};
use crate::error::Error;

/// Where a store is, and how it was opened.
#[derive(Debug)]
pub(super) struct Place {
    /// Address of the container, without credentials.
    pub(super) uri: String,
    pub(super) container: String,
    pub(super) way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Secret(Kind),
    Federation,
}

impl Place {
    /// What `error` means that came of `action` on `uri`.
    pub(super) fn explain(&self, error: azure_core::Error, uri: &str, action: &'static str) -> Error {
        let uri = uri.to_owned();
        if let Some(why) = cause::<NoToken>(&error) {
            return self.no_token(why.clone());
        }
        let (status, code) = match error.kind() {
            ErrorKind::HttpResponse { status, error_code } => (Some(*status), error_code.clone().unwrap_or_default()),
            _ => (None, String::new()),
        };
        match status {
            Some(StatusCode::NotFound) if code == "ContainerNotFound" => Error::SourceMissing(format!(
                "{uri} does not exist, since the storage account has no container `{}`: create it, or correct the parameter AzureContainer",
                self.container
            )),
            Some(StatusCode::NotFound) => Error::SourceMissing(format!(
                "{uri} does not exist: upload the blob, or correct the parameters AzureContainer and AzureBlob"
            )),
            Some(status @ (StatusCode::Forbidden | StatusCode::Unauthorized)) => {
                let advice = self.way.advice(&code, Timestamp::now());
                Error::SourceForbidden { uri, code: if code.is_empty() { u16::from(status).to_string() } else { code }, advice }
            }
            Some(StatusCode::Conflict) if matches!(code.as_str(), "BlobArchived" | "BlobBeingRehydrated") => Error::SourceForbidden {
                uri,
                code,
                advice: "bring it back from the archive tier, in the portal by Change tier, and start a new run then".into(),
            },
            Some(StatusCode::PreconditionFailed) => Error::SourceChanged { uri },
            // A key that is no base64 fails before anything is sent.
            None if *error.kind() == ErrorKind::Credential => Error::SourceForbidden {
                uri,
                code: "Credential".to_owned(),
                advice: "the AccountKey in the secret is no base64, so copy the connection string again".into(),
            },
            _ => Error::SourceUnavailable { uri, action, source: Box::new(Unanswered::from(&error)) },
        }
    }

    pub(super) fn no_token(&self, why: NoToken) -> Error {
        match why {
            NoToken::Refused { code, advice } => Error::SourceForbidden { uri: self.uri.clone(), code, advice: advice.into() },
            NoToken::Unavailable { ref uri, .. } => {
                Error::SourceUnavailable { uri: uri.clone(), action: "asking for a token", source: Box::new(Unanswered::from(&why)) }
            }
        }
    }
}

impl Way {
    /// What to do where the store refuses with `code`.
    /// Source of the codes: "Common REST API error codes" and "Troubleshoot 403 errors", Azure Storage documentation.
    fn advice(self, code: &str, now: Timestamp) -> String {
        let own = match (self, code) {
            (_, "AccountIsDisabled") => "enable the subscription of the storage account again",
            (Self::Secret(Kind::Sas { expires_at: Some(at) }), _) if at <= now => {
                return format!("the SAS in the secret has expired on {}, so {NEW_SAS}", at.strftime("%Y-%m-%d"));
            }
            (Self::Secret(Kind::Sas { .. }), "AuthorizationPermissionMismatch" | "AuthorizationResourceTypeMismatch") => NEW_SAS,
            (Self::Secret(Kind::Sas { .. }), _) => return format!("the SAS in the secret is wrong or revoked, so {NEW_SAS}"),
            (Self::Secret(Kind::Key), "KeyBasedAuthenticationNotPermitted") => {
                "choose federation, or allow storage account key access in the storage account's Settings, Configuration"
            }
            (Self::Secret(Kind::Key), _) => {
                "the key in the secret is wrong or was rotated, so copy the connection string again from Access keys to Secrets Manager"
            }
            (Self::Federation, "AuthenticationFailed" | "InvalidAuthenticationInfo" | "") => {
                "make AzureTenantId the tenant that the storage account's subscription is in, and AzureAccount an account of it"
            }
            (Self::Federation, _) => {
                "give the app the role Storage Blob Data Reader, in the container's Access Control (IAM), and allow some minutes for it to take hold"
            }
        };
        match code {
            // Azure's word for a firewall, and Azurite's for every wrong key.
            "AuthorizationFailure" => format!("{own}, or let the function in, in the storage account's Security + networking, Networking"),
            _ => own.to_owned(),
        }
    }
}

const NEW_SAS: &str = "make a new one with the permissions Read and List for the container and its blobs, and store it in Secrets Manager";

/// What the Azure crates say in one line, and what a retry needs to know of it.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Unanswered {
    text: String,
    pub(super) failure: Failure,
}

impl From<&azure_core::Error> for Unanswered {
    fn from(error: &azure_core::Error) -> Self {
        Self { text: unanswered(error), failure: failure(error) }
    }
}

impl From<&NoToken> for Unanswered {
    fn from(why: &NoToken) -> Self {
        let text = match why {
            NoToken::Refused { code, .. } => code.clone(),
            NoToken::Unavailable { cause, .. } => cause.clone(),
        };
        Self { text, failure: failure(why) }
    }
}

/// Characters of it that are kept: a document that cannot be read is repeated whole.
const KEPT_CHARS: usize = 400;

/// An error and its causes without the query of any address in them: a SAS stands there, and HTTP errors quote their address.
pub(super) fn unanswered(error: &(dyn StdError + 'static)) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    without_queries(&cloud::error::sentence(error)).chars().take(KEPT_CHARS).map(plain).collect()
}

fn without_queries(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('?') {
        kept.push_str(&rest[..start]);
        let query = &rest[start..];
        let end = query.find(|c: char| c.is_whitespace() || matches!(c, ')' | '"' | '\'' | '<')).unwrap_or(query.len());
        rest = &query[end..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_quotes_a_sas() {
        let check = |text: &str, expected: &str| assert_eq!(without_queries(text), expected);
        check(
            "error sending request for url (https://a.net/c/b?sv=1&sig=SECRET): timed out",
            "error sending request for url (https://a.net/c/b): timed out",
        );
        check("https://a.net/c/b?sig=SECRET", "https://a.net/c/b");
        check("<Uri>https://a.net?sig=SECRET</Uri> \"https://b.net?sig=SECRET\"", "<Uri>https://a.net</Uri> \"https://b.net\"");
        check("plain", "plain");
    }
}
