//! Exact decimals: from text to warehouse without a float in between.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Most digits a Redshift DECIMAL holds.
pub const MAX_PRECISION: u8 = 38;

/// An exact decimal: `unscaled × 10^-scale`. Serialized as its text, so no JSON reader makes a float of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decimal {
    pub unscaled: i128,
    pub scale: u8,
}

/// A sum of exact numbers left the range of 38 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sum has more than {MAX_PRECISION} digits")]
pub struct SumOverflow;

impl Decimal {
    pub fn zero(scale: u8) -> Self {
        Self { unscaled: 0, scale }
    }

    /// Adds an unscaled number of the same scale.
    pub fn add_unscaled(&mut self, unscaled: i128) -> Result<(), SumOverflow> {
        self.unscaled = self.unscaled.checked_add(unscaled).filter(|sum| fits(*sum, MAX_PRECISION)).ok_or(SumOverflow)?;
        Ok(())
    }

    /// The same number with `scale` digits after the point, if it has no more than those.
    pub fn rescale(self, scale: u8) -> Option<Self> {
        let unscaled = if scale >= self.scale {
            self.unscaled.checked_mul(pow10(scale - self.scale)?)?
        } else {
            let divisor = pow10(self.scale - scale)?;
            (self.unscaled % divisor == 0).then_some(self.unscaled / divisor)?
        };
        Some(Self { unscaled, scale })
    }
}

/// Whether the unscaled number has at most `precision` digits.
pub fn fits(unscaled: i128, precision: u8) -> bool {
    pow10(precision).is_none_or(|limit| unscaled.unsigned_abs() < limit.unsigned_abs())
}

/// 10^0 to 10^38, the largest an i128 holds.
const POWERS: [i128; MAX_PRECISION as usize + 1] = {
    let mut powers = [1; MAX_PRECISION as usize + 1];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

fn pow10(exponent: u8) -> Option<i128> {
    POWERS.get(usize::from(exponent)).copied()
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let digits = self.unscaled.unsigned_abs().to_string();
        let scale = usize::from(self.scale);
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

/// Text that is not a plain decimal of at most 38 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number")]
pub struct NotADecimal;

impl FromStr for Decimal {
    type Err = NotADecimal;

    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        crate::parse::exact_number(text).ok_or(NotADecimal)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_every_digit() {
        for (unscaled, scale, expected) in [
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (123_456_789_012_345_678, 2, "1234567890123456.78"),
            (42, 0, "42"),
            (-1, 38, "-0.00000000000000000000000000000000000001"),
        ] {
            let decimal = Decimal { unscaled, scale };
            assert_eq!(decimal.to_string(), expected);
            assert_eq!(expected.parse(), Ok(decimal));
        }
    }

    #[test]
    fn rescales_only_what_is_exact() {
        let decimal = |unscaled, scale| Decimal { unscaled, scale };
        assert_eq!(decimal(1230, 3).rescale(2), Some(decimal(123, 2)));
        assert_eq!(decimal(1234, 3).rescale(2), None);
        assert_eq!(decimal(12, 1).rescale(3), Some(decimal(1200, 3)));
        assert_eq!(decimal(i128::MAX, 0).rescale(1), None);
    }

    #[test]
    fn a_sum_past_38_digits_is_an_error() {
        let mut sum = Decimal { unscaled: 10i128.pow(38) - 1, scale: 0 };
        assert_eq!(sum.add_unscaled(1), Err(SumOverflow));
    }
}
