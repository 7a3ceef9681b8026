//! A few of the records that broke a rule, as they may be shown.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::contract::{Path, Plan, Step};
use crate::csv::Header;
use crate::ledger::rule_key;
use crate::rule::Rule;
use crate::source::quarantined_text;

/// A record that broke a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RejectedSample {
    /// The schema object it was read as.
    pub source: String,
    /// As the ledger names it.
    pub rule: String,
    /// Of the record's first byte, in its source.
    pub offset: u64,
    pub column: Option<String>,
    pub record_bytes: u64,
    /// The record, cut short, its restricted values masked.
    pub text: String,
}

/// Records shown of one rule, and rules of which any are.
const SHOWN: usize = 3;
const MAX_RULES: usize = 1_000;

const MAX_CHARS: usize = 500;

/// In the place of a restricted value.
const MASK: &str = "\"•••\"";
const NOT_SHOWN: &str = "(not shown: it cannot be told which part is restricted)";

/// Keeps the first few of each rule.
pub(super) fn keep_few(samples: &mut Vec<RejectedSample>) {
    samples.sort_unstable();
    samples.dedup();
    let mut rules = 0;
    let mut of_rule = 0;
    let mut last: Option<[String; 2]> = None;
    samples.retain(|sample| {
        if last.as_ref().is_none_or(|[source, rule]| (source, rule) != (&sample.source, &sample.rule)) {
            last = Some([sample.source.clone(), sample.rule.clone()]);
            (rules, of_rule) = (rules + 1, 0);
        }
        of_rule += 1;
        of_rule <= SHOWN && rules <= MAX_RULES
    });
}

/// The samples of a split while it is merged.
pub(crate) struct Samples<'p> {
    plan: &'p Plan,
    /// The ways to the transactions' restricted values.
    restricted: Vec<&'p Path>,
    /// By source (the customers' are true), rule and column. There are no more of these than rules and columns in the contract.
    kept: BTreeMap<(bool, Rule, Option<usize>), Vec<Kept>>,
}

struct Kept {
    offset: u64,
    record_bytes: u64,
    text: String,
}

impl<'p> Samples<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        let restricted = plan.transactions.columns.iter().filter(|column| column.is_restricted).map(|column| &column.path);
        Self { plan, restricted: restricted.collect(), kept: BTreeMap::new() }
    }

    pub(crate) fn transaction(&mut self, rule: Rule, column: Option<usize>, offset: u64, record: &[u8]) {
        let restricted = &self.restricted;
        keep(self.kept.entry((false, rule, column)).or_default(), offset, record, || shown_json(record, restricted));
    }

    pub(crate) fn customer(&mut self, rule: Rule, column: Option<usize>, offset: u64, record: &[u8], header: &Header) {
        let source = &self.plan.customers;
        let shown = || {
            let restricted = |name: &str| source.columns.iter().any(|column| column.is_restricted && column.path.field == name);
            shown_csv(record, header.width, &header.cells(restricted), source.columns.iter().any(|column| column.is_restricted))
        };
        keep(self.kept.entry((true, rule, column)).or_default(), offset, record, shown);
    }

    pub(super) fn finish(self) -> Vec<RejectedSample> {
        let mut samples = Vec::new();
        for ((is_customer, rule, column), kept) in self.kept {
            let source = if is_customer { &self.plan.customers } else { &self.plan.transactions };
            let column = column.map(|column| source.columns[column].name.clone());
            samples.extend(kept.into_iter().map(|Kept { offset, record_bytes, text }| RejectedSample {
                source: source.name.clone(),
                rule: rule_key(rule, column.as_deref()),
                offset,
                column: column.clone(),
                record_bytes,
                text,
            }));
        }
        keep_few(&mut samples);
        samples
    }
}

/// Keeps a record that is one of the first; they come nearly in their order.
fn keep(kept: &mut Vec<Kept>, offset: u64, record: &[u8], shown: impl FnOnce() -> String) {
    let at = kept.partition_point(|before| before.offset <= offset);
    if at < SHOWN {
        kept.insert(at, Kept { offset, record_bytes: record.len() as u64, text: shown() });
        kept.truncate(SHOWN);
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        // One for the sign.
        Some(_) => text.chars().take(MAX_CHARS - 1).chain(['…']).collect(),
    }
}

/// A JSON record without the values at the end of these ways.
fn shown_json(record: &[u8], restricted: &[&Path]) -> String {
    if restricted.is_empty() {
        return cut(&quarantined_text(record));
    }
    let spans = std::str::from_utf8(record).ok().and_then(|text| {
        let members: Members<'_> = serde_json::from_str(text).ok()?;
        let mut spans = Vec::new();
        for (name, value) in members.0 {
            let here = restricted.iter().filter(|path| path.field == name).map(|path| path.steps.as_slice());
            find(text, value, &here.collect::<Vec<_>>(), &mut spans)?;
        }
        Some((text, spans))
    });
    spans.map_or_else(|| NOT_SHOWN.to_owned(), |(text, spans)| masked(text, &spans))
}

