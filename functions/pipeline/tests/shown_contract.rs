//! What `make contract` shows, by the program that it runs.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod golden;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn show(file: &Path) -> Output {
    // Cargo builds the examples before it runs the tests of a package.
    let program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("contract");
    Command::new(&program).arg(file).output().unwrap_or_else(|e| panic!("{}: {e}: run `cargo test -p pipeline`", program.display()))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_contract_is_shown_with_its_columns_and_its_table() {
    let shown = show(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/everything.odcs.yaml"));
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    // The first line holds the hash of the file, which changes with every comment in it.
    let (first, rest) = text(&shown.stdout).split_once('\n').unwrap();
    assert!(first.starts_with("contract 2.0.0, sha256 ") && first.len() == "contract 2.0.0, sha256 ".len() + 64, "{first}");
    golden::check("everything.shown.txt", rest);
}

#[test]
fn every_fault_is_shown_with_its_file_and_line() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faulty.odcs.yaml");
    let contract = include_str!("everything.odcs.yaml").replacen("trim", "polish", 1).replacen("DECIMAL(38,10)", "DECIMAL(39,10)", 1);
    std::fs::write(&file, &contract).unwrap();
    let shown = show(&file);
    assert_eq!((shown.status.code(), text(&shown.stdout)), (Some(1), ""));
    let faults: Vec<&str> = text(&shown.stderr).lines().collect();
    for word in ["polish", "DECIMAL(39,10)"] {
        let line = contract.lines().position(|line| line.contains(word)).unwrap() + 1;
        let place = format!("{}:{line}: ", file.display());
        assert!(faults.iter().any(|fault| fault.starts_with(&place) && fault.contains(word)), "{place}{word}: {faults:#?}");
    }

    let missing = show(Path::new("no-such-file"));
    assert_eq!((missing.status.code(), text(&missing.stderr).starts_with("no-such-file: ")), (Some(1), true));
}
