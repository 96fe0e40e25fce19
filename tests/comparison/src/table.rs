//! Tables in Markdown.

use std::fmt::Write as _;

use crate::summary::Spread;

/// One table.
#[derive(Debug, Default)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these columns.
    #[must_use]
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The text; all columns but the first are numbers.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = line(&self.head);
        let rule = (0..self.head.len()).map(|n| if n == 0 { "---" } else { "---:" }.to_owned());
        text += &line(&rule.collect::<Vec<_>>());
        self.rows.iter().for_each(|row| text += &line(row));
        text
    }
}

fn line(cells: &[String]) -> String {
    let mut line = String::from("|");
    for cell in cells {
        // A bar would begin the next cell.
        let _ = write!(line, " {} |", cell.replace('|', "\\|").replace('\n', " "));
    }
    line + "\n"
}

/// A number with a few digits, or nothing when there is none.
#[must_use]
pub fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or(String::from("–"), |value| format!("{value:.decimals$}"))
}

/// A median, with the smallest and the largest.
#[must_use]
pub fn between(spread: Option<Spread>, decimals: usize) -> String {
    bracketed(spread.map(|s| [s.median, s.least, s.most]), decimals)
}

/// A median, with what it lies between at 95 % confidence.
#[must_use]
pub fn within(spread: Option<Spread>, decimals: usize) -> String {
    bracketed(spread.map(|s| [s.median, s.from, s.to]), decimals)
}

fn bracketed(values: Option<[f64; 3]>, decimals: usize) -> String {
    let Some([middle, from, to]) = values else { return number(None, decimals) };
    format!("{middle:.decimals$} ({from:.decimals$} to {to:.decimals$})")
}

#[cfg(test)]
mod tests {
    use super::{Table, between, number, within};
    use crate::summary::Spread;

    #[test]
    fn a_spread_is_told_beside_the_median() {
        let spread = Spread::of([1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(between(spread, 1), "3.0 (1.0 to 5.0)");
        assert_eq!(within(Spread::of((1..=15).map(f64::from)), 0), "8 (3 to 13)");
        assert_eq!(within(None, 0), "–");
    }

    #[test]
    fn a_table_is_one_whatever_is_in_it() {
        let mut table = Table::new(["a", "b"]);
        table.row(["x|y\nz".to_owned(), number(Some(1.25), 1)]);
        table.row(["".to_owned(), number(None, 1)]);
        let text = "| a | b |\n| --- | ---: |\n| x\\|y z | 1.2 |\n|  | – |\n";
        assert_eq!(table.markdown(), text);
    }
}
