//! Rows to Arrow columns to Parquet: the clean rows and the quarantine, as the warehouse's staging tables take them.
//!
//! The order of the columns is the order of the staging table's, since Redshift's COPY from Parquet goes by position.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
    UInt32Builder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::take::take;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::clean::Rule;
use crate::contract::{Origin, Target, TargetColumn};
use crate::types::{Row, Type, Value};

/// Rows between two writes: enough for the encoders to find repetition, little enough to stay flat in memory.
const BATCH_ROWS: usize = 8_192;

/// Rows of a Parquet row group. A whole group is held until it is complete.
const ROW_GROUP_ROWS: usize = 131_072;

/// Columns of the staging table behind the contract's own. See [`crate::sql`].
pub const SOURCE_URI: &str = "_source_uri";
pub const SOURCE_OFFSET: &str = "_source_offset";
pub const MATCHED: &str = "_matched";

/// The Arrow type a column type is written as.
fn data_type(kind: Type) -> DataType {
    match kind {
        Type::Text { .. } => DataType::Utf8,
        Type::Integer { bits: 16 } => DataType::Int16,
        Type::Integer { bits: 32 } => DataType::Int32,
        Type::Integer { .. } => DataType::Int64,
        Type::Decimal { precision, scale } => DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX)),
        Type::Boolean => DataType::Boolean,
        Type::Date => DataType::Date32,
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// Builds one column of any type.
#[derive(Debug)]
pub(crate) enum ColumnBuilder {
    Text(StringBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Decimal(Decimal128Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl ColumnBuilder {
    pub(crate) fn new(kind: Type) -> Self {
        match kind {
            Type::Text { .. } => Self::Text(StringBuilder::new()),
            Type::Integer { bits: 16 } => Self::Int16(Int16Builder::new()),
            Type::Integer { bits: 32 } => Self::Int32(Int32Builder::new()),
            Type::Integer { .. } => Self::Int64(Int64Builder::new()),
            Type::Decimal { .. } => Self::Decimal(Decimal128Builder::new().with_data_type(data_type(kind))),
            Type::Boolean => Self::Boolean(BooleanBuilder::new()),
            Type::Date => Self::Date(Date32Builder::new()),
            Type::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(data_type(kind))),
        }
    }

    /// Appends the row's value. A value of another type than the column's cannot be: the plan gives both one type.
    pub(crate) fn push(&mut self, row: &Row, value: Value) {
        match (self, value) {
            (Self::Text(b), Value::Text { start, end }) => b.append_value(row.text(start, end)),
            (Self::Text(b), _) => b.append_null(),
            (Self::Int16(b), Value::Integer(n)) => b.append_option(i16::try_from(n).ok()),
            (Self::Int16(b), _) => b.append_null(),
            (Self::Int32(b), Value::Integer(n)) => b.append_option(i32::try_from(n).ok()),
            (Self::Int32(b), _) => b.append_null(),
            (Self::Int64(b), Value::Integer(n)) => b.append_value(n),
            (Self::Int64(b), _) => b.append_null(),
            (Self::Decimal(b), Value::Decimal(n)) => b.append_value(n),
            (Self::Decimal(b), _) => b.append_null(),
            (Self::Boolean(b), Value::Boolean(v)) => b.append_value(v),
            (Self::Boolean(b), _) => b.append_null(),
            (Self::Date(b), Value::Date(days)) => b.append_value(days),
            (Self::Date(b), _) => b.append_null(),
            (Self::Timestamp(b), Value::Timestamp(micros)) => b.append_value(micros),
            (Self::Timestamp(b), _) => b.append_null(),
        }
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(b) => Arc::new(b.finish()),
            Self::Int16(b) => Arc::new(b.finish()),
            Self::Int32(b) => Arc::new(b.finish()),
            Self::Int64(b) => Arc::new(b.finish()),
            Self::Decimal(b) => Arc::new(b.finish()),
            Self::Boolean(b) => Arc::new(b.finish()),
            Self::Date(b) => Arc::new(b.finish()),
            Self::Timestamp(b) => Arc::new(b.finish()),
        }
    }
}

/// A Parquet file that is handed on while it is written.
#[derive(Debug)]
struct ParquetStream {
    writer: ArrowWriter<Vec<u8>>,
}

impl ParquetStream {
    fn new(schema: SchemaRef) -> Result<Self, ParquetError> {
        // Snappy is what every Parquet reader of Redshift takes. A fixed creator keeps the bytes the same from one build to the next.
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by("crosstally".to_owned())
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        Ok(Self { writer: ArrowWriter::try_new(Vec::new(), schema, Some(properties))? })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.writer.write(batch)
    }

    /// The bytes written since the last call. The writer counts its own position, so taking them away does no harm.
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.inner_mut())
    }

    fn finish(mut self) -> Result<Vec<u8>, ParquetError> {
        self.writer.finish()?;
        Ok(self.take())
    }
}

/// Writes clean rows, joined to their customers, as Parquet.
#[derive(Debug)]
pub struct CleanWriter<'p> {
    target: &'p Target,
    source_uri: &'p str,
    schema: SchemaRef,
    /// One per target column that comes from the transactions.
    builders: Vec<Option<ColumnBuilder>>,
    /// Row of the matched customer.
    customer_rows: UInt32Builder,
    offsets: Int64Builder,
    rows: usize,
    stream: ParquetStream,
}

