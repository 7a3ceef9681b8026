//! Any bytes as the file of the customers: refused as a whole, or every row is read and is kept or rejected.

use std::io::{Read, Write};
use std::sync::LazyLock;

use pipeline::contract::Plan;
use pipeline::csv::CsvError;
use pipeline::customers::{Customers, read_customers};
use pipeline::mask::Masker;
use pipeline::source::{self, Encoding};

static PLAN: LazyLock<Plan> =
    LazyLock::new(|| Plan::compile(include_bytes!("../../../../contract.odcs.yaml")).expect("the shipped contract is valid"));

pub fn check(file: &[u8]) {
    let found = customers(file);
    // A compressed file is worked through once: the bytes it grows to take long enough.
    if !file.starts_with(b"\x1F\x8B") {
        check_the_same(&found, &customers(Trickle(file)), "a few bytes at a time");
        check_the_same(&found, &customers(gzip(file).as_slice()), "compressed");
    }
    let Some(text) = Text::of(file) else { return };
    if text.encoding == Encoding::Utf8
        && let Ok(plain) = std::str::from_utf8(&text.bytes)
        // The decoder's sign for what it cannot read.
        && !plain.contains(['\u{FFFD}', '\u{FEFF}'])
    {
        check_the_same(&found, &customers(utf16(plain).as_slice()), "as UTF-16");
    }
    let Ok(found) = found else { return };
    let (held, _) = found.customers.memory_bytes();
    assert!(held <= 4_096 + 128 * text.bytes.len(), "{held} bytes held of {}", text.bytes.len());
    assert_eq!(found.customers.counts().read + 1, text.rows(), "rows, with the header");
    let mut last = text.lead;
    for (offset, record) in &found.rejected {
        assert!(*offset >= last, "rejections overlap at {offset}");
        assert!(text.bytes[*offset - text.lead..].starts_with(record), "at {offset}");
        last = offset + record.len();
    }
}

struct Found {
    customers: Customers,
    rejected: Vec<(usize, Vec<u8>)>,
}

fn customers(file: impl Read) -> Result<Found, CsvError> {
    let mut rejected = Vec::new();
    let read = read_customers::<CsvError>(file, &PLAN, &Masker::default(), |record, _| {
        rejected.push((usize::try_from(record.offset).expect("an offset in the file"), record.text.to_vec()));
        Ok(())
    });
    let customers = read?;
    let counts = customers.counts();
    assert_eq!(counts.read, counts.clean + counts.quarantined);
    assert_eq!(counts.quarantined, counts.quarantined_by_rule.values().sum::<u64>());
    assert_eq!(counts.quarantined, rejected.len() as u64);
    assert_eq!(counts.clean, customers.len() as u64 + customers.superseded());
    Ok(Found { customers, rejected })
}

/// The same customers, or refused both times; at other offsets in another encoding.
fn check_the_same(a: &Result<Found, CsvError>, b: &Result<Found, CsvError>, what: &str) {
    match (a, b) {
        (Ok(a), Ok(b)) => {
            assert_eq!(a.customers.counts(), b.customers.counts(), "{what}");
            assert_eq!(a.customers.superseded(), b.customers.superseded(), "{what}");
            assert!(a.rejected.iter().map(|r| &r.1).eq(b.rejected.iter().map(|r| &r.1)), "{what}");
            for row in 0..u32::try_from(a.customers.len()).expect("a row's number") {
                assert_eq!(b.customers.find(a.customers.key(row)), Some(row), "{what}");
                assert_eq!(a.customers.row(row), b.customers.row(row), "{what}");
            }
            for (a, b) in a.customers.columns().iter().zip(b.customers.columns()) {
                assert!(a.dictionary.iter().eq(b.dictionary.iter()), "{what}");
            }
        }
        (Err(_), Err(_)) => {}
        (Err(error), Ok(_)) => panic!("taken {what}, but {error}"),
        (Ok(_), Err(error)) => panic!("{what}: {error}"),
    }
}

/// Gives a few bytes at a time, as a network does.
struct Trickle<'b>(&'b [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let some = buffer.len().min(7);
        self.0.read(&mut buffer[..some])
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn utf16(text: &str) -> Vec<u8> {
    "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// The decoded file.
struct Text {
    bytes: Vec<u8>,
    lead: usize,
    encoding: Encoding,
}

impl Text {
    /// `None` for what cannot be decoded, or grows too large to look at again.
    fn of(file: &[u8]) -> Option<Self> {
        const ENOUGH: usize = 1 << 22;
        let mut text = source::text(file).ok()?;
        let (lead, encoding) = (usize::try_from(text.lead()).ok()?, text.encoding());
        let mut bytes = Vec::new();
        // As the csv reader asks for it: for fewer than four bytes at the end of a file the decoder gives a part of a character, and
        // never the rest.
        let mut buffer = vec![0; 1 << 16];
        while bytes.len() < ENOUGH {
            match text.read(&mut buffer).ok()? {
                0 => return Some(Self { bytes, lead, encoding }),
                read => bytes.extend_from_slice(&buffer[..read]),
            }
        }
        None
    }

    /// By RFC 4180: a newline ends a row, but for one in quotes; blank lines are none.
    fn rows(&self) -> u64 {
        enum At {
            FieldStart,
            Plain,
            Quoted,
            /// Behind a quote that closes the field, or is the first of two.
            Closed,
        }
        let (mut rows, mut is_blank, mut at) = (0, true, At::FieldStart);
        for byte in &self.bytes {
            at = match (at, byte) {
                (At::FieldStart | At::Closed, b'"') => At::Quoted,
                (At::Quoted, b'"') => At::Closed,
                (At::Quoted, _) => At::Quoted,
                (_, b',') => At::FieldStart,
                (_, b'\r' | b'\n') => {
                    rows += u64::from(!is_blank);
                    (is_blank, at) = (true, At::FieldStart);
                    continue;
                }
                (At::Closed, _) => panic!("text behind a quote was taken"),
                (At::FieldStart | At::Plain, _) => At::Plain,
            };
            is_blank = false;
        }
        assert!(!matches!(at, At::Quoted), "a quote that is never closed was taken");
        rows + u64::from(!is_blank)
    }
}
