//! Any bytes as a contract: refused with faults that can be found in it, or a plan that runs.

use pipeline::contract::Plan;
use pipeline::mask::Masker;
use pipeline::merge::{Job, MergeError, Merged, Sinks, merge};
use pipeline::split::Format;
use pipeline::sql::{Dialect, create_target, verify};

pub fn check(bytes: &[u8]) {
    let compiled = Plan::compile(bytes);
    match &compiled {
        Ok(plan) => check_plan(plan),
        Err(faults) => {
            assert!(!faults.0.is_empty(), "refused without a word");
            let lines = lines(bytes);
            for fault in &faults.0 {
                assert!((1..=lines).contains(&fault.line), "line {} of {lines}: {}", fault.line, fault.message);
                assert!(!fault.message.trim().is_empty());
            }
            assert!(faults.0.is_sorted_by_key(|fault| fault.line));
            assert_eq!(Plan::compile(bytes).err().as_ref(), Some(faults), "told otherwise the second time");
        }
    }
}

/// YAML ends a line with CR, LF, or both.
fn lines(bytes: &[u8]) -> u64 {
    let ends = |(index, byte): (usize, &u8)| *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n'));
    1 + bytes.iter().enumerate().filter(|at| ends(*at)).count() as u64
}

/// Whatever is in the plan, its SQL is rendered, and a merge by it fails at most for the data.
fn check_plan(plan: &Plan) {
    for dialect in [Dialect::Postgres, Dialect::Redshift] {
        assert!(create_target(dialect, plan).contains("CREATE TABLE"));
    }
    assert!(verify(plan).is_ok_and(|sql| sql.starts_with("SELECT")));
    let cells = |cell: &dyn Fn(&str) -> String| {
        let cells: Vec<_> = plan.customers.columns.iter().map(|c| cell(&c.path.field)).collect();
        cells.join(",")
    };
    let customers = format!("{}\n{}\n", cells(&|name| format!("\"{}\"", name.replace('"', "\"\""))), cells(&|_| "1".to_owned()));
    let fields: serde_json::Map<_, _> = plan.transactions.columns.iter().map(|c| (c.path.field.clone(), "1".into())).collect();
    let transactions = format!("{}\n{{}}\n", serde_json::Value::Object(fields));
    let masker = Masker::default();
    let sinks = Sinks { clean: Vec::new(), quarantine: Vec::new() };
    match merge(
        &Job { block_bytes: 1 << 16, ..Job::new(plan, &masker, Format::Ndjson, 0) },
        customers.as_bytes(),
        transactions.as_bytes(),
        sinks,
    ) {
        Ok(Merged { ledger, .. }) => {
            ledger.balance().expect("the books balance");
            assert_eq!((ledger.transactions.read, ledger.customers.read), (2, 1));
        }
        Err(MergeError::Malformed { .. } | MergeError::Fatal { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
