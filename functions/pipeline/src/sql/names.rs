//! Names and texts inside a statement. Nothing else puts either there.

use super::Dialect;
use crate::contract::Plan;

/// A name that no statement may carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no table or column name: lower-case letters, digits and _, at most 63 of them")]
pub struct InvalidName(String);

/// Whether a name may stand in a statement: the allow-list, for contracts and for the SQL made of them.
/// 63 bytes are PostgreSQL's limit; Redshift's is 127.
pub fn is_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    starts_well && name.len() <= 63 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Refuses a plan with a name that is not on the allow-list. A contract with one does not compile; a statement is not where to find out.
pub(super) fn check_names(plan: &Plan) -> Result<(), InvalidName> {
    let target = &plan.target;
    let names = [&target.schema, &target.table].into_iter().chain(target.columns.iter().map(|c| &c.name));
    names.map(String::as_str).find(|name| !is_name(name)).map_or(Ok(()), |name| Err(InvalidName(name.to_owned())))
}

/// A name as an identifier, past [`check_names`].
pub(super) fn ident(name: &str) -> String {
    format!("\"{name}\"")
}

/// A text literal. Redshift takes a backslash as an escape, PostgreSQL as itself.
pub(super) fn text(dialect: Dialect, text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match dialect {
        Dialect::Postgres => format!("'{quoted}'"),
        Dialect::Redshift => format!("'{}'", quoted.replace('\\', "\\\\")),
    }
}

/// The target table.
pub(super) fn table(plan: &Plan) -> String {
    format!("{}.{}", ident(&plan.target.schema), ident(&plan.target.table))
}

/// The key's columns, each behind a prefix.
pub(super) fn key_list(plan: &Plan, prefix: &str) -> String {
    let target = &plan.target;
    target.key.iter().map(|k| format!("{prefix}{}", ident(&target.columns[*k].name))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain() {
        let check = |name: &str, expected: bool| assert_eq!(is_name(name), expected, "{name}");
        for good in ["a", "_run_id", "amount_2", &"x".repeat(63)] {
            check(good, true);
        }
        for bad in ["", "2x", "Amount", "a b", "a\"b", "a;b", "a.b", "a'", "é", "a\0", "a\n", "x); DROP TABLE y; --", &"x".repeat(64)] {
            check(bad, false);
        }
    }

    #[test]
    fn a_text_stays_in_its_literal() {
        let check = |dialect, words: &str, expected: &str| assert_eq!(text(dialect, words), expected);
        check(Dialect::Postgres, "it's", "'it''s'");
        check(Dialect::Postgres, r"\'; --", r"'\''; --'");
        check(Dialect::Redshift, r"\'; --", r"'\\''; --'");
        check(Dialect::Redshift, "plain", "'plain'");
    }
}
