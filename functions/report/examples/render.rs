//! Writes the page of a report: `cargo run -p report --example render -- report.json page.html`.
//! With a third name, also the index of its run and those before it.

use std::error::Error;
use std::fs;

use report::model::Report;

fn main() -> Result<(), Box<dyn Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let (from, to, index) = match names.as_slice() {
        [from, to] => (from, to, None),
        [from, to, index] => (from, to, Some(index)),
        _ => return Err("give the name of a report.json and of the page to write".into()),
    };
    let report: Report = serde_json::from_slice(&fs::read(from)?)?;
    fs::write(to, report::page::html(&report)?)?;
    if let Some(index) = index {
        let mut runs = vec![report.summary()];
        runs.extend(report.history);
        fs::write(index, report::index::html(&runs)?)?;
    }
    Ok(())
}
