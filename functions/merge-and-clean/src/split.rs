//! One split from S3 to S3: reading, merging and writing go on side by side, and the books are written last, as the commit point.

use std::io::{self, Write};
use std::time::Instant;

use cloud::bucket::{Bucket, Pin};
use cloud::pipe::{self, Drained};
use cloud::upload::{Upload, Uploaded};
use pipeline::contract::Plan;
use pipeline::ledger::Ledger;
use pipeline::manifest::{CustomersRef, Inputs, Part, RawManifest, RunId, Written, hex};
use pipeline::mask::Masker;
use pipeline::merge::{Job, MergeError, Merged, Sinks, merge};
use pipeline::profile::Profile;
use pipeline::replay::Places;
use pipeline::split::Split;
use tracing::info;

use crate::error::Error;
use crate::handler::Deps;

/// Cleans one split, unless that is done already.
pub(crate) async fn clean(deps: &Deps, run_id: &RunId, split: u32) -> Result<(), Error> {
    let bucket = &deps.bucket;
    if bucket.head(&run_id.part_key(split)).await?.is_some() {
        info!("this split is done already");
        return Ok(());
    }
    let inputs: Inputs = bucket.get_json(&run_id.inputs_key()).await?;
    let raw: RawManifest = bucket.get_json(&inputs.raw_manifest).await?;
    let plan = cloud::contract::pinned(bucket, &inputs.contract).await?;
    let Some(range) = raw.splits.get(split as usize).copied() else {
        return Err(Error::RunIncomplete { split, splits: raw.splits.len() });
    };
    let masker = deps.masker(&plan).await?;
    let places = places(bucket, &raw, range).await?;

    let started = Instant::now();
    let streams = Streams { bucket, run_id, split, inputs: &inputs, raw: &raw, range };
    let (merged, clean, quarantine) = streams.merge(plan, masker, places).await;
    let balanced = merged.and_then(|(ledger, profile)| match ledger.balance() {
        Ok(()) => Ok((ledger, profile)),
        Err(unbalanced) => Err(Error::LedgerMismatch { split, unbalanced }),
    });
    let (ledger, profile) = match balanced {
        Ok(made) => made,
        Err(error) => {
            // An upload that failed is the cause, and the merge's broken pipe its echo.
            let causes = [clean.abort().await, quarantine.abort().await];
            return Err(causes.into_iter().flatten().next().map_or(error, Error::from));
        }
    };
    let part = Part { split, clean: written(clean.finish().await?), quarantine: written(quarantine.finish().await?), ledger };
    if let Some(profile) = profile {
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        bucket.put_json(&run_id.profile_key(split), &Profile { millis, ..profile }).await?;
    }
    bucket.put_json(&run_id.part_key(split), &part).await?;
    let rows = &part.ledger.transactions;
    info!(read = rows.read, clean = rows.clean, quarantined = rows.quarantined, bytes = part.clean.bytes, "split merged and cleaned");
    Ok(())
}

/// What a merge comes to beside its files.
type Made = (Ledger, Option<Profile>);

struct Streams<'s> {
    bucket: &'s Bucket,
    run_id: &'s RunId,
    split: u32,
    inputs: &'s Inputs,
    raw: &'s RawManifest,
    range: Split,
}

impl<'s> Streams<'s> {
    /// The merge works on threads of its own; here the bytes are fetched for it and taken from it.
    async fn merge(&self, plan: Plan, masker: Masker, places: Option<Places>) -> (Result<Made, Error>, Drained<'s>, Drained<'s>) {
        let (customers_feed, customers) = pipe::source();
        let (transactions_feed, transactions) = pipe::source();
        let (clean_sink, clean_drain) = pipe::sink();
        let (quarantine_sink, quarantine_drain) = pipe::sink();
        let [transactions_uri, customers_uri] = [&self.raw.uri, &self.inputs.customers.uri].map(Clone::clone);
        let (format, offset, is_first) = (self.raw.format_of(&self.range), self.range.start, self.split == 0);
        let merging = tokio::task::spawn_blocking(move || {
            let job = Job {
                transactions_uri: &transactions_uri,
                customers_uri: &customers_uri,
                places: places.as_ref(),
                is_first,
                threads: std::thread::available_parallelism().map_or(1, usize::from),
                ..Job::new(&plan, &masker, format, offset)
            };
            let sinks = Sinks { clean: clean_sink, quarantine: quarantine_sink };
            let Merged { mut sinks, ledger, profile } = merge(&job, customers, transactions, sinks)?;
            for sink in [&mut sinks.clean, &mut sinks.quarantine] {
                sink.flush().map_err(|e| MergeError::Parquet(e.into()))?;
            }
            Ok((ledger, profile))
        });
        let upload = |key| Upload::new(self.bucket, key);
        let customers = self.bucket.sibling(&self.inputs.customers.bucket);
        let (merged, (), (), clean, quarantine) = tokio::join!(
            merging,
            customers_feed.object(&customers, &self.inputs.customers.key, None, pin(&self.inputs.customers)),
            transactions_feed.object(self.bucket, &self.raw.raw_key, Some((self.range.start, self.range.end)), Pin::default()),
            clean_drain.into_upload(upload(self.run_id.clean_key(self.split))),
            quarantine_drain.into_upload(upload(self.run_id.quarantine_key(self.split))),
        );
        let merged = merged.unwrap_or(Err(MergeError::Died)).map_err(|error| match error {
            // What could not be read has its own name.
            MergeError::Read { uri, source } => {
                pipe::cause(source).map_or_else(|source| Error::Merge(MergeError::Read { uri, source }), Error::from)
            }
            error => error.into(),
        });
        (merged, clean, quarantine)
    }
}

/// Where the records of a split stand in their source, if they were taken out of it.
async fn places(bucket: &Bucket, raw: &RawManifest, split: Split) -> Result<Option<Places>, Error> {
    let Some(replay) = &raw.replay else { return Ok(None) };
    let key = &replay.places_key;
    let (feed, list) = pipe::source();
    let reading = tokio::task::spawn_blocking(move || Places::read(list, &split));
    let (read, ()) = tokio::join!(reading, feed.object(bucket, key, None, Pin::default()));
    let places = read.map_err(|_| MergeError::Died)?.map_err(|error| match error.is_io() {
        true => pipe::cause(io::Error::from(error))
            .map_or_else(|source| Error::Merge(MergeError::Read { uri: bucket.uri(key), source }), Error::from),
        false => cloud::Error::ObjectInvalid { bucket: bucket.name().to_owned(), key: key.clone(), source: error }.into(),
    })?;
    Ok(Some(places))
}

fn pin(customers: &CustomersRef) -> Pin {
    match &customers.version_id {
        Some(version) => Pin { version_id: Some(version.clone()), etag: None },
        None => Pin { etag: Some(customers.etag.clone()), version_id: None },
    }
}

fn written(uploaded: Uploaded) -> Written {
    Written { key: uploaded.key, bytes: uploaded.bytes, sha256: hex(&uploaded.sha256) }
}
