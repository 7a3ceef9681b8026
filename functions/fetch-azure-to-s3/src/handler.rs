//! Pins what the run works on: the contract in force, the customers, one version of the transactions.

use std::sync::Arc;
use std::time::Instant;

use aws_config::SdkConfig;
use cloud::bucket::Bucket;
use cloud::metrics::{Metric, Metrics};
use cloud::upload::part_bytes;
use pipeline::manifest::{
    CONTRACT_OVERRIDE_KEY, ContractRef, CustomersRef, Inputs, LAST_SUCCESS_KEY, LastSuccess, RawManifest, RunId, RunInput,
};
use serde::{Deserialize, Serialize};
use tracing::{Instrument, info, info_span};

use crate::azure::{Access, Store};
use crate::config::Config;
use crate::copy::{Copied, Job, copy};
use crate::error::Error;
use crate::pinned::{Pinned, PinnedBlob};
use crate::progress::{Deadline, Progress, megabytes_per_second};
use crate::ranges::{AzureBlobs, RANGE_BYTES};
use crate::replay;
use crate::retry::{Budget, Fault, retrying};
use crate::source::{self, Source};

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

/// What the state machine goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// The sources are pinned, and the splits can be cleaned.
    Fetched,
    /// The time of the call is over before the copy is: the same request goes on.
    Continue,
    /// Nothing has changed since the last successful run, and the run need not go on.
    Unchanged,
    /// There is no blob, and there need not be one.
    Empty,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Response {
    run_id: RunId,
    outcome: Outcome,
    /// Null unless fetched, as is the next but two.
    raw_manifest: Option<String>,
    bytes: u64,
    splits: usize,
    /// Where the Map reads its items: as the payload of a state they would have to fit into 256 KiB.
    splits_key: Option<String>,
    /// How far an unfinished copy is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    copied_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total_bytes: Option<u64>,
    /// The run that has loaded what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since_run: Option<RunId>,
}

impl Response {
    /// Of a run without splits.
    fn of(run_id: RunId, outcome: Outcome) -> Self {
        Self {
            run_id,
            outcome,
            raw_manifest: None,
            bytes: 0,
            splits: 0,
            splits_key: None,
            copied_bytes: None,
            total_bytes: None,
            since_run: None,
        }
    }

    fn fetched(run_id: RunId, raw_manifest: String, raw: &RawManifest) -> Self {
        let splits_key = Some(run_id.splits_key());
        let (bytes, splits) = (raw.bytes, raw.splits.len());
        Self { raw_manifest: Some(raw_manifest), bytes, splits, splits_key, ..Self::of(run_id, Outcome::Fetched) }
    }
}

/// `ends` is when the call has to be over: milliseconds since 1970.
pub(crate) async fn handle(deps: &Deps, request: Request, ends: u64) -> Result<Response, Error> {
    let span = info_span!("fetch", run_id = %request.run_id);
    let started = Instant::now();
    let response = fetch(deps, request, Deadline::of_call(ends)).instrument(span).await?;
    let seconds = Metric::Seconds("Seconds", started.elapsed().as_secs_f64());
    deps.metrics.report(response.run_id.as_str(), Some(("State", "FetchTransactions")), &[seconds]);
    Ok(response)
}

