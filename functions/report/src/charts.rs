//! Charts, drawn by kuva and made part of a page: its colours become the page's own, so that they follow the reader's scheme.

use std::sync::Arc;

use kuva::backend::svg::SvgBackend;
use kuva::plot::{BarPlot, GanttPlot, SankeyPlot};
use kuva::prelude::{Layout, Plot, Theme};
use kuva::render::layout::{AxisLabelOverlap, TickFormat};
use kuva::render::render::{Scene, render_multiple, render_sankey};

use crate::format;

/// What a thing on a chart stands for. The page's style sheet says which colour that is, in light and in dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Read,
    Good,
    Same,
    Aside,
    Bad,
    /// Not drawn.
    Hidden,
}

impl Tone {
    fn colour(self) -> &'static str {
        match self {
            Self::Read => "var(--read)",
            Self::Good => "var(--good)",
            Self::Same => "var(--same)",
            Self::Aside => "var(--aside)",
            Self::Bad => "var(--bad)",
            Self::Hidden => "none",
        }
    }
}

/// A node of a flow; those of one column stand above each other in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) label: String,
    pub(crate) column: usize,
    pub(crate) tone: Tone,
}

/// Between two nodes, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) rows: u64,
}

pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) tone: Tone,
}

pub(crate) struct Span {
    /// Of what [`label`] has made of foreign text.
    pub(crate) label: String,
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) tone: Tone,
}

/// Names a chart's parts apart from those of the page's other charts, and says in words what it shows.
#[derive(Clone, Copy)]
pub(crate) struct Caption<'a> {
    pub(crate) id: &'a str,
    pub(crate) words: &'a str,
}

pub(crate) fn sankey(nodes: &[Node], links: &[Link], caption: Caption<'_>) -> String {
    let mut plot = SankeyPlot::new().with_node_width(14.0).with_node_gap(22.0).with_link_opacity(0.4).with_per_link_colors();
    // Nodes are told apart by name, and two may have the same or none.
    let names: Vec<String> = (0..nodes.len()).map(|i| i.to_string()).collect();
    for (node, name) in nodes.iter().zip(&names) {
        plot = plot.with_node_column(name, node.column).with_node_color(name, node.tone.colour());
    }
    for link in links {
        let tone = nodes[link.to].tone.colour();
        plot = plot.with_link_colored(&names[link.from], &names[link.to], format::ratio(link.rows, 1), tone);
    }
    for (drawn, node) in plot.nodes.iter_mut().zip(nodes) {
        drawn.label = label(&node.label);
    }
    let layout = Layout::auto_from_plots(&[]).with_force_margins(60.0, 20.0).with_force_margins_y(8.0, 8.0);
    inline(&render_sankey(&plot, &dressed(layout, 840.0, 280.0)), caption)
}

pub(crate) fn gantt(spans: &[Span], caption: Caption<'_>) -> String {
    let mut plot = GanttPlot::new().with_show_labels(false).with_bar_height(0.62);
    for span in spans {
        plot = plot.with_colored_task(&span.label, span.start, span.end, span.tone.colour());
    }
    let plots = vec![Plot::from(plot)];
    let layout = Layout::auto_from_plots(&plots).with_x_label("seconds since the start");
    inline(&render_multiple(plots, dressed(layout, 500.0, height(spans.len()))), caption)
}

/// Upright bars, side by side.
pub(crate) fn bars(bars: &[Bar], axis: &str, tick: fn(f64) -> String, caption: Caption<'_>) -> String {
    let plot = bars
        .iter()
        .fold(BarPlot::new().with_width(0.8), |plot, bar| plot.with_colored_bar(label(&bar.label), bar.value, bar.tone.colour()));
    let plots = vec![Plot::from(plot)];
    let layout = Layout::auto_from_plots(&plots)
        .with_y_label(axis)
        .with_ticks(4)
        .with_x_label_overlap(AxisLabelOverlap::Thin)
        .with_y_tick_format(TickFormat::Custom(Arc::new(tick)));
    inline(&render_multiple(plots, dressed(layout, 400.0, 200.0)), caption)
}

/// Bars that lie, for longer names; the first on top.
pub(crate) fn lying_bars(bars: &[Bar], axis: &str, tick: fn(f64) -> String, caption: Caption<'_>) -> String {
    let plot = bars.iter().rev().fold(BarPlot::new().with_horizontal(true).with_width(0.7), |plot, bar| {
        plot.with_colored_bar(label(&bar.label), bar.value, bar.tone.colour())
    });
    let plots = vec![Plot::from(plot)];
    let layout = Layout::auto_from_plots(&plots).with_x_label(axis).with_ticks(4).with_x_tick_format(TickFormat::Custom(Arc::new(tick)));
    inline(&render_multiple(plots, dressed(layout, 390.0, height(bars.len()))), caption)
}

