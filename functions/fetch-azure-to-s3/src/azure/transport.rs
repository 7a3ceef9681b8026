//! The HTTP client below the Azure crates: one pool of connections, no retries of its own, and errors that say what a retry needs to know.

use std::error::Error as StdError;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::headers::{ERROR_CODE, HeaderName, Headers, RETRY_AFTER, RETRY_AFTER_MS, X_MS_RETRY_AFTER_MS};
use azure_core::{HttpClient, Request, Response, StatusCode};
use jiff::Timestamp;

use super::explain::Unanswered;
use super::federation::NoToken;

/// A store that does not even take the connection is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest silence before and within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The client of one run: another run's connections may be long dead, since Lambda stops time between two calls.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    // Bytes are taken as they are stored, and no credential follows a redirect: the store sends none.
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .build()
}

/// `azure_core`'s own client opens a connection for every request, and its error keeps the headers of the answer to itself.
#[derive(Debug)]
pub(crate) struct Transport(pub(crate) reqwest::Client);

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<Response> {
        let response = self.0.execute_request(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let code = response.headers().get_optional_string(&ERROR_CODE);
        let refusal = Refusal { status, code: code.clone(), retry_after: retry_after(response.headers(), Timestamp::now()) };
        Err(azure_core::Error::new(ErrorKind::http_response(status, code), refusal))
    }
}

/// An answer that is none of success. Its body is left unread: it repeats what was sent, a signature among it.
#[derive(Debug, thiserror::Error)]
#[error("it answers {status}{}", code.as_ref().map(|code| format!(" {code}")).unwrap_or_default())]
struct Refusal {
    status: StatusCode,
    code: Option<String>,
    retry_after: Option<Duration>,
}

/// What a retry needs to know about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Of the answer, if there was one.
    pub(crate) status: Option<u16>,
    /// What the store asked for.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the same request may well succeed later.
    pub(crate) is_transient: bool,
}

/// What a retry needs to know about `error`, be it of the Azure crates or what [`super::Blob::explain`] made of it.
pub(crate) fn failure(error: &(dyn StdError + 'static)) -> Failure {
    if let Some(unanswered) = cause::<Unanswered>(error) {
        return unanswered.failure;
    }
    if let Some(refusal) = cause::<Refusal>(error) {
        let status = u16::from(refusal.status);
        let is_transient = matches!(status, 408 | 429 | 500 | 502 | 503 | 504);
        return Failure { status: Some(status), retry_after: refusal.retry_after, is_transient };
    }
    let is_transient = match cause::<NoToken>(error) {
        Some(why) => matches!(why, NoToken::Unavailable { .. }),
        None => cause::<azure_core::Error>(error).is_some_and(|error| *error.kind() == ErrorKind::Io),
    };
    Failure { status: None, retry_after: None, is_transient }
}

/// The first cause of a type.
pub(crate) fn cause<'e, E: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e E> {
    error.downcast_ref().or_else(|| cause(error.source()?))
}

/// In the order Azure's own clients look: milliseconds first, then seconds or a date.
fn retry_after(headers: &Headers, now: Timestamp) -> Option<Duration> {
    let number = |name: &HeaderName| headers.get_optional_str(name).and_then(|text| text.parse::<u64>().ok());
    if let Some(millis) = number(&RETRY_AFTER_MS).or_else(|| number(&X_MS_RETRY_AFTER_MS)) {
        return Some(Duration::from_millis(millis));
    }
    if let Some(seconds) = number(&RETRY_AFTER) {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(headers.get_optional_str(&RETRY_AFTER)?).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_says_when_to_come_back_in_four_ways() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let check = |given: &[(HeaderName, &str)], expected: Option<Duration>| {
            let mut headers = Headers::new();
            for (name, value) in given {
                headers.insert(name.clone(), (*value).to_owned());
            }
            assert_eq!(retry_after(&headers, now), expected, "{given:?}");
        };
        check(&[], None);
        check(&[(RETRY_AFTER, "7")], Some(Duration::from_secs(7)));
        check(&[(RETRY_AFTER, "Wed, 25 Nov 2026 12:00:09 GMT")], Some(Duration::from_secs(9)));
        check(&[(RETRY_AFTER, "Wed, 25 Nov 2026 11:00:00 GMT")], Some(Duration::ZERO));
        check(&[(RETRY_AFTER, "soon")], None);
        check(&[(RETRY_AFTER, "-1")], None);
        check(&[(RETRY_AFTER_MS, "250"), (RETRY_AFTER, "7")], Some(Duration::from_millis(250)));
        check(&[(X_MS_RETRY_AFTER_MS, "300")], Some(Duration::from_millis(300)));
    }

    #[test]
    fn what_may_well_succeed_later_is_told_from_what_will_not() {
        let of = |status: StatusCode| {
            let refusal = Refusal { status, code: None, retry_after: Some(Duration::from_secs(1)) };
            failure(&azure_core::Error::new(ErrorKind::http_response(status, None), refusal).context("around it"))
        };
        for status in [408, 429, 500, 502, 503, 504] {
            let retry_after = Some(Duration::from_secs(1));
            assert_eq!(of(StatusCode::try_from(status).unwrap()), Failure { status: Some(status), retry_after, is_transient: true });
        }
        for status in [400, 403, 404, 409, 412, 416, 501] {
            assert!(!of(StatusCode::try_from(status).unwrap()).is_transient, "{status}");
        }
        let none = |is_transient| Failure { status: None, retry_after: None, is_transient };
        assert_eq!(failure(&azure_core::Error::message(ErrorKind::Io, "reset")), none(true));
        assert_eq!(failure(&azure_core::Error::message(ErrorKind::DataConversion, "no XML")), none(false));
        let token = |why| failure(&azure_core::Error::new(ErrorKind::Credential, why).context("failed to get bearer token"));
        assert_eq!(token(NoToken::Unavailable { uri: "u".into(), cause: "c".into() }), none(true));
        assert_eq!(token(NoToken::Refused { code: "c".into(), advice: "a" }), none(false));
    }
}
