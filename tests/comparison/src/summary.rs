//! What many measurements of one rival come to.

use crate::load::Load;
use crate::lost::Lost;
use crate::rival::Rival;
use crate::sample::Sample;

/// The one in the middle; of an even number the upper of the two.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    Spread::of(values).map(|spread| spread.median)
}

/// What measurements of the same thing come to, with their noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub least: f64,
    /// From here to `to` the median of all that could be measured lies, with 95 % confidence.
    pub from: f64,
    /// As [`median`] has it.
    pub median: f64,
    /// See `from`.
    pub to: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// Of these; each is one of the values. The confidence is that of the sign test, whose ranks are about `1.96 / 2 * sqrt(count)` from the middle;
    /// of five and fewer it has all.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let count = values.len() as f64;
        let outside = ((count - 1.96 * count.sqrt()) / 2.0 - 1.0).max(0.0) as usize;
        Some(Self {
            least: values[0],
            from: values[outside],
            median: values[values.len() / 2],
            to: values[last - outside],
            most: values[last],
        })
    }
}

/// The measurements of one rival, of one load or of several, with those of its baseline.
#[derive(Debug)]
pub struct Summary<'a> {
    own: Vec<&'a Sample>,
    baseline: Vec<&'a Sample>,
}

impl<'a> Summary<'a> {
    /// Of a rival under these loads.
    #[must_use]
    pub fn of(samples: &'a [Sample], rival: &Rival, loads: &[&Load]) -> Self {
        let of = |name: &str| {
            let wanted =
                |s: &&Sample| s.rival == name && loads.iter().any(|load| load.name == s.load);
            samples.iter().filter(wanted).collect()
        };
        Self { own: of(rival.name), baseline: of(rival.baseline) }
    }

    /// The median of what each measurement has of it.
    #[must_use]
    pub fn median(&self, value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        median(self.own.iter().filter_map(|sample| value(sample)))
    }

    /// Each measurement's ratio to the baseline's of the same round.
    #[must_use]
    pub fn ratio(&self, value: impl Fn(&Sample) -> f64) -> Option<Spread> {
        let ratios = self.own.iter().filter_map(|own| {
            let same = |bare: &&&Sample| (bare.turn, bare.load) == (own.turn, own.load);
            Some(value(own) / value(self.baseline.iter().find(same)?))
        });
        Spread::of(ratios)
    }

    /// How often there was a swap.
    #[must_use]
    pub fn swaps(&self) -> usize {
        self.own.iter().filter(|sample| sample.command.is_some()).count()
    }

    /// All measurements.
    #[must_use]
    pub fn samples(&self) -> &[&'a Sample] {
        &self.own
    }

    /// What was lost in all of them together.
    #[must_use]
    pub fn lost(&self) -> Lost {
        self.own.iter().map(|sample| &sample.lost).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Spread, median};

    #[test]
    fn a_median_is_one_of_the_values() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(3.0));
        assert_eq!(median([]), None);
    }

    #[test]
    fn a_median_is_as_sure_as_there_are_many() {
        let of = |count: u32| Spread::of((1..=count).rev().map(f64::from)).expect("values");
        let seen = |s: Spread| [s.least, s.from, s.median, s.to, s.most];
        assert_eq!(seen(of(1)), [1.0; 5]);
        assert_eq!(seen(of(5)), [1.0, 1.0, 3.0, 5.0, 5.0]);
        // As the tables of the binomial distribution have it.
        assert_eq!(seen(of(15)), [1.0, 3.0, 8.0, 13.0, 15.0]);
        assert_eq!(seen(of(41)), [1.0, 14.0, 21.0, 28.0, 41.0]);
        assert_eq!(Spread::of([]), None);
    }
}
