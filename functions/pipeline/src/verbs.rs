//! The cleaning steps of a text.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::contract::Verb;

/// What a step did to a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Unchanged,
    /// The new text stands in `out`.
    Changed,
    Null,
}

/// Applies one step; `out` is cleared first.
pub fn apply(verb: &Verb, text: &str, out: &mut String) -> Outcome {
    out.clear();
    // Most values are clean already: what a look can tell is not copied.
    match verb {
        Verb::Trim => match text.trim() {
            trimmed if trimmed.len() == text.len() => return Outcome::Unchanged,
            trimmed => out.push_str(trimmed),
        },
        Verb::Lowercase if is_plain(text, |b| !b.is_ascii_uppercase()) => return Outcome::Unchanged,
        Verb::Uppercase if is_plain(text, |b| !b.is_ascii_lowercase()) => return Outcome::Unchanged,
        Verb::UnicodeNfc if text.is_ascii() || is_nfc(text) => return Outcome::Unchanged,
        Verb::StripNonDigits if is_plain(text, |b| b.is_ascii_digit()) => return Outcome::Unchanged,
        Verb::CollapseSpaces => collapse_spaces(text, out),
        Verb::Lowercase => out.push_str(&text.to_lowercase()),
        Verb::Uppercase => out.push_str(&text.to_uppercase()),
        Verb::TitleCase => title_case(text, out),
        Verb::StripNonDigits => out.extend(text.chars().filter(char::is_ascii_digit)),
        Verb::UnicodeNfc => out.extend(text.nfc()),
        Verb::EmptyToNull if text.is_empty() => return Outcome::Null,
        Verb::NullValues(values) if values.contains(text) => return Outcome::Null,
        Verb::EmptyToNull | Verb::NullValues(_) => return Outcome::Unchanged,
        Verb::Map(pairs) => match pairs.get(text) {
            Some(other) => out.push_str(other),
            None => return Outcome::Unchanged,
        },
    }
    if out == text { Outcome::Unchanged } else { Outcome::Changed }
}

/// Whether the text is ASCII, all of it such bytes.
fn is_plain(text: &str, is_such: impl Fn(&u8) -> bool) -> bool {
    text.bytes().all(|b| b.is_ascii() && is_such(&b))
}

/// Every run of white space becomes one space.
fn collapse_spaces(text: &str, out: &mut String) {
    let mut in_space = false;
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !in_space {
            out.push(' ');
        }
        in_space = c.is_whitespace();
    }
}

/// A word is a run of letters and digits; an apostrophe inside one does not end it.
fn title_case(text: &str, out: &mut String) {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’');
    let mut rest = text;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        out.push_str(&rest[..start]);
        let word = &rest[start..];
        let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
        let first = word.chars().next().map_or(0, char::len_utf8);
        out.extend(word[..first].chars().flat_map(char::to_uppercase));
        out.push_str(&word[first..end].to_lowercase());
        rest = &word[end..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(verb: &Verb, text: &str) -> Option<String> {
        let mut out = "left over".to_owned();
        match apply(verb, text, &mut out) {
            Outcome::Null => None,
            Outcome::Changed => {
                assert_ne!(out, text, "{verb} says changed");
                Some(out)
            }
            Outcome::Unchanged => Some(text.to_owned()),
        }
    }

    #[test]
    fn cleans() {
        let check = |verb: &Verb, text: &str, expected: Option<&str>| {
            assert_eq!(run(verb, text).as_deref(), expected, "{verb} of {text:?}");
        };
        check(&Verb::Trim, " \t\u{a0}a b\u{3000}\n", Some("a b"));
        check(&Verb::Trim, "a", Some("a"));
        check(&Verb::Trim, "  ", Some(""));
        check(&Verb::CollapseSpaces, "a \t b\u{a0}\u{a0}c", Some("a b c"));
        check(&Verb::CollapseSpaces, "  a", Some(" a"));
        check(&Verb::Lowercase, "İSTANBUL ΟΔΟΣ", Some("i\u{307}stanbul οδος"));
        check(&Verb::Lowercase, "abc1", Some("abc1"));
        check(&Verb::Uppercase, "straße", Some("STRASSE"));
        check(&Verb::TitleCase, "anna-marie o'neil VAN DER berg", Some("Anna-Marie O'neil Van Der Berg"));
        check(&Verb::TitleCase, "élodie d’arc 2nd (ΟΔΟΣ)", Some("Élodie D’arc 2nd (Οδος)"));
        check(&Verb::TitleCase, "'tis", Some("'Tis"));
        check(&Verb::EmptyToNull, "", None);
        check(&Verb::EmptyToNull, " ", Some(" "));
        check(&Verb::StripNonDigits, "+49 (30) 123-45", Some("493012345"));
        check(&Verb::StripNonDigits, "١٢٣", Some(""));
        check(&Verb::UnicodeNfc, "e\u{301}", Some("é"));
        check(&Verb::UnicodeNfc, "é", Some("é"));
        check(&Verb::UnicodeNfc, "\u{212b}", Some("Å"));
        check(&Verb::UnicodeNfc, "ﬁ", Some("ﬁ"));
        let nulls = Verb::NullValues(["N/A", "-"].map(str::to_owned).into());
        check(&nulls, "N/A", None);
        check(&nulls, "n/a", Some("n/a"));
        let map = Verb::Map([("€".to_owned(), "EUR".to_owned()), ("EUR".to_owned(), "EUR".to_owned())].into());
        check(&map, "€", Some("EUR"));
        check(&map, "EUR", Some("EUR"));
        check(&map, "USD", Some("USD"));
    }

    proptest! {
        /// Each of these steps, done twice, is done once; and the shortcuts say what the long way says.
        #[test]
        fn is_done_when_it_is_done(text in "[a-zA-Z0-9 \\t'é\u{301}ΣςßﬁÅ\u{212b}-]{0,20}") {
            for verb in [Verb::Trim, Verb::CollapseSpaces, Verb::Lowercase, Verb::Uppercase, Verb::StripNonDigits, Verb::UnicodeNfc] {
                let once = run(&verb, &text).unwrap();
                prop_assert_eq!(run(&verb, &once), Some(once.clone()), "{} of {:?}", verb, text);
            }
            prop_assert_eq!(run(&Verb::Lowercase, &text), Some(text.to_lowercase()));
            prop_assert_eq!(run(&Verb::Uppercase, &text), Some(text.to_uppercase()));
        }
    }
}
