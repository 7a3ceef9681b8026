//! The pages as a browser would read them: parsed, and their structure looked at.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod parsed;

use parsed::{Page, text_of};
use report::model::{Broken, Column, Frequent, Loaded, Moved, Outcome, PastRun, Report, Rows, RunError, Sample, Source, State, Sum};

const KEPT: [&str; 4] = ["balanced", "failed", "nothing", "planned"];
const TWO_MIB: usize = 2 << 20;

fn kept(name: &str) -> Report {
    let path = format!("{}/tests/reports/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn html(report: &Report) -> String {
    report::page::html(report).unwrap()
}

/// All that a page is whatever it tells of.
fn check_page(html: &str) {
    assert!(!html.to_lowercase().contains("<script"), "a script");
    let page = Page::of(html);
    assert_eq!(page.errors, Vec::<String>::new(), "what a parser must mend");
    assert_eq!(page.all("h1").len(), 1);
    assert_eq!(page.all("main").len(), 1);
    assert_eq!(page.all("html")[0].attribute("lang").as_deref(), Some("en"));
    check_headings(&page);
    check_references(&page);
    check_tables(&page);
    check_charts(&page);
    for scrolled in page.all("div").iter().filter(|div| div.attribute("class").as_deref() == Some("scroll")) {
        assert_eq!(scrolled.attribute("tabindex").as_deref(), Some("0"));
        assert!(scrolled.attribute("aria-label").is_some_and(|label| !label.is_empty()));
    }
}

fn check_headings(page: &Page) {
    let mut level = 0;
    for heading in page.elements.iter().filter(|e| ["h1", "h2", "h3", "h4"].contains(&e.name.as_str())) {
        let this = heading.name[1..].parse::<u32>().unwrap();
        assert!(this <= level + 1, "{} under a heading of level {level}", heading.name);
        level = this;
    }
}

/// Nothing is fetched, nothing runs, and links lead to a run's page, to all runs, or to the console.
fn check_references(page: &Page) {
    let mut ids = std::collections::HashSet::new();
    for element in &page.elements {
        assert!(!["script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use"].contains(&element.name.as_str()));
        for (name, value) in &element.attributes {
            assert!(!name.starts_with("on"), "{name} of {}", element.name);
            match name.as_str() {
                "href" if element.name == "a" => {
                    let is_run = value.ends_with("/report.html") && !value.contains(':') && !value.starts_with("//");
                    assert!(is_run || value == "../index.html" || value.starts_with("https://"), "{value}");
                }
                "src" | "href" | "srcset" | "action" | "background" | "poster" | "data" => panic!("{name}={value} of {}", element.name),
                "id" => assert!(ids.insert(value.clone()), "the id {value} twice"),
                _ => {}
            }
        }
    }
    let urls = page
        .elements
        .iter()
        .flat_map(|e| e.attributes.iter().filter(|(name, _)| name != "aria-label").map(|(_, value)| value).chain(e.style.as_ref()));
    for url in urls.flat_map(|value| value.split("url(").skip(1)) {
        let id = url.strip_prefix('#').and_then(|rest| rest.split_once(')')).expect("a reference within the page").0;
        assert!(ids.contains(id), "url(#{id}) leads nowhere");
    }
    for named in page.elements.iter().filter_map(|e| e.attribute("aria-labelledby")) {
        assert!(ids.contains(&named), "{named}");
    }
}

fn check_tables(page: &Page) {
    for table in page.all("table") {
        let rows = table.within("tr");
        let columns = rows[0].within("th").len();
        assert!(columns > 1 && rows.len() > 1);
        for row in &rows {
            assert_eq!(row.within("th").len() + row.within("td").len(), columns, "{}", text_of(row));
        }
        for header in table.within("th") {
            assert!(matches!(header.attribute("scope").as_deref(), Some("col" | "row")));
        }
    }
}

fn check_charts(page: &Page) {
    for chart in page.all("svg") {
        assert_eq!(chart.attribute("role").as_deref(), Some("img"));
        assert!(chart.attribute("aria-label").is_some_and(|label| label.len() > 10));
    }
    for (name, value) in page.elements.iter().flat_map(|e| &e.attributes) {
        match name.as_str() {
            "fill" | "stroke" => panic!("{name}={value}: colours are the style sheet's, which has one for each scheme"),
            "d" | "x" | "y" | "width" | "height" | "viewBox" => {
                assert!(!value.contains("NaN") && !value.contains("inf"), "{name}={value}");
            }
            _ => {}
        }
    }
}

#[test]
fn every_kind_of_run_has_a_sound_page() {
    for name in KEPT {
        check_page(&html(&kept(name)));
    }
}

#[test]
fn the_same_report_is_the_same_page() {
    for name in KEPT {
        assert_eq!(html(&kept(name)), html(&kept(name)));
    }
}

#[test]
fn the_verdict_comes_first() {
    let check = |name, expected: &[&str]| {
        let html = html(&kept(name));
        let page = Page::of(&html);
        let verdict = text_of(page.all("section")[0]);
        for words in expected {
            assert!(verdict.contains(words), "{words} in {verdict}");
        }
    };
    check("balanced", &["balanced", "every row read was loaded, superseded or quarantined"]);
    check("failed", &["failed: QualityGateFailed", "1,491 of 10,000 records", "In state MergeAndClean"]);
    check("nothing", &["nothing to load", "the table is as it was", "run-20261125-023141"]);
    check("planned", &["planned", "rolled back"]);
}

#[test]
fn figures_are_those_of_the_report() {
    let html = html(&kept("balanced"));
    let page = Page::of(&html);
    let text = text_of(page.all("main")[0]);
    for words in [
        "10,000 read = 9,587 loaded + 200 superseded + 213 quarantined",
        "9,385 found their customer, 202 did not",
        "loaded 28,962,818.08 + superseded 345,049.10",
        "500 read = 485 kept + 10 superseded + 5 quarantined",
        "nulls 0.2\u{a0}% → 14\u{a0}%",
        "3.0 MB/s",
        "US$ 0.014",
        "2026-11-26 02:35:27 UTC",
    ] {
        assert!(text.contains(words), "{words}");
    }
    // What moved most stands on top, and one sees who failed.
    assert!(text.find("payment_method").unwrap() < text.find("transaction_id VARCHAR").unwrap_or(usize::MAX));
    assert!(text.contains("SourceMissing"));
}

#[test]
fn without_rows_there_is_a_sentence_and_no_chart() {
    let html = html(&kept("nothing"));
    assert!(html.contains("No row was read."));
    assert!(!html.contains("Flow of the rows"));
}

#[test]
fn charts_of_nothing_are_sound() {
    let mut report = kept("balanced");
    report.history.iter_mut().for_each(|run| (run.seconds, run.cost, run.rows) = (0.0, 0.0, None));
    report.states.iter_mut().for_each(|state| (state.start, state.end) = (0.0, 0.0));
    (report.rows, report.run.seconds, report.cost.total) = (None, 0.0, 0.0);
    report.quarantine.iter_mut().for_each(|broken| broken.rows = 0);
    check_page(&html(&report));
    report.states.truncate(1);
    report.history.truncate(1);
    check_page(&html(&report));
    report.rows = Some(Rows { read: 1, quarantined: 1, loaded: Some(Loaded::default()) });
    check_page(&html(&report));
}

/// In both schemes: what is read 4.5 to 1, as WCAG 2.2 wants it at AA, what is looked at 3 to 1; also before the ribbons of the flow.
#[test]
fn colours_stand_out() {
    let style = include_str!("../templates/style.css");
    let schemes: Vec<&str> = style.split("--paper: ").skip(1).collect();
    assert_eq!(schemes.len(), 3, "light, dark, print");
    for scheme in schemes {
        let colour = |name: &str| {
            let rest = if name == "paper" { scheme } else { scheme.split_once(&format!("--{name}: ")).unwrap().1 };
            rgb(rest.split_once(';').unwrap().0)
        };
        let (paper, card) = (colour("paper"), colour("card"));
        for text in ["ink", "soft", "link", "good", "bad", "same"] {
            for ground in [paper, card] {
                assert!(contrast(colour(text), ground) >= 4.5, "{text}: {:.2}", contrast(colour(text), ground));
            }
        }
        for shape in ["read", "good", "same", "aside", "bad", "line"] {
            assert!(contrast(colour(shape), paper) >= 3.0, "{shape}");
            let ribbon = std::array::from_fn(|i| 0.4 * colour(shape)[i] + 0.6 * paper[i]);
            assert!(contrast(colour("ink"), ribbon) >= 4.5, "ink before {shape}");
        }
    }
}

fn rgb(hex: &str) -> [f64; 3] {
    let digits = hex.strip_prefix('#').unwrap();
    let width = digits.len() / 3;
    std::array::from_fn(|i| {
        let value = f64::from(u8::from_str_radix(&digits[i * width..(i + 1) * width], 16).unwrap());
        if width == 1 { value / 15.0 } else { value / 255.0 }
    })
}

/// As WCAG defines it, of sRGB.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let luminance = |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    a.max(b) / a.min(b)
}

