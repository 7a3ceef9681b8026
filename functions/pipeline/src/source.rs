//! Bytes to text: encodings, byte order marks, and the limits every input has.

/// Longest single record, JSON or CSV. A larger one is far more likely a missing bracket, quote or newline.
pub const MAX_RECORD_BYTES: u64 = 16 * 1024 * 1024;

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

/// Whether the bytes begin with the byte order mark of UTF-16, which is refused with a clear word instead of as noise.
pub fn is_utf16(start: &[u8]) -> bool {
    start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF")
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

    #[test]
    fn quarantined_text_fits_the_warehouse() {
        assert_eq!(quarantined_text(b"{\"a\": 1}"), "{\"a\": 1}");
        assert_eq!(quarantined_text(b"a\0b\xFFc"), "a\u{FFFD}b\u{FFFD}c");
        // Each invalid byte grows to three: the cut is made after that.
        assert_eq!(quarantined_text(&[0xFF; 70_000]).len(), 65_535);
        assert!(quarantined_text("é".repeat(40_000).as_bytes()).len() <= 65_535);
    }
}
