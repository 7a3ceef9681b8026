//! The one place that reads the environment. Each function turns it into its `Config` once, at start.

use crate::error::Error;

/// A variable that must be set and not empty.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn required(name: &str) -> Result<String, Error> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => Err(Error::ConfigInvalid(format!(
            "the environment variable {name} is not set: the template sets it, so deploy the function from there"
        ))),
    }
}

/// A variable that may be missing; then it is empty.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn optional(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// A variable that holds a positive whole number.
pub fn positive(name: &str) -> Result<u64, Error> {
    let text = required(name)?;
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(Error::ConfigInvalid(format!("the environment variable {name} is `{text}`, not a positive whole number"))),
    }
}

/// A variable that holds a number that is not negative.
pub fn number(name: &str) -> Result<f64, Error> {
    let text = required(name)?;
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(Error::ConfigInvalid(format!("the environment variable {name} is `{text}`, not a number"))),
    }
}

/// A variable that is `true` or `false`; false when missing.
pub fn flag(name: &str) -> Result<bool, Error> {
    match optional(name).as_str() {
        "true" => Ok(true),
        "false" | "" => Ok(false),
        text => {
            Err(Error::ConfigInvalid(format!("the environment variable {name} is `{text}`: make the parameter behind it true or false")))
        }
    }
}
