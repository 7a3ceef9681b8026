//! The report of a run: what is known of it ([`evidence`]) becomes [`model::Report`], which is what `report.json` says.

mod charts;
pub mod cost;
mod drift;
pub mod evidence;
mod format;
pub mod index;
pub mod lineage;
pub mod model;
pub mod page;
