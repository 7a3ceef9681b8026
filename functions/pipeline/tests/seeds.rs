//! The fuzzers' seeds, and whatever the fuzzers once found, through what must hold for any bytes.

#![allow(clippy::expect_used, reason = "a test may panic")]

use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "public to the fuzz targets")]
mod properties;

use properties::{contract, customers_csv, json_records, splitter};

/// Every file in a folder of seeds, each told when it fails.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut seeds: Vec<_> = std::fs::read_dir(folder).expect("the seeds").map(|entry| entry.expect("a seed").path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty());
    let failed: Vec<_> =
        seeds.iter().filter(|seed| std::panic::catch_unwind(|| check(&std::fs::read(seed).expect("a file"))).is_err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn json_records_hold() {
    replay("json_records", json_records::check);
}

#[test]
fn splitter_holds() {
    replay("splitter", splitter::check);
}

#[test]
fn customers_csv_holds() {
    replay("customers_csv", customers_csv::check);
}

#[test]
fn contract_holds() {
    replay("contract", contract::check);
}
