//! What the function meets on its way to the blobs, on loopback: Secrets Manager, AWS STS, Entra ID, the blob store.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};

use super::super::Access;
use super::server::{Answer, Header, Request, Server};
use crate::config::AzureConfig;

pub(super) const TENANT: &str = "7f0b1c1e-0000-4000-8000-00000000000a";
pub(super) const CLIENT: &str = "7f0b1c1e-0000-4000-8000-00000000000b";
pub(super) const ISSUER: &str = "https://x.tokens.sts.global.api.aws";
pub(super) const SUBJECT: &str = "arn:aws:iam::123456789012:role/fetch";

/// What no log and no message may hold. The key is this word in base64, too.
pub(super) const SECRETS: [&str; 5] = ["S3CRET-SIG", "UzNDUkVULUtFWQ==", "S3CRET-KEY", "S3CRET-TOKEN", "S3CRET-SIGNATURE"];

#[derive(Clone, Default)]
pub(super) struct Blob {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) is_folder: bool,
    pub(super) encoding: &'static str,
}

pub(super) struct State {
    /// What Secrets Manager holds.
    pub(super) secret: String,
    /// What STS refuses with.
    pub(super) sts_error: Option<&'static str>,
    /// What Entra ID answers, by its status; a token when it is 200.
    pub(super) authority: (u16, String),
    /// Seconds a token is good for, and how many were given.
    pub(super) token_seconds: u32,
    pub(super) tokens: usize,
    /// What the store answers whatever it is asked: status, code and headers.
    pub(super) refusal: Option<(u16, &'static str, Vec<Header>)>,
    pub(super) blobs: Vec<Blob>,
    /// Blobs a page of a list has.
    pub(super) page: usize,
    pub(super) cut_at: Option<usize>,
    /// Bytes by which the store answers another range than the one asked for.
    pub(super) shift: u64,
}

pub(super) struct World {
    pub(super) server: Server,
    pub(super) state: Arc<Mutex<State>>,
}

/// What STS vouches with: header and claims are readable, the signature is what nobody may see.
pub(super) fn assertion() -> String {
    let claims = format!("{{\"iss\":\"{ISSUER}\",\"sub\":\"{SUBJECT}\"}}");
    let [header, claims] = ["{\"alg\":\"RS256\"}", &claims].map(azure_core::base64::encode_url_safe);
    format!("{header}.{claims}.S3CRET-SIGNATURE")
}

impl World {
    pub(super) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            secret: String::new(),
            sts_error: None,
            authority: (200, String::new()),
            token_seconds: 3599,
            tokens: 0,
            refusal: None,
            blobs: Vec::new(),
            page: 5000,
            cut_at: None,
            shift: 0,
        }));
        let shared = state.clone();
        let server = Server::start(move |request| answer(&mut shared.lock().unwrap(), request)).await;
        state.lock().unwrap().secret = format!("AccountName=acc;AccountKey=UzNDUkVULUtFWQ==;BlobEndpoint={}/acc", server.address);
        Self { server, state }
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    pub(super) fn holds(&self, names: &[&str]) {
        let blob = |name: &&str| Blob { name: (*name).to_owned(), bytes: name.as_bytes().to_vec(), ..Blob::default() };
        self.set(|state| state.blobs = names.iter().map(blob).collect());
    }

    fn aws(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(cloud::http_client())
            .region(Region::new("eu-west-1"))
            .endpoint_url(&self.server.address)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "S3CRET-KEY", None, None, "test")))
            .build()
    }

    pub(super) fn by_secret(&self) -> Access {
        let config = AzureConfig { container: "transactions".into(), secret_id: "azure".into(), ..AzureConfig::default() };
        Access::new(&config, &self.aws())
    }

    pub(super) fn by_federation(&self) -> Access {
        let config = AzureConfig {
            container: "transactions".into(),
            tenant_id: TENANT.into(),
            client_id: CLIENT.into(),
            account: "acc".into(),
            blob_endpoint: format!("{}/acc", self.server.address),
            authority_host: format!("{}/", self.server.address),
            ..AzureConfig::default()
        };
        Access::new(&config, &self.aws())
    }
}

fn answer(state: &mut State, request: &Request) -> Answer {
    if !request.header("x-amz-target").is_empty() {
        let body = serde_json::json!({"Name": "azure", "SecretString": state.secret});
        return Answer { status: 200, body: body.to_string().into_bytes(), ..Answer::default() };
    }
    if request.body.contains("Action=GetWebIdentityToken") {
        return sts(state);
    }
    if request.path.ends_with("/oauth2/v2.0/token") {
        return authority(state);
    }
    store(state, request)
}

