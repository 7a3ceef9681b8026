use super::*;
use crate::contract::Plan;

const SHIPPED: &str = include_str!("../../../../../contract.odcs.yaml");

fn plan() -> Plan {
    Plan::compile(SHIPPED.as_bytes()).unwrap()
}

/// The table as the contract would make it, in the words of an information schema.
fn table_of(plan: &Plan) -> Vec<ExistingColumn> {
    let words = |kind: Type| match kind {
        Type::Text { max_bytes } => ("character varying", Some(max_bytes), None),
        Type::Char { max_bytes } => ("character", Some(max_bytes), None),
        Type::Integer { bits: 16 } => ("smallint", None, None),
        Type::Integer { bits: 32 } => ("integer", None, None),
        Type::Integer { .. } => ("bigint", None, None),
        Type::Decimal { precision, scale } => ("numeric", None, Some((precision, scale))),
        Type::Double => ("double precision", None, None),
        Type::Boolean => ("boolean", None, None),
        Type::Date => ("date", None, None),
        Type::Timestamp { has_zone: false } => ("timestamp without time zone", None, None),
        Type::Timestamp { has_zone: true } => ("timestamp with time zone", None, None),
        Type::Super => ("super", None, None),
    };
    let own = plan.target.columns.iter().map(|c| {
        let (data_type, max_length, number) = words(c.kind);
        let (precision, scale) = number.unzip();
        ExistingColumn { name: c.name.clone(), data_type: data_type.into(), max_length, precision, scale, nullable: c.nullable }
    });
    let lineage = LINEAGE.iter().map(|(name, _)| ExistingColumn {
        name: (*name).into(),
        data_type: "bigint".into(),
        max_length: None,
        precision: None,
        scale: None,
        nullable: false,
    });
    own.chain(lineage).collect()
}

fn index(plan: &Plan, name: &str) -> usize {
    plan.target.columns.iter().position(|c| c.name == name).unwrap()
}

#[test]
fn a_table_that_is_not_there_is_made() {
    assert_eq!(Evolution::of(&plan(), &[]), Ok(Evolution { creates_target: true, ..Evolution::default() }));
}

#[test]
fn the_contracts_own_table_stays() {
    let plan = plan();
    assert_eq!(Evolution::of(&plan, &table_of(&plan)), Ok(Evolution::default()));
}

#[test]
fn what_differs_is_added_widened_or_refused() {
    let plan = plan();
    let check = |change: &dyn Fn(&mut Vec<ExistingColumn>), expected: Result<Evolution, &str>| {
        let mut table = table_of(&plan);
        change(&mut table);
        match (Evolution::of(&plan, &table), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.to_string().contains(expected), "{found}"),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    };
    let column = |table: &mut Vec<ExistingColumn>, name: &str, change: &dyn Fn(&mut ExistingColumn)| {
        change(table.iter_mut().find(|c| c.name == name).unwrap());
    };
    let set = |name: &'static str, change: &'static dyn Fn(&mut ExistingColumn)| {
        move |table: &mut Vec<ExistingColumn>| column(table, name, change)
    };
    let unchanged = || Ok(Evolution::default());

    check(&|t| t.retain(|c| c.name != "city"), Ok(Evolution { added: vec![index(&plan, "city")], ..Evolution::default() }));
    check(&|t| t.retain(|c| c.name != "amount"), Err("amount is new and never null"));
    check(
        &set("product", &|c| c.max_length = Some(100)),
        Ok(Evolution { widened: [(index(&plan, "product"), 100)].into(), ..Evolution::default() }),
    );
    check(&set("product", &|c| c.max_length = Some(9_999)), unchanged());
    check(&set("transaction_id", &|c| c.max_length = Some(10)), Err("Redshift widens no column of a key"));
    check(&set("amount", &|c| c.precision = Some(38)), unchanged());
    check(&set("amount", &|c| c.precision = Some(10)), Err("amount is DECIMAL(10,2) there and DECIMAL(18,2) in the contract"));
    check(&set("amount", &|c| c.scale = Some(3)), Err("amount is DECIMAL(18,3)"));
    check(&set("quantity", &|c| c.data_type = "bigint".into()), unchanged());
    check(&set("quantity", &|c| c.data_type = "smallint".into()), Err("quantity is SMALLINT there"));
    check(&set("signup_date", &|c| c.data_type = "geometry".into()), Err("signup_date is geometry there and DATE in the contract"));
    check(&set("city", &|c| c.nullable = false), Err("city may be null in the contract and not in the table"));
    check(&set("amount", &|c| c.nullable = true), unchanged());
    check(&|t| t.retain(|c| c.name != "_run_id"), Err("it is no table of Crosstally's"));
    check(&|t| t[0].name = "other".into(), Err("transaction_id is new and never null"));
    check(&|t| t[0].name = "other".into(), Err("other is in the table only"));
}

#[test]
fn statements_can_be_done_twice() {
    let plan = plan();
    let evolution =
        Evolution { added: vec![index(&plan, "city")], widened: [(index(&plan, "product"), 100)].into(), creates_target: false };
    let [added] = evolution.adding(&plan, Dialect::Redshift).try_into().unwrap();
    assert_eq!(added.sql, r#"ALTER TABLE "analytics"."customer_transactions" ADD COLUMN "city" VARCHAR(256)"#);
    assert!(added.unless.unwrap().ends_with("table_name = 'customer_transactions' AND column_name = 'city'"));
    let [widened] = evolution.widening(&plan, Dialect::Redshift).unwrap().try_into().unwrap();
    assert_eq!(widened.sql, r#"ALTER TABLE "analytics"."customer_transactions" ALTER COLUMN "product" TYPE VARCHAR(512)"#);
    assert!(widened.unless.unwrap().ends_with("column_name = 'product' AND character_maximum_length >= 512"));
}
