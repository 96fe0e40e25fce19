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
    tracker.enter_phase(Phase::Draining);
    shared.gate.stop();
    // Each closes its listener and ends. From here on every new connection is the other slot's.
    while loops.join_next().await.is_some() {}
    let before = tracker.sums();
    let told = shared.herald.stopping(before, deadline);

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
        finished: before.connections.saturating_sub(after.connections),
        cut: after.connections,
        cut_requests: left.requests,
        cut_upgraded: left.upgraded,
        cut_guards: left.guards,
        accepted: after.accepted,
        requests: after.requests,
    }
}