/// The places of the values at the end of these ways from here on. Where a way cannot be gone, what stands in it may be what was meant.
fn find(text: &str, value: &RawValue, ways: &[&[Step]], spans: &mut Vec<Range<usize>>) -> Option<()> {
    let json = value.get();
    if ways.is_empty() || json == "null" {
        return Some(());
    }
    let is_way = |step: &Step| match json.as_bytes().first() {
        Some(b'{') => matches!(step, Step::Key(_)),
        Some(b'[') => matches!(step, Step::Index(_)),
        _ => false,
    };
    if !ways.iter().all(|way| way.first().is_some_and(is_way)) {
        let start = json.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        spans.push(start..start + json.len());
        return Some(());
    }
    let on = |is_next: &dyn Fn(&Step) -> bool| ways.iter().filter(|way| is_next(&way[0])).map(|way| &way[1..]).collect::<Vec<_>>();
    if json.starts_with('{') {
        let members: Members<'_> = serde_json::from_str(json).ok()?;
        // Of a key that stands twice, both.
        members.0.iter().try_for_each(|(name, value)| find(text, value, &on(&|step| matches!(step, Step::Key(key) if key == name)), spans))
    } else {
        let elements: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        elements.iter().enumerate().try_for_each(|(index, value)| find(text, value, &on(&|step| *step == Step::Index(index)), spans))
    }
}

/// The members of a JSON object, those of one name too.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A CSV record without these of its cells. Its quotes are in order: others are no record of a file.
fn shown_csv(record: &[u8], width: usize, restricted: &[usize], has_restricted: bool) -> String {
    if !has_restricted {
        return cut(&quarantined_text(record));
    }
    let Ok(text) = std::str::from_utf8(record) else { return NOT_SHOWN.to_owned() };
    let cells = cells(text);
    if cells.len() != width {
        return NOT_SHOWN.to_owned();
    }
    let spans: Vec<_> = restricted.iter().filter_map(|cell| cells.get(*cell).cloned()).filter(|span| !span.is_empty()).collect();
    masked(text, &spans)
}

/// The cells of a CSV record, in their quotes. A quote that does not begin a cell is a character like any other.
fn cells(text: &str) -> Vec<Range<usize>> {
    let mut cells = Vec::new();
    let (mut start, mut is_quoted) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if at == start || is_quoted || text[start..].starts_with('"') => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                cells.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    cells.push(start..text.len());
    cells
}

