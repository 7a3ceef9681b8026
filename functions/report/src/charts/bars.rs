//! Bars along an axis that starts at 0: lying ones for names and spans of time, upright ones for a series.

use super::{Anchor, Block, Chart, EM, LINE, PAD, Text, Tone, widest, width};
use crate::format;

/// A lying bar from `start` to `end`. The length of `label` is bounded by [`super::label`].
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) label: String,
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) tone: Tone,
}

/// An upright bar from 0 to `value`. The length of `label` is bounded by [`super::label`].
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) tone: Tone,
}

/// Height of a lying bar, and of the row that it has to itself.
const BAR_HEIGHT: f64 = 15.0;
const ROW_HEIGHT: f64 = 24.0;
/// Least length of a lying bar: what took no time is seen nevertheless.
const SLIVER: f64 = 2.0;
/// Half the width of the longest text at a tick, which reaches beyond the axis by that.
const REACH: f64 = 2.5 * EM;
/// Size of a chart with upright bars. Three of them fit side by side on the page.
const SERIES_WIDTH: f64 = 340.0;
const SERIES_HEIGHT: f64 = 180.0;

/// One bar a row, the first on top, with the labels at the left.
pub(crate) fn lying(spans: &[Span], unit: &str, chart_width: f64, words: String) -> Chart {
    let left = widest(spans.iter().map(|span| span.label.as_str())) + PAD;
    let bottom = ROW_HEIGHT * spans.len() as f64 + PAD;
    let most = spans.iter().map(|span| span.end).fold(0.0, f64::max);
    let axis = Axis::new(most, chart_width - left - REACH, |text| width(text) + PAD);
    let mut chart = Chart::new(chart_width, bottom + 2.0 * LINE, words);
    for &tick in &axis.ticks {
        let x = left + axis.at(tick);
        chart.blocks.push(Block { x, y: 0.0, width: 1.0, height: bottom - PAD / 2.0, tone: line(tick) });
        chart.texts.push(Text { x, y: bottom + LINE / 2.0, anchor: Anchor::Middle, text: format::tick(tick) });
    }
    let (x, y) = (left + axis.length / 2.0, bottom + 1.5 * LINE);
    chart.texts.push(Text { x, y, anchor: Anchor::Middle, text: unit.to_owned() });
    for (i, span) in spans.iter().enumerate() {
        let (start, end) = (axis.at(span.start), axis.at(span.end));
        let length = (end - start).max(SLIVER);
        let (x, y) = (left + start.min(axis.length - length), ROW_HEIGHT * (i as f64 + 0.5));
        chart.blocks.push(Block { x, y: y - BAR_HEIGHT / 2.0, width: length, height: BAR_HEIGHT, tone: span.tone });
        chart.texts.push(Text { x: left - PAD, y, anchor: Anchor::End, text: span.label.clone() });
    }
    chart
}

/// Bars side by side. As many of them have labels as there is room for, the last one always.
pub(crate) fn upright(bars: &[Bar], unit: &str, words: String) -> Chart {
    let (top, bottom) = (1.5 * LINE, SERIES_HEIGHT - 1.5 * LINE);
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let axis = Axis::new(most, bottom - top, |_| LINE);
    let ticks: Vec<String> = axis.ticks.iter().map(|&tick| format::tick(tick)).collect();
    let widest_label = widest(bars.iter().map(|bar| bar.label.as_str()));
    let left = (widest(ticks.iter().map(String::as_str)) + PAD).max(widest_label / 2.0);
    let room = SERIES_WIDTH - left - widest_label / 2.0;
    let mut chart = Chart::new(SERIES_WIDTH, SERIES_HEIGHT, words);
    chart.texts.push(Text { x: 0.0, y: LINE / 2.0, anchor: Anchor::Start, text: unit.to_owned() });
    for (&tick, text) in axis.ticks.iter().zip(ticks) {
        let y = bottom - axis.at(tick);
        chart.blocks.push(Block { x: left, y, width: room, height: 1.0, tone: line(tick) });
        chart.texts.push(Text { x: left - PAD, y, anchor: Anchor::End, text });
    }
    let pitch = room / bars.len() as f64;
    let every = (1..bars.len()).find(|&every| every as f64 * pitch >= widest_label + PAD).unwrap_or(bars.len());
    for (i, bar) in bars.iter().enumerate() {
        let (x, height) = (left + pitch * (i as f64 + 0.5), axis.at(bar.value));
        chart.blocks.push(Block { x: x - pitch * 0.4, y: bottom - height, width: pitch * 0.8, height, tone: bar.tone });
        if (bars.len() - 1 - i).is_multiple_of(every) {
            chart.texts.push(Text { x, y: SERIES_HEIGHT - LINE / 2.0, anchor: Anchor::Middle, text: bar.label.clone() });
        }
    }
    chart
}

/// From 0 to the last tick, `length` units long.
struct Axis {
    ticks: Vec<f64>,
    length: f64,
}

impl Axis {
    /// At most 4 steps or so, and fewer if the ticks' texts need it: `room` says how much of the axis one of them takes.
    fn new(most: f64, length: f64, room: fn(&str) -> f64) -> Self {
        let is_crowded = |ticks: &[f64]| {
            let most_room = ticks.iter().map(|&tick| room(&format::tick(tick))).fold(0.0, f64::max);
            most_room * (ticks.len() - 1) as f64 > length
        };
        let mut steps = 4;
        while steps > 1 && is_crowded(&ticks(most, steps)) {
            steps -= 1;
        }
        Self { ticks: ticks(most, steps), length }
    }

