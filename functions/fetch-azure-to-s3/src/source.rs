//! Which blobs are the transactions of a run: the one of a name, or all below a prefix; either may depend on the day.

use cloud::Error as CloudError;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pipeline::manifest::{InvalidInput, RunInput};

use crate::azure::{Found, Store, names};
use crate::config::Config;
use crate::error::Error;

/// The blobs a run is to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    selection: Selection,
    /// The day that its name was filled with.
    date: Option<Date>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selection {
    Name(String),
    Prefix(String),
}

/// What the parameter AzureBlob and the run's input say together. `started_at` is when the execution started: RFC 3339.
pub(crate) fn resolve(config: &Config, input: &RunInput, started_at: &str) -> Result<Source, Error> {
    let pattern = &config.azure_blob;
    let date = day(config, input, started_at)?;
    let text = fill(pattern, date).map_err(|why| refused(pattern, why))?;
    let is_dated = text != *pattern;
    if input.date.is_some() && !is_dated {
        let why = "has no effect, since the name of the source has no {date} in it";
        return Err(Error::InputInvalid(InvalidInput::new("date", why)));
    }
    let selection = match text.strip_suffix('*') {
        Some(prefix) => Selection::Prefix(prefix.to_owned()),
        None if text.ends_with('/') => Selection::Prefix(text),
        None => Selection::Name(text),
    };
    if let Some(why) = fault(&selection) {
        return Err(refused(pattern, why));
    }
    Ok(Source { selection, date: is_dated.then_some(date) })
}

impl Source {
    /// The blobs as they stand now, in the order of their names; none when there is none.
    pub(crate) async fn blobs(&self, store: &Store) -> Result<Vec<Found>, Error> {
        match &self.selection {
            Selection::Name(name) => Ok(store.find(name).await?.into_iter().collect()),
            Selection::Prefix(prefix) => store.list(prefix).await,
        }
    }

    /// Its address: of its blob, or of the prefix of its blobs.
    pub(crate) fn uri(&self, store: &Store) -> String {
        match &self.selection {
            Selection::Name(text) | Selection::Prefix(text) => store.uri(text),
        }
    }

    /// Whether it may be several blobs.
    pub(crate) fn is_prefix(&self) -> bool {
        matches!(self.selection, Selection::Prefix(_))
    }

    /// What to say of a source without a blob.
    pub(crate) fn missing(&self, uri: &str) -> Error {
        let fact = if self.is_prefix() { "holds no blob" } else { "does not exist" };
        let advice = match self.date {
            Some(date) => format!("upload the transactions of {date}, give another day as the input's date, or correct the parameter AzureBlob"),
            None => "upload the transactions, or correct the parameters AzureContainer and AzureBlob".to_owned(),
        };
        Error::SourceMissing(format!("{uri} {fact}: {advice}"))
    }
}

/// The day asked for, else the one the schedule means, else the one the execution started on.
fn day(config: &Config, input: &RunInput, started_at: &str) -> Result<Date, Error> {
    let invalid = |field, text: &str, form| InvalidInput::new(field, &format!("is `{}`, not {form}", text.chars().take(60).collect::<String>()));
    if let Some(text) = &input.date {
        let form = "a day as YYYY-MM-DD";
        let date = if text.len() == 10 { Date::strptime("%Y-%m-%d", text).ok() } else { None };
        return date.ok_or_else(|| Error::InputInvalid(invalid("date", text, form)));
    }
    let zone = match config.schedule_timezone.as_str() {
        "" => TimeZone::UTC,
        name => TimeZone::get(name).map_err(|_| {
            CloudError::ConfigInvalid(format!(
                "the schedule's time zone `{name}` is none: correct the parameter ScheduleTimezone to a name such as Europe/Berlin"
            ))
        })?,
    };
    let (field, text) = match &input.scheduled_at {
        Some(text) => ("scheduledAt", text.as_str()),
        None => ("started_at", started_at),
    };
    let at: Timestamp = text.parse().map_err(|_| Error::InputInvalid(invalid(field, text, "a time as RFC 3339 writes it")))?;
    Ok(at.to_zoned(zone).date())
}

/// The pattern with `{date}` and `{date:FORMAT}` filled in.
fn fill(pattern: &str, date: Date) -> Result<String, &'static str> {
    let unknown = "holds a brace that belongs to no {date} or {date:FORMAT}";
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(open) = rest.find(['{', '}']) {
        text.push_str(&rest[..open]);
        let inner = rest[open..].strip_prefix("{date").ok_or(unknown)?;
        let close = inner.find('}').ok_or(unknown)?;
        match inner[..close].strip_prefix(':') {
            None if close == 0 => text.push_str(&date.to_string()),
            None => return Err(unknown),
            Some(format) => text.push_str(&dated(format, date)?),
        }
        rest = &inner[close + 1..];
    }
    Ok(text + rest)
}

/// A day in a format of `%Y`, `%y`, `%m`, `%d` and `%j`. What strftime knows besides depends on the hour or on a language.
fn dated(format: &str, date: Date) -> Result<String, &'static str> {
    let mut parts = format.split('%');
    let mut is_dated = false;
    parts.next();
    for part in parts {
        if !part.starts_with(['Y', 'y', 'm', 'd', 'j']) {
            return Err("has a date's format with something else than %Y, %y, %m, %d and %j in it");
        }
        is_dated = true;
    }
    if !is_dated || format.contains('{') {
        return Err("has a date's format without any of %Y, %y, %m, %d and %j, or with a brace in it");
    }
    Ok(date.strftime(format).to_string())
}

fn fault(selection: &Selection) -> Option<&'static str> {
    let (Selection::Name(text) | Selection::Prefix(text)) = selection;
    let own = match selection {
        _ if text.contains('*') => Some("holds a star that is not at its end"),
        Selection::Name(name) if name.is_empty() => Some("is empty"),
        _ => None,
    };
    own.or_else(|| names::fault(text))
}

fn refused(pattern: &str, why: &str) -> Error {
    let shown: String = pattern.chars().take(200).flat_map(char::escape_debug).collect();
    CloudError::ConfigInvalid(format!("the source's name `{shown}` {why}: correct the parameter AzureBlob")).into()
}
