//! Where the rows went.

use crate::charts::{self, Chart, Link, Node, Tone};
use crate::format;
use crate::model::{Loaded, Rows, Sum};

/// The flow as a diagram: nodes in columns, and the rows that go from one to another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Diagram {
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
}

impl Diagram {
    fn node(&mut self, label: String, column: usize, tone: Tone) -> usize {
        self.nodes.push(Node { label, column, tone });
        self.nodes.len() - 1
    }

    /// A node and its link; `None` when no row goes there.
    fn flow(&mut self, from: usize, name: &str, rows: u64, tone: Tone) -> Option<usize> {
        if rows == 0 {
            return None;
        }
        let column = self.nodes[from].column + 1;
        let to = self.node(format!("{name} {}", format::count(rows)), column, tone);
        self.links.push(Link { from, to, rows });
        Some(to)
    }
}

/// Of the rows read to their fates, and of those loaded to whether their customer was found.
pub(crate) fn diagram(rows: &Rows) -> Diagram {
    let mut diagram = Diagram::default();
    if rows.read == 0 {
        return diagram;
    }
    let read = diagram.node(format!("read {}", format::count(rows.read)), 0, Tone::Read);
    match &rows.loaded {
        None => {
            diagram.flow(read, "clean", rows.read.saturating_sub(rows.quarantined), Tone::Good);
        }
        Some(loaded) => {
            let stays = [
                ("inserted", loaded.inserted, Tone::Good),
                ("updated", loaded.updated, Tone::Good),
                ("unchanged", loaded.unchanged, Tone::Same),
            ];
            let stays: Vec<_> = stays.into_iter().filter_map(|(name, n, tone)| Some((diagram.flow(read, name, n, tone)?, n))).collect();
            if !stays.is_empty() {
                let in_table = diagram.node(format!("loaded {}", format::count(loaded.rows())), 2, Tone::Good);
                diagram.links.extend(stays.iter().map(|&(from, rows)| Link { from, to: in_table, rows }));
                if loaded.matched + loaded.unmatched > 0 {
                    diagram.flow(in_table, "matched", loaded.matched, Tone::Good);
                    diagram.flow(in_table, "unmatched", loaded.unmatched, Tone::Aside);
                }
            }
            diagram.flow(read, "superseded", loaded.superseded, Tone::Aside);
        }
    }
    diagram.flow(read, "quarantined", rows.quarantined, Tone::Bad);
    diagram.flow(read, "unaccounted", unaccounted(rows), Tone::Bad);
    diagram
}

/// Rows read that nothing is known of: none, or the law is broken.
fn unaccounted(rows: &Rows) -> u64 {
    rows.loaded.map_or(0, |loaded| rows.read.saturating_sub(loaded.rows() + loaded.superseded + rows.quarantined))
}

/// The law in this run's figures.
pub(crate) fn sentence(rows: &Rows) -> String {
    let n = format::count;
    match &rows.loaded {
        Some(Loaded { superseded, .. }) => {
            let loaded = rows.loaded.map_or(0, |loaded| loaded.rows());
            let missing = unaccounted(rows);
            let rest = if missing > 0 { format!(" + {} unaccounted for", n(missing)) } else { String::new() };
            format!(
                "{} read = {} loaded + {} superseded + {} quarantined{rest}",
                n(rows.read),
                n(loaded),
                n(*superseded),
                n(rows.quarantined)
            )
        }
        None => format!(
            "{} read = {} clean, none of them loaded + {} quarantined",
            n(rows.read),
            n(rows.read.saturating_sub(rows.quarantined)),
            n(rows.quarantined)
        ),
    }
}

pub(crate) struct Flow {
    /// `None` without rows.
    pub(crate) chart: Option<Chart>,
    pub(crate) sentence: String,
    /// How the table's rows came to be there, and whether they found their customer.
    pub(crate) detail: String,
    pub(crate) sums: Vec<SumView>,
    pub(crate) more_sums: usize,
}

pub(crate) struct SumView {
    pub(crate) column: String,
    pub(crate) clean: String,
    /// `loaded 1.00 + superseded 2.00`.
    pub(crate) parts: String,
}

const SUMS: usize = 30;

