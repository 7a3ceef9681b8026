//! The fast reader: one pass over the record's bytes, expecting the contract's fields in their order.
//!
//! It accepts less than JSON allows and nothing else: an escape in a name, a doubled field, whatever looks wrong, and it hands over.

use wide::u8x16;

use super::{Extent, Field, Fields, Layout};
use crate::source::MAX_DEPTH;

/// `LINES`: a newline ends the record, so it is no white space inside.
pub(super) fn object<'a, const LINES: bool>(text: &'a str, start: usize, layout: &Layout, fields: &mut Fields<'a>) -> Option<usize> {
    let bytes = text.as_bytes();
    fields.clear(layout.fields.len());
    if *bytes.get(start)? != b'{' {
        return None;
    }
    let mut at = white_space::<LINES>(bytes, start + 1);
    if *bytes.get(at)? == b'}' {
        return Some(at + 1);
    }
    let mut due = 0;
    loop {
        if *bytes.get(at)? != b'"' {
            return None;
        }
        at += 1;
        // Records mostly keep the order of the one before, so the field that is due is tried first.
        let found = match layout.quoted.get(due) {
            Some(name) if name.begins(&bytes[at..]) => {
                at += name.bytes.len();
                Some(due)
            }
            _ => {
                let end = plain_string_end(bytes, at)?;
                let found = layout.position(&text[at..end]);
                at = end + 1;
                found
            }
        };
        at = white_space::<LINES>(bytes, at);
        if *bytes.get(at)? != b':' {
            return None;
        }
        at = white_space::<LINES>(bytes, at + 1);
        let (value, end) = value::<LINES>(text, at)?;
        at = white_space::<LINES>(bytes, end);
        match found {
            None => fields.unknown += 1,
            Some(index) => {
                let slot = &mut fields.values[index];
                if *slot != Field::Missing {
                    return None;
                }
                *slot = value;
                due = index + 1;
            }
        }
        match bytes.get(at)? {
            b',' => at = white_space::<LINES>(bytes, at + 1),
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

#[inline(always)]
fn value<const LINES: bool>(text: &str, at: usize) -> Option<(Field<'_>, usize)> {
    let bytes = text.as_bytes();
    match bytes.get(at)? {
        b'"' => {
            let (end, has_escape) = string_end(bytes, at + 1)?;
            let value = if has_escape { Field::Escaped(&text[at..=end]) } else { Field::Text(&text[at + 1..end]) };
            Some((value, end + 1))
        }
        b'-' | b'0'..=b'9' => {
            let end = number_end(bytes, at)?;
            Some((Field::Literal(&text[at..end]), end))
        }
        b'{' | b'[' => {
            let end = nested_end::<LINES>(bytes, at)?;
            Some((Field::Nested(&text[at..end]), end))
        }
        _ => {
            let end = literal_end(bytes, at)?;
            let value = if end - at == 4 && bytes[at] == b'n' { Field::Null } else { Field::Literal(&text[at..end]) };
            Some((value, end))
        }
    }
}

#[inline(always)]
fn white_space<const LINES: bool>(bytes: &[u8], mut at: usize) -> usize {
    // Mostly there is none, and a single comparison says so.
    while let Some(b'\0'..=b' ') = bytes.get(at) {
        match bytes[at] {
            b' ' | b'\t' | b'\r' => at += 1,
            b'\n' if !LINES => at += 1,
            _ => break,
        }
    }
    at
}

/// The first byte from `at` on that a string does not hold as it is: a quote, a backslash, a control character.
///
/// Sixteen bytes at a time: most strings are shorter, and then no branch is guessed.
#[inline(always)]
fn find_special(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(sixteen) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let sixteen = u8x16::new(*sixteen);
        let is_quote = sixteen.simd_eq(u8x16::splat(b'"'));
        let is_backslash = sixteen.simd_eq(u8x16::splat(b'\\'));
        let is_control = sixteen.min(u8x16::splat(0x1F)).simd_eq(sixteen);
        let marks = (is_quote | is_backslash | is_control).to_bitmask();
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize);
        }
        at += 16;
    }
    let found = bytes.get(at..)?.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20))?;
    Some(at + found)
}

/// The quote that closes a string without escapes.
#[inline(always)]
fn plain_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let end = find_special(bytes, at)?;
    (bytes[end] == b'"').then_some(end)
}

