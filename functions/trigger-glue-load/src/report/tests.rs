use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use cloud::memory::Memory;
use pipeline::contract::Plan;
use pipeline::ledger::{Counts, Ledger};
use pipeline::manifest::{ContractRef, HISTORY_PREFIX, INDEX_KEY, Inputs, Part, Written};
use serde_json::{Value, json};

use super::*;
use crate::config::{Lineage, LoadMode, Memory as Megabytes};

const ARN: &str = "arn:aws:states:eu-west-1:123456789012:execution:crosstally-dev:nightly-1";

fn config() -> Config {
    Config {
        data_bucket: "bucket".into(),
        pipeline_name: "crosstally-dev".into(),
        load_mode: LoadMode::Glue,
        glue_job_name: "job".into(),
        workgroup: "w".into(),
        database: "dev".into(),
        warehouse_secret_arn: "s".into(),
        copy_role_arn: String::new(),
        memory: Megabytes { fetch: 1769, merge: 3008, trigger: 512 },
        prices: report::cost::Prices {
            lambda_gb_second: 0.00001,
            state_transition: 0.000025,
            glue_dpu_hour: 0.44,
            redshift_rpu_hour: 0.375,
        },
        base_rpus: Some(8.0),
        jdbc_url: "jdbc:postgresql://127.0.0.1:5432/dev".into(),
        lineage: Lineage { url: String::new(), api_key_secret_id: String::new() },
    }
}

fn run_id(name: &str) -> RunId {
    name.to_owned().try_into().unwrap()
}

/// Clients that reach nobody.
fn nobody() -> aws_config::SdkConfig {
    aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .http_client(cloud::http_client())
        .region(aws_config::Region::new("eu-west-1"))
        .endpoint_url(format!("http://{}", refusing()))
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .build()
}

/// An address where nobody listens.
fn refusing() -> std::net::SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

struct Shell {
    bucket: Bucket,
    config: Config,
    metrics: Metrics,
    glue: aws_sdk_glue::Client,
    steps: aws_sdk_sfn::Client,
    secrets: aws_sdk_secretsmanager::Client,
}

impl Shell {
    fn on(memory: &Memory, config: Config) -> Self {
        let aws = nobody();
        Self {
            bucket: memory.bucket(),
            config,
            metrics: Metrics::new("crosstally-dev".into()),
            glue: aws_sdk_glue::Client::new(&aws),
            steps: aws_sdk_sfn::Client::new(&aws),
            secrets: aws_sdk_secretsmanager::Client::new(&aws),
        }
    }

    /// What follows once the execution and its history have been read.
    async fn report(&self, evidence: impl Fn(Evidence) -> Evidence) -> Result<Reported, Error> {
        let (bucket, config, metrics) = (&self.bucket, &self.config, &self.metrics);
        let reporter = Reporter { bucket, config, metrics, glue: &self.glue, steps: &self.steps, secrets: &self.secrets };
        let mut history = History::read(bucket).await;
        let begun = evidence(Evidence { history: history.runs(), ..Evidence::of(execution(), reporter.setup()) });
        let id = begun.execution.run_id();
        let evidence = gather::gather(bucket, &self.glue, config, &id, begun).await;
        reporter.write(&id, &evidence, &mut history).await
    }
}

