//! S3 in memory, for tests: whole objects, ranges of them and multipart uploads, with S3's own checks of what it is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, HttpClient, Region, RequestChecksumCalculation, RuntimeComponents};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::result::ConnectorError;
use crc_fast::CrcAlgorithm::Crc64Nvme;

use crate::bucket::Bucket;
use crate::checksum::{base64_crc, composite};
use crate::upload::Part;

/// The objects, the uploads under way, and what was asked.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    begun: usize,
    requests: Vec<String>,
    faults: Vec<(String, Fault)>,
    keeps_composites: bool,
}

#[derive(Debug, Default)]
struct Object {
    bytes: Vec<u8>,
    crc64: Option<String>,
}

#[derive(Debug, Default)]
struct Upload {
    key: String,
    parts: BTreeMap<usize, Vec<u8>>,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with this status, and nothing is done.
    Refused(u16),
    /// It is done, and its answer is lost.
    Lost,
    /// Its bytes arrive with one of them changed.
    Flipped,
}

/// What a request is answered with.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    fn error(status: u16, code: &str) -> Self {
        Self::of(status, format!("<Error><Code>{code}</Code></Error>"))
    }
}

impl Memory {
    /// As the local emulator does: the checksum of an object in parts is one of their checksums.
    pub fn keeping_composites(self) -> Self {
        self.lock().keeps_composites = true;
        self
    }

    /// The bucket `bucket` of this store.
    pub fn bucket(&self) -> Bucket {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url("http://s3.test")
            .force_path_style(true)
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            .sleep_impl(aws_sdk_s3::config::SharedAsyncSleep::new(crate::memory::NoSleep))
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .http_client(self.clone())
            .build();
        Bucket::new(aws_sdk_s3::Client::from_conf(config), "bucket".to_owned())
    }

    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.lock().objects.get(key).map(|object| object.bytes.clone())
    }

    pub fn keys(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    /// Uploads that are neither completed nor aborted.
    pub fn uploads_under_way(&self) -> usize {
        self.lock().uploads.len()
    }

    /// Forgets them, as a lifecycle rule does.
    pub fn forget_uploads(&self) {
        self.lock().uploads.clear();
    }

    pub fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        self.lock().objects.insert(key.to_owned(), Object { bytes: bytes.into(), crc64: None });
    }

    pub fn put_json(&self, key: &str, value: &impl serde::Serialize) {
        self.put(key, serde_json::to_vec(value).unwrap_or_default());
    }

    pub fn remove(&self, key: &str) {
        self.lock().objects.remove(key);
    }

    /// Lets the next request whose line (method, key, query, range) contains `what` go wrong; several for several requests.
    pub fn fail(&self, what: &str, fault: Fault) {
        self.lock().faults.push((what.to_owned(), fault));
    }

    /// Method, key, query and range of every request since the last time.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().requests)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tests do not wait between tries.
#[derive(Debug)]
struct NoSleep;

impl aws_sdk_s3::config::AsyncSleep for NoSleep {
    fn sleep(&self, _: std::time::Duration) -> aws_sdk_s3::config::Sleep {
        aws_sdk_s3::config::Sleep::new(std::future::ready(()))
    }
}

impl HttpClient for Memory {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Memory {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut state = self.lock();
        let address = request.uri().strip_prefix("http://s3.test/bucket").unwrap_or_default().trim_start_matches('/').to_owned();
        let (key, query) = address.split_once('?').unwrap_or((&address, ""));
        let key = &decoded(key);
        // The SDK names each operation in the query as well.
        let query = query.split('&').filter(|pair| !pair.starts_with("x-id=")).collect::<Vec<_>>().join("&");
        let range = request.headers().get("range").unwrap_or_default();
        let line = [request.method(), key, &query, range].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        state.requests.push(line.clone());
        let fault = state.faults.iter().position(|(what, _)| line.contains(what.as_str())).map(|at| state.faults.remove(at).1);
        if let Some(Fault::Refused(status)) = fault {
            return respond(request.method(), Answer::error(status, "SlowDown"));
        }
        let mut body = request.body().bytes().unwrap_or_default().to_vec();
        if let (Some(Fault::Flipped), Some(byte)) = (fault, body.first_mut()) {
            *byte ^= 1;
        }
        let answer = state.answer(&request, key, &query, range, body);
        if fault == Some(Fault::Lost) {
            return HttpConnectorFuture::ready(Err(ConnectorError::io("the connection was reset".into())));
        }
        respond(request.method(), answer)
    }
}

/// A key as it was before it was made part of an address.
fn decoded(key: &str) -> String {
    let mut parts = key.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(u8::from_str_radix(digits, 16).ok());
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn respond(method: &str, answer: Answer) -> HttpConnectorFuture {
    let length = answer.body.len().to_string();
    let body = if method == "HEAD" { Vec::new() } else { answer.body };
    let status =
        answer.status.try_into().unwrap_or(aws_smithy_runtime_api::http::StatusCode::try_from(500).unwrap_or_else(|_| unreachable!()));
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-length", length);
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value);
    }
    HttpConnectorFuture::ready(Ok(response))
}

