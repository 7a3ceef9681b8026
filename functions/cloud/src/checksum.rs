//! What proves that an object is whole: SHA-256 for the books, MD5 where the source has one, CRC-64/NVME for S3, which keeps it of the
//! whole object.

mod md5_sha256;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm::Crc64Nvme;
use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest, Sha256};

use self::md5_sha256::Md5Sha256;
use crate::upload::Part;

/// Bytes that are taken into one hash after the other while they are in the processor's nearest memory.
const PIECE_BYTES: usize = 16 * 1024;

/// Hashes of a stream, which can be saved and taken up again.
#[derive(Debug, Clone)]
pub(crate) enum Hashes {
    Sha256(Sha256),
    Md5Sha256(Md5Sha256),
}

impl Hashes {
    pub(crate) fn sha256_alone() -> Self {
        Self::Sha256(Sha256::new())
    }

    pub(crate) fn with_md5() -> Self {
        Self::Md5Sha256(Md5Sha256::default())
    }

    /// Takes the next part in; gives its own CRC, from which [`whole`] makes that of all.
    pub(crate) fn update(&mut self, part: &[u8]) -> u64 {
        let mut crc = crc_fast::Digest::new(Crc64Nvme);
        for piece in part.chunks(PIECE_BYTES) {
            crc.update(piece);
            match self {
                Self::Sha256(sha256) => sha256.update(piece),
                Self::Md5Sha256(both) => both.update(piece),
            }
        }
        crc.finalize()
    }

    pub(crate) fn sha256(self) -> [u8; 32] {
        match self {
            Self::Sha256(sha256) => sha256.finalize().into(),
            Self::Md5Sha256(both) => both.sha256(),
        }
    }

    /// Where it was asked for.
    pub(crate) fn md5(&self) -> Option<[u8; 16]> {
        match self {
            Self::Sha256(_) => None,
            Self::Md5Sha256(both) => Some(both.md5()),
        }
    }

    pub(crate) fn save(&self) -> SavedHashes {
        match self {
            Self::Sha256(sha256) => SavedHashes::Sha256(save(sha256)),
            Self::Md5Sha256(both) => SavedHashes::Md5Sha256(base64(&both.save())),
        }
    }

    /// `None` when it is none of ours.
    pub(crate) fn restore(saved: &SavedHashes) -> Option<Self> {
        Some(match saved {
            SavedHashes::Sha256(saved) => Self::Sha256(restore(saved)?),
            SavedHashes::Md5Sha256(saved) => Self::Md5Sha256(Md5Sha256::restore(&from_base64(saved)?)?),
        })
    }
}

/// Hashes under way, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SavedHashes {
    Sha256(String),
    Md5Sha256(String),
}

/// The state of a hash under way, as text.
pub fn save(hash: &impl SerializableState) -> String {
    base64(&hash.serialize())
}

/// A hash under way from its saved state; `None` when the text is no such state.
pub fn restore<H: SerializableState>(saved: &str) -> Option<H> {
    let state = from_base64(saved)?;
    H::deserialize(state.as_slice().try_into().ok()?).ok()
}

/// The CRC of all parts together.
pub(crate) fn whole(parts: &[&Part]) -> u64 {
    let empty = crc_fast::checksum(Crc64Nvme, b"");
    parts.iter().fold(empty, |crc, part| crc_fast::checksum_combine(Crc64Nvme, crc, part.crc64, part.bytes))
}

/// The other kind of checksum that S3 knows of parts: that of their checksums, with their number.
pub(crate) fn composite(parts: &[&Part]) -> String {
    let crcs: Vec<u8> = parts.iter().flat_map(|part| part.crc64.to_be_bytes()).collect();
    format!("{}-{}", base64_crc(crc_fast::checksum(Crc64Nvme, &crcs)), parts.len())
}

/// A CRC as S3 writes it.
pub(crate) fn base64_crc(crc: u64) -> String {
    base64(&crc.to_be_bytes())
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bytes: &[u8]) -> Part {
        Part::of_bytes(bytes)
    }

    /// The check value of the catalogue of parametrised CRC algorithms: CRC-64/NVME of "123456789".
    #[test]
    fn the_crc_is_the_one_that_s3_computes() {
        assert_eq!(base64_crc(crc_fast::checksum(Crc64Nvme, b"123456789")), base64(&0xAE8B_1486_0A79_9888_u64.to_be_bytes()));
        for cut in 0..=9 {
            let (a, b) = b"123456789".split_at(cut);
            assert_eq!(whole(&[&part(a), &part(b)]), 0xAE8B_1486_0A79_9888);
        }
    }

    #[test]
    fn hashes_go_on_where_they_were_saved() {
        let bytes = [7; 200];
        for hashes in [Hashes::sha256_alone(), Hashes::with_md5()] {
            for cut in [0, 1, 63, 64, 65, 200] {
                let mut hashes = hashes.clone();
                hashes.update(&bytes[..cut]);
                let mut hashes = Hashes::restore(&hashes.save()).unwrap();
                assert_eq!(hashes.update(&bytes[cut..]), crc_fast::checksum(Crc64Nvme, &bytes[cut..]));
                assert_eq!(hashes.sha256(), <[u8; 32]>::from(Sha256::digest(bytes)));
            }
        }
        for bad in ["", "x", "AAAA", "é"].map(str::to_owned) {
            assert!(Hashes::restore(&SavedHashes::Sha256(bad.clone())).is_none(), "{bad}");
            assert!(Hashes::restore(&SavedHashes::Md5Sha256(bad.clone())).is_none(), "{bad}");
        }
    }
}
