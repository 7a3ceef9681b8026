//! Records of an earlier run's quarantine, taken out of their source to be read again.
//!
//! They are laid one behind the other in the form of their source, so that whatever reads a source reads them, too; and a list of
//! places leads every byte of them back to where it stands in the source.

use std::fmt;
use std::io::{BufReader, Read};
use std::ops::Range;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};

use crate::manifest::Place;
use crate::split::{Format, Layout, Sections, Split};

/// What stands at a place of the source is not what a quarantine says of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what stands at byte {offset} {what}")]
pub struct Misplaced {
    pub offset: u64,
    pub what: String,
}

/// What a [`ReplayWriter`] has made and nobody has taken yet.
#[derive(Debug, Default)]
pub struct Made {
    pub object: Vec<u8>,
    /// JSON: a list of [`Place`]s, see [`Places::read`].
    pub places: Vec<u8>,
}

impl Made {
    pub fn clear(&mut self) {
        self.object.clear();
        self.places.clear();
    }
}

/// Lays records into an object of their source's form, and finds where it may be cut. Where a source is of several blobs, and some are
/// arrays and some lines, so is the object.
#[derive(Debug)]
pub struct ReplayWriter {
    sections: Sections,
    /// Of the present section, and its records so far.
    section: Option<(Format, u64)>,
    records: u64,
    /// Where the last record ends in the source.
    end: u64,
}

impl ReplayWriter {
    pub fn new(split_bytes: u64) -> Self {
        Self { sections: Sections::new(split_bytes), section: None, records: 0, end: 0 }
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    /// Appends a record that stands at `offset` of the source, in a blob of this format, behind those before it.
    pub fn push(&mut self, format: Format, offset: u64, record: &[u8], made: &mut Made) -> Result<(), Misplaced> {
        let misplaced = |what: &str| Misplaced { offset, what: what.to_owned() };
        if offset < self.end {
            return Err(misplaced("lies before the end of the record in front of it"));
        }
        if self.section.is_some_and(|(present, _)| present != format) {
            self.close_section(made)?;
        }
        let in_section = match self.section {
            Some((_, records)) => records,
            None => {
                self.sections.expect(format);
                0
            }
        };
        let (before, after): (&[u8], &[u8]) = match format {
            Format::Array if in_section == 0 => (b"[", b""),
            Format::Array => (b",\n", b""),
            Format::Ndjson => (b"", b"\n"),
        };
        let start = made.object.len();
        for bytes in [before, record, after] {
            made.object.extend_from_slice(bytes);
        }
        let place = Place { at: self.sections.end() + before.len() as u64, offset };
        made.places.extend_from_slice(if self.records == 0 { b"[\n" } else { b",\n" });
        made.places.extend_from_slice(format!(r#"{{"at":{},"offset":{}}}"#, place.at, place.offset).as_bytes());

        let laid = &made.object[start..];
        self.sections.push(laid).map_err(|malformed| misplaced(&format!("is no record, since {}", malformed.what)))?;
        self.section = Some((format, in_section + 1));
        self.records += 1;
        self.end = offset + record.len() as u64;
        // Each by itself, so that none can hide another's beginning or end.
        let is_closed = format == Format::Ndjson || record.ends_with(b"}");
        if is_closed && self.sections.records() == in_section + 1 { Ok(()) } else { Err(misplaced("is not one whole record")) }
    }

    /// Closes the object and its places; `None` when there is no record in it.
    pub fn finish(mut self, made: &mut Made) -> Result<Option<Layout>, Misplaced> {
        if self.records == 0 {
            return Ok(None);
        }
        made.places.extend_from_slice(b"\n]\n");
        self.close_section(made)?;
        Ok(self.sections.finish())
    }

    fn close_section(&mut self, made: &mut Made) -> Result<(), Misplaced> {
        let offset = self.end;
        let misplaced = |what| Misplaced { offset, what };
        if let Some((Format::Array, _)) = self.section.take() {
            made.object.push(b']');
            self.sections.push(b"]").map_err(|malformed| misplaced(malformed.what))?;
        }
        self.sections.end_text().map(|_| ()).map_err(|malformed| misplaced(malformed.what))
    }
}

/// Where the records of one split of a replay stand in their source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places(Vec<Place>);

impl Places {
    /// Those of a split, picked from the list of all.
    pub fn read(list: impl Read, split: &Split) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_reader(BufReader::new(list));
        let places = json.deserialize_seq(Within(split.start..split.end))?;
        json.end()?;
        if places.len() as u64 != split.records || !places.is_sorted_by_key(|place| place.at) {
            return Err(serde_json::Error::custom(format!("{} places for {} records", places.len(), split.records)));
        }
        Ok(Self(places))
    }
}

/// Keeps the places within a range, so that a split holds its own alone.
struct Within(Range<u64>);

impl<'de> Visitor<'de> for Within {
    type Value = Vec<Place>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of places")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Place>, A::Error> {
        let mut places = Vec::new();
        while let Some(place) = list.next_element::<Place>()? {
            if self.0.contains(&place.at) {
                places.push(place);
            }
        }
        Ok(places)
    }
}

/// Leads offsets in the object that is read, asked for in ascending order, to offsets in its source: the same, where it is the source.
#[derive(Debug, Clone)]
pub(crate) struct Origins<'p> {
    /// From the record on that was asked for last.
    places: &'p [Place],
}

