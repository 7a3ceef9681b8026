//! The report of a run: [`model::Report`] is what `report.json` says.

pub mod model;
