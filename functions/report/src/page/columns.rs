//! What is in the columns of the clean rows, and what is not as it was.

use crate::format;
use crate::model::Column;

const FIRST: usize = 25;
const REST: usize = 275;
const FREQUENT: usize = 3;

pub(crate) struct Columns {
    pub(crate) first: Vec<ColumnView>,
    pub(crate) rest: Vec<ColumnView>,
    pub(crate) left_out: usize,
    /// Whether there were runs to compare with.
    pub(crate) is_compared: bool,
}

pub(crate) struct ColumnView {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) nulls: String,
    pub(crate) distinct: String,
    pub(crate) min: String,
    pub(crate) max: String,
    pub(crate) mean: String,
    pub(crate) frequent: Vec<FrequentView>,
    pub(crate) moved: String,
}

pub(crate) struct FrequentView {
    pub(crate) value: String,
    pub(crate) share: String,
}

pub(crate) fn view(columns: &[Column]) -> Columns {
    let by = |column: &Column| column.moved.as_ref().map_or(0.0, |moved| moved.by);
    let mut ordered: Vec<&Column> = columns.iter().collect();
    // Stable: what has not moved keeps the table's order.
    ordered.sort_by(|a, b| by(b).total_cmp(&by(a)));
    Columns {
        first: ordered.iter().take(FIRST).map(|c| column(c)).collect(),
        rest: ordered.iter().skip(FIRST).take(REST).map(|c| column(c)).collect(),
        left_out: ordered.len().saturating_sub(FIRST + REST),
        is_compared: columns.iter().any(|column| column.moved.is_some()),
    }
}

fn column(column: &Column) -> ColumnView {
    let is_number = ["DECIMAL", "NUMERIC", "SMALLINT", "INTEGER", "BIGINT", "DOUBLE"].iter().any(|number| column.kind.starts_with(number));
    let value = |text: &Option<String>| {
        let text = text.as_deref().map_or_else(|| "–".to_owned(), format::moment);
        if is_number { format::decimal(&text) } else { text }
    };
    ColumnView {
        name: format::text(&column.name, 60),
        kind: format::text(&column.kind, 40),
        nulls: format::share(column.nulls, column.rows),
        distinct: format::count(column.distinct),
        min: value(&column.min),
        max: value(&column.max),
        mean: value(&column.mean),
        frequent: column
            .frequent
            .iter()
            .take(FREQUENT)
            .map(|frequent| FrequentView { value: format::text(&frequent.value, 40), share: format::share(frequent.rows, column.rows) })
            .collect(),
        // A number and its unit stay on one line.
        moved: column.moved.as_ref().map(|moved| format::text(&moved.what, 120).replace(" %", "\u{a0}%")).unwrap_or_default(),
    }
}
