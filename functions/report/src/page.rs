//! The page of a run: one file that needs nothing beside it, and in which nothing runs.
//!
//! All that comes from outside goes through [`crate::format::text`], which bounds it, and through the templates, which escape it:
//! so the page is harmless whatever the data, and small whatever its size.

pub(crate) mod columns;
pub(crate) mod facts;
pub(crate) mod flow;
pub(crate) mod quarantine;
pub(crate) mod time;
pub(crate) mod verdict;

use askama::Template;

use crate::format;
use crate::model::{Report, Run};

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    run_id: String,
    pipeline: String,
    table: String,
    started_at: String,
    /// As a machine reads it; empty when it is no such time.
    started: String,
    verdict: verdict::Verdict,
    flow: flow::Flow,
    quarantine: quarantine::Quarantine,
    columns: columns::Columns,
    time: time::Time,
    facts: facts::Facts,
}

/// The page, in at most 2 MiB.
pub fn html(report: &Report) -> Result<String, askama::Error> {
    let Run { run_id, pipeline, table, started_at, .. } = &report.run;
    let page = Page {
        run_id: format::text(run_id, 100),
        pipeline: format::text(pipeline, 100),
        table: table.as_deref().map(|table| format::text(table, 200)).unwrap_or_default(),
        started_at: format::moment(started_at),
        started: if format::is_utc(started_at) { started_at.clone() } else { String::new() },
        verdict: verdict::view(report),
        flow: flow::view(report.rows.as_ref(), &report.sums),
        quarantine: quarantine::view(&report.quarantine, report.rows.as_ref()),
        columns: columns::view(&report.columns),
        time: time::view(report),
        facts: facts::view(report),
    };
    page.render()
}
