//! What becomes of each directive of a unit: it is carried over, it is ours already, or it is not carried over, with the reason.

use super::draft::Table;
use crate::check::{Entry, Unit};

/// Where a directive goes to, when the manifest's rules take its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Group,
    Groups,
    /// Keys of `[resources]`, by what they take.
    Memory(&'static str),
    Bandwidth(&'static str),
    Tasks(&'static str),
    Number(&'static str),
    /// `storage.write`.
    Write,
    /// The old state directory, into `storage.write`.
    State,
    /// `storage.cache` and `storage.logs`.
    Directory(&'static str),
    Credential,
    /// `[directives]`.
    Directive(Table),
}

/// What becomes of a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Read by the conversion, which says itself when it cannot take a value.
    Carried,
    /// The slots have it, or something better.
    Ours,
    /// Carried over where the manifest's rules take the value.
    To(Target),
    /// Not carried over, because.
    Lost(&'static str),
}

use Fate::{Carried, Lost, Ours, To};
use Target::{
    Bandwidth, Credential, Directive, Directory, Group, Groups, Memory, Number, State, Tasks, Write,
};

const NO_PLACE: &str = "the units of the slots have no place for it";
const STRICTER: &str = "the slots are stricter; what the program needs all the same goes into [hardening], as `sockgen explain hardening` lists it";
const STARTS: &str =
    "it would run at every start of each slot; put it into the program, or make it hooks.migrate";

/// By section and key.
const FATES: [(&str, &str, Fate); 70] = [
    ("Service", "ExecStart", Carried),
    ("Service", "Environment", Carried),
    ("Service", "EnvironmentFile", Carried),
    ("Service", "User", Carried),
    ("Service", "DynamicUser", Carried),
    ("Service", "Type", Carried),
    ("Service", "TimeoutStartSec", Carried),
    ("Service", "TimeoutStopSec", Carried),
    ("Service", "TimeoutSec", Carried),
    ("Service", "WorkingDirectory", Carried),
    ("Service", "ExecStartPre", Carried),
    ("Service", "Sockets", Ours),
    ("Service", "NonBlocking", Ours),
    ("Service", "NotifyAccess", Ours),
    ("Service", "Restart", Ours),
    ("Service", "RestartSec", Ours),
    ("Service", "LimitNOFILE", Ours),
    ("Service", "UMask", Ours),
    ("Service", "SyslogIdentifier", Ours),
    ("Service", "StandardOutput", Ours),
    ("Service", "StandardError", Ours),
    ("Service", "NoNewPrivileges", Ours),
    ("Service", "PrivateTmp", Ours),
    ("Service", "PrivateDevices", Ours),
    ("Service", "ProtectSystem", Ours),
    ("Service", "ProtectHome", Ours),
    ("Service", "ProtectProc", Ours),
    ("Service", "ProtectClock", Ours),
    ("Service", "ProtectHostname", Ours),
    ("Service", "ProtectKernelTunables", Ours),
    ("Service", "ProtectKernelModules", Ours),
    ("Service", "ProtectKernelLogs", Ours),
    ("Service", "ProtectControlGroups", Ours),
    ("Service", "RestrictNamespaces", Ours),
    ("Service", "RestrictRealtime", Ours),
    ("Service", "RestrictSUIDSGID", Ours),
    ("Service", "LockPersonality", Ours),
    ("Service", "SystemCallArchitectures", Ours),
    (
        "Service",
        "KillMode",
        Lost("the slots have mixed: SIGTERM to the main process alone, which drains"),
    ),
    (
        "Service",
        "PIDFile",
        Lost("systemd knows the main process of a slot; two slots would write one file"),
    ),
    (
        "Service",
        "ExecReload",
        Lost(
            "a reload is a swap: sockctl restart starts the other slot, which reads its files anew",
        ),
    ),
    ("Service", "ExecStartPost", Lost(STARTS)),
    (
        "Service",
        "ExecStop",
        Lost(
            "a slot is told to drain by SIGTERM; hooks.pre_stop runs before the old slot is stopped",
        ),
    ),
    (
        "Service",
        "ExecStopPost",
        Lost(
            "hooks.pre_stop runs before the old slot is stopped; what has to come after it, in a drop-in of each slot",
        ),
    ),
    ("Service", "ExecCondition", Lost("on a slot it would make traffic start it in a loop")),
    ("Service", "Group", To(Group)),
    ("Service", "SupplementaryGroups", To(Groups)),
    ("Service", "StateDirectory", To(State)),
    ("Service", "CacheDirectory", To(Directory("cache"))),
    ("Service", "LogsDirectory", To(Directory("logs"))),
    (
        "Service",
        "RuntimeDirectory",
        Lost(
            "systemd removes it when one of the slots stops, under the other one: use the state directory",
        ),
    ),
    ("Service", "AmbientCapabilities", Lost(STRICTER)),
    ("Service", "CapabilityBoundingSet", Lost(STRICTER)),
    ("Service", "ReadWritePaths", To(Write)),
    ("Service", "LoadCredential", To(Credential)),
    ("Service", "MemoryHigh", To(Memory("memory_high"))),
    ("Service", "MemoryMax", To(Memory("memory_max"))),
    ("Service", "MemorySwapMax", To(Memory("memory_swap_max"))),
    ("Service", "CPUQuota", To(Bandwidth("cpu_quota"))),
    ("Service", "CPUWeight", To(Number("cpu_weight"))),
    ("Service", "IOWeight", To(Number("io_weight"))),
    ("Service", "TasksMax", To(Tasks("tasks_max"))),
    ("Service", "Nice", To(Number("nice"))),
    ("Service", "OOMScoreAdjust", To(Number("oom_score"))),
    ("Unit", "Description", Ours),
    ("Unit", "Documentation", Ours),
    ("Unit", "StartLimitIntervalSec", Ours),
    ("Unit", "StartLimitBurst", Ours),
    ("Install", "WantedBy", Ours),
    ("Install", "Alias", Lost("the alias of the live slot is the only one: call it by that name")),
];

/// Values with which a directive that we set is looser than ours.
const LOOSE: [&str; 5] = ["no", "false", "off", "0", "n"];

/// Orders that every slot has, or that a network service does not need when its sockets are open before it starts.
pub(super) const NETWORK: [&str; 4] =
    ["network.target", "network-online.target", "nss-lookup.target", "syslog.target"];

/// What is lost, line by line, each with the reason.
pub(super) fn lost(unit: &Unit) -> Vec<(String, &'static str)> {
    let mut lost = Vec::new();
    // A link in a `.wants` folder has no line; an empty value is none.
    for entry in unit.entries.iter().filter(|entry| entry.line.is_some()) {
        let counts = unit.all(&entry.section, &entry.key).contains(&entry);
        if let Some(why) = why(entry).filter(|_| counts) {
            lost.push((line(entry), why));
        }
    }
    lost
}

/// A line as a message shows it: not what a credential holds.
pub(super) fn line(entry: &Entry) -> String {
    let value = match entry.key.starts_with("SetCredential") {
        true => entry.value.split(':').next().unwrap_or_default(),
        false => &entry.value,
    };
    format!("{}={value}", entry.key)
}

fn why(entry: &Entry) -> Option<&'static str> {
    match fate(entry)? {
        Ours if LOOSE.contains(&entry.value.to_lowercase().as_str()) => Some(STRICTER),
        Ours | Carried | To(_) => None,
        Lost(why) => Some(why),
    }
}

/// Where the manifest may have a place for it.
pub(super) fn target(entry: &Entry) -> Option<Target> {
    match fate(entry)? {
        To(target) => Some(target),
        _ => None,
    }
}

/// What becomes of a line; of some nothing has to be said.
fn fate(entry: &Entry) -> Option<Fate> {
    let (section, key) = (&*entry.section, entry.key.as_str());
    if section.starts_with("X-") || key.starts_with("X-") {
        return None;
    }
    if section == "Unit" && (key.starts_with("Condition") || key.starts_with("Assert")) {
        return Some(Lost("on a slot an unmet condition makes traffic start it in a loop"));
    }
    if section == "Unit" && entry.value.split_whitespace().all(|name| NETWORK.contains(&name)) {
        return None;
    }
    if key.ends_with("Capabilities") || key == "CapabilityBoundingSet" {
        // systemd opens the port.
        let needed = entry.value.split_whitespace().any(|name| name != "CAP_NET_BIND_SERVICE");
        return needed.then_some(Lost(STRICTER));
    }
    let known = FATES.iter().find(|(s, k, _)| *s == section && *k == key).map(|(.., fate)| *fate);
    Some(known.unwrap_or(match section {
        "Unit" => To(Directive(Table::Unit)),
        "Service" => To(Directive(Table::Service)),
        _ => Lost(NO_PLACE),
    }))
}
