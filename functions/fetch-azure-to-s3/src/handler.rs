//! Pins what the run works on: the contract in force, the customers, one version of the transactions.

use std::time::Instant;

use aws_config::SdkConfig;
use cloud::bucket::Bucket;
use cloud::metrics::{Metric, Metrics};
use pipeline::manifest::{CONTRACT_OVERRIDE_KEY, ContractRef, CustomersRef, Inputs, RawManifest, RunId, RunInput, hex, raw_prefix};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::{Instrument, info, info_span};

use crate::azure::{Access, Found, Version};
use crate::config::Config;
use crate::copy::copy;
use crate::error::Error;
use crate::{replay, source};

/// The contract the function was built with.
const SHIPPED_CONTRACT: &[u8] = include_bytes!("../../../contract.odcs.yaml");

pub(crate) struct Deps {
    config: Config,
    bucket: Bucket,
    customers: Bucket,
    metrics: Metrics,
    access: Access,
}

impl Deps {
    pub(crate) fn new(config: Config, aws: &SdkConfig) -> Self {
        let bucket = Bucket::new(aws_sdk_s3::Client::new(aws), config.data_bucket.clone());
        let customers = bucket.sibling(&config.customers_bucket);
        let metrics = Metrics::new(config.pipeline_name.clone());
        let access = Access::new(&config.azure, aws);
        Self { config, bucket, customers, metrics, access }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    run_id: RunId,
    /// When the execution started: RFC 3339.
    started_at: String,
    /// The execution's own input, as a person or the schedule gave it.
    input: serde_json::Value,
}

/// One item of the Map over the splits.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct SplitItem<'r> {
    run_id: &'r RunId,
    split: usize,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Response {
    run_id: RunId,
    raw_manifest: String,
    bytes: u64,
    splits: usize,
    /// Where the Map reads its items: as the payload of a state they would have to fit into 256 KiB.
    splits_key: String,
}

pub(crate) async fn handle(deps: &Deps, request: Request) -> Result<Response, Error> {
    let span = info_span!("fetch", run_id = %request.run_id);
    let started = Instant::now();
    let response = fetch(deps, request).instrument(span).await?;
    let seconds = Metric::Seconds("Seconds", started.elapsed().as_secs_f64());
    deps.metrics.report(response.run_id.as_str(), Some(("State", "FetchTransactions")), &[seconds]);
    Ok(response)
}

async fn fetch(deps: &Deps, request: Request) -> Result<Response, Error> {
    let Request { run_id, started_at, input } = request;
    // A second call for the same run finds what the first one pinned, even if a source has changed since.
    if let Some(inputs) = deps.bucket.get_json_optional::<Inputs>(&run_id.inputs_key()).await? {
        let raw = deps.bucket.get_json(&inputs.raw_manifest).await?;
        info!("the sources of this run are pinned already");
        return Ok(response(run_id, inputs.raw_manifest, &raw));
    }
    let input = RunInput::read(input).map_err(Error::InputInvalid)?;
    if input.replay.as_ref() == Some(&run_id) {
        return Err(Error::ReplaysItself(run_id));
    }
    let contract = pin_contract(deps, &run_id).await?;
    let customers = pin_customers(deps).await?;
    let (raw_manifest, raw) = match &input.replay {
        Some(of) => replay::take_up(&deps.bucket, &run_id, of, deps.config.split_bytes).await?,
        None => fetch_transactions(deps, &run_id, &input, &started_at).await?,
    };
    deps.bucket.put_json(&run_id.splits_key(), &split_items(&run_id, raw.splits.len())).await?;
    let inputs = Inputs { run_id: run_id.clone(), input, started_at, contract, customers, raw_manifest };
    deps.bucket.put_json(&run_id.inputs_key(), &inputs).await?;
    Ok(response(run_id, inputs.raw_manifest, &raw))
}

fn response(run_id: RunId, raw_manifest: String, raw: &RawManifest) -> Response {
    let splits_key = run_id.splits_key();
    Response { run_id, raw_manifest, bytes: raw.bytes, splits: raw.splits.len(), splits_key }
}

fn split_items(run_id: &RunId, splits: usize) -> Vec<SplitItem<'_>> {
    (0..splits).map(|split| SplitItem { run_id, split }).collect()
}

/// Copies the contract in force to the run, which obeys this copy from now on.
async fn pin_contract(deps: &Deps, run_id: &RunId) -> Result<ContractRef, Error> {
    let overriding = deps.bucket.get_optional(CONTRACT_OVERRIDE_KEY).await?;
    let (uri, bytes) = match &overriding {
        Some(bytes) => (deps.bucket.uri(CONTRACT_OVERRIDE_KEY), bytes.as_ref()),
        None => ("contract.odcs.yaml, as built into the function,".to_owned(), SHIPPED_CONTRACT),
    };
    let plan = cloud::contract::compile(&uri, bytes)?;
    let key = run_id.contract_key();
    deps.bucket.put(&key, bytes.to_vec()).await?;
    info!(version = plan.version, sha256 = plan.sha256, "contract pinned");
    Ok(ContractRef { key, sha256: plan.sha256, version: plan.version })
}

