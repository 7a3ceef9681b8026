//! What the search for splits costs the copy, as `make bench-fetch` shows it: the scan of a whole source, and nothing else.
//!
//! split_only FILE        prints {"bytes": …, "records": …, "splits": …, "cpu_seconds": …}; Linux only
//!
//! The file is in memory before the clock starts, and comes in pieces of the size that arrives from a network.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;

use pipeline::split::SplitFinder;

const PIECE_BYTES: usize = 64 * 1024;
/// The template's default.
const SPLIT_BYTES: u64 = 256 * 1024 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: split_only FILE")?;
    let bytes = std::fs::read(path)?;
    let before = cpu_seconds()?;
    let mut finder = SplitFinder::new(SPLIT_BYTES);
    for piece in black_box(&bytes).chunks(PIECE_BYTES) {
        finder.push(piece)?;
    }
    let layout = finder.finish()?.ok_or("the file is empty")?;
    let cpu_seconds = cpu_seconds()? - before;
    let report = serde_json::json!({
        "bytes": bytes.len(),
        "records": layout.records,
        "splits": layout.splits.len(),
        "cpu_seconds": cpu_seconds,
    });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

/// What the kernel says this thread, the only one, has run for: nanoseconds, the first number of the file.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: u64 = text.split_whitespace().next().ok_or("/proc/self/schedstat is empty")?.parse()?;
    Ok(nanoseconds as f64 / 1e9)
}
