//! The report of a run: [`model::Report`] is what `report.json` says.

mod charts;
mod format;
pub mod index;
pub mod model;
pub mod page;
