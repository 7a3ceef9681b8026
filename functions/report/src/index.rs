//! The page of all runs, `runs/index.html`.

use askama::Template;

use crate::model::PastRun;
use crate::page::time::{self, RunView};

/// Two years of nights, in less than 2 MiB whatever they are called. Older runs have their files.
const RUNS: usize = 730;

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    runs: Vec<RunView>,
    left_out: usize,
}

/// Of runs in any order; the newest stands first.
pub fn html(runs: &[PastRun]) -> Result<String, askama::Error> {
    let mut ordered: Vec<&PastRun> = runs.iter().collect();
    ordered.sort_by(|a, b| b.started_at.cmp(&a.started_at).then_with(|| b.run_id.cmp(&a.run_id)));
    let left_out = ordered.len().saturating_sub(RUNS);
    Index { runs: ordered.into_iter().take(RUNS).map(time::run).collect(), left_out }.render()
}