/// The quote that closes a string, and whether an escape stands before it.
#[inline(always)]
fn string_end(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut has_escape = false;
    loop {
        at = find_special(bytes, at)?;
        match bytes[at] {
            b'"' => return Some((at, has_escape)),
            b'\\' => {
                has_escape = true;
                at += match bytes.get(at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                    b'u' if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
                    _ => return None,
                };
            }
            _ => return None,
        }
    }
}

/// The end of a number by JSON's grammar.
#[inline(always)]
fn number_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    if bytes[at] == b'-' {
        at += 1;
    }
    at = match bytes.get(at)? {
        b'0' => at + 1,
        b'1'..=b'9' => digits(at + 1),
        _ => return None,
    };
    if bytes.get(at) == Some(&b'.') {
        let end = digits(at + 1);
        if end == at + 1 {
            return None;
        }
        at = end;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        let end = digits(at);
        if end == at {
            return None;
        }
        at = end;
    }
    Some(at)
}

fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let literals: [&[u8]; 3] = [b"null", b"true", b"false"];
    let found = literals.into_iter().find(|literal| bytes[at..].starts_with(literal))?;
    Some(at + found.len())
}

/// The end of an object or array inside a record, strictly by JSON's grammar and no deeper than allowed.
fn nested_end<const LINES: bool>(bytes: &[u8], mut at: usize) -> Option<usize> {
    // One bit a level, the lowest the innermost: whether it is an object. The record itself is the first level.
    let (mut objects, mut depth) = (0u128, 1);
    loop {
        // A value is due.
        match *bytes.get(at)? {
            open @ (b'{' | b'[') => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return None;
                }
                objects = objects << 1 | u128::from(open == b'{');
                at = white_space::<LINES>(bytes, at + 1);
                let close = if open == b'{' { b'}' } else { b']' };
                if *bytes.get(at)? != close {
                    if open == b'{' {
                        at = name_end::<LINES>(bytes, at)?;
                    }
                    continue;
                }
            }
            b'"' => at = string_end(bytes, at + 1)?.0,
            b'-' | b'0'..=b'9' => at = number_end(bytes, at)? - 1,
            _ => at = literal_end(bytes, at)? - 1,
        }
        // A value has ended at `at`, its last byte.
        loop {
            let is_closing = matches!(bytes[at], b'}' | b']') && is_level_end(bytes, at, objects);
            if is_closing {
                objects >>= 1;
                depth -= 1;
                if depth == 1 {
                    return Some(at + 1);
                }
            }
            at = white_space::<LINES>(bytes, at + 1);
            let is_object = objects & 1 == 1;
            match *bytes.get(at)? {
                b',' => {
                    at = white_space::<LINES>(bytes, at + 1);
                    if is_object {
                        at = name_end::<LINES>(bytes, at)?;
                    }
                    break;
                }
                b'}' if is_object => {}
                b']' if !is_object => {}
                _ => return None,
            }
        }
    }
}

fn is_level_end(bytes: &[u8], at: usize, objects: u128) -> bool {
    (bytes[at] == b'}') == (objects & 1 == 1)
}

/// Past the name and the colon of a member; where its value begins.
fn name_end<const LINES: bool>(bytes: &[u8], at: usize) -> Option<usize> {
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let (end, _) = string_end(bytes, at + 1)?;
    let at = white_space::<LINES>(bytes, end + 1);
    (*bytes.get(at)? == b':').then(|| white_space::<LINES>(bytes, at + 1))
}

/// Where the object that begins at `start` ends, by strings and braces alone, whatever stands between them; `None` if not in `bytes`.
pub fn skip_object(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0usize);
    loop {
        at += memchr::memchr3(b'"', b'{', b'}', bytes.get(at..)?)?;
        match bytes[at] {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return Some(at + 1),
            b'}' => depth -= 1,
            _ => loop {
                at += 1;
                at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
                if bytes[at] == b'"' {
                    break;
                }
                at += 1;
            },
        }
        at += 1;
    }
}

impl Extent {
    /// Past the white space that may follow a record.
    pub(crate) fn white_space(self, bytes: &[u8], at: usize) -> usize {
        match self {
            Self::Free => white_space::<false>(bytes, at),
            Self::Line => white_space::<true>(bytes, at),
        }
    }
}