fn execution() -> report::evidence::Execution {
    report::evidence::Execution {
        arn: ARN.into(),
        status: "FAILED".into(),
        started: 1_795_658_400_000,
        ended: 1_795_658_460_000,
        redrives: 0,
        input: json!({}),
        output: None,
        error: Some("SourceMissing".into()),
        cause: Some(r#"{"errorType": "SourceMissing", "errorMessage": "there is no blob"}"#.into()),
    }
}

fn past(run_id: &str, started_at: &str) -> PastRun {
    PastRun {
        run_id: run_id.into(),
        started_at: started_at.into(),
        outcome: Outcome::Balanced,
        error: None,
        rows: None,
        seconds: 1.0,
        cost: 0.5,
        bytes: None,
        columns: Vec::new(),
    }
}

fn text(memory: &Memory, key: &str) -> String {
    String::from_utf8(memory.object(key).unwrap_or_else(|| panic!("{key} is missing"))).unwrap()
}

#[tokio::test]
async fn a_run_that_left_nothing_is_reported_all_the_same() {
    let memory = Memory::default();
    let reported = Shell::on(&memory, config()).report(|evidence| evidence).await.unwrap();
    let expected =
        Reported { run_id: run_id("nightly-1"), report: Some("runs/nightly-1/report.html".into()), outcome: Some(Outcome::Failed) };
    assert_eq!(reported, expected);
    let written = [
        "history/2026-11-26T02:00:00.000Z_nightly-1.json",
        "runs/index.html",
        "runs/nightly-1/openlineage.ndjson",
        "runs/nightly-1/report.html",
        "runs/nightly-1/report.json",
    ];
    assert_eq!(memory.keys(), written);
    assert!(text(&memory, "runs/nightly-1/report.html").contains("SourceMissing"));
    let report: Report = serde_json::from_str(&text(&memory, "runs/nightly-1/report.json")).unwrap();
    assert_eq!(report.verdict.error.unwrap().message, "there is no blob");
    let events: Vec<Value> = text(&memory, written[2]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().map(|event| &event["eventType"]).collect::<Vec<_>>(), ["START", "FAIL"]);
    assert!(text(&memory, INDEX_KEY).contains("nightly-1"));
}

#[tokio::test]
async fn what_the_splits_have_left_is_found_without_a_manifest() {
    let memory = Memory::default();
    let id = run_id("nightly-1");
    let contract = include_bytes!("../../../../contract.odcs.yaml");
    let plan = Plan::compile(contract).unwrap();
    let mut manifest = crate::balance::tests::manifest();
    manifest.transactions.splits = vec![pipeline::split::Split { start: 0, end: 1, records: 10, format: None }];
    let inputs = Inputs {
        run_id: id.clone(),
        input: manifest.input.clone(),
        started_at: "2026-11-26T02:00:00Z".into(),
        contract: ContractRef { key: id.contract_key(), sha256: plan.sha256.clone(), version: plan.version.clone() },
        customers: manifest.customers.clone(),
        raw_manifest: "raw/transactions/v/manifest-1.json".into(),
    };
    let written = Written { key: "k".into(), bytes: 1, sha256: String::new() };
    let rows = Counts { read: 10, clean: 10, recognised: 10, ..Counts::default() };
    let ledger = Ledger { transactions: rows, ..Ledger::default() };
    memory.put(&inputs.contract.key, contract);
    memory.put_json(&id.inputs_key(), &inputs);
    memory.put_json(&inputs.raw_manifest, &manifest.transactions);
    memory.put_json(&id.part_key(0), &Part { split: 0, clean: written.clone(), quarantine: written, ledger });
    // One that is no profile is as good as none.
    memory.put(&id.profile_key(0), "no json");
    Shell::on(&memory, config()).report(|evidence| evidence).await.unwrap();
    let report: Report = serde_json::from_str(&text(&memory, &id.report_key())).unwrap();
    assert_eq!(report.rows.map(|rows| rows.read), Some(10));
    assert_eq!(report.run.table.as_deref(), Some("analytics.customer_transactions"));
    assert_eq!((report.sources.len(), report.columns.len()), (2, 0));
    // A part that is missing makes the books worthless.
    memory.remove(&id.part_key(0));
    Shell::on(&memory, config()).report(|evidence| evidence).await.unwrap();
    let report: Report = serde_json::from_str(&text(&memory, &id.report_key())).unwrap();
    assert_eq!(report.rows, None);
}

#[tokio::test]
async fn the_page_of_all_runs_lists_the_newest() {
    let memory = Memory::default();
    for n in 0..210 {
        let started_at = format!("2026-01-01T00:{:02}:{:02}.000Z", n / 60, n % 60);
        let run = past(&format!("run-{n:03}"), &started_at);
        memory.put_json(&run_id(&run.run_id).history_key(&started_at), &run);
    }
    memory.put(&format!("{HISTORY_PREFIX}2026-01-02T00:00:00.000Z_broken.json"), "{");
    Shell::on(&memory, config()).report(|evidence| evidence).await.unwrap();
    let page = text(&memory, INDEX_KEY);
    let is_listed = |run: &str| page.contains(run);
    assert!(is_listed("nightly-1") && is_listed("run-209") && is_listed("run-012") && !is_listed("run-009"), "{page}");
    let report: Report = serde_json::from_str(&text(&memory, "runs/nightly-1/report.json")).unwrap();
    assert_eq!((report.history.len(), report.history[0].run_id.as_str()), (30, "run-209"));
}

/// What a run has cost is told once, and after a redrive what that has added.
#[tokio::test]
async fn a_run_stands_in_the_history_once() {
    let memory = Memory::default();
    let shell = Shell::on(&memory, config());
    let (bucket, config, metrics) = (&shell.bucket, &shell.config, &shell.metrics);
    let reporter = Reporter { bucket, config, metrics, glue: &shell.glue, steps: &shell.steps, secrets: &shell.secrets };
    let run = past("nightly-1", "2026-11-26T02:00:00.000Z");
    let key = run_id("nightly-1").history_key(&run.started_at);
    assert_eq!(reporter.note(&key, &run).await.unwrap(), 0.0);
    let redriven = PastRun { cost: 0.75, ..run };
    assert_eq!(reporter.note(&key, &redriven).await.unwrap(), 0.5);
    assert_eq!(reporter.note(&key, &redriven).await.unwrap(), 0.75);
    assert_eq!(memory.keys(), [key]);
}

/// Two reports at once: whichever writes the page last has both.
#[tokio::test]
async fn a_run_that_came_in_between_is_on_the_page() {
    let memory = Memory::default();
    let bucket = memory.bucket();
    let mut history = History::read(&bucket).await;
    history.insert(run_id("mine").history_key("2026-01-01T00:00:00.000Z"), past("mine", "2026-01-01T00:00:00.000Z"));
    let other = past("other-run", "2026-01-01T00:00:01.000Z");
    memory.put_json(&run_id("other-run").history_key(&other.started_at), &other);
    history.write_index().await.unwrap();
    let page = text(&memory, INDEX_KEY);
    assert!(page.contains("mine") && page.contains("other-run"), "{page}");
}

#[tokio::test]
async fn an_execution_that_cannot_be_read_is_no_report() {
    let memory = Memory::default();
    let shell = Shell::on(&memory, config());
    let reporter = Reporter {
        bucket: &shell.bucket,
        config: &shell.config,
        metrics: &shell.metrics,
        glue: &shell.glue,
        steps: &shell.steps,
        secrets: &shell.secrets,
    };
    let error = reporter.report(run_id("nightly-1"), ARN).await.unwrap_err();
    assert_eq!(error.name(), "ExecutionUnavailable");
    assert_eq!(memory.keys(), Vec::<String>::new());
}

/// Answers every request with a status, and hands on what came.
fn receiver(status: &'static str) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/api/v1/lineage", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if sender.send(request(&mut stream)).is_err() {
                break;
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, received)
}