    fn at(&self, value: f64) -> f64 {
        let end = self.ticks.last().copied().unwrap_or(1.0);
        value.clamp(0.0, end) / end * self.length
    }
}

fn line(tick: f64) -> Tone {
    if tick == 0.0 { Tone::Axis } else { Tone::Grid }
}

/// Values from 0 to the first that is not below `most`, about `steps` steps of 1, 2 or 5 × 10ⁿ.
/// Rounds as Heckbert does in "Nice Numbers for Graph Labels", Graphics Gems, 1990.
fn ticks(most: f64, steps: u8) -> Vec<f64> {
    // What is less has no text of its own, and no count of rows is more.
    if most < 1e-6 {
        return vec![0.0, 1.0];
    }
    let rough = most.min(1e20) / f64::from(steps);
    let magnitude = 10_f64.powf(rough.log10().floor());
    let step = magnitude
        * match rough / magnitude {
            f if f < 1.5 => 1.0,
            f if f < 3.0 => 2.0,
            f if f < 7.0 => 5.0,
            _ => 10.0,
        };
    let mut ticks = vec![0.0];
    while ticks.last().is_some_and(|&last| last < most.min(1e20)) {
        ticks.push(step * ticks.len() as f64);
    }
    ticks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{label, tests::check};
    use super::*;

    #[test]
    fn ticks_are_nice_numbers() {
        let check = |most, expected: &[&str]| {
            let texts: Vec<String> = ticks(most, 4).into_iter().map(format::tick).collect();
            assert_eq!(texts, expected, "{most}");
        };
        check(0.0, &["0", "1"]);
        check(0.000_54, &["0", "0.0001", "0.0002", "0.0003", "0.0004", "0.0005", "0.0006"]);
        check(0.014, &["0", "0.005", "0.01", "0.015"]);
        check(0.3, &["0", "0.1", "0.2", "0.3"]);
        check(1.0, &["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        check(18.7, &["0", "5", "10", "15", "20"]);
        check(117.0, &["0", "20", "40", "60", "80", "100", "120"]);
        check(10_000.0, &["0", "2,000", "4,000", "6,000", "8,000", "10,000"]);
        check(4_100_000.0, &["0", "1.0 M", "2.0 M", "3.0 M", "4.0 M", "5.0 M"]);
    }

    #[test]
    fn the_last_bar_has_a_label() {
        let bars: Vec<Bar> = (1..=30).map(|day| Bar { label: format!("11-{day:02}"), value: 1.0, tone: Tone::Same }).collect();
        let labels: Vec<String> = upright(&bars, "rows", String::new()).texts.into_iter().map(|text| text.text).collect();
        assert_eq!(labels[labels.len() - 6..], ["11-05", "11-10", "11-15", "11-20", "11-25", "11-30"]);
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![Just(0.0), 0.0..1.0, 0.0..100.0, 0.0..1e9, 0.0..f64::MAX, any::<u64>().prop_map(|n| n as f64)]
    }

    proptest! {
        #[test]
        fn ticks_reach_the_most_in_equal_steps(most in 0.0..1e20, exponent in -26..0_i32, steps in 1_u8..=5) {
            let most = most * 10_f64.powi(exponent);
            let ticks = ticks(most, steps);
            let step = ticks[1];
            prop_assert!(ticks.len() >= 2 && ticks.len() <= 3 + 2 * usize::from(steps), "{ticks:?}");
            prop_assert!(ticks[ticks.len() - 1] >= most && ticks[ticks.len() - 2] <= most);
            prop_assert!(ticks.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < step * 1e-9), "{ticks:?}");
        }

        #[test]
        fn charts_are_sound_whatever_they_show(given in prop::collection::vec((".{0,40}", value(), value()), 1..40)) {
            let spans = |suffix: &str| {
                let label = |text: &str| format!("{}{suffix}", label(text));
                let span = |(text, a, b): &(String, f64, f64)| Span { label: label(text), start: a.min(*b), end: a.max(*b), tone: Tone::Bad };
                given.iter().map(span).collect::<Vec<Span>>()
            };
            check(&lying(&spans(" · 12 min 5 s"), "seconds since the start", 500.0, String::new()));
            check(&lying(&spans(""), "rows quarantined", 390.0, String::new()));
            let day = |text: &str| label(&text.chars().take(5).collect::<String>());
            let bar = |(text, value, _): &(String, f64, f64)| Bar { label: day(text), value: *value, tone: Tone::Same };
            let bars: Vec<Bar> = given.iter().map(bar).collect();
            check(&upright(&bars, "US dollars", String::new()));
        }

        #[test]
        fn lengths_are_in_proportion(a in 0.0..1e6_f64, b in 0.0..1e6_f64) {
            let bars = [a, b].map(|value| Bar { label: String::new(), value, tone: Tone::Read });
            let [first, second] = {
                let blocks = upright(&bars, "rows", String::new()).blocks;
                [blocks[blocks.len() - 2].height, blocks[blocks.len() - 1].height]
            };
            prop_assert!((first * b - second * a).abs() < 1e-3 * a.max(b).max(1.0));
        }
    }
}
