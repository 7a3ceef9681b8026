//! A flow through columns of nodes, as in a Sankey diagram: all heights are in proportion to rows.

use super::{Anchor, Block, Chart, Edge, LINE, PAD, Ribbon, Text, Tone, widest};

/// A node of a flow. Nodes of one column stand below each other in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) label: String,
    pub(crate) column: usize,
    pub(crate) tone: Tone,
}

/// Rows that go from one node to another, which are given by their indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) rows: u64,
}

const WIDTH: f64 = 840.0;
const HEIGHT: f64 = 260.0;
const NODE: f64 = 14.0;
/// Least height of a node, and least space between two; together they keep labels apart.
const SLIVER: f64 = 2.0;
const GAP: f64 = LINE;

/// Links meet a node in their order, from top to bottom, and share its height.
pub(crate) fn sankey(nodes: &[Node], links: &[Link], words: String) -> Chart {
    let rows = |i: usize| {
        let sum = |end: fn(&Link) -> usize| links.iter().filter(|link| end(link) == i).map(|link| link.rows as f64).sum::<f64>();
        sum(|link| link.from).max(sum(|link| link.to))
    };
    let rows: Vec<f64> = (0..nodes.len()).map(rows).collect();
    let last = nodes.iter().map(|node| node.column).max().unwrap_or(0);
    let of = |column: usize| nodes.iter().zip(&rows).filter(move |(node, _)| node.column == column);
    // The fullest column says how high a row is.
    let unit = |column: usize| {
        let room = HEIGHT - (SLIVER + GAP) * of(column).count() as f64;
        room / of(column).map(|(_, rows)| rows).sum::<f64>()
    };
    let unit = (0..=last).map(unit).fold(f64::INFINITY, f64::min);

    let labels = |column| widest(of(column).map(|(node, _)| node.label.as_str())) + PAD;
    let (left, right) = (labels(0), WIDTH - labels(last) - NODE);
    let mut chart = Chart::new(WIDTH, HEIGHT, words);
    let mut next_top = vec![GAP / 2.0; last + 1];
    for (node, rows) in nodes.iter().zip(&rows) {
        let (x, y) = (left + (right - left) * node.column as f64 / last.max(1) as f64, next_top[node.column]);
        let height = (rows * unit).max(SLIVER);
        next_top[node.column] += height + GAP;
        chart.blocks.push(Block { x, y, width: NODE, height, tone: node.tone });
        let (x, anchor) = if node.column == 0 { (x - PAD, Anchor::End) } else { (x + NODE + PAD, Anchor::Start) };
        chart.texts.push(Text { x, y: y + height / 2.0, anchor, text: node.label.clone() });
    }
    let mut next_out: Vec<f64> = chart.blocks.iter().map(|node| node.y).collect();
    let mut next_in = next_out.clone();
    for link in links {
        let edge = |next: &mut [f64], i: usize, x: f64| {
            let top = next[i];
            next[i] += chart.blocks[i].height * link.rows as f64 / rows[i];
            Edge { x, top, bottom: next[i] }
        };
        let left = edge(&mut next_out, link.from, chart.blocks[link.from].x + NODE);
        let right = edge(&mut next_in, link.to, chart.blocks[link.to].x);
        chart.ribbons.push(Ribbon { left, right, tone: nodes[link.to].tone });
    }
    chart
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::check;
    use super::*;
    use crate::model::{Loaded, Rows};
    use crate::page::flow;

    fn drawn(rows: &Rows) -> (flow::Diagram, Chart) {
        let diagram = flow::diagram(rows);
        let chart = sankey(&diagram.nodes, &diagram.links, String::new());
        (diagram, chart)
    }

    #[test]
    fn heights_are_in_proportion_to_rows() {
        let (_, chart) = drawn(&Rows { read: 1_000, quarantined: 250, loaded: None });
        let [read, clean, quarantined] = &chart.blocks[..] else { panic!("{chart:?}") };
        assert_eq!((read.height, clean.height, quarantined.height), (224.0, 168.0, 56.0));
        assert_eq!((read.y, clean.y, quarantined.y), (8.0, 8.0, 192.0));
    }

    fn rows() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 1..10_u64, 1..10_000_u64, 1..10_000_000_000_u64]
    }

    /// The links that end at this side of a node, where their ribbons do, and the x of that side.
    type Side = (fn(&Link) -> usize, fn(&Ribbon) -> Edge, f64);

    proptest! {
        #[test]
        fn ribbons_share_the_heights_of_their_nodes(
            [inserted, updated, unchanged, superseded, quarantined, unaccounted] in [rows(), rows(), rows(), rows(), rows(), rows()],
            was_loaded: bool,
            divisor in 1..20_u64,
        ) {
            let in_table = inserted + updated + unchanged;
            let matched = in_table / divisor;
            let loaded = Loaded { inserted, updated, unchanged, superseded, matched, unmatched: in_table - matched };
            let read = in_table + superseded + quarantined + unaccounted;
            let (diagram, chart) = drawn(&Rows { read, quarantined, loaded: was_loaded.then_some(loaded) });
            check(&chart);
            for (i, block) in chart.blocks.iter().enumerate() {
                let sides: [Side; 2] =
                    [(|link| link.to, |ribbon| ribbon.right, block.x), (|link| link.from, |ribbon| ribbon.left, block.x + NODE)];
                for (node, edge, x) in sides {
                    let here = diagram.links.iter().zip(&chart.ribbons).filter(|(link, _)| node(link) == i);
                    let edges: Vec<Edge> = here.map(|(_, ribbon)| edge(ribbon)).collect();
                    if let (Some(first), Some(last)) = (edges.first(), edges.last()) {
                        prop_assert!(edges.iter().all(|edge| (edge.x - x).abs() < 0.01));
                        prop_assert!(edges.windows(2).all(|pair| (pair[0].bottom - pair[1].top).abs() < 0.01), "{edges:?}");
                        prop_assert!((first.top - block.y).abs() < 0.01 && (last.bottom - block.y - block.height).abs() < 0.01, "{edges:?}");
                    }
                }
            }
        }
    }
}