/// Head and body, whose length the head has.
fn request(stream: &mut TcpStream) -> String {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut chunk).unwrap();
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let length = text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        let body = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
        if read == 0 || length.is_some_and(|length| body >= length) {
            return text;
        }
    }
}

fn lineage(url: String) -> Lineage {
    Lineage { url, api_key_secret_id: String::new() }
}

const SHORT: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(500)];

async fn sent(lineage: &Lineage) -> Result<(), String> {
    let secrets = aws_sdk_secretsmanager::Client::new(&nobody());
    send::send(&secrets, lineage, &[json!({"eventType": "START"}), json!({"eventType": "COMPLETE"})], SHORT).await
}

#[tokio::test]
async fn the_lineage_is_posted_event_by_event() {
    let (url, received) = receiver("201 Created");
    assert_eq!(sent(&lineage(url)).await, Ok(()));
    let requests: Vec<String> = received.try_iter().collect();
    assert_eq!(requests.len(), 2);
    for (request, event) in requests.iter().zip(["START", "COMPLETE"]) {
        assert!(request.starts_with("POST /api/v1/lineage HTTP/1.1"), "{request}");
        assert!(
            request.contains("content-type: application/json") && request.ends_with(&format!(r#"{{"eventType":"{event}"}}"#)),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_take_it_is_a_word_and_no_more() {
    assert_eq!(sent(&lineage(String::new())).await, Ok(()), "nobody to send it to");
    let (url, _received) = receiver("500 Internal Server Error");
    let check =
        |result: Result<(), String>, expected: &str| assert!(result.as_ref().is_err_and(|why| why.contains(expected)), "{result:?}");
    check(sent(&lineage(url)).await, "answers 500");
    // Whither a receiver leads on is nobody's to follow.
    let (url, _received) = receiver("307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/");
    check(sent(&lineage(url)).await, "answers 307");
    check(sent(&lineage(format!("http://{}/?key=secret", refusing()))).await, "cannot be reached");
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let started = Instant::now();
    check(sent(&lineage(format!("http://{}/", silent.local_addr().unwrap()))).await, "does not answer in time");
    assert!(started.elapsed() < Duration::from_secs(5));
    // The secret's own service is the one that cannot be reached here.
    let keyed = Lineage { url: "http://127.0.0.1:1/".into(), api_key_secret_id: "arn".into() };
    check(sent(&keyed).await, "the secret arn could not be read");
}

#[tokio::test]
async fn a_receiver_that_is_down_does_no_harm_to_the_report() {
    let memory = Memory::default();
    let url = format!("http://{}/secret-path", refusing());
    let config = Config { lineage: lineage(url), ..config() };
    let reported = Shell::on(&memory, config).report(|evidence| evidence).await.unwrap();
    assert_eq!(reported.outcome, Some(Outcome::Failed));
    assert!(memory.object(&run_id("nightly-1").report_page_key()).is_some());
}
