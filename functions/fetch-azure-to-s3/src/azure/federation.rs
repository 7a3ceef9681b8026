//! The way in without a stored secret: AWS vouches for the function's role, and Entra ID gives a token for that.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sts::error::ProvideErrorMetadata;
use azure_core::Url;
use azure_core::auth::{AccessToken, Secret, TokenCredential};
use azure_core::error::ErrorKind;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;
use tracing::info;

use super::{transport, unanswered};
use crate::config::AzureConfig;

/// Who the assertion is for, which each of Microsoft's clouds names in its own way.
/// Source: "Configure an app to trust an external identity provider", Microsoft Entra Workload ID documentation.
fn audience(authority: &str) -> &'static str {
    match authority.rsplit('.').next() {
        Some("us") => "api://AzureADTokenExchangeUSGov",
        Some("cn") => "api://AzureADTokenExchangeChina",
        _ => "api://AzureADTokenExchange",
    }
}

/// The one algorithm that Entra ID says it supports here; STS knows ES384, too.
/// Source: "Important considerations and restrictions for federated identity credentials", Microsoft Entra Workload ID documentation.
const ALGORITHM: &str = "RS256";

/// The assertion is used once, at once.
const ASSERTION_SECONDS: i32 = 300;

const SCOPE: &str = "https://storage.azure.com/.default";

const DEFAULT_AUTHORITY: &str = "https://login.microsoftonline.com";

/// A token is replaced this long before it ends, so that no request outlives it.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// Time for the whole exchange with the authority.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// The function's own identity, exchanged for tokens of Entra ID; the last one is kept while it is good.
#[derive(Clone)]
pub(super) struct Federation(Arc<Exchange>);

struct Exchange {
    sts: aws_sdk_sts::Client,
    tenant_id: String,
    client_id: String,
    authority: String,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    secret: Secret,
    expires_at: Timestamp,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoToken {
    #[error("{code}: {advice}")]
    Refused { code: String, advice: &'static str },
    #[error("{uri}: {cause}")]
    Unavailable { uri: String, cause: String },
}

/// What the authority answers when it gives a token.
#[derive(Deserialize)]
struct Given {
    access_token: Secret,
    /// Seconds.
    expires_in: u32,
}

/// What it answers when it gives none.
#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// What AWS says of the function, which a federated credential must repeat.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
}

impl Federation {
    pub(super) fn new(config: &AzureConfig, aws: &SdkConfig) -> Self {
        let authority = if config.authority_host.is_empty() { DEFAULT_AUTHORITY } else { &config.authority_host };
        Self(Arc::new(Exchange {
            sts: aws_sdk_sts::Client::new(aws),
            tenant_id: config.tenant_id.clone(),
            client_id: config.client_id.clone(),
            authority: authority.trim_end_matches('/').to_owned(),
            token: Mutex::new(None),
        }))
    }

    /// The token that is kept, or a new one.
    pub(super) async fn token(&self) -> Result<Secret, NoToken> {
        self.kept_or_new().await.map(|token| token.secret)
    }

    /// A new token, whatever is kept.
    pub(super) async fn renewed(&self) -> Result<Secret, NoToken> {
        *self.0.token.lock().await = None;
        self.token().await
    }

    async fn kept_or_new(&self) -> Result<Token, NoToken> {
        // Held while the new one is on its way, so that ranges read at once ask but once.
        let mut kept = self.0.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| Timestamp::now() < token.expires_at - MARGIN) {
            return Ok(token.clone());
        }
        let token = self.0.exchange().await?;
        info!(expires_at = %token.expires_at, "token given by the authority");
        Ok(kept.insert(token).clone())
    }
}

/// Shows nothing: the Azure crates write their credentials to their trace log.
impl fmt::Debug for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Federation")
    }
}

#[async_trait]
impl TokenCredential for Federation {
    async fn get_token(&self, _scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let token = self.kept_or_new().await.map_err(|why| azure_core::Error::new(ErrorKind::Credential, why))?;
        let expires_at = azure_core::date::parse_rfc3339(&token.expires_at.to_string())?;
        Ok(AccessToken::new(token.secret, expires_at))
    }

    async fn clear_cache(&self) -> azure_core::Result<()> {
        *self.0.token.lock().await = None;
        Ok(())
    }
}

