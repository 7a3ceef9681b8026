//! Where records begin and end in a JSON array or NDJSON, found while the bytes stream by.
//!
//! The scan knows strings, escapes and braces and nothing else of JSON: what stands between a record's braces is judged by
//! [`crate::record`]. It works on chunks of any size, so neither the blob nor a record's neighbours are ever held.

mod sections;
mod window;

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::source::{GZIP_MAGIC, MAX_RECORD_BYTES, Malformed, UTF8_BOM, is_utf16};

pub use self::sections::Sections;
use self::window::{WINDOW_BYTES, Within, braces};

/// How the records of a JSON source are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON array of objects.
    Array,
    /// One object a line.
    Ndjson,
}

/// A byte range of the raw object, `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: u64,
    pub end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// At the first bytes, which may be a byte order mark.
    Lead,
    /// Before the first byte that is no white space.
    Start,
    /// In the array, before its first element.
    ArrayStart,
    /// In the array, after a comma.
    ElementDue,
    /// In the array, after an element.
    CommaDue,
    /// Inside a record of an array: `depth` braces are open.
    Record {
        depth: u32,
        within: Within,
    },
    /// After the array.
    End,
    /// Between lines of NDJSON.
    LineStart,
    Line,
}

/// Finds the records of a stream of chunks. It can be saved and taken up again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scanner {
    state: State,
    format: Option<Format>,
    offset: u64,
    record_start: u64,
    records: u64,
    /// The source's first bytes.
    lead: [u8; UTF8_BOM.len()],
    /// First byte and last byte that is no white space of the present line.
    line: (u8, u8),
    has_object_line: bool,
    first_record: Option<u64>,
}

impl Scanner {
    /// For a whole source, whose format the first byte tells.
    pub fn new() -> Self {
        Self {
            state: State::Lead,
            format: None,
            offset: 0,
            record_start: 0,
            records: 0,
            lead: [0; UTF8_BOM.len()],
            line: (0, 0),
            has_object_line: false,
            first_record: None,
        }
    }

    /// For lines that are known to be records, whatever stands in them: not even the first one says what the source is.
    pub fn of_lines() -> Self {
        Self { state: State::LineStart, format: Some(Format::Ndjson), has_object_line: true, ..Self::new() }
    }

    /// The format, once the first byte is seen. An empty source has none.
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    /// Scans the next chunk; `on_record` gets each record that ends in it.
    pub fn push(&mut self, chunk: &[u8], mut on_record: impl FnMut(Span)) -> Result<(), Malformed> {
        let base = self.offset;
        let mut at = 0;
        while at < chunk.len() {
            at = match self.state {
                State::Lead => self.lead(chunk, at, base)?,
                State::Start => self.start(chunk, at),
                State::Record { depth, within } => self.record(chunk, at, base, depth, within, &mut on_record),
                State::LineStart => self.line_start(chunk, at, base),
                State::Line => self.line(chunk, at, base, &mut on_record),
                State::ArrayStart | State::ElementDue | State::CommaDue | State::End => self.between(chunk, at, base)?,
            };
        }
        self.offset = base + chunk.len() as u64;
        let in_record = matches!(self.state, State::Record { .. } | State::Line);
        if in_record && self.offset - self.record_start > MAX_RECORD_BYTES {
            return Err(Malformed::new(self.record_start, format!("a record is longer than {} MiB", MAX_RECORD_BYTES >> 20)));
        }
        Ok(())
    }

    /// The stream is over: a last line without a newline is a record too, and an open bracket is an error.
    pub fn finish(&mut self, mut on_record: impl FnMut(Span)) -> Result<(), Malformed> {
        if self.state == State::Lead && self.offset > 0 {
            self.begin_line_with_lead();
        }
        match self.state {
            State::Line => self.end_line(self.offset, &mut on_record),
            State::Lead | State::Start | State::End | State::LineStart => {}
            State::ArrayStart | State::ElementDue | State::CommaDue => {
                return Err(Malformed::new(self.offset, "the source ends before its array is closed"));
            }
            State::Record { .. } => {
                return Err(Malformed::new(self.record_start, "the source ends inside the record that begins here"));
            }
        }
        if self.format == Some(Format::Ndjson)
            && !self.has_object_line
            && let Some(byte) = self.first_record
        {
            return Err(Malformed::new(byte, "neither a JSON array of objects nor NDJSON: no line is a JSON object"));
        }
        Ok(())
    }

