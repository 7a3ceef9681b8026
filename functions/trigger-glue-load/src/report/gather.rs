//! What a run has left in the bucket, and what Glue knows of it.

use cloud::bucket::Bucket;
use futures::StreamExt;
use futures::stream;
use pipeline::manifest::{Inputs, Part, RawManifest, RunId, RunManifest};
use pipeline::profile::Profile;
use report::evidence::Evidence;
use serde::de::DeserializeOwned;

use super::known;
use crate::config::{Config, LoadMode};
use crate::glue;
use crate::load::Load;

/// So many objects are read at once.
pub(super) const SIDE_BY_SIDE: usize = 16;

/// To the evidence, which has the execution, what else there is.
pub(super) async fn gather(bucket: &Bucket, glue: &aws_sdk_glue::Client, config: &Config, run_id: &RunId, evidence: Evidence) -> Evidence {
    let inputs: Option<Inputs> = read(bucket, &run_id.inputs_key()).await;
    let manifest: Option<RunManifest> = read(bucket, &run_id.manifest_key()).await;
    let plan = match &inputs {
        Some(inputs) => known("the contract", cloud::contract::pinned(bucket, &inputs.contract).await),
        None => None,
    };
    let is_raw_new = match &inputs {
        Some(inputs) => written_since(bucket, &inputs.raw_manifest, evidence.execution.started).await,
        None => false,
    };
    let (raw, parts): (Option<RawManifest>, Vec<Part>) = match (manifest, &inputs) {
        (Some(manifest), _) => (Some(manifest.transactions), manifest.parts),
        (None, Some(inputs)) => (read(bucket, &inputs.raw_manifest).await, read_all(bucket, &prefix_of(&run_id.part_key(0))).await),
        (None, None) => (None, Vec::new()),
    };
    let profiles: Vec<Profile> = read_all(bucket, &prefix_of(&run_id.profile_key(0))).await;
    let profiled = profiles.len();
    let profile = profiles.into_iter().reduce(|mut all, one| {
        all.merge(one);
        all
    });
    Evidence {
        inputs,
        raw,
        is_raw_new,
        plan,
        parts,
        profile,
        profiled,
        glue_dpu_seconds: dpu_seconds(bucket, glue, config, run_id).await,
        ..evidence
    }
}

async fn dpu_seconds(bucket: &Bucket, client: &aws_sdk_glue::Client, config: &Config, run_id: &RunId) -> Option<f64> {
    let load: Load = read(bucket, &run_id.load_key()).await?;
    if load.mode != LoadMode::Glue {
        return None;
    }
    known("what Glue has used", glue::used(client, &config.glue_job_name, run_id).await).flatten()
}

/// S3 tells the whole second.
async fn written_since(bucket: &Bucket, key: &str, millis: i64) -> bool {
    let head = known(key, bucket.head(key).await).flatten();
    head.and_then(|head| head.last_modified).is_some_and(|at| at.secs() >= millis.div_euclid(1000))
}

/// An object that may not be there.
pub(super) async fn read<T: DeserializeOwned>(bucket: &Bucket, key: &str) -> Option<T> {
    known(key, bucket.get_json_optional(key).await).flatten()
}

/// The objects below a prefix, in the order of their keys.
async fn read_all<T: DeserializeOwned>(bucket: &Bucket, prefix: &str) -> Vec<T> {
    let keys = known(prefix, bucket.list(prefix).await).unwrap_or_default();
    let read = stream::iter(keys).map(|key| async move { read(bucket, &key).await });
    read.buffered(SIDE_BY_SIDE).filter_map(std::future::ready).collect().await
}

/// The folder of a key.
fn prefix_of(key: &str) -> String {
    key.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"))
}
