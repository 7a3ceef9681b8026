//! The SQL of a load, as golden files: a change shows in review as the SQL it makes.
//!
//! `UPDATE_GOLDEN=1 cargo test -p pipeline` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod golden;

use std::fmt::Write as _;

use pipeline::contract::Plan;
use pipeline::decimal::Decimal;
use pipeline::ledger::{Counts, Ledger};
use pipeline::manifest::{CustomersRef, RawManifest, RunId, RunInput};
use pipeline::split::Format;
use pipeline::sql::{Dialect, Evolution, InvalidName, LoadRun, LoadSql, Statement, load, verify};

const SHIPPED: &str = include_str!("../../../contract.odcs.yaml");
const URI: &str = "https://account/container/transactions.json";
const EVERYTHING: &str = include_str!("everything.odcs.yaml");

/// What of a load the tests below vary.
#[derive(Clone)]
struct Case {
    plan: Plan,
    uri: &'static str,
    input: RunInput,
    evolution: Evolution,
}

impl Case {
    fn new(contract: &str) -> Self {
        let plan = Plan::compile(contract.as_bytes()).unwrap();
        Self { plan, uri: URI, input: RunInput::default(), evolution: Evolution { creates_target: true, ..Evolution::default() } }
    }
}

fn render(dialect: Dialect, case: &Case) -> Result<LoadSql, InvalidName> {
    let Case { plan, uri, input, evolution } = case;
    let run_id: RunId = "run-1".to_owned().try_into().unwrap();
    let transactions = RawManifest {
        uri: (*uri).to_owned(),
        version: "0123456789abcdef".into(),
        etag: "\"0x8DC\"".into(),
        modified_at: "2026-01-01T00:00:00Z".into(),
        raw_key: "raw/transactions/0123456789abcdef/transactions.json".into(),
        original_key: None,
        bytes: 100,
        md5: String::new(),
        sha256: String::new(),
        crc64nvme: None,
        format: Format::Ndjson,
        records: 10,
        splits: vec![],
        blobs: Vec::new(),
        replay: None,
    };
    let customers = CustomersRef {
        uri: "s3://bucket/landing/customers/customers.csv".into(),
        bucket: "bucket".into(),
        key: "k".into(),
        etag: "\"e\"".into(),
        version_id: None,
        bytes: 1,
    };
    let mut rows = Counts { read: 10, clean: 9, ..Counts::default() };
    rows.quarantine(pipeline::rule::Rule::Minimum, Some("amount"));
    let sums = [("amount", 1250, 2), ("quantity", 9, 0)].map(|(name, unscaled, scale)| (name.to_owned(), Decimal { unscaled, scale }));
    let ledger = Ledger {
        transactions: rows,
        customers: Counts { read: 3, clean: 3, ..Counts::default() },
        customers_superseded: 1,
        sums: sums.into(),
        ..Ledger::default()
    };
    let copy_manifests = ["s3://bucket/runs/run-1/copy-clean.json".to_owned(), "s3://bucket/runs/run-1/copy-quarantine.json".to_owned()];
    let sql = LoadRun {
        // The hash of the contract's bytes would change with every comment in it.
        plan: &Plan { sha256: "c0ffee".into(), ..plan.clone() },
        run_id: &run_id,
        input,
        started_at: "2026-01-01T02:00:00.123Z",
        evolution,
        transactions: &transactions,
        customers: &customers,
        ledger: &ledger,
        copy_manifests: &copy_manifests,
        copy_role_arn: "arn:aws:iam::123456789012:role/copy",
    };
    load(dialect, &sql)
}

fn show(sql: &LoadSql) -> String {
    let mut text = String::new();
    for (title, statements) in [("prepare", &sql.prepare), ("transaction", &sql.transaction), ("cleanup", &sql.cleanup)] {
        writeln!(text, "-- {title}").unwrap();
        for statement in statements {
            writeln!(text, "\n-- {}", statement.name).unwrap();
            if let Some(unless) = &statement.unless {
                writeln!(text, "-- unless {unless}").unwrap();
            }
            writeln!(text, "{};", statement.sql).unwrap();
        }
        text.push('\n');
    }
    text
}

const DIALECTS: [(Dialect, &str); 2] = [(Dialect::Postgres, "postgres"), (Dialect::Redshift, "redshift")];

#[test]
fn the_load_in_both_dialects() {
    for (name, contract) in [("load", SHIPPED), ("every-type", EVERYTHING)] {
        for (dialect, suffix) in DIALECTS {
            golden::check(&format!("{name}.{suffix}.sql"), &show(&render(dialect, &Case::new(contract)).unwrap()));
        }
    }
}

fn differing(plan: &Plan) -> Evolution {
    let index = |name: &str| plan.target.columns.iter().position(|c| c.name == name).unwrap();
    Evolution { creates_target: false, added: vec![index("city")], widened: [(index("product"), 100)].into() }
}

