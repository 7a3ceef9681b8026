//! Fields of a map in a contract, read one by one: what is misspelt, missing or of the wrong shape is reported, and the reading goes on.

use super::compile::Collector;
use super::yaml::{Node, Text, Value, own_characters};

pub(super) struct Reader<'a> {
    /// The contract's text.
    pub(super) source: &'a str,
    pub(super) faults: &'a mut Collector,
}

/// The fields of one map.
pub(super) struct Fields<'n> {
    node: &'n Node,
    /// What the map is, for messages: "a column".
    what: &'static str,
    entries: &'n [(Text, Node)],
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(field, _)| field.value == name).map(|(_, node)| node)
    }

    pub(super) fn line(&self) -> u64 {
        self.node.referenced.line()
    }
}

impl Reader<'_> {
    /// A map of which all fields are known: a misspelt `requierd: true` would otherwise mean nothing, without a word.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &'static str, known: &str) -> Option<Fields<'n>> {
        let entries = self.map(node, what)?;
        for (name, _) in entries {
            if !known.split_ascii_whitespace().any(|known| known == name.value) {
                let meant = known.split_ascii_whitespace().find(|known| is_near(known, &name.value));
                let hint = meant.map(|known| format!(": did you mean `{known}`?")).unwrap_or_default();
                self.faults.at(name, format!("`{}` is no field of {what}{hint}", name.value));
            }
        }
        Some(Fields { node, what, entries })
    }

    /// A field that must be there.
    pub(super) fn due<'n>(&mut self, fields: &Fields<'n>, name: &str) -> Option<&'n Node> {
        let found = fields.get(name);
        if found.is_none() {
            self.faults.line(fields.line(), format!("{} has no `{name}`", fields.what));
        }
        found
    }

    pub(super) fn due_text(&mut self, fields: &Fields<'_>, name: &str) -> Option<Text> {
        let node = self.due(fields, name)?;
        self.single(node, &format!("`{name}`"))
    }

    pub(super) fn text(&mut self, fields: &Fields<'_>, name: &str) -> Option<Text> {
        let node = fields.get(name).filter(|node| !matches!(node.value, Value::Null))?;
        self.single(node, &format!("`{name}`"))
    }

    /// Not there, it is false; nothing where nobody can say.
    pub(super) fn flag(&mut self, fields: &Fields<'_>, name: &str) -> Option<bool> {
        let Some(node) = fields.get(name) else { return Some(false) };
        let text = own_characters(node, self.source).map(|text| text.value);
        match text.as_deref().map(str::to_ascii_lowercase).as_deref() {
            // As YAML 1.1 has them.
            Some("true" | "yes" | "on" | "y") => Some(true),
            Some("false" | "no" | "off" | "n") => Some(false),
            _ => {
                let found = text.map_or_else(|| node.value.shape().to_owned(), |text| format!("`{text}`"));
                self.faults.line(node.referenced.line(), format!("`{name}` is true or false, not {found}"));
                None
            }
        }
    }

    /// The items of a list that can be read.
    pub(super) fn each<T>(&mut self, fields: &Fields<'_>, name: &str, read: impl Fn(&mut Self, &Node) -> Option<T>) -> Vec<T> {
        let items = fields.get(name).map_or(&[][..], |node| self.list(node, &format!("`{name}`")).unwrap_or_default());
        items.iter().filter_map(|item| read(self, item)).collect()
    }

    pub(super) fn single(&mut self, node: &Node, what: &str) -> Option<Text> {
        own_characters(node, self.source).or_else(|| self.misshapen(node, what, "a single value"))
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            _ => self.misshapen(node, what, "a list"),
        }
    }

    pub(super) fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Text, Node)]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => self.misshapen(node, what, "a map"),
        }
    }

    pub(super) fn misshapen<T>(&mut self, node: &Node, what: &str, due: &str) -> Option<T> {
        self.faults.line(node.referenced.line(), format!("{what} is {due}, not {}", node.value.shape()));
        None
    }
}

/// Whether one slip lies between two words: a letter more, less, another, or two exchanged; case aside.
fn is_near(known: &str, written: &str) -> bool {
    let (mut a, mut b) = (known.to_ascii_lowercase().into_bytes(), written.to_ascii_lowercase().into_bytes());
    let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let ending = a[common..].iter().rev().zip(b[common..].iter().rev()).take_while(|(x, y)| x == y).count();
    a.truncate(a.len() - ending);
    b.truncate(b.len() - ending);
    let (a, b) = (&a[common..], &b[common..]);
    a.len().max(b.len()) <= 1 || matches!((a, b), ([p, q], [r, s]) if p == s && q == r)
}
