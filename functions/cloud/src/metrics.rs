//! Figures of a run as CloudWatch metrics: one line of the embedded metric format on standard output, which CloudWatch Logs turns into metrics.
//!
//! Source: "Specification: Embedded metric format", Amazon CloudWatch User Guide.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

/// Namespace of all metrics.
pub const NAMESPACE: &str = "Crosstally";

/// A figure and its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    Count(&'static str, u64),
    Bytes(&'static str, u64),
    Seconds(&'static str, f64),
    /// Without a unit, such as a ratio of 0 to 1.
    Plain(&'static str, f64),
}

/// The metrics of one deployed pipeline: the dimension `Pipeline`, its stack's name, tells it from others of the account.
#[derive(Debug, Clone)]
pub struct Metrics {
    pipeline: String,
}

impl Metrics {
    pub fn new(pipeline: String) -> Self {
        Self { pipeline }
    }

    /// Reports figures of a run, under a further dimension if there is one. The run's id is a field of the line, no dimension: every
    /// value of a dimension is a metric that is paid for.
    pub fn report(&self, run_id: &str, dimension: Option<(&'static str, &str)>, metrics: &[Metric]) {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let line = self.line(u64::try_from(millis).unwrap_or_default(), run_id, dimension, metrics);
        if let Err(error) = writeln!(io::stdout().lock(), "{line}") {
            tracing::warn!(%error, "the metrics of the run could not be written");
        }
    }

    fn line(&self, millis: u64, run_id: &str, dimension: Option<(&'static str, &str)>, metrics: &[Metric]) -> Value {
        let names: Vec<&str> = ["Pipeline"].into_iter().chain(dimension.map(|(name, _)| name)).collect();
        let listed: Vec<Value> = metrics.iter().map(Metric::listed).collect();
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": listed});
        let mut line = Map::from_iter([
            ("_aws".to_owned(), json!({"Timestamp": millis, "CloudWatchMetrics": [directive]})),
            ("Pipeline".to_owned(), json!(self.pipeline)),
            ("run_id".to_owned(), json!(run_id)),
        ]);
        line.extend(dimension.map(|(name, value)| (name.to_owned(), json!(value))));
        line.extend(metrics.iter().map(|metric| (metric.name().to_owned(), metric.value())));
        Value::Object(line)
    }
}

impl Metric {
    fn name(&self) -> &'static str {
        match self {
            Self::Count(name, _) | Self::Bytes(name, _) | Self::Seconds(name, _) | Self::Plain(name, _) => name,
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Count(_, value) | Self::Bytes(_, value) => json!(value),
            Self::Seconds(_, value) | Self::Plain(_, value) => json!(value),
        }
    }

    fn listed(&self) -> Value {
        let unit = match self {
            Self::Count(..) => "Count",
            Self::Bytes(..) => "Bytes",
            Self::Seconds(..) => "Seconds",
            Self::Plain(..) => "None",
        };
        json!({"Name": self.name(), "Unit": unit})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_in_the_embedded_metric_format() {
        let metrics = Metrics::new("crosstally-dev".into());
        let figures = [Metric::Count("RowsRead", 10), Metric::Bytes("BytesFetched", 7), Metric::Plain("QuarantineRatio", 0.25)];
        assert_eq!(
            metrics.line(1_700_000_000_000, "run-1", None, &figures),
            json!({
                "_aws": {
                    "Timestamp": 1_700_000_000_000_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Crosstally",
                        "Dimensions": [["Pipeline"]],
                        "Metrics": [
                            {"Name": "RowsRead", "Unit": "Count"},
                            {"Name": "BytesFetched", "Unit": "Bytes"},
                            {"Name": "QuarantineRatio", "Unit": "None"},
                        ],
                    }],
                },
                "Pipeline": "crosstally-dev",
                "run_id": "run-1",
                "RowsRead": 10,
                "BytesFetched": 7,
                "QuarantineRatio": 0.25,
            })
        );
    }

    #[test]
    fn a_further_dimension_stands_beside_the_pipelines() {
        let line = Metrics::new("p".into()).line(0, "run-1", Some(("State", "Load")), &[Metric::Seconds("Seconds", 1.5)]);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Pipeline", "State"]]));
        assert_eq!((&line["State"], &line["Seconds"]), (&json!("Load"), &json!(1.5)));
    }
}
