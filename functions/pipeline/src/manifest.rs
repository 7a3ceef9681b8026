//! What the steps of a run hand each other, and under which keys in S3. Every key derives from the run or from the content.

mod raw;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::raw::{Place, RawBlob, RawManifest, Replay};
use crate::ledger::Ledger;
use crate::sql::LoadSql;

/// The name of a run: its execution's. Plain enough for S3 keys and SQL alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RunId(String);

/// A run's name has characters that keys and SQL should not carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the run's name `{0}` is not 1 to 80 letters, digits, - or _: start the execution under such a name")]
pub struct InvalidRunId(String);

impl TryFrom<String> for RunId {
    type Error = InvalidRunId;

    fn try_from(name: String) -> Result<Self, InvalidRunId> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=80).contains(&name.len()) && name.chars().all(is_plain) { Ok(Self(name)) } else { Err(InvalidRunId(name)) }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RunId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A plain name for one that is not: what can be kept of it, and a hash of it.
    pub fn made_of(name: &str) -> Self {
        let plain: String = name.chars().take(60).map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
        Self(format!("{plain}-{}", hex(&Sha256::digest(name.as_bytes())[..8])))
    }

    /// The contract this run obeys, copied so that no later change reaches it.
    pub fn contract_key(&self) -> String {
        format!("runs/{self}/contract.odcs.yaml")
    }

    /// The items of the Map over the splits.
    pub fn splits_key(&self) -> String {
        format!("runs/{self}/splits.json")
    }

    /// [`Inputs`] of the run.
    pub fn inputs_key(&self) -> String {
        format!("runs/{self}/inputs.json")
    }

    /// The blobs of a run whose copy takes more than one call, so that all calls copy the same.
    pub fn pinned_key(&self) -> String {
        format!("runs/{self}/pinned.json")
    }

    /// The answer of a run that ended before it had [`Inputs`].
    pub fn ended_key(&self) -> String {
        format!("runs/{self}/ended.json")
    }

    pub fn clean_key(&self, split: u32) -> String {
        format!("runs/{self}/clean/part-{split:05}.parquet")
    }

    pub fn quarantine_key(&self, split: u32) -> String {
        format!("{}part-{split:05}.parquet", self.quarantine_prefix())
    }

    pub fn quarantine_prefix(&self) -> String {
        format!("runs/{self}/quarantine/")
    }

    /// [`Part`] of a split; written last, so its being there says that the split is done.
    pub fn part_key(&self, split: u32) -> String {
        format!("runs/{self}/parts/part-{split:05}.json")
    }

    /// [`crate::profile::Profile`] of a split; written before its [`Part`].
    pub fn profile_key(&self, split: u32) -> String {
        format!("runs/{self}/profile/part-{split:05}.json")
    }

    /// [`Failure`] of a split.
    pub fn failure_key(&self, split: u32) -> String {
        format!("runs/{self}/failures/part-{split:05}.json")
    }

    /// The records of a [`Replay`], in the form of their source.
    pub fn replay_key(&self) -> String {
        format!("runs/{self}/replay/transactions.json")
    }

    /// Where each of them stands in its source: a list of [`Place`]s.
    pub fn places_key(&self) -> String {
        format!("runs/{self}/replay/places.json")
    }

    /// The [`RawManifest`] of a replay, whose source is no version of its own.
    pub fn replay_manifest_key(&self) -> String {
        format!("runs/{self}/replay/manifest.json")
    }

    /// Where the failures of all splits lie.
    pub fn failures_prefix(&self) -> String {
        format!("runs/{self}/failures/")
    }

    /// The list of files that Redshift's COPY reads.
    pub fn copy_manifest_key(&self, what: &str) -> String {
        format!("runs/{self}/copy-{what}.json")
    }

    /// The load that was started last.
    pub fn load_key(&self) -> String {
        format!("runs/{self}/load.json")
    }

    /// What a plan would have done, as the Glue job wrote it.
    pub fn plan_key(&self) -> String {
        format!("runs/{self}/plan.json")
    }

    /// The sealed [`RunManifest`].
    pub fn manifest_key(&self) -> String {
        format!("runs/{self}/manifest.json")
    }

    /// What a person reads of the run once it has ended. The state machine's output names it.
    pub fn report_page_key(&self) -> String {
        format!("runs/{self}/report.html")
    }

    /// The same for programs.
    pub fn report_key(&self) -> String {
        format!("runs/{self}/report.json")
    }

    /// The same as OpenLineage events, one a line.
    pub fn lineage_key(&self) -> String {
        format!("runs/{self}/openlineage.ndjson")
    }

    /// What later reports say of the run; in the order of the runs' starts, which is an RFC 3339 text.
    pub fn history_key(&self, started_at: &str) -> String {
        format!("{HISTORY_PREFIX}{started_at}_{self}.json")
    }

    /// The tables this run's rows are staged in: clean rows, quarantine. Named by a hash, since a run's name may be longer than a table's.
    pub fn staging_tables(&self) -> [String; 2] {
        let digest = hex(&Sha256::digest(self.0.as_bytes())[..8]);
        [format!("crosstally.staging_{digest}"), format!("crosstally.staging_{digest}_quarantine")]
    }
}