/// The text with the mask in these places, which are in their order.
fn masked(text: &str, spans: &[Range<usize>]) -> String {
    let mut shown = String::new();
    let mut end = 0;
    for span in spans {
        shown += &text[end..span.start];
        shown += MASK;
        end = span.end;
    }
    shown += &text[end..];
    cut(&shown.replace('\0', "\u{FFFD}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn restricted_values_of_json_are_masked() {
        let ways = ["email", "customer.phone", "items[1].note", "['a.b']"].map(|way| Path::parse(way).unwrap());
        let check = |record: &str, expected: &str| assert_eq!(shown_json(record.as_bytes(), &ways.each_ref()), expected, "{record}");
        check(r#"{"id": 1, "email": "ada@x.org"}"#, r#"{"id": 1, "email": "•••"}"#);
        check(r#"{"email":null, "id":"email"}"#, r#"{"email":null, "id":"email"}"#);
        check(r#"{"email":17.5,"email":["a",{}] , "z":0}"#, r#"{"email":"•••","email":"•••" , "z":0}"#);
        check(r#"{"em\u0061il":"a\"b"}"#, r#"{"em\u0061il":"•••"}"#);
        check(r#"{"customer":{"phone":"1","name":"A"}}"#, r#"{"customer":{"phone":"•••","name":"A"}}"#);
        check(r#"{"customer":{"Phone":"1"}}"#, r#"{"customer":{"Phone":"1"}}"#);
        // What stands where the way leads through may be what it leads to.
        check(r#"{"customer":"+49 30"}"#, r#"{"customer":"•••"}"#);
        check(r#"{"customer":[{"phone":"1"}]}"#, r#"{"customer":"•••"}"#);
        check(r#"{"items":[{"note":"a"},{"note":{"b":1}},{"note":"c"}]}"#, r#"{"items":[{"note":"a"},{"note":"•••"},{"note":"c"}]}"#);
        check(r#"{"items":{"1":{"note":"a"}}}"#, r#"{"items":"•••"}"#);
        check(r#"{"a.b":"x","a":{"b":"y"}}"#, r#"{"a.b":"•••","a":{"b":"y"}}"#);
        for broken in
            [r#"{"email": "ada@x.org""#, r#"["ada@x.org"]"#, "ada@x.org", "", r#"{"email": "a"} x"#, r#"{"customer":{"phone":tru}}"#]
        {
            check(broken, NOT_SHOWN);
        }
        assert_eq!(shown_json(b"{\"email\": \"\xFF\"}", &ways.each_ref()), NOT_SHOWN);
        assert_eq!(shown_json(b"{\"email\": \"\xFF\"", &[]), "{\"email\": \"\u{FFFD}\"");
    }

    #[test]
    fn restricted_cells_of_csv_are_masked() {
        let check = |record: &str, expected: &str| assert_eq!(shown_csv(record.as_bytes(), 3, &[1], true), expected, "{record}");
        check("C1,Ada,x", "C1,\"•••\",x");
        check("C1,,x", "C1,,x");
        check("C1,\"Bo, \"\"Jr.\"\"\n\",x", "C1,\"•••\",x");
        check("\"C,1\",5\" disk,x", "\"C,1\",\"•••\",x");
        check("C1,Ada", NOT_SHOWN);
        check("C1,Ada,Lovelace,x", NOT_SHOWN);
        assert_eq!(shown_csv(b"C1,K\xF6ln,x", 3, &[1], true), NOT_SHOWN);
        assert_eq!(shown_csv(b"C1,K\xF6ln,x", 3, &[], false), "C1,K\u{FFFD}ln,x");
        // A restricted column that the file does not have could be in any of its cells, but a header has said otherwise.
        assert_eq!(shown_csv(b"C1,Ada,x", 3, &[], true), "C1,Ada,x");
    }

    #[test]
    fn a_long_record_is_cut() {
        assert_eq!(cut(&"é".repeat(500)), "é".repeat(500));
        assert_eq!(cut(&"é".repeat(501)), "é".repeat(499) + "…");
    }

    #[test]
    fn the_first_few_of_a_rule_are_kept() {
        let sample = |rule: &str, offset| RejectedSample {
            source: "t".into(),
            rule: rule.into(),
            offset,
            column: None,
            record_bytes: 2,
            text: "{}".into(),
        };
        let mut samples = [5, 1, 9, 3, 1].map(|offset| sample("a", offset)).to_vec();
        samples.push(sample("b", 7));
        keep_few(&mut samples);
        assert_eq!(samples.iter().map(|s| s.offset).collect::<Vec<_>>(), [1, 3, 5, 7]);
        let mut many: Vec<_> = (0..3_000).map(|rule| sample(&format!("{rule:04}"), 0)).collect();
        keep_few(&mut many);
        assert_eq!((many.len(), many[999].rule.as_str()), (1_000, "0999"));
        let mut kept = Vec::new();
        [4, 8, 2, 6, 9, 1].into_iter().for_each(|offset| keep(&mut kept, offset, b"", String::new));
        assert_eq!(kept.iter().map(|k| k.offset).collect::<Vec<_>>(), [1, 2, 4]);
    }

    proptest! {
        /// As the csv crate reads them.
        #[test]
        fn cells_are_those_of_the_file(row in proptest::collection::vec("[ab\",\r\né]{0,6}", 1..6)) {
            let mut file = Vec::new();
            ::csv::Writer::from_writer(&mut file).write_record(&row).unwrap();
            let text = String::from_utf8(file).unwrap();
            let text = text.strip_suffix('\n').unwrap();
            let found: Vec<String> = cells(text).into_iter().map(|cell| {
                let cell = &text[cell];
                cell.strip_prefix('"').and_then(|c| c.strip_suffix('"')).map_or(cell.to_owned(), |c| c.replace("\"\"", "\""))
            }).collect();
            prop_assert_eq!(found, row);
        }

        /// However a record is written, no restricted value is in what is shown.
        #[test]
        fn nothing_restricted_is_shown(secret in "[A-Z]{6}", cuts in any::<prop::sample::Index>(), key in "[a-z]{1,3}") {
            let path = Path::parse("p.q").unwrap();
            let record = format!(r#"{{"{key}": 1, "p": {{"q": "{secret}", "q": ["{secret}"]}}, "p": "{secret}"}}"#);
            let end = cuts.index(record.len() + 1);
            for text in [record.as_str(), &record[..end]] {
                let shown = shown_json(text.as_bytes(), &[&path]);
                prop_assert!(!shown.contains(&secret), "{}", shown);
            }
        }
    }
}
