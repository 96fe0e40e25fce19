//! When a slot accepts: windows of a period on CLOCK_MONOTONIC, which all processes of a machine
//! read alike. Everything here is pure.

use std::time::Duration;

/// What an accept loop does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Does not look at the socket until the setting changes.
    Closed,
    /// Accepts until the setting changes, save in what others claimed.
    Open,
    /// Accepts until this time on CLOCK_MONOTONIC.
    OpenUntil(Duration),
    /// Does not accept until this time on CLOCK_MONOTONIC.
    ShutUntil(Duration),
}

/// A part of each period. Counted in millionths, so that what one process computes from 0.01 and
/// another from 0.99 is the same to the last digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    from: u32,
    parts: u32,
}

impl Window {
    /// All parts of a period.
    pub(crate) const WHOLE: u32 = 1_000_000;
    /// The shortest window, and what is left of the period when nearly all of it is one: shorter
    /// ones would be eaten up by the time that a process on a busy machine takes to wake. No round
    /// number: what pulses each 100 ms, as a process under `CPUQuota=` does (`systemd.resource-control(5)`),
    /// is to meet every part of the period in turn.
    const SHORTEST: Duration = Duration::from_micros(10_370);
    const SHORTEST_PERIOD: Duration = Duration::from_micros(103_700);
    /// Below a share of 0.001 windows become shorter instead.
    const LONGEST_PERIOD: Duration = Duration::from_millis(10_370);
    /// How long an open slot trusts in another's claim before it looks again: the claim of a
    /// process that has died is gone.
    const TRUST: Duration = Duration::from_millis(10);

    /// So many parts, at least one and fewer than all, from part `from` on.
    pub(crate) fn new(parts: u32, from: u32) -> Option<Window> {
        let sound = (1..Window::WHOLE).contains(&parts) && from <= Window::WHOLE;
        sound.then_some(Window { from: from % Window::WHOLE, parts })
    }

    /// The window of this share where nobody said where it lies: at the begin of the period up to
    /// one half, else at its end, so that those of a share and of its complement do not overlap.
    pub(crate) fn usual(parts: u32) -> Option<Window> {
        let at_the_end = parts > Window::WHOLE / 2;
        Window::new(parts, if at_the_end { Window::WHOLE.saturating_sub(parts) } else { 0 })
    }

    /// As long, right after another.
    pub(crate) fn after(self, other: Window) -> Window {
        Window { from: (other.from + other.parts) % Window::WHOLE, ..self }
    }

    /// First part and number of parts; a window may reach into the next period.
    pub(crate) fn range(self) -> (u32, u32) {
        (self.from, self.parts)
    }

    /// One turn. That of a share and of its complement is the same.
    pub(crate) fn period(self) -> Duration {
        let lesser = self.parts.min(Window::WHOLE - self.parts);
        let period = Window::SHORTEST * (Window::WHOLE / lesser);
        period.clamp(Window::SHORTEST_PERIOD, Window::LONGEST_PERIOD)
    }

    /// What the slot that has this window does at `now` on CLOCK_MONOTONIC.
    pub(crate) fn plan(self, now: Duration) -> Plan {
        let period = self.period().as_nanos();
        let nanos = |parts: u32| u128::from(parts) * period / u128::from(Window::WHOLE);
        // Time since the window began, in this period or, for one that wraps, in the one before.
        let since = (now.as_nanos() + period - nanos(self.from)) % period;
        let window = nanos(self.parts);
        let after = |nanos: u128| now + Duration::from_nanos(nanos as u64);
        if since < window {
            Plan::OpenUntil(after(window - since))
        } else {
            Plan::ShutUntil(after(period - since))
        }
    }

    /// What an open slot does at `now` when another has claimed this window.
    pub(crate) fn plan_of_others(self, now: Duration) -> Plan {
        match self.plan(now) {
            Plan::OpenUntil(edge) => Plan::ShutUntil(edge.min(now + Window::TRUST)),
            _ => Plan::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// So many microseconds after the begin of the hundredth period of a tenth, and the tenth of
    /// that of a hundredth.
    fn at(us: u64) -> Duration {
        Duration::from_micros(10_370_000 + us)
    }

    #[track_caller]
    fn check(parts: u32, now: u64, expected: Plan) {
        assert_eq!(Window::usual(parts).unwrap().plan(at(now)), expected);
    }

    #[test]
    fn windows() {
        check(100_000, 0, Plan::OpenUntil(at(10_370)));
        check(100_000, 10_369, Plan::OpenUntil(at(10_370)));
        check(100_000, 10_370, Plan::ShutUntil(at(103_700)));
        check(900_000, 10_369, Plan::ShutUntil(at(10_370)));
        check(900_000, 10_370, Plan::OpenUntil(at(103_700)));
        // A hundredth of that period would be too short: the period is longer.
        check(10_000, 10_369, Plan::OpenUntil(at(10_370)));
        check(10_000, 10_370, Plan::ShutUntil(at(1_037_000)));
        check(990_000, 10_370, Plan::OpenUntil(at(1_037_000)));
        let wraps = Window::new(500_000, 750_000).unwrap();
        assert_eq!(wraps.plan(at(10_000)), Plan::OpenUntil(at(25_925)));
        assert_eq!(wraps.plan(at(30_000)), Plan::ShutUntil(at(77_775)));
    }

    #[test]
    fn an_open_slot_keeps_out_of_what_another_claimed_and_looks_again_soon() {
        let tenth = Window::usual(100_000).unwrap();
        assert_eq!(tenth.plan_of_others(at(4_000)), Plan::ShutUntil(at(10_370)));
        assert_eq!(tenth.plan_of_others(at(10_370)), Plan::Open);
        let most = Window::usual(990_000).unwrap();
        assert_eq!(most.plan_of_others(at(500_000)), Plan::ShutUntil(at(510_000)));
    }

    fn open(plan: Plan) -> bool {
        matches!(plan, Plan::OpenUntil(_))
    }

    proptest! {
        #[test]
        fn two_windows_that_make_a_whole_fill_the_period(
            parts in 1u32..Window::WHOLE, now in 0u64..100_000_000_000
        ) {
            let now = Duration::from_nanos(now);
            let one = Window::usual(parts).unwrap();
            let rest = Window::WHOLE - parts;
            let other = Window::usual(rest).unwrap();
            prop_assert_eq!(one.period(), other.period());
            prop_assert!(parts == rest || open(one.plan(now)) != open(other.plan(now)));
            let placed = other.after(one);
            prop_assert!(open(one.plan(now)) != open(placed.plan(now)));
        }

        #[test]
        fn an_edge_is_ahead_and_changes_the_plan(
            parts in 1u32..Window::WHOLE, from in 0u32..Window::WHOLE, now in 0u64..100_000_000_000
        ) {
            let window = Window::new(parts, from).unwrap();
            let now = Duration::from_nanos(now);
            let plan = window.plan(now);
            let (Plan::OpenUntil(edge) | Plan::ShutUntil(edge)) = plan else { panic!("{plan:?}") };
            prop_assert!(edge > now && edge <= now + window.period());
            prop_assert!(open(window.plan(edge)) != open(plan));
        }

        #[test]
        fn an_open_slot_and_a_claim_never_accept_at_one_time(
            parts in 1u32..Window::WHOLE, from in 0u32..Window::WHOLE, now in 0u64..100_000_000_000
        ) {
            let window = Window::new(parts, from).unwrap();
            let now = Duration::from_nanos(now);
            let others = window.plan_of_others(now);
            prop_assert!(open(window.plan(now)) != (others == Plan::Open));
        }
    }
}