impl Exchange {
    async fn exchange(&self) -> Result<Token, NoToken> {
        let assertion = self.assertion().await?;
        let address = self.address()?;
        let unavailable = |cause: String| NoToken::Unavailable { uri: address.to_string(), cause };
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("scope", SCOPE),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        let asked_at = Timestamp::now();
        let exchange = async {
            let client = transport::client()?;
            let response = client.post(address.clone()).form(&form).send().await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        };
        let (status, body) = match tokio::time::timeout(EXCHANGE_TIMEOUT, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unavailable(unanswered(&error))),
            Err(_) => return Err(unavailable(format!("no answer within {} s", EXCHANGE_TIMEOUT.as_secs()))),
        };
        if status.is_success() {
            // Its own error could repeat a part of the token.
            let given: Given = serde_json::from_slice(&body).map_err(|_| unavailable("its answer is no token".to_owned()))?;
            let expires_at = asked_at + SignedDuration::from_secs(given.expires_in.into());
            return Ok(Token { secret: given.access_token, expires_at });
        }
        if status.is_server_error() || matches!(status.as_u16(), 408 | 429) {
            return Err(unavailable(format!("it answers {status}")));
        }
        Err(denied(status.as_u16(), &body, claims(&assertion)))
    }

    async fn assertion(&self) -> Result<String, NoToken> {
        let request = self.sts.get_web_identity_token().audience(audience(&self.authority));
        let request = request.signing_algorithm(ALGORITHM).duration_seconds(ASSERTION_SECONDS);
        let unavailable = |cause: String| NoToken::Unavailable { uri: "AWS STS".to_owned(), cause };
        let given = request.send().await.map_err(|error| {
            let refused = |advice| NoToken::Refused { code: error.code().unwrap_or_default().to_owned(), advice };
            match error.code() {
                Some(code) if code.starts_with("OutboundWebIdentityFederationDisabled") => {
                    refused("enable Outbound Identity Federation in the AWS account, under IAM, Account settings")
                }
                Some("AccessDenied" | "AccessDeniedException") => refused(
                    "allow the function's role the action GetWebIdentityToken of AWS STS, for the audience of Azure's token exchange",
                ),
                _ => unavailable(unanswered(&error)),
            }
        })?;
        given.web_identity_token.ok_or_else(|| unavailable("its answer holds no token".to_owned()))
    }

    fn address(&self) -> Result<Url, NoToken> {
        Url::parse(&format!("{}/{}/oauth2/v2.0/token", self.authority, self.tenant_id))
            .map_err(|error| NoToken::Unavailable { uri: self.authority.clone(), cause: error.to_string() })
    }
}

/// The claims are not checked: whom they concern does that. They are shown.
fn claims(assertion: &str) -> Option<Claims> {
    let payload = assertion.split('.').nth(1)?;
    serde_json::from_slice(&azure_core::base64::decode_url_safe(payload).ok()?).ok()
}

fn denied(status: u16, body: &[u8], claims: Option<Claims>) -> NoToken {
    let denied = serde_json::from_slice::<Denied>(body).ok();
    let number = denied.as_ref().and_then(|denied| aadsts(&denied.error_description));
    let mut code = match (number, denied) {
        (Some(number), _) => format!("AADSTS{number}"),
        (None, Some(denied)) => denied.error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect(),
        (None, None) => status.to_string(),
    };
    // No federated credential matches: 70021, or one of the finer numbers below it, which say what differs.
    let is_unmatched = number.is_some_and(|number| number.to_string().starts_with("70021"));
    // Source of the numbers: "Microsoft Entra authentication and authorization error codes".
    let advice = match number {
        Some(90002 | 900_021 | 900_023) => {
            "correct the parameter AzureTenantId, which is the Directory (tenant) ID on the app's Overview in Microsoft Entra ID, App registrations"
        }
        Some(700_016) => {
            "correct the parameters AzureClientId and AzureTenantId, which are the IDs on the app's Overview in Microsoft Entra ID, App registrations"
        }
        Some(_) if is_unmatched => {
            "add exactly this issuer and this subject to the app in Microsoft Entra ID, App registrations, Certificates & secrets, \
             Federated credentials, Other issuer, with the audience that the portal proposes"
        }
        Some(700_024) => "run it again, and if it lasts, look whether the issuer of the federated credential is the AWS account's own",
        Some(7_000_112) => {
            "let the app sign in again, in Microsoft Entra ID, Enterprise applications, Properties, Enabled for users to sign-in"
        }
        Some(53003) => "let the app past the Conditional Access policy that stops it, in Microsoft Entra ID, Security, Conditional Access",
        _ => "look for it in Microsoft Entra ID, Sign-in logs, Service principal sign-ins, which say what the app lacks",
    };
    if let (true, Some(Claims { iss, sub })) = (is_unmatched, claims) {
        code.push_str(&format!(", issuer {iss}, subject {sub}"));
    }
    NoToken::Refused { code, advice }
}

/// The number in `AADSTS700213: …`.
fn aadsts(description: &str) -> Option<u32> {
    let digits = description.strip_prefix("AADSTS")?.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_clouds_has_its_audience() {
        let check = |authority: &str, expected: &str| assert_eq!(audience(authority), expected, "{authority}");
        check(DEFAULT_AUTHORITY, "api://AzureADTokenExchange");
        check("https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov");
        check("https://login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina");
        check("http://127.0.0.1:8080", "api://AzureADTokenExchange");
    }

    #[test]
    fn the_number_of_a_denial_is_read_or_left() {
        let check = |description: &str, expected: Option<u32>| assert_eq!(aadsts(description), expected, "{description}");
        check("AADSTS700213: No matching federated identity record found", Some(700_213));
        check("AADSTS90002", Some(90_002));
        check("AADSTS: ", None);
        check("AADSTS99999999999: ", None);
        check("Error AADSTS1", None);
        check("", None);
    }

    #[test]
    fn an_assertion_that_is_none_has_no_claims() {
        let claims = |payload: &str| {
            claims(&format!("e30.{}.x", azure_core::base64::encode_url_safe(payload))).map(|claims| (claims.iss, claims.sub))
        };
        assert_eq!(claims("{\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"a\"}"), Some(("i".to_owned(), "s".to_owned())));
        assert_eq!(claims("{\"iss\":\"i\"}"), None);
        assert_eq!(super::claims("no token").map(|claims| claims.iss), None);
    }
}