/// The worst that a source may hold.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</svg></pre></details><!--",
    "'; url(https://example.org/x) javascript:alert(1) {{ 7 * 7 }}",
    "\u{202e}\u{2066}gnp.exe \u{200f}שלום مرحبا",
    "\0\u{1}\u{8}\u{b}\u{1b}[31m\u{7f}\u{85}\u{9b}\r\n\t",
    "$x^2$ \\$ $\\frac{a}{b}$ & &amp; &#60;script&#62;",
    "]]></style><style>*{display:none}</style>\u{feff}\u{fffe}\u{10ffff}",
];

/// A report in which all that can come from outside is `evil`, and as much of it as there can be.
fn wide(evil: &str, rules: usize, columns: usize) -> Report {
    let mut report = kept("balanced");
    let some = || Some(evil.to_owned());
    let sample = || Sample { offset: u64::MAX, record_bytes: u64::MAX, text: evil.to_owned() };
    let run = &mut report.run;
    for field in [&mut run.run_id, &mut run.pipeline, &mut run.started_at, &mut run.ended_at, &mut run.console, &mut run.bucket] {
        evil.clone_into(field);
    }
    (run.table, run.contract_version, run.input) = (some(), some(), serde_json::json!({ "text": vec![evil; 9] }));
    report.verdict.outcome = Outcome::Failed;
    report.verdict.note = some();
    report.verdict.error = Some(RunError { name: evil.to_owned(), message: evil.to_owned(), state: some() });
    let (name, text) = (|i: usize| format!("{i}{evil}"), || evil.to_owned());
    report.sources =
        vec![Source { name: text(), uri: text(), version: text(), bytes: u64::MAX, records: Some(u64::MAX), modified_at: some() }; 200];
    let parts = (0..9).map(|i| (name(i), text())).collect();
    report.sums = vec![Sum { column: text(), clean: text(), parts }; 100];
    report.quarantine = (0..rules)
        .map(|i| Broken { source: text(), rule: name(i), column: Some(name(i)), rows: i as u64, samples: vec![sample(); 9] })
        .collect();
    let moved = Moved { null_share: 0.5, distinct: 1e9, mean: Some(-1e300), by: 0.5, what: text() };
    report.columns = (0..columns)
        .map(|i| Column {
            name: name(i),
            kind: text(),
            rows: u64::MAX,
            nulls: 1,
            distinct: u64::MAX,
            min: some(),
            max: some(),
            mean: some(),
            frequent: vec![Frequent { value: text(), rows: u64::MAX }; 9],
            moved: (i % 2 == 0).then(|| Moved { by: i as f64, ..moved.clone() }),
        })
        .collect();
    report.states =
        vec![State { name: text(), start: 0.0, end: 1e9, took: 1e9, visits: u32::MAX, retries: u32::MAX, has_failed: true }; 500];
    report.speeds.iter_mut().for_each(|speed| speed.what = text());
    report.cost.items = vec![report.cost.items[0].clone(); 200];
    report.cost.items.iter_mut().for_each(|item| (item.what, item.unit) = (text(), text()));
    report.cost.note = text();
    let past = PastRun { run_id: text(), started_at: text(), error: some(), ..report.history[0].clone() };
    report.history = vec![past; 400];
    report
}