/// Where the raw bytes of a source version lie.
pub fn raw_prefix(source_version: &str) -> String {
    format!("raw/transactions/{source_version}/")
}

/// The object that overrides the contract the functions were built with.
pub const CONTRACT_OVERRIDE_KEY: &str = "config/contract.odcs.yaml";

/// Where the summaries of all runs lie.
pub const HISTORY_PREFIX: &str = "history/";

/// The page that lists the runs.
pub const INDEX_KEY: &str = "runs/index.html";

/// The [`LastSuccess`] of the pipeline.
pub const LAST_SUCCESS_KEY: &str = "state/last-success.json";

/// What the last run worked on whose ledger balanced: a run on the same again would change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSuccess {
    pub run_id: RunId,
    /// [`RawManifest::version`].
    pub source_version: String,
    pub customers: CustomersRef,
    pub contract_sha256: String,
}

/// What a run is asked to do. `{}` is a whole input: load what the source holds now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunInput {
    /// Do everything in the transaction, report it, and roll back.
    #[serde(default)]
    pub plan: bool,
    /// The run whose quarantined records this one takes up again, instead of the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<RunId>,
    /// The day to load, YYYY-MM-DD, where the source's name has a date in it; the scheduled day when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Whether a source without any blob is a good end.
    #[serde(default, rename = "allowEmpty", skip_serializing_if = "Option::is_none")]
    pub allow_empty: Option<bool>,
    /// Whether the run ends at once where nothing has changed since the last good one.
    #[serde(default, rename = "skipUnchanged", skip_serializing_if = "Option::is_none")]
    pub skip_unchanged: Option<bool>,
    /// For when the schedule has started it: RFC 3339, UTC.
    #[serde(default, rename = "scheduledAt", skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<String>,
    /// What the console of Step Functions writes into the box for an input; it says nothing.
    #[serde(default, rename = "Comment", skip_serializing)]
    pub comment: Option<String>,
}

/// A field of an execution's input that no run can work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {why}")]
pub struct InvalidInput {
    field: String,
    why: String,
}

impl InvalidInput {
    /// Both parts may quote the input, which is anybody's words: they are cut short, and their control characters are written out.
    pub fn new(field: &str, why: &str) -> Self {
        let plain = |text: &str, most: usize| text.chars().take(most).flat_map(char::escape_debug).collect();
        Self { field: plain(field, 60), why: plain(why, 240) }
    }
}

impl RunInput {
    /// Reads an execution's input, as a person or the schedule gave it.
    pub fn read(input: serde_json::Value) -> Result<Self, InvalidInput> {
        let serde_json::Value::Object(fields) = input else {
            return Err(InvalidInput::new("input", "is no JSON object"));
        };
        // One by one first, for a message that names the field.
        for (field, value) in &fields {
            let alone = serde_json::Map::from_iter([(field.clone(), value.clone())]);
            serde_json::from_value::<Self>(alone.into()).map_err(|error| InvalidInput::new(field, &format!("is refused ({error})")))?;
        }
        let input: Self = serde_json::from_value(fields.into()).map_err(|error| InvalidInput::new("input", &error.to_string()))?;
        let of_the_source = [("date", input.date.is_some()), ("skipUnchanged", input.skip_unchanged == Some(true))];
        match of_the_source.iter().find(|(_, is_given)| input.replay.is_some() && *is_given) {
            Some((field, _)) => Err(InvalidInput::new(field, "has no meaning beside replay, which reads no source")),
            None => Ok(input),
        }
    }
}

/// What a run works on, pinned by its first step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    pub run_id: RunId,
    /// What it was asked to do.
    pub input: RunInput,
    /// When its execution started: RFC 3339.
    pub started_at: String,
    pub contract: ContractRef,
    pub customers: CustomersRef,
    /// Key of the [`RawManifest`].
    pub raw_manifest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractRef {
    pub key: String,
    pub sha256: String,
    pub version: String,
}

/// One version of the customers file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomersRef {
    pub uri: String,
    pub bucket: String,
    pub key: String,
    pub etag: String,
    /// Where the bucket keeps versions.
    pub version_id: Option<String>,
    pub bytes: u64,
}

impl CustomersRef {
    /// The version as the ledger names it.
    pub fn version(&self) -> &str {
        self.version_id.as_deref().unwrap_or(&self.etag)
    }
}

/// A file a step wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    pub key: String,
    pub bytes: u64,
    pub sha256: String,
}