#[test]
fn a_table_that_lacks_something_is_altered_first() {
    let mut case = Case::new(SHIPPED);
    case.evolution = differing(&case.plan);
    let names = |statements: &[Statement]| statements.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    for (dialect, suffix) in DIALECTS {
        let sql = render(dialect, &case).unwrap();
        // Redshift widens a column in no transaction.
        assert!(names(&sql.prepare).contains(&"widen_product".to_owned()), "{suffix}");
        assert_eq!(
            names(&sql.transaction)[..5],
            ["lock_ledger", "refuse_second_load", "create_target_schema", "create_target", "add_city"]
        );
    }
}

#[test]
fn a_plan_can_commit_nothing() {
    let mut case = Case::new(SHIPPED);
    case.evolution = differing(&case.plan);
    case.input.plan = true;
    for (dialect, suffix) in DIALECTS {
        let sql = render(dialect, &case).unwrap();
        assert!(!sql.prepare.iter().any(|s| s.sql.contains("ALTER")), "{suffix}");
        assert!(!sql.transaction.iter().any(|s| s.name == "insert_ledger"), "{suffix}");
        let last = sql.transaction.last().unwrap();
        assert!(
            last.sql.contains("SELECT CAST('Planned: {' || ") && last.sql.ends_with(" AS INTEGER) FROM crosstally_tally"),
            "{}",
            last.sql
        );
        let insert = sql.transaction.iter().find(|s| s.name == "insert_rows").unwrap();
        assert!(insert.sql.contains(r#"CAST(s."product" AS VARCHAR(100))"#), "{suffix}");
    }
}

#[test]
fn the_question_that_ends_a_run() {
    let plan = Plan::compile(SHIPPED.as_bytes()).unwrap();
    golden::check("verify.sql", &format!("{};\n", verify(&plan).unwrap()));
}

#[test]
fn a_text_cannot_leave_its_literal() {
    let case = Case { uri: "https://a/b'); DROP TABLE x; --\\", ..Case::new(SHIPPED) };
    let ledger = |dialect| render(dialect, &case).unwrap().transaction.pop().unwrap().sql;
    assert!(ledger(Dialect::Postgres).contains(r"'https://a/b''); DROP TABLE x; --\'"));
    assert!(ledger(Dialect::Redshift).contains(r"'https://a/b''); DROP TABLE x; --\\'"));
}

/// A contract with such a name does not compile; a plan that came about otherwise is refused as well.
#[test]
fn a_name_cannot_leave_its_quotes() {
    let attacks = ["x\"; DROP TABLE y; --", "x) AS (SELECT 1", "Amount", "a\0b", "a\nb", ""];
    let places: [fn(&mut Plan) -> &mut String; 3] = [|p| &mut p.target.schema, |p| &mut p.target.table, |p| &mut p.target.columns[2].name];
    for attack in attacks {
        for place in places {
            let mut case = Case::new(SHIPPED);
            place(&mut case.plan).replace_range(.., attack);
            assert!(verify(&case.plan).is_err(), "{attack}");
            for (dialect, _) in DIALECTS {
                assert!(render(dialect, &case).is_err(), "{attack}");
                assert!(case.evolution.widening(&case.plan, dialect).is_err(), "{attack}");
            }
        }
    }
}

#[test]
fn the_longest_names_keep_apart() {
    let mut case = Case::new(SHIPPED);
    for (i, name) in [(2, "amount"), (5, "quantity")] {
        assert_eq!(case.plan.target.columns[i].name, name);
        case.plan.target.columns[i].name = format!("{}{i}", "x".repeat(62));
    }
    for (dialect, suffix) in DIALECTS {
        let tally = render(dialect, &case).unwrap().transaction.into_iter().find(|s| s.name == "tally").unwrap().sql;
        let aliases = tally.split(" AS ").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
        assert!(aliases.into_iter().all(|alias| alias.len() <= 63), "{suffix}");
    }
}

#[test]
fn the_data_api_takes_every_statement() {
    // Source: ExecuteStatement, "Considerations when calling the Amazon Redshift Data API": 100 KB a statement, 40 in a batch.
    let sql = render(Dialect::Redshift, &Case::new(EVERYTHING)).unwrap();
    assert!(sql.transaction.len() <= 40);
    for statement in sql.prepare.iter().chain(&sql.transaction).chain(&sql.cleanup) {
        assert!(statement.sql.len() <= 100 * 1024, "{}", statement.name);
    }
}

#[test]
fn every_statement_says_what_it_is() {
    for (dialect, suffix) in DIALECTS {
        let sql = render(dialect, &Case::new(EVERYTHING)).unwrap();
        for statement in sql.prepare.iter().chain(&sql.transaction).chain(&sql.cleanup) {
            assert!(statement.sql.starts_with(&format!("/* crosstally {} of run-1 */ ", statement.name)), "{suffix}: {}", statement.sql);
        }
    }
}
