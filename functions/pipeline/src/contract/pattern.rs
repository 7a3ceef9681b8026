//! `pattern` as the standard means it: a regular expression of ECMA-262, which may match anywhere in the value.

use regex::Regex;

/// Compiles a pattern of the contract.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(&translate(pattern)).map_err(|e| {
        // The library draws the pattern first; its last line says what is wrong.
        let message = e.to_string();
        message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// The same pattern in the words of the `regex` crate, where they differ: there `\d` and `\w` mean all of Unicode, and brackets
/// nest inside a class.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match (c, in_class) {
            ('\\', _) => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('b') if !in_class => out.push_str("(?-u:\\b)"),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            ('[', false) => {
                in_class = true;
                out.push('[');
            }
            (']', true) => {
                in_class = false;
                out.push(']');
            }
            ('[' | '&' | '~', true) => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_the_standard_says() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(compile(pattern).unwrap().is_match(text), expected, "{pattern} on {text}");
        };
        check("^[A-Z]{3}$", "EUR", true);
        check("^[A-Z]{3}$", "EURO", false);
        check("[A-Z]{3}", "in EUR.", true);
        check(r"^\d+$", "123", true);
        check(r"^\d+$", "١٢٣", false);
        check(r"^[\d.]+$", "1.2", true);
        check(r"^[^\d]$", "1", false);
        check(r"^\w+$", "é", false);
        check(r"^[\W]+$", "é-", true);
        check(r"^[[&~]+$", "[&&~", true);
        check(r"^a\/b\.c$", "a/b.c", true);
        check(r"\bx\b", "a x b", true);
        check(r"^\u00e9$", "é", true);
        check("^a$", "a\n", false);
    }

    #[test]
    fn refuses_what_it_cannot_match() {
        let check = |pattern: &str, expected: &str| {
            let error = compile(pattern).unwrap_err();
            assert!(error.contains(expected), "{pattern}: {error}");
        };
        check("[A-Z", "unclosed character class");
        check("(?!x)", "look-around");
        check(r"(a)\1", "backreferences");
    }
}