#[test]
fn a_page_is_harmless_and_sound_whatever_it_shows() {
    for evil in HOSTILE {
        let report = wide(evil, 20, 20);
        check_page(&html(&report));
        check_page(&report::index::html(&report.history).unwrap());
    }
}

#[test]
fn what_is_shown_of_a_record_is_the_record() {
    for (evil, shown) in [
        (HOSTILE[0], "<script>alert(1)</script>"),
        (HOSTILE[4], "⟨U+202E⟩⟨U+2066⟩gnp.exe ⟨U+200F⟩שלום مرحبا"),
        (HOSTILE[5], "␀␁␈␋␛[31m␡⟨U+0085⟩⟨U+009B⟩␍␊␉"),
        (HOSTILE[6], HOSTILE[6]),
    ] {
        let html = html(&wide(evil, 1, 1));
        let page = Page::of(&html);
        let record = &page.all("pre")[0];
        assert_eq!(text_of(record), shown);
        assert_eq!(record.attribute("dir").as_deref(), Some("auto"));
    }
}

#[test]
fn text_on_a_chart_is_that_text() {
    for (evil, shown) in [("</svg></pre><!--", "</svg></pre><!--"), ("US$ $x$ & more", "US$ $x$ & more"), ("a\u{202e}\0", "a⟨U+202E⟩␀")]
    {
        let html = html(&wide(evil, 2, 1));
        let page = Page::of(&html);
        let texts: Vec<String> = page.all("text").into_iter().map(text_of).collect();
        assert!(texts.contains(&format!("1{shown}")), "{shown} among {texts:?}");
    }
}

