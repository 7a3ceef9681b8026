//! Text to typed values, exactly or not at all: nothing is rounded, cut or guessed. Only DOUBLE PRECISION rounds, as is its nature.

mod json;
#[cfg(test)]
mod tests;

pub use json::compact_json;

use std::ops::Range;

use crate::decimal::{Decimal, fits};
use crate::types::{Type, Value};

/// How a value was written: JSON tells a number from a string, CSV knows only text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A JSON number or boolean, by its own characters.
    Literal,
    Text,
}

/// Why a text is no value of its type, for the one who reads the quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// Reads `text` as a value of `kind`; `zone_offset_seconds` is the contract's zone for timestamps that name none.
///
/// Text itself is not handled here, since it needs no reading, and SUPER is read by [`compact_json`].
pub fn value(text: &str, written: Written, kind: Type, zone_offset_seconds: i32) -> Result<Value<'static>, Unreadable> {
    let read = match kind {
        Type::Text { .. } | Type::Char { .. } | Type::Super => None,
        Type::Integer { bits } => integer(text, written, bits).map(Value::Integer),
        Type::Decimal { precision, scale } => decimal(text, written, precision, scale).map(Value::Decimal),
        Type::Double => double(text).map(Value::Double),
        Type::Boolean => boolean(text).map(Value::Boolean),
        Type::Date => date(text.as_bytes()).map(Value::Date),
        Type::Timestamp { has_zone: true } => timestamp(text.as_bytes(), zone_offset_seconds).map(Value::Timestamp),
        // The clock on the wall in the contract's zone: as written, or what it showed at the instant written.
        Type::Timestamp { has_zone: false } => timestamp(text.as_bytes(), zone_offset_seconds)
            .map(|micros| micros + i64::from(zone_offset_seconds) * 1_000_000)
            .filter(|micros| INSTANTS.contains(&micros.div_euclid(1_000_000)))
            .map(Value::Timestamp),
    };
    read.ok_or(Unreadable)
}

/// As [`value`], the usual way of an exact number, a date or an instant that 64 bits hold: the number alone. `None` says nothing of the text.
#[inline]
pub fn exact(text: &str, kind: Type, zone_offset_seconds: i32) -> Option<i64> {
    match kind {
        Type::Decimal { precision, scale } => {
            let unscaled = short_number(text.as_bytes(), scale)?;
            fits(unscaled.into(), precision).then_some(unscaled)
        }
        Type::Integer { bits } => {
            let number = short_number(text.as_bytes(), 0)?;
            let spare = 64 - u32::from(bits);
            ((number << spare) >> spare == number).then_some(number)
        }
        Type::Timestamp { has_zone: true } => timestamp(text.as_bytes(), zone_offset_seconds),
        Type::Date => date(text.as_bytes()).map(i64::from),
        _ => None,
    }
}

fn integer(text: &str, written: Written, bits: u8) -> Option<i64> {
    let number = match short_number(text.as_bytes(), 0) {
        Some(number) => number,
        None => i64::try_from(number(text, written)?.rescale(0)?.unscaled).ok()?,
    };
    let spare = 64 - u32::from(bits);
    ((number << spare) >> spare == number).then_some(number)
}

fn decimal(text: &str, written: Written, precision: u8, scale: u8) -> Option<i128> {
    let unscaled = match short_number(text.as_bytes(), scale) {
        Some(unscaled) => i128::from(unscaled),
        None => number(text, written)?.rescale(scale)?.unscaled,
    };
    fits(unscaled, precision).then_some(unscaled)
}

/// The short way, which nearly every number takes: at most 18 digits with those that `scale` adds, so that 64 bits hold them.
/// `None` leaves the decision to [`number`].
fn short_number(text: &[u8], scale: u8) -> Option<i64> {
    const MAX_DIGITS: usize = 18;
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    // One more for the point; without one there are 19 digits to refuse, and they too fit.
    if digits.len() > MAX_DIGITS + 1 {
        return None;
    }
    let mut unscaled: u64 = 0;
    let mut point = None;
    for (i, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            unscaled = unscaled * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() {
            point = Some(i);
        } else {
            return None;
        }
    }
    let whole = point.unwrap_or(digits.len());
    let fraction = point.map_or(0, |at| digits.len() - at - 1);
    let scale = usize::from(scale);
    if whole == 0 || (point.is_some() && fraction == 0) || fraction > scale || whole + scale > MAX_DIGITS {
        return None;
    }
    for _ in fraction..scale {
        unscaled *= 10;
    }
    let unscaled = i64::try_from(unscaled).ok()?;
    Some(if is_negative { -unscaled } else { unscaled })
}

/// A finite number, plain or with an exponent, as the double nearest to it; one so small that only zero is near is refused.
fn double(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let unsigned = bytes.strip_prefix(b"-").or_else(|| bytes.strip_prefix(b"+")).unwrap_or(bytes);
    let mantissa = &unsigned[..unsigned.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(unsigned.len())];
    // What Rust reads besides: words, and numbers that begin or end with the point.
    if !matches!(mantissa, [b'0'..=b'9', .., b'0'..=b'9'] | [b'0'..=b'9']) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    let is_lost = value == 0.0 && mantissa.iter().any(|b| matches!(b, b'1'..=b'9'));
    (value.is_finite() && !is_lost).then_some(value)
}

/// A plain decimal, `[+-]digits[.digits]`, of at most 38 digits, with the scale it is written in.
pub fn exact_number(text: &str) -> Option<Decimal> {
    let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    number(text, Written::Text)?.rescale(u8::try_from(scale).ok()?)
}

