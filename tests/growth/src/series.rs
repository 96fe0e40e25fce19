//! What was measured against how much of something there was.

use std::fmt;

/// Measurements over one axis.
pub(crate) struct Figure {
    /// The name of its plot's file.
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    /// What there is more and more of.
    pub(crate) of: &'static str,
    pub(crate) unit: &'static str,
    /// What a reader has to know of the method.
    pub(crate) how: &'static str,
    pub(crate) series: Vec<Series>,
}

/// One line of a plot.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// How many, and what it took: medians.
    pub(crate) points: Vec<(usize, f64)>,
}

/// Noise is part of the largest point, too.
const LINEAR: f64 = 1.1;

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

    pub(crate) fn is_linear_or_better(&self) -> bool {
        self.exponent() <= LINEAR
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// As Markdown.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.how)?;
        write!(f, "| {} |", self.of)?;
        self.series.iter().try_for_each(|series| write!(f, " {}, {} |", series.name, self.unit))?;
        writeln!(f, "\n|---:|{}", "---:|".repeat(self.series.len()))?;
        let counts = self.series.first().map_or(&[][..], |series| &series.points);
        for (row, (count, _)) in counts.iter().enumerate() {
            write!(f, "| {count} |")?;
            self.series
                .iter()
                .try_for_each(|series| write!(f, " {:.2} |", series.points[row].1))?;
            writeln!(f)?;
        }
        write!(f, "| exponent |")?;
        self.series.iter().try_for_each(|series| write!(f, " {:.2} |", series.exponent()))?;
        writeln!(f, "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(power: f64, from: f64) -> Series {
        let value = |count: &usize| (*count, from + (*count as f64).powf(power));
        Series { name: "x", points: [1, 10, 100, 1000].iter().map(value).collect() }
    }

    #[test]
    fn what_grows_too_fast_is_seen_beside_what_does_not() {
        assert!(of(1.0, 0.0).is_linear_or_better());
        assert!(of(0.0, 5.0).is_linear_or_better());
        assert!(of(1.0, 500.0).is_linear_or_better());
        assert!(!of(1.3, 0.0).is_linear_or_better());
        assert!(!of(2.0, 500.0).is_linear_or_better());
        assert!((of(2.0, 0.0).exponent() - 2.0).abs() < 1e-9);
    }
}
