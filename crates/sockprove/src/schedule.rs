//! When requests are due.

use std::num::NonZeroU32;
use std::time::Duration;

/// How a load decides when its next request is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// So many requests each second, at fixed times, whether the earlier ones were answered or not: a stall of the service is felt by
    /// all that were due in it.
    Open {
        /// Requests each second.
        rate: NonZeroU32,
    },
    /// So many clients, each of which sends its next request when it has its last answer: full speed.
    Closed {
        /// Requests at a time.
        connections: NonZeroU32,
    },
}

impl Pace {
    /// `open` or `closed`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Closed { .. } => "closed",
        }
    }
}

/// When the request with this number is due, counted from the start, in an open loop. Not a sum of steps: no error grows.
pub fn due(number: u64, rate: NonZeroU32) -> Duration {
    let rate = u64::from(rate.get());
    let (seconds, rest) = (number / rate, number % rate);
    Duration::from_secs(seconds) + Duration::from_nanos(rest * 1_000_000_000 / rate)
}

/// The share of `whole` that part `index` of `parts` has, so that all together have all.
pub fn share(whole: u32, index: u32, parts: u32) -> u32 {
    whole / parts + u32::from(index < whole % parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn requests_are_due_in_order_and_as_many_as_asked(rate in 1..2_000_000_u32, number in 0..u64::MAX / 4_000_000_000) {
            let rate = NonZeroU32::new(rate).unwrap();
            prop_assert!(due(number, rate) < due(number + 1, rate));
            let second = due(number + u64::from(rate.get()), rate) - due(number, rate);
            prop_assert_eq!(second, Duration::from_secs(1));
        }

        #[test]
        fn shares_are_all_of_it_and_alike(whole in 0..100_000_u32, parts in 1..64_u32) {
            let shares: Vec<_> = (0..parts).map(|index| share(whole, index, parts)).collect();
            prop_assert_eq!(shares.iter().sum::<u32>(), whole);
            prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }
}
