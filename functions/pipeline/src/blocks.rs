//! A source's bytes in blocks that begin and end between records, and the records of a block.
//!
//! Where a block of a JSON array may be cut is guessed, since only a scan from the beginning could know: at what looks like the end of
//! one record and the start of the next. A text may look like that, too. So the guess is checked by whoever reads the blocks in
//! their order: a block that began between two records and was read to its very end shows that the next one begins so. One that was
//! not, is [`End::Open`]: its rest belongs in front of the next block. See [`crate::merge`].

use std::io::{self, Read};

use crate::record::{Extent, Fields, Layout, Unparsable, parse_fast, parse_json, skip_object};
use crate::source::{MAX_RECORD_BYTES, Malformed};
use crate::split::Format;

/// Bytes of a block: few enough to stay in a processor's own cache while its records are taken apart and collected.
pub const BLOCK_BYTES: usize = 1024 * 1024;

/// What follows the last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: a split, or NDJSON.
    Nothing,
    /// The bracket that closes the array.
    Bracket,
}

#[derive(Debug)]
pub struct Block {
    pub bytes: Vec<u8>,
    /// Of the first byte, in the source.
    pub offset: u64,
    pub is_first: bool,
    pub is_last: bool,
}

/// Cuts a stream into blocks, at places that depend on its bytes alone and not on how they arrive.
#[derive(Debug)]
pub struct BlockReader<R> {
    source: R,
    format: Format,
    block_bytes: usize,
    offset: u64,
    carry: Vec<u8>,
    is_first: bool,
    is_over: bool,
}

impl<R: Read> BlockReader<R> {
    /// For a stream whose first byte is at `offset` of its source, between two records.
    pub fn new(source: R, format: Format, offset: u64, block_bytes: usize) -> Self {
        Self { source, format, block_bytes, offset, carry: Vec::new(), is_first: true, is_over: false }
    }

    /// The next block, in the memory of an earlier one.
    pub fn read(&mut self, mut bytes: Vec<u8>) -> Result<Option<Block>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        bytes.clear();
        bytes.append(&mut self.carry);
        let mut wanted = self.block_bytes;
        let cut = loop {
            let missing = wanted.saturating_sub(bytes.len());
            bytes.reserve(missing);
            self.source.by_ref().take(missing as u64).read_to_end(&mut bytes)?;
            if bytes.len() < wanted {
                self.is_over = true;
                break bytes.len();
            }
            if let Some(cut) = cut(&bytes, self.format) {
                break cut;
            }
            if bytes.len() as u64 > MAX_RECORD_BYTES + self.block_bytes as u64 {
                return Err(too_long(self.offset).into());
            }
            wanted += self.block_bytes;
        };
        self.carry.extend_from_slice(&bytes[cut..]);
        bytes.truncate(cut);
        let block = Block { offset: self.offset, is_first: self.is_first, is_last: self.is_over, bytes };
        self.offset += cut as u64;
        self.is_first = false;
        Ok(Some(block))
    }
}

/// Why there is no next block.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

fn too_long(offset: u64) -> Malformed {
    Malformed::new(offset, format!("a record is longer than {} MiB", MAX_RECORD_BYTES >> 20))
}

/// The last place that looks like the space between two records.
fn cut(bytes: &[u8], format: Format) -> Option<usize> {
    if format == Format::Ndjson {
        return memchr::memrchr(b'\n', bytes).map(|newline| newline + 1);
    }
    let mut end = bytes.len();
    loop {
        let brace = memchr::memrchr(b'}', &bytes[..end])?;
        if begins_next_record(&bytes[brace + 1..]) {
            return Some(brace + 1);
        }
        end = brace;
    }
}

/// A comma, and an object that is empty or begins with a name and a colon.
fn begins_next_record(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.trim_ascii_start().strip_prefix(b",") else { return false };
    let Some(rest) = rest.trim_ascii_start().strip_prefix(b"{") else { return false };
    match rest.trim_ascii_start() {
        [b'}', ..] => true,
        [b'"', rest @ ..] => name_length(rest).is_some_and(|length| rest[length + 1..].trim_ascii_start().starts_with(b":")),
        _ => false,
    }
}

/// Up to the quote that closes a name.
fn name_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// How far a block was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Complete,
    /// From this byte of the block on, a record has no end.
    Open(usize),
}

/// One record of a block: where it is in the source, its text, and its fields.
#[derive(Debug)]
pub struct Found<'b, 'f> {
    pub offset: u64,
    pub text: &'b [u8],
    pub fields: Result<&'f Fields<'b>, Unparsable>,
}

