//! Bytes to text: encodings, byte order marks, and the limits every input has.

use std::io::{self, Read};

use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use flate2::read::MultiGzDecoder;

/// Longest single record, JSON or CSV. A larger one is far more likely a missing bracket, quote or newline.
pub const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

/// Deepest nesting of a record, which counts as 1 itself.
pub const MAX_DEPTH: usize = 128;

/// Longest record text kept in the quarantine: what a Redshift VARCHAR holds. The offset leads to the whole.
pub const MAX_QUARANTINED_BYTES: usize = 65_535;

pub const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// The source as a whole cannot be read as what it should be; no part of it is loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} (byte {byte})")]
pub struct Malformed {
    /// Offset in the raw object, from 0.
    pub byte: u64,
    pub what: String,
}

impl Malformed {
    pub fn new(byte: u64, what: impl Into<String>) -> Self {
        Self { byte, what: what.into() }
    }
}

/// Whether the bytes begin with the byte order mark of UTF-16.
pub fn is_utf16(start: &[u8]) -> bool {
    start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF")
}

/// How the bytes of a file spell its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16,
}

/// Most bytes that a compressed file may grow to: a few bytes of gzip can stand for gigabytes.
pub const MAX_INFLATED_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// First bytes of a gzip file.
pub const GZIP_MAGIC: &[u8] = b"\x1F\x8B";

/// Opens a text file as UTF-8 without its mark: gzip is inflated and UTF-16 is decoded, each known by its first bytes.
///
/// The decoder puts U+FFFD where UTF-16 is broken.
pub fn text<R: Read>(file: R) -> io::Result<Text<R>> {
    let file = Peeked::new(file)?;
    let bytes = if file.head().starts_with(GZIP_MAGIC) {
        Bytes::Gzip(Inflated { decoder: MultiGzDecoder::new(file), left: MAX_INFLATED_BYTES })
    } else {
        Bytes::Plain(file)
    };
    let mut bytes = Peeked::new(bytes)?;
    if is_utf16(bytes.head()) {
        let decoder = DecodeReaderBytesBuilder::new().bom_sniffing(true).build(bytes);
        return Ok(Text { encoding: Encoding::Utf16, lead: 0, bytes: Utf8::Decoded(decoder) });
    }
    let lead = if bytes.head().starts_with(UTF8_BOM) { UTF8_BOM.len() } else { 0 };
    bytes.skip(lead);
    Ok(Text { encoding: Encoding::Utf8, lead: lead as u64, bytes: Utf8::Plain(bytes) })
}

/// A file's text, see [`text`].
pub struct Text<R: Read> {
    encoding: Encoding,
    lead: u64,
    bytes: Utf8<R>,
}

enum Utf8<R: Read> {
    Plain(Peeked<Bytes<R>>),
    Decoded(DecodeReaderBytes<Peeked<Bytes<R>>, Vec<u8>>),
}

impl<R: Read> Text<R> {
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Bytes of the mark that was left out.
    pub fn lead(&self) -> u64 {
        self.lead
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.bytes {
            Utf8::Plain(bytes) => bytes.read(buffer),
            Utf8::Decoded(bytes) => bytes.read(buffer),
        }
    }
}

enum Bytes<R: Read> {
    Plain(Peeked<R>),
    Gzip(Inflated<R>),
}

impl<R: Read> Read for Bytes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(bytes) => bytes.read(buffer),
            Self::Gzip(bytes) => bytes.read(buffer),
        }
    }
}

struct Inflated<R: Read> {
    decoder: MultiGzDecoder<Peeked<R>>,
    left: u64,
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, Malformed::new(0, what));
        let read = self.decoder.read(buffer).map_err(|e| match e.kind() {
            // As flate2 tells of the data; the errors of the source below it are of other kinds.
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                invalid(format!("the file is damaged gzip: {e}"))
            }
            _ => e,
        })?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| invalid(format!("the file inflates to more than {} GiB: split it", MAX_INFLATED_BYTES >> 30)))?;
        Ok(read)
    }
}

/// A stream whose first bytes have been looked at.
struct Peeked<R> {
    head: Vec<u8>,
    at: usize,
    rest: R,
}

impl<R: Read> Peeked<R> {
    fn new(mut rest: R) -> io::Result<Self> {
        let mut head = Vec::with_capacity(4);
        rest.by_ref().take(4).read_to_end(&mut head)?;
        Ok(Self { head, at: 0, rest })
    }

    fn head(&self) -> &[u8] {
        &self.head
    }

    fn skip(&mut self, bytes: usize) {
        self.at = bytes;
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at < self.head.len() {
            let read = (&self.head[self.at..]).read(buffer)?;
            self.at += read;
            return Ok(read);
        }
        self.rest.read(buffer)
    }
}

/// A record's own text as the quarantine keeps it: UTF-8, without NUL (no warehouse text holds one), cut at a character.
///
/// Bytes that are no UTF-8 and NULs become U+FFFD here; the raw object keeps the original at the record's offset.
pub fn quarantined_text(record: &[u8]) -> String {
    let head = &record[..record.len().min(MAX_QUARANTINED_BYTES)];
    let mut text = String::from_utf8_lossy(head).replace('\0', "\u{FFFD}");
    if text.len() > MAX_QUARANTINED_BYTES || head.len() < record.len() {
        let mut end = text.len().min(MAX_QUARANTINED_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A bomb: a thousand bytes for each one.
    #[test]
    fn gzip_is_inflated_up_to_its_limit() {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&vec![b'x'; 1 << 20]).unwrap();
        let bomb = bomb.finish().unwrap();
        let inflate = |left: u64| {
            let file = Peeked::new(bomb.as_slice()).unwrap();
            io::copy(&mut Inflated { decoder: MultiGzDecoder::new(file), left }, &mut io::sink())
        };
        assert_eq!(inflate(1 << 20).unwrap(), 1 << 20);
        let error = inflate((1 << 20) - 1).unwrap_err();
        assert!(error.to_string().contains("inflates to more than 4 GiB"), "{error}");
    }

    #[test]
    fn quarantined_text_fits_the_warehouse() {
        assert_eq!(quarantined_text(b"{\"a\": 1}"), "{\"a\": 1}");
        assert_eq!(quarantined_text(b"a\0b\xFFc"), "a\u{FFFD}b\u{FFFD}c");
        // Each invalid byte grows to three: the cut is made after that.
        assert_eq!(quarantined_text(&[0xFF; 70_000]).len(), 65_535);
        assert!(quarantined_text("é".repeat(40_000).as_bytes()).len() <= 65_535);
    }
}
