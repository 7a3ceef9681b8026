//! The end of what can still be decided: all splits together, the gates, the SQL, and one manifest that says so for good.

use std::collections::BTreeMap;

use cloud::bucket::{Bucket, Pin};
use pipeline::contract::Plan;
use pipeline::ledger::Ledger;
use pipeline::manifest::{Dialects, Inputs, Load, MANIFEST_FORMAT, Part, RawManifest, RunId, RunManifest, Staging, copy_manifest, hex};
use pipeline::sql::{Dialect, LoadRun, load};
use sha2::{Digest, Sha256};
use tracing::info;

use crate::error::Error;

/// A manifest that stands in S3.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) key: String,
    pub(crate) sha256: String,
}

/// Seals the run, once: a second call finds the first one's manifest.
pub(crate) async fn seal(bucket: &Bucket, run_id: &RunId, copy_role_arn: &str) -> Result<Sealed, Error> {
    let key = run_id.manifest_key();
    if let Some(bytes) = bucket.get_optional(&key).await? {
        info!("the run is sealed already");
        return Ok(Sealed { key, sha256: hex(&Sha256::digest(&bytes)) });
    }
    let manifest = assemble(bucket, run_id, copy_role_arn).await?;
    let bytes = bucket.to_json(&key, &manifest)?;
    let sha256 = hex(&Sha256::digest(&bytes));
    if bucket.put_once(&key, bytes).await? {
        return Ok(Sealed { key, sha256 });
    }
    // Another call of the same step was quicker; what it sealed counts.
    let bytes = bucket.get(&key, &Pin::default()).await?;
    Ok(Sealed { key, sha256: hex(&Sha256::digest(&bytes)) })
}

async fn assemble(bucket: &Bucket, run_id: &RunId, copy_role_arn: &str) -> Result<RunManifest, Error> {
    let inputs: Inputs = bucket.get_json(&run_id.inputs_key()).await?;
    let raw: RawManifest = bucket.get_json(&inputs.raw_manifest).await?;
    let plan = cloud::contract::pinned(bucket, &inputs.contract).await?;
    let mut parts = Vec::with_capacity(raw.splits.len());
    for split in 0..u32::try_from(raw.splits.len()).unwrap_or(u32::MAX) {
        let part: Option<Part> = bucket.get_json_optional(&run_id.part_key(split)).await?;
        parts.push(
            part.ok_or_else(|| Error::RunIncomplete(format!("split {split} of the run {run_id} has no books: run merge-and-clean on it")))?,
        );
    }
    let ledger = Ledger::total(parts.iter().map(|part| &part.ledger)).map_err(|e| Error::LedgerMismatch(e.to_string()))?;
    check(&plan, &raw, &ledger, run_id, bucket.name())?;

    let [clean_key, quarantine_key] = ["clean", "quarantine"].map(|what| run_id.copy_manifest_key(what));
    bucket.put_json(&clean_key, &copy_manifest(bucket.name(), parts.iter().map(|p| &p.clean))).await?;
    bucket.put_json(&quarantine_key, &copy_manifest(bucket.name(), parts.iter().map(|p| &p.quarantine))).await?;
    let run = LoadRun {
        plan: &plan,
        run_id,
        transactions: &raw,
        customers: &inputs.customers,
        ledger: &ledger,
        copy_manifests: &[bucket.uri(&clean_key), bucket.uri(&quarantine_key)],
        copy_role_arn,
    };
    let dialects = Dialects { postgres: load(Dialect::Postgres, &run), redshift: load(Dialect::Redshift, &run) };
    let [rows, quarantine] = run_id.staging_tables();
    let staging = vec![
        Staging { table: rows, files: parts.iter().map(|p| bucket.uri(&p.clean.key)).collect() },
        Staging { table: quarantine, files: parts.iter().map(|p| bucket.uri(&p.quarantine.key)).collect() },
    ];
    Ok(RunManifest {
        format: MANIFEST_FORMAT.to_owned(),
        run_id: run_id.clone(),
        contract: inputs.contract,
        transactions: raw,
        customers: inputs.customers,
        parts,
        ledger,
        load: Load { staging, dialects },
    })
}

/// What must hold before anything is loaded.
fn check(plan: &Plan, raw: &RawManifest, ledger: &Ledger, run_id: &RunId, bucket: &str) -> Result<(), Error> {
    let rows = &ledger.transactions;
    if rows.read != raw.records {
        return Err(Error::LedgerMismatch(format!("{} has {} records, and its splits have read {}", raw.uri, raw.records, rows.read)));
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
