//! CSV records with their own text and offset, and the guards that the csv crate does not have.

use std::collections::HashMap;
use std::io::{self, Read};

use ::csv::{ByteRecord, Reader, ReaderBuilder};

use crate::record::{Field, Fields};
use crate::rule::Rule;
use crate::source::{self, Encoding, MAX_RECORD_BYTES, Malformed};

/// Why a CSV file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One record of the file, below its header.
#[derive(Debug)]
pub struct CsvRecord<'r> {
    /// Of its first byte, in the file; in the decoded text, where the file is compressed or UTF-16.
    pub offset: u64,
    /// As it stands in the file, without its newline.
    pub text: &'r [u8],
    /// By wanted field; or what is wrong with the record as a whole.
    pub fields: Result<Fields<'r>, Rule>,
    pub header: &'r Header,
}

/// Where a record's cells have what is wanted of it.
#[derive(Debug)]
pub struct Header {
    /// Cells of a record.
    pub width: usize,
    /// By wanted field, its cell.
    positions: Vec<Option<usize>>,
    wanted: Vec<String>,
}

impl Header {
    /// The cells of those of the wanted fields, in the order of the file.
    pub fn cells(&self, is_meant: impl Fn(&str) -> bool) -> Vec<usize> {
        let meant = self.wanted.iter().zip(&self.positions).filter(|(field, _)| is_meant(field));
        let mut cells: Vec<usize> = meant.filter_map(|(_, position)| *position).collect();
        cells.sort_unstable();
        cells
    }
}

/// Reads records one by one.
pub struct CsvReader<R: Read> {
    reader: Reader<Kept<source::Text<R>>>,
    header: Header,
    /// Bytes of a mark in front of the text.
    lead: u64,
    is_transcoded: bool,
    record: ByteRecord,
    end: u64,
    /// Of the first record that is not UTF-8.
    first_invalid: Option<u64>,
    has_valid_beyond_ascii: bool,
}

impl<R: Read> CsvReader<R> {
    /// Reads the header, which must have every required one of the wanted fields, and none of them twice.
    pub fn open(file: R, wanted: &[String], required: &[bool]) -> Result<Self, CsvError> {
        let text = source::text(file)?;
        let (lead, is_transcoded) = (text.lead(), text.encoding() == Encoding::Utf16);
        let mut reader = ReaderBuilder::new().flexible(true).buffer_capacity(1 << 18).from_reader(Kept::new(text));
        let header = reader.byte_headers().map_err(as_csv_error)?.clone();
        let end = reader.position().byte();
        let (start, text) = reader.get_ref().record(0, end);
        check_quotes(text, start + lead)?;
        let positions = positions(&header, wanted, required)?;
        Ok(Self {
            reader,
            header: Header { width: header.len(), positions, wanted: wanted.to_vec() },
            lead,
            is_transcoded,
            record: ByteRecord::new(),
            end,
            first_invalid: None,
            has_valid_beyond_ascii: false,
        })
    }

    /// The next record, `None` behind the last.
    pub fn read(&mut self) -> Result<Option<CsvRecord<'_>>, CsvError> {
        self.reader.get_mut().release(self.end);
        if !self.reader.read_byte_record(&mut self.record).map_err(as_csv_error)? {
            return self.check_encoding().map(|()| None);
        }
        let end = self.reader.position().byte();
        let (start, text) = self.reader.get_ref().record(self.end, end);
        self.end = end;
        let offset = start + self.lead;
        check_quotes(text, offset)?;
        let fields =
            if self.record.len() == self.header.width { fields(&self.record, &self.header.positions) } else { Err(Rule::Malformed) };
        // What the decoder could not read stands as U+FFFD in its text.
        let is_invalid = match std::str::from_utf8(text) {
            Err(_) => true,
            Ok(text) => self.is_transcoded && text.contains('\u{FFFD}'),
        };
        let fields = if is_invalid { Err(Rule::Encoding) } else { fields };
        match is_invalid {
            true => _ = self.first_invalid.get_or_insert(offset),
            false => self.has_valid_beyond_ascii |= !text.is_ascii(),
        }
        Ok(Some(CsvRecord { offset, text: trim_newline(text), fields, header: &self.header }))
    }

    /// Some damaged rows are a matter for the quarantine; a file in another encoding is not, for its plain rows would be loaded alone.
    fn check_encoding(&self) -> Result<(), CsvError> {
        match self.first_invalid {
            Some(offset) if !self.has_valid_beyond_ascii && !self.is_transcoded => {
                Err(Malformed::new(offset, format!("no character beyond ASCII is UTF-8: {NOT_UTF8}")).into())
            }
            _ => Ok(()),
        }
    }
}

