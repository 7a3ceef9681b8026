//! What must hold for any bytes: each `check` panics where it does not.
//!
//! The fuzz targets call these, and so does `tests/seeds.rs` with the seeds.

pub mod contract;
pub mod customers_csv;
pub mod json_records;
pub mod merged;
pub mod splitter;
