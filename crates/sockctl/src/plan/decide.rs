//! The decision itself: forward to the wanted release, or back from it.

use sockgen::Share;

use super::{Active, Desired, Next, Observed, Outcome, SlotState, Step};
use crate::canary::Canary;

/// The next step from what is there to what is wanted.
///
/// # Example
/// ```
/// use sockctl::plan::{next, Command, Desired, Next, Observed, Step};
///
/// let first = Desired {
///     version: 1,
///     command: Command::Deploy,
///     release: Some("0123456789abcdef".parse()?),
///     into: "blue".parse()?,
///     from: None,
///     stale: None,
///     warm: None,
///     canary: None,
///     keep_warm: std::time::Duration::ZERO,
///     failed: None,
///     since: 0,
///     since_us: 0,
/// };
/// assert_eq!(next(&first, &Observed::default()), Next::Do(Step::Link));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn next(desired: &Desired, observed: &Observed) -> Next {
    match &desired.failed {
        None => forward(desired, observed),
        Some(reason) => back(desired, observed, reason),
    }
}

fn forward(desired: &Desired, observed: &Observed) -> Next {
    if observed.alias_is(&desired.into) {
        swap(desired, observed)
    } else if takes_standby(desired, observed) {
        gates(desired, observed)
    } else {
        prove(desired, observed)
    }
}

/// Whether the standby that this rollback found is still there, in the same process, and has an alias to get.
fn takes_standby(desired: &Desired, observed: &Observed) -> bool {
    let new = observed.slot(&desired.into);
    let same =
        desired.warm.is_some() && new.invocation == desired.warm && new.active == Active::Active;
    same && new.release == desired.release && observed.loaded.is_some()
}

/// A rollback to a warm standby: users move by the gates alone, and the alias, whose reload is slow, follows them.
fn gates(desired: &Desired, observed: &Observed) -> Next {
    let new = observed.slot(&desired.into);
    let old = desired.from.as_ref().map(|slot| observed.slot(slot));
    Next::Do(if new.closed() && new.invocation != observed.verified {
        Step::Probe
    } else if new.held || new.shut() {
        Step::Open
    } else if old.is_some_and(|old| old.active.runs() && !old.closed()) {
        Step::Close
    } else {
        Step::Commit
    })
}

/// Before the commit: users meet nothing of what happens here, but for the canary's share of them.
fn prove(desired: &Desired, observed: &Observed) -> Next {
    let new = observed.slot(&desired.into);
    let old = desired.from.as_ref().map(|slot| observed.slot(slot));
    if old.is_some_and(|old| old.turned_away()) {
        // Somebody closed the live slot: it has to accept before anything happens to the other one.
        return Next::Do(Step::Reopen);
    }
    if observed.to_listen {
        return Next::Do(Step::Listen);
    }
    // Systemd must not meet a new name of a running service: while it knows no alias, the slot rests at the commit.
    let nameless = observed.loaded.is_none();
    if nameless && observed.verified.is_some() && !new.active.runs() {
        return Next::Do(Step::Commit);
    }
    let wanted = desired.release.is_none() || new.release == desired.release;
    let fresh = new.active == Active::Active && new.invocation != desired.stale;
    // Without an old slot beside it, a share of the connections would be all of them, late.
    let canary = desired.canary.as_ref();
    let canary = canary.filter(|_| desired.from.is_some() && !nameless && !observed.ungated);
    // A slot gets a share only when proven, and loses it with its process: the file still says closed.
    let share = canary.filter(|_| new.held).and_then(|canary| canary.at(new.gate));
    let unmet = observed.ungated || new.closed() || share.is_some();
    Next::Do(if new.active.runs() && !(fresh && wanted && unmet) {
        // Whatever runs there is not what this deploy started, or it is no longer behind a closed gate.
        Step::Clear
    } else if observed.to_migrate && !new.active.runs() {
        Step::Migrate
    } else if !wanted {
        Step::Link
    } else if !observed.ungated && !new.held {
        Step::Hold
    } else if !new.active.runs() {
        Step::Start
    } else if share.is_none() && new.invocation != observed.verified {
        Step::Probe
    } else if let Some(next) = canary.and_then(|canary| trial(canary, share, observed)) {
        return next;
    } else if nameless {
        Step::Rest
    } else {
        Step::Commit
    })
}