    /// A mark may come in pieces.
    fn lead(&mut self, chunk: &[u8], at: usize, base: u64) -> Result<usize, Malformed> {
        let length = usize::try_from(base).unwrap_or(usize::MAX) + at;
        self.lead[length] = chunk[at];
        let lead = &self.lead[..=length];
        if is_utf16(lead) {
            return Err(Malformed::new(0, "the source is UTF-16: store it as UTF-8"));
        }
        if lead == GZIP_MAGIC {
            return Err(Malformed::new(0, "the source is gzip: store it unpacked, since its records are read where they lie"));
        }
        if lead == UTF8_BOM {
            self.state = State::Start;
            return Ok(at + 1);
        }
        if UTF8_BOM.starts_with(lead) || matches!(lead, [0xFE | 0xFF | 0x1F]) {
            return Ok(at + 1);
        }
        if length == 0 {
            self.state = State::Start
        } else {
            self.begin_line_with_lead()
        }
        Ok(at)
    }

    /// What began like a mark and is none, is no array either.
    fn begin_line_with_lead(&mut self) {
        self.format = Some(Format::Ndjson);
        self.state = State::Line;
        self.line = (self.lead[0], self.lead[0]);
        self.begin_record(0);
    }

    fn start(&mut self, chunk: &[u8], at: usize) -> usize {
        let at = at + white_space(&chunk[at..]);
        match chunk.get(at) {
            None => at,
            Some(b'[') => {
                self.format = Some(Format::Array);
                self.state = State::ArrayStart;
                at + 1
            }
            Some(_) => {
                self.format = Some(Format::Ndjson);
                self.state = State::LineStart;
                at
            }
        }
    }

    fn between(&mut self, chunk: &[u8], at: usize, base: u64) -> Result<usize, Malformed> {
        let at = at + white_space(&chunk[at..]);
        let Some(&byte) = chunk.get(at) else { return Ok(at) };
        self.state = match (self.state, byte) {
            (State::ArrayStart | State::ElementDue, b'{') => {
                self.begin_record(base + at as u64);
                State::Record { depth: 1, within: Within::Object }
            }
            (State::CommaDue, b',') => State::ElementDue,
            (State::ArrayStart | State::CommaDue, b']') => State::End,
            (state, byte) => {
                let found = char::from(byte).escape_default();
                let what = match state {
                    State::CommaDue => format!("a comma or ] is due after a record, not `{found}`"),
                    State::End => format!("nothing may follow the array, not `{found}`"),
                    _ => format!("an object is due in the array, not `{found}`"),
                };
                return Err(Malformed::new(base + at as u64, what));
            }
        };
        Ok(at + 1)
    }

    /// Up to the end of a record that no other is seen to follow, or the chunk's.
    fn record(
        &mut self,
        chunk: &[u8],
        mut at: usize,
        base: u64,
        mut depth: u32,
        mut within: Within,
        on_record: &mut impl FnMut(Span),
    ) -> usize {
        while let Some(bytes) = chunk[at..].first_chunk::<WINDOW_BYTES>()
            && let Some((braces, after)) = braces(bytes, within)
        {
            let mut left = braces.opening | braces.closing;
            while left != 0 {
                let brace = left & left.wrapping_neg();
                left ^= brace;
                if braces.opening & brace != 0 {
                    depth = depth.saturating_add(1);
                } else if depth > 1 {
                    depth -= 1;
                } else {
                    let end = at + brace.trailing_zeros() as usize + 1;
                    self.end_element(base + end as u64, on_record);
                    let Some(next) = next_element(&bytes[end - at..]) else { return end };
                    // What stands between the two is no text, so the window holds for the next one as well.
                    self.begin_record(base + (end + next) as u64);
                    left &= !1 << (end + next - at);
                }
            }
            within = after;
            at += WINDOW_BYTES;
        }
        for (&byte, end) in chunk[at..].iter().take(WINDOW_BYTES).zip(at + 1..) {
            match (within, byte) {
                (Within::Object, b'{') => depth = depth.saturating_add(1),
                (Within::Object, b'}') if depth > 1 => depth -= 1,
                (Within::Object, b'}') => {
                    self.end_element(base + end as u64, on_record);
                    return end;
                }
                _ => within = within.after(byte),
            }
        }
        self.state = State::Record { depth, within };
        chunk.len().min(at + WINDOW_BYTES)
    }