const NOT_UTF8: &str = "it looks like Latin-1 (ISO-8859-1 or Windows-1252): save the file as UTF-8";

/// The wanted fields' places in the header.
fn positions(header: &ByteRecord, wanted: &[String], required: &[bool]) -> Result<Vec<Option<usize>>, Malformed> {
    let malformed = |what: String| Err(Malformed::new(0, what));
    if header.is_empty() {
        return malformed("the file is empty: it begins with a header".to_owned());
    }
    if header.iter().any(|name| name.contains(&0)) {
        return malformed("the header holds a NUL: it is no text, or UTF-16 without its mark: save the file as UTF-8".to_owned());
    }
    let mut places = HashMap::with_capacity(header.len());
    for (index, name) in header.iter().enumerate() {
        match std::str::from_utf8(name.trim_ascii()) {
            Err(_) => return malformed(format!("the header's `{}` is not UTF-8: {NOT_UTF8}", shown(name))),
            Ok("") if places.contains_key("") => return malformed("the header has two columns without a name".to_owned()),
            Ok(name) if places.contains_key(name) => return malformed(format!("the header has `{}` twice", shown(name.as_bytes()))),
            Ok(name) => _ = places.insert(name, index),
        }
    }
    let positions: Vec<_> = wanted.iter().map(|field| places.get(field.as_str()).copied()).collect();
    match wanted.iter().zip(&positions).zip(required).find(|((_, position), required)| position.is_none() && **required) {
        Some(((field, _), _)) => {
            let found = header.iter().take(20).map(|name| shown(name.trim_ascii())).collect::<Vec<_>>().join(", ");
            malformed(format!("the header has no `{field}`, which the contract requires; it has: {found}"))
        }
        None => Ok(positions),
    }
}

/// As much of a name as a message needs: it may be as long as a record.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(64).collect()
}

fn fields<'r>(record: &'r ByteRecord, positions: &[Option<usize>]) -> Result<Fields<'r>, Rule> {
    let field = |position: &Option<usize>| match position.and_then(|p| record.get(p)) {
        None => Ok(Field::Missing),
        Some(bytes) => std::str::from_utf8(bytes).map(Field::Text).map_err(|_| Rule::Encoding),
    };
    let values = positions.iter().map(field).collect::<Result<_, _>>()?;
    Ok(Fields { values, unknown: 0 })
}

fn as_csv_error(error: ::csv::Error) -> CsvError {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => match error.downcast::<Malformed>() {
            Ok(malformed) => malformed.into(),
            Err(error) => error.into(),
        },
        kind => Malformed::new(0, format!("{kind:?}")).into(),
    }
}

fn trim_newline(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// Keeps what it has handed on, until it is told that it is needed no more.
struct Kept<R> {
    source: R,
    kept: Vec<u8>,
    /// Offset of the first byte kept.
    start: u64,
    released: u64,
}

impl<R> Kept<R> {
    fn new(source: R) -> Self {
        Self { source, kept: Vec::new(), start: 0, released: 0 }
    }

    fn release(&mut self, end: u64) {
        self.released = end;
    }

    fn index(&self, offset: u64) -> usize {
        usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX).min(self.kept.len())
    }

    /// The record between two ends, and where it starts: the csv reader passes over blank lines, which belong to no record.
    fn record(&self, start: u64, end: u64) -> (u64, &[u8]) {
        let text = &self.kept[self.index(start)..self.index(end)];
        let blank = text.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        (start + blank as u64, &text[blank..])
    }
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let done = self.index(self.released);
        self.kept.drain(..done);
        self.start += done as u64;
        if self.kept.len() as u64 > MAX_RECORD_BYTES + (1 << 20) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, too_long(self.start)));
        }
        let read = self.source.read(buffer)?;
        self.kept.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

