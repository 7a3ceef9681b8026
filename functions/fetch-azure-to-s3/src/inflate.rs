//! Gzip, unpacked piece by piece while it arrives, in bounded memory.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use pipeline::source::{GZIP_MAGIC, Malformed};

use crate::azure::Found;

/// Most bytes that all blobs of a source may unpack to: what parts of the ordinary size can hold, with room to spare.
pub(crate) const MAX_INFLATED_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// Most bytes for each compressed one. DEFLATE reaches 1,032 (zlib, "Technical Details"), and only a bomb comes near it.
const MAX_RATIO: u64 = 200;

/// Below this many bytes the ratio does not count: a short text of one letter is no bomb.
const HARMLESS_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes that are handed on at once, about.
const OUTPUT_BYTES: usize = 4 * 1024 * 1024;

/// Compressed bytes that are unpacked at once.
const INPUT_BYTES: usize = 8 * 1024;

/// Most bytes that are unpacked and not handed on yet: deflate reaches a ratio of 1,032.
pub(crate) const MOST_UNPACKED: usize = OUTPUT_BYTES + INPUT_BYTES * 1032;

/// Whether whoever stored the blob says that it is gzip: by its name, or by its Content-Encoding. Its first bytes may say so, too.
pub(crate) fn is_called_gzip(found: &Found) -> bool {
    let encodings = found.version.content_encoding.as_deref().unwrap_or_default();
    is_named_gzip(&found.name) || encodings.split(',').any(|one| matches!(one.trim().to_ascii_lowercase().as_str(), "gzip" | "x-gzip"))
}

pub(crate) fn is_named_gzip(name: &str) -> bool {
    name.len() > 3 && name.as_bytes()[name.len() - 3..].eq_ignore_ascii_case(b".gz")
}

pub(crate) fn begins_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(GZIP_MAGIC)
}

/// A gzip file on its way: any number of members, one behind the other.
#[derive(Debug)]
pub(crate) struct Inflater {
    decoder: MultiGzDecoder<Vec<u8>>,
    taken: u64,
    made: u64,
    most: u64,
}

impl Inflater {
    /// Unpacks to at most so many bytes.
    pub(crate) fn new(most: u64) -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), taken: 0, made: 0, most }
    }

    /// Takes from the input and gives what becomes of it; call it again until the input is empty.
    pub(crate) fn inflate(&mut self, input: &mut Bytes) -> Result<Bytes, Malformed> {
        while !input.is_empty() && self.decoder.get_ref().len() < OUTPUT_BYTES {
            let piece = &input[..input.len().min(INPUT_BYTES)];
            self.decoder.write_all(piece).map_err(|error| self.damaged(&error))?;
            self.taken += piece.len() as u64;
            input.advance(piece.len());
        }
        self.take()
    }

    /// The file is over: gives the rest.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Malformed> {
        self.decoder.try_finish().map_err(|error| self.damaged(&error))?;
        self.take()
    }

    fn take(&mut self) -> Result<Bytes, Malformed> {
        let bytes = Bytes::from(std::mem::take(self.decoder.get_mut()));
        self.made += bytes.len() as u64;
        let refused = |what| Err(Malformed::new(self.taken, what));
        if self.made > self.most {
            return refused(format!("the gzip unpacks to more than {} GiB with all before it", MAX_INFLATED_BYTES >> 30));
        }
        if self.made > HARMLESS_BYTES && self.made / MAX_RATIO > self.taken {
            return refused(format!("the gzip unpacks to more than {MAX_RATIO} times its size"));
        }
        Ok(bytes)
    }

    fn damaged(&self, error: &io::Error) -> Malformed {
        Malformed::new(self.taken, format!("the gzip is damaged or broken off ({error})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(gzip: &[u8], piece: usize, most: u64) -> Result<Vec<u8>, Malformed> {
        let mut inflater = Inflater::new(most);
        let mut made = Vec::new();
        for piece in gzip.chunks(piece) {
            let mut piece = Bytes::copy_from_slice(piece);
            while !piece.is_empty() {
                let bytes = inflater.inflate(&mut piece)?;
                assert!(bytes.len() <= OUTPUT_BYTES + 9 * 1024 * 1024);
                made.extend_from_slice(&bytes);
            }
        }
        made.extend_from_slice(&inflater.finish()?);
        Ok(made)
    }

    #[test]
    fn names_and_encodings_say_gzip() {
        let check = |name: &str, encoding: Option<&str>, expected| {
            let version = crate::azure::Version {
                etag: String::new(),
                bytes: 1,
                md5: None,
                modified_at: String::new(),
                content_encoding: encoding.map(str::to_owned),
            };
            assert_eq!(is_called_gzip(&Found { name: name.into(), version }), expected, "{name} {encoding:?}");
        };
        check("a.json.gz", None, true);
        check("a.JSON.GZ", None, true);
        check("a.json", Some("gzip"), true);
        check("a.json", Some("identity, GZIP"), true);
        check("a.json", Some("br"), false);
        check("a.gzip", None, false);
        check(".gz", None, false);
        check("é", None, false);
    }

    #[test]
    fn damage_and_bombs_are_refused() {
        let text = b"{\"a\": 1}\n".repeat(5000);
        let whole = gzip(&text);
        let check = |bytes: &[u8], most: u64, expected: &str| {
            let error = inflate(bytes, 1000, most).unwrap_err();
            assert!(error.what.contains(expected), "{error}");
        };
        check(&whole[..whole.len() - 1], u64::MAX, "damaged or broken off");
        check(&whole[..whole.len() / 2], u64::MAX, "damaged or broken off");
        check(b"\x1F\x8B and no more", u64::MAX, "damaged or broken off");
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x10;
        check(&flipped, u64::MAX, "damaged or broken off");
        check(&[&whole[..], b"and text"].concat(), u64::MAX, "damaged or broken off");
        assert_eq!(inflate(&whole, 1000, text.len() as u64).unwrap(), text);
        check(&whole, text.len() as u64 - 1, "unpacks to more than 64 GiB");
        let bomb = gzip(&vec![b' '; usize::try_from(HARMLESS_BYTES).unwrap() + 1]);
        check(&bomb, u64::MAX, "more than 200 times its size");
        let harmless = gzip(&vec![b' '; usize::try_from(HARMLESS_BYTES).unwrap() / 4]);
        assert_eq!(inflate(&harmless, 1000, u64::MAX).unwrap().len(), usize::try_from(HARMLESS_BYTES).unwrap() / 4);
    }

    proptest! {
        #[test]
        fn members_come_out_as_they_went_in(members in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 1..4), piece in 1usize..400) {
            let packed: Vec<u8> = members.iter().flat_map(|member| gzip(member)).collect();
            prop_assert_eq!(inflate(&packed, piece, u64::MAX).unwrap(), members.concat());
        }
    }
}
