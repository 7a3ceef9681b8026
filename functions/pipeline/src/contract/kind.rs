//! `physicalType` and `logicalType` to a column type.

use std::str::FromStr;

use super::compile::Compiler;
use super::odcs::Property;
use crate::types::{MAX_CHAR_BYTES, MAX_TEXT_BYTES, Type};

const KNOWN: &str = "known are VARCHAR(n), CHAR(n), SMALLINT, INTEGER, BIGINT, DECIMAL(p,s), DOUBLE PRECISION, BOOLEAN, DATE, TIMESTAMP, TIMESTAMPTZ, SUPER";

impl Compiler<'_> {
    /// The type a column states; nothing when it states none that is known, which is then a fault.
    pub(super) fn kind(&mut self, property: &Property) -> Option<Type> {
        let logical = property.logical_type.as_ref();
        if let Some(physical) = &property.physical_type {
            let kind = physical_type(&physical.value);
            match kind {
                Err(why) => self.faults.at(physical, format!("physicalType `{}`: {why}", physical.value)),
                Ok(kind) => {
                    if let Some(logical) = logical
                        && !logical_matches(&logical.value, kind)
                    {
                        self.faults.at(logical, format!("logicalType `{}` does not go with physicalType {kind}", logical.value));
                    }
                }
            }
            return kind.ok();
        }
        let Some(logical) = logical else {
            self.faults.at(&property.name, format!("`{}` has neither physicalType nor logicalType", property.name.value));
            return None;
        };
        match logical.value.as_str() {
            "string" => Some(Type::Text { max_bytes: MAX_TEXT_BYTES }),
            "integer" => Some(Type::Integer { bits: 64 }),
            "boolean" => Some(Type::Boolean),
            "date" => Some(Type::Date),
            "timestamp" => Some(Type::Timestamp { has_zone: true }),
            "object" | "array" => Some(Type::Super),
            "number" => {
                self.faults.at(
                    logical,
                    "logicalType number needs a physicalType: DECIMAL(18,2) keeps its digits exactly, DOUBLE PRECISION does not",
                );
                None
            }
            other => {
                self.faults.at(
                    logical,
                    format!("unknown logicalType `{other}`: known are string, integer, number, boolean, date, timestamp, object, array"),
                );
                None
            }
        }
    }
}

/// As a contract names it.
impl FromStr for Type {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        physical_type(text)
    }
}

pub(super) fn physical_type(text: &str) -> Result<Type, &'static str> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
    let (name, arguments) = match text.split_once('(') {
        None => (text.as_str(), Vec::new()),
        Some((name, rest)) => {
            let inner = rest.strip_suffix(')').ok_or("the bracket is not closed")?;
            let arguments = inner.split(',').map(|n| n.trim().parse::<u32>().map_err(|_| "not a number in the brackets"));
            (name.trim_end(), arguments.collect::<Result<Vec<_>, _>>()?)
        }
    };
    let digits = |n: u32| u8::try_from(n).map_err(|_| "at most 38 digits");
    match (name, arguments.as_slice()) {
        // Redshift's own defaults: 256 bytes and 1.
        ("VARCHAR" | "CHARACTER VARYING", []) => Ok(Type::Text { max_bytes: 256 }),
        ("VARCHAR" | "CHARACTER VARYING", [bytes]) if (1..=MAX_TEXT_BYTES).contains(bytes) => Ok(Type::Text { max_bytes: *bytes }),
        ("VARCHAR" | "CHARACTER VARYING", [_]) => Err("1 to 65535 bytes"),
        ("CHAR" | "CHARACTER", []) => Ok(Type::Char { max_bytes: 1 }),
        ("CHAR" | "CHARACTER", [bytes]) if (1..=MAX_CHAR_BYTES).contains(bytes) => Ok(Type::Char { max_bytes: *bytes }),
        ("CHAR" | "CHARACTER", [_]) => Err("1 to 4096 bytes"),
        ("SMALLINT" | "INT2", []) => Ok(Type::Integer { bits: 16 }),
        ("INTEGER" | "INT" | "INT4", []) => Ok(Type::Integer { bits: 32 }),
        ("BIGINT" | "INT8", []) => Ok(Type::Integer { bits: 64 }),
        ("DECIMAL" | "NUMERIC", [precision, scale]) if (1..=38).contains(precision) && scale <= precision => {
            Ok(Type::Decimal { precision: digits(*precision)?, scale: digits(*scale)? })
        }
        ("DECIMAL" | "NUMERIC", _) => Err("write DECIMAL(precision,scale), at most 38 digits, scale within the precision"),
        ("DOUBLE PRECISION" | "DOUBLE" | "FLOAT8" | "FLOAT", []) => Ok(Type::Double),
        ("REAL" | "FLOAT4", []) => Err("four bytes keep about seven digits: write DOUBLE PRECISION, or DECIMAL(p,s) for exact digits"),
        ("BOOLEAN" | "BOOL", []) => Ok(Type::Boolean),
        ("DATE", []) => Ok(Type::Date),
        ("TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE", []) => Ok(Type::Timestamp { has_zone: false }),
        ("TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE", []) => Ok(Type::Timestamp { has_zone: true }),
        ("SUPER", []) => Ok(Type::Super),
        _ => Err(KNOWN),
    }
}