fn too_long(offset: u64) -> Malformed {
    Malformed::new(offset, format!("a row is longer than {} MiB: is a quote not closed?", MAX_RECORD_BYTES >> 20))
}

/// RFC 4180's rule for quotes. The csv reader takes an unclosed quote as one field up to the end of the file, and text behind a
/// closing one as part of the field: either way rows would vanish into a field without a word.
fn check_quotes(record: &[u8], offset: u64) -> Result<(), Malformed> {
    if record.len() as u64 > MAX_RECORD_BYTES {
        return Err(too_long(offset));
    }
    if memchr::memchr(b'"', record).is_none() {
        return Ok(());
    }
    #[derive(PartialEq)]
    enum At {
        FieldStart,
        Plain,
        Quoted,
        QuoteInQuoted,
    }
    let mut at = At::FieldStart;
    for (index, byte) in record.iter().enumerate() {
        at = match (at, byte) {
            (At::FieldStart, b'"') | (At::QuoteInQuoted, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::QuoteInQuoted,
            (At::Quoted, _) => At::Quoted,
            (_, b',' | b'\r' | b'\n') => At::FieldStart,
            (At::QuoteInQuoted, _) => {
                return Err(Malformed::new(offset + index as u64, "text follows a closing quote: double the quotes inside a quoted field"));
            }
            (At::FieldStart | At::Plain, _) => At::Plain,
        };
    }
    if at == At::Quoted {
        return Err(Malformed::new(offset, "a quote of the row that begins here is never closed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_the_contract_wants_or_refused() {
        let check = |names: &[&[u8]], expected: Result<&[Option<usize>], &str>| {
            let found = positions(&ByteRecord::from(names.to_vec()), &["id".into(), "city".into()], &[true, false]);
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{names:?}"),
                (Err(found), Err(expected)) => assert!(found.what.contains(expected) && found.what.len() < 3_000, "{names:?}: {found}"),
                (found, _) => panic!("{names:?}: {found:?}"),
            }
        };
        check(&[b"city", b" id "], Ok(&[Some(1), Some(0)]));
        check(&[b"id", b"City"], Ok(&[Some(0), None]));
        check(&[b"city", b"ID"], Err("no `id`, which the contract requires; it has: city, ID"));
        check(&[b"id;city"], Err("it has: id;city"));
        check(&[b"id", b"x", b"x"], Err("`x` twice"));
        check(&[b"id", b"", b" "], Err("two columns without a name"));
        check(&[b"id", b"gr\xF6\xDFe"], Err("`gr\u{FFFD}\u{FFFD}e` is not UTF-8"));
        check(&[b"\0i\0d\0"], Err("UTF-16 without its mark"));
        check(&[b"\x1F\x8B\x08\0"], Err("no text"));
        check(&[], Err("the file is empty"));
        check(&[&[b'x'; 1 << 20]], Err("no `id`"));
        let many: Vec<String> = (0..200_000).map(|n| format!("c{n}")).collect();
        check(&many.iter().map(String::as_bytes).collect::<Vec<_>>(), Err("it has: c0, c1"));
    }

    #[test]
    fn quotes_that_would_swallow_rows_are_refused() {
        let check = |record: &str, expected: Option<(u64, &str)>| match (check_quotes(record.as_bytes(), 100), expected) {
            (Ok(()), None) => {}
            (Err(e), Some((byte, what))) => assert!(e.byte == byte && e.what.contains(what), "{record}: {e}"),
            (found, _) => panic!("{record}: {found:?}"),
        };
        check("a,b\n", None);
        check("a,\"b, \"\"c\"\"\nd\",e\r\n", None);
        check("5\" disk,b\n", None);
        check("\"\",\"\"\n", None);
        check("a,\"b\n", Some((100, "never closed")));
        check("a,\"b\nc,\"d\"\n", Some((108, "follows a closing quote")));
    }
}
