//! A JSON value as its compact text.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Unreadable;
use crate::source::MAX_DEPTH;

/// Appends the JSON value of `raw` without the white space outside its strings; numbers and strings keep their own characters.
///
/// Both warehouses must be able to take the result in, since one that they refuse would fail the whole load: so it is checked to be
/// JSON, at most [`MAX_DEPTH`] deep, without NUL and without half a surrogate pair, its numbers within the range of a double. A name
/// that stands twice in an object is refused too: a warehouse keeps one of its values, without a word.
pub fn compact_json(raw: &str, out: &mut String) -> Result<(), Unreadable> {
    let mut reader = Reader { text: raw, at: 0, out };
    reader.space();
    reader.value(1)?;
    reader.space();
    if reader.at == raw.len() { Ok(()) } else { Err(Unreadable) }
}

struct Reader<'r> {
    text: &'r str,
    at: usize,
    out: &'r mut String,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<(), Unreadable> {
        match self.peek().ok_or(Unreadable)? {
            b'{' if depth <= MAX_DEPTH => {
                let mut names = HashSet::new();
                self.list(b'}', |reader| {
                    let start = reader.at;
                    reader.string()?;
                    if !names.insert(unescaped(&reader.text[start..reader.at])?) {
                        return Err(Unreadable);
                    }
                    reader.space();
                    reader.punctuation(b':')?;
                    reader.space();
                    reader.value(depth + 1)
                })
            }
            b'[' if depth <= MAX_DEPTH => self.list(b']', |reader| reader.value(depth + 1)),
            b'"' => self.string(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    /// The items between two brackets, the first of which is next.
    fn list(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
        self.copy(1);
        self.space();
        if self.peek() == Some(close) {
            self.copy(1);
            return Ok(());
        }
        loop {
            item(self)?;
            self.space();
            if self.peek() == Some(close) {
                self.copy(1);
                return Ok(());
            }
            self.punctuation(b',')?;
            self.space();
        }
    }

    fn string(&mut self) -> Result<(), Unreadable> {
        let bytes = self.text.as_bytes();
        if self.peek() != Some(b'"') {
            return Err(Unreadable);
        }
        let mut end = self.at + 1;
        loop {
            match *bytes.get(end).ok_or(Unreadable)? {
                b'"' => break,
                b'\\' => match *bytes.get(end + 1).ok_or(Unreadable)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => end += 2,
                    b'u' => end += escaped_units(&bytes[end..])?,
                    _ => return Err(Unreadable),
                },
                control if control < b' ' => return Err(Unreadable),
                _ => end += 1,
            }
        }
        self.copy(end + 1 - self.at);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Unreadable> {
        let bytes = &self.text.as_bytes()[self.at..];
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = usize::from(bytes.first() == Some(&b'-'));
        let whole = digits(end);
        if whole == 0 || (whole > 1 && bytes[end] == b'0') {
            return Err(Unreadable);
        }
        end += whole;
        if bytes.get(end) == Some(&b'.') {
            let fraction = digits(end + 1);
            end += 1 + fraction;
            if fraction == 0 {
                return Err(Unreadable);
            }
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            end += 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end);
            end += exponent;
            if exponent == 0 {
                return Err(Unreadable);
            }
        }
        let number = &self.text[self.at..self.at + end];
        // Shorter than the largest double's own digits, and without an exponent, it cannot be out of range.
        let is_small = end < 300 && !number.bytes().any(|b| matches!(b, b'e' | b'E'));
        if !is_small && number.parse::<f64>().ok().is_none_or(f64::is_infinite) {
            return Err(Unreadable);
        }
        self.copy(end);
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Unreadable> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Unreadable);
        }
        self.copy(word.len());
        Ok(())
    }

    fn punctuation(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek() != Some(byte) {
            return Err(Unreadable);
        }
        self.copy(1);
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn copy(&mut self, bytes: usize) {
        self.out.push_str(&self.text[self.at..self.at + bytes]);
        self.at += bytes;
    }
}

