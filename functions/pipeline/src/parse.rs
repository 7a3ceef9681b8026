//! Text to typed values, exactly or not at all: nothing is rounded, cut or guessed.

use crate::decimal::{Decimal, fits};
use crate::types::Type;
use crate::types::Value;

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
/// Text itself is not handled here, since it needs no reading: see [`crate::clean`].
pub fn value(text: &str, written: Written, kind: Type, zone_offset_seconds: i32) -> Result<Value, Unreadable> {
    let read = match kind {
        Type::Text { .. } => None,
        Type::Integer { bits } => {
            number(text, written).and_then(|n| n.rescale(0)).and_then(|n| integer(n.unscaled, bits)).map(Value::Integer)
        }
        Type::Decimal { precision, scale } => {
            number(text, written).and_then(|n| n.rescale(scale)).filter(|n| fits(n.unscaled, precision)).map(|n| Value::Decimal(n.unscaled))
        }
        Type::Boolean => boolean(text).map(Value::Boolean),
        Type::Date => date(text.as_bytes()).map(Value::Date),
        Type::Timestamp => timestamp(text.as_bytes(), zone_offset_seconds).map(Value::Timestamp),
    };
    read.ok_or(Unreadable)
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

fn integer(number: i128, bits: u8) -> Option<i64> {
    let half = 1i128 << (bits - 1);
    (-half..half).contains(&number).then(|| i64::try_from(number).ok()).flatten()
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
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = two_digits(*y1, *y2)? * 100 + two_digits(*y3, *y4)?;
    let month = two_digits(*m1, *m2)?;
    let day = two_digits(*d1, *d2)?;
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

/// RFC 3339 with any offset, or `YYYY-MM-DD HH:MM:SS[.ffffff]` in the given zone; as microseconds since the epoch, UTC.
///
/// Digits past the microsecond must be zeros, since a rounded instant would be another instant.
pub fn timestamp(text: &[u8], zone_offset_seconds: i32) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = rest else { return None };
    let days = i64::from(date(day)?);
    let (hour, minute, second) = (two_digits(*h1, *h2)?, two_digits(*m1, *m2)?, two_digits(*s1, *s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, zone) = fraction_micros(rest)?;
    let offset_seconds = match zone {
        [] => i64::from(zone_offset_seconds),
        [b'Z' | b'z'] => 0,
        _ => i64::from(offset_seconds(zone)?),
    };
    let seconds = days * 86_400 + i64::from(hour * 3_600 + minute * 60 + second) - offset_seconds;
    Some(seconds * 1_000_000 + micros)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AMOUNT: Type = Type::Decimal { precision: 18, scale: 2 };

    #[test]
    fn reads_values_exactly_or_not_at_all() {
        use Written::{Literal, Text};
        let check = |text: &str, written, kind, expected: Option<Value>| {
            assert_eq!(value(text, written, kind, 0).ok(), expected, "{text} as {kind} ({written:?})");
        };
        let decimal = |n| Some(Value::Decimal(n));
        let int = |n| Some(Value::Integer(n));

        check("12.30", Text, AMOUNT, decimal(1230));
        check("12.300", Text, AMOUNT, decimal(1230));
        check("12.345", Text, AMOUNT, None);
        check("+7", Text, AMOUNT, decimal(700));
        check("-0.05", Text, AMOUNT, decimal(-5));
        check("1234567890123456.78", Text, AMOUNT, decimal(123_456_789_012_345_678));
        check("12345678901234567.00", Text, AMOUNT, None);
        check("1e3", Literal, AMOUNT, decimal(100_000));
        check("1.5E-1", Literal, AMOUNT, decimal(15));
        check("1e-3", Literal, AMOUNT, None);
        check("1e3", Text, AMOUNT, None);
        check("1e999999", Literal, AMOUNT, None);
        check("0e999", Literal, AMOUNT, decimal(0));
        for bad in ["", ".", "5.", ".5", "12,30", "--5", "N/A", "1 000", "0x10", "NaN", "Infinity", "٣", "1e"] {
            check(bad, Text, AMOUNT, None);
            check(bad, Literal, AMOUNT, None);
        }

        check("3", Text, Type::Integer { bits: 32 }, int(3));
        check("3.0", Literal, Type::Integer { bits: 32 }, int(3));
        check("3.5", Literal, Type::Integer { bits: 32 }, None);
        check("2147483648", Text, Type::Integer { bits: 32 }, None);
        check("-32768", Text, Type::Integer { bits: 16 }, int(-32_768));
        check("9223372036854775808", Text, Type::Integer { bits: 64 }, None);

        check("true", Literal, Type::Boolean, Some(Value::Boolean(true)));
        check("yes", Text, Type::Boolean, None);

        check("1970-01-01", Text, Type::Date, Some(Value::Date(0)));
        check("2024-02-29", Text, Type::Date, Some(Value::Date(19_782)));
        for bad in ["2023-02-29", "2024-13-01", "2024-00-10", "0000-01-01", "2024-1-1", "01/02/2024", "2024-02-29 "] {
            check(bad, Text, Type::Date, None);
        }

        let at = |micros| Some(Value::Timestamp(micros));
        check("1970-01-01T00:00:01Z", Text, Type::Timestamp, at(1_000_000));
        check("1970-01-01 00:00:01", Text, Type::Timestamp, at(1_000_000));
        check("1970-01-01T02:00:00+02:00", Text, Type::Timestamp, at(0));
        check("1969-12-31T19:00:00.25-05:00", Text, Type::Timestamp, at(250_000));
        check("1970-01-01T00:00:00.123456000Z", Text, Type::Timestamp, at(123_456));
        for bad in [
            "1970-01-01T00:00:00.1234567Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00Z",
            "1970-01-01",
            "1970-01-01T00:00:00+2",
            "1970-01-01T00:00:00.Z",
            "é970-01-01T00:00:00Z",
        ] {
            check(bad, Text, Type::Timestamp, None);
        }
    }

    #[test]
    fn a_timestamp_without_zone_is_taken_in_the_contracts() {
        assert_eq!(timestamp(b"1970-01-01 01:00:00", 3_600), Some(0));
        assert_eq!(timestamp(b"1970-01-01T01:00:00Z", 3_600), Some(3_600_000_000));
    }

    proptest! {
        /// What a decimal shows, it reads back.
        #[test]
        fn decimals_round_trip(unscaled in -(10i128.pow(18) - 1)..10i128.pow(18), scale in 0u8..=18) {
            let shown = Decimal { unscaled, scale }.to_string();
            let read = value(&shown, Written::Text, Type::Decimal { precision: 18, scale }, 0);
            prop_assert_eq!(read, Ok(Value::Decimal(unscaled)));
        }

        /// Days count up by one from each date to the next, over the whole range.
        #[test]
        fn dates_are_consecutive(year in 1i32..=9999, month in 1i32..=12, day in 1i32..=31) {
            let text = format!("{year:04}-{month:02}-{day:02}");
            if let Some(days) = date(text.as_bytes()) && day > 1 {
                let before = format!("{year:04}-{month:02}-{:02}", day - 1);
                prop_assert_eq!(date(before.as_bytes()), Some(days - 1));
            }
        }

        /// Any text is read or refused, never a panic; and nothing is read out of a text without a digit.
        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            for kind in [AMOUNT, Type::Integer { bits: 64 }, Type::Boolean, Type::Date, Type::Timestamp] {
                let is_read = value(&text, Written::Literal, kind, 0).is_ok();
                prop_assert!(!is_read || kind == Type::Boolean || text.contains(|c: char| c.is_ascii_digit()));
            }
        }
    }
}