/// The number without trailing zeros. A JSON number may also carry an exponent, which is then applied exactly.
fn number(text: &str, written: Written) -> Option<Decimal> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        None => (text, 0),
        Some(at) if written == Written::Literal => (&text[..at], text[at + 1..].parse::<i16>().ok()?),
        Some(_) => return None,
    };
    let (negative, digits) = match mantissa.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (whole, fraction) = match memchr::memchr(b'.', digits) {
        Some(dot) => (&digits[..dot], Some(&digits[dot + 1..])),
        None => (digits, None),
    };
    if whole.is_empty() || fraction.is_some_and(<[u8]>::is_empty) {
        return None;
    }
    let mut fraction = fraction.unwrap_or_default();
    while let [rest @ .., b'0'] = fraction {
        fraction = rest;
    }
    let mut unscaled: i128 = 0;
    for digit in whole.iter().chain(fraction) {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    if !fits(unscaled, crate::decimal::MAX_PRECISION) {
        return None;
    }
    let scale = i32::try_from(fraction.len()).ok()? - i32::from(exponent);
    let number = if unscaled == 0 {
        Decimal::zero(0)
    } else if scale < 0 {
        let zeros = u32::try_from(-scale).ok()?;
        Decimal { unscaled: unscaled.checked_mul(10i128.checked_pow(zeros)?)?, scale: 0 }
    } else {
        Decimal { unscaled, scale: u8::try_from(scale).ok()? }
    };
    Some(Decimal { unscaled: if negative { -number.unscaled } else { number.unscaled }, ..number })
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "TRUE" | "True" => Some(true),
        "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `YYYY-MM-DD` of the proleptic Gregorian calendar, years 0001–9999, as days since 1970-01-01.
pub fn date(text: &[u8]) -> Option<i32> {
    let text: &[u8; 10] = text.try_into().ok()?;
    let mut digits = Digits::default();
    let year = digits.two(text[0], text[1]) * 100 + digits.two(text[2], text[3]);
    let month = digits.two(text[5], text[6]);
    let day = digits.two(text[8], text[9]);
    if !digits.are_digits() || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    days(year, month, day)
}

/// The day of a date, if there is one.
fn days(year: i32, month: i32, day: i32) -> Option<i32> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    (year >= 1 && (1..=days_in_month).contains(&day)).then(|| days_from_civil(year, month, day))
}

/// Seconds from 0001-01-01T00:00:00Z up to the end of 9999. An offset can lead out of the years that can be written, and into those
/// that drivers of the warehouse cannot read.
const INSTANTS: Range<i64> = -62_135_596_800..253_402_300_800;

/// RFC 3339 with any offset, or `YYYY-MM-DD HH:MM:SS[.ffffff]` in the given zone; as microseconds since the epoch, UTC.
///
/// Digits past the microsecond must be zeros, since a rounded instant would be another instant.
pub fn timestamp(text: &[u8], zone_offset_seconds: i32) -> Option<i64> {
    let (clock, rest) = text.split_first_chunk::<19>()?;
    let mut digits = Digits::default();
    let year = digits.two(clock[0], clock[1]) * 100 + digits.two(clock[2], clock[3]);
    let (month, day) = (digits.two(clock[5], clock[6]), digits.two(clock[8], clock[9]));
    let (hour, minute, second) = (digits.two(clock[11], clock[12]), digits.two(clock[14], clock[15]), digits.two(clock[17], clock[18]));
    let marks = [clock[4], clock[7], clock[13], clock[16]];
    let is_shaped = digits.are_digits() && marks == *b"--::" && matches!(clock[10], b'T' | b't' | b' ');
    if !is_shaped || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = i64::from(days(year, month, day)?);
    let (micros, zone) = fraction_micros(rest)?;
    let offset_seconds = match zone {
        [] => i64::from(zone_offset_seconds),
        [b'Z' | b'z'] => 0,
        _ => i64::from(offset_seconds(zone)?),
    };
    let seconds = days * 86_400 + i64::from(hour * 3_600 + minute * 60 + second) - offset_seconds;
    INSTANTS.contains(&seconds).then_some(seconds * 1_000_000 + micros)
}

/// Reads digits at fixed places, and asks once for all of them whether they were digits.
#[derive(Default)]
struct Digits {
    others: u8,
}

impl Digits {
    #[inline(always)]
    fn two(&mut self, tens: u8, ones: u8) -> i32 {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        self.others |= u8::from(tens > 9) | u8::from(ones > 9);
        i32::from(tens) * 10 + i32::from(ones)
    }

    fn are_digits(&self) -> bool {
        self.others == 0
    }
}

/// `+HH:MM` or `-HH:MM`, in seconds east of UTC.
pub fn offset_seconds(zone: &[u8]) -> Option<i32> {
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = zone else { return None };
    let (hours, minutes) = (two_digits(*h1, *h2)?, two_digits(*m1, *m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3_600 + minutes * 60;
    Some(if *sign == b'-' { -seconds } else { seconds })
}

/// Splits `.ffffff…` off what follows the seconds.
fn fraction_micros(rest: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', rest @ ..] = rest else { return Some((0, rest)) };
    let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, zone) = rest.split_at(length);
    if digits.is_empty() || digits.iter().skip(6).any(|d| *d != b'0') {
        return None;
    }
    let micros = (0..6).fold(0, |micros, i| micros * 10 + i64::from(digits.get(i).map_or(0, |d| d - b'0')));
    Some((micros, zone))
}

fn two_digits(tens: u8, ones: u8) -> Option<i32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i32::from(tens) * 10 + i32::from(ones))
}

/// Days since 1970-01-01. Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
