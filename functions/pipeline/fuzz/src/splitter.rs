//! Any bytes as a whole source, however it is cut. The first four bytes of the input choose how.

use pipeline::blocks::{Block, End, Tail, records};
use pipeline::ledger::Ledger;
use pipeline::merge::{Job, MergeError};
use pipeline::record::{Fields, Layout as Columns};
use pipeline::source::Malformed;
use pipeline::split::{Format, Layout, Split, SplitFinder};

use super::merged::{Merged, job, numbers, read, run};

/// How a source is cut up and worked on.
#[derive(Clone, Copy)]
struct Cut {
    chunk: usize,
    split_bytes: u64,
    block_bytes: usize,
    threads: usize,
}

pub fn check(input: &[u8]) {
    let [chunk, split, block, threads, source @ ..] = input else { return };
    let cut = Cut {
        chunk: usize::from(*chunk) + 1,
        split_bytes: u64::from(*split) * 4 + 1,
        block_bytes: usize::from(*block) * 2 + 1,
        threads: 1 + usize::from(*threads % 3),
    };
    let whole = Cut { chunk: source.len() + 1, split_bytes: u64::MAX, block_bytes: source.len() + 1, threads: 1 };
    let (one, many) = match (find(source, whole), find(source, cut)) {
        (Ok(Some(one)), Ok(Some(many))) => (one, many),
        (Err(one), many) => {
            assert_eq!(many.err().as_ref(), Some(&one), "chunks of {}", cut.chunk);
            return check_refused(source, &one);
        }
        (one, many) => return assert_eq!(one, many, "chunks of {}", cut.chunk),
    };
    assert_eq!((one.format, one.records), (many.format, many.records), "chunks of {}", cut.chunk);
    let offsets = check_splits(source, &one);
    assert_eq!(offsets, check_splits(source, &many));
    check_books(source, &one, whole, &many, cut, &offsets);
}

fn find(source: &[u8], cut: Cut) -> Result<Option<Layout>, Malformed> {
    let mut finder = SplitFinder::new(cut.split_bytes);
    for chunk in source.chunks(cut.chunk) {
        finder.push(chunk)?;
    }
    finder.finish()
}

fn range(split: &Split) -> std::ops::Range<usize> {
    let at = |offset: u64| usize::try_from(offset).expect("an offset in the source");
    at(split.start)..at(split.end)
}

/// Splits lie one behind the other, hold what they say, and all that is left out stands between records. Gives the records' offsets.
fn check_splits(source: &[u8], layout: &Layout) -> Vec<u64> {
    assert_eq!(layout.splits.iter().map(|split| split.records).sum::<u64>(), layout.records);
    let mut offsets = Vec::new();
    let mut left_out = Vec::new();
    let mut last = 0;
    for split in &layout.splits {
        let range = range(split);
        left_out.extend_from_slice(&source[last..range.start]);
        last = range.end;
        let block = Block { bytes: source[range].to_vec(), offset: split.start, is_first: true, is_last: true };
        let before = offsets.len();
        let end = records(&block, layout.format, Tail::Nothing, &Columns::of_fields(&[]), &mut Fields::default(), |found| {
            offsets.push(found.offset);
            Ok::<_, Malformed>(())
        });
        assert_eq!(end, Ok(End::Complete), "{split:?}");
        assert_eq!((offsets.len() - before) as u64, split.records, "{split:?}");
    }
    left_out.extend_from_slice(&source[last..]);
    let left_out = left_out.strip_prefix(pipeline::source::UTF8_BOM).unwrap_or(&left_out);
    let left_out: Vec<u8> = left_out.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let commas = layout.splits.len().saturating_sub(1);
    let expected = if layout.format == Format::Array { format!("[{}]", ",".repeat(commas)) } else { String::new() };
    assert_eq!(String::from_utf8_lossy(&left_out), expected, "left out");
    offsets
}

