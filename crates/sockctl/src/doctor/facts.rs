//! What was seen of the machine: read once, handed to [`super::diagnose()`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use sockgen::install::Readdressed;
use sockgen::{App, ListenerName, SlotName};

use crate::plan::Active;
use crate::sockets::Seen;

/// Everything that doctor looks at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The application, as its installed manifest says.
    pub app: App,
    /// Who holds the lock of a deploy.
    pub at_work: Option<String>,
    /// The deploy that was begun and not recorded, in words.
    pub unfinished: Option<String>,
    /// The state of the target.
    pub target: Active,
    /// What the alias on disk points to.
    pub alias_on_disk: Option<String>,
    /// The unit behind the alias in systemd's memory.
    pub alias_loaded: Option<String>,
    /// Every slot, in the manifest's order.
    pub slots: Vec<Slot>,
    /// Every unit that sockgen makes, by name.
    pub units: BTreeMap<String, Unit>,
    /// Every public listener.
    pub listeners: BTreeMap<ListenerName, Seen>,
    /// The listeners whose units have lost their address on disk, and by what.
    pub readdressed: BTreeMap<ListenerName, Readdressed>,
    /// The file systems that a deploy writes to.
    pub disks: Vec<Disk>,
    /// The clock.
    pub clock: Clock,
}

impl Facts {
    /// The slot that the alias on disk names.
    pub fn live(&self) -> Option<&Slot> {
        let disk = self.alias_on_disk.as_ref()?;
        self.slots.iter().find(|slot| self.app.slot_unit(&slot.name).as_ref() == disk)
    }

    /// Whether a generator makes the units.
    pub fn is_generated(&self) -> bool {
        self.units.values().any(|unit| unit.made)
    }

    /// Whether no deploy is at work or waits for `resume`.
    pub fn is_at_rest(&self) -> bool {
        self.at_work.is_none() && self.unfinished.is_none()
    }
}

/// A slot.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its name.
    pub name: SlotName,
    /// The state of its service.
    pub active: Active,
    /// Its gate; `None` when it gives no answer.
    pub gate: Option<f64>,
    /// Whether it would start with a closed gate.
    pub held: bool,
    /// Whether anything listens on its admin socket.
    pub admin_listens: bool,
    /// Whether its link leads to a release with the manifest's program.
    pub link: Link,
    /// Bytes of all credentials that its unit names.
    pub credentials: u64,
}

/// Where a slot's link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It has none: the program is the administrator's.
    None,
    /// To a release that has the program.
    Fine,
    /// To no release, or to one without the program; or no release was ever linked.
    Dangling,
}

/// A unit as systemd has it loaded, and its file.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// `LoadState`.
    pub load: String,
    /// `ActiveState`.
    pub active: Active,
    /// `NeedDaemonReload`.
    pub stale: bool,
    /// Drop-ins for this unit by its name, with their text. Those for all units of a type are the machine's own business.
    pub drop_ins: Vec<(PathBuf, String)>,
    /// Whether a generator made it, which systemd does not enable.
    pub made: bool,
    /// Whether its file is what sockgen makes.
    pub file: FileIs,
    /// `StartLimitIntervalUSec`, 0 for none; `None` when systemd did not say.
    pub start_limit_us: Option<u64>,
    /// `TriggerLimitIntervalUSec` of a socket.
    pub trigger_limit_us: Option<u64>,
    /// `FlushPending` of a socket.
    pub flush_pending: Option<bool>,
    /// `Accept` of a socket.
    pub accept: Option<bool>,
    /// `RefuseManualStop`.
    pub refuse_manual_stop: Option<bool>,
    /// How many conditions and assertions it has.
    pub conditions: usize,
    /// `Type` of a service.
    pub kind: Option<String>,
    /// `NonBlocking` of a service.
    pub non_blocking: Option<bool>,
    /// `LimitNOFILESoft` of a service.
    pub descriptors: Option<u64>,
}

/// A unit's file beside what sockgen makes of the installed manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileIs {
    /// The same bytes.
    #[default]
    Same,
    /// Other bytes, or a link.
    Other,
    /// Not there.
    Missing,
}

/// A file system that a deploy writes to.
#[derive(Debug, Clone)]
pub struct Disk {
    /// The directory.
    pub path: PathBuf,
    /// Bytes that are free for us.
    pub bytes: u64,
    /// Inodes that are free for us; `None` where the file system does not count them.
    pub inodes: Option<u64>,
}

/// The clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// What it says.
    pub now: Timestamp,
    /// Whether it is synchronised; `None` when nobody could say.
    pub synchronised: Option<bool>,
    /// When the newest entry of the history ended.
    pub newest: Option<Timestamp>,
}
