//! How long nobody accepted.
//!
//! A client sees that its connection was accepted when the first byte of an answer comes on it: connect(2) succeeds as soon as there is
//! room in the queue. A *gap* is a time in which at least one connection waited and none was seen to be accepted: it begins when the one
//! before was accepted, or when the first of those that wait began to connect, whichever is later, and ends when the next is accepted.

/// A connection. Times are microseconds since the start of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// When it began.
    pub begun_us: u32,
    /// When the first byte of an answer came.
    pub accepted_us: u32,
}

/// A time in which somebody waited and nobody was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    /// Its begin.
    pub from_us: u32,
    /// Its end.
    pub to_us: u32,
}

impl Gap {
    /// How long it was, in microseconds.
    pub fn length_us(self) -> u32 {
        self.to_us - self.from_us
    }
}

/// All gaps, in order of time: each ends before the next begins.
pub fn gaps(opened: &[Opened]) -> Vec<Gap> {
    let mut opened = opened.to_vec();
    opened.sort_by_key(|one| one.accepted_us);
    // From the end: when the first of those began that were not accepted yet.
    let mut first_waiting = u32::MAX;
    let mut gaps: Vec<_> = (0..opened.len())
        .rev()
        .map(|index| {
            let Opened { begun_us, accepted_us } = opened[index];
            first_waiting = first_waiting.min(begun_us);
            let before = index.checked_sub(1).map_or(0, |before| opened[before].accepted_us);
            Gap { from_us: before.max(first_waiting).min(accepted_us), to_us: accepted_us }
        })
        .collect();
    gaps.reverse();
    gaps
}

/// The longest gap of which some lies in this time, of gaps in order of time.
pub fn longest(gaps: &[Gap], from_us: u32, to_us: u32) -> Option<Gap> {
    let first = gaps.partition_point(|gap| gap.to_us < from_us);
    let within = gaps[first..].iter().take_while(|gap| gap.from_us < to_us);
    within.copied().max_by_key(|gap| gap.length_us())
}

/// How long such times usually are, in microseconds, of their lengths, the shortest first; 0 when there are none.
///
/// 95 of 100 are not longer. So that those that are too long are not their own measure, at least ten are left out; but fewer than one of
/// eight, for so many are long at a slow service: eight wait at a time, and seven of them are accepted soon after the first.
pub fn usual_us(sorted: &[u32]) -> u32 {
    let count = sorted.len();
    let longer = (count / 20).max(10).min(count / 9);
    (count - longer).checked_sub(1).map_or(0, |last| sorted[last])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(times: &[(u32, u32)]) -> Vec<u32> {
        let opened = times.iter().map(|&(begun_us, accepted_us)| Opened { begun_us, accepted_us });
        gaps(&opened.collect::<Vec<_>>()).into_iter().map(Gap::length_us).collect()
    }

    #[test]
    fn a_gap_is_a_time_in_which_somebody_waits() {
        // One at a time: each waits alone, and the time between them is nobody's.
        assert_eq!(of(&[(0, 3), (10, 12), (20, 21)]), [3, 2, 1]);
        // A stall: four come in it and are accepted at once behind it.
        assert_eq!(of(&[(0, 1), (10, 60), (20, 61), (30, 62), (40, 62)]), [1, 50, 1, 1, 0]);
        // Somebody always waits, but others are accepted: that is a queue, and no gap.
        assert_eq!(of(&[(0, 100), (10, 11), (50, 51)]), [11, 40, 49]);
        assert_eq!(of(&[]), [] as [u32; 0]);
    }

    #[test]
    fn what_stands_still_now_and_then_is_not_the_measure_of_it() {
        let of =
            |short: usize, long: usize| usual_us(&[vec![200; short], vec![50_000; long]].concat());
        assert_eq!(of(54, 1), 200);
        // For 50 ms of each 200: somebody is accepted 75 times in between, and eight wait in it.
        assert_eq!(of(82 * 20, 20), 200);
        assert_eq!((of(0, 100), of(0, 10), of(0, 0)), (50_000, 50_000, 0));
        // A slow service: seven of eight that wait together are answered together.
        for round in [1, 2, 4, 10, 100] {
            assert_eq!(of(7 * round, round), 50_000, "{round}");
        }
    }

    proptest! {
        #[test]
        fn the_longest_of_a_time_is_found(times in proptest::collection::vec((0..1000_u32, 0..100_u32), 0..50), from in 0..1000_u32, length in 0..300_u32) {
            let opened: Vec<_> = times.iter().map(|&(begun_us, took)| Opened { begun_us, accepted_us: begun_us + took }).collect();
            let (all, to) = (gaps(&opened), from + length);
            let lengths = all.iter().filter(|gap| gap.from_us < to && gap.to_us >= from).map(|gap| gap.length_us());
            prop_assert_eq!(longest(&all, from, to).map(Gap::length_us), lengths.max());
        }

        #[test]
        fn gaps_do_not_overlap_and_end_at_an_accept(times in proptest::collection::vec((0..1000_u32, 0..100_u32), 0..50)) {
            let opened: Vec<_> = times.iter().map(|&(begun_us, took)| Opened { begun_us, accepted_us: begun_us + took }).collect();
            let found = gaps(&opened);
            prop_assert_eq!(found.len(), opened.len());
            prop_assert!(found.windows(2).all(|two| two[0].to_us <= two[1].from_us));
            // No connection waited longer than the gaps in its time come to.
            for one in &opened {
                let covered: u32 = found.iter()
                    .map(|gap| gap.to_us.min(one.accepted_us).saturating_sub(gap.from_us.max(one.begun_us)))
                    .sum();
                prop_assert_eq!(covered, one.accepted_us - one.begun_us);
            }
        }
    }
}