pub(crate) fn view(rows: Option<&Rows>, sums: &[Sum]) -> Flow {
    let shown = sums.iter().take(SUMS).map(sum).collect();
    let more_sums = sums.len().saturating_sub(SUMS);
    let Some(rows) = rows.filter(|rows| rows.read > 0) else {
        return Flow { chart: None, sentence: String::new(), detail: String::new(), sums: shown, more_sums };
    };
    let diagram = diagram(rows);
    let sentence = sentence(rows);
    let words = format!("Flow of the rows: {sentence}");
    let chart = Some(charts::sankey(&diagram.nodes, &diagram.links, words));
    Flow { chart, sentence, detail: rows.loaded.as_ref().map(detail).unwrap_or_default(), sums: shown, more_sums }
}

fn detail(loaded: &Loaded) -> String {
    let n = format::count;
    let fates =
        format!("Of those loaded, {} inserted, {} updated, {} unchanged", n(loaded.inserted), n(loaded.updated), n(loaded.unchanged));
    if loaded.matched + loaded.unmatched == 0 {
        return format!("{fates}.");
    }
    format!("{fates}; {} found their customer, {} did not.", n(loaded.matched), n(loaded.unmatched))
}

fn sum(sum: &Sum) -> SumView {
    let figure = |text: &str| format::decimal(&format::text(text, 60));
    let parts: Vec<String> =
        sum.parts.iter().take(8).map(|(fate, value)| format!("{} {}", format::text(fate, 30), figure(value))).collect();
    SumView { column: format::text(&sum.column, 80), clean: figure(&sum.clean), parts: parts.join(" + ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What flows into the nodes of a label and what flows out.
    fn through(diagram: &Diagram, node: usize) -> (u64, u64) {
        let sum = |at: fn(&Link) -> usize| diagram.links.iter().filter(|link| at(link) == node).map(|link| link.rows).sum();
        (sum(|link| link.to), sum(|link| link.from))
    }

    /// The law, for every mixture of fates, some of them without rows.
    #[test]
    fn as_many_rows_leave_a_node_as_reach_it() {
        let few = [0, 1, 9_000];
        for mix in 0..3_usize.pow(5) {
            let [inserted, updated, unchanged, superseded, quarantined] = [1, 3, 9, 27, 81].map(|place| few[mix / place % 3]);
            for is_joined in [false, true] {
                let in_table = inserted + updated + unchanged;
                let (matched, unmatched) = if is_joined { (in_table - in_table / 3, in_table / 3) } else { (0, 0) };
                let loaded = Loaded { inserted, updated, unchanged, superseded, matched, unmatched };
                let read = in_table + superseded + quarantined;
                let rows = Rows { read, quarantined, loaded: Some(loaded) };
                let diagram = diagram(&rows);
                assert!(diagram.links.iter().all(|link| link.rows > 0), "{diagram:?}");
                let mut ended = 0;
                for (i, node) in diagram.nodes.iter().enumerate() {
                    let (reaching, leaving) = through(&diagram, i);
                    match (node.column, leaving) {
                        (0, _) => assert_eq!((reaching, leaving), (0, read), "{rows:?}"),
                        (_, 0) => ended += reaching,
                        _ => assert_eq!(reaching, leaving, "{} of {rows:?}", node.label),
                    }
                }
                assert_eq!(ended, read, "{rows:?}");
            }
        }
    }

    #[test]
    fn a_run_that_did_not_load_shows_what_was_clean() {
        let diagram = diagram(&Rows { read: 1_000, quarantined: 400, loaded: None });
        let labels: Vec<_> = diagram.nodes.iter().map(|node| node.label.as_str()).collect();
        assert_eq!(labels, ["read 1,000", "clean 600", "quarantined 400"]);
    }

    #[test]
    fn what_the_law_misses_is_shown() {
        let loaded = Loaded { inserted: 90, ..Loaded::default() };
        let rows = Rows { read: 100, quarantined: 4, loaded: Some(loaded) };
        assert!(diagram(&rows).nodes.iter().any(|node| node.label == "unaccounted 6"));
        assert_eq!(sentence(&rows), "100 read = 90 loaded + 0 superseded + 4 quarantined + 6 unaccounted for");
    }
}
