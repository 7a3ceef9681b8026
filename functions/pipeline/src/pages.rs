//! Columns to the pages of a Parquet column chunk, with their statistics.
//!
//! The parquet crate writes page headers, metadata and the file. What lies inside a page is laid out here, from the dictionary
//! numbers that the columns have anyway: a general writer would hash every text once more.
//! Source: "Parquet encoding definitions" and "File format", apache/parquet-format.

use std::ops::Range;

use bytemuck::NoUninit;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::columns::{Column, PlainTexts, TextValues, Values};

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// What Redshift's COPY names beside gzip and bzip2. Source: "COPY from columnar data formats", Amazon Redshift Database Developer Guide.
    Snappy,
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Codec {
    fn compression(self) -> Compression {
        match self {
            Self::Snappy => Compression::SNAPPY,
            #[cfg(feature = "zstd")]
            Self::Zstd => Compression::ZSTD(parquet::basic::ZstdLevel::default()),
        }
    }
}

/// A column chunk ready to be appended to a file.
pub struct Chunk {
    pub bytes: Bytes,
    pub close: ColumnCloseResult,
}

/// Values that each stand in a dictionary once, in PLAIN encoding.
#[derive(Debug, Default)]
pub struct Dictionary {
    pub bytes: Vec<u8>,
    pub length: usize,
}

/// Rows of a page, as the parquet writers have it by default.
const PAGE_ROWS: usize = 20_000;

/// Longest text that is kept as a statistic. A longer one is left out with its partner.
const MAX_STATISTIC_BYTES: usize = 64;

/// Lays out and compresses column chunks, keeping its buffers from one to the next.
pub struct Encoder {
    codec: Codec,
    snappy: snap::raw::Encoder,
    #[cfg(feature = "zstd")]
    zstd: zstd::bulk::Compressor<'static>,
    page: Vec<u8>,
    packed: Vec<u8>,
    chunk: Vec<u8>,
}

impl Encoder {
    pub fn new(codec: Codec) -> Result<Self, ParquetError> {
        Ok(Self {
            codec,
            snappy: snap::raw::Encoder::new(),
            #[cfg(feature = "zstd")]
            zstd: zstd::bulk::Compressor::new(1)?,
            page: Vec::new(),
            packed: Vec::new(),
            chunk: Vec::new(),
        })
    }

    /// The chunk of a column of `rows` rows.
    pub fn column(&mut self, descr: &ColumnDescPtr, column: &Column, rows: usize) -> Result<Chunk, ParquetError> {
        let present = column.present.as_slice();
        column.check(rows)?;
        match &column.values {
            Values::Text(texts) if texts.plain.is_empty() => self.dictionary_text(descr, texts, present, rows),
            Values::Text(texts) => self.plain_text(descr, &texts.plain, present, rows),
            Values::Int32(values) => {
                let statistics = Statistics::int32(values.iter().min().copied(), values.iter().max().copied(), None, None, false);
                if let Some((dictionary, ids)) = narrow_dictionary(values, |v| i64::from(*v), |v, out| out.extend(v.to_le_bytes())) {
                    return self.dictionary(descr, &dictionary, &ids, present, rows, statistics);
                }
                self.little_endian(descr, values, present, rows, statistics)
            }
            Values::Int64(values) => {
                let statistics = Statistics::int64(values.iter().min().copied(), values.iter().max().copied(), None, None, false);
                self.little_endian(descr, values, present, rows, statistics)
            }
            Values::Double(values) => {
                let statistics = double_statistics(values);
                self.little_endian(descr, values, present, rows, statistics)
            }
            Values::Wide { bytes, numbers } => {
                let skip = 16 - usize::from(*bytes);
                let shown = |n: &i128| FixedLenByteArray::from(n.to_be_bytes()[skip..].to_vec());
                let statistics =
                    Statistics::fixed_len_byte_array(numbers.iter().min().map(shown), numbers.iter().max().map(shown), None, None, false);
                self.chunk(descr, present, rows, None, statistics, |range, page| {
                    for number in &numbers[range] {
                        page.extend_from_slice(&number.to_be_bytes()[skip..]);
                    }
                })
            }
            Values::Boolean(values) => {
                let statistics = Statistics::boolean(values.iter().min().copied(), values.iter().max().copied(), None, None, false);
                self.chunk(descr, present, rows, None, statistics, |range, page| pack_bits(values[range].iter().copied(), page))
            }
        }
    }

