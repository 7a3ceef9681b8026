//! The law under random dirt: each record is loaded or quarantined, and the sums are those of the records that were made clean.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use pipeline::contract::Plan;
use pipeline::decimal::Decimal;
use pipeline::ledger::Ledger;
use pipeline::mask::Masker;
use pipeline::merge::{Job, Sinks, merge};
use pipeline::split::SplitFinder;
use proptest::prelude::*;

const CONTRACT: &[u8] = include_bytes!("../../../contract.odcs.yaml");
const CUSTOMERS: &[u8] = b"customer_id,city\nC1,Ulm\nC2,Bonn\n";

/// A line of NDJSON, and the cents it adds if it is clean.
type Line = (Vec<u8>, Option<i128>);

fn line(amount: &str, rest: &str) -> Vec<u8> {
    format!(
        r#"{{"transaction_id":"T","customer_id":"C1","amount":{amount},"currency":"EUR","transaction_ts":"2026-01-01T00:00:00Z"{rest}}}"#
    )
    .into_bytes()
}

fn clean() -> impl Strategy<Value = Line> {
    let amount = (0i128..10i128.pow(18)).prop_flat_map(|cents| {
        let plain = Decimal { unscaled: cents, scale: 2 }.to_string();
        let written = [plain.clone(), format!("\" {plain}000 \""), format!("{cents}e-2"), format!("{plain}E0")];
        (proptest::sample::select(written.to_vec()), Just(cents))
    });
    let rest =
        prop_oneof![Just(""), Just(r#","product":"\ud83d\ude00 }{\" é""#), Just(r#","x":1,"x":[{}]"#), Just(r#" , "quantity" : "7" "#)];
    (amount, rest).prop_map(|((amount, cents), rest)| (line(&amount, rest), Some(cents)))
}

fn dirty() -> impl Strategy<Value = Line> {
    let amounts = ["1e999999", "0.001", "-1", "null", "true", "{}", "[1]", "\"\"", "\"12,50\"", "\"NaN\"", "10000000000000000"];
    let amounts = amounts.iter().map(|amount| line(amount, "")).chain([line(&"9".repeat(40), "")]);
    let deep = format!(",\"x\":{}{}", "[".repeat(200), "]".repeat(200));
    let rests = [r#","amount":2"#, r#","\u0061mount":2"#, r#","product":"\ud800""#, r#","product":"\u0000""#, &deep, ",", ",\"x\":01"];
    let rests = rests.iter().map(|rest| line("1", rest));
    let bytes = [b"\xFF".to_vec(), b"{".to_vec(), b"[]".to_vec(), b"\0".to_vec(), b"{\"amount\":\"\xC3\x28\"}".to_vec(), b"{} {}".to_vec()];
    let lines: Vec<_> = amounts.chain(rests).chain(bytes).collect();
    prop_oneof![
        proptest::sample::select(lines),
        // A good record that breaks off.
        (1usize..line("1", "").len()).prop_map(|end| line("1", "")[..end].to_vec()),
    ]
    .prop_map(|line| (line, None))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_lost_and_nothing_is_rounded(
        lines in proptest::collection::vec(prop_oneof![clean(), dirty()], 1..60),
        split_bytes in 1u64..3_000,
        block_bytes in 1usize..2_000,
        threads in 1usize..4,
    ) {
        // The first line tells that it is NDJSON.
        let records = std::iter::once(b"{}".as_slice()).chain(lines.iter().map(|(line, _)| line.as_slice()));
        let source = records.collect::<Vec<_>>().join(b"\n".as_slice());
        let (plan, masker) = (Plan::compile(CONTRACT).unwrap(), Masker::default());
        let mut finder = SplitFinder::new(split_bytes);
        finder.push(&source).unwrap();
        let layout = finder.finish().unwrap().unwrap();
        let ledgers = layout.splits.iter().map(|split| {
            let job = Job { block_bytes, threads, ..Job::new(&plan, &masker, layout.format, split.start) };
            let range = usize::try_from(split.start).unwrap()..usize::try_from(split.end).unwrap();
            merge(&job, CUSTOMERS, &source[range], Sinks { clean: Vec::new(), quarantine: Vec::new() }).unwrap().ledger
        });
        let ledgers: Vec<_> = ledgers.collect();
        let total = Ledger::total(&ledgers).unwrap();
        total.balance().unwrap();
        let rows = &total.transactions;
        let cents: Vec<i128> = lines.iter().filter_map(|(_, cents)| *cents).collect();
        prop_assert_eq!(rows.read, lines.len() as u64 + 1);
        prop_assert_eq!((rows.clean, rows.quarantined), (cents.len() as u64, rows.read - cents.len() as u64));
        prop_assert_eq!(rows.quarantined_by_rule.values().sum::<u64>(), rows.quarantined);
        prop_assert_eq!(total.sums["amount"], Decimal { unscaled: cents.iter().sum(), scale: 2 });
    }
}