/// The books of the whole are those of its parts, whatever the blocks and threads.
fn check_books(source: &[u8], one: &Layout, whole: Cut, many: &Layout, cut: Cut, offsets: &[u64]) {
    let unsplit = merge(source, one, whole);
    let parts = merge(source, many, cut);
    let alone = merge(source, many, Cut { threads: 1, ..cut });
    let bracket = merge_array(source, one.format, cut);
    match (unsplit, parts, alone) {
        (Ok(unsplit), Ok(parts), Ok(alone)) => {
            let expected = &unsplit[0].ledger;
            assert_eq!(expected.transactions.read, one.records);
            assert_eq!(Ledger::total(parts.iter().map(|part| &part.ledger)).as_ref(), Ok(expected));
            let same = |a: &Merged, b: &Merged| a.clean == b.clean && a.quarantine == b.quarantine;
            assert!(parts.iter().zip(&alone).all(|(a, b)| same(a, b)), "{} threads give other bytes", cut.threads);
            match bracket {
                Some(Ok(bracket)) => assert_eq!(&bracket.ledger, expected),
                Some(Err(error)) => panic!("the same array, not split: {error}"),
                None => {}
            }
            let rejected =
                |part: Merged| [numbers(&read(part.clean), "_source_offset"), numbers(&read(part.quarantine), "source_offset")].concat();
            let mut found: Vec<i64> = parts.into_iter().flat_map(rejected).collect();
            found.sort_unstable();
            assert!(found.iter().map(|at| *at as u64).eq(offsets.iter().copied()));
        }
        (Err(unsplit), Err(parts), Err(alone)) => {
            assert_eq!(unsplit.to_string(), parts.to_string());
            assert_eq!(unsplit.to_string(), alone.to_string());
            if let Some(bracket) = bracket {
                assert_eq!(bracket.err().map(|e| e.to_string()), Some(unsplit.to_string()));
            }
        }
        (unsplit, parts, _) => {
            // A sum of parts may fit where a sum in another order does not.
            let overflow = |merged: &Result<Vec<Merged>, MergeError>| matches!(merged, Err(MergeError::SumOverflow { .. }));
            let told = |merged: &Result<Vec<Merged>, MergeError>| merged.as_ref().err().map(ToString::to_string);
            assert!(overflow(&unsplit) || overflow(&parts), "{:?}, but {:?} in parts", told(&unsplit), told(&parts));
        }
    }
}

/// An array that no splits are found in is not merged without them either.
fn check_refused(source: &[u8], refused: &Malformed) {
    let cut = Cut { chunk: 1, split_bytes: 1, block_bytes: 16, threads: 1 };
    let text = source.strip_prefix(pipeline::source::UTF8_BOM).unwrap_or(source);
    let is_array = text.iter().find(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')) == Some(&b'[');
    match merge_array(source, if is_array { Format::Array } else { Format::Ndjson }, cut) {
        None | Some(Err(MergeError::SumOverflow { .. })) => {}
        Some(Err(MergeError::Malformed { malformed, .. })) => assert!(malformed.byte <= refused.byte, "{malformed}, not {refused}"),
        Some(Err(error)) => panic!("{error}"),
        Some(Ok(_)) => panic!("merged, though {refused}"),
    }
}

fn merge(source: &[u8], layout: &Layout, cut: Cut) -> Result<Vec<Merged>, MergeError> {
    let one = |split: &Split| {
        let job = Job { threads: cut.threads, block_bytes: cut.block_bytes, ..job(layout.format, split.start) };
        run(&job, &source[range(split)])
    };
    layout.splits.iter().map(one).collect()
}

/// An array merged from its bracket on, without splits.
fn merge_array(source: &[u8], format: Format, cut: Cut) -> Option<Result<Merged, MergeError>> {
    let open = source.iter().position(|b| *b == b'[').filter(|_| format == Format::Array)? + 1;
    let job = Job { tail: Tail::Bracket, threads: cut.threads, block_bytes: cut.block_bytes, ..job(format, open as u64) };
    Some(run(&job, &source[open..]))
}
