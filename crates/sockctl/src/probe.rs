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

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is well.
    Healthy,
    /// It is not, or gave no answer.
    Miss,
    /// Nobody listens where it is asked.
    Nobody,
}

/// Counts answers.
#[derive(Debug)]
pub struct Hold {
    time: Duration,
    tolerated: u32,
    strict: bool,
    eager: bool,
    /// How long nobody's silence is that of a program that is still starting.
    starting: Duration,
    began: Option<Instant>,
    since: Option<Instant>,
    misses: u32,
    /// Healthy answers so far.
    pub healthy: u32,
}

impl Hold {
    /// Before the swap: health has to hold for `time` without a miss, which starts the time again; `tolerated` misses in a row are
    /// too many.
    pub fn without_a_miss(time: Duration, tolerated: u32) -> Self {
        Self {
            time,
            tolerated,
            strict: true,
            eager: false,
            starting: Duration::ZERO,
            began: None,
            since: None,
            misses: 0,
            healthy: 0,
        }
    }

    /// Before the swap, while users meet the slot already: as [`Hold::without_a_miss`] until the first healthy answer, and not one
    /// miss after it.
    pub fn at_once(time: Duration, tolerated: u32) -> Self {
        Self { eager: true, ..Self::without_a_miss(time, tolerated) }
    }

    /// After the swap: a miss does not start the time again; `tolerated` misses in all are too many.
    pub fn watching(time: Duration, tolerated: u32) -> Self {
        Self { strict: false, ..Self::without_a_miss(time, tolerated) }
    }

    /// Of a slot that counts as started before it listens (`Type=exec`): for so long, that nobody listens is no miss, until somebody did.
    pub fn starting(self, starting: Duration) -> Self {
        Self { starting, ..self }
    }

    /// An answer came.
    pub fn saw(&mut self, now: Instant, answer: Answer) -> Verdict {
        let began = *self.began.get_or_insert(now);
        let starts = self.healthy + self.misses == 0 && now.duration_since(began) < self.starting;
        if answer == Answer::Nobody && starts {
            return Verdict::GoOn;
        }
        let healthy = answer == Answer::Healthy;
        let since = *self.since.get_or_insert(now);
        if healthy {
            self.healthy += 1;
        } else {
            self.misses += 1;
        }
        if self.misses >= self.tolerated || (self.eager && !healthy && self.healthy > 0) {
            return Verdict::GaveUp;
        }
        if self.strict {
            if healthy {
                self.misses = 0;
            } else {
                self.since = None;
            }
        }
        // It never ends on a miss: a release that is sick at the end is asked on until it is well or given up.
        let over = now.duration_since(since) >= self.time;
        if healthy && over { Verdict::Held } else { Verdict::GoOn }
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

    fn answer(healthy: bool) -> Answer {
        if healthy { Answer::Healthy } else { Answer::Miss }
    }

    #[test]
    fn holds_after_the_time_and_not_before() {
        let (mut hold, start) = (Hold::without_a_miss(10 * SECOND, 3), Instant::now());
        assert_eq!(hold.saw(start, Answer::Healthy), Verdict::GoOn);
        assert_eq!(hold.saw(start + 9 * SECOND, Answer::Healthy), Verdict::GoOn);
        assert_eq!(hold.ask_again(start + 9 * SECOND, 5 * SECOND), start + 10 * SECOND);
        assert_eq!(hold.saw(start + 10 * SECOND, Answer::Healthy), Verdict::Held);
    }

    #[test]
    fn a_slot_that_users_meet_may_come_up_slowly_and_then_not_miss() {
        let (mut hold, start) = (Hold::at_once(4 * SECOND, 3), Instant::now());
        assert_eq!(hold.saw(start, Answer::Miss), Verdict::GoOn);
        assert_eq!(hold.saw(start + SECOND, Answer::Healthy), Verdict::GoOn);
        assert_eq!(hold.saw(start + 2 * SECOND, Answer::Miss), Verdict::GaveUp);
    }

    #[test]
    fn a_program_that_still_starts_is_nobody_and_no_miss() {
        let start = Instant::now();
        let saw = |answers: &[Answer]| {
            let mut hold = Hold::at_once(2 * SECOND, 2).starting(10 * SECOND);
            let verdict = |(s, answer): (u32, &Answer)| hold.saw(start + s * SECOND, *answer);
            (0..).zip(answers).map(verdict).last()
        };
        use Answer::{Healthy, Miss, Nobody};
        assert_eq!(saw(&[Nobody; 9]), Some(Verdict::GoOn));
        assert_eq!(saw(&[Nobody; 12]), Some(Verdict::GaveUp), "its time to start is over");
        assert_eq!(saw(&[Nobody, Nobody, Nobody, Healthy, Healthy, Healthy]), Some(Verdict::Held));
        assert_eq!(saw(&[Nobody, Nobody, Miss, Miss]), Some(Verdict::GaveUp), "it is sick");
        assert_eq!(saw(&[Nobody, Healthy, Nobody]), Some(Verdict::GaveUp), "it is gone");
    }

    #[test]
    fn no_time_to_hold_is_one_answer() {
        assert_eq!(
            Hold::without_a_miss(Duration::ZERO, 3).saw(Instant::now(), Answer::Healthy),
            Verdict::Held
        );
    }

    #[test]
    fn watching_ends_in_time_and_counts_all_misses() {
        let start = Instant::now();
        let saw = |answers: &[bool]| {
            let mut hold = Hold::watching(4 * SECOND, 3);
            let verdict = |(s, ok): (u32, &bool)| hold.saw(start + s * SECOND, answer(*ok));
            (0..).zip(answers).map(verdict).last()
        };
        assert_eq!(saw(&[true, false, true, false, true]), Some(Verdict::Held));
        assert_eq!(saw(&[true, true, true, true, false]), Some(Verdict::GoOn));
        assert_eq!(saw(&[false, true, false, false]), Some(Verdict::GaveUp));
    }

    #[test]
    fn a_miss_starts_the_time_again_and_three_in_a_row_end_it() {
        let (mut hold, start) = (Hold::without_a_miss(4 * SECOND, 3), Instant::now());
        let answers = [true, false, false, true, true, true, false, false, false];
        let verdicts: Vec<_> =
            (0..).zip(answers).map(|(s, ok)| hold.saw(start + s * SECOND, answer(ok))).collect();
        assert_eq!(verdicts[..8], [Verdict::GoOn; 8]);
        assert_eq!(verdicts[8], Verdict::GaveUp);
    }
}
