//! Parquet files: their schema, and row groups one behind the other.
//!
//! The order of the columns is the order of the staging table's, since Redshift's COPY from Parquet goes by position.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type as SchemaType};

use crate::columns::Physical;
use crate::contract::{MATCHED, Plan, SOURCE_OFFSET, SOURCE_URI};
use crate::pages::Chunk;
use crate::types::{MAX_TEXT_BYTES, Type};

/// A column of a file: name, type, whether it may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileColumn {
    pub name: String,
    pub kind: Type,
    pub is_nullable: bool,
}

impl FileColumn {
    fn new(name: &str, kind: Type, is_nullable: bool) -> Self {
        Self { name: name.to_owned(), kind, is_nullable }
    }
}

const TEXT: Type = Type::Text { max_bytes: MAX_TEXT_BYTES };
const NUMBER: Type = Type::Integer { bits: 64 };

/// The columns of a file of clean rows: the target's, then where each row comes from.
pub fn clean_columns(plan: &Plan) -> Vec<FileColumn> {
    let mut columns: Vec<FileColumn> = plan.target.columns.iter().map(|c| FileColumn::new(&c.name, c.kind, c.nullable)).collect();
    columns.push(FileColumn::new(SOURCE_URI, TEXT, false));
    columns.push(FileColumn::new(SOURCE_OFFSET, NUMBER, false));
    columns.push(FileColumn::new(MATCHED, Type::Boolean, false));
    columns
}

/// The columns of a quarantine file, the same for every contract.
pub fn quarantine_columns() -> Vec<FileColumn> {
    vec![
        FileColumn::new("source", TEXT, false),
        FileColumn::new("source_uri", TEXT, false),
        FileColumn::new("source_offset", NUMBER, false),
        FileColumn::new("rule", TEXT, false),
        FileColumn::new("column_name", TEXT, true),
        FileColumn::new("record", TEXT, false),
        FileColumn::new("record_bytes", NUMBER, false),
    ]
}

/// A Parquet file's schema.
#[derive(Debug, Clone)]
pub struct FileSchema {
    root: Arc<SchemaType>,
    pub columns: Vec<ColumnDescPtr>,
}

impl FileSchema {
    pub fn new(columns: &[FileColumn]) -> Result<Self, ParquetError> {
        let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
        let root = Arc::new(SchemaType::group_type_builder("crosstally").with_fields(fields).build()?);
        let columns = SchemaDescriptor::new(root.clone()).columns().to_vec();
        Ok(Self { root, columns })
    }
}

fn field(column: &FileColumn) -> Result<Arc<SchemaType>, ParquetError> {
    let (physical, length) = match Physical::of(column.kind) {
        Physical::Boolean => (PhysicalType::BOOLEAN, -1),
        Physical::Int32 => (PhysicalType::INT32, -1),
        Physical::Int64 => (PhysicalType::INT64, -1),
        Physical::Double => (PhysicalType::DOUBLE, -1),
        Physical::Text => (PhysicalType::BYTE_ARRAY, -1),
        Physical::Wide(bytes) => (PhysicalType::FIXED_LEN_BYTE_ARRAY, i32::from(bytes)),
    };
    let logical = match column.kind {
        Type::Text { .. } | Type::Char { .. } | Type::Super => Some(LogicalType::String),
        Type::Integer { bits: 16 } => Some(LogicalType::integer(16, true)),
        Type::Decimal { precision, scale } => Some(LogicalType::decimal(i32::from(scale), i32::from(precision))),
        Type::Date => Some(LogicalType::Date),
        Type::Timestamp { .. } => Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
        Type::Integer { .. } | Type::Double | Type::Boolean => None,
    };
    let (precision, scale) = match column.kind {
        Type::Decimal { precision, scale } => (i32::from(precision), i32::from(scale)),
        _ => (-1, -1),
    };
    let repetition = if column.is_nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let field = SchemaType::primitive_type_builder(&column.name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .with_length(length)
        .with_precision(precision)
        .with_scale(scale)
        .build()?;
    Ok(Arc::new(field))
}

/// A file that takes row groups.
pub struct File<W: Write + Send> {
    writer: SerializedFileWriter<W>,
}

impl<W: Write + Send> File<W> {
    /// `about` goes into the file's own metadata.
    pub fn new(sink: W, schema: &FileSchema, about: &[(&str, &str)]) -> Result<Self, ParquetError> {
        let about = about.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), (*value).to_owned())).collect();
        // A fixed creator keeps the bytes the same from one build to the next.
        let properties = WriterProperties::builder().set_created_by("crosstally".to_owned()).set_key_value_metadata(Some(about)).build();
        Ok(Self { writer: SerializedFileWriter::new(sink, schema.root.clone(), Arc::new(properties))? })
    }

    pub fn append(&mut self, chunks: Vec<Chunk>) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for Chunk { bytes, close } in chunks {
            group.append_column(&bytes, close)?;
        }
        group.close()?;
        Ok(())
    }

    /// Writes the footer and gives the sink back.
    pub fn finish(self) -> Result<W, ParquetError> {
        self.writer.into_inner()
    }
}
