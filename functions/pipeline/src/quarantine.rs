//! Rejections: the records that broke a rule, on their way to the quarantine file and out of it again.

use std::io::Write;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Row, RowAccessor};
use parquet::schema::types::Type as SchemaType;

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

/// A rejection as the quarantine keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Of the record's first byte, in its source.
    pub offset: u64,
    pub record_bytes: u64,
    /// See [`quarantined_text`].
    pub record: String,
}

impl Quarantined {
    /// Where the record ends in its source.
    ///
    /// A line of form feeds alone is a record of no bytes, since they are trimmed off like any white space; no bytes would be no
    /// record to whoever reads it again, so the first of them stands for it.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.record_bytes.max(1))
    }

    /// Whether these bytes, of its place in the source, are the record that was quarantined.
    pub fn is(&self, bytes: &[u8]) -> bool {
        let record = if self.record_bytes == 0 { bytes.trim_ascii_end() } else { bytes };
        record.len() as u64 == self.record_bytes && quarantined_text(record) == self.record
    }
}

/// Reads the rejections of one source from a quarantine file, one after the other as they were written.
pub struct QuarantineReader {
    rows: RowIter<'static>,
    source: String,
}

/// What is read of a file, in the file's own order.
const READ: [&str; 4] = ["source", "source_offset", "record", "record_bytes"];

impl QuarantineReader {
    /// `source` is the schema object whose records are wanted.
    pub fn new(file: Bytes, source: &str) -> Result<Self, ParquetError> {
        let reader = SerializedFileReader::new(file)?;
        let columns = reader.metadata().file_metadata().schema().get_fields();
        let wanted = columns.iter().filter(|column| READ.contains(&column.name())).cloned().collect();
        let projection = SchemaType::group_type_builder("crosstally").with_fields(wanted).build()?;
        let rows = RowIter::from_file_into(Box::new(reader)).project(Some(projection))?;
        Ok(Self { rows, source: source.to_owned() })
    }
}

impl Iterator for QuarantineReader {
    type Item = Result<Quarantined, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { rows, source } = self;
        rows.find_map(|row| row.and_then(|row| quarantined(&row, source)).transpose())
    }
}

/// `None` when it is a record of another source.
fn quarantined(row: &Row, source: &str) -> Result<Option<Quarantined>, ParquetError> {
    if row.get_string(0)? != source {
        return Ok(None);
    }
    let number = |column| row.get_long(column).and_then(|n| u64::try_from(n).map_err(|e| ParquetError::External(Box::new(e))));
    Ok(Some(Quarantined { offset: number(1)?, record: row.get_string(2)?.clone(), record_bytes: number(3)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(rejections: &[(&str, i64, &[u8])]) -> Bytes {
        let mut writer = QuarantineWriter::new(Vec::new(), Codec::Snappy, &[]).unwrap();
        for (source, offset, record) in rejections {
            let rejected = Rejected { source, source_uri: "https://a/b", offset: *offset, rule: Rule::Malformed, column: None, record };
            writer.push(&rejected).unwrap();
        }
        writer.finish().unwrap().into()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let long = vec![b'x'; 70_000];
        // Row groups of 8 MiB: a few of them.
        let many: Vec<(&str, i64, &[u8])> = (0..400).map(|n| ("orders", n * 100_000, long.as_slice())).collect();
        let few: [(&str, i64, &[u8]); 6] = [
            ("customers", 7, b"C3,Cy"),
            ("orders", 0, b"{\"a\": 1}"),
            ("customers", 20, b"C4,Di"),
            ("orders", 9, b"a\0b\xFFc\n"),
            ("orders", 40, b""),
            ("orders", i64::MAX, "{\"é\": 2}".as_bytes()),
        ];
        for rejections in [[].as_slice(), &few[..1], &few, &many] {
            let read: Vec<_> = QuarantineReader::new(write(rejections), "orders").unwrap().map(Result::unwrap).collect();
            let expected = rejections.iter().filter(|(source, ..)| *source == "orders").map(|(_, offset, record)| Quarantined {
                offset: u64::try_from(*offset).unwrap(),
                record_bytes: record.len() as u64,
                record: quarantined_text(record),
            });
            assert_eq!(read, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_no_quarantine_file_is_an_error() {
        let whole = write(&[("orders", 0, b"{}")]);
        assert!(QuarantineReader::new(whole.slice(..whole.len() - 1), "orders").is_err());
        assert!(QuarantineReader::new(Bytes::new(), "orders").is_err());
        let mut negative = QuarantineReader::new(write(&[("orders", -1, b"{}")]), "orders").unwrap();
        assert!(negative.next().unwrap().is_err());
    }

    #[test]
    fn a_record_is_known_by_its_text_and_its_length() {
        let check = |quarantined: &[u8], bytes: &[u8], expected: bool| {
            let record_bytes = quarantined.len() as u64;
            let rejection = Quarantined { offset: 0, record_bytes, record: quarantined_text(quarantined) };
            assert_eq!(rejection.is(bytes), expected, "{quarantined:?} and {bytes:?}");
        };
        check(b"{\"a\": 1}", b"{\"a\": 1}", true);
        check(b"{\"a\": 1}", b"{\"a\": 2}", false);
        check(b"{\"a\": 1}", b"{\"a\": 1} ", false);
        check(b"\xFF", b"\xFF", true);
        // Past the text that is kept, the length alone can tell.
        check(&[b'x'; 70_000], &[b'x'; 70_000], true);
        check(&[b'x'; 70_000], &[b'x'; 70_001], false);
        check(b"", b"\x0C", true);
        check(b"", b"x", false);
    }
}
