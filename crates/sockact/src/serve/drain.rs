//! The drain: a lame duck that takes nothing new and loses nothing it has.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::run::Signals;
use super::shared::Shared;
use super::track::Phase;
use crate::{End, Report};

/// How often overdue idle connections are looked for.
const TICK: Duration = Duration::from_millis(100);
/// How long applications may take to say goodbye once the deadline has passed. Units made by sockgen leave five seconds
/// between the deadline and the kill.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often systemd is told what is left.
const STATUS: Duration = Duration::from_secs(1);

pub(super) async fn drain(
    shared: &Shared,
    loops: &mut JoinSet<()>,
    signals: &mut Signals,
    idle_window: Duration,
    deadline: Duration,
) -> Report {
    let began = Instant::now();
    let tracker = &shared.tracker;
    // Some leave as soon as they hear of it.
    let before = tracker.sums();
    tracker.enter_phase(Phase::Draining);
    shared.gate.stop();
    // Each closes its listener and ends. From here on every new connection is the other slot's.
    while loops.join_next().await.is_some() {}
    let told = shared.herald.stopping(tracker.sums(), deadline);

    let watch = async {
        sleep(idle_window).await;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            tracker.wake_overdue();
        }
    };
    let tell = async {
        loop {
            sleep(STATUS).await;
            shared.herald.draining(tracker.sums(), deadline.saturating_sub(began.elapsed()));
        }
    };
    let end = tokio::select! {
        biased;
        () = tracker.emptied() => End::Drained,
        () = signals.next() => End::SecondSignal,
        () = sleep(deadline) => End::Deadline,
        () = watch => End::Drained,
        () = tell => End::Drained,
    };
    told.await;
    let after = tracker.sums();
    let left = tracker.left();
    tracker.enter_phase(Phase::Cutting);
    if end == End::Deadline && left.upgraded + left.guards > 0 {
        // What the application knows of the deadline it learned just now: a close frame takes a moment.
        let _ = timeout(FAREWELL, tracker.emptied()).await;
    }
    Report {
        end,
        drained: began.elapsed(),
        finished: before.connections + (after.accepted - before.accepted) - after.connections,
        cut: after.connections,
        cut_requests: left.requests,
        cut_upgraded: left.upgraded,
        cut_guards: left.guards,
        accepted: after.accepted,
        requests: after.requests,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::serve::guard::Guards;
    use crate::serve::notify::Herald;
    use crate::serve::track::Tracker;
    use crate::slot::{Identity, Setting};

    /// As the client of an idle HTTP/2 connection may: told to go, it is gone before every listener is closed.
    #[tokio::test]
    async fn who_leaves_before_the_listeners_are_closed_is_counted() {
        let tracker = Tracker::new();
        let herald = Herald::new().expect("herald");
        let shared = Shared::new(Identity::default(), Setting::OPEN, Arc::clone(&tracker), herald);
        let guards = Guards::new(&tracker);
        let early = guards.guard();
        tokio::spawn(async move { early.draining().await });
        let mut loops = JoinSet::new();
        loops.spawn(async move {
            tracker.emptied().await;
            // Accepted by a loop that has not heard of the drain.
            let late = guards.guard();
            tokio::spawn(async move { late.cut().await });
        });
        let mut signals = Signals::new().expect("signals");
        let window = Duration::from_millis(1);
        let report = drain(&shared, &mut loops, &mut signals, window, window).await;
        let Report { finished, cut, accepted, .. } = report;
        assert_eq!((finished, cut, accepted), (1, 1, 2), "{report}");
    }
}