impl<'p> CleanWriter<'p> {
    pub fn new(target: &'p Target, source_uri: &'p str) -> Result<Self, ParquetError> {
        let mut fields: Vec<Field> = target.columns.iter().map(|c| Field::new(&c.name, data_type(c.kind), c.nullable)).collect();
        fields.push(Field::new(SOURCE_URI, DataType::Utf8, false));
        fields.push(Field::new(SOURCE_OFFSET, DataType::Int64, false));
        fields.push(Field::new(MATCHED, DataType::Boolean, false));
        let schema = Arc::new(Schema::new(fields));
        let builder = |c: &TargetColumn| matches!(c.origin, Origin::Transactions(_)).then(|| ColumnBuilder::new(c.kind));
        Ok(Self {
            target,
            source_uri,
            builders: target.columns.iter().map(builder).collect(),
            customer_rows: UInt32Builder::new(),
            offsets: Int64Builder::new(),
            rows: 0,
            stream: ParquetStream::new(schema.clone())?,
            schema,
        })
    }

    /// Appends a clean row; `customers` holds a column per target column that comes from the customers.
    pub fn push(&mut self, row: &Row, offset: i64, customer_row: Option<u32>, customers: &[Option<ArrayRef>]) -> Result<(), ParquetError> {
        for (column, builder) in self.target.columns.iter().zip(&mut self.builders) {
            if let (Origin::Transactions(index), Some(builder)) = (column.origin, builder) {
                builder.push(row, row.value(index));
            }
        }
        self.customer_rows.append_option(customer_row);
        self.offsets.append_value(offset);
        self.rows += 1;
        if self.rows == BATCH_ROWS { self.flush(customers) } else { Ok(()) }
    }

    /// The Parquet bytes that are ready to be sent.
    pub fn take(&mut self) -> Vec<u8> {
        self.stream.take()
    }

    /// The last bytes of the file.
    pub fn finish(mut self, customers: &[Option<ArrayRef>]) -> Result<Vec<u8>, ParquetError> {
        self.flush(customers)?;
        self.stream.finish()
    }

    fn flush(&mut self, customers: &[Option<ArrayRef>]) -> Result<(), ParquetError> {
        let customer_rows: UInt32Array = self.customer_rows.finish();
        let matched: ArrayRef = Arc::new(BooleanArray::from_iter(customer_rows.iter().map(|row| Some(row.is_some()))));
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for ((column, builder), customer_column) in self.target.columns.iter().zip(&mut self.builders).zip(customers) {
            columns.push(match (column.origin, builder, customer_column) {
                (Origin::Transactions(_), Some(builder), _) => builder.finish(),
                (Origin::Customers(_), _, Some(values)) => take(values, &customer_rows, None)?,
                _ => matched.clone(),
            });
        }
        columns.push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(self.source_uri, self.rows))));
        columns.push(Arc::new(self.offsets.finish()));
        columns.push(matched);
        self.rows = 0;
        self.stream.write(&RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// A record that broke a rule, on its way to the quarantine.
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

/// Writes the quarantine as Parquet.
#[derive(Debug)]
pub struct QuarantineWriter {
    schema: SchemaRef,
    source: StringBuilder,
    source_uri: StringBuilder,
    offset: Int64Builder,
    rule: StringBuilder,
    column: StringBuilder,
    record: StringBuilder,
    record_bytes: Int64Builder,
    rows: usize,
    stream: ParquetStream,
}

impl QuarantineWriter {
    pub fn new() -> Result<Self, ParquetError> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("source", DataType::Utf8, false),
            Field::new("source_uri", DataType::Utf8, false),
            Field::new("source_offset", DataType::Int64, false),
            Field::new("rule", DataType::Utf8, false),
            Field::new("column_name", DataType::Utf8, true),
            Field::new("record", DataType::Utf8, false),
            Field::new("record_bytes", DataType::Int64, false),
        ]));
        Ok(Self {
            source: StringBuilder::new(),
            source_uri: StringBuilder::new(),
            offset: Int64Builder::new(),
            rule: StringBuilder::new(),
            column: StringBuilder::new(),
            record: StringBuilder::new(),
            record_bytes: Int64Builder::new(),
            rows: 0,
            stream: ParquetStream::new(schema.clone())?,
            schema,
        })
    }

    pub fn push(&mut self, rejected: &Rejected<'_>) -> Result<(), ParquetError> {
        self.source.append_value(rejected.source);
        self.source_uri.append_value(rejected.source_uri);
        self.offset.append_value(rejected.offset);
        self.rule.append_value(rejected.rule.name());
        self.column.append_option(rejected.column);
        self.record.append_value(crate::source::quarantined_text(rejected.record));
        self.record_bytes.append_value(i64::try_from(rejected.record.len()).unwrap_or(i64::MAX));
        self.rows += 1;
        if self.rows == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    pub fn take(&mut self) -> Vec<u8> {
        self.stream.take()
    }

    pub fn finish(mut self) -> Result<Vec<u8>, ParquetError> {
        self.flush()?;
        self.stream.finish()
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        self.rows = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.source.finish()),
            Arc::new(self.source_uri.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.rule.finish()),
            Arc::new(self.column.finish()),
            Arc::new(self.record.finish()),
            Arc::new(self.record_bytes.finish()),
        ];
        self.stream.write(&RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// The exact number in a row of a column, unscaled; `None` for null and for what is no exact number.
pub(crate) fn number_at(column: &ArrayRef, row: u32) -> Option<i128> {
    let row = row as usize;
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Int16 => Some(i128::from(column.as_primitive::<Int16Type>().value(row))),
        DataType::Int32 => Some(i128::from(column.as_primitive::<Int32Type>().value(row))),
        DataType::Int64 => Some(i128::from(column.as_primitive::<Int64Type>().value(row))),
        DataType::Decimal128(..) => Some(column.as_primitive::<Decimal128Type>().value(row)),
        _ => None,
    }
}