/// From share to share; `None` when the last one has been held.
fn trial(canary: &Canary, at: Option<Share>, observed: &Observed) -> Option<Next> {
    match at {
        Some(share) if canary.is_on_trial(share, observed.trialed) => Some(Next::Do(Step::Trial)),
        Some(share) if canary.stays_at(share) => Some(Next::Stay(share)),
        _ => canary.after(at).map(|_| Next::Do(Step::Canary)),
    }
}

/// After the commit: at every moment at least one of the two slots accepts.
fn swap(desired: &Desired, observed: &Observed) -> Next {
    let new = observed.slot(&desired.into);
    if !new.active.serves() {
        return Next::Do(Step::Start);
    }
    // A slot that gives no answer is opened again: that fails when it is dead, before the old one is closed.
    if new.held || new.gate.is_none_or(|gate| gate < 1.0) {
        return Next::Do(Step::Open);
    }
    let old = desired.from.as_ref().map(|slot| observed.slot(slot)).unwrap_or_default();
    if !observed.ungated && old.active.runs() && !old.closed() {
        return Next::Do(Step::Close);
    }
    if !observed.watched {
        return Next::Do(Step::Watch);
    }
    let gone = gone(&old, observed);
    let stays = !desired.keep_warm.is_zero() && !observed.ungated && old.active == Active::Active;
    if stays && !old.retires {
        Next::Do(Step::Warm)
    } else if !stays && !gone && observed.to_pre_stop && old.active == Active::Active {
        Next::Do(Step::PreStop)
    } else if !stays && !gone {
        Next::Do(Step::Retire)
    } else if observed.to_unlisten {
        Next::Do(Step::Unlisten)
    } else {
        Next::Done(Outcome::Live)
    }
}

/// With a slot to spare the next deploy need not wait for this one's drain, so nor does this one.
fn gone(old: &SlotState, observed: &Observed) -> bool {
    !old.active.runs() || (old.active == Active::Deactivating && observed.slots.len() > 2)
}

fn back(desired: &Desired, observed: &Observed, reason: &str) -> Next {
    let new = observed.slot(&desired.into);
    let Some(from) = &desired.from else {
        let into = Some(&desired.into);
        return if observed.live.as_ref() == into || observed.loaded.as_ref() == into {
            Next::Do(Step::Disable)
        } else if new.active != Active::Inactive {
            Next::Do(Step::Withdraw)
        } else {
            Next::Done(Outcome::Undone(reason.into()))
        };
    };
    let old = observed.slot(from);
    let lost = old.active != Active::Active && observed.goes_on_without_old(&desired.into);
    if lost && observed.alias_is(&desired.into) && new.active.serves() {
        // Users had it already, and there is nobody to give them to. Nor is there to be, when systemd goes on trying.
        return if new.held || new.gate.is_some_and(|gate| gate < 1.0) {
            Next::Do(Step::Open)
        } else if !observed.ungated && old.active.runs() && !old.closed() {
            Next::Do(Step::Close)
        } else if !gone(&old, observed) {
            Next::Do(Step::Retire)
        } else {
            Next::Done(Outcome::Kept(reason.into()))
        };
    }
    if old.turned_away() {
        Next::Do(Step::Reopen)
    } else if old.active != Active::Active && !lost {
        // One that drains accepts nobody any more: it is started again as soon as it is gone. One that died waits for its restart
        // no longer.
        Next::Do(Step::Revive)
    } else if !observed.ungated && new.active.serves() && !new.closed() {
        // Users are out of its reach before the slow steps: the reload, and the drain.
        Next::Do(Step::Shut)
    } else if observed.live.is_some() && !observed.alias_is(from) {
        // Without an alias the old slot served by somebody's hand: then there is none to give back.
        Next::Do(Step::Return)
    } else if new.active != Active::Inactive {
        Next::Do(Step::Withdraw)
    } else {
        Next::Done(Outcome::RolledBack(reason.into()))
    }
}
