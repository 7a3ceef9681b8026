mod server;
mod world;

use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use self::world::{Blob as Stored, CLIENT, ISSUER, SECRETS, SUBJECT, TENANT, World, assertion, etag};
use super::*;
use crate::error::advice;

/// A blob's bytes by ranges of `step`.
async fn read(blob: &Blob, version: &Version, step: u64) -> azure_core::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < version.bytes {
        let start = bytes.len() as u64;
        let mut body = blob.open_range(version, start..version.bytes.min(start + step)).await?;
        while let Some(chunk) = body.next().await {
            bytes.extend(chunk?);
        }
    }
    Ok(bytes)
}

/// An error has the name, says all the parts, says what to do, and holds nothing secret, however it is printed.
fn check(error: &Error, name: &str, parts: &[&str]) {
    let sentence = cloud::error::sentence(error);
    assert_eq!(error.name(), name, "{sentence}");
    for part in parts {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    assert!(advice(&sentence).is_some(), "{sentence}");
    assert!(sentence.len() < 1000 && !sentence.contains('\n'), "{sentence}");
    for secret in SECRETS {
        assert!(!sentence.contains(secret) && !format!("{error:?}").contains(secret), "{sentence} {error:?}");
    }
}

fn sas(world: &World, fields: &str) -> String {
    format!("BlobEndpoint={}/acc;SharedAccessSignature={fields}&sig=S3CRET-SIG", world.server.address)
}

fn refuse(world: &World, status: u16, code: &'static str) {
    world.set(|state| state.refusal = Some((status, code, Vec::new())));
}

const ODD_NAMES: [&str; 12] = [
    "plain.json",
    "a/b/c.json",
    "with space.json",
    "100%.json",
    "100%25.json",
    "a#b.json",
    "a?sig=x.json",
    "a+b&c=d.json",
    "Überweisungen/日本.json",
    "a//b.json",
    "'quoted' (1);,@!$*~.json",
    "back\\slash|<>\"{}^`.json",
];

#[tokio::test]
async fn every_name_leads_to_its_own_blob() {
    let world = World::start().await;
    world.holds(&ODD_NAMES);
    for access in [world.by_secret(), world.by_federation()] {
        let store = access.open().await.unwrap();
        let mut uris = BTreeSet::new();
        for name in ODD_NAMES {
            let found = store.find(name).await.unwrap().unwrap_or_else(|| panic!("{name}"));
            let blob = store.blob(name);
            assert_eq!(String::from_utf8(read(&blob, &found.version, 5).await.unwrap()).unwrap(), name);
            assert!(blob.uri.starts_with(&format!("{}/acc/transactions/", world.server.address)), "{}", blob.uri);
            assert!(uris.insert(blob.uri), "{name}");
        }
        assert_eq!(store.find("100%2525.json").await.unwrap(), None);
        assert_eq!(store.find("with+space.json").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_prefix_is_all_its_blobs_in_order_however_many_pages() {
    let world = World::start().await;
    let folder = |name: &str, is_folder| Stored { name: name.into(), is_folder, ..Stored::default() };
    let blob = |name: &str, encoding| Stored { name: name.into(), bytes: vec![7; 20], encoding, ..Stored::default() };
    world.set(|state| {
        state.page = 2;
        state.blobs = vec![
            folder("day", true),
            folder("day/1", true),
            blob("day/1/z & <y>.json", ""),
            folder("day/old/", false),
            blob("day/b.json.gz", "gzip"),
            blob("day/Überweisung + 100%.json", ""),
            blob("day/a.json", ""),
            blob("other/a.json", ""),
        ];
    });
    let store = world.by_secret().open().await.unwrap();
    let found = store.list("day").await.unwrap();
    let names: Vec<_> = found.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["day/1/z & <y>.json", "day/a.json", "day/b.json.gz", "day/Überweisung + 100%.json"]);
    let expected = Version {
        etag: etag(&blob("day/b.json.gz", "")),
        bytes: 20,
        md5: Some([0xac, 0xbd, 0x18, 0xdb, 0x4c, 0xc2, 0xf8, 0x5c, 0xed, 0xef, 0x65, 0x4f, 0xcc, 0xc4, 0xa4, 0xd8]),
        modified_at: "2026-11-25T11:00:00Z".into(),
        content_encoding: Some("gzip".into()),
    };
    assert_eq!(found[2].version, expected);
    // What a list says of a blob is what the blob says, and opens it.
    let alone = store.find("day/b.json.gz").await.unwrap().unwrap().version;
    assert_eq!(Version { md5: None, ..expected.clone() }, alone);
    assert_eq!(read(&store.blob("day/b.json.gz"), &expected, 8).await.unwrap(), vec![7; 20]);
    assert_eq!(store.list("").await.unwrap().len(), 5);
    assert_eq!(store.list("none/").await.unwrap(), []);
    check(&store.find("day/1").await.unwrap_err(), "SourceMissing", &["day/1 is a folder"]);
}

#[tokio::test]
async fn a_list_that_cannot_be_loaded_is_refused() {
    let world = World::start().await;
    let store = world.by_secret().open().await.unwrap();
    for name in ["day/a/../b.json", "day/c/"] {
        world.holds(&["day/a.json", name]);
        check(&store.list("day/").await.unwrap_err(), "SourceMalformed", &[name, "cannot be asked for"]);
    }
    let names: Vec<_> = (0..=MOST_BLOBS).map(|n| format!("day/{n:05}.json")).collect();
    world.holds(&names.iter().map(String::as_str).collect::<Vec<_>>());
    check(&store.list("day/").await.unwrap_err(), "SourceMalformed", &["/acc/transactions/day/ holds more than 10000 blobs"]);
    world.set(|state| state.blobs.truncate(MOST_BLOBS));
    assert_eq!(store.list("day/").await.unwrap().len(), MOST_BLOBS);
}

#[tokio::test]
async fn a_range_is_of_the_version_that_was_found_and_asked_for_once() {
    let world = World::start().await;
    world.holds(&["t.json"]);
    let store = world.by_secret().open().await.unwrap();
    let (blob, version) = (store.blob("t.json"), store.find("t.json").await.unwrap().unwrap().version);
    read(&blob, &version, 1).await.unwrap();
    assert_eq!(world.server.connections.load(Ordering::Relaxed), 2, "one for the secret, one for the store");
    assert!(world.server.requests.lock().unwrap().iter().filter(|r| r.method == "GET").all(|r| r.header("if-match") == version.etag));

    let asked = |world: &World| world.server.requests.lock().unwrap().len();
    let before = asked(&world);
    world.set(|state| state.refusal = Some((503, "ServerBusy", vec![("retry-after", "3".to_owned())])));
    let busy = blob.open_range(&version, 0..3).await.err().unwrap();
    let expected = Failure { status: Some(503), retry_after: Some(Duration::from_secs(3)), is_transient: true };
    assert_eq!((failure(&busy), asked(&world)), (expected, before + 1));
    let explained = blob.explain(busy, "reading it");
    check(&explained, "SourceUnavailable", &[&blob.uri, "reading it", "ServerBusy"]);
    assert_eq!(failure(&explained), expected);
    assert_eq!(failure(&store.list("t").await.unwrap_err()), expected);

    world.set(|state| (state.refusal, state.shift) = (None, 1));
    assert!(failure(&blob.open_range(&version, 0..3).await.err().unwrap()).is_transient);
    world.set(|state| (state.cut_at, state.shift) = (Some(2), 0));
    assert!(failure(&read(&blob, &version, 4).await.unwrap_err()).is_transient);
    world.set(|state| {
        state.cut_at = None;
        state.blobs[0].bytes.push(b'!');
    });
    check(&blob.explain(read(&blob, &version, 4).await.unwrap_err(), "reading it"), "SourceChanged", &[&blob.uri]);
}

#[tokio::test]
async fn a_refusal_says_which_key_of_which_door() {
    let world = World::start().await;
    world.holds(&["t.json"]);
    let [by_key, by_token] = [world.by_secret().open().await.unwrap(), world.by_federation().open().await.unwrap()];
    let missing_container = |uri: &str| [format!("{uri} does not exist"), "no container `transactions`".to_owned()];
    refuse(&world, 404, "ContainerNotFound");
    for error in [by_key.find("t.json").await.unwrap_err(), by_key.list("t").await.unwrap_err()] {
        let uri = format!("{}/acc/transactions/t", world.server.address);
        assert!(cloud::error::sentence(&error).starts_with(&uri), "{error}");
        check(&error, "SourceMissing", &[&missing_container("")[1], "correct the parameter AzureContainer"]);
    }
    let past = Timestamp::now() - jiff::SignedDuration::from_hours(48);
    let soon = Timestamp::now() + jiff::SignedDuration::from_hours(48);
    world.set(|state| (state.refusal, state.secret) = (None, sas(&world, &format!("sv=1&se={past}"))));
    let by_past = world.by_secret().open().await.unwrap();
    world.set(|state| state.secret = sas(&world, &format!("sv=1&se={soon}")));
    let by_sas = world.by_secret().open().await.unwrap();
    for (store, code, expected) in [
        (&by_key, "AuthenticationFailed", "Access keys"),
        (&by_key, "AuthorizationFailure", "Access keys to Secrets Manager, or let the function in"),
        (&by_key, "KeyBasedAuthenticationNotPermitted", "choose federation"),
        (&by_past, "AuthenticationFailed", &format!("expired on {}", past.strftime("%Y-%m-%d"))),
        (&by_past, "AuthorizationFailure", "expired on "),
        (&by_sas, "AuthenticationFailed", "is wrong or revoked"),
        (&by_sas, "AuthorizationPermissionMismatch", "permissions Read and List"),
        (&by_token, "AuthorizationPermissionMismatch", "Storage Blob Data Reader"),
        (&by_token, "InvalidAuthenticationInfo", "AzureTenantId"),
    ] {
        refuse(&world, 403, code);
        check(&store.find("t.json").await.unwrap_err(), "SourceForbidden", &["/acc/transactions/t.json", code, expected]);
        check(&store.list("t").await.unwrap_err(), "SourceForbidden", &["/acc/transactions/t", code, expected]);
    }
    refuse(&world, 409, "BlobArchived");
    check(&by_key.find("t.json").await.unwrap_err(), "SourceForbidden", &["BlobArchived", "Change tier"]);
    world.set(|state| (state.refusal, state.secret) = (None, "AccountName=acc;AccountKey=S3CRET-KEY".to_owned()));
    let no_base64 = world.by_secret().open().await.unwrap();
    check(&no_base64.find("t.json").await.unwrap_err(), "SourceForbidden", &["no base64"]);
}

#[tokio::test]
async fn a_store_that_is_away_is_named_with_its_blob() {
    let world = World::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.set(|state| state.secret = format!("BlobEndpoint=http://{nobody}/acc;SharedAccessSignature=sv=1&sig=S3CRET-SIG"));
    let store = world.by_secret().open().await.unwrap();
    let error = store.find("a?b.json").await.unwrap_err();
    check(&error, "SourceUnavailable", &[&format!("http://{nobody}/acc/transactions/a%3Fb.json"), "asking for its properties"]);
    assert!(failure(&error).is_transient);
}

#[tokio::test]
async fn a_rotated_secret_opens_the_store_anew() {
    let world = World::start().await;
    world.holds(&["t.json"]);
    world.set(|state| state.secret = sas(&world, "sv=1").replace("S3CRET-SIG", "old"));
    let store = world.by_secret().open().await.unwrap();
    check(&store.find("t.json").await.unwrap_err(), "SourceForbidden", &["AuthenticationFailed"]);
    assert!(store.renewed().await.unwrap().is_none());
    world.set(|state| state.secret = sas(&world, "sv=1"));
    let renewed = store.renewed().await.unwrap().unwrap();
    assert!(renewed.find("t.json").await.unwrap().is_some());
    assert!(renewed.renewed().await.unwrap().is_none());
}

#[tokio::test]
async fn the_functions_own_identity_is_exchanged_for_a_token() {
    let world = World::start().await;
    world.holds(&["t.json"]);
    let access = world.by_federation();
    for _ in 0..2 {
        let store = access.open().await.unwrap();
        assert!(store.find("t.json").await.unwrap().is_some());
        assert_eq!(store.list("t").await.unwrap().len(), 1);
    }
    let requests = world.server.requests.lock().unwrap().clone();
    let asked: Vec<_> = requests.iter().filter(|request| request.method == "POST").collect();
    assert_eq!(asked.len(), 2, "one assertion, one token, kept for the second run");
    let fields = |request: &server::Request, names: [&str; 4]| names.map(|name| request.field(name).unwrap_or_default());
    let vouched = fields(asked[0], ["Action", "Audience.member.1", "SigningAlgorithm", "DurationSeconds"]);
    assert_eq!(vouched, ["GetWebIdentityToken", "api://AzureADTokenExchange", "RS256", "300"]);
    assert_eq!(asked[1].path, format!("/{TENANT}/oauth2/v2.0/token"));
    let exchanged = fields(asked[1], ["grant_type", "client_id", "scope", "client_assertion"]);
    assert_eq!(exchanged, ["client_credentials", CLIENT, "https://storage.azure.com/.default", &assertion()]);
    assert_eq!(asked[1].field("client_assertion_type").unwrap(), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
}

#[tokio::test]
async fn a_token_is_replaced_before_it_ends() {
    let world = World::start().await;
    world.holds(&["t.json"]);
    // Within the margin from its first moment.
    world.set(|state| state.token_seconds = 200);
    let store = world.by_federation().open().await.unwrap();
    assert!(store.find("t.json").await.unwrap().is_some());
    assert_eq!(world.state.lock().unwrap().tokens, 2);
    world.set(|state| state.token_seconds = 3599);
    let store = store.renewed().await.unwrap().unwrap();
    let version = store.find("t.json").await.unwrap().unwrap().version;
    let blob = store.blob("t.json");
    let ranges = futures::future::join_all((0..6).map(|at| blob.open_range(&version, at..at + 1))).await;
    assert!(ranges.iter().all(Result::is_ok));
    assert_eq!(world.state.lock().unwrap().tokens, 3, "kept once it is good for an hour");
    // The token loses its worth before its time.
    world.set(|state| state.tokens += 1);
    let refused = store.find("t.json").await.unwrap_err();
    check(&refused, "SourceForbidden", &["AuthenticationFailed"]);
    assert!(store.renewed().await.unwrap().unwrap().find("t.json").await.unwrap().is_some());
    // And one that cannot be replaced in the middle of a copy is a reason of its own.
    world.set(|state| (state.token_seconds, state.authority) = (10, (200, String::new())));
    let store = store.renewed().await.unwrap().unwrap();
    world.set(|state| state.authority = (503, String::new()));
    let blob = store.blob("t.json");
    let error = blob.open_range(&version, 0..3).await.err().unwrap();
    assert!(failure(&error).is_transient);
    check(&blob.explain(error, "reading it"), "SourceUnavailable", &["/oauth2/v2.0/token", "asking for a token", "503"]);
}

#[tokio::test]
async fn an_identity_that_is_not_taken_says_where_to_set_it_right() {
    let world = World::start().await;
    let access = world.by_federation();
    let denied =
        |number: u32| serde_json::json!({"error": "invalid_client", "error_description": format!("AADSTS{number}: {} no", assertion())});
    let uri = format!("{}/acc/transactions may not be read", world.server.address);
    for (status, body, parts) in [
        (400, denied(90002).to_string(), ["AADSTS90002", "AzureTenantId", "Directory (tenant) ID"]),
        (400, denied(700_016).to_string(), ["AADSTS700016", "AzureClientId", "App registrations"]),
        (401, denied(700_211).to_string(), ["AADSTS700211", ISSUER, "Federated credentials"]),
        (401, denied(700_213).to_string(), ["AADSTS700213", SUBJECT, "Federated credentials"]),
        (401, denied(7_002_138).to_string(), ["AADSTS7002138", SUBJECT, "Federated credentials"]),
        (401, denied(700_024).to_string(), ["AADSTS700024", "run it again", "issuer"]),
        (401, denied(123).to_string(), ["AADSTS123", "Sign-in logs", "what the app lacks"]),
        (400, "{\"error\": \"unauthorized_client\"}".to_owned(), ["unauthorized_client", "Sign-in logs", "what the app lacks"]),
        (404, "<html>".to_owned(), ["(404)", "Sign-in logs", "what the app lacks"]),
    ] {
        world.set(|state| state.authority = (status, body));
        let error = access.open().await.err().unwrap();
        check(&error, "SourceForbidden", &[&[uri.as_str()], &parts[..]].concat());
        assert!(!failure(&error).is_transient);
    }
    for (status, body, expected) in [
        (503, String::new(), "503"),
        (429, String::new(), "429"),
        (200, "{\"access_token\": \"S3CRET-TOKEN\"}".to_owned(), "its answer is no token"),
        (200, "S3CRET-TOKEN".to_owned(), "its answer is no token"),
    ] {
        world.set(|state| state.authority = (status, body));
        let error = access.open().await.err().unwrap();
        check(&error, "SourceUnavailable", &["/oauth2/v2.0/token", "asking for a token", expected]);
        assert!(failure(&error).is_transient);
    }
    for (code, expected) in [
        ("OutboundWebIdentityFederationDisabledException", "IAM, Account settings"),
        ("AccessDenied", "allow the function's role the action GetWebIdentityToken"),
    ] {
        world.set(|state| state.sts_error = Some(code));
        check(&access.open().await.err().unwrap(), "SourceForbidden", &[&uri, code, expected]);
    }
    world.set(|state| state.sts_error = Some("InternalFailure"));
    check(&access.open().await.err().unwrap(), "SourceUnavailable", &["AWS STS", "InternalFailure"]);
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The Azure crates write what they send to their trace log; the function's log at its finest level is without it.
#[tokio::test]
async fn no_log_holds_a_key_a_sas_or_a_token() {
    let sink = Sink::default();
    let writer = sink.clone();
    let _guard = tracing::subscriber::set_default(cloud::telemetry::subscriber(LevelFilter::TRACE, move || writer.clone()));
    let world = World::start().await;
    world.holds(&["t.json"]);
    for (way, access) in [world.by_secret(), world.by_secret(), world.by_federation()].into_iter().enumerate() {
        if way == 1 {
            let soon = Timestamp::now() + jiff::SignedDuration::from_hours(1);
            world.set(|state| state.secret = sas(&world, &format!("sv=1&se={soon}")));
        }
        let store = access.open().await.unwrap();
        let version = store.find("t.json").await.unwrap().unwrap().version;
        read(&store.blob("t.json"), &version, 4).await.unwrap();
        store.list("t").await.unwrap();
        refuse(&world, 403, "AuthenticationFailed");
        check(&store.find("t.json").await.unwrap_err(), "SourceForbidden", &[]);
        world.set(|state| state.refusal = None);
    }
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("the SAS in the secret expires at") && text.contains("token given by the authority"), "{text}");
    for secret in SECRETS {
        assert!(!text.contains(secret), "{text}");
    }
}
