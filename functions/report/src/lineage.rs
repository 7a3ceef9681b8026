//! The run as OpenLineage events, for whoever keeps lineage: that it started, and how it ended.
//!
//! Source: OpenLineage specification 2-0-2, its facets in the versions named below, and its naming of datasets.

mod naming;

use pipeline::contract::{Column, Origin, Plan};
use pipeline::manifest::hex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::naming::{Dataset, blob, object, table};
use crate::evidence::Evidence;
use crate::model::{Outcome, Report};

const SPEC: &str = "https://openlineage.io/spec";
const CORE: &str = "2-0-2";
/// Whoever says these things.
const PRODUCER: &str = concat!("urn:crosstally:", env!("CARGO_PKG_VERSION"));

/// The events in their order: START, then COMPLETE, FAIL or ABORT. The last one has all that is known by then.
pub fn events(evidence: &Evidence, report: &Report) -> [Value; 2] {
    let (error, last) = match report.verdict.outcome {
        Outcome::Balanced | Outcome::Planned | Outcome::NothingToLoad => (None, "COMPLETE"),
        Outcome::Failed | Outcome::TimedOut => (report.verdict.error.as_ref(), "FAIL"),
        Outcome::Aborted => (report.verdict.error.as_ref(), "ABORT"),
    };
    let mut facets = run_facets(evidence, report);
    let started = event("START", &report.run.started_at, evidence, Value::Object(facets.clone()), datasets(evidence, report, false));
    if let Some(error) = error {
        let message = format!("{}: {}", error.name, error.message);
        facets.extend([facet("errorMessage", "1-0-1", "ErrorMessageRunFacet", json!({"message": message, "programmingLanguage": "Rust"}))]);
    }
    let ended = event(last, &report.run.ended_at, evidence, Value::Object(facets), datasets(evidence, report, true));
    [started, ended]
}

fn event(kind: &str, at: &str, evidence: &Evidence, run_facets: Value, (inputs, outputs): (Vec<Value>, Vec<Value>)) -> Value {
    let execution = &evidence.execution;
    let namespace = format!("crosstally://{}", execution.region());
    json!({
        "eventType": kind,
        "eventTime": at,
        "producer": PRODUCER,
        "schemaURL": format!("{SPEC}/{CORE}/OpenLineage.json#/$defs/RunEvent"),
        "run": {"runId": run_uuid(&execution.arn, execution.redrives), "facets": run_facets},
        "job": {"namespace": namespace, "name": evidence.setup.pipeline, "facets": job_facets()},
        "inputs": inputs,
        "outputs": outputs,
    })
}

