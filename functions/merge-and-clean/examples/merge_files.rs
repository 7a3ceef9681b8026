//! The engine of merge-and-clean over local files: for benchmarks, and to try a contract without a cloud.
//!
//! `--contract F --customers F --transactions F --out DIR [--threads N] [--profile yes|no]` writes `clean.parquet`, `quarantine.parquet` and
//! `profile.json` into DIR and prints one JSON line of what they hold. A JSON array or NDJSON, plain or gzip: the files themselves tell.

#![allow(clippy::print_stdout, reason = "a command's result goes to its output")]

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use pipeline::blocks::Tail;
use pipeline::contract::Plan;
use pipeline::mask::Masker;
use pipeline::merge::{Job, Merged, Sinks, merge};
use pipeline::pages::Codec;
use pipeline::source::text;
use pipeline::split::Format;

const USAGE: &str = "usage: merge_files --contract FILE --customers FILE --transactions FILE --out DIR [--threads N] [--profile yes|no]";

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let path = |name: &str| options.get(name).map(PathBuf::from).ok_or_else(|| format!("--{name} is missing; {USAGE}"));
    let (customers, transactions, out) = (path("customers")?, path("transactions")?, path("out")?);
    let threads = match options.get("threads") {
        Some(number) => number.parse()?,
        None => std::thread::available_parallelism()?.get(),
    };
    let plan = Plan::compile(&read(&path("contract")?)?)?;
    let profile = match options.get("profile").map(String::as_str) {
        None | Some("yes") => true,
        Some("no") => false,
        Some(other) => return Err(format!("--profile {other} is neither yes nor no").into()),
    };
    // A mask by hash wants a salt, which is a secret: here it comes from the environment, if at all.
    let masker = Masker::default();
    std::fs::create_dir_all(&out)?;

    let source = text(open(&transactions)?)?;
    let lead = source.lead();
    let mut source = BufReader::new(source);
    let (format, skipped, head) = form(&mut source)?;
    let job = Job {
        transactions_uri: &transactions.to_string_lossy(),
        customers_uri: &customers.to_string_lossy(),
        is_first: true,
        tail: if format == Format::Array { Tail::Bracket } else { Tail::Nothing },
        threads,
        codec: Codec::Zstd,
        profile,
        ..Job::new(&plan, &masker, format, lead + skipped)
    };
    let sinks = Sinks {
        clean: BufWriter::new(File::create(out.join("clean.parquet"))?),
        quarantine: BufWriter::new(File::create(out.join("quarantine.parquet"))?),
    };
    let Merged { mut sinks, ledger, profile } = merge(&job, open(&customers)?, head.as_slice().chain(source), sinks)?;
    if let Some(profile) = profile {
        std::fs::write(out.join("profile.json"), serde_json::to_vec(&profile)?)?;
    }
    sinks.clean.flush()?;
    sinks.quarantine.flush()?;
    ledger.balance()?;
    let books = serde_json::json!({
        "read": ledger.transactions.read,
        "clean": ledger.transactions.clean,
        "quarantined": ledger.transactions.quarantined,
        "sums": ledger.sums,
        "matched": ledger.matched,
    });
    println!("{books}");
    Ok(())
}

fn options() -> Result<HashMap<String, String>, String> {
    let mut options = HashMap::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let name = word.strip_prefix("--").filter(|n| ["contract", "customers", "transactions", "out", "threads", "profile"].contains(n));
        match (name, words.next()) {
            (Some(name), Some(value)) => _ = options.insert(name.to_owned(), value),
            _ => return Err(format!("`{word}` is not understood; {USAGE}")),
        }
    }
    Ok(options)
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The format, the bytes before the first record, and the first byte of it.
fn form(source: &mut impl BufRead) -> Result<(Format, u64, Vec<u8>), Box<dyn Error>> {
    let mut skipped = 0;
    for byte in source.by_ref().bytes() {
        match byte? {
            b' ' | b'\t' | b'\r' | b'\n' => skipped += 1,
            b'[' => return Ok((Format::Array, skipped + 1, Vec::new())),
            other => return Ok((Format::Ndjson, skipped, vec![other])),
        }
    }
    Err("the transactions are empty".into())
}
