//! One split from its bytes to its Parquet and its books: the stages in their order, with nothing between them but memory.

use arrow_array::ArrayRef;
use parquet::errors::ParquetError;

use crate::clean::{Cleaner, Rule, Violation};
use crate::columns::{CleanWriter, QuarantineWriter, Rejected};
use crate::contract::{Origin, Plan, Unmatched};
use crate::customers::{Customers, read_customers};
use crate::decimal::{Decimal, SumOverflow};
use crate::ledger::Ledger;
use crate::record::{Unparsable, parse_json};
use crate::source::Malformed;
use crate::split::{Format, RecordReader, Split};
use crate::types::{Row, Value};

/// Why a split cannot be merged; nothing of the run is loaded then.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("{uri}: {malformed}: mend the source and run again")]
    Malformed { uri: String, malformed: Malformed },
    #[error("{uri}: `{column}` breaks the rule {rule} at byte {offset}, and the contract says onViolation: fail", rule = rule.name())]
    Fatal { uri: String, offset: u64, rule: Rule, column: String },
    #[error("{uri}: {column}: {SumOverflow}")]
    SumOverflow { uri: String, column: String },
    #[error("writing Parquet: {0}")]
    Parquet(#[from] ParquetError),
}

/// Where a split comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origins<'u> {
    pub transactions_uri: &'u str,
    pub customers_uri: &'u str,
}

/// Merges the customers with one split of the transactions, chunk by chunk.
pub struct Merge<'p> {
    plan: &'p Plan,
    origins: Origins<'p>,
    format: Format,
    customers: Customers,
    reader: RecordReader,
    rows: Rows<'p>,
}

/// The Parquet bytes that are ready to be sent.
#[derive(Debug, Default)]
pub struct Ready {
    pub clean: Vec<u8>,
    pub quarantine: Vec<u8>,
}

impl<'p> Merge<'p> {
    /// Reads the customers. Their quarantine goes into the first split's, so that it is written once a run.
    pub fn new(
        plan: &'p Plan,
        customers_csv: &[u8],
        format: Format,
        split: Split,
        is_first: bool,
        origins: Origins<'p>,
    ) -> Result<Self, MergeError> {
        let mut quarantine = QuarantineWriter::new()?;
        let uri = origins.customers_uri;
        let customers = read_customers(customers_csv, plan, |offset, record, violation| {
            let column = violation.column.map(|c| plan.customers.columns[c].name.as_str());
            if violation.is_fatal {
                return Err(fatal(uri, offset, violation, column));
            }
            if is_first {
                let rejected = Rejected {
                    source: &plan.customers.name,
                    source_uri: uri,
                    offset: signed(offset),
                    rule: violation.rule,
                    column,
                    record,
                };
                quarantine.push(&rejected)?;
            }
            Ok(())
        });
        let customers = customers.map_err(|e: SplitError| e.into_merge_error(uri))?;
        let ledger = Ledger { customers: customers.counts().clone(), customers_superseded: customers.superseded(), ..Ledger::default() };
        let rows = Rows {
            plan,
            uri: origins.transactions_uri,
            cleaner: Cleaner::new(&plan.transactions, plan.zone_offset_seconds),
            row: Row::default(),
            clean: CleanWriter::new(&plan.target, origins.transactions_uri)?,
            quarantine,
            sums: Sums::new(plan),
            ledger,
        };
        Ok(Self { plan, origins, format, customers, reader: RecordReader::new(format, split.start), rows })
    }

    /// Takes the next bytes of the split and returns the Parquet that is complete so far.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Ready, MergeError> {
        let Self { reader, rows, customers, format, .. } = self;
        let pushed = reader.push(chunk, |offset, record| rows.record(offset, record, *format, customers));
        pushed.map_err(|e| e.into_merge_error(self.origins.transactions_uri))?;
        Ok(Ready { clean: self.rows.clean.take(), quarantine: self.rows.quarantine.take() })
    }

    /// Ends the split: the last Parquet bytes, and the books.
    pub fn finish(mut self) -> Result<(Ready, Ledger), MergeError> {
        let Self { reader, rows, customers, format, .. } = &mut self;
        let finished = reader.finish(|offset, record| rows.record(offset, record, *format, customers));
        finished.map_err(|e| e.into_merge_error(self.origins.transactions_uri))?;
        let Rows { clean, quarantine, sums, mut ledger, .. } = self.rows;
        ledger.sums = sums.by_column(self.plan);
        let ready = Ready { clean: clean.finish(self.customers.columns())?, quarantine: quarantine.finish()? };
        Ok((ready, ledger))
    }
}

/// A fault of one source, before its name is known to it.
#[derive(Debug)]
enum SplitError {
    Malformed(Malformed),
    Merge(MergeError),
}

