//! What was lost, as clients saw it.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Sum;

use serde::Serialize;
use sockprove::failure::FailureKind;
use sockprove::record::Record;

/// What was lost under one load, or under several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Requests that failed, each kind apart.
    pub requests: BTreeMap<FailureKind, u64>,
    /// Connections that failed and would have asked nothing: they only look whether anybody accepts.
    pub probes: u64,
    /// Requests that this machine could not send: nobody's fault who is compared, and no proof of anything.
    pub unsent: u64,
}

impl Lost {
    /// Requests that failed.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Connections that a user would have missed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.requests() + self.probes
    }
}

impl From<&Record> for Lost {
    fn from(record: &Record) -> Self {
        let kinds = record.failures.iter().filter(|(_, count)| **count > 0);
        let probes = record.accepts.as_ref().map(|accepts| accepts.failures.values().sum());
        Self {
            requests: kinds.map(|(kind, count)| (*kind, *count)).collect(),
            probes: probes.unwrap_or_default(),
            unsent: record.unsent,
        }
    }
}

impl<'a> Sum<&'a Lost> for Lost {
    fn sum<I: Iterator<Item = &'a Lost>>(each: I) -> Lost {
        each.fold(Lost::default(), |mut all, one| {
            for (kind, count) in &one.requests {
                *all.requests.entry(*kind).or_default() += count;
            }
            Lost { probes: all.probes + one.probes, unsent: all.unsent + one.unsent, ..all }
        })
    }
}

/// `64: 2 refused, 62 reset; and 3 probes`.
impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.requests())?;
        for (n, (kind, count)) in self.requests.iter().enumerate() {
            write!(f, "{} {count} {kind}", if n == 0 { ":" } else { "," })?;
        }
        if self.probes > 0 {
            write!(f, "; and {} probes", self.probes)?;
        }
        if self.unsent > 0 {
            write!(f, "; {} never sent", self.unsent)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_lost_but_are_no_requests() {
        let requests = BTreeMap::from([(FailureKind::Refused, 2), (FailureKind::Reset, 3)]);
        let one = Lost { requests, probes: 4, unsent: 0 };
        let other = Lost { unsent: 1, ..Lost::default() };
        assert_eq!(Lost::default().to_string(), "0");
        assert_eq!(one.to_string(), "5: 2 refused, 3 reset; and 4 probes");
        let all: Lost = [&one, &one, &other].into_iter().sum();
        assert_eq!((all.requests(), all.count()), (10, 18));
        assert_eq!(all.to_string(), "10: 4 refused, 6 reset; and 8 probes; 1 never sent");
    }
}
