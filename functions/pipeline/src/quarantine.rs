//! Rejections: the records that broke a rule, on their way to the quarantine file.

use std::io::Write;

use parquet::errors::ParquetError;

use crate::columns::{Column, Physical};
use crate::files::{File, FileSchema, quarantine_columns};
use crate::interner::Full;
use crate::pages::{Codec, Encoder};
use crate::rule::Rule;
use crate::source::quarantined_text;
use crate::types::Value;

/// A record that broke a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected<'r> {
    /// The schema object it was read as.
    pub source: &'r str,
    pub source_uri: &'r str,
    pub offset: i64,
    pub rule: Rule,
    pub column: Option<&'r str>,
    pub record: &'r [u8],
}

/// Text of the rejections of one row group, about.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Writes the quarantine file.
pub struct QuarantineWriter<W: Write + Send> {
    schema: FileSchema,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
    encoder: Encoder,
    file: File<W>,
}

impl<W: Write + Send> QuarantineWriter<W> {
    pub fn new(sink: W, codec: Codec, about: &[(&str, &str)]) -> Result<Self, ParquetError> {
        let columns = quarantine_columns();
        let schema = FileSchema::new(&columns)?;
        let columns = columns.iter().map(|c| Column::new(Physical::of(c.kind), c.is_nullable)).collect();
        Ok(Self { file: File::new(sink, &schema, about)?, encoder: Encoder::new(codec)?, schema, columns, rows: 0, bytes: 0 })
    }

    pub fn push(&mut self, rejected: &Rejected<'_>) -> Result<(), ParquetError> {
        let record = quarantined_text(rejected.record);
        let values = [
            Value::Text(rejected.source),
            Value::Text(rejected.source_uri),
            Value::Integer(rejected.offset),
            Value::Text(rejected.rule.name()),
            rejected.column.map_or(Value::Null, Value::Text),
            Value::Text(&record),
            Value::Integer(i64::try_from(rejected.record.len()).unwrap_or(i64::MAX)),
        ];
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value).map_err(|full: Full| ParquetError::External(Box::new(full)))?;
        }
        self.rows += 1;
        self.bytes += record.len();
        if self.bytes >= GROUP_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes the footer and gives the sink back.
    pub fn finish(mut self) -> Result<W, ParquetError> {
        self.flush()?;
        self.file.finish()
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let encoded = self.schema.columns.iter().zip(&self.columns);
        let chunks = encoded.map(|(descr, column)| self.encoder.column(descr, column, self.rows)).collect::<Result<_, _>>()?;
        self.file.append(chunks)?;
        self.columns.iter_mut().for_each(Column::clear);
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}
