//! The HTTP client below the Azure crates: one pool of connections, no retries of its own, and errors that say what a retry needs to know.

use std::error::Error as StdError;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::headers::{ERROR_CODE, HeaderName, Headers, RETRY_AFTER, RETRY_AFTER_MS, X_MS_RETRY_AFTER_MS};
use azure_core::{HttpClient, Request, Response, StatusCode};
use jiff::Timestamp;

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

/// What a retry needs to know about `error`, wherever in its causes it stands.
pub(crate) fn failure(error: &azure_core::Error) -> Failure {
    if let Some(refusal) = cause::<Refusal>(error) {
        let status = u16::from(refusal.status);
        let is_transient = matches!(status, 408 | 429 | 500 | 502 | 503 | 504);
        return Failure { status: Some(status), retry_after: refusal.retry_after, is_transient };
    }
    Failure { status: None, retry_after: None, is_transient: *error.kind() == ErrorKind::Io }
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
