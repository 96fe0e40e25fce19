//! What `sockact.toml` says of the slots as services: what they may use, keep and do.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::model::{Bandwidth, Level, Memory, Tasks};

/// What each slot may use of the machine; during a deploy two run.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Resources {
    /// From here on the kernel takes memory back, and the slot is slowed down.
    pub(crate) memory_high: Option<Memory>,
    /// Above it a process of the slot is killed.
    pub(crate) memory_max: Option<Memory>,
    /// The swap that it may use besides; `"0"` for none.
    pub(crate) memory_swap_max: Option<Memory>,
    /// Processor time; `"100%"` is one processor.
    pub(crate) cpu_quota: Option<Bandwidth>,
    /// Its share when processors are short, 1 to 10000; others have 100.
    pub(crate) cpu_weight: Option<i64>,
    /// Its share when disks are busy, 1 to 10000; others have 100.
    pub(crate) io_weight: Option<i64>,
    /// Processes and threads, as a number or a part of what the machine takes.
    pub(crate) tasks_max: Option<Tasks>,
    /// Descriptors of each process, one for each connection; 524288 when left out.
    pub(crate) open_files: Option<i64>,
    /// -20, before all others, to 19.
    pub(crate) nice: Option<i64>,
    /// -1000, never killed when the machine is out of memory, to 1000.
    pub(crate) oom_score: Option<i64>,
}

/// Where the slots may write, besides `$STATE_DIRECTORY`.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Storage {
    /// Directories and files that are there, each an absolute path.
    pub(crate) write: Vec<String>,
    /// A directory for what can be made again, `$CACHE_DIRECTORY`.
    pub(crate) cache: bool,
    /// A directory for logs of its own, `$LOGS_DIRECTORY`.
    pub(crate) logs: bool,
}

/// What the slots may not do.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hardening {
    /// `strict` when left out; `standard` is what no ordinary program notices, `none` leaves it to systemd.
    pub(crate) level: Level,
    /// What they may do all the same, such as `jit` for Node and Java; `sockgen explain hardening` lists it.
    #[schemars(schema_with = "crate::schema::relaxations")]
    pub(crate) allow: Vec<String>,
}

/// Directives of systemd that no key here stands for, written into the units as they are.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Directives {
    /// For `[Unit]` of each slot.
    pub(crate) unit: BTreeMap<String, OneOrMany>,
    /// For `[Service]` of each slot.
    pub(crate) service: BTreeMap<String, OneOrMany>,
    /// For `[Socket]` of each public socket.
    pub(crate) socket: BTreeMap<String, OneOrMany>,
}

/// A value, or several lines of them.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn into_list(self) -> Vec<String> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}
