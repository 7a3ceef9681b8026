//! Reads a contract and shows what it means, or all that is wrong with it: `make contract [CONTRACT=file]`.

#![allow(clippy::print_stdout, reason = "a tool for a terminal: what it shows is its result")]

use std::process::ExitCode;

use pipeline::contract::{Allowed, Column, OnViolation, Origin, Plan, Unmatched};
use pipeline::sql::{self, Dialect};
use pipeline::types::{Bound, Type};

/// Widest cell of each column of the table, 120 characters in all; a longer one goes on below.
const WIDTHS: [usize; 5] = [20, 30, 20, 16, 26];

fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("usage: contract FILE");
        return ExitCode::from(2);
    };
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(e) => {
            eprintln!("{file}: {e}");
            return ExitCode::FAILURE;
        }
    };
    match Plan::compile(&bytes) {
        Ok(plan) => {
            print!("{}", show(&plan));
            ExitCode::SUCCESS
        }
        Err(faults) => {
            for fault in &faults.0 {
                eprintln!("{file}:{}: {}", fault.line, fault.message);
            }
            ExitCode::FAILURE
        }
    }
}

fn show(plan: &Plan) -> String {
    let mut rows = vec![["COLUMN", "FROM", "CLEANED", "TYPE", "RULES"].map(str::to_owned)];
    let mut taken = Vec::new();
    for target in &plan.target.columns {
        let kind = target.kind.to_string();
        let (source, index) = match target.origin {
            Origin::Transactions(index) => (&plan.transactions, index),
            Origin::Customers(index) => (&plan.customers, index),
            Origin::Matched => {
                rows.push([&target.name, "whether a customer matched", "", &kind, ""].map(str::to_owned));
                continue;
            }
        };
        let column = &source.columns[index];
        let from = format!("{} {}", source.name, column.path);
        rows.push([target.name.clone(), from, cleaning(column), kind, rules(column)]);
        taken.push(target.origin);
    }
    // What no column takes is cleaned and checked all the same.
    let transactions = plan.transactions.columns.iter().enumerate().map(|(i, c)| (Origin::Transactions(i), &plan.transactions.name, c));
    let customers = plan.customers.columns.iter().enumerate().map(|(i, c)| (Origin::Customers(i), &plan.customers.name, c));
    for (_, source, column) in transactions.chain(customers).filter(|(origin, ..)| !taken.contains(origin)) {
        rows.push(["-".to_owned(), format!("{source} {}", column.path), cleaning(column), column.kind.to_string(), rules(column)]);
    }
    format!("{}\n\n{}\n{};\n", head(plan), table(&rows), sql::create_target(Dialect::Redshift, plan))
}

fn head(plan: &Plan) -> String {
    let Plan { transactions, customers, join, target, gates, .. } = plan;
    let unmatched = match join.unmatched {
        Unmatched::Keep => "kept",
        Unmatched::Quarantine => "quarantined",
    };
    let minutes = plan.zone_offset_seconds / 60;
    let zone = format!("{}{:02}:{:02}", if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60);
    // Rounded, since 0.07 × 100 is not quite 7.
    let percent = (gates.max_quarantine_ratio * 1e6).round() / 1e4;
    let mut lines = vec![
        format!("contract {}, sha256 {}", plan.version, plan.sha256),
        format!("table    {}.{}", target.schema, target.table),
        format!(
            "join     {}.{} = {}.{}; a row without a match is {unmatched}",
            transactions.name, transactions.columns[join.left].name, customers.name, customers.columns[join.right].name
        ),
        format!("gates    at least {} rows read, at most {percent} % of them quarantined", gates.min_rows),
        format!("zone     {zone} for times that name no offset"),
    ];
    if plan.needs_salt() {
        lines.push("salt     needed, since a column is masked with sha256".to_owned());
    }
    lines.join("\n")
}

fn cleaning(column: &Column) -> String {
    column.clean.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn rules(column: &Column) -> String {
    let mut rules = Vec::new();
    if column.required {
        rules.push("required".to_owned());
    }
    let mut add = |name: &str, value: Option<String>| rules.extend(value.map(|value| format!("{name} {value}")));
    add("default", column.default.clone());
    add("min", column.minimum.map(|b| bound(b, column.kind)));
    add("max", column.maximum.map(|b| bound(b, column.kind)));
    add("min length", column.min_length.map(|n| n.to_string()));
    add("max length", column.max_length.map(|n| n.to_string()));
    add("matches", column.pattern.as_ref().map(ToString::to_string));
    add("format", column.format.map(|f| f.to_string()));
    add("one of", column.allowed.as_ref().map(|allowed| values(allowed, column.kind)));
    add("mask", column.mask.map(|m| m.to_string()));
    match column.on_violation {
        OnViolation::Quarantine => {}
        OnViolation::Null => rules.push("else null".to_owned()),
        OnViolation::Fail => rules.push("else the run fails".to_owned()),
    }
    rules.join(", ")
}

fn values(allowed: &Allowed, kind: Type) -> String {
    let mut values: Vec<String> = match allowed {
        Allowed::Texts(texts) => texts.iter().cloned().collect(),
        Allowed::Exact(numbers) => numbers.iter().map(|n| kind.show(*n)).collect(),
    };
    values.sort_unstable();
    values.join(" | ")
}

fn bound(bound: Bound, kind: Type) -> String {
    match bound {
        Bound::Double(x) => x.to_string(),
        Bound::Exact(n) => kind.show(n),
    }
}

fn table(rows: &[[String; 5]]) -> String {
    let cells: Vec<[Vec<String>; 5]> = rows.iter().map(|row| std::array::from_fn(|i| wrapped(&row[i], WIDTHS[i]))).collect();
    let width = |i: usize| cells.iter().flat_map(|row| &row[i]).map(|line| line.chars().count()).max().unwrap_or_default();
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &cells {
        for line in 0..row.iter().map(Vec::len).max().unwrap_or_default() {
            let cell = |i: usize| format!("{:width$}", row[i].get(line).map_or("", String::as_str), width = widths[i]);
            let line = (0..5).map(cell).collect::<Vec<_>>().join("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// Lines of at most `width` characters, broken at spaces, and inside a word that is longer still.
fn wrapped(cell: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for mut word in cell.split(' ') {
        loop {
            let space = if line.is_empty() { "" } else { " " };
            if line.chars().count() + space.len() + word.chars().count() <= width {
                line.extend([space, word]);
                break;
            }
            if line.is_empty() {
                let end = word.char_indices().nth(width).map_or(word.len(), |(end, _)| end);
                line.push_str(&word[..end]);
                word = &word[end..];
            }
            lines.push(std::mem::take(&mut line));
        }
    }
    lines.push(line);
    lines
}
