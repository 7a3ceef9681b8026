//! HTTP/1.1 on loopback, as much as these tests need: whole requests in, whole answers out, connections kept open.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(super) type Header = (&'static str, String);

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    /// As it was sent, still encoded.
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<Header>,
    pub(super) body: Vec<u8>,
    /// Bytes after which the connection ends, if it ends early.
    pub(super) cut_at: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: String,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) requests: Arc<Mutex<Vec<Request>>>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// A field of the query, or of a form that was posted, decoded.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let fields = format!("http://x/?{}&{}", self.query, self.body);
        let url = azure_core::Url::parse(&fields).unwrap();
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { address, connections: Arc::default(), requests: Arc::default() };
        let (connections, requests, answer) = (server.connections.clone(), server.requests.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (requests, answer) = (requests.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut stream = stream;
                    while let Some(request) = read(&mut stream).await {
                        requests.lock().unwrap().push(request.clone());
                        if !write(&mut stream, &request, answer(&request)).await {
                            break;
                        }
                    }
                });
            }
        });
        server
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[head_end + 4..].to_vec()).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}

/// Whether the connection stays.
async fn write(stream: &mut TcpStream, request: &Request, answer: Answer) -> bool {
    let mut bytes = format!("HTTP/1.1 {} Answered\r\n", answer.status).into_bytes();
    for (name, value) in &answer.headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    if !answer.headers.iter().any(|(name, _)| *name == "content-length") {
        bytes.extend(format!("content-length: {}\r\n", answer.body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    if request.method != "HEAD" {
        bytes.extend(&answer.body[..answer.cut_at.unwrap_or(answer.body.len())]);
    }
    stream.write_all(&bytes).await.is_ok() && answer.cut_at.is_none()
}
