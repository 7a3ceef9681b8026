//! Several texts, one behind the other in one object, as the blobs of a source lie there.

use serde::{Deserialize, Serialize};

use super::{Format, Layout, SplitFinder};
use crate::source::Malformed;

/// Cuts several texts, one behind the other in one object, so that no split spans two of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sections {
    split_bytes: u64,
    /// Where the present text begins in the object, and how long it is so far.
    start: u64,
    bytes: u64,
    finder: SplitFinder,
    layout: Option<Layout>,
}

impl Sections {
    pub fn new(split_bytes: u64) -> Self {
        Self { split_bytes, start: 0, bytes: 0, finder: SplitFinder::new(split_bytes), layout: None }
    }

    /// Where the next byte goes in the object.
    pub fn end(&self) -> u64 {
        self.start + self.bytes
    }

    /// Where the present text begins.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The next text's format is known, whatever its first bytes look like.
    pub fn expect(&mut self, format: Format) {
        self.finder = SplitFinder::of_format(format, self.split_bytes);
    }

    /// Records that have ended in the present text.
    pub fn records(&self) -> u64 {
        self.finder.records()
    }

    /// Bytes in an error are of the present text.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Malformed> {
        self.bytes += chunk.len() as u64;
        self.finder.push(chunk)
    }

    /// The present text is over; gives its format and its records, or nothing when it holds but white space.
    pub fn end_text(&mut self) -> Result<Option<(Format, u64)>, Malformed> {
        let finder = std::mem::replace(&mut self.finder, SplitFinder::new(self.split_bytes));
        let found = finder.finish()?;
        let summary = found.as_ref().map(|found| (found.format, found.records));
        if let Some(found) = found {
            self.append(found);
        }
        self.start += self.bytes;
        self.bytes = 0;
        Ok(summary)
    }

    fn append(&mut self, mut found: Layout) {
        let format = self.layout.as_ref().map_or(found.format, |layout| layout.format);
        for split in &mut found.splits {
            split.start += self.start;
            split.end += self.start;
            split.format = (found.format != format).then_some(found.format);
        }
        match &mut self.layout {
            None => self.layout = Some(found),
            Some(_) if found.records == 0 => {}
            // Nothing but splits without records are in it.
            Some(layout) if layout.records == 0 => (layout.records, layout.splits) = (found.records, found.splits),
            Some(layout) => {
                layout.records += found.records;
                layout.splits.append(&mut found.splits);
            }
        }
    }

    /// `None` when no text holds anything but white space.
    pub fn finish(self) -> Option<Layout> {
        self.layout
    }
}