/// The same for the same run, however often it is reported. A redriven run ends once more, and a run of OpenLineage ends once: it is
/// another one to OpenLineage. Version 8 of RFC 9562, from SHA-256.
fn run_uuid(arn: &str, redrives: u32) -> String {
    let name = if redrives == 0 { arn.to_owned() } else { format!("{arn}#{redrives}") };
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(name.as_bytes())[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

fn facet(key: &str, version: &str, name: &str, fields: Value) -> (String, Value) {
    let mut facet = Map::from_iter([
        ("_producer".to_owned(), json!(PRODUCER)),
        ("_schemaURL".to_owned(), json!(format!("{SPEC}/facets/{version}/{name}.json#/$defs/{name}"))),
    ]);
    if let Value::Object(fields) = fields {
        // What is not known is left out: the specification has no null.
        facet.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    }
    (key.to_owned(), Value::Object(facet))
}

fn run_facets(evidence: &Evidence, report: &Report) -> Map<String, Value> {
    // For when the schedule has started it; a run by hand is for when it began.
    let scheduled = evidence.execution.input.get("scheduledAt").and_then(Value::as_str).filter(|at| at.contains('T'));
    let nominal = json!({"nominalStartTime": scheduled.unwrap_or(&report.run.started_at)});
    let engine = json!({"version": env!("CARGO_PKG_VERSION"), "name": "Crosstally"});
    Map::from_iter([
        facet("nominalTime", "1-0-1", "NominalTimeRunFacet", nominal),
        facet("processing_engine", "1-1-1", "ProcessingEngineRunFacet", engine),
    ])
}

fn job_facets() -> Value {
    let kind = json!({"processingType": "BATCH", "integration": "CROSSTALLY", "jobType": "PIPELINE"});
    Value::Object(Map::from_iter([facet("jobType", "2-0-4", "JobTypeJobFacet", kind)]))
}

/// What is read and what is written; with the run's figures once it has ended.
fn datasets(evidence: &Evidence, report: &Report, has_ended: bool) -> (Vec<Value>, Vec<Value>) {
    let sources = Sources::of(evidence);
    let plan = evidence.plan.as_ref();
    let mut inputs: Vec<Value> = Vec::new();
    for read in sources.transactions.iter().chain(&sources.customers) {
        let columns = plan.map(|plan| if read.is_customers { &plan.customers.columns } else { &plan.transactions.columns });
        let mut facets = Map::from_iter([facet("version", "1-0-1", "DatasetVersionDatasetFacet", json!({"datasetVersion": read.version}))]);
        facets.extend(columns.map(|columns| schema(columns.iter().map(|c| (c.path.to_string(), c.kind.to_string())))));
        let statistics = json!({"rowCount": read.records, "size": read.bytes});
        let statistics = facet("inputStatistics", "1-0-0", "InputStatisticsInputDatasetFacet", statistics);
        let input_facets = if has_ended { Map::from_iter([statistics]) } else { Map::new() };
        inputs.push(dataset(&read.dataset, facets, ("inputFacets", input_facets)));
    }
    // A plan is rolled back, and a run that failed has left the table as it was.
    let is_written = !has_ended || report.verdict.outcome == Outcome::Balanced;
    let outputs = plan.filter(|_| is_written).into_iter().map(|plan| output(evidence, report, plan, &sources, has_ended)).collect();
    (inputs, outputs)
}

fn output(evidence: &Evidence, report: &Report, plan: &Plan, sources: &Sources, has_ended: bool) -> Value {
    let target = &plan.target;
    let (schema_name, table_name) = (&target.schema, &target.table);
    let mut facets = Map::from_iter([
        schema(target.columns.iter().map(|column| (column.name.clone(), column.kind.to_string()))),
        column_lineage(plan, sources),
    ]);
    let mut output_facets = Map::new();
    if has_ended {
        facets.extend((!report.columns.is_empty()).then(|| quality(report)));
        let loaded = report.rows.and_then(|rows| rows.loaded);
        let clean_bytes: u64 = evidence.parts.iter().map(|part| part.clean.bytes).sum();
        let statistics = json!({"rowCount": loaded.map(|loaded| loaded.inserted + loaded.updated), "size": clean_bytes});
        output_facets.extend([facet("outputStatistics", "1-0-2", "OutputStatisticsOutputDatasetFacet", statistics)]);
    }
    dataset(&table(&evidence.setup.jdbc_url, schema_name, table_name), facets, ("outputFacets", output_facets))
}

fn dataset(named: &Dataset, facets: Map<String, Value>, (kind, of_kind): (&str, Map<String, Value>)) -> Value {
    json!({"namespace": named.namespace, "name": named.name, "facets": facets, kind: of_kind})
}

fn schema(fields: impl Iterator<Item = (String, String)>) -> (String, Value) {
    let fields: Vec<Value> =
        fields.enumerate().map(|(at, (name, kind))| json!({"name": name, "type": kind, "ordinal_position": at + 1})).collect();
    facet("schema", "1-2-0", "SchemaDatasetFacet", json!({"fields": fields}))
}

/// Of the rows of this run.
fn quality(report: &Report) -> (String, Value) {
    let rows = report.columns.first().map(|column| column.rows);
    let of = |column: &crate::model::Column| {
        (
            column.name.clone(),
            json!({"nullCount": column.nulls, "distinctCount": column.distinct, "count": column.rows - column.nulls.min(column.rows)}),
        )
    };
    let columns: Map<String, Value> = report.columns.iter().map(of).collect();
    facet("dataQualityMetrics", "1-0-1", "DataQualityMetricsDatasetFacet", json!({"rowCount": rows, "columnMetrics": columns}))
}

/// Which field of which source each column comes from. The join's keys decide about all that the customers give.
fn column_lineage(plan: &Plan, sources: &Sources) -> (String, Value) {
    let field = |dataset: &Dataset, column: &Column, kind: Value| json!({"namespace": dataset.namespace, "name": dataset.name, "field": column.path.to_string(), "transformations": [kind]});
    let direct = |column: &Column| {
        let subtype = if column.clean.is_empty() && column.mask.is_none() { "IDENTITY" } else { "TRANSFORMATION" };
        json!({"type": "DIRECT", "subtype": subtype, "masking": column.mask.is_some()})
    };
    let joined = || json!({"type": "INDIRECT", "subtype": "JOIN", "masking": false});
    let (left, right) = (&plan.transactions.columns[plan.join.left], &plan.customers.columns[plan.join.right]);
    let of_join = || {
        let left = sources.transactions.iter().map(|read| field(&read.dataset, left, joined()));
        left.chain(sources.customers.iter().map(|read| field(&read.dataset, right, joined()))).collect::<Vec<_>>()
    };
    let mut fields = Map::new();
    for target in &plan.target.columns {
        let inputs: Vec<Value> = match target.origin {
            Origin::Transactions(at) => {
                let column = &plan.transactions.columns[at];
                sources.transactions.iter().map(|read| field(&read.dataset, column, direct(column))).collect()
            }
            Origin::Customers(at) => {
                let column = &plan.customers.columns[at];
                let taken = sources.customers.iter().map(|read| field(&read.dataset, column, direct(column)));
                taken.chain(of_join()).collect()
            }
            Origin::Matched => of_join(),
        };
        fields.insert(target.name.clone(), json!({"inputFields": inputs}));
    }
    facet("columnLineage", "1-2-0", "ColumnLineageDatasetFacet", json!({"fields": fields}))
}

/// A file that was read.
struct Read {
    dataset: Dataset,
    version: String,
    bytes: u64,
    records: Option<u64>,
    is_customers: bool,
}

struct Sources {
    transactions: Vec<Read>,
    customers: Option<Read>,
}

impl Sources {
    fn of(evidence: &Evidence) -> Self {
        let raw = evidence.raw.as_ref();
        let read = |uri: &str, etag: &str, bytes: u64, records: u64| Read {
            dataset: blob(uri),
            version: etag.to_owned(),
            bytes,
            records: Some(records),
            is_customers: false,
        };
        let transactions = match raw {
            None => Vec::new(),
            Some(raw) if raw.replay.is_some() || raw.blobs.is_empty() => vec![read(&raw.uri, &raw.etag, raw.bytes, raw.records)],
            Some(raw) => raw.blobs.iter().map(|blob| read(&blob.uri, &blob.etag, blob.bytes, blob.records)).collect(),
        };
        let records = evidence.parts.first().map(|part| part.ledger.customers.read);
        let customers = evidence.inputs.as_ref().map(|inputs| Read {
            dataset: object(&inputs.customers.bucket, &inputs.customers.key),
            version: inputs.customers.version().to_owned(),
            bytes: inputs.customers.bytes,
            records,
            is_customers: true,
        });
        Self { transactions, customers }
    }
}

/// One event a line.
pub fn ndjson(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

#[cfg(test)]
mod tests;