async fn fetch(deps: &Deps, request: Request, deadline: Deadline) -> Result<Response, Error> {
    let Request { run_id, started_at, input } = request;
    // A second call for the same run finds what the first one pinned, even if a source has changed since.
    if let Some(inputs) = deps.bucket.get_json_optional::<Inputs>(&run_id.inputs_key()).await? {
        let raw = deps.bucket.get_json(&inputs.raw_manifest).await?;
        info!("the sources of this run are pinned already");
        return Ok(Response::fetched(run_id, inputs.raw_manifest, &raw));
    }
    if let Some(ended) = deps.bucket.get_json_optional(&run_id.ended_key()).await? {
        info!("this run has ended already");
        return Ok(ended);
    }
    let input = RunInput::read(input).map_err(Error::InputInvalid)?;
    if input.replay.as_ref() == Some(&run_id) {
        return Err(Error::ReplaysItself(run_id));
    }
    let contract = pin_contract(deps, &run_id).await?;
    let customers = pin_customers(deps).await?;
    let (raw_manifest, raw) = match &input.replay {
        Some(of) => replay::take_up(&deps.bucket, &run_id, of, deps.config.split_bytes).await?,
        None => {
            let fetching = Fetching { deps, run_id: &run_id, input: &input, contract: &contract, customers: &customers, deadline };
            match fetching.transactions(&started_at).await? {
                Transactions::Copied(raw_manifest, raw) => (raw_manifest, *raw),
                Transactions::Unfinished(response) => return Ok(response),
                Transactions::Ended(response) => {
                    deps.bucket.put_json(&run_id.ended_key(), &response).await?;
                    return Ok(response);
                }
            }
        }
    };
    deps.bucket.put_json(&run_id.splits_key(), &split_items(&run_id, raw.splits.len())).await?;
    let inputs = Inputs { run_id: run_id.clone(), input, started_at, contract, customers, raw_manifest };
    deps.bucket.put_json(&run_id.inputs_key(), &inputs).await?;
    Ok(Response::fetched(run_id, inputs.raw_manifest, &raw))
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

/// What a run's transactions have come to.
enum Transactions {
    /// The key of the manifest, and what stands there.
    Copied(String, Box<RawManifest>),
    Unfinished(Response),
    /// The run need not go on.
    Ended(Response),
}

/// What decides about a run's transactions.
struct Fetching<'f> {
    deps: &'f Deps,
    run_id: &'f RunId,
    input: &'f RunInput,
    contract: &'f ContractRef,
    customers: &'f CustomersRef,
    deadline: Deadline,
}

impl Fetching<'_> {
    /// The transactions' bytes in S3, copied unless this version is there already.
    async fn transactions(&self, started_at: &str) -> Result<Transactions, Error> {
        let Self { deps, run_id, .. } = self;
        let budget = Arc::new(Budget::new());
        let source = source::resolve(&deps.config, self.input, started_at)?;
        let (store, pinned) = self.pin(&source, deps.access.open().await?, &budget).await?;
        if pinned.blobs.is_empty() {
            if !self.input.allow_empty.unwrap_or(deps.config.allow_empty) {
                return Err(source.missing(&pinned.uri));
            }
            info!(uri = pinned.uri, "there is no blob, and there need not be one");
            return Ok(Transactions::Ended(Response::of((*run_id).clone(), Outcome::Empty)));
        }
        let version = pinned.version_name();
        if let Some(since) = self.unchanged_since(&version).await? {
            info!(version, %since, "nothing has changed since the last successful run");
            let response = Response { since_run: Some(since), ..Response::of((*run_id).clone(), Outcome::Unchanged) };
            return Ok(Transactions::Ended(response));
        }
        self.copy(store, &pinned, version, budget).await
    }

    /// The blobs as they stand now, or as a former call of this run has found them.
    async fn pin(&self, source: &Source, mut store: Store, budget: &Budget) -> Result<(Store, Pinned), Error> {
        if let Some(pinned) = self.deps.bucket.get_json_optional(&self.run_id.pinned_key()).await? {
            return Ok((store, pinned));
        }
        let find = async |store: &Store| retrying(budget, || async { source.blobs(store).await.map_err(Fault::from) }).await;
        let found = match find(&store).await {
            Err(refused @ Error::SourceForbidden { .. }) => {
                store = store.renewed().await?.ok_or(refused)?;
                find(&store).await?
            }
            found => found?,
        };
        let blobs = found.into_iter().map(|found| PinnedBlob { uri: store.uri(&found.name), found }).collect();
        let uri = source.uri(&store);
        Ok((store, Pinned { uri, blobs }))
    }

    /// The last successful run, if it has loaded these very sources under this very contract, and that is reason enough to end.
    async fn unchanged_since(&self, version: &str) -> Result<Option<RunId>, Error> {
        // Who asks for a plan wants to see it; whatever the deployment's default.
        let by_default = self.deps.config.skip_unchanged && !self.input.plan;
        if !self.input.skip_unchanged.unwrap_or(by_default) {
            return Ok(None);
        }
        let last: Option<LastSuccess> = self.deps.bucket.get_json_optional(LAST_SUCCESS_KEY).await?;
        Ok(last.filter(|last| is_unchanged(last, version, self.customers, self.contract)).map(|last| last.run_id))
    }

    async fn copy(&self, store: Store, pinned: &Pinned, version: String, budget: Arc<Budget>) -> Result<Transactions, Error> {
        let Self { deps, run_id, deadline, .. } = *self;
        let total = pinned.bytes();
        let progress = Progress::new(total, budget.clone());
        let job = Job {
            bucket: &deps.bucket,
            pinned,
            version,
            split_bytes: deps.config.split_bytes,
            range_bytes: RANGE_BYTES,
            part_bytes: part_bytes(total),
            deadline,
            budget,
            progress,
        };
        let manifest_key = job.manifest_key();
        if let Some(raw) = deps.bucket.get_json_optional(&manifest_key).await? {
            info!(version = job.version, "this version of the transactions is in S3 already");
            return Ok(Transactions::Copied(manifest_key, Box::new(raw)));
        }
        let started = Instant::now();
        let found = pinned.blobs.iter().map(|blob| blob.found.clone()).collect();
        let copied = copy(&job, AzureBlobs::new(store, found)).await;
        let (fetched, retries) = (job.progress.fetched(), job.budget.spent());
        let figures = [Metric::Bytes("BytesFetched", fetched), Metric::Count("Retries", u64::from(retries))];
        deps.metrics.report(run_id.as_str(), None, &figures);
        let mb_per_s = megabytes_per_second(fetched, started.elapsed());
        match copied? {
            Copied::Whole(raw) => {
                deps.bucket.put_json(&manifest_key, &raw).await?;
                let RawManifest { version, bytes, records, splits, .. } = raw.as_ref();
                info!(version, bytes, records, splits = splits.len(), fetched, mb_per_s, retries, "transactions copied");
                Ok(Transactions::Copied(manifest_key, raw))
            }
            Copied::Partly => {
                // All calls copy the same, whatever becomes of the source meanwhile.
                deps.bucket.put_json(&run_id.pinned_key(), pinned).await?;
                let copied = job.progress.copied();
                info!(copied, total, fetched, mb_per_s, retries, "the next call goes on with the copy");
                let response = Response::of(run_id.clone(), Outcome::Continue);
                Ok(Transactions::Unfinished(Response { copied_bytes: Some(copied), total_bytes: Some(total), ..response }))
            }
        }
    }
}

