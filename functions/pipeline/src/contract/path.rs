//! `physicalName` of a JSON source: a field, or the way to a place inside one.

use super::{Path, Step};

impl Path {
    /// A field by its whole name, whatever characters that has.
    pub(super) fn of_field(name: &str) -> Self {
        Self { field: name.to_owned(), steps: Vec::new() }
    }

    /// `customer.address.city`, `items[0].sku`; `['a.b']` for a key that holds a dot or a bracket.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "$" || text.starts_with("$.") || text.starts_with("$[") {
            return Err("it starts at the record already: leave the $ out, or write ['$'] for a key of that name");
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() || steps.is_empty() {
            let step;
            (step, rest) = if let Some(bracket) = rest.strip_prefix('[') {
                bracketed(bracket)?
            } else {
                let name = if steps.is_empty() { rest } else { rest.strip_prefix('.').ok_or("after ] comes a . or a [")? };
                let end = name.find(['.', '[', ']']).unwrap_or(name.len());
                if end == 0 {
                    return Err("a key between the dots is missing");
                }
                (Step::Key(name[..end].to_owned()), &name[end..])
            };
            steps.push(step);
        }
        match steps.remove(0) {
            Step::Key(field) => Ok(Self { field, steps }),
            Step::Index(_) => Err("a record is an object: start with a key"),
        }
    }
}

/// What follows a `[`: the step, and the rest behind its `]`.
fn bracketed(text: &str) -> Result<(Step, &str), &'static str> {
    const OPEN: &str = "a [ is not closed";
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
        let (index, rest) = text.split_once(']').ok_or(OPEN)?;
        let is_number = !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
        let index = is_number.then(|| index.parse().ok()).flatten();
        return Ok((Step::Index(index.ok_or("between [ and ] stands a number from 0, or a key in quotes")?), rest));
    };
    let mut key = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => key.push(chars.next().ok_or(OPEN)?.1),
            c if c == quote => return Ok((Step::Key(key), text[at + 1..].strip_prefix(']').ok_or(OPEN)?)),
            c => key.push(c),
        }
    }
    Err(OPEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_the_way() {
        let key = |name: &str| Step::Key(name.to_owned());
        let check = |text: &str, field: &str, steps: &[Step]| {
            let expected = Path { field: field.to_owned(), steps: steps.to_vec() };
            assert_eq!(Path::parse(text), Ok(expected), "{text}");
        };
        check("amount", "amount", &[]);
        check("Amount in €", "Amount in €", &[]);
        check("customer.address.city", "customer", &[key("address"), key("city")]);
        check("items[0].sku", "items", &[Step::Index(0), key("sku")]);
        check("m[1][22]", "m", &[Step::Index(1), Step::Index(22)]);
        check("['a.b']", "a.b", &[]);
        check("['a.b'].c", "a.b", &[key("c")]);
        check("a[\"b]'\"]", "a", &[key("b]'")]);
        check(r"a['it\'s \\']", "a", &[key(r"it's \")]);
        check("['']", "", &[]);
    }

    #[test]
    fn refuses_what_is_no_way() {
        for text in
            ["", ".a", "a.", "a..b", "a[", "a[]", "a[-1]", "a[1", "a['b", "a['b'", "a]b", "a[0]b", "[0]", "$.a", "$", "a[+1]", "a['b'c]"]
        {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a\\[\\]'\".\\\\0-9é$]{0,12}") {
            let _path = Path::parse(&text);
        }

        /// Any key, quoted, is found as itself.
        #[test]
        fn any_key_can_be_written(key in "\\PC{0,12}") {
            let quoted = key.replace('\\', "\\\\").replace('\'', "\\'");
            prop_assert_eq!(Path::parse(&format!("a['{quoted}']")), Ok(Path { field: "a".into(), steps: vec![Step::Key(key)] }));
        }
    }
}
