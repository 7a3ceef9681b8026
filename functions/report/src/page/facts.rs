//! What the run was given, what it read, and where its files are.

use crate::format;
use crate::model::{Customers, Report, Source};

const SOURCES: usize = 20;

pub(crate) struct Facts {
    pub(crate) sources: Vec<SourceView>,
    pub(crate) more_sources: usize,
    /// Empty when the run did not come to them.
    pub(crate) customers: String,
    pub(crate) entries: Vec<Entry>,
    /// Empty unless it is an address that a browser may follow.
    pub(crate) console: String,
    pub(crate) keys: Vec<Key>,
}

pub(crate) struct SourceView {
    pub(crate) name: String,
    pub(crate) uri: String,
    pub(crate) version: String,
    pub(crate) bytes: String,
    pub(crate) records: String,
    pub(crate) modified_at: String,
}

pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

pub(crate) struct Key {
    pub(crate) uri: String,
    pub(crate) what: &'static str,
}

pub(crate) fn view(report: &Report) -> Facts {
    let run = &report.run;
    let or_dash = |text: &Option<String>| text.as_deref().map_or_else(|| "–".to_owned(), |text| format::text(text, 200));
    let entry = |name, value| Entry { name, value };
    Facts {
        sources: report.sources.iter().take(SOURCES).map(source).collect(),
        more_sources: report.sources.len().saturating_sub(SOURCES),
        customers: report.customers.as_ref().map(customers).unwrap_or_default(),
        entries: vec![
            entry("Run", format::text(&run.run_id, 100)),
            entry("Deployment", format::text(&run.pipeline, 100)),
            entry("Table", or_dash(&run.table)),
            entry("Started", format::moment(&run.started_at)),
            entry("Ended", format::moment(&run.ended_at)),
            entry("Redrives", run.redrives.to_string()),
            entry("Contract version", or_dash(&run.contract_version)),
            entry("Input", format::text(&run.input.to_string(), 2_000)),
        ],
        console: if run.console.starts_with("https://") && run.console.len() <= 2_000 { run.console.clone() } else { String::new() },
        keys: keys(&run.bucket, &run.run_id),
    }
}

/// Those that a person looks into.
fn keys(bucket: &str, run_id: &str) -> Vec<Key> {
    let root = format!("s3://{}/runs/{}", format::text(bucket, 100), format::text(run_id, 100));
    let key = |name: &str, what| Key { uri: format!("{root}/{name}"), what };
    vec![
        key("report.json", "all that this page shows, for programs"),
        key("openlineage.ndjson", "lineage, as OpenLineage events"),
        key("manifest.json", "the sealed run"),
        key("contract.odcs.yaml", "the contract it obeyed"),
        key("clean/", "clean rows, Parquet"),
        key("quarantine/", "quarantined records, Parquet"),
    ]
}

fn source(source: &Source) -> SourceView {
    SourceView {
        name: format::text(&source.name, 80),
        uri: format::text(&source.uri, 600),
        version: format::text(&source.version, 200),
        bytes: format::bytes(source.bytes),
        records: source.records.map_or_else(|| "–".to_owned(), format::count),
        modified_at: source.modified_at.as_deref().map_or_else(|| "–".to_owned(), format::moment),
    }
}

fn customers(customers: &Customers) -> String {
    let n = format::count;
    let Customers { read, kept, superseded, quarantined } = *customers;
    format!("Customers: {} read = {} kept + {} superseded + {} quarantined.", n(read), n(kept), n(superseded), n(quarantined))
}
