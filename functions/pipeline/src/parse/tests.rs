//! Values against tables, and against oracles that share no code with them.

use super::*;
use num_bigint::BigInt;
use proptest::prelude::*;

const INSTANT: Type = Type::Timestamp { has_zone: true };
const WALL_CLOCK: Type = Type::Timestamp { has_zone: false };
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

    check("9223372036854775807", Text, Type::Integer { bits: 64 }, int(i64::MAX));
    check("-9223372036854775808", Text, Type::Integer { bits: 64 }, int(i64::MIN));
    check("32768", Text, Type::Integer { bits: 16 }, None);
    check("9999999999999999999", Text, Type::Integer { bits: 64 }, None);

    let double = |x| Some(Value::Double(x));
    check("1.5", Text, Type::Double, double(1.5));
    check("-2", Text, Type::Double, double(-2.0));
    check("6.02e23", Text, Type::Double, double(6.02e23));
    check("1E-7", Literal, Type::Double, double(1e-7));
    check("0.1", Literal, Type::Double, double(0.1));
    check("0e-999", Literal, Type::Double, double(0.0));
    for bad in ["", "NaN", "inf", "-infinity", "1e999", "-1e309", "1e-999", ".5", "5.", "+", "1e", "0x1", "1_0", "1,5", " 1", "1.e3", "--1"]
    {
        check(bad, Text, Type::Double, None);
    }

    check("true", Literal, Type::Boolean, Some(Value::Boolean(true)));
    check("yes", Text, Type::Boolean, None);

    check("1970-01-01", Text, Type::Date, Some(Value::Date(0)));
    check("2024-02-29", Text, Type::Date, Some(Value::Date(19_782)));
    for bad in ["2023-02-29", "2024-13-01", "2024-00-10", "0000-01-01", "2024-1-1", "01/02/2024", "2024-02-29 "] {
        check(bad, Text, Type::Date, None);
    }

    let at = |micros| Some(Value::Timestamp(micros));
    check("1970-01-01T00:00:01Z", Text, INSTANT, at(1_000_000));
    check("1970-01-01 00:00:01", Text, INSTANT, at(1_000_000));
    check("1970-01-01T02:00:00+02:00", Text, INSTANT, at(0));
    check("1969-12-31T19:00:00.25-05:00", Text, INSTANT, at(250_000));
    check("1970-01-01T00:00:00.123456000Z", Text, INSTANT, at(123_456));
    check("0001-01-01T00:00:00Z", Text, INSTANT, at(-62_135_596_800_000_000));
    check("9999-12-31T23:59:59.999999Z", Text, INSTANT, at(253_402_300_799_999_999));
    for bad in [
        "1970-01-01T00:00:00.1234567Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:60Z",
        "1970-01-01T00:00Z",
        "1970-01-01",
        "1970-01-01T00:00:00+2",
        "1970-01-01T00:00:00.Z",
        "é970-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59.999999-00:01",
    ] {
        check(bad, Text, INSTANT, None);
    }
}

#[test]
fn a_timestamp_without_zone_is_taken_in_the_contracts() {
    assert_eq!(timestamp(b"1970-01-01 01:00:00", 3_600), Some(0));
    assert_eq!(timestamp(b"1970-01-01T01:00:00Z", 3_600), Some(3_600_000_000));
}

