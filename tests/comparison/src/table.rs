//! Tables in Markdown.

use std::fmt::Write as _;

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

#[cfg(test)]
mod tests {
    use super::{Table, number};

    #[test]
    fn a_table_is_one_whatever_is_in_it() {
        let mut table = Table::new(["a", "b"]);
        table.row(["x|y\nz".to_owned(), number(Some(1.25), 1)]);
        table.row(["".to_owned(), number(None, 1)]);
        let text = "| a | b |\n| --- | ---: |\n| x\\|y z | 1.2 |\n|  | – |\n";
        assert_eq!(table.markdown(), text);
    }
}
