//! Names of blobs, which may hold nearly everything: which of them an address reaches, and how they are shown.

/// The most characters a blob's name has.
/// Source: "Naming and referencing containers, blobs, and metadata", Azure Storage REST reference.
const MOST_CHARS: usize = 1024;

/// Why a name, or the beginning of one, cannot be asked for as it stands; `None` when it can.
///
/// What an address would lose on its way must not reach another blob than the one that is meant.
pub(crate) fn fault(name: &str) -> Option<&'static str> {
    if name.chars().count() > MOST_CHARS {
        Some("is longer than 1024 characters")
    } else if name.chars().any(char::is_control) {
        Some("holds control characters")
    } else if name.split('/').any(|segment| matches!(segment, "." | "..")) {
        Some("holds `.` or `..` as a folder")
    } else if name.starts_with('/') {
        Some("begins with a slash")
    } else {
        None
    }
}

/// A name as it stands in an address that a person can read and a browser can follow: what would end it, hide in it or
/// stand for something else is encoded, letters of all scripts are not.
pub(crate) fn shown(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_whitespace()
            || c.is_control()
            || is_unseen(c)
            || matches!(c, '%' | '#' | '?' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
        {
            text.extend(c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")));
        } else {
            text.push(c);
        }
    }
    text
}

/// Characters without a width, and those that turn the text around them.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_an_address_would_change_is_refused() {
        for good in ["a", "a/b.json", "a b%20#?+ü", "a//b", "...", "a/.b", "", "日/本", &"é".repeat(1024)] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in ["..", "a/../b", "./a", "a/.", "/a", "a\nb", "a\tb", "a\u{0}", "\u{85}", &"é".repeat(1025)] {
            assert!(fault(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn a_shown_name_is_readable_and_one_of_its_kind() {
        let check = |name: &str, expected: &str| assert_eq!(shown(name), expected);
        check("transactions/2026-11-21.json", "transactions/2026-11-21.json");
        check("a b", "a%20b");
        check("a%20b", "a%2520b");
        check("a?sig=x#y", "a%3Fsig=x%23y");
        check("a+b&c=d;e,f", "a+b&c=d;e,f");
        check("Überweisungen/日本.json", "Überweisungen/日本.json");
        check("a\u{a0}b\u{2028}", "a%C2%A0b%E2%80%A8");
        check("a\u{202e}b\u{200b}", "a%E2%80%AEb%E2%80%8B");
        check("\"<>\\^`{|}", "%22%3C%3E%5C%5E%60%7B%7C%7D");
    }
}
