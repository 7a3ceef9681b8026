//! The pure core of Crosstally: bytes in, clean columns and counts out.
//!
//! Nothing here knows a clock, the environment, a network or a file. The flow is one-way:
//!
//! ```text
//! bytes ─► split ─► record ─► clean ─► columns ─► Parquet
//!                     customers ──┘        ledger ─► manifest ─► sql
//! ```
//!
//! The words are those of the README: a *record* becomes a *clean row* or a *rejection*; the *ledger* counts them and obeys the law.

pub mod clean;
pub mod columns;
pub mod contract;
pub mod customers;
pub mod decimal;
pub mod ledger;
pub mod manifest;
pub mod merge;
pub mod parse;
pub mod record;
pub mod source;
pub mod split;
pub mod sql;
pub mod types;