    fn end_element(&mut self, end: u64, on_record: &mut impl FnMut(Span)) {
        self.end_record(end, on_record);
        self.state = State::CommaDue;
    }

    fn line_start(&mut self, chunk: &[u8], at: usize, base: u64) -> usize {
        let at = at + white_space(&chunk[at..]);
        if let Some(&first) = chunk.get(at) {
            self.begin_record(base + at as u64);
            self.line = (first, first);
            self.state = State::Line;
        }
        at
    }

    fn line(&mut self, chunk: &[u8], at: usize, base: u64, on_record: &mut impl FnMut(Span)) -> usize {
        let newline = memchr(b'\n', &chunk[at..]);
        let end = newline.map_or(chunk.len(), |n| at + n);
        if let Some(last) = chunk[at..end].iter().rfind(|b| !b.is_ascii_whitespace()) {
            self.line.1 = *last;
        }
        if newline.is_none() {
            return end;
        }
        self.end_line(base + end as u64, on_record);
        end + 1
    }

    fn end_line(&mut self, end: u64, on_record: &mut impl FnMut(Span)) {
        self.has_object_line |= self.line == (b'{', b'}');
        self.end_record(end, on_record);
        self.state = State::LineStart;
    }

    fn begin_record(&mut self, start: u64) {
        self.record_start = start;
        self.first_record.get_or_insert(start);
    }

    fn end_record(&mut self, end: u64, on_record: &mut impl FnMut(Span)) {
        self.records += 1;
        on_record(Span { start: self.record_start, end });
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the next element of an array begins, behind the end of one; `None` when these bytes do not tell.
fn next_element(bytes: &[u8]) -> Option<usize> {
    let comma = white_space(bytes);
    let rest = bytes[comma..].strip_prefix(b",")?;
    let brace = white_space(rest);
    (rest.get(brace) == Some(&b'{')).then_some(comma + 1 + brace)
}

fn white_space(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')).unwrap_or(bytes.len())
}

/// A byte range of the raw transactions that starts and ends between records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    pub start: u64,
    pub end: u64,
    pub records: u64,
    /// Where it is another than the source's own: of several blobs that are one source, some may be arrays and some lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
}

/// What a whole source holds, and where it may be cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub format: Format,
    pub records: u64,
    /// Never empty: a source without records is one split of none.
    pub splits: Vec<Split>,
}

/// Cuts a streaming source into splits of about `split_bytes`, each a whole number of records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SplitFinder {
    scanner: Scanner,
    split_bytes: u64,
    splits: Vec<Split>,
    current: Option<Split>,
}

impl SplitFinder {
    pub fn new(split_bytes: u64) -> Self {
        Self { scanner: Scanner::new(), split_bytes, splits: Vec::new(), current: None }
    }

    /// For a source whose format is known.
    pub fn of_format(format: Format, split_bytes: u64) -> Self {
        match format {
            Format::Array => Self::new(split_bytes),
            Format::Ndjson => Self { scanner: Scanner::of_lines(), ..Self::new(split_bytes) },
        }
    }

    /// Records that have ended.
    pub fn records(&self) -> u64 {
        self.scanner.records()
    }

    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Malformed> {
        let Self { scanner, split_bytes, splits, current } = self;
        scanner.push(chunk, |span| add_record(span, *split_bytes, splits, current))
    }

    /// `None` when the source holds nothing but white space.
    pub fn finish(mut self) -> Result<Option<Layout>, Malformed> {
        let Self { scanner, split_bytes, splits, current } = &mut self;
        scanner.finish(|span| add_record(span, *split_bytes, splits, current))?;
        self.splits.extend(self.current.take());
        if self.splits.is_empty() {
            self.splits.push(Split { start: 0, end: 0, records: 0, format: None });
        }
        let layout = |format| Layout { format, records: self.scanner.records(), splits: self.splits };
        Ok(self.scanner.format().map(layout))
    }
}

fn add_record(span: Span, split_bytes: u64, splits: &mut Vec<Split>, current: &mut Option<Split>) {
    let split = current.get_or_insert(Split { start: span.start, end: span.end, records: 0, format: None });
    split.end = span.end;
    split.records += 1;
    if split.end - split.start >= split_bytes {
        splits.extend(current.take());
    }
}

#[cfg(test)]
mod tests;
