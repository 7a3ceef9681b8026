//! A merge of fuzzed bytes, and what its files and books must say.

use std::io::Read;
use std::sync::LazyLock;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipeline::contract::Plan;
use pipeline::ledger::Ledger;
use pipeline::mask::Masker;
use pipeline::merge::{Job, MergeError, Sinks, merge};
use pipeline::split::Format;

pub static PLAN: LazyLock<Plan> = LazyLock::new(|| Plan::compile(include_bytes!("fuzzed.odcs.yaml")).expect("the contract is valid"));
static MASKER: LazyLock<Masker> = LazyLock::new(Masker::default);

const CUSTOMERS: &[u8] = b"c,n,p,d\nC1, ada  LOVELACE,+49 30 1234,2020-02-29\nC2,,12,\n\xC3\xA9,e\xCC\x81,,2020-01-01\n";

/// A merge by the contract beside this file, on one thread and in one block unless told otherwise.
pub fn job(format: Format, offset: u64) -> Job<'static> {
    Job { is_first: false, ..Job::new(&PLAN, &MASKER, format, offset) }
}

pub struct Merged {
    pub clean: Vec<u8>,
    pub quarantine: Vec<u8>,
    pub ledger: Ledger,
}

/// Merges; an error that no bytes can be blamed for is a panic.
pub fn run(job: &Job<'_>, records: impl Read) -> Result<Merged, MergeError> {
    let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
    match merge(job, CUSTOMERS, records, sinks) {
        Ok(pipeline::merge::Merged { sinks, ledger, .. }) => {
            ledger.balance().expect("the books of one merge balance");
            Ok(Merged { clean: sinks.clean, quarantine: sinks.quarantine, ledger })
        }
        Err(error @ (MergeError::Malformed { .. } | MergeError::SumOverflow { .. })) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

pub fn read(parquet: Vec<u8>) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(parquet)).expect("a Parquet file");
    reader.build().expect("a reader").map(|batch| batch.expect("a batch")).collect()
}

pub fn numbers(batches: &[RecordBatch], column: &str) -> Vec<i64> {
    let column = |batch: &RecordBatch| batch.column_by_name(column).expect("the column").as_primitive::<Int64Type>().values().to_vec();
    batches.iter().flat_map(column).collect()
}

pub fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    let of = |batch: &RecordBatch| {
        let column = batch.column_by_name(column).expect("the column").as_string::<i32>();
        column.iter().map(|text| text.unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of).collect()
}

/// The sum of a column as the file has it.
pub fn sum(batches: &[RecordBatch], column: &str) -> i128 {
    let of = |batch: &RecordBatch| {
        let column = batch.column_by_name(column).expect("the column").as_primitive::<Decimal128Type>();
        (0..column.len()).filter(|row| column.is_valid(*row)).map(|row| column.value(row)).sum::<i128>()
    };
    batches.iter().map(of).sum()
}