impl<'p> Origins<'p> {
    /// For offsets from `first` on.
    pub(crate) fn new(places: Option<&'p Places>, first: u64) -> Self {
        let places = places.map_or([].as_slice(), |places| &places.0);
        let before = places.partition_point(|place| place.at <= first).saturating_sub(1);
        Self { places: &places[before..] }
    }

    pub(crate) fn of(&mut self, at: u64) -> u64 {
        while let [_, next, ..] = self.places
            && next.at <= at
        {
            self.places = &self.places[1..];
        }
        self.places.first().map_or(at, |place| place.offset + at.saturating_sub(place.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Laid {
        object: String,
        places: Vec<u8>,
        layout: Layout,
    }

    fn lay(format: Format, split_bytes: u64, records: &[(u64, &str)]) -> Result<Option<Laid>, Misplaced> {
        let records: Vec<_> = records.iter().map(|(offset, record)| (format, *offset, *record)).collect();
        lay_mixed(split_bytes, &records)
    }

    fn lay_mixed(split_bytes: u64, records: &[(Format, u64, &str)]) -> Result<Option<Laid>, Misplaced> {
        let mut writer = ReplayWriter::new(split_bytes);
        let mut made = Made::default();
        for (format, offset, record) in records {
            writer.push(*format, *offset, record.as_bytes(), &mut made)?;
        }
        let layout = writer.finish(&mut made)?;
        let object = String::from_utf8(made.object).unwrap();
        Ok(layout.map(|layout| Laid { object, places: made.places, layout }))
    }

    #[test]
    fn records_are_laid_in_the_form_of_their_source() {
        let check = |format, records: &[(u64, &str)], object: &str, ats: &[u64]| {
            let laid = lay(format, u64::MAX, records).unwrap().unwrap();
            assert_eq!((laid.object.as_str(), laid.layout.format, laid.layout.records), (object, format, records.len() as u64));
            let expected: Vec<_> = ats.iter().zip(records).map(|(at, (offset, _))| Place { at: *at, offset: *offset }).collect();
            assert_eq!(serde_json::from_slice::<Vec<Place>>(&laid.places).unwrap(), expected);
            assert_eq!(Places::read(laid.places.as_slice(), &laid.layout.splits[0]).unwrap(), Places(expected));
        };
        check(Format::Array, &[(1, "{}")], "[{}]", &[1]);
        check(Format::Array, &[(5, "{\"a\":\n1}"), (90, "{}")], "[{\"a\":\n1},\n{}]", &[1, 11]);
        check(Format::Ndjson, &[(0, "{}")], "{}\n", &[0]);
        // What looks like an array, like no JSON at all, and like nothing.
        check(Format::Ndjson, &[(7, "[1, 2]"), (70, "oops"), (80, "\x0C")], "[1, 2]\noops\n\x0C\n", &[0, 7, 12]);
        check(Format::Ndjson, &[(3, "\u{FEFF}{}")], "\u{FEFF}{}\n", &[0]);
    }

    /// Of a source in several blobs.
    #[test]
    fn records_of_arrays_and_of_lines_are_laid_in_sections() {
        use Format::{Array, Ndjson};
        let records = [(Array, 3, "{\"a\":\n1}"), (Array, 20, "{}"), (Ndjson, 40, "[oops"), (Ndjson, 50, "{}"), (Array, 70, "{}")];
        let laid = lay_mixed(1, &records).unwrap().unwrap();
        assert_eq!(laid.object, "[{\"a\":\n1},\n{}][oops\n{}\n[{}]");
        assert_eq!((laid.layout.format, laid.layout.records), (Array, 5));
        let of_split = |split: &Split| {
            let text = &laid.object[usize::try_from(split.start).unwrap()..usize::try_from(split.end).unwrap()];
            let Places(places) = Places::read(laid.places.as_slice(), split).unwrap();
            (split.format.unwrap_or(laid.layout.format), places[0].offset, text.trim_end())
        };
        assert_eq!(laid.layout.splits.iter().map(of_split).collect::<Vec<_>>(), records);
    }

    #[test]
    fn no_record_is_no_replay() {
        assert!(lay(Format::Array, 1, &[]).unwrap().is_none());
        assert!(lay(Format::Ndjson, 1, &[]).unwrap().is_none());
    }

    #[test]
    fn what_is_not_one_record_is_refused_with_its_byte() {
        let check = |format, records: &[(u64, &str)], offset: u64, what: &str| match lay(format, u64::MAX, records) {
            Err(error) => assert!(error.offset == offset && error.what.contains(what), "{records:?}: {error}"),
            Ok(laid) => panic!("{:?}", laid.map(|laid| laid.object)),
        };
        check(Format::Array, &[(1, "{"), (5, "}")], 1, "not one whole record");
        check(Format::Array, &[(1, "{},{}")], 1, "not one whole record");
        check(Format::Array, &[(1, "{}"), (5, "x")], 5, "an object is due in the array");
        check(Format::Array, &[(1, "{}"), (5, "{}]")], 5, "not one whole record");
        check(Format::Ndjson, &[(0, "{}\n{}")], 0, "not one whole record");
        check(Format::Ndjson, &[(0, "")], 0, "not one whole record");
        check(Format::Ndjson, &[(0, "{}"), (0, "{}")], 0, "before the end of the record in front");
        check(Format::Ndjson, &[(9, "{}"), (10, "{}")], 10, "before the end of the record in front");
    }

    #[test]
    fn a_split_reads_its_own_places() {
        let laid = lay(Format::Ndjson, 6, &[(10, "{}"), (20, "{\"a\":1}"), (40, "{}"), (50, "{}"), (60, "{}")]).unwrap().unwrap();
        let splits = &laid.layout.splits;
        let offsets = |split| {
            let Places(places) = Places::read(laid.places.as_slice(), split).unwrap();
            places.iter().map(|place| place.offset).collect::<Vec<_>>()
        };
        assert_eq!(splits.iter().map(offsets).collect::<Vec<_>>(), [vec![10, 20], vec![40, 50, 60]]);
        let refused = |list: &str, split| Places::read(list.as_bytes(), split).unwrap_err().to_string();
        assert_eq!(refused("[]", &splits[1]), "0 places for 3 records");
        assert!(refused(r#"[{"at":0,"offset":1}] x"#, &splits[0]).contains("trailing characters"));
        assert!(refused("{}", &splits[0]).contains("a list of places"));
    }

    #[test]
    fn every_byte_of_a_record_leads_to_the_source() {
        let places = Places([(1, 100), (11, 250), (15, 1000)].map(|(at, offset)| Place { at, offset }).to_vec());
        let check = |at: u64, expected: u64| {
            for first in 0..=at.min(20) {
                assert_eq!(Origins::new(Some(&places), first).of(at), expected, "{at} from {first} on");
            }
            assert_eq!(Origins::new(None, at).of(at), at);
        };
        check(0, 100);
        check(1, 100);
        check(10, 109);
        check(11, 250);
        check(14, 253);
        check(15, 1000);
        check(u64::from(u32::MAX), 985 + u64::from(u32::MAX));
        let mut origins = Origins::new(Some(&places), 1);
        assert_eq!([1, 1, 5, 11, 15, 16].map(|at| origins.of(at)), [100, 100, 104, 250, 1000, 1001]);
    }
}