#[test]
fn a_page_is_below_two_mebibytes_whatever_its_run() {
    // Each an extreme: escaped to most bytes, written out to most, of most bytes by itself, and plain and long.
    for evil in ["\"".repeat(10_000), "\u{202e}".repeat(10_000), "😀".repeat(10_000), "plain text ".repeat(1_000)] {
        let report = wide(&evil, 1_000, 300);
        let runs = vec![report.history[0].clone(); 5_000];
        for html in [html(&report), report::index::html(&runs).unwrap()] {
            assert!(html.len() < TWO_MIB, "{} bytes of {:.1}…", html.len(), evil);
        }
    }
}

#[test]
fn of_many_the_most_important_are_open() {
    let html = html(&wide("rule", 1_000, 300));
    let page = Page::of(&html);
    let text = text_of(page.all("main")[0]);
    assert!(text.contains("200 more rules, each with fewer rows; 788 others are in report.json"));
    assert!(text.contains("275 more columns"));
    let is_hidden = |words: &str| page.all("details").iter().any(|details| text_of(details).contains(words));
    assert!(!is_hidden("298rule") && is_hidden("1rule"), "the column that moved most is open, one that did not is not");
    assert!(text.contains("999rule") && !text.contains("500rule"), "the rule that most rows broke");
}

#[test]
fn the_index_lists_the_newest_first() {
    let mut runs = kept("balanced").history;
    runs.rotate_left(7);
    let html = report::index::html(&runs).unwrap();
    check_page(&html);
    let page = Page::of(&html);
    let started: Vec<String> = page.all("tr").iter().skip(1).map(|row| text_of(&row.within("td")[0])).collect();
    assert_eq!(started.len(), runs.len());
    assert!(started.is_sorted_by(|a, b| a > b), "{started:?}");
    let link = page.all("a")[0].attribute("href").unwrap();
    assert_eq!(link, format!("{}/report.html", text_of(page.all("a")[0])));
    check_page(&report::index::html(&[]).unwrap());
}
