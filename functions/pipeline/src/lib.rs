//! The pure core of Crosstally: bytes in, clean columns and counts out.
//!
//! Nothing here knows a clock, the environment, a network or a file. The flow is one-way:
//!
//! ```text
//! bytes ─► blocks ─► record ─► clean ─► rows ─► group ─► pages ─► files
//!               csv ─► customers ──┘     ledger ─► manifest ─► sql
//! ```
//!
//! The words are those of the README: a *record* becomes a *clean row* or a *rejection*; the *ledger* counts them and obeys the law.

pub mod blocks;
pub mod clean;
pub mod columns;
pub mod contract;
pub mod csv;
pub mod customers;
pub mod decimal;
pub mod files;
pub mod group;
pub mod interner;
pub mod ledger;
pub mod manifest;
pub mod mask;
pub mod merge;
pub mod pages;
pub mod parse;
pub mod profile;
pub mod quarantine;
pub mod record;
pub mod replay;
pub mod rows;
pub mod rule;
mod selection;
pub mod source;
pub mod split;
pub mod sql;
pub mod types;
pub mod verbs;
mod worker;
