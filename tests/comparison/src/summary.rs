//! What many measurements of one rival come to.

use std::collections::BTreeMap;

use sockprove::failure::FailureKind;

use crate::load::Load;
use crate::rival::Rival;
use crate::sample::Sample;

/// The one in the middle; of an even number the upper of the two.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
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

    /// The median of each measurement's ratio to the baseline's of the same round.
    #[must_use]
    pub fn ratio(&self, value: impl Fn(&Sample) -> f64) -> Option<f64> {
        let ratios = self.own.iter().filter_map(|own| {
            let same = |bare: &&&Sample| (bare.turn, bare.load) == (own.turn, own.load);
            Some(value(own) / value(self.baseline.iter().find(same)?))
        });
        median(ratios)
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

    /// What failed in all of them together.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<FailureKind, u64> {
        let mut all = BTreeMap::new();
        for (kind, count) in self.own.iter().flat_map(|sample| &sample.failures) {
            *all.entry(*kind).or_default() += count;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn a_median_is_one_of_the_values() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(3.0));
        assert_eq!(median([]), None);
    }
}