    /// The chunk of a column whose values are numbers of a dictionary's.
    pub fn dictionary(
        &mut self,
        descr: &ColumnDescPtr,
        dictionary: &Dictionary,
        ids: &[u32],
        present: &[bool],
        rows: usize,
        statistics: Statistics,
    ) -> Result<Chunk, ParquetError> {
        let width = bit_width(dictionary.length);
        self.chunk(descr, present, rows, Some(dictionary), statistics, |range, page| {
            page.push(width);
            let ids = &ids[range];
            if width == 0 {
                // Every value is the first one: a single run.
                write_varint((ids.len() as u64) << 1, page);
            } else {
                pack(ids, width, page);
            }
        })
    }

    fn dictionary_text(&mut self, descr: &ColumnDescPtr, texts: &TextValues, present: &[bool], rows: usize) -> Result<Chunk, ParquetError> {
        let arena = texts.dictionary.arena();
        let mut dictionary = Dictionary::default();
        for text in arena.iter() {
            dictionary.push_text(text);
        }
        self.dictionary(descr, &dictionary, &texts.ids, present, rows, text_statistics(arena.iter()))
    }

    fn plain_text(&mut self, descr: &ColumnDescPtr, texts: &PlainTexts, present: &[bool], rows: usize) -> Result<Chunk, ParquetError> {
        let statistics = text_statistics(texts.iter());
        self.chunk(descr, present, rows, None, statistics, |range, page| page.extend_from_slice(texts.encoded(range)))
    }

    /// Numbers as they lie in the memory of a little-endian machine, which all of Lambda's are.
    fn little_endian<T: NoUninit>(
        &mut self,
        descr: &ColumnDescPtr,
        values: &[T],
        present: &[bool],
        rows: usize,
        statistics: Statistics,
    ) -> Result<Chunk, ParquetError> {
        const { assert!(cfg!(target_endian = "little"), "Parquet's plain numbers are little-endian") };
        self.chunk(descr, present, rows, None, statistics, |range, page| page.extend_from_slice(bytemuck::cast_slice(&values[range])))
    }

    /// Writes the pages; `write_values` appends a range of the values that are not null.
    fn chunk(
        &mut self,
        descr: &ColumnDescPtr,
        present: &[bool],
        rows: usize,
        dictionary: Option<&Dictionary>,
        statistics: Statistics,
        mut write_values: impl FnMut(Range<usize>, &mut Vec<u8>),
    ) -> Result<Chunk, ParquetError> {
        let mut sink = TrackedWrite::new(std::mem::take(&mut self.chunk));
        let mut writer = SerializedPageWriter::new(&mut sink);
        let (mut raw_bytes, mut data_offset, mut dictionary_offset) = (0, None, None);
        if let Some(dictionary) = dictionary {
            let page = Page::DictionaryPage {
                buf: self.compress(&dictionary.bytes)?,
                num_values: count(dictionary.length)?,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let spec = writer.write_page(CompressedPage::new(page, dictionary.bytes.len()))?;
            dictionary_offset = Some(signed(spec.offset)?);
            raw_bytes += spec.uncompressed_size;
        }
        let (mut row, mut value) = (0, 0);
        while row < rows {
            let page_rows = row..rows.min(row + PAGE_ROWS);
            let mut page = std::mem::take(&mut self.page);
            page.clear();
            let mut values = page_rows.len();
            if descr.max_def_level() > 0 {
                let present = present.get(page_rows.clone()).unwrap_or_default();
                values = present.iter().filter(|p| **p).count();
                write_definition_levels(present, values, &mut page);
            }
            write_values(value..value + values, &mut page);
            let raw = page.len();
            let data = Page::DataPage {
                buf: self.compress(&page)?,
                num_values: count(page_rows.len())?,
                encoding: if dictionary.is_some() { Encoding::RLE_DICTIONARY } else { Encoding::PLAIN },
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            };
            self.page = page;
            let spec = writer.write_page(CompressedPage::new(data, raw))?;
            data_offset.get_or_insert(signed(spec.offset)?);
            raw_bytes += spec.uncompressed_size;
            row = page_rows.end;
            value += values;
        }
        let mut written = sink.into_inner()?;
        // Just as long as it is: chunks wait until their row group is written.
        let bytes = Bytes::copy_from_slice(&written);
        written.clear();
        self.chunk = written;
        let mut encodings = vec![Encoding::PLAIN, Encoding::RLE];
        encodings.extend(dictionary.map(|_| Encoding::RLE_DICTIONARY));
        let metadata = ColumnChunkMetaData::builder(descr.clone())
            .set_compression(self.codec.compression())
            .set_encodings(encodings)
            .set_num_values(signed(rows as u64)?)
            .set_total_compressed_size(signed(bytes.len() as u64)?)
            .set_total_uncompressed_size(signed(raw_bytes as u64)?)
            .set_data_page_offset(data_offset.unwrap_or_default())
            .set_dictionary_page_offset(dictionary_offset)
            .set_statistics(with_nulls(statistics, (rows - value) as u64))
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok(Chunk { bytes, close })
    }

    fn compress(&mut self, raw: &[u8]) -> Result<Bytes, ParquetError> {
        match self.codec {
            Codec::Snappy => {
                self.packed.resize(snap::raw::max_compress_len(raw.len()), 0);
                let length = self.snappy.compress(raw, &mut self.packed).map_err(|e| ParquetError::External(Box::new(e)))?;
                Ok(Bytes::copy_from_slice(&self.packed[..length]))
            }
            #[cfg(feature = "zstd")]
            Codec::Zstd => {
                self.packed.clear();
                self.packed.reserve(zstd::zstd_safe::compress_bound(raw.len()));
                self.zstd.compress_to_buffer(raw, &mut self.packed)?;
                Ok(Bytes::copy_from_slice(&self.packed))
            }
        }
    }
}

impl Dictionary {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.length = 0;
    }

