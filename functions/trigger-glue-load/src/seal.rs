//! The end of what can still be decided: all splits together, the gates, the SQL, and one manifest that says so for good.

use std::collections::BTreeMap;

use cloud::bucket::Bucket;
use pipeline::contract::Plan;
use pipeline::ledger::Ledger;
use pipeline::manifest::{Dialects, Inputs, Load, MANIFEST_FORMAT, Part, RawManifest, RunId, RunManifest, Staging, copy_manifest, hex};
use pipeline::sql::{Dialect, Evolution, LoadRun, load};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// A manifest that stands in S3.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) key: String,
    pub(crate) sha256: String,
}

/// What the splits of a run have left, checked together.
pub(crate) struct Gathered {
    inputs: Inputs,
    raw: RawManifest,
    parts: Vec<Part>,
    ledger: Ledger,
}

/// The manifest of a run that is sealed already.
pub(crate) async fn sealed(bucket: &Bucket, run_id: &RunId) -> Result<Option<(RunManifest, Sealed)>, Error> {
    let key = run_id.manifest_key();
    let Some(bytes) = bucket.get_optional(&key).await? else { return Ok(None) };
    let manifest = bucket.parse(&key, &bytes)?;
    Ok(Some((manifest, Sealed { key, sha256: hex(&Sha256::digest(&bytes)) })))
}

pub(crate) async fn gather(bucket: &Bucket, inputs: Inputs, plan: &Plan) -> Result<Gathered, Error> {
    let run_id = &inputs.run_id;
    let raw: RawManifest = bucket.get_json(&inputs.raw_manifest).await?;
    let mut parts = Vec::with_capacity(raw.splits.len());
    for split in 0..u32::try_from(raw.splits.len()).unwrap_or(u32::MAX) {
        let part: Option<Part> = bucket.get_json_optional(&run_id.part_key(split)).await?;
        parts.push(
            part.ok_or_else(|| Error::RunIncomplete(format!("split {split} of the run {run_id} has no books: run merge-and-clean on it")))?,
        );
    }
    let ledger = Ledger::total(parts.iter().map(|part| &part.ledger)).map_err(|e| Error::LedgerMismatch(e.to_string()))?;
    check(plan, &raw, &ledger, run_id, bucket.name())?;
    Ok(Gathered { inputs, raw, parts, ledger })
}

/// Seals the run, once: when another call was quicker, what it sealed counts.
pub(crate) async fn seal(
    bucket: &Bucket,
    gathered: Gathered,
    plan: &Plan,
    evolution: &Evolution,
    copy_role_arn: &str,
) -> Result<(RunManifest, Sealed), Error> {
    let manifest = assemble(bucket, gathered, plan, evolution, copy_role_arn).await?;
    let key = manifest.run_id.manifest_key();
    let bytes = bucket.to_json(&key, &manifest)?;
    let sha256 = hex(&Sha256::digest(&bytes));
    if bucket.put_once(&key, bytes).await? {
        return Ok((manifest, Sealed { key, sha256 }));
    }
    let first = sealed(bucket, &manifest.run_id).await?;
    first.ok_or_else(|| Error::RunIncomplete(format!("the manifest of the run {} came and went: start a new run", manifest.run_id)))
}

async fn assemble(
    bucket: &Bucket,
    gathered: Gathered,
    plan: &Plan,
    evolution: &Evolution,
    copy_role_arn: &str,
) -> Result<RunManifest, Error> {
    let Gathered { inputs, raw, parts, ledger } = gathered;
    let run_id = &inputs.run_id;
    let [clean_key, quarantine_key] = ["clean", "quarantine"].map(|what| run_id.copy_manifest_key(what));
    bucket.put_json(&clean_key, &copy_manifest(bucket.name(), parts.iter().map(|p| &p.clean))).await?;
    bucket.put_json(&quarantine_key, &copy_manifest(bucket.name(), parts.iter().map(|p| &p.quarantine))).await?;
    let run = LoadRun {
        plan,
        run_id,
        input: &inputs.input,
        started_at: &inputs.started_at,
        transactions: &raw,
        customers: &inputs.customers,
        ledger: &ledger,
        evolution,
        copy_manifests: &[bucket.uri(&clean_key), bucket.uri(&quarantine_key)],
        copy_role_arn,
    };
    let dialects = Dialects { postgres: load(Dialect::Postgres, &run)?, redshift: load(Dialect::Redshift, &run)? };
    let [rows, quarantine] = run_id.staging_tables();
    let staging = vec![
        Staging { table: rows, files: parts.iter().map(|p| bucket.uri(&p.clean.key)).collect() },
        Staging { table: quarantine, files: parts.iter().map(|p| bucket.uri(&p.quarantine.key)).collect() },
    ];
    Ok(RunManifest {
        format: MANIFEST_FORMAT.to_owned(),
        run_id: run_id.clone(),
        input: inputs.input,
        contract: inputs.contract,
        transactions: raw,
        customers: inputs.customers,
        parts,
        ledger,
        load: Load { staging, ddl: evolution.ddl(plan)?, dialects },
    })
}

/// What must hold before anything is loaded.
fn check(plan: &Plan, raw: &RawManifest, ledger: &Ledger, run_id: &RunId, bucket: &str) -> Result<(), Error> {
    let rows = &ledger.transactions;
    if rows.read != raw.records {
        return Err(Error::LedgerMismatch(format!("{} has {} records, and its splits have read {}", raw.uri, raw.records, rows.read)));
    }
    // The gates are for what a business sends. A replay takes up what was bad once, and may find it bad again.
    if raw.replay.is_some() {
        return Ok(());
    }
    if rows.read > 0 && rows.recognised == 0 {
        return Err(Error::SourceMalformed { uri: raw.uri.clone(), rows: rows.read });
    }
    if rows.read < plan.gates.min_rows {
        return Err(Error::QualityGateFailed(format!(
            "{} rows were read from {}, fewer than the contract's minRows of {}: see whether the source is whole, or lower minRows",
            rows.read, raw.uri, plan.gates.min_rows
        )));
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more")]
    let ratio = if rows.read == 0 { 0.0 } else { rows.quarantined as f64 / rows.read as f64 };
    let limit = plan.gates.max_quarantine_ratio;
    if ratio > limit {
        return Err(Error::QualityGateFailed(format!(
            "{} of {} rows of {} are quarantined ({:.2} %; most for {}), over the contract's maxQuarantineRatio of {limit}: \
             look at s3://{bucket}/{}, then mend the source or the contract",
            rows.quarantined,
            rows.read,
            raw.uri,
            ratio * 100.0,
            most_broken(&rows.quarantined_by_rule),
            run_id.quarantine_prefix(),
        )));
    }
    Ok(())
}

/// The three rules that most rows broke, with those rows: an error's cause has no room for more.
fn most_broken(by_rule: &BTreeMap<String, u64>) -> String {
    let mut rules: Vec<_> = by_rule.iter().collect();
    rules.sort_by_key(|(_, rows)| std::cmp::Reverse(**rows));
    rules.iter().take(3).map(|(rule, rows)| format!("{rule} {rows}")).collect::<Vec<_>>().join(", ")
}
