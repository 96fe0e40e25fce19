//! What was measured against how much of something there was.

use std::fmt;

use comparison::table::{Table, number};

/// Measurements over one axis.
pub(crate) struct Figure {
    /// The name of its plot's file.
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    /// What there is more and more of.
    pub(crate) of: &'static str,
    pub(crate) unit: &'static str,
    /// What a single one of them is, when the table tells what each costs, too.
    pub(crate) each: Option<&'static str>,
    /// What a reader has to know of the method.
    pub(crate) how: &'static str,
    pub(crate) series: Vec<Series>,
}

/// One line of a plot.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// How many, and what it took: medians.
    pub(crate) points: Vec<(usize, f64)>,
    /// Nothing in it is there but for what there is more of: a part that does not grow would hide the one that does.
    pub(crate) is_proportional: bool,
}

/// Noise is part of the largest point, too.
const LINEAR: f64 = 1.1;

/// What is proportional grows a hundredfold with what it is measured against, and tenfold at least when there is noise.
const WIDE: usize = 100;
const GROWN: f64 = 10.0;

impl Series {
    /// The steepest that it is between its last point and any that is a tenth of it or less: 1 is linear, 0 constant.
    pub(crate) fn exponent(&self) -> f64 {
        let Some(&(most, last)) = self.points.last() else { return 0.0 };
        let slope = |&(count, value): &(usize, f64)| {
            (last / value).ln() / (most as f64 / count as f64).ln()
        };
        let earlier =
            self.points.iter().filter(|(count, value)| count * 10 <= most && *value > 0.0);
        earlier.map(slope).fold(0.0, f64::max)
    }

    /// Why it is not what it should be: linear or better.
    pub(crate) fn fault(&self) -> Option<String> {
        let exponent = self.exponent();
        if exponent > LINEAR {
            let words = "grows faster than what it is measured against";
            return Some(format!("{} {words}: {exponent:.2}", self.name));
        }
        let (&(fewest, first), &(most, last)) = self.points.first().zip(self.points.last())?;
        let hides = self.is_proportional && fewest * WIDE <= most && first * GROWN > last;
        hides.then(|| {
            let words = "something that does not grow hides what does";
            format!("{}: {first:.2} of {fewest}, {last:.2} of {most}: {words}", self.name)
        })
    }
}

/// As Markdown.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = vec![self.of.to_owned()];
        for series in &self.series {
            head.push(format!("{}, {}", series.name, self.unit));
            head.extend(self.each.map(|each| format!("{} {each}", self.unit)));
        }
        let mut table = Table::new(head);
        let counts = self.series.first().map_or(&[][..], |series| &series.points);
        for (n, (count, _)) in counts.iter().enumerate() {
            table.row(self.row(count.to_string(), |series| {
                let (count, value) = series.points[n];
                (value, Some(value / count as f64))
            }));
        }
        table.row(self.row("exponent".into(), |series| (series.exponent(), None)));
        write!(f, "## {}\n\n{}\n\n{}\n", self.title, self.how, table.markdown())
    }
}

impl Figure {
    /// Each series' value, and its part for a single one.
    fn row(&self, name: String, value: impl Fn(&Series) -> (f64, Option<f64>)) -> Vec<String> {
        let mut row = vec![name];
        for (value, part) in self.series.iter().map(value) {
            row.push(number(Some(value), 2));
            row.extend(self.each.map(|_| number(part, 2)));
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(power: f64, from: f64) -> Series {
        let value = |count: &usize| (*count, from + (*count as f64).powf(power));
        let points = [1, 10, 100, 1000].iter().map(value).collect();
        Series { name: "x", points, is_proportional: false }
    }

    #[test]
    fn what_grows_too_fast_is_seen_beside_what_does_not() {
        for fine in [of(1.0, 0.0), of(0.0, 5.0), of(1.0, 500.0)] {
            assert_eq!(fine.fault(), None);
        }
        assert!(of(1.3, 0.0).fault().is_some());
        assert!(of(2.0, 500.0).fault().is_some());
        assert!((of(2.0, 0.0).exponent() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn what_does_not_grow_hides_nothing() {
        let hidden = |from| Series { is_proportional: true, ..of(1.0, from) }.fault();
        assert_eq!(hidden(50.0), None);
        assert!(hidden(500.0).is_some_and(|why| why.contains("hides")));
    }

    #[test]
    fn a_table_tells_what_each_costs() {
        let series = vec![Series { name: "x", points: vec![(4, 10.0)], is_proportional: true }];
        let figure = Figure {
            file: "",
            title: "T",
            of: "cats",
            unit: "fish",
            each: Some("a cat"),
            how: "H",
            series,
        };
        let text = "## T\n\nH\n\n| cats | x, fish | fish a cat |\n| --- | ---: | ---: |\n| 4 | 10.00 | 2.50 |\n| exponent | 0.00 | – |\n\n";
        assert_eq!(figure.to_string(), text);
    }
}
