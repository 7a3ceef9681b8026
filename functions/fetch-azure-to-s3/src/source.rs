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
    let (text, date) = match (pattern.contains(['{', '}']), &input.date) {
        (true, _) => (fill(pattern, date).map_err(|why| refused(pattern, why))?, Some(date)),
        (false, None) => (pattern.clone(), None),
        (false, Some(_)) => {
            let why = "has no effect, since the name of the source has no {date} in it";
            return Err(Error::InputInvalid(InvalidInput::new("date", why)));
        }
    };
    let selection = match text.strip_suffix('*') {
        Some(prefix) => Selection::Prefix(prefix.to_owned()),
        None if text.ends_with('/') => Selection::Prefix(text),
        None => Selection::Name(text),
    };
    if let Some(why) = fault(&selection) {
        return Err(refused(pattern, why));
    }
    Ok(Source { selection, date })
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
            Some(date) => {
                format!("upload the transactions of {date}, give another day as the input's date, or correct the parameter AzureBlob")
            }
            None => "upload the transactions, or correct the parameters AzureContainer and AzureBlob".to_owned(),
        };
        Error::SourceMissing(format!("{uri} {fact}: {advice}"))
    }
}

/// The day asked for, else the one the schedule means, else the one the execution started on.
fn day(config: &Config, input: &RunInput, started_at: &str) -> Result<Date, Error> {
    let invalid = |field, text: &str, form| {
        let shown: String = text.chars().take(60).collect();
        Error::InputInvalid(InvalidInput::new(field, &format!("is `{shown}`, not {form}")))
    };
    if let Some(text) = &input.date {
        // Other spellings of a day are taken for a slip.
        let date = text.parse::<Date>().ok().filter(|date| date.to_string() == *text);
        return date.ok_or_else(|| invalid("date", text, "a day as YYYY-MM-DD"));
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
    let at: Timestamp = text.parse().map_err(|_| invalid(field, text, "a time as RFC 3339 writes it"))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::advice;

    const STARTED_AT: &str = "2026-11-22T23:30:00.123Z";

    fn config(azure_blob: &str) -> Config {
        Config { azure_blob: azure_blob.into(), schedule_timezone: "Europe/Berlin".into(), ..Config::default() }
    }

    fn dated(date: &str) -> RunInput {
        RunInput { date: Some(date.into()), ..RunInput::default() }
    }

    fn scheduled(at: &str) -> RunInput {
        RunInput { scheduled_at: Some(at.into()), ..RunInput::default() }
    }

    #[test]
    fn a_name_is_filled_with_the_day_and_may_be_a_prefix() {
        let check = |pattern: &str, expected: &Selection| {
            let source = resolve(&config(pattern), &dated("2026-02-03"), STARTED_AT).unwrap();
            assert_eq!(&source.selection, expected, "{pattern}");
        };
        let name = |text: &str| Selection::Name(text.into());
        let prefix = |text: &str| Selection::Prefix(text.into());
        check("transactions/{date}.json", &name("transactions/2026-02-03.json"));
        check("{date:%Y/%m/%d}/t.json", &name("2026/02/03/t.json"));
        check("{date:%y%j}-{date}.json", &name("26034-2026-02-03.json"));
        check("{date:year=%Y, day %d}.json", &name("year=2026, day 03.json"));
        check("{date:%Y/%m/%d}/", &prefix("2026/02/03/"));
        check("{date}-*", &prefix("2026-02-03-"));
        check("a b/%20#?+ü{date}", &name("a b/%20#?+ü2026-02-03"));
        let plain = |pattern: &str| resolve(&config(pattern), &RunInput::default(), STARTED_AT).unwrap().selection;
        assert_eq!(plain("transactions.json"), name("transactions.json"));
        assert_eq!(plain("transactions/"), prefix("transactions/"));
        assert_eq!(plain("transactions/2026*"), prefix("transactions/2026"));
        assert_eq!(plain("*"), prefix(""));
    }

    #[test]
    fn a_name_that_no_blob_can_have_is_refused() {
        let check = |pattern: &str, expected: &str| match resolve(&config(pattern), &RunInput::default(), STARTED_AT) {
            Err(error) => {
                let sentence = cloud::error::sentence(&error);
                assert_eq!((error.name(), advice(&sentence)), ("ConfigInvalid", Some("correct the parameter AzureBlob")), "{sentence}");
                assert!(sentence.contains(expected), "{sentence}");
            }
            Ok(source) => panic!("{pattern}: {source:?}"),
        };
        check("{Date}.json", "a brace that belongs to no {date}");
        check("{date.json", "a brace that belongs to no {date}");
        check("date}.json", "a brace that belongs to no {date}");
        check("{dates}.json", "a brace that belongs to no {date}");
        check("{date}}.json", "a brace that belongs to no {date}");
        check("{date:}.json", "without any of %Y");
        check("{date:day}.json", "without any of %Y");
        check("{date:%Y{date}}.json", "with a brace in it");
        check("{date:%H}.json", "something else than %Y");
        check("{date:%-d}.json", "something else than %Y");
        check("{date:%Y%}.json", "something else than %Y");
        check("{date:%Y%%}.json", "something else than %Y");
        check("{date:%Y/../%m}.json", "`.` or `..`");
        check("a*b", "a star that is not at its end");
        check("a**", "a star that is not at its end");
        check("/transactions.json", "begins with a slash");
        check("a/../b.json", "`.` or `..`");
        check("a\nb.json", "control characters");
        check(&"x".repeat(1025), "longer than 1024");
    }

    #[test]
    fn the_day_is_the_one_asked_for_or_scheduled_or_begun_in_the_zone_of_the_schedule() {
        let check = |zone: &str, input: &RunInput, expected: &str| {
            let config = Config { schedule_timezone: zone.into(), ..config("{date}") };
            assert_eq!(resolve(&config, input, STARTED_AT).unwrap().selection, Selection::Name(expected.into()), "{zone} {input:?}");
        };
        check("", &RunInput::default(), "2026-11-22");
        check("UTC", &RunInput::default(), "2026-11-22");
        check("Europe/Berlin", &RunInput::default(), "2026-11-23");
        check("America/New_York", &scheduled("2026-11-22T04:59:59Z"), "2026-11-21");
        check("America/New_York", &scheduled("2026-11-22T05:00:00Z"), "2026-11-22");
        // Summer time ends in the night before.
        check("Europe/Berlin", &scheduled("2026-10-24T22:30:00Z"), "2026-10-25");
        check("Europe/Berlin", &scheduled("2026-10-25T22:30:00Z"), "2026-10-25");
        let both = RunInput { date: Some("2024-02-29".into()), ..scheduled("2026-11-22T05:00:00Z") };
        check("America/New_York", &both, "2024-02-29");
    }

    #[test]
    fn what_is_no_day_is_refused_by_its_field() {
        let check = |pattern: &str, input: &RunInput, expected: &str| match resolve(&config(pattern), input, STARTED_AT) {
            Err(error) => {
                let sentence = cloud::error::sentence(&error);
                assert_eq!(error.name(), "InputInvalid", "{sentence}");
                assert!(sentence.contains(expected) && advice(&sentence).is_some() && !sentence.contains('\n'), "{sentence}");
                assert!(sentence.len() < 400, "{sentence}");
            }
            Ok(source) => panic!("{input:?}: {source:?}"),
        };
        let long = "9".repeat(10_000);
        for text in [
            "2026-13-01",
            "2026-02-29",
            "2026-2-3",
            "20260203",
            "2026-02-03T00:00:00",
            "..",
            "../../x",
            " 2026-02-03",
            "",
            "2026-02-03\n",
            &long,
        ] {
            check("{date}", &dated(text), "`date` is `");
        }
        check("{date}", &dated("a\u{1b}[31m"), "`a\\u{1b}[31m`");
        check("{date}", &scheduled("yesterday"), "`scheduledAt` is `yesterday`");
        check("transactions.json", &scheduled("2026-11-22"), "`scheduledAt` is `2026-11-22`");
        check("transactions.json", &dated("2026-02-03"), "`date` has no effect");
        let no_zone = Config { schedule_timezone: "Mars/Olympus".into(), ..config("{date}") };
        let error = resolve(&no_zone, &RunInput::default(), STARTED_AT).unwrap_err();
        assert_eq!((error.name(), error.to_string().contains("Mars/Olympus")), ("ConfigInvalid", true));
    }

    #[test]
    fn a_source_without_a_blob_says_which_and_what_to_do() {
        let check = |pattern: &str, input: &RunInput, expected: &str| {
            let error = resolve(&config(pattern), input, STARTED_AT).unwrap().missing("https://a/c/x");
            let sentence = error.to_string();
            assert_eq!(error.name(), "SourceMissing");
            assert!(sentence.starts_with("https://a/c/x ") && sentence.contains(expected) && advice(&sentence).is_some(), "{sentence}");
        };
        check("t.json", &RunInput::default(), "does not exist: upload the transactions");
        check("t/", &RunInput::default(), "holds no blob: upload the transactions");
        check("{date}/", &dated("2026-02-03"), "upload the transactions of 2026-02-03, give another day");
    }
}
