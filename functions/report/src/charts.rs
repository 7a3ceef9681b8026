//! Charts as positioned shapes: pure functions lay them out, `templates/chart.html` writes them as SVG, and the style sheet colours them.

mod bars;
mod sankey;

pub(crate) use bars::{Bar, Span, lying, upright};
pub(crate) use sankey::{Link, Node, sankey};

use crate::format;

/// A drawing of `width` × `height` units, which are CSS pixels where the page has room for them.
/// Its shapes are painted in the order of the fields.
#[derive(Debug, PartialEq)]
pub(crate) struct Chart {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// What the chart shows, for a reader who cannot see it.
    pub(crate) words: String,
    pub(crate) ribbons: Vec<Ribbon>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) texts: Vec<Text>,
}

impl Chart {
    fn new(width: f64, height: f64, words: String) -> Self {
        Self { width, height, words, ribbons: Vec::new(), blocks: Vec::new(), texts: Vec::new() }
    }
}

/// A translucent band from the vertical edge at `left` to the one at `right`.
#[derive(Debug, PartialEq)]
pub(crate) struct Ribbon {
    pub(crate) left: Edge,
    pub(crate) right: Edge,
    pub(crate) tone: Tone,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Edge {
    pub(crate) x: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

impl Ribbon {
    /// The band as an SVG path. The control points of both its curves lie halfway between the edges.
    pub(crate) fn path(&self) -> String {
        let (Edge { x: x0, top: a0, bottom: b0 }, Edge { x: x1, top: a1, bottom: b1 }) = (self.left, self.right);
        let x = f64::midpoint(x0, x1);
        format!("M{x0:.1} {a0:.1}C{x:.1} {a0:.1} {x:.1} {a1:.1} {x1:.1} {a1:.1}V{b1:.1}C{x:.1} {b1:.1} {x:.1} {b0:.1} {x0:.1} {b0:.1}Z")
    }
}

/// A filled rectangle: a bar, a node, or a line of the grid.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) tone: Tone,
}

/// One line of text, vertically centred on `y`.
#[derive(Debug, PartialEq)]
pub(crate) struct Text {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) anchor: Anchor,
    pub(crate) text: String,
}

/// Which point of a text lies at its `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    /// The value of SVG's `text-anchor`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// What a shape stands for. The style sheet has a class for each, with its colour in light, in dark and in print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Read,
    Good,
    Same,
    Aside,
    Bad,
    Axis,
    Grid,
}

impl Tone {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Good => "good",
            Self::Same => "same",
            Self::Aside => "aside",
            Self::Bad => "bad",
            Self::Axis => "axis",
            Self::Grid => "grid",
        }
    }
}

/// Font size in units, as in the style sheet.
const EM: f64 = 12.0;
/// Height of a line of text.
const LINE: f64 = 16.0;
/// Space between a text and what it belongs to.
const PAD: f64 = 6.0;
/// Widest label: it leaves half of the narrowest chart to the bars.
const LABEL: f64 = 15.0 * EM;

/// Foreign text made visible and cut to the room that a chart has for a label.
pub(crate) fn label(foreign: &str) -> String {
    // No character is narrower than a fifth of the font size, so 75 of them fill any label.
    let short: String = foreign.chars().take(75).collect();
    let visible = format::text(&short, usize::MAX);
    if width(&visible) <= LABEL {
        return visible;
    }
    let mut room = LABEL - width("…");
    let fits = |c: &char| {
        room -= char_width(*c);
        room >= 0.0
    };
    visible.chars().take_while(fits).chain(['…']).collect()
}

/// Estimated width of a text in units.
fn width(text: &str) -> f64 {
    text.chars().map(char_width).sum()
}

fn widest<'a>(texts: impl IntoIterator<Item = &'a str>) -> f64 {
    texts.into_iter().map(width).fold(0.0, f64::max)
}

/// Upper bounds for DejaVu Sans with its advances rounded to pixels.
/// It is wider than the system fonts, so what fits with it fits with those.
fn char_width(c: char) -> f64 {
    EM * match c {
        'i' | 'j' | 'l' | 'I' | 'J' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '·' => 0.34,
        'f' | 'r' | 't' | '-' | '(' | ')' | '[' | ']' | '/' | '\\' | '!' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 1.0,
        'a'..='z' | '0'..='9' | '_' | '$' => 0.67,
        ' '..='~' => 0.84,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What holds for every chart: it draws nothing outside of its view box, and no text over another.
    pub(super) fn check(chart: &Chart) {
        let text_box = |text: &Text| {
            let width = width(&text.text);
            let left = match text.anchor {
                Anchor::Start => text.x,
                Anchor::Middle => text.x - width / 2.0,
                Anchor::End => text.x - width,
            };
            [left, text.y - LINE / 2.0, left + width, text.y + LINE / 2.0]
        };
        let ribbon_box = |ribbon: &Ribbon| {
            let Ribbon { left, right, .. } = ribbon;
            [left.x, left.top.min(right.top), right.x, left.bottom.max(right.bottom)]
        };
        let block_box = |block: &Block| [block.x, block.y, block.x + block.width, block.y + block.height];
        let texts: Vec<[f64; 4]> = chart.texts.iter().map(text_box).collect();
        let shapes = chart.ribbons.iter().map(ribbon_box).chain(chart.blocks.iter().map(block_box));
        for [left, top, right, bottom] in shapes.chain(texts.iter().copied()) {
            assert!(left <= right && top <= bottom, "turned round: {left} {top} {right} {bottom} of {chart:#?}");
            let is_inside = left > -0.01 && top > -0.01 && right < chart.width + 0.01 && bottom < chart.height + 0.01;
            assert!(is_inside, "outside: {left} {top} {right} {bottom} of {chart:#?}");
        }
        for (i, a) in texts.iter().enumerate() {
            for (j, b) in texts.iter().enumerate().skip(i + 1) {
                let is_apart = a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
                assert!(is_apart, "{:?} over {:?}", chart.texts[i], chart.texts[j]);
            }
        }
    }

    #[test]
    fn a_label_is_its_text_made_visible_and_cut() {
        let check = |given: &str, expected: &str| assert_eq!(label(given), expected);
        check("", "");
        check("amount", "amount");
        check("$\\alpha$ <b>&amp;", "$\\alpha$ <b>&amp;");
        check("a\u{202e}b\0", "a⟨U+202E⟩b␀");
        check(&"x".repeat(22), &"x".repeat(22));
        check(&"x".repeat(23), &format!("{}…", "x".repeat(20)));
        check(&"m".repeat(100), &format!("{}…", "m".repeat(14)));
    }

    proptest! {
        #[test]
        fn a_label_fits_whatever_the_text(text in ".*") {
            let label = label(&text);
            prop_assert!(width(&label) <= LABEL + 0.01);
            let is_cut = label.ends_with('…') && !text.ends_with('…');
            prop_assert!(is_cut || label == format::text(&text, usize::MAX));
        }
    }
}
