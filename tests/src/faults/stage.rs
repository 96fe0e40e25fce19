//! What goes on when a step is done, and who runs at that moment.

use sockctl::plan::Step;

/// How a step comes to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    /// A good release follows a good one.
    Swap,
    /// The same, and something was left running in the idle slot.
    Leftover,
    /// The same, in steps by shares of the connections.
    Canary,
    /// The same, and the old release stands by for a while.
    Kept,
    /// The same, with hooks that succeed.
    Hooks,
    /// The same, with a manifest that has a listener more than the one that was deployed, and one less.
    Listeners,
    /// The new release sickens under users' traffic.
    Sick,
    /// It does, and somebody has stopped the old slot while it stood by.
    SickAlone,
    /// The first deploy of all.
    First,
    /// The first deploy, of a release that sickens with its first request.
    FirstSick,
}

/// The slot of the new release, when the step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum New {
    /// It does not run, and will be started.
    Waits,
    /// It runs, and the controller will look at it again.
    Runs,
    /// It runs, and the controller is done with it.
    Serves,
    /// It does not run, and will not be started.
    Gone,
}

/// No wildcard here: a new step has to say how it is reached.
pub(super) fn scene(step: Step) -> Scene {
    match step {
        Step::Clear => Scene::Leftover,
        Step::Stage
        | Step::Link
        | Step::Hold
        | Step::Start
        | Step::Probe
        | Step::Commit
        | Step::Open
        | Step::Close
        | Step::Watch
        | Step::Retire
        | Step::Record => Scene::Swap,
        Step::Canary | Step::Trial => Scene::Canary,
        Step::Warm => Scene::Kept,
        Step::Migrate | Step::PreStop => Scene::Hooks,
        Step::Listen | Step::Unlisten => Scene::Listeners,
        Step::Rest => Scene::First,
        Step::Reopen | Step::Shut | Step::Return | Step::Withdraw => Scene::Sick,
        Step::Revive => Scene::SickAlone,
        Step::Disable => Scene::FirstSick,
    }
}

pub(super) fn new(step: Step) -> New {
    match step {
        Step::Stage
        | Step::Listen
        | Step::Clear
        | Step::Migrate
        | Step::Link
        | Step::Hold
        | Step::Rest => New::Waits,
        Step::Start
        | Step::Probe
        | Step::Canary
        | Step::Trial
        | Step::Commit
        | Step::Open
        | Step::Close
        | Step::Watch
        | Step::PreStop
        | Step::Reopen
        | Step::Shut
        | Step::Revive
        | Step::Return
        | Step::Disable => New::Runs,
        Step::Warm | Step::Retire | Step::Unlisten | Step::Record => New::Serves,
        Step::Withdraw => New::Gone,
    }
}

impl Scene {
    /// Whether a release was live before.
    pub(super) fn has_old(self) -> bool {
        !matches!(self, Self::First | Self::FirstSick)
    }

    /// What is given to `deploy` beside the release.
    pub(super) fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Canary => &["--canary", "10%,50%", "--hold", "200ms"],
            _ => &[],
        }
    }

    /// What the new release does wrong by itself.
    pub(super) fn flaw(self) -> Option<&'static str> {
        match self {
            Self::Swap
            | Self::Leftover
            | Self::Canary
            | Self::Kept
            | Self::Hooks
            | Self::Listeners
            | Self::First => None,
            Self::Sick | Self::SickAlone => Some("sickens-after-requests=1"),
            Self::FirstSick => Some("sickens-after-requests=0"),
        }
    }
}

/// Whether the old slot runs when the step is done.
pub(super) fn old_runs(step: Step) -> bool {
    scene(step).has_old() && new(step) != New::Serves
}
