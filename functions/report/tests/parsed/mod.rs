//! A page as an HTML parser understands it.

use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

pub(crate) struct Page {
    /// In the order of the document.
    pub(crate) elements: Vec<Element>,
    /// What the parser had to mend.
    pub(crate) errors: Vec<String>,
    /// Takes its nodes apart when it goes, whoever still holds one.
    _dom: RcDom,
}

pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    /// The text of a style element.
    pub(crate) style: Option<String>,
    node: Handle,
}

impl Page {
    pub(crate) fn of(html: &str) -> Self {
        let dom = parse_document(RcDom::default(), ParseOpts::default()).one(html);
        let mut elements = Vec::new();
        collect(&dom.document, &mut elements);
        let errors = dom.errors.borrow().iter().map(ToString::to_string).collect();
        Self { elements, errors, _dom: dom }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&Element> {
        self.elements.iter().filter(|element| element.name == name).collect()
    }
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// The elements of a name inside, at any depth.
    pub(crate) fn within(&self, name: &str) -> Vec<Element> {
        let mut elements = Vec::new();
        for child in self.node.children.borrow().iter() {
            collect(child, &mut elements);
        }
        elements.retain(|element| element.name == name);
        elements
    }
}

/// The text inside, as it stands.
pub(crate) fn text_of(element: &Element) -> String {
    let mut text = String::new();
    push_text(&element.node, &mut text);
    text
}

fn push_text(node: &Handle, text: &mut String) {
    if let NodeData::Text { contents } = &node.data {
        text.push_str(&contents.borrow());
    }
    for child in node.children.borrow().iter() {
        push_text(child, text);
    }
}

fn collect(node: &Handle, elements: &mut Vec<Element>) {
    if let NodeData::Element { name, attrs, .. } = &node.data {
        let attributes = attrs.borrow().iter().map(|attribute| (attribute.name.local.to_string(), attribute.value.to_string())).collect();
        let mut element = Element { name: name.local.to_string(), attributes, style: None, node: node.clone() };
        if element.name == "style" {
            element.style = Some(text_of(&element));
        }
        elements.push(element);
    }
    for child in node.children.borrow().iter() {
        collect(child, elements);
    }
}