/// Of a chart with lines of text at its left.
fn height(lines: usize) -> f64 {
    24.0 * f64::from(u16::try_from(lines).unwrap_or(u16::MAX)) + 60.0
}

fn dressed(layout: Layout, width: f64, height: f64) -> Layout {
    let theme = Theme {
        background: "none".to_owned(),
        axis_color: "var(--line)".to_owned(),
        grid_color: "var(--grid)".to_owned(),
        tick_color: "var(--line)".to_owned(),
        text_color: "currentColor".to_owned(),
        ..Theme::light()
    };
    layout.with_theme(theme).with_width(width).with_height(height).with_body_size(13).with_label_size(12).with_tick_size(12)
}

/// Most characters of a label: kuva takes the room for it from the bars.
const LABEL: usize = 24;

/// Foreign text for a chart: short, and without the dollars that kuva would take for the brackets of a formula.
pub(crate) fn label(text: &str) -> String {
    let is_whole = text.chars().nth(LABEL).is_none();
    let short: String = text.chars().take(LABEL).collect();
    // What makes a character visible can take ten of them.
    let shown: String = format::text(&short, usize::MAX).chars().take(LABEL).collect();
    format!("{shown}{}", if is_whole { "" } else { "…" }).replace('$', "＄")
}

/// With a head of our own, since kuva's has a fixed size and its own font.
fn inline(scene: &Scene, caption: Caption<'_>) -> String {
    let drawn = SvgBackend::new().render_scene(scene);
    let body = drawn.split_once('>').map_or("", |(_, body)| body);
    format!(
        r#"<svg class="chart" viewBox="0 0 {} {}" style="--w:{}px" role="img" aria-label="{}">{}"#,
        scene.width,
        scene.height,
        scene.width,
        attribute(caption.words),
        with_own_ids(body, caption.id),
    )
}

/// kuva numbers its ids through the life of the process: the same chart would not be the same twice.
fn with_own_ids(svg: &str, prefix: &str) -> String {
    // Quotes in text are escaped, so these are attributes.
    let defined: Vec<&str> = svg.split(" id=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect();
    defined.iter().enumerate().fold(svg.to_owned(), |svg, (n, id)| {
        let own = |form: fn(&str) -> String| (form(id), form(&format!("{prefix}-{n}")));
        let ((definition, own_definition), (reference, own_reference)) =
            (own(|id| format!(" id=\"{id}\"")), own(|id| format!("url(#{id})")));
        svg.replace(&definition, &own_definition).replace(&reference, &own_reference)
    })
}

fn attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_ids_of_its_own() {
        let check = |given: &str, expected: &str| assert_eq!(with_own_ids(given, "flow"), expected);
        check(r#"<rect width="1"/>"#, r#"<rect width="1"/>"#);
        check(
            r#"<clipPath id="kuva-clip-7"/><a id="kuva-clip-70"/><g clip-path="url(#kuva-clip-7)"/><g clip-path="url(#kuva-clip-70)"/>"#,
            r#"<clipPath id="flow-0"/><a id="flow-1"/><g clip-path="url(#flow-0)"/><g clip-path="url(#flow-1)"/>"#,
        );
        check("<text>url(#x) id=&quot;x&quot;</text>", "<text>url(#x) id=&quot;x&quot;</text>");
    }

    /// kuva would set what stands between two dollars as a formula.
    #[test]
    fn text_on_a_chart_is_that_text() {
        let check = |given: &str, expected: &str| {
            let bars =
                [Bar { label: given.to_owned(), value: 1.0, tone: Tone::Bad }, Bar { label: String::new(), value: 2.0, tone: Tone::Bad }];
            let svg = lying_bars(&bars, "rows", format::tick, Caption { id: "x", words: "x" });
            assert!(svg.contains(&format!(">{expected}</text>")), "{expected} in {svg}");
        };
        check("amount", "amount");
        check("<script>&", "&lt;script&gt;&amp;");
        check("$\\alpha$", "＄\\alpha＄");
        check("a\u{202e}b\0", "a⟨U+202E⟩b␀");
        check(&"x".repeat(24), &"x".repeat(24));
        check(&"x".repeat(25), &format!("{}…", "x".repeat(24)));
    }
}
