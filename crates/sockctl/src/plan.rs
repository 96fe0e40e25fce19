//! What to do next: a pure function of what is wanted and what is there.
//!
//! [`next`] is asked, one [`Step`] is done, the world is observed again, and so on until [`Next::Done`]. A controller that was
//! killed leaves the world in some state between two steps; `sockctl resume` calls the same function on what it finds. So there is no
//! second code path for recovery, and a dry run prints what a deploy would do.
//!
//! This module imports neither tokio nor zbus nor the file system.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sockgen::{Share, SlotName};

use crate::canary::Canary;
use crate::release::ReleaseId;

/// One run of a slot's service, as systemd names it: 32 hex digits, new at every start (systemd.exec(5), `$INVOCATION_ID`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation(pub String);

/// What a person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// A new release.
    Deploy,
    /// The same release, or the same absolute program, in a new process.
    Restart,
    /// An earlier release.
    Rollback,
}

impl Command {
    /// The subcommand as typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Restart => "restart",
            Self::Rollback => "rollback",
        }
    }
}

/// The wish, written down before the first step that changes a slot and removed after the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Format of this record.
    pub version: u32,
    /// What was asked.
    pub command: Command,
    /// The release that is to serve; `None` for a program that the administrator installs.
    pub release: Option<ReleaseId>,
    /// The slot it goes into.
    pub into: SlotName,
    /// The slot that served when the deploy began; `None` when none did, as at the first deploy.
    pub from: Option<SlotName>,
    /// The run that occupied `into` when the deploy began: it is not the one that this deploy starts.
    pub stale: Option<Invocation>,
    /// The standby that a rollback takes as it is: it was live before, so users move to it before the alias does.
    #[serde(default)]
    pub warm: Option<Invocation>,
    /// What the new release has to hold before it gets all connections.
    #[serde(default)]
    pub canary: Option<Canary>,
    /// How long the old slot stands by in the end; 0 when it is stopped.
    #[serde(default)]
    pub keep_warm: Duration,
    /// Why the new slot was given up. Once set, the plan leads back to `from`.
    pub failed: Option<String>,
    /// When it was asked, seconds since the epoch.
    pub since: i64,
    /// The same by CLOCK_MONOTONIC, in microseconds: the wish lives no longer than the boot, and the other clock may jump.
    pub since_us: i64,
}

/// systemd's word for the state of a unit (org.freedesktop.systemd1(5), `ActiveState`), as far as the plan needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Active {
    /// Nothing runs.
    #[default]
    Inactive,
    /// Starting, or waiting to be restarted.
    Activating,
    /// It said `READY=1`.
    Active,
    /// Stopping: it drains.
    Deactivating,
    /// It ended badly and is not restarted.
    Failed,
}

impl Active {
    /// Whether the slot accepts, or will once it has started.
    pub fn serves(self) -> bool {
        matches!(self, Self::Activating | Self::Active)
    }

    /// Whether a process of the slot runs or may soon run.
    pub fn runs(self) -> bool {
        matches!(self, Self::Activating | Self::Active | Self::Deactivating)
    }
}

/// What is there of one slot.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct SlotState {
    /// The unit's state.
    pub active: Active,
    /// The present run, when there is one.
    pub invocation: Option<Invocation>,
    /// The release that the slot's link points to.
    pub release: Option<ReleaseId>,
    /// Whether the slot's environment file says to start with a closed gate.
    pub held: bool,
    /// The share of accepts it takes now, 0 to 1; `None` when its admin socket gives no answer.
    pub gate: Option<f64>,
    /// Whether a timer stands that will stop this very run.
    pub retires: bool,
}

impl SlotState {
    fn closed(&self) -> bool {
        self.held && self.shut()
    }

    /// Whether it accepts nobody now; a slot that gives no answer cannot be said to accept.
    fn shut(&self) -> bool {
        self.gate.unwrap_or(0.0) == 0.0
    }

    /// Whether nobody is served by it, though it should be.
    fn turned_away(&self) -> bool {
        self.held || (self.active.serves() && self.gate == Some(0.0))
    }
}