/// Hands out the records of a block in their order.
pub fn records<'b, E: From<Malformed>>(
    block: &'b Block,
    format: Format,
    tail: Tail,
    layout: &Layout,
    fields: &mut Fields<'b>,
    mut on_record: impl FnMut(Found<'b, '_>) -> Result<(), E>,
) -> Result<End, E> {
    let scan = Scan { bytes: &block.bytes, text: simdutf8::basic::from_utf8(&block.bytes).ok(), block, layout };
    match format {
        Format::Ndjson => scan.lines(fields, &mut on_record),
        Format::Array => scan.elements(tail, fields, &mut on_record),
    }
}

struct Scan<'b, 's> {
    bytes: &'b [u8],
    /// The same, when all of it is UTF-8.
    text: Option<&'b str>,
    block: &'b Block,
    layout: &'s Layout,
}

impl<'b> Scan<'b, '_> {
    fn lines<E: From<Malformed>>(
        &self,
        fields: &mut Fields<'b>,
        on_record: &mut impl FnMut(Found<'b, '_>) -> Result<(), E>,
    ) -> Result<End, E> {
        let bytes = self.bytes;
        let mut at = 0;
        loop {
            at = Extent::Free.white_space(bytes, at);
            if at >= bytes.len() {
                return Ok(End::Complete);
            }
            let fast = self.text.and_then(|text| parse_fast(text, at, Extent::Line, self.layout, fields));
            let after = fast.map(|end| Extent::Line.white_space(bytes, end));
            let (end, next) = match (fast, after) {
                (Some(end), Some(after)) if bytes.get(after).is_none_or(|b| *b == b'\n') => (end, after),
                _ => {
                    let line = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
                    let end = at + bytes[at..line].trim_ascii_end().len();
                    self.record(at, end, None, fields, on_record)?;
                    at = line;
                    continue;
                }
            };
            self.record(at, end, fast, fields, on_record)?;
            at = next;
        }
    }

    fn elements<E: From<Malformed>>(
        &self,
        tail: Tail,
        fields: &mut Fields<'b>,
        on_record: &mut impl FnMut(Found<'b, '_>) -> Result<(), E>,
    ) -> Result<End, E> {
        let bytes = self.bytes;
        let mut is_first = self.block.is_first;
        let mut at = 0;
        loop {
            let comma = Extent::Free.white_space(bytes, at);
            at = comma;
            match bytes.get(at) {
                None if tail == Tail::Bracket && self.block.is_last => {
                    return Err(self.malformed(at, "the source ends before its array is closed".to_owned()).into());
                }
                None => return Ok(End::Complete),
                Some(b']') if tail == Tail::Bracket => {
                    let rest = Extent::Free.white_space(bytes, at + 1);
                    return match bytes.get(rest) {
                        None => Ok(End::Complete),
                        Some(found) => Err(self.unexpected(rest, "nothing may follow the array", *found).into()),
                    };
                }
                Some(b',') if !is_first => at = Extent::Free.white_space(bytes, at + 1),
                Some(found) if !is_first => return Err(self.unexpected(at, "a comma or ] is due after a record", *found).into()),
                Some(_) => {}
            }
            is_first = false;
            match bytes.get(at) {
                None => return Ok(End::Open(comma)),
                Some(b'{') => {}
                Some(found) => return Err(self.unexpected(at, "an object is due in the array", *found).into()),
            }
            let fast = self.text.and_then(|text| parse_fast(text, at, Extent::Free, self.layout, fields));
            let Some(end) = fast.or_else(|| skip_object(bytes, at)) else {
                if (bytes.len() - at) as u64 > MAX_RECORD_BYTES {
                    return Err(too_long(self.block.offset + at as u64).into());
                }
                return Ok(End::Open(comma));
            };
            self.record(at, end, fast, fields, on_record)?;
            at = end;
        }
    }

    fn record<E: From<Malformed>>(
        &self,
        start: usize,
        end: usize,
        fast: Option<usize>,
        fields: &mut Fields<'b>,
        on_record: &mut impl FnMut(Found<'b, '_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let offset = self.block.offset + start as u64;
        if (end - start) as u64 > MAX_RECORD_BYTES {
            return Err(too_long(offset).into());
        }
        let text = &self.bytes[start..end];
        let read = if fast.is_some() { Ok(()) } else { parse_json(text, self.layout, fields) };
        on_record(Found { offset, text, fields: read.map(|()| &*fields) })
    }

    fn unexpected(&self, at: usize, due: &str, found: u8) -> Malformed {
        self.malformed(at, format!("{due}, not `{}`", char::from(found).escape_default()))
    }

    fn malformed(&self, at: usize, what: String) -> Malformed {
        Malformed::new(self.block.offset + at as u64, what)
    }
}