    pub fn push_text(&mut self, text: &[u8]) {
        push_plain_text(text, &mut self.bytes);
        self.length += 1;
    }

    /// Appends a value that is no text, in its PLAIN encoding.
    pub fn push_plain(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.length += 1;
    }
}

/// Appends a text in its PLAIN encoding: its length, and itself.
#[inline]
pub(crate) fn push_plain_text(text: &[u8], out: &mut Vec<u8>) {
    // No text is longer than a record, see MAX_RECORD_BYTES.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if (8..=16).contains(&text.len()) {
        // Most texts: written as a whole with what may stand behind them, which is then taken back. A copy of just their length is a call.
        let mut whole = [0; 4 + 16];
        whole[..4].copy_from_slice(&length.to_le_bytes());
        whole[4..12].copy_from_slice(&text[..8]);
        whole[text.len() - 4..][..8].copy_from_slice(&text[text.len() - 8..]);
        let end = out.len() + 4 + text.len();
        out.extend_from_slice(&whole);
        out.truncate(end);
    } else {
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(text);
    }
}

/// A dictionary of whole numbers that lie close together, found by their distance instead of a hash.
fn narrow_dictionary<T>(values: &[T], number: impl Fn(&T) -> i64, write: impl Fn(&T, &mut Vec<u8>)) -> Option<(Dictionary, Vec<u32>)> {
    const SPAN: i64 = 4_096;
    let min = values.iter().map(&number).min()?;
    let max = values.iter().map(&number).max()?;
    let span = max.checked_sub(min)?;
    if span >= SPAN {
        return None;
    }
    let mut seen = vec![u32::MAX; usize::try_from(span).ok()? + 1];
    let mut dictionary = Dictionary::default();
    let mut ids = Vec::with_capacity(values.len());
    for value in values {
        let id = &mut seen[usize::try_from(number(value) - min).ok()?];
        if *id == u32::MAX {
            *id = u32::try_from(dictionary.length).ok()?;
            dictionary.length += 1;
            write(value, &mut dictionary.bytes);
        }
        ids.push(*id);
    }
    Some((dictionary, ids))
}

pub(crate) fn text_statistics<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Statistics {
    // Nearly every text is told from both ends of the range by its first bytes.
    let first = |text: &[u8]| match text.first_chunk() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)) << (64 - 8 * text.len().max(1)),
    };
    let mut range: Option<(&[u8], &[u8])> = None;
    let (mut lowest, mut highest) = (u64::MAX, 0);
    for text in texts {
        let word = first(text);
        if lowest < word && word < highest {
            continue;
        }
        range = match range {
            None => Some((text, text)),
            Some((min, max)) => Some((min.min(text), max.max(text))),
        };
        (lowest, highest) = (lowest.min(word), highest.max(word));
    }
    let range = range.filter(|(min, max)| min.len() <= MAX_STATISTIC_BYTES && max.len() <= MAX_STATISTIC_BYTES);
    let shown = |text: &[u8]| ByteArray::from(text.to_vec());
    Statistics::byte_array(range.map(|r| shown(r.0)), range.map(|r| shown(r.1)), None, None, false)
}

