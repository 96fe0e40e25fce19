//! Whether a slot has held its health for long enough: the decision, without the questions.

use std::time::{Duration, Instant};

/// What to do after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Ask again.
    GoOn,
    /// It held.
    Held,
    /// Too many misses in a row.
    GaveUp,
}

/// Counts answers. A miss restarts the time to hold; so many in a row end it.
#[derive(Debug)]
pub struct Hold {
    time: Duration,
    tolerated: u32,
    since: Option<Instant>,
    misses: u32,
    /// Healthy answers so far.
    pub healthy: u32,
}

impl Hold {
    /// Health has to hold for `time`; `tolerated` misses in a row are too many.
    pub fn new(time: Duration, tolerated: u32) -> Self {
        Self { time, tolerated, since: None, misses: 0, healthy: 0 }
    }

    /// An answer came.
    pub fn saw(&mut self, now: Instant, healthy: bool) -> Verdict {
        if !healthy {
            self.since = None;
            self.misses += 1;
            return if self.misses >= self.tolerated { Verdict::GaveUp } else { Verdict::GoOn };
        }
        self.misses = 0;
        self.healthy += 1;
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= self.time { Verdict::Held } else { Verdict::GoOn }
    }

    /// When to ask next: at the interval, or sooner when the time to hold ends sooner.
    pub fn ask_again(&self, now: Instant, interval: Duration) -> Instant {
        let next = now + interval;
        self.since.map_or(next, |since| next.min(since + self.time)).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn holds_after_the_time_and_not_before() {
        let (mut hold, start) = (Hold::new(10 * SECOND, 3), Instant::now());
        assert_eq!(hold.saw(start, true), Verdict::GoOn);
        assert_eq!(hold.saw(start + 9 * SECOND, true), Verdict::GoOn);
        assert_eq!(hold.ask_again(start + 9 * SECOND, 5 * SECOND), start + 10 * SECOND);
        assert_eq!(hold.saw(start + 10 * SECOND, true), Verdict::Held);
    }

    #[test]
    fn no_time_to_hold_is_one_answer() {
        assert_eq!(Hold::new(Duration::ZERO, 3).saw(Instant::now(), true), Verdict::Held);
    }

    #[test]
    fn a_miss_starts_the_time_again_and_three_in_a_row_end_it() {
        let (mut hold, start) = (Hold::new(4 * SECOND, 3), Instant::now());
        let answers = [true, false, false, true, true, true, false, false, false];
        let verdicts: Vec<_> =
            (0..).zip(answers).map(|(s, ok)| hold.saw(start + s * SECOND, ok)).collect();
        assert_eq!(verdicts[..8], [Verdict::GoOn; 8]);
        assert_eq!(verdicts[8], Verdict::GaveUp);
    }
}