/// What became of one split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub split: u32,
    pub clean: Written,
    pub quarantine: Written,
    pub ledger: Ledger,
}

/// Why a split failed. The Map that runs the splits hides their errors, so each leaves its own behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub split: u32,
    pub error_type: String,
    pub error_message: String,
    /// Whether the run has failed with it; a redriven run then tries the splits again.
    pub is_reported: bool,
}

/// The sealed run: everything the load needs, and nothing it must decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunManifest {
    pub format: String,
    pub run_id: RunId,
    pub input: RunInput,
    pub contract: ContractRef,
    pub transactions: RawManifest,
    pub customers: CustomersRef,
    pub parts: Vec<Part>,
    pub ledger: Ledger,
    pub load: Load,
}

/// Version of the manifest's shape.
pub const MANIFEST_FORMAT: &str = "crosstally.manifest/2";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// What Spark fills, where the warehouse cannot COPY.
    pub staging: Vec<Staging>,
    /// What the target's definition lacked when the run was sealed, in Redshift's words.
    pub ddl: Vec<String>,
    pub dialects: Dialects,
}

/// Files and the staging table they fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staging {
    pub table: String,
    /// `s3://` addresses.
    pub files: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialects {
    pub postgres: LoadSql,
    pub redshift: LoadSql,
}

/// The list of files a Redshift COPY from Parquet reads.
/// Source: "Using a manifest to specify data files", Amazon Redshift Database Developer Guide.
pub fn copy_manifest<'w>(bucket: &str, files: impl Iterator<Item = &'w Written>) -> serde_json::Value {
    let entry = |file: &Written| {
        serde_json::json!({
            "url": format!("s3://{bucket}/{}", file.key),
            "mandatory": true,
            "meta": {"content_length": file.bytes},
        })
    };
    serde_json::json!({"entries": files.map(entry).collect::<Vec<_>>()})
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run_id(name: &str) -> RunId {
        RunId::try_from(name.to_owned()).unwrap()
    }

    #[test]
    fn an_input_is_empty_or_says_what_a_run_can_do() {
        let check = |input, expected: RunInput| assert_eq!(RunInput::read(input), Ok(expected));
        check(json!({}), RunInput::default());
        check(json!({"plan": true}), RunInput { plan: true, ..RunInput::default() });
        check(json!({"replay": "run-1"}), RunInput { replay: Some(run_id("run-1")), ..RunInput::default() });
        check(json!({"date": "2026-11-21"}), RunInput { date: Some("2026-11-21".into()), ..RunInput::default() });
        let all = RunInput {
            plan: true,
            allow_empty: Some(false),
            skip_unchanged: Some(true),
            scheduled_at: Some("t".into()),
            ..RunInput::default()
        };
        check(json!({"plan": true, "allowEmpty": false, "skipUnchanged": true, "scheduledAt": "t"}), all.clone());
        // What is recorded is an input again.
        check(serde_json::to_value(&all).unwrap(), all);
        // What Step Functions' console writes into the box.
        check(json!({"Comment": "x"}), RunInput { comment: Some("x".into()), ..RunInput::default() });
    }

    #[test]
    fn an_input_that_is_none_is_refused_by_its_field() {
        let check = |input, expected: &str| {
            let refused = RunInput::read(input).map_err(|error| error.to_string());
            assert!(matches!(&refused, Err(text) if text.starts_with(expected) && text.len() < 400 && !text.contains('\n')), "{refused:?}");
        };
        check(json!([true]), "`input` is no JSON object");
        check(json!("{}"), "`input` is no JSON object");
        check(json!({"plan": true, "Plan": true}), "`Plan` is refused (unknown field");
        check(json!({"replay": "a/../b"}), "`replay` is refused");
        check(json!({"plan": "yes"}), "`plan` is refused");
        check(json!({"date": 20261121}), "`date` is refused");
        check(json!({"allowEmpty": "true"}), "`allowEmpty` is refused");
        check(json!({"skipUnchanged": 1}), "`skipUnchanged` is refused");
        check(json!({"allow_empty": true}), "`allow_empty` is refused (unknown field");
        check(json!({"replay": "run-1", "date": "2026-11-21"}), "`date` has no meaning beside replay");
        check(json!({"replay": "run-1", "skipUnchanged": true}), "`skipUnchanged` has no meaning beside replay");
        check(json!({"a\nb": 1}), "`a\\nb` is refused");
        check(json!({ "x".repeat(9999): "y".repeat(9999) }), "`xxx");
    }

    #[test]
    fn a_run_id_is_plain() {
        for good in ["a", "run-2026_11_23", "0f8fad5b-d9cb-469f-a165-70867728950e"] {
            assert!(RunId::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "..", "a b", "x'); DROP TABLE y; --", "é", &"x".repeat(81)] {
            assert!(RunId::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