async fn pin_customers(deps: &Deps) -> Result<CustomersRef, Error> {
    let key = deps.config.customers_key.clone();
    let bucket = &deps.customers;
    let uri = bucket.uri(&key);
    let Some(head) = bucket.head(&key).await? else {
        return Err(Error::SourceMissing(format!(
            "{uri} does not exist: upload the customers there, or correct the parameters CustomersBucketName and CustomersKey"
        )));
    };
    let bytes = head.content_length.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    if bytes == 0 {
        return Err(Error::SourceEmpty { uri });
    }
    // A bucket without versioning answers the word null.
    let version_id = head.version_id.filter(|id| id != "null");
    Ok(CustomersRef { uri, bucket: bucket.name().to_owned(), key, etag: head.e_tag.unwrap_or_default(), version_id, bytes })
}

/// The transactions' bytes in S3, copied unless this version is there already.
async fn fetch_transactions(deps: &Deps, run_id: &RunId, input: &RunInput, started_at: &str) -> Result<(String, RawManifest), Error> {
    let config = &deps.config;
    let source = source::resolve(config, input, started_at)?;
    let store = deps.access.open().await?;
    let Some(Found { name: blob_name, version }) = source.blobs(&store).await?.into_iter().next() else {
        return Err(source.missing(&source.uri(&store)));
    };
    let blob = store.blob(&blob_name);
    if version.bytes == 0 {
        return Err(Error::SourceEmpty { uri: blob.uri });
    }
    let name = version_name(&blob.uri, &version);
    let prefix = raw_prefix(&name);
    // Where a version is cut depends on this parameter, too. Cut anew, the same bytes are written to the same place once more.
    let manifest_key = format!("{prefix}manifest-{}.json", config.split_bytes);
    if let Some(raw) = deps.bucket.get_json_optional(&manifest_key).await? {
        info!(version = name, "this version of the transactions is in S3 already");
        return Ok((manifest_key, raw));
    }
    let file_name = blob_name.rsplit('/').next().unwrap_or("transactions.json");
    let raw = copy(&blob, &version, &name, &deps.bucket, format!("{prefix}{file_name}"), config.split_bytes).await?;
    deps.bucket.put_json(&manifest_key, &raw).await?;
    deps.metrics.report(run_id.as_str(), None, &[Metric::Bytes("BytesFetched", raw.bytes)]);
    info!(version = name, bytes = raw.bytes, records = raw.records, splits = raw.splits.len(), "transactions copied");
    Ok((manifest_key, raw))
}

/// A name that keys can carry, one per blob and version of it.
fn version_name(uri: &str, version: &Version) -> String {
    let md5 = version.md5.map(|md5| hex(&md5)).unwrap_or_default();
    let identity = format!("{uri}\n{}\n{}\n{md5}", version.etag, version.bytes);
    hex(&Sha256::digest(identity.as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::contract::Plan;
    use serde_json::json;

    #[test]
    fn reads_the_state_machines_payload() {
        let read = |run_id| serde_json::from_value::<Request>(json!({"run_id": run_id, "started_at": "2026-01-01T02:00:00Z", "input": {}}));
        assert_eq!(read("run-1").unwrap().run_id.as_str(), "run-1");
        assert!(read("a/../b").is_err());
    }

    #[test]
    fn an_input_is_empty_or_says_what_a_run_can_do() {
        let check = |input, expected: Option<RunInput>| assert_eq!(RunInput::read(input).ok(), expected);
        let replay = RunId::try_from("run-1".to_owned()).unwrap();
        check(json!({}), Some(RunInput::default()));
        check(json!({"plan": true}), Some(RunInput { plan: true, ..RunInput::default() }));
        check(json!({"replay": "run-1"}), Some(RunInput { replay: Some(replay), ..RunInput::default() }));
        check(json!({"plan": "yes"}), None);
        check(json!({"replay": "a/../b"}), None);
        check(json!({"Plan": true}), None);
        check(json!([true]), None);
        // What Step Functions' console writes into the box.
        let console = RunInput::read(json!({"Comment": "Insert your JSON here"})).unwrap();
        assert_eq!((console.plan, console.replay), (false, None));
    }

    #[test]
    fn the_maps_items_are_what_a_split_needs_to_know() {
        let run_id = RunId::try_from("run-1".to_owned()).unwrap();
        let items = serde_json::to_string(&split_items(&run_id, 2)).unwrap();
        assert_eq!(items, r#"[{"run_id":"run-1","split":0},{"run_id":"run-1","split":1}]"#);
    }

    #[test]
    fn the_contract_in_the_function_is_valid() {
        assert_eq!(Plan::compile(SHIPPED_CONTRACT).map(|plan| plan.target.table), Ok("customer_transactions".to_owned()));
    }

    #[test]
    fn another_version_has_another_name() {
        let version = |etag: &str, md5| Version { etag: etag.into(), bytes: 3, md5, modified_at: String::new(), content_encoding: None };
        let names = [
            version_name("https://a/b/c", &version("1", None)),
            version_name("https://a/b/c", &version("2", None)),
            version_name("https://a/b/d", &version("1", None)),
            version_name("https://a/b/c", &version("1", Some([0; 16]))),
        ];
        for (i, name) in names.iter().enumerate() {
            assert!(!names[..i].contains(name), "{names:?}");
        }
    }
}
