//! The application as everything else sees it: valid, complete, and never changed.

mod directives;
mod hardening;
mod journal;
mod listener;
mod paths;
mod proxy;
mod resources;
mod storage;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::address::Address;
use crate::names::{AppName, SlotName};
use crate::place::Place;
use crate::share::Share;
pub use listener::{Listener, SocketOption, UnixAccess};

pub(crate) use directives::Section;
pub use directives::{Directive, Directives};
pub use hardening::{Hardening, Level, RELAXATIONS, Relaxation, RelaxationError, RelaxationKind};
pub use journal::Journal;
pub use proxy::Proxy;
pub use resources::{Bandwidth, Memory, Percent, Resources, Tasks};
pub use storage::{Secret, Storage};

/// What a slot runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exec {
    /// A path inside the release, such as `bin/shop`.
    Release(PathBuf),
    /// An absolute path of a program that the administrator installs.
    Program(PathBuf),
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argv {
    /// The program.
    pub exec: Exec,
    /// Its arguments.
    pub args: Vec<String>,
}

impl fmt::Display for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Exec::Release(program) | Exec::Program(program)) = &self.exec;
        write!(f, "{}", program.display())?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))
    }
}

/// Commands that a deploy runs beside the slots, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// Before the new slot starts: what the release needs of the world, such as a newer schema. The old release serves meanwhile.
    pub migrate: Option<Argv>,
    /// Before the old slot is stopped.
    pub pre_stop: Option<Argv>,
    /// The longest time that one may take.
    pub timeout: Duration,
}

/// When a slot that was started counts as ready: `Type=` of systemd.service(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ready {
    /// It says `READY=1` (sd_notify(3)).
    Notify,
    /// Its program was executed: for programs that do not speak sd_notify(3).
    Exec,
}

/// What is asked of a slot, and where, so that no other slot can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// `GET` of this path over the slot's admin socket; 2xx and 3xx are healthy.
    Admin {
        /// The path.
        path: String,
    },
    /// `GET` of this path at an address that the slot itself opens; 2xx and 3xx are healthy.
    Http {
        /// The path.
        path: String,
        /// The address of each slot.
        at: BTreeMap<SlotName, Address>,
    },
    /// A connection to an address that the slot itself opens: healthy when it is accepted.
    Connect {
        /// The address of each slot.
        at: BTreeMap<SlotName, Address>,
    },
    /// A command: healthy when it exits with status 0.
    Exec(Argv),
}

impl Probe {
    /// The address that this slot opens for it; `None` when it needs none.
    #[must_use]
    pub fn address(&self, slot: &SlotName) -> Option<&Address> {
        match self {
            Self::Http { at, .. } | Self::Connect { at } => at.get(slot),
            Self::Admin { .. } | Self::Exec(_) => None,
        }
    }
}

/// What is asked, for people: `/health`, `bin/healthy`.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin { path } | Self::Http { path, .. } => f.write_str(path),
            Self::Connect { .. } => f.write_str("the health address"),
            Self::Exec(argv) => match &argv.exec {
                Exec::Release(path) | Exec::Program(path) => write!(f, "{}", path.display()),
            },
        }
    }
}

/// How a slot is asked whether it is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// Between the end of one request and the start of the next.
    pub interval: Duration,
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// So many misses in a row, and the release is given up.
    pub failures: u32,
}

/// The times of a deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// How long health must hold without a miss.
    pub stable: Duration,
    /// The longest time from `READY=1` until the slot is proven.
    pub deadline: Duration,
    /// How long the new slot is watched after the swap.
    pub watch: Duration,
    /// The longest time the old slot may take for what it still answers.
    pub drain: Duration,
    /// How long the old slot stands by behind its closed gate after the watch; 0 means that it is stopped.
    pub keep_warm: Duration,
    /// What part of the users' connections a new release has to hold before it gets all.
    pub canary: Canary,
}