fn sts(state: &State) -> Answer {
    let (status, body) = match state.sts_error {
        Some(code) => {
            (403, format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"))
        }
        None => {
            let token = format!("<WebIdentityToken>{}</WebIdentityToken>", assertion());
            let result =
                format!("<GetWebIdentityTokenResult>{token}<Expiration>2026-11-25T12:00:00Z</Expiration></GetWebIdentityTokenResult>");
            (
                200,
                format!(
                    "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{result}</GetWebIdentityTokenResponse>"
                ),
            )
        }
    };
    Answer { status, body: body.into_bytes(), ..Answer::default() }
}

fn authority(state: &mut State) -> Answer {
    let (status, body) = match &state.authority {
        (200, body) if body.is_empty() => {
            state.tokens += 1;
            let token = format!("S3CRET-TOKEN-{}", state.tokens);
            (200, serde_json::json!({"token_type": "Bearer", "expires_in": state.token_seconds, "access_token": token}).to_string())
        }
        given => given.clone(),
    };
    Answer { status, body: body.into_bytes(), ..Answer::default() }
}

fn store(state: &State, request: &Request) -> Answer {
    let refused = |status: u16, code: &str, mut headers: Vec<Header>| {
        headers.push(("x-ms-error-code", code.to_owned()));
        // The real store repeats what was signed in its answer, too.
        Answer { status, headers, body: format!("<Error>{}?{}</Error>", request.path, request.query).into_bytes(), ..Answer::default() }
    };
    if let Some((status, code, headers)) = &state.refusal {
        return refused(*status, code, headers.clone());
    }
    let is_allowed = match request.header("authorization") {
        "" => request.field("sig").as_deref() == Some("S3CRET-SIG"),
        bearer if bearer.starts_with("Bearer ") => bearer == format!("Bearer S3CRET-TOKEN-{}", state.tokens),
        shared_key => shared_key.starts_with("SharedKey acc:"),
    };
    if !is_allowed {
        return refused(403, "AuthenticationFailed", Vec::new());
    }
    let Some(path) = request.path.strip_prefix("/acc/transactions") else { return refused(404, "ContainerNotFound", Vec::new()) };
    if request.field("comp").as_deref() == Some("list") {
        return list(state, request);
    }
    let name = decoded(path.strip_prefix('/').unwrap_or_default());
    let Some(blob) = state.blobs.iter().find(|blob| blob.name == name) else { return refused(404, "BlobNotFound", Vec::new()) };
    let etag = etag(blob);
    if !matches!(request.header("if-match"), "" | "*") && request.header("if-match") != etag {
        return refused(412, "ConditionNotMet", Vec::new());
    }
    let mut headers = vec![
        ("etag", etag),
        ("x-ms-request-id", "7f0b1c1e-0000-4000-8000-00000000000c".to_owned()),
        ("date", "Wed, 25 Nov 2026 12:00:00 GMT".to_owned()),
        ("x-ms-creation-time", "Wed, 25 Nov 2026 10:00:00 GMT".to_owned()),
        ("last-modified", "Wed, 25 Nov 2026 11:00:00 GMT".to_owned()),
        ("x-ms-blob-type", "BlockBlob".to_owned()),
        ("x-ms-server-encrypted", "true".to_owned()),
    ];
    if !blob.encoding.is_empty() {
        headers.push(("content-encoding", blob.encoding.to_owned()));
    }
    if blob.is_folder {
        headers.push(("x-ms-meta-hdi_isfolder", "true".to_owned()));
    }
    if request.method == "HEAD" {
        headers.push(("content-length", blob.bytes.len().to_string()));
        return Answer { status: 200, headers, ..Answer::default() };
    }
    // As Azurite does.
    if !request.header("x-ms-range-get-content-crc64").is_empty() {
        return refused(500, "FeatureNotSupported", Vec::new());
    }
    let asked = request.header("x-ms-range").strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap();
    let [start, last] = [asked.0, asked.1].map(|end| end.parse::<usize>().unwrap());
    let body = blob.bytes[start..=last.min(blob.bytes.len() - 1)].to_vec();
    let from = start as u64 + state.shift;
    headers.push(("content-range", format!("bytes {from}-{}/{}", from + body.len() as u64 - 1, blob.bytes.len())));
    Answer { status: 206, headers, body, cut_at: state.cut_at }
}

pub(super) fn etag(blob: &Blob) -> String {
    format!("\"0x{:X}{:X}\"", blob.bytes.len(), blob.name.len())
}

fn list(state: &State, request: &Request) -> Answer {
    let prefix = request.field("prefix").unwrap_or_default();
    let from: usize = request.field("marker").map_or(0, |marker| marker.parse().unwrap());
    let found: Vec<_> = state.blobs.iter().filter(|blob| blob.name.starts_with(&prefix)).collect();
    let mut body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>".to_owned();
    for blob in found.iter().skip(from).take(state.page) {
        let name = blob.name.replace('&', "&amp;").replace('<', "&lt;");
        let metadata = if blob.is_folder { "<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>" } else { "<Metadata />" };
        body.push_str(&format!(
            "<Blob><Name>{name}</Name><Properties><Creation-Time>Wed, 25 Nov 2026 10:00:00 GMT</Creation-Time>\
             <Last-Modified>Wed, 25 Nov 2026 11:00:00 GMT</Last-Modified><Etag>{}</Etag><Content-Length>{}</Content-Length>\
             <Content-Type>application/json</Content-Type><Content-Encoding>{}</Content-Encoding><Content-Language />\
             <Content-MD5>rL0Y20zC+Fzt72VPzMSk2A==</Content-MD5><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>\
             <LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted>\
             </Properties>{metadata}<OrMetadata /></Blob>",
            etag(blob).trim_matches('"'),
            blob.bytes.len(),
            blob.encoding
        ));
    }
    let next = from + state.page;
    let marker = if next < found.len() { next.to_string() } else { String::new() };
    body.push_str(&format!("</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"));
    let headers = vec![
        ("x-ms-request-id", "7f0b1c1e-0000-4000-8000-00000000000c".to_owned()),
        ("date", "Wed, 25 Nov 2026 12:00:00 GMT".to_owned()),
        ("content-type", "application/xml".to_owned()),
    ];
    Answer { status: 200, headers, body: body.into_bytes(), ..Answer::default() }
}

/// What a path says once its percent signs are undone.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        (rest, _) = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                (after, bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()))
            }
            _ => (after, bytes.push(*first)),
        };
    }
    String::from_utf8(bytes).unwrap()
}
