//! What is copied, where to, and how much of it is held meanwhile.

use std::sync::Arc;

use cloud::bucket::Bucket;
use cloud::upload::{Upload, parts_at_once};
use pipeline::manifest::raw_prefix;

use crate::inflate::{MOST_UNPACKED, is_named_gzip};
use crate::pinned::Pinned;
use crate::progress::{Deadline, Progress};
use crate::ranges::RANGE_BYTES;
use crate::retry::Budget;

/// Bytes of the source that are held at once, whatever they wait for. The process itself takes 20 to 45 MiB.
const HELD_BYTES: usize = 80 * 1024 * 1024;

/// Parts of each object that are on their way where two are written.
const PARTS_WITH_GZIP: usize = 1;

/// One version of a source, and how it is copied.
pub(crate) struct Job<'j> {
    pub(crate) bucket: &'j Bucket,
    pub(crate) pinned: &'j Pinned,
    pub(crate) version: String,
    pub(crate) split_bytes: u64,
    pub(crate) range_bytes: u64,
    pub(crate) part_bytes: usize,
    pub(crate) deadline: Deadline,
    pub(crate) budget: Arc<Budget>,
    pub(crate) progress: Arc<Progress>,
}

impl Job<'_> {
    fn prefix(&self) -> String {
        raw_prefix(&self.version)
    }

    /// Of the manifest that is written last.
    pub(crate) fn manifest_key(&self) -> String {
        // Where a version is cut depends on this parameter, too. Cut anew, the same bytes are written to the same place once more.
        format!("{}manifest-{}.json", self.prefix(), self.split_bytes)
    }

    pub(super) fn checkpoint_key(&self) -> String {
        format!("{}progress-{}.json", self.prefix(), self.split_bytes)
    }

    /// Of the bytes that are read.
    pub(super) fn raw_key(&self, is_compressed: bool) -> String {
        let name = self.pinned.file_name();
        let unpacked = if is_compressed && is_named_gzip(&name) { &name[..name.len() - 3] } else { &name };
        format!("{}{unpacked}", self.prefix())
    }

    /// Of the bytes as they are stored, where they have to be unpacked.
    pub(super) fn original_key(&self) -> String {
        format!("{}original/{}", self.prefix(), self.pinned.file_name())
    }
}

pub(super) fn sending(upload: Upload<'_>, is_compressed: bool) -> Upload<'_> {
    if is_compressed { upload.at_once(PARTS_WITH_GZIP) } else { upload }
}

/// Ranges that arrive at once, or have arrived and wait for their turn: as many as [`HELD_BYTES`] leave, beside the range that is dealt
/// with, the parts that are on their way, the one that is filled and, with gzip, what is unpacked. With parts of 8 MiB that is
/// 4 + 1 + 4 + 1 times 8 MiB. Objects over 78 GiB have larger parts, and fewer of them; there are two objects with gzip.
pub(super) fn ranges_at_once(part_bytes: usize, is_compressed: bool) -> usize {
    let sent = match is_compressed {
        true => 2 * (PARTS_WITH_GZIP + 1) * part_bytes + MOST_UNPACKED,
        false => (parts_at_once(part_bytes) + 1) * part_bytes,
    };
    let range_bytes = usize::try_from(RANGE_BYTES).unwrap_or(usize::MAX);
    (HELD_BYTES.saturating_sub(sent) / range_bytes).saturating_sub(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded() {
        let check =
            |part_mib: usize, is_compressed, expected| assert_eq!(ranges_at_once(part_mib << 20, is_compressed), expected, "{part_mib}");
        check(8, false, 4);
        check(16, false, 3);
        check(24, false, 3);
        check(8, true, 3);
    }
}