impl SplitError {
    fn into_merge_error(self, uri: &str) -> MergeError {
        match self {
            Self::Malformed(malformed) => MergeError::Malformed { uri: uri.to_owned(), malformed },
            Self::Merge(error) => error,
        }
    }
}

impl From<Malformed> for SplitError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<ParquetError> for SplitError {
    fn from(error: ParquetError) -> Self {
        Self::Merge(MergeError::Parquet(error))
    }
}

fn fatal(uri: &str, offset: u64, violation: Violation, column: Option<&str>) -> SplitError {
    let column = column.unwrap_or_default().to_owned();
    SplitError::Merge(MergeError::Fatal { uri: uri.to_owned(), offset, rule: violation.rule, column })
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// The stages behind the record reader.
struct Rows<'p> {
    plan: &'p Plan,
    uri: &'p str,
    cleaner: Cleaner<'p>,
    row: Row,
    clean: CleanWriter<'p>,
    quarantine: QuarantineWriter,
    sums: Sums,
    ledger: Ledger,
}

impl Rows<'_> {
    fn record(&mut self, offset: u64, record: &[u8], format: Format, customers: &Customers) -> Result<(), SplitError> {
        self.ledger.transactions.read += 1;
        let whole = |rule| Violation { rule, column: None, is_fatal: false };
        let fields = match parse_json(record, &self.plan.transactions) {
            Ok(fields) => fields,
            Err(Unparsable::Encoding { .. }) => return self.reject(offset, record, whole(Rule::Encoding)),
            // One broken element leaves an array's other elements in doubt; a broken line says nothing about the next.
            Err(Unparsable::Syntax { byte, what }) if format == Format::Array => {
                return Err(Malformed::new(offset + byte as u64, format!("not JSON: {what}")).into());
            }
            Err(Unparsable::Syntax { .. }) => return self.reject(offset, record, whole(Rule::Malformed)),
        };
        self.ledger.transactions.recognised += u64::from(fields.is_recognised());
        self.ledger.transactions.unknown_fields += fields.unknown;
        if let Err(violation) = self.cleaner.clean(&fields.values, &mut self.row) {
            return self.reject(offset, record, violation);
        }
        let customer = self.row.key_bytes(self.plan.join.left, &mut [0; 16]).and_then(|key| customers.find(key));
        if customer.is_none() && self.plan.join.unmatched == Unmatched::Quarantine {
            return self.reject(offset, record, Violation { rule: Rule::Unmatched, column: Some(self.plan.join.left), is_fatal: false });
        }
        self.ledger.transactions.clean += 1;
        self.sums
            .add(self.plan, &self.row, customer, customers.columns())
            .map_err(|column| SplitError::Merge(MergeError::SumOverflow { uri: self.uri.to_owned(), column: column.to_owned() }))?;
        self.clean.push(&self.row, signed(offset), customer, customers.columns())?;
        Ok(())
    }

    fn reject(&mut self, offset: u64, record: &[u8], violation: Violation) -> Result<(), SplitError> {
        let column = violation.column.map(|c| self.plan.transactions.columns[c].name.as_str());
        if violation.is_fatal {
            return Err(fatal(self.uri, offset, violation, column));
        }
        self.ledger.transactions.quarantine(violation.rule, column);
        let source = &self.plan.transactions.name;
        self.quarantine.push(&Rejected { source, source_uri: self.uri, offset: signed(offset), rule: violation.rule, column, record })?;
        Ok(())
    }
}

/// Exact sums of the numeric target columns over the clean rows.
struct Sums(Vec<Option<Decimal>>);

impl Sums {
    fn new(plan: &Plan) -> Self {
        Self(plan.target.columns.iter().map(|c| c.kind.sum_scale().map(Decimal::zero)).collect())
    }

    fn add<'p>(&mut self, plan: &'p Plan, row: &Row, customer: Option<u32>, customers: &[Option<ArrayRef>]) -> Result<(), &'p str> {
        for ((column, sum), customer_column) in plan.target.columns.iter().zip(&mut self.0).zip(customers) {
            let Some(sum) = sum else { continue };
            let number = match (column.origin, customer, customer_column) {
                (Origin::Transactions(index), ..) => unscaled(row.value(index)),
                (Origin::Customers(_), Some(customer), Some(values)) => crate::columns::number_at(values, customer),
                _ => None,
            };
            if let Some(number) = number {
                sum.add_unscaled(number).map_err(|SumOverflow| column.name.as_str())?;
            }
        }
        Ok(())
    }

    fn by_column(self, plan: &Plan) -> std::collections::BTreeMap<String, Decimal> {
        plan.target.columns.iter().zip(self.0).filter_map(|(c, sum)| Some((c.name.clone(), sum?))).collect()
    }
}

fn unscaled(value: Value) -> Option<i128> {
    match value {
        Value::Integer(n) => Some(i128::from(n)),
        Value::Decimal(n) => Some(n),
        _ => None,
    }
}
