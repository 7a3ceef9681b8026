//! What the transactions of a run are: a version of their source in S3, or records taken out of one.

use serde::{Deserialize, Serialize};

use super::{RunId, Written};
use crate::split::{Format, Layout, Split};

/// One version of the transactions, byte-exact in S3, and where it is cut. `manifest-<split bytes>.json` beside the raw object; written last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawManifest {
    /// The blob's address, without credentials; of several blobs the address of their prefix.
    pub uri: String,
    /// The version's name in keys: derived from the ETags.
    pub version: String,
    /// Of the only blob, or of the one that was modified last.
    pub etag: String,
    /// RFC 3339, UTC: orders the versions. Of several blobs the latest.
    pub modified_at: String,
    /// The bytes that are read: of several blobs one behind the other, each unpacked if it is compressed.
    pub raw_key: String,
    /// With a compressed blob among them: all blobs as they were stored, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_key: Option<String>,
    pub bytes: u64,
    /// Hex.
    pub md5: String,
    /// Hex.
    pub sha256: String,
    /// CRC-64/NVME in Base64, as S3 keeps it of the whole object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<String>,
    /// Of the splits that name no other.
    pub format: Format,
    pub records: u64,
    pub splits: Vec<Split>,
    /// What the version is made of, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<RawBlob>,
    /// Set when `raw_key` holds records of an earlier run's quarantine, taken out of the version that the rest describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

/// A blob as it was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawBlob {
    pub uri: String,
    pub etag: String,
    /// RFC 3339, UTC.
    pub modified_at: String,
    /// Where it lies in the version's bytes: its first byte, and the one behind its last.
    pub start: u64,
    pub end: u64,
    /// As it was stored.
    pub bytes: u64,
    /// Hex, as it was stored.
    pub md5: String,
    /// Hex; what whoever stored it said its MD5 is, and it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_md5: Option<String>,
    pub is_gzip: bool,
    /// Missing where nothing is in it but white space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    pub records: u64,
}

impl RawManifest {
    /// Where the version lies byte for byte, so that an offset of a row or of a rejection is a place in it.
    pub fn source_key(&self) -> &str {
        self.replay.as_ref().map_or(&self.raw_key, |replay| &replay.source_key)
    }

    pub fn format_of(&self, split: &Split) -> Format {
        split.format.unwrap_or(self.format)
    }

    /// The manifest of `run`, which takes up again what `of` has quarantined of this version. What orders the version and names it in
    /// the books stays, so that no record of it overwrites a newer row; of its own are only the bytes that are read.
    pub fn replayed(&self, of: &RunId, run: &RunId, object: Written, md5: String, layout: Layout) -> Self {
        Self {
            raw_key: object.key,
            bytes: object.bytes,
            md5,
            sha256: object.sha256,
            crc64nvme: None,
            format: layout.format,
            records: layout.records,
            splits: layout.splits,
            replay: Some(Replay { of: of.clone(), source_key: self.source_key().to_owned(), places_key: run.places_key() }),
            ..self.clone()
        }
    }
}

/// Records taken out of their source, to be read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// The run that quarantined them.
    pub of: RunId,
    /// Where the whole source lies.
    pub source_key: String,
    /// Key of the [`Place`]s, in the order of the records.
    pub places_key: String,
}

/// Where a record of a replay stands: in the object that is read, and in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub at: u64,
    pub offset: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_id(name: &str) -> RunId {
        RunId::try_from(name.to_owned()).unwrap()
    }

    /// However often a record is taken up again: its offset leads into the first source.
    #[test]
    fn a_replay_of_a_replay_keeps_the_source() {
        let source = RawManifest {
            uri: "https://a/b/t.json".into(),
            version: "v1".into(),
            etag: "e1".into(),
            modified_at: "2026-01-01T00:00:00Z".into(),
            raw_key: "raw/transactions/v1/t.json".into(),
            original_key: None,
            bytes: 1000,
            md5: "m1".into(),
            sha256: "s1".into(),
            crc64nvme: Some("c1".into()),
            format: Format::Array,
            records: 9,
            splits: vec![Split { start: 1, end: 999, records: 9, format: None }],
            blobs: Vec::new(),
            replay: None,
        };
        let layout = Layout { format: Format::Array, records: 2, splits: vec![Split { start: 1, end: 19, records: 2, format: None }] };
        let object = |key: String| Written { key, bytes: 20, sha256: "s2".into() };
        let [first, second, third] = ["first", "second", "third"].map(run_id);
        let once = source.replayed(&first, &second, object(second.replay_key()), "m2".into(), layout.clone());
        let twice = once.replayed(&second, &third, object(third.replay_key()), "m2".into(), layout.clone());
        let expected = RawManifest {
            raw_key: "runs/third/replay/transactions.json".into(),
            bytes: 20,
            md5: "m2".into(),
            sha256: "s2".into(),
            crc64nvme: None,
            records: 2,
            splits: layout.splits,
            replay: Some(Replay { of: second, source_key: source.raw_key.clone(), places_key: "runs/third/replay/places.json".into() }),
            ..source
        };
        assert_eq!(twice, expected);
        assert_eq!((once.source_key(), twice.source_key()), (expected.source_key(), "raw/transactions/v1/t.json"));
    }

    /// As it was written before a source could be of several blobs: whoever replays such a run reads it.
    #[test]
    fn a_manifest_of_one_blob_is_read_as_it_was_written() {
        let json = r#"{"uri": "u", "version": "v", "etag": "e", "modified_at": "m", "raw_key": "k", "bytes": 9, "md5": "m", "sha256": "s",
            "format": "ndjson", "records": 1, "splits": [{"start": 0, "end": 8, "records": 1}]}"#;
        let raw: RawManifest = serde_json::from_str(json).unwrap();
        assert_eq!((raw.format_of(&raw.splits[0]), raw.blobs.len(), raw.source_key()), (Format::Ndjson, 0, "k"));
    }
}
