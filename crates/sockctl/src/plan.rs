//! What to do next: a pure function of what is wanted and what is there.
//!
//! [`next`] is asked, one [`Step`] is done, the world is observed again, and so on until [`Next::Done`]. A controller that was
//! killed leaves the world in some state between two steps; `sockctl resume` calls the same function on what it finds. So there is no
//! second code path for recovery, and a dry run prints what a deploy would do.
//!
//! This module imports neither tokio nor zbus nor the file system.

mod decide;

use std::collections::BTreeMap;
use std::time::Duration;

pub use decide::next;
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
    /// Whether a socket of the manifest's was never opened.
    pub to_listen: bool,
    /// Whether sockets are left of listeners that are not in the manifest any more, and this controller has not tried to close them.
    pub to_unlisten: bool,
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
    /// Whether this controller has tried to start the old slot on the way back, and it did not start.
    pub lost: bool,
}

impl Observed {
    fn slot(&self, name: &SlotName) -> SlotState {
        self.slots.get(name).cloned().unwrap_or_default()
    }

    /// With what the controller that looks knows from before, which nothing outside of it tells.
    pub fn after(self, known: Self) -> Self {
        let Self { to_listen, to_unlisten, verified, trialed, watched, lost, .. } = known;
        Self { to_listen, to_unlisten, verified, trialed, watched, lost, ..self }
    }

    /// Whether the old slot was lost, and the way back can go on to an end all the same: the new one is live, or users do not meet it.
    pub fn goes_on_without_old(&self, new: &SlotName) -> bool {
        let state = self.slot(new);
        let unmet = !state.active.serves() || (!self.ungated && state.closed());
        self.lost && (unmet || self.alias_is(new))
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
    /// Copy the release into the store. Done before there is a wish, which names the copy: [`next`] never asks for it.
    Stage = "stage",
    /// Open the sockets of listeners that are new in the manifest: what connects waits for the new slot.
    Listen = "listen",
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
    /// Close the sockets of listeners that are not in the manifest any more and that no process has.
    Unlisten = "unlisten",
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
    /// The new slot was given up for this reason; the old one is live again.
    RolledBack(String),
    /// The new slot failed for this reason when it was live, and the old one does not start any more: it stays, for it is all there is.
    Kept(String),
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