fn is_unchanged(last: &LastSuccess, version: &str, customers: &CustomersRef, contract: &ContractRef) -> bool {
    last.source_version == version && last.customers == *customers && last.contract_sha256 == contract.sha256
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
    fn an_answer_says_what_the_state_machine_goes_on_with() {
        let run_id = || RunId::try_from("run-1".to_owned()).unwrap();
        let check = |response: Response, expected: serde_json::Value| {
            assert_eq!(serde_json::to_value(&response).unwrap(), expected);
            assert_eq!(serde_json::from_value::<Response>(expected).unwrap(), response);
        };
        let none = json!({"run_id": "run-1", "outcome": "empty", "raw_manifest": null, "bytes": 0, "splits": 0, "splits_key": null});
        check(Response::of(run_id(), Outcome::Empty), none.clone());
        let with = |outcome: &str, fields: serde_json::Value| {
            let mut answer = none.clone();
            answer["outcome"] = json!(outcome);
            answer.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            answer
        };
        let since_run = Some(RunId::try_from("run-0".to_owned()).unwrap());
        let unchanged = Response { since_run, ..Response::of(run_id(), Outcome::Unchanged) };
        check(unchanged, with("unchanged", json!({"since_run": "run-0"})));
        let unfinished = Response { copied_bytes: Some(3), total_bytes: Some(7), ..Response::of(run_id(), Outcome::Continue) };
        check(unfinished, with("continue", json!({"copied_bytes": 3, "total_bytes": 7})));
    }

    #[test]
    fn unchanged_is_what_has_the_same_sources_and_the_same_contract() {
        let customers = |etag: &str| CustomersRef {
            uri: "s3://b/k".into(),
            bucket: "b".into(),
            key: "k".into(),
            etag: etag.into(),
            version_id: None,
            bytes: 1,
        };
        let contract = |sha256: &str| ContractRef { key: "runs/r/contract.odcs.yaml".into(), sha256: sha256.into(), version: "1".into() };
        let last = LastSuccess {
            run_id: RunId::try_from("run-0".to_owned()).unwrap(),
            source_version: "v1".into(),
            customers: customers("e1"),
            contract_sha256: "c1".into(),
        };
        let check = |version, etag, sha256, expected| {
            assert_eq!(is_unchanged(&last, version, &customers(etag), &contract(sha256)), expected, "{version} {etag} {sha256}");
        };
        check("v1", "e1", "c1", true);
        check("v2", "e1", "c1", false);
        check("v1", "e2", "c1", false);
        check("v1", "e1", "c2", false);
    }
}
