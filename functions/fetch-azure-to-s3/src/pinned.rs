//! The blobs that a run has found, in the versions they had then: what it copies, and what that is called.

use pipeline::manifest::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::azure::Found;
use crate::inflate::is_called_gzip;

/// Longest name that is kept of a blob: with what stands before it in a key it must fit into S3's 1,024 bytes.
const LONGEST_NAME: usize = 512;

/// What several blobs together are called.
const SEVERAL: &str = "transactions.json";

/// A source as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    /// Of its only blob, or the prefix of all.
    pub(crate) uri: String,
    /// In the order of their names.
    pub(crate) blobs: Vec<PinnedBlob>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PinnedBlob {
    pub(crate) uri: String,
    #[serde(flatten)]
    pub(crate) found: Found,
}

impl Pinned {
    /// A name that keys can carry, one per source and version of it.
    pub(crate) fn version_name(&self) -> String {
        let identity = |blob: &PinnedBlob| {
            let version = &blob.found.version;
            let md5 = version.md5.map(|md5| hex(&md5)).unwrap_or_default();
            format!("{}\n{}\n{}\n{md5}", blob.uri, version.etag, version.bytes)
        };
        let identity = self.blobs.iter().map(identity).collect::<Vec<_>>().join("\n");
        hex(&Sha256::digest(identity.as_bytes())[..16])
    }

    /// Of all blobs, as they are stored.
    pub(crate) fn bytes(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.found.version.bytes).sum()
    }

    /// The blob that was modified last; of several the last by name.
    pub(crate) fn newest(&self) -> Option<&PinnedBlob> {
        self.blobs.iter().max_by_key(|blob| &blob.found.version.modified_at)
    }

    /// What the object in S3 is called that holds the bytes as they are stored.
    pub(crate) fn file_name(&self) -> String {
        let name = match self.blobs.as_slice() {
            [blob] => blob.found.name.rsplit('/').next().unwrap_or_default(),
            _ => SEVERAL,
        };
        // Beside it stand objects of ours.
        let is_ours = name.starts_with("manifest-") || name.starts_with("progress-");
        match name {
            "" => SEVERAL.to_owned(),
            name if name.len() > LONGEST_NAME => SEVERAL.to_owned(),
            name if is_ours => format!("_{name}"),
            name => name.to_owned(),
        }
    }

    /// Whether some blob is gzip by what it is called. Some may turn out to be, all the same.
    pub(crate) fn is_called_gzip(&self) -> bool {
        self.blobs.iter().any(|blob| blob.found.version.bytes > 0 && is_called_gzip(&blob.found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::Version;

    fn pinned(blobs: &[(&str, &str, Option<[u8; 16]>, &str)]) -> Pinned {
        let blob = |(name, etag, md5, modified_at): &(&str, &str, Option<[u8; 16]>, &str)| {
            let version = Version { etag: (*etag).into(), bytes: 3, md5: *md5, modified_at: (*modified_at).into(), content_encoding: None };
            PinnedBlob { uri: format!("https://a/b/{name}"), found: Found { name: (*name).into(), version } }
        };
        Pinned { uri: "https://a/b/p/".into(), blobs: blobs.iter().map(blob).collect() }
    }

    #[test]
    fn another_version_has_another_name() {
        let names = [
            pinned(&[("c", "1", None, "")]),
            pinned(&[("c", "2", None, "")]),
            pinned(&[("d", "1", None, "")]),
            pinned(&[("c", "1", Some([0; 16]), "")]),
            pinned(&[("c", "1", None, ""), ("d", "1", None, "")]),
            pinned(&[("c", "1", None, ""), ("d", "2", None, "")]),
            pinned(&[("d", "1", None, ""), ("c", "1", None, "")]),
        ]
        .map(|pinned| pinned.version_name());
        for (i, name) in names.iter().enumerate() {
            assert!(!names[..i].contains(name), "{names:?}");
        }
        // As it was named before a source could be of several blobs, so that no version is copied once more.
        assert_eq!(names[0], hex(&Sha256::digest(b"https://a/b/c\n1\n3\n")[..16]));
    }

    #[test]
    fn a_source_goes_by_its_blobs() {
        let check = |names: &[&str], expected: &str| {
            let blobs: Vec<_> = names.iter().map(|name| (*name, "1", None, "")).collect();
            assert_eq!(pinned(&blobs).file_name(), expected);
        };
        check(&["x/y z%.json"], "y z%.json");
        check(&["a", "b"], SEVERAL);
        check(&["x/manifest-1.json"], "_manifest-1.json");
        check(&["progress-1.json"], "_progress-1.json");
        check(&["é".repeat(300).as_str()], SEVERAL);
        let several = pinned(&[("a", "1", None, "2026-01-02"), ("b", "2", None, "2026-01-03"), ("c", "3", None, "2026-01-01")]);
        assert_eq!((several.newest().unwrap().found.name.as_str(), several.bytes()), ("b", 9));
    }

    #[test]
    fn what_is_pinned_is_read_again() {
        let several = pinned(&[("a", "\"1\"", Some([7; 16]), "2026-01-02T00:00:00Z"), ("b", "2", None, "x")]);
        assert_eq!(serde_json::from_str::<Pinned>(&serde_json::to_string(&several).unwrap()).unwrap(), several);
    }
}
