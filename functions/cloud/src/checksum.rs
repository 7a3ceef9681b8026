//! What proves that an object is whole: SHA-256 for the books, CRC-64/NVME for S3, which keeps it of the whole object.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm::Crc64Nvme;
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest, Sha256};

use crate::upload::Part;

/// Hashes of a stream, which can be saved and taken up again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hashes {
    sha256: Sha256,
}

impl Hashes {
    /// Takes the next part in; gives its own CRC, from which [`whole`] makes that of all.
    pub(crate) fn update(&mut self, part: &[u8]) -> u64 {
        self.sha256.update(part);
        crc_fast::checksum(Crc64Nvme, part)
    }

    pub(crate) fn sha256(self) -> [u8; 32] {
        self.sha256.finalize().into()
    }

    pub(crate) fn save(&self) -> String {
        save(&self.sha256)
    }

    pub(crate) fn restore(saved: &str) -> Option<Self> {
        restore(saved).map(|sha256| Self { sha256 })
    }
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
    fn a_hash_goes_on_where_it_was_saved() {
        for cut in [0, 1, 63, 64, 65, 200] {
            let bytes = [7; 200];
            let mut hashes = Hashes::default();
            hashes.update(&bytes[..cut]);
            let mut hashes = Hashes::restore(&hashes.save()).unwrap();
            hashes.update(&bytes[cut..]);
            assert_eq!(hashes.sha256(), <[u8; 32]>::from(Sha256::digest(bytes)));
        }
        for bad in ["", "x", "AAAA", "é"] {
            assert!(Hashes::restore(bad).is_none(), "{bad}");
        }
    }
}
