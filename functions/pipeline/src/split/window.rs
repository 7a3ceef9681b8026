//! A record's bytes, sixty-four at a time: where its braces are, those within strings left out.
//!
//! A bit stands for a byte, the lowest for the first. That quotes open and close strings in turn makes a string the running parity of
//! the quotes before it. Source: Langdale and Lemire, "Parsing Gigabytes of JSON per Second", The VLDB Journal 28, 2019.

use serde::{Deserialize, Serialize};
use wide::u8x16;

pub(super) const WINDOW_BYTES: usize = 64;

/// What the next byte stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Within {
    Object,
    String,
    /// In a string, behind a backslash.
    Escape,
}

impl Within {
    /// What comes behind the byte.
    pub(super) fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Object, b'"') | (Self::Escape, _) => Self::String,
            (Self::String, b'"') => Self::Object,
            (Self::String, b'\\') => Self::Escape,
            (within, _) => within,
        }
    }
}

/// The braces of a window that are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Braces {
    pub(super) opening: u64,
    pub(super) closing: u64,
}

/// The window's braces, and what comes behind it; `None` when a backslash stands outside of strings, where it escapes nothing.
#[inline(always)]
pub(super) fn braces(window: &[u8; WINDOW_BYTES], before: Within) -> Option<(Braces, Within)> {
    let lanes = lanes(window);
    let backslashes = marks(&lanes, b'\\');
    let (escaped, is_next_escaped) = match (backslashes, before) {
        (0, Within::Escape) => (1, false),
        (0, _) => (0, false),
        _ => escaped(backslashes, before == Within::Escape),
    };
    let quotes = marks(&lanes, b'"') & !escaped;
    let strings = running_parity(quotes) ^ if before == Within::Object { 0 } else { !0 };
    if backslashes & !strings != 0 {
        return None;
    }
    let after = match strings >> (u64::BITS - 1) {
        0 => Within::Object,
        _ if is_next_escaped => Within::Escape,
        _ => Within::String,
    };
    Some((Braces { opening: marks(&lanes, b'{') & !strings, closing: marks(&lanes, b'}') & !strings }, after))
}

#[inline(always)]
fn lanes(window: &[u8; WINDOW_BYTES]) -> [u8x16; 4] {
    let (sixteens, _) = window.as_chunks::<16>();
    std::array::from_fn(|n| u8x16::new(sixteens[n]))
}

#[inline(always)]
fn marks(lanes: &[u8x16; 4], byte: u8) -> u64 {
    let wanted = u8x16::splat(byte);
    let sixteen = |n: usize| u64::from(lanes[n].simd_eq(wanted).to_bitmask()) << (16 * n);
    sixteen(0) | sixteen(1) | sixteen(2) | sixteen(3)
}

/// The bytes behind a backslash that escapes, and whether the first byte behind the window is one. Few texts hold a backslash.
fn escaped(mut backslashes: u64, is_first_escaped: bool) -> (u64, bool) {
    let mut escaped = u64::from(is_first_escaped);
    backslashes &= !escaped;
    while backslashes != 0 {
        let backslash = backslashes & backslashes.wrapping_neg();
        let next = backslash << 1;
        if next == 0 {
            return (escaped, true);
        }
        escaped |= next;
        backslashes &= !(backslash | next);
    }
    (escaped, false)
}

/// Of each bit and all below it.
#[inline(always)]
fn running_parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Byte by byte; `None` where a window is no help.
    fn one_by_one(window: &[u8; WINDOW_BYTES], mut within: Within) -> Option<(Braces, Within)> {
        let mut found = Braces { opening: 0, closing: 0 };
        for (n, &byte) in window.iter().enumerate() {
            match (within, byte) {
                (Within::Object, b'\\') => return None,
                (Within::Object, b'{') => found.opening |= 1 << n,
                (Within::Object, b'}') => found.closing |= 1 << n,
                _ => {}
            }
            within = within.after(byte);
        }
        Some((found, within))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_window_is_its_bytes_one_by_one(
            bytes in proptest::collection::vec(proptest::sample::select(b"\"\\{}ax\xC3\xA9\0".to_vec()), WINDOW_BYTES),
            within in proptest::sample::select(vec![Within::Object, Within::String, Within::Escape]),
            // Without it, nearly each window would hold a backslash where none belongs.
            has_backslashes in proptest::bool::weighted(0.3),
        ) {
            let bytes: Vec<u8> = bytes.into_iter().map(|byte| if byte == b'\\' && !has_backslashes { b'"' } else { byte }).collect();
            let window = bytes.first_chunk().unwrap();
            prop_assert_eq!(braces(window, within), one_by_one(window, within));
        }

        #[test]
        fn a_window_of_text_is_too(
            bytes in proptest::collection::vec(proptest::sample::select(b"\\\\\\\"\"{}a".to_vec()), WINDOW_BYTES),
            within in proptest::sample::select(vec![Within::String, Within::Escape]),
        ) {
            let window = bytes.first_chunk().unwrap();
            prop_assert_eq!(braces(window, within), one_by_one(window, within));
        }
    }
}