#[test]
fn a_timestamp_without_zone_column_holds_the_clock_on_the_wall() {
    let check = |text: &str, zone: i32, hours: i64| {
        let micros = hours * 3_600_000_000;
        assert_eq!(value(text, Written::Text, WALL_CLOCK, zone), Ok(Value::Timestamp(micros)), "{text} in zone {zone}");
    };
    check("1970-01-01 05:00:00", 0, 5);
    check("1970-01-01T05:00:00", 3_600, 5);
    check("1970-01-01T05:00:00Z", 0, 5);
    check("1970-01-01T05:00:00Z", 3_600, 6);
    check("1970-01-01T05:00:00+02:00", 0, 3);
    for (text, zone) in [("9999-12-31T23:59:59Z", 3_600), ("0001-01-01T00:00:00Z", -3_600)] {
        assert!(value(text, Written::Text, WALL_CLOCK, zone).is_err(), "{text} in zone {zone}");
    }
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

    /// The short way and the long way say the same.
    #[test]
    fn short_numbers_are_read_as_long_ones(
        text in "[+-]?[0-9]{0,21}(\\.[0-9]{0,8})?([eE][+-]?[0-9]{1,2})?|[0-9.+-]{0,6}",
        scale in 0u8..=20,
        literal in any::<bool>(),
    ) {
        let written = if literal { Written::Literal } else { Written::Text };
        let long = number(&text, written).and_then(|n| n.rescale(scale)).map(|n| n.unscaled);
        let precision = scale.max(18);
        prop_assert_eq!(decimal(&text, written, precision, scale), long.filter(|n| fits(*n, precision)));
        if let Some(short) = short_number(text.as_bytes(), scale) {
            prop_assert_eq!(Some(i128::from(short)), long);
        }
        for bits in [16, 32, 64] {
            let half = 1i128 << (bits - 1);
            let long = number(&text, written).and_then(|n| n.rescale(0)).map(|n| n.unscaled).filter(|n| (-half..half).contains(n));
            prop_assert_eq!(integer(&text, written, bits).map(i128::from), long);
        }
    }

    /// Against whole numbers of any size: 10^e × digits, or nothing when a digit would be lost or one too many.
    #[test]
    fn decimals_agree_with_big_integers(
        negative in any::<bool>(), whole in "[0-9]{1,40}", fraction in "[0-9]{0,40}", exponent in -45i16..45,
        (precision, scale) in (1u8..=38).prop_flat_map(|precision| (Just(precision), 0..=precision)),
    ) {
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if negative { "-" } else { "" };
        let text = format!("{sign}{whole}{point}{fraction}e{exponent}");
        let ten = |n: i64| BigInt::from(10).pow(u32::try_from(n).unwrap());
        let digits: BigInt = format!("{sign}{whole}{fraction}").parse().unwrap();
        let shift = i64::from(exponent) + i64::from(scale) - i64::try_from(fraction.len()).unwrap();
        let exact = if shift >= 0 { Some(digits * ten(shift)) } else { Some(&digits / ten(-shift)).filter(|n| n * ten(-shift) == digits) };
        let limit = ten(i64::from(precision));
        let expected = exact.filter(|n| *n < limit && *n > -limit);
        // More than 38 significant digits are refused even where an exponent would take them back.
        let significant = format!("{whole}{fraction}").trim_start_matches('0').len();
        let found = decimal(&text, Written::Literal, precision, scale).map(BigInt::from);
        if significant <= 38 || found.is_some() {
            prop_assert_eq!(found, expected, "{} as DECIMAL({},{})", text, precision, scale);
        }
    }

    #[test]
    fn dates_agree_with_jiff(year in -1i32..=10_001, month in 0i32..=13, day in 0i32..=32) {
        let text = format!("{year:04}-{month:02}-{day:02}");
        let epoch = jiff::civil::date(1970, 1, 1);
        let narrow = |n: i32| i8::try_from(n).unwrap();
        let expected = i16::try_from(year).ok().and_then(|y| jiff::civil::Date::new(y, narrow(month), narrow(day)).ok());
        let expected = expected.filter(|date| (1..=9999).contains(&date.year())).map(|date| (date - epoch).get_days());
        prop_assert_eq!(date(text.as_bytes()), expected, "{}", text);
    }

    #[test]
    fn timestamps_agree_with_jiff(seconds in -62_135_500_000i64..253_402_200_000, micros in 0i64..1_000_000, offset in -1_439i32..=1_439) {
        let instant = jiff::Timestamp::from_microsecond(seconds * 1_000_000 + micros).unwrap();
        let expected = Some(instant.as_microsecond());
        prop_assert_eq!(timestamp(instant.to_string().as_bytes(), 0), expected);
        let zone = jiff::tz::Offset::from_seconds(offset * 60).unwrap();
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs());
        let shown = zone.to_datetime(instant);
        let text = format!("{shown}{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        prop_assert_eq!(timestamp(text.as_bytes(), 0), expected, "{}", text);
        let local = shown.to_string().replace('T', " ");
        prop_assert_eq!(timestamp(local.as_bytes(), offset * 60), expected, "{}", local);
    }

    #[test]
    fn doubles_are_read_as_rust_reads_them(bits in any::<u64>()) {
        let x = f64::from_bits(bits);
        let found = double(&format!("{x:e}"));
        prop_assert_eq!(found.map(f64::to_bits), x.is_finite().then_some(bits));
    }

    /// Any text is read or refused, never a panic; and nothing is read out of a text without a digit.
    #[test]
    fn never_panics(text in "\\PC{0,40}") {
        for kind in [AMOUNT, Type::Integer { bits: 64 }, Type::Boolean, Type::Date, INSTANT, WALL_CLOCK, Type::Double] {
            let is_read = value(&text, Written::Literal, kind, 0).is_ok();
            prop_assert!(!is_read || kind == Type::Boolean || text.contains(|c: char| c.is_ascii_digit()));
        }
    }
}
