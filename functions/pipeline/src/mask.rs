//! Restricted values made unreadable before they are written.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::contract::Mask;

/// What [`Mask::Redact`] leaves of a value.
pub const REDACTED: &str = "REDACTED";

/// Makes values unreadable. The salt comes from the outside; without one, [`Mask::Sha256`] hashes the value alone.
#[derive(Clone, Default)]
pub struct Masker {
    /// The hash of the salt, to go on from.
    salted: Sha256,
}

impl Masker {
    pub fn new(salt: impl Into<Vec<u8>>) -> Self {
        Self { salted: Sha256::new_with_prefix(salt.into()) }
    }

    /// Writes the masked text; `out` is cleared first.
    pub fn mask(&self, mask: Mask, text: &str, out: &mut String) {
        out.clear();
        match mask {
            Mask::Sha256 => {
                let digest = self.salted.clone().chain_update(text).finalize();
                let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
                out.extend(digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
            }
            Mask::Last4 => {
                let length = text.chars().count();
                let hidden = if length > 4 { length - 4 } else { length };
                out.extend(text.chars().enumerate().map(|(i, c)| if i < hidden { '*' } else { c }));
            }
            Mask::Redact => out.push_str(REDACTED),
        }
    }
}

/// Says nothing of the salt.
impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let check = |salt: &str, mask, text: &str, expected: &str| {
            let mut out = "left over".to_owned();
            Masker::new(salt).mask(mask, text, &mut out);
            assert_eq!(out, expected, "{mask} of {text}");
        };
        // FIPS 180-2, appendix B.1: SHA-256 of "abc", here as salt and value.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        check("", Mask::Sha256, "abc", abc);
        check("ab", Mask::Sha256, "c", abc);
        check("", Mask::Last4, "4111111111111234", "************1234");
        check("", Mask::Last4, "éèêëâ", "*èêëâ");
        check("", Mask::Last4, "1234", "****");
        check("", Mask::Last4, "", "");
        check("", Mask::Redact, "anything", "REDACTED");
    }

    #[test]
    fn does_not_show_its_salt() {
        assert_eq!(format!("{:?}", Masker::new("secret")), "Masker { .. }");
    }
}