/// What is there, as far as the plan needs it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observed {
    /// The slot that the alias on disk points to: the live one.
    pub live: Option<SlotName>,
    /// The slot that systemd's memory takes the alias for; `None` while nobody has loaded it.
    pub loaded: Option<SlotName>,
    /// Every slot of the application.
    pub slots: BTreeMap<SlotName, SlotState>,
    /// Whether the migrate hook is still to succeed for this wish.
    pub to_migrate: bool,
    /// Whether the pre-stop hook is.
    pub to_pre_stop: bool,
    /// Whether the slots have no gate, because the program is not built on `sockact`: one that runs accepts.
    pub ungated: bool,
    /// The run that this controller has seen hold its health for the stable time.
    pub verified: Option<Invocation>,
    /// The largest share of the connections at which this controller has watched the new slot for as long as asked.
    pub trialed: Option<Share>,
    /// Whether this controller has watched the new slot after the swap for as long as asked.
    pub watched: bool,
}

impl Observed {
    fn slot(&self, name: &SlotName) -> SlotState {
        self.slots.get(name).cloned().unwrap_or_default()
    }

    fn alias_is(&self, slot: &SlotName) -> bool {
        self.live.as_ref() == Some(slot) && self.loaded.as_ref() == Some(slot)
    }
}

macro_rules! steps {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One change of the world. Each can be repeated: done twice, it is as if done once.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Step { $($(#[$doc])* $variant,)* }

        impl Step {
            /// Every step there is, in the order in which a deploy meets them, the way back last.
            pub const ALL: &[Step] = &[$(Step::$variant,)*];

            /// The word that stands for it in output, history and `--pause-after`.
            pub fn name(self) -> &'static str {
                match self { $(Step::$variant => $name,)* }
            }
        }
    };
}

steps! {
    /// Stop what still runs in the slot that the new release goes into.
    Clear = "clear",
    /// Run the manifest's `hooks.migrate`: the old release serves meanwhile.
    Migrate = "migrate",
    /// Point the slot's link at the release.
    Link = "link",
    /// Write the environment file that makes the slot start with a closed gate.
    Hold = "hold",
    /// Start the new slot and wait for its `READY=1`.
    Start = "start",
    /// Ask the new slot for its health until it held for the stable time.
    Probe = "probe",
    /// Open the new slot's gate to the canary's next share, beside the old slot.
    Canary = "canary",
    /// Watch the new slot while it has that share of the users' connections.
    Trial = "trial",
    /// Stop the proven slot of a first deploy: systemd must not meet a new alias of a running service (see ARCHITECTURE.md).
    Rest = "rest",
    /// Re-point the alias to the new slot: the commit.
    Commit = "commit",
    /// Open the new slot's gate.
    Open = "open",
    /// Close the old slot's gate: it is a warm standby now.
    Close = "close",
    /// Watch the new slot under users' traffic.
    Watch = "watch",
    /// Set the timer that stops the old slot later: it stays a warm standby.
    Warm = "warm",
    /// Run the manifest's `hooks.pre_stop` beside the old slot.
    PreStop = "pre-stop",
    /// Stop the old slot: it drains.
    Retire = "retire",
    /// Way back: open the old slot's gate.
    Reopen = "reopen",
    /// Way back: start the old slot, when it does not run any more.
    Revive = "revive",
    /// Way back: close the new slot's gate.
    Shut = "shut",
    /// Way back: re-point the alias to the old slot.
    Return = "return",
    /// Way back from a first deploy: take the alias away, connections wait again.
    Disable = "disable",
    /// Way back: stop the new slot.
    Withdraw = "withdraw",
    /// Write the history, drop old releases, forget the wish.
    Record = "record",
}

/// How a deploy ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The wanted release is live.
    Live,
    /// The new slot was given up for this reason; the old one serves.
    RolledBack(String),
    /// A first deploy was given up for this reason: nothing is deployed, connections wait.
    Undone(String),
}

/// The answer of [`next`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Do this, then observe and ask again.
    Do(Step),
    /// The canary stays at this share until a person promotes or aborts it.
    Stay(Share),
    /// Nothing is left but [`Step::Record`].
    Done(Outcome),
}

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
    // With a slot to spare the next deploy need not wait for this one's drain, so nor does this one.
    let gone =
        !old.active.runs() || (old.active == Active::Deactivating && observed.slots.len() > 2);
    let stays = !desired.keep_warm.is_zero() && !observed.ungated && old.active == Active::Active;
    if stays && !old.retires {
        Next::Do(Step::Warm)
    } else if !stays && !gone && observed.to_pre_stop && old.active == Active::Active {
        Next::Do(Step::PreStop)
    } else if !stays && !gone {
        Next::Do(Step::Retire)
    } else {
        Next::Done(Outcome::Live)
    }
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
    if old.turned_away() {
        Next::Do(Step::Reopen)
    } else if old.active != Active::Active {
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
