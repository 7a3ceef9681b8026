//! How long the run took, what it cost, and how that is beside the runs before.

use crate::charts::{self, Bar, Chart, Span, Tone};
use crate::format;
use crate::model::{Cost, CostItem, Outcome, PastRun, Report, Rows, Speed, State};

use super::verdict;

/// States in the chart, and in the table.
const CHART: usize = 40;
const STATES: usize = 100;
const ITEMS: usize = 40;
/// This one among them.
const RUNS: usize = 30;

pub(crate) struct Time {
    /// The states along the time; `None` if no state is known.
    pub(crate) gantt: Option<Chart>,
    pub(crate) states: Vec<StateView>,
    pub(crate) more_states: usize,
    pub(crate) speeds: Vec<SpeedView>,
    pub(crate) items: Vec<ItemView>,
    pub(crate) total: String,
    pub(crate) cost_note: String,
    pub(crate) trends: Vec<Trend>,
    pub(crate) runs: Vec<RunView>,
}

pub(crate) struct StateView {
    pub(crate) name: String,
    pub(crate) start: String,
    pub(crate) took: String,
    pub(crate) visits: String,
    pub(crate) retries: String,
    pub(crate) outcome: &'static str,
}

pub(crate) struct SpeedView {
    pub(crate) what: String,
    pub(crate) bytes: String,
    pub(crate) seconds: String,
    pub(crate) speed: String,
}

pub(crate) struct ItemView {
    pub(crate) what: String,
    pub(crate) quantity: String,
    pub(crate) unit: String,
    pub(crate) price: String,
    pub(crate) dollars: String,
}

pub(crate) struct Trend {
    pub(crate) name: &'static str,
    pub(crate) chart: Chart,
}

/// A run as a line of a table, here and in the index.
pub(crate) struct RunView {
    pub(crate) run_id: String,
    /// Its folder, from the folder of all runs.
    pub(crate) folder: String,
    pub(crate) started_at: String,
    pub(crate) word: &'static str,
    pub(crate) class: &'static str,
    pub(crate) error: String,
    pub(crate) read: String,
    pub(crate) loaded: String,
    pub(crate) quarantined: String,
    pub(crate) bytes: String,
    pub(crate) seconds: String,
    pub(crate) cost: String,
}

pub(crate) fn view(report: &Report) -> Time {
    let Cost { items, total, note } = &report.cost;
    Time {
        gantt: gantt(&report.states),
        states: report.states.iter().take(STATES).map(state).collect(),
        more_states: report.states.len().saturating_sub(STATES),
        speeds: report.speeds.iter().take(ITEMS).map(speed).collect(),
        items: items.iter().take(ITEMS).map(item).collect(),
        total: format::dollars(*total),
        cost_note: format::text(note, 2_000),
        trends: trends(report),
        runs: report.history.iter().take(RUNS - 1).map(run).collect(),
    }
}

pub(crate) fn run(run: &PastRun) -> RunView {
    let rows = |of: fn(&Rows) -> Option<u64>| run.rows.as_ref().and_then(of).map_or_else(|| "–".to_owned(), format::count);
    RunView {
        run_id: format::text(&run.run_id, 80),
        folder: format::path_segment(&run.run_id.chars().take(80).collect::<String>()),
        started_at: format::moment(&run.started_at),
        word: verdict::word(run.outcome),
        class: verdict::class(run.outcome),
        error: run.error.as_deref().map(|error| format::text(error, 60)).unwrap_or_default(),
        read: rows(|rows| Some(rows.read)),
        loaded: rows(|rows| rows.loaded.map(|loaded| loaded.rows())),
        quarantined: rows(|rows| Some(rows.quarantined)),
        bytes: run.bytes.map_or_else(|| "–".to_owned(), format::bytes),
        seconds: format::seconds(run.seconds),
        cost: format::dollars(run.cost),
    }
}

fn gantt(states: &[State]) -> Option<Chart> {
    let longest = states.iter().max_by(|a, b| a.took.total_cmp(&b.took))?;
    let span = |state: &State| Span {
        label: format!("{} · {}", charts::label(&state.name), format::seconds(state.took)),
        start: state.start,
        end: state.end,
        tone: if state.has_failed { Tone::Bad } else { Tone::Read },
    };
    let spans: Vec<Span> = states.iter().take(CHART).map(span).collect();
    let words = format!("Time line of the states; the longest was {} {}", charts::label(&longest.name), format::seconds(longest.took));
    Some(charts::lying(&spans, "seconds since the start", 500.0, words))
}

fn state(state: &State) -> StateView {
    StateView {
        name: format::text(&state.name, 80),
        start: format::seconds(state.start),
        took: format::seconds(state.took),
        visits: state.visits.to_string(),
        retries: state.retries.to_string(),
        outcome: if state.has_failed { "failed" } else { "done" },
    }
}

fn speed(speed: &Speed) -> SpeedView {
    SpeedView {
        what: format::text(&speed.what, 80),
        bytes: format::bytes(speed.bytes),
        seconds: format::seconds(speed.seconds),
        speed: format::speed(speed.bytes, speed.seconds),
    }
}

fn item(item: &CostItem) -> ItemView {
    ItemView {
        what: format::text(&item.what, 80),
        quantity: format::quantity(item.quantity),
        unit: format::text(&item.unit, 40),
        price: format::price(item.price),
        dollars: format::dollars(item.dollars),
    }
}

/// What the charts of the last runs show of one.
struct Point {
    day: String,
    outcome: Outcome,
    rows: u64,
    seconds: f64,
    dollars: f64,
}

/// One bar a run, the oldest first and this one last.
fn trends(report: &Report) -> Vec<Trend> {
    if report.history.is_empty() {
        return Vec::new();
    }
    let day = |started_at: &str| started_at.get(5..10).unwrap_or_default().to_owned();
    let past = report.history.iter().take(RUNS - 1).map(|run| Point {
        day: day(&run.started_at),
        outcome: run.outcome,
        rows: run.rows.map_or(0, |rows| rows.read),
        seconds: run.seconds,
        dollars: run.cost,
    });
    let mut points: Vec<Point> = past.collect();
    points.reverse();
    points.push(Point {
        day: day(&report.run.started_at),
        outcome: report.verdict.outcome,
        rows: report.rows.map_or(0, |rows| rows.read),
        seconds: report.run.seconds,
        dollars: report.cost.total,
    });
    vec![
        trend("Rows read", "rows", &points, |point| format::ratio(point.rows, 1)),
        trend("Time", "seconds", &points, |point| point.seconds),
        trend("Cost", "US dollars", &points, |point| point.dollars),
    ]
}

fn trend(name: &'static str, unit: &str, points: &[Point], of: fn(&Point) -> f64) -> Trend {
    let bar = |(i, point): (usize, &Point)| Bar {
        label: charts::label(&point.day),
        value: of(point),
        tone: match verdict::class(point.outcome) {
            "bad" => Tone::Bad,
            _ if i + 1 == points.len() => Tone::Read,
            _ => Tone::Same,
        },
    };
    let bars: Vec<Bar> = points.iter().enumerate().map(bar).collect();
    let words = format!("Bars: {unit} of each of the last {} runs, oldest first, this one last", bars.len());
    Trend { name, chart: charts::upright(&bars, unit, words) }
}