fn logical_matches(logical: &str, kind: Type) -> bool {
    match kind {
        Type::Text { .. } | Type::Char { .. } => logical == "string",
        Type::Integer { .. } => logical == "integer",
        // An integer may be wider than BIGINT.
        Type::Decimal { scale: 0, .. } => matches!(logical, "number" | "integer"),
        Type::Decimal { .. } | Type::Double => logical == "number",
        Type::Boolean => logical == "boolean",
        Type::Date => logical == "date",
        Type::Timestamp { .. } => logical == "timestamp",
        // A JSON value of any shape.
        Type::Super => matches!(logical, "object" | "array" | "string" | "number" | "integer" | "boolean"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_physical_types() {
        let check = |text: &str, expected: Result<Type, &str>| {
            let found = physical_type(text);
            match (&found, &expected) {
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
                _ => assert_eq!(found, expected, "{text}"),
            }
        };
        check("varchar(64)", Ok(Type::Text { max_bytes: 64 }));
        check("character  varying (64)", Ok(Type::Text { max_bytes: 64 }));
        check("VARCHAR(0)", Err("1 to 65535"));
        check("VARCHAR(65536)", Err("1 to 65535"));
        check("CHAR(2)", Ok(Type::Char { max_bytes: 2 }));
        check("CHAR(4097)", Err("1 to 4096"));
        check("INT", Ok(Type::Integer { bits: 32 }));
        check("numeric(38, 10)", Ok(Type::Decimal { precision: 38, scale: 10 }));
        check("DECIMAL(39,2)", Err("at most 38 digits"));
        check("DECIMAL(2,3)", Err("scale within the precision"));
        check("DECIMAL", Err("write DECIMAL(precision,scale)"));
        check("double precision", Ok(Type::Double));
        check("FLOAT8", Ok(Type::Double));
        check("REAL", Err("seven digits"));
        check("TIMESTAMP", Ok(Type::Timestamp { has_zone: false }));
        check("timestamp with time zone", Ok(Type::Timestamp { has_zone: true }));
        check("SUPER", Ok(Type::Super));
        check("VARCHAR(64", Err("not closed"));
        check("VARCHAR(max)", Err("not a number"));
        check("MONEY", Err("known are VARCHAR(n), CHAR(n)"));
    }

    #[test]
    fn every_type_shows_what_it_is_read_from() {
        for text in [
            "VARCHAR(12)",
            "CHAR(3)",
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "DECIMAL(9,4)",
            "DOUBLE PRECISION",
            "BOOLEAN",
            "DATE",
            "TIMESTAMP",
            "TIMESTAMPTZ",
            "SUPER",
        ] {
            assert_eq!(physical_type(text).map(|kind| kind.to_string()), Ok(text.to_owned()));
        }
    }
}
