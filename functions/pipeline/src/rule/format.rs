//! The well-known shapes of text.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::contract::TextFormat;

impl TextFormat {
    /// Whether the whole text has this shape.
    pub fn matches(self, text: &str) -> bool {
        match self {
            Self::Email => is_email(text),
            Self::Uuid => is_uuid(text.as_bytes()),
            Self::Uri => is_uri(text),
            Self::Hostname => is_hostname(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
        }
    }
}

/// `local@domain` of RFC 5321, without quoted locals and address literals. The domain needs a dot: one without is no address on
/// the internet, but very often a slip.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    let is_local = local.len() <= 64 && local.split('.').all(|part| !part.is_empty() && part.bytes().all(is_atom));
    is_local && domain.contains('.') && is_hostname(domain) && text.len() <= 254
}

/// RFC 9562's text, in either case.
fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36 && text.iter().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { *b == b'-' } else { b.is_ascii_hexdigit() })
}

/// RFC 3986: a scheme, a colon, and only characters that may follow; what they mean is the scheme's own business.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let bytes = rest.as_bytes();
    let is_rest = bytes.iter().enumerate().all(|(i, b)| match b {
        b'%' => bytes.get(i + 1..i + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        b => b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(b),
    });
    is_scheme && is_rest && !rest.is_empty() && rest.matches('#').count() <= 1
}

/// RFC 1123: labels of letters, digits and inner hyphens, at most 63 characters each and 253 together.
fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_shapes() {
        let check = |format: TextFormat, good: &[&str], bad: &[&str]| {
            for text in good {
                assert!(format.matches(text), "{format}: {text}");
            }
            for text in bad.iter().chain(&["", " ", "\n"]) {
                assert!(!format.matches(text), "{format}: {text:?}");
            }
        };
        check(
            TextFormat::Email,
            &["a@b.de", "first.last+tag@mail.example.com", "o'neil@x-y.org", "1@2.io"],
            &[
                "a@b",
                "a b@c.de",
                "a@b.de ",
                "a@@b.de",
                ".a@b.de",
                "a.@b.de",
                "a..b@c.de",
                "a@-b.de",
                "a@b..de",
                "@b.de",
                "a@",
                "é@b.de",
                "a@b.de\n",
            ],
        );
        check(
            TextFormat::Uuid,
            &["123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000", "123E4567-E89B-12D3-A456-426614174000"],
            &["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g", "{123e4567-e89b-12d3-a456-426614174000}"],
        );
        check(
            TextFormat::Uri,
            &["https://a.b/c?d=e#f", "mailto:a@b.de", "urn:isbn:123", "http://[::1]:80/", "s3://bucket/k%20y"],
            &["a.b/c", "1http://a", "http:", "http://a b", "http://a/%2", "http://a/%zz", "http://a#b#c", "http://é", "://a"],
        );
        check(
            TextFormat::Hostname,
            &["localhost", "a.b-c.de", "1.example", &"a".repeat(63)],
            &["-a", "a-", "a..b", "a.", "a_b", "é.de", &"a".repeat(64)],
        );
        check(TextFormat::Ipv4, &["1.2.3.4", "255.255.255.255"], &["256.1.1.1", "1.2.3", "01.2.3.4", "1.2.3.4/8"]);
        check(TextFormat::Ipv6, &["::1", "2001:db8::ff00:42:8329", "::ffff:1.2.3.4"], &["1.2.3.4", ":::", "fe80::1%eth0", "[::1]"]);
    }
}