pub(crate) fn double_statistics(values: &[f64]) -> Statistics {
    let min = values.iter().copied().reduce(f64::min);
    let max = values.iter().copied().reduce(f64::max);
    // The two zeros are equal but not the same: the format wants the outer one on either side.
    let min = min.map(|v| if v == 0.0 { -0.0 } else { v });
    let max = max.map(|v| if v == 0.0 { 0.0 } else { v });
    Statistics::double(min, max, None, None, false)
}

fn with_nulls(statistics: Statistics, nulls: u64) -> Statistics {
    macro_rules! rebuilt {
        ($kind:ident, $values:expr) => {
            Statistics::$kind($values.min_opt().cloned(), $values.max_opt().cloned(), None, Some(nulls), false)
        };
    }
    match &statistics {
        Statistics::Boolean(v) => rebuilt!(boolean, v),
        Statistics::Int32(v) => rebuilt!(int32, v),
        Statistics::Int64(v) => rebuilt!(int64, v),
        Statistics::Double(v) => rebuilt!(double, v),
        Statistics::ByteArray(v) => rebuilt!(byte_array, v),
        Statistics::FixedLenByteArray(v) => rebuilt!(fixed_len_byte_array, v),
        Statistics::Int96(_) | Statistics::Float(_) => statistics,
    }
}

/// Levels of a page: 1 for a value, 0 for null.
fn write_definition_levels(present: &[bool], values: usize, page: &mut Vec<u8>) {
    let start = page.len();
    page.extend_from_slice(&[0; 4]);
    if values == present.len() || values == 0 {
        write_varint((present.len() as u64) << 1, page);
        page.push(u8::from(values > 0));
    } else {
        write_varint((present.len().div_ceil(8) as u64) << 1 | 1, page);
        pack_bits(present.iter().copied(), page);
    }
    let length = u32::try_from(page.len() - start - 4).unwrap_or(u32::MAX);
    page[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn pack_bits(bits: impl Iterator<Item = bool>, out: &mut Vec<u8>) {
    let (mut byte, mut filled) = (0u8, 0);
    for bit in bits {
        byte |= u8::from(bit) << filled;
        filled += 1;
        if filled == 8 {
            out.push(byte);
            (byte, filled) = (0, 0);
        }
    }
    if filled > 0 {
        out.push(byte);
    }
}

/// Bits that number so many values.
fn bit_width(length: usize) -> u8 {
    u8::try_from(usize::BITS - length.saturating_sub(1).leading_zeros()).unwrap_or(32)
}

/// One bit-packed run of the RLE / bit-packing hybrid.
fn pack(ids: &[u32], width: u8, out: &mut Vec<u8>) {
    let groups = ids.len().div_ceil(8);
    write_varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * usize::from(width);
    out.reserve(groups * usize::from(width) + 8);
    let (mut word, mut filled) = (0u64, 0u32);
    for id in ids {
        word |= u64::from(*id) << filled;
        filled += u32::from(width);
        if filled >= 32 {
            out.extend_from_slice(&word.to_le_bytes()[..4]);
            word >>= 32;
            filled -= 32;
        }
    }
    out.extend_from_slice(&word.to_le_bytes());
    // The last group is filled up with zeros; what was written past it goes.
    out.resize(end, 0);
}

fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7F {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn count(length: usize) -> Result<u32, ParquetError> {
    u32::try_from(length).map_err(|e| ParquetError::External(Box::new(e)))
}

fn signed(number: u64) -> Result<i64, ParquetError> {
    i64::try_from(number).map_err(|e| ParquetError::External(Box::new(e)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However short the way, a text stands there with its length, and nothing behind it.
        #[test]
        fn a_plain_text_is_its_length_and_itself(texts in proptest::collection::vec("[a-c\\x00é]{0,24}", 0..20)) {
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            for text in &texts {
                push_plain_text(text.as_bytes(), &mut out);
                expected.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
                expected.extend_from_slice(text.as_bytes());
            }
            prop_assert_eq!(out, expected);
        }

        /// The range is that of the texts themselves, also where their first bytes are the same or they are empty.
        #[test]
        fn the_range_of_texts_is_exact(texts in proptest::collection::vec("(abcdefg)?[ab\\x00]{0,10}", 0..30)) {
            let found = text_statistics(texts.iter().map(|text| text.as_bytes()));
            let sorted: std::collections::BTreeSet<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            prop_assert_eq!((found.min_bytes_opt(), found.max_bytes_opt()), (sorted.first().copied(), sorted.last().copied()));
        }
    }
}
