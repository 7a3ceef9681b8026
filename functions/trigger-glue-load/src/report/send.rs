//! Lineage to whoever keeps it. A receiver that is down, slow or does not like it harms nothing.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use serde_json::Value;

use super::JSON;
use crate::config::Lineage;

/// POSTs the events one by one, in their order. What went wrong comes back in words that have neither address nor key in them.
pub(super) async fn send(
    secrets: &aws_sdk_secretsmanager::Client,
    lineage: &Lineage,
    events: &[Value],
    [connect, answer]: [Duration; 2],
) -> Result<(), String> {
    if lineage.url.is_empty() {
        return Ok(());
    }
    let key = match lineage.api_key_secret_id.as_str() {
        "" => None,
        id => Some(cloud::secrets::text(secrets, id).await.map_err(|error| cloud::error::sentence(&error))?),
    };
    let client = reqwest::Client::builder().connect_timeout(connect).timeout(answer).redirect(Policy::none()).build();
    let client = client.map_err(words)?;
    for event in events {
        let mut request = client.post(&lineage.url).header(CONTENT_TYPE, JSON).body(event.to_string());
        if let Some(key) = &key {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.trim())).map_err(|_| "the API key is no text for a header")?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        let status = request.send().await.map_err(words)?.status();
        if !status.is_success() {
            return Err(format!("the receiver of OpenLineage events answers {status}"));
        }
    }
    Ok(())
}

fn words(error: reqwest::Error) -> String {
    let what = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
    format!("the receiver of OpenLineage events {what}: {}", cloud::error::sentence(&error.without_url()))
}