/// The steps by which a release comes into service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// The share of each step, rising; none means that it gets all connections at once.
    pub shares: Vec<Share>,
    /// How long it is watched at each.
    pub hold: Duration,
}

/// A valid application.
///
/// ```
/// let app = sockgen::App::parse(r#"
///     name = "shop"
///     exec = "bin/shop"
///     [listeners.http]
///     listen = "127.0.0.1:8080"
/// "#)?;
/// assert_eq!(app.slots()[0].as_ref(), "blue");
/// assert_eq!(app.slot_unit(&app.slots()[0]).as_ref(), "shop-blue.service");
/// # Ok::<(), sockgen::ManifestError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    pub(crate) name: AppName,
    pub(crate) place: Place,
    pub(crate) slots: Vec<SlotName>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) exec: Exec,
    pub(crate) args: Vec<String>,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) supplementary_groups: Vec<String>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) resources: Resources,
    pub(crate) storage: Storage,
    pub(crate) journal: Option<Journal>,
    pub(crate) hardening: Hardening,
    pub(crate) directives: Directives,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) health: Health,
    pub(crate) hooks: Hooks,
    pub(crate) gated: bool,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) ready: Ready,
    pub(crate) start_timeout: Duration,
    pub(crate) swap: Swap,
    pub(crate) keep: usize,
    pub(crate) max_size: u64,
    pub(crate) max_files: u64,
    pub(crate) textfile: Option<PathBuf>,
}

impl App {
    /// The application's name.
    #[must_use]
    pub fn name(&self) -> &AppName {
        &self.name
    }

    /// The slots, two at least: blue, then green, when the manifest names none.
    #[must_use]
    pub fn slots(&self) -> &[SlotName] {
        &self.slots
    }

    /// The public listeners, by name.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// What a slot runs.
    #[must_use]
    pub fn exec(&self) -> &Exec {
        &self.exec
    }

    /// The arguments of the program.
    #[must_use]
    pub fn args(&self) -> &[String] {
        &self.args
    }

    /// The user the slots run as, when it is not the dynamic one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The group of the slots, when it is not that of their user.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Further groups of the slots.
    #[must_use]
    pub fn supplementary_groups(&self) -> &[String] {
        &self.supplementary_groups
    }

    /// What each slot may use of the machine.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Directives that are written into the units as they are.
    #[must_use]
    pub fn directives(&self) -> &Directives {
        &self.directives
    }

    /// How far the slots are shut in.
    #[must_use]
    pub fn hardening(&self) -> &Hardening {
        &self.hardening
    }

    /// The environment of the program, by key.
    #[must_use]
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// How a slot is asked whether it is well.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Commands that a deploy runs beside the slots.
    #[must_use]
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Whether the program is built on `sockact`, so that a slot has a gate and an admin socket. One that is not accepts from the
    /// moment it runs until it is stopped.
    #[must_use]
    pub fn gated(&self) -> bool {
        self.gated
    }

    /// When a slot that was started counts as ready.
    #[must_use]
    pub fn ready(&self) -> Ready {
        self.ready
    }

    /// The longest time from the start of a slot until it is ready.
    #[must_use]
    pub fn start_timeout(&self) -> Duration {
        self.start_timeout
    }

    /// The times of a deploy.
    #[must_use]
    pub fn swap(&self) -> &Swap {
        &self.swap
    }

    /// The most bytes that the files of a release may have.
    #[must_use]
    pub fn max_size(&self) -> u64 {
        self.max_size
    }

    /// The most files, directories and links that a release may have.
    #[must_use]
    pub fn max_files(&self) -> u64 {
        self.max_files
    }

    /// How many releases stay on the disk; linked ones stay in any case.
    #[must_use]
    pub fn keep(&self) -> usize {
        self.keep
    }

    /// The folder that node_exporter's textfile collector reads, when metrics are to be written there.
    #[must_use]
    pub fn textfile(&self) -> Option<&Path> {
        self.textfile.as_deref()
    }
}