const CRC_HEADER: &str = "x-amz-checksum-crc64nvme";

impl State {
    fn answer(&mut self, request: &HttpRequest, key: &str, query: &str, range: &str, body: Vec<u8>) -> Answer {
        let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
        let claimed = request.headers().get(CRC_HEADER).map(str::to_owned);
        let upload_id = parameter("uploadId");
        match (request.method(), upload_id) {
            ("GET", None) if query.contains("list-type=2") => self.list(&parameter("prefix").unwrap_or_default()),
            ("POST", None) => self.create(key),
            ("PUT", Some(id)) => self.upload_part(&id, parameter("partNumber"), claimed, body),
            ("POST", Some(id)) => self.complete(&id, claimed, request.headers().get("x-amz-mp-object-size")),
            ("DELETE", Some(id)) => match self.uploads.remove(&id) {
                Some(_) => Answer::of(204, ""),
                None => Answer::error(404, "NoSuchUpload"),
            },
            ("PUT", None) => {
                if request.headers().get("if-none-match").is_some() && self.objects.contains_key(key) {
                    return Answer::error(412, "PreconditionFailed");
                }
                let crc64 = base64_crc(crc_fast::checksum(Crc64Nvme, &body));
                if claimed.is_some_and(|claimed| claimed != crc64) {
                    return Answer::error(400, "BadDigest");
                }
                self.objects.insert(key.to_owned(), Object { bytes: body, crc64: Some(crc64) });
                Answer::of(200, "")
            }
            _ => self.get(key, range),
        }
    }

    fn get(&self, key: &str, range: &str) -> Answer {
        let Some(object) = self.objects.get(key) else { return Answer::error(404, "NoSuchKey") };
        let length = object.bytes.len();
        let (start, end) = match range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) {
            None => (0, length),
            Some((start, last)) => (start.parse().unwrap_or(0), last.parse::<usize>().map_or(length, |last| length.min(last + 1))),
        };
        let mut answer = Answer::of(200, object.bytes.get(start..end).unwrap_or_default());
        answer.headers.extend(object.crc64.clone().map(|crc64| (CRC_HEADER, crc64)));
        answer
    }

    /// All of them on one page, in the order of their keys.
    fn list(&self, prefix: &str) -> Answer {
        let prefix = decoded(prefix);
        let listed = self.objects.keys().filter(|key| key.starts_with(&prefix)).map(|key| format!("<Contents><Key>{key}</Key></Contents>"));
        let body = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>", listed.collect::<String>());
        Answer::of(200, body)
    }

    fn create(&mut self, key: &str) -> Answer {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        self.uploads.insert(id.clone(), Upload { key: key.to_owned(), parts: BTreeMap::new() });
        let kind = if self.keeps_composites { "COMPOSITE" } else { "FULL_OBJECT" };
        let body = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
        Answer { headers: vec![("x-amz-checksum-type", kind.to_owned())], ..Answer::of(200, body) }
    }

    fn upload_part(&mut self, id: &str, number: Option<String>, claimed: Option<String>, body: Vec<u8>) -> Answer {
        let Some(upload) = self.uploads.get_mut(id) else { return Answer::error(404, "NoSuchUpload") };
        let crc64 = base64_crc(crc_fast::checksum(Crc64Nvme, &body));
        if claimed.is_some_and(|claimed| claimed != crc64) {
            return Answer::error(400, "BadDigest");
        }
        let number: usize = number.and_then(|number| number.parse().ok()).unwrap_or_default();
        upload.parts.insert(number, body);
        Answer { headers: vec![("etag", format!("\"{id}-{number}\""))], ..Answer::of(200, "") }
    }

    fn complete(&mut self, id: &str, claimed: Option<String>, size: Option<&str>) -> Answer {
        let Some(upload) = self.uploads.get(id) else { return Answer::error(404, "NoSuchUpload") };
        let parts: Vec<Part> = upload.parts.values().map(|bytes| Part::of_bytes(bytes)).collect();
        let bytes = upload.parts.values().flatten().copied().collect::<Vec<u8>>();
        let crc64 = match self.keeps_composites {
            true => composite(&parts.iter().collect::<Vec<_>>()),
            false => base64_crc(crc_fast::checksum(Crc64Nvme, &bytes)),
        };
        if claimed.is_some_and(|claimed| claimed != crc64) {
            return Answer::error(400, "BadDigest");
        }
        if size.is_some_and(|size| size != bytes.len().to_string()) {
            return Answer::error(400, "InvalidRequest");
        }
        let key = upload.key.clone();
        self.uploads.remove(id);
        self.objects.insert(key, Object { bytes, crc64: Some(crc64.clone()) });
        let body = format!("<CompleteMultipartUploadResult><ChecksumCRC64NVME>{crc64}</ChecksumCRC64NVME></CompleteMultipartUploadResult>");
        Answer::of(200, body)
    }
}
