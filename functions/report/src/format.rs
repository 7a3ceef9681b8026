//! Figures, times and foreign text as a person reads them.

/// `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// An exact decimal's text with its thousands parted; any other text as it is.
pub(crate) fn decimal(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !fraction.is_none_or(is_number) {
        return text.to_owned();
    }
    let whole = grouped(whole);
    fraction.map_or_else(|| format!("{sign}{whole}"), |fraction| format!("{sign}{whole}.{fraction}"))
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `45 %`, and never a rounded 0 or 100 for what is neither.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let percent = ratio(part, whole) * 100.0;
    match percent {
        _ if part == 0 => "0 %".to_owned(),
        _ if part == whole => "100 %".to_owned(),
        p if p < 0.1 => "< 0.1 %".to_owned(),
        p if p > 99.9 && p < 100.0 => "> 99.9 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}

/// Of two counts.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// `0.25 s`, `18.7 s`, `12 min 5 s`, `3 h 4 min`.
pub(crate) fn seconds(s: f64) -> String {
    match s {
        s if s < 0.995 => format!("{s:.2} s"),
        s if s < 59.95 => format!("{s:.1} s"),
        // Rounded first: no "1 min 60 s".
        s if s < 3_599.5 => format!("{:.0} min {:.0} s", (s.round() / 60.0).floor(), s.round() % 60.0),
        s => {
            let minutes = (s / 60.0).round();
            format!("{:.0} h {:.0} min", (minutes / 60.0).floor(), minutes % 60.0)
        }
    }
}

/// `29.3 MB`, by thousands, as MB/s and the clouds' prices count.
pub(crate) fn bytes(n: u64) -> String {
    scaled(ratio(n, 1), "B")
}

pub(crate) fn speed(n: u64, seconds: f64) -> String {
    if seconds > 0.0 { scaled(ratio(n, 1) / seconds, "B/s") } else { "–".to_owned() }
}

fn scaled(mut value: f64, unit: &str) -> String {
    let mut prefix = "";
    for next in ["k", "M", "G", "T", "P", "E"] {
        // 999.95 would be shown as 1000.0.
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        prefix = next;
    }
    if prefix.is_empty() || value >= 99.95 { format!("{value:.0} {prefix}{unit}") } else { format!("{value:.1} {prefix}{unit}") }
}

/// US dollars: cents where they tell something, else the first two digits that do.
pub(crate) fn dollars(d: f64) -> String {
    format!("US$ {}", amount(d))
}

fn amount(d: f64) -> String {
    match d {
        0.0 => "0".to_owned(),
        d if d.abs() >= 0.1 => decimal(&format!("{d:.2}")),
        d if d.abs() < 1e-6 => "< 0.000001".to_owned(),
        d => significant(d, 2),
    }
}

/// A price, which may be far below a cent.
pub(crate) fn price(d: f64) -> String {
    if d == 0.0 { "0".to_owned() } else { significant(d, 6) }
}

/// A quantity that was computed.
pub(crate) fn quantity(q: f64) -> String {
    if q == 0.0 { "0".to_owned() } else { decimal(&significant(q, 4)) }
}

/// A figure beside an axis: short.
pub(crate) fn tick(value: f64) -> String {
    if value.abs() >= 1e6 { scaled(value, "").trim_end().to_owned() } else { quantity(value) }
}

/// `n` significant digits, written out, trailing zeros of the fraction left out.
fn significant(value: f64, n: i32) -> String {
    let mut places = 0;
    let mut shown = value.abs();
    while shown < 10_f64.powi(n - 1) && places < 12 {
        shown *= 10.0;
        places += 1;
    }
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `2026-11-26 02:35:27 UTC` of RFC 3339 in UTC; any other text as it is, cut.
pub(crate) fn moment(rfc3339: &str) -> String {
    if is_utc(rfc3339) { format!("{} {} UTC", &rfc3339[..10], &rfc3339[11..19]) } else { text(rfc3339, 40) }
}

/// Whether a time has the shape of `2026-11-26T02:35:27.123Z`.
pub(crate) fn is_utc(rfc3339: &str) -> bool {
    let shape = b"0000-00-00T00:00:00";
    let fits = |(&given, &wanted): (&u8, &u8)| if wanted == b'0' { given.is_ascii_digit() } else { given == wanted };
    let Some(rest) = rfc3339.strip_suffix('Z').filter(|rest| rest.len() >= shape.len()) else { return false };
    let (whole, fraction) = rest.as_bytes().split_at(shape.len());
    let is_fraction = fraction.is_empty() || fraction.len() < 12 && fraction[0] == b'.' && fraction[1..].iter().all(u8::is_ascii_digit);
    whole.iter().zip(shape).all(fits) && is_fraction
}

/// Foreign text, at most `limit` characters of it, with all that would be invisible or turn its surroundings round made visible.
pub(crate) fn text(foreign: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut taken = 0;
    for c in foreign.chars() {
        if taken >= limit {
            out.push_str(&format!("… ({} characters in all)", grouped(&foreign.chars().count().to_string())));
            break;
        }
        taken += push_visible(&mut out, c);
    }
    out
}

/// The number of characters it took.
fn push_visible(out: &mut String, c: char) -> usize {
    match c {
        // The control pictures lie in the order of what they show.
        '\0'..='\x1f' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('␀')),
        '\x7f' => out.push('␡'),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => {
            let name = format!("⟨U+{:04X}⟩", u32::from(c));
            out.push_str(&name);
            return name.len();
        }
        c => out.push(c),
    }
    1
}

/// A name as a step of a relative address.
pub(crate) fn path_segment(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_parted_and_rounded() {
        let check = |shown: String, expected: &str| assert_eq!(shown, expected);
        check(count(0), "0");
        check(count(999), "999");
        check(count(1_000), "1,000");
        check(count(u64::MAX), "18,446,744,073,709,551,615");
        check(decimal("29307867.18"), "29,307,867.18");
        check(decimal("-1234567890123456.78"), "−1,234,567,890,123,456.78");
        check(decimal("12"), "12");
        for other in ["", "-", ".5", "1.", "1e9", "NaN", "1.2.3", "<b>"] {
            check(decimal(other), other);
        }
        check(share(0, 10), "0 %");
        check(share(10, 10), "100 %");
        check(share(213, 10_000), "2.1 %");
        check(share(1, 1_000_000), "< 0.1 %");
        check(share(999_999, 1_000_000), "> 99.9 %");
        check(share(0, 0), "–");
        check(seconds(0.0), "0.00 s");
        check(seconds(0.25), "0.25 s");
        check(seconds(18.74), "18.7 s");
        check(seconds(59.97), "1 min 0 s");
        check(seconds(725.4), "12 min 5 s");
        check(seconds(3_599.9), "1 h 0 min");
        check(seconds(11_040.0), "3 h 4 min");
        check(bytes(0), "0 B");
        check(bytes(999), "999 B");
        check(bytes(2_344_112), "2.3 MB");
        check(bytes(999_960), "1.0 MB");
        check(bytes(1_070_000_000), "1.1 GB");
        check(speed(161_000_000, 1.0), "161 MB/s");
        check(speed(1, 0.0), "–");
        check(dollars(0.0), "US$ 0");
        check(dollars(0.012_34), "US$ 0.012");
        check(dollars(1234.5), "US$ 1,234.50");
        check(dollars(0.000_016), "US$ 0.000016");
        check(price(0.000_016_666_7), "0.0000166667");
        check(price(0.44), "0.44");
        check(quantity(12_345.678), "12,346");
        check(quantity(0.25), "0.25");
    }

    #[test]
    fn times_are_utc_and_short() {
        let check = |given, expected: &str| assert_eq!(moment(given), expected);
        check("2026-11-26T02:35:27Z", "2026-11-26 02:35:27 UTC");
        check("2026-11-26T02:35:27.123456Z", "2026-11-26 02:35:27 UTC");
        check("yesterday", "yesterday");
        check("2026-11-26T02:35:27+01:00", "2026-11-26T02:35:27+01:00");
        check("ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄZ", "ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄZ");
    }

    #[test]
    fn text_is_visible_and_bounded() {
        let check = |given: &str, limit, expected: &str| assert_eq!(text(given, limit), expected);
        check("plain", 5, "plain");
        check("plain", 4, "plai… (5 characters in all)");
        check("a\0b\tc\x1b\x7f", 80, "a␀b␉c␛␡");
        check("\u{202e}gpj.exe", 80, "⟨U+202E⟩gpj.exe");
        check("עברית", 80, "עברית");
        check(&"x".repeat(10_000), 3, "xxx… (10,000 characters in all)");
        // What is written out counts, or a record of marks would be ten times as long as one of letters.
        assert!(text(&"\u{200b}".repeat(10_000), 500).len() < 600);
    }

    #[test]
    fn a_segment_stays_one() {
        assert_eq!(path_segment("run-20261126_1"), "run-20261126_1");
        assert_eq!(path_segment("../a b?<\"é"), "..%2Fa%20b%3F%3C%22%C3%A9");
    }
}