/// The text of a JSON string.
fn unescaped(string: &str) -> Result<Cow<'_, str>, Unreadable> {
    match memchr::memchr(b'\\', string.as_bytes()) {
        None => Ok(Cow::Borrowed(&string[1..string.len() - 1])),
        Some(_) => serde_json::from_str(string).map(Cow::Owned).map_err(|_| Unreadable),
    }
}

/// Bytes of the `\uXXXX` that the text starts with, or of the two that make one character.
fn escaped_units(text: &[u8]) -> Result<usize, Unreadable> {
    let unit = |at: usize| {
        let hex = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        hex.iter().try_fold(0u32, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
    };
    match unit(0).ok_or(Unreadable)? {
        0 | 0xDC00..=0xDFFF => Err(Unreadable),
        0xD800..=0xDBFF if matches!(unit(6), Some(0xDC00..=0xDFFF)) => Ok(12),
        0xD800..=0xDBFF => Err(Unreadable),
        _ => Ok(6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compact(raw: &str) -> Option<String> {
        let mut out = "before".to_owned();
        compact_json(raw, &mut out).ok().map(|()| out.strip_prefix("before").unwrap().to_owned())
    }

    #[test]
    fn keeps_every_character_but_space() {
        let check = |raw: &str, expected: Option<&str>| assert_eq!(compact(raw).as_deref(), expected, "{raw}");
        check(" { \"a b\" : [ 1 , 2.50,\t-0.0e+1 ] , \"c\":{ } ,\"d\":[\r\n] } ", Some(r#"{"a b":[1,2.50,-0.0e+1],"c":{},"d":[]}"#));
        check(r#""a \" \\ \u00e9 \ud83d\ude00 é""#, Some(r#""a \" \\ \u00e9 \ud83d\ude00 é""#));
        check("12345678901234567890123456789012345678901234567890", Some("12345678901234567890123456789012345678901234567890"));
        check(" true ", Some("true"));
        check("null", Some("null"));
        check(r#"[{"a":1,"b":{"a":2}},{"a":1,"A":1}]"#, Some(r#"[{"a":1,"b":{"a":2}},{"a":1,"A":1}]"#));
        for bad in [
            "",
            " ",
            "{",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "1e999",
            "tru",
            "truee",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "\"\\ude00\"",
            "\"\\ud800\\u0041\"",
            "\"\n\"",
            "1 2",
            "NaN",
            "[1]]",
            "\u{feff}1",
            r#"{"a":1,"a":1}"#,
            r#"[{"a":1,"b":{},"\u0061":2}]"#,
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn goes_only_so_deep() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(compact(&nested(MAX_DEPTH)).is_some());
        assert!(compact(&nested(MAX_DEPTH + 1)).is_none());
        assert!(compact(&nested(1_000_000)).is_none());
        assert!(compact(&"9".repeat(400)).is_none());
    }

    proptest! {
        /// It takes what serde_json takes, and to serde_json the compact text means the same.
        #[test]
        fn agrees_with_serde_json(raw in "[\\[\\]{}:, \"a\\\\nu0d8c1-9eE.+tru]{0,24}") {
            if let Some(text) = compact(&raw) {
                let of = |text: &str| serde_json::from_str::<serde_json::Value>(text).map_err(|e| e.to_string());
                prop_assert_eq!(of(&text), of(&raw));
                prop_assert!(of(&text).is_ok());
                prop_assert_eq!(compact(&text), Some(text.clone()));
            } else if let Ok(value) = serde_json::from_str::<serde_json::Value>(&raw) {
                // A name that stands twice leaves a colon less.
                let colons = |text: &str| text.matches(':').count();
                let text = value.to_string();
                prop_assert!(text.contains("\\u0000") || colons(&text) < colons(&raw), "{}", raw);
            }
        }

        #[test]
        fn never_panics(raw in "\\PC{0,40}") {
            let _text = compact(&raw);
        }
    }
}
