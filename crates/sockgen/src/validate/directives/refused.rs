//! Directives that are not taken raw, each with the reason: what loses the port, and what the manifest has a word for.

use crate::model::Section::{self, Service, Socket, Unit};

/// Why a directive is not taken.
pub(super) struct Refused {
    section: Section,
    /// Its name; with a `*` at the end every name that begins so.
    name: &'static str,
    /// The rule of `sockgen check` that says what happens.
    pub(super) rule: Option<&'static str>,
    pub(super) why: &'static str,
    /// What to write instead.
    pub(super) instead: &'static str,
}

const fn hazard(
    section: Section,
    name: &'static str,
    rule: &'static str,
    why: &'static str,
) -> Refused {
    Refused { section, name, rule: Some(rule), why, instead: "leave it out" }
}

const fn worded(section: Section, name: &'static str, instead: &'static str) -> Refused {
    Refused { section, name, rule: None, why: "the manifest has a key of its own for it", instead }
}

const fn never(section: Section, name: &'static str, why: &'static str) -> Refused {
    Refused { section, name, rule: None, why, instead: "leave it out" }
}

/// Why this directive is not taken, when it is not.
pub(super) fn refused(section: Section, key: &str) -> Option<&'static Refused> {
    TABLE.iter().find(|refused| {
        refused.section == section
            && match refused.name.strip_suffix('*') {
                Some(start) => key.starts_with(start),
                None => key == refused.name,
            }
    })
}

const TABLE: &[Refused] = &[
    hazard(Unit, "StartLimit*", "S01", "a start limit closes the public sockets"),
    hazard(Unit, "Condition*", "S06", "unmet, traffic starts the slot in a loop"),
    hazard(Unit, "Assert*", "S06", "unmet, traffic starts the slot in a loop"),
    never(Unit, "RefuseManualStart", "sockctl could not start the slot"),
    never(Unit, "RefuseManualStop", "sockctl could not stop the slot"),
    never(Unit, "StopWhenUnneeded", "nothing needs a slot but its users, so systemd would stop it"),
    never(Unit, "DefaultDependencies", "the slot would not be stopped before the machine is"),
    never(Unit, "CollectMode", "what became of a slot that failed would be forgotten"),
    worded(Unit, "SourcePath", "leave it out: the unit says which manifest it comes from"),
    hazard(Service, "StartLimit*", "S01", "a start limit closes the public sockets"),
    hazard(Service, "Restart", "S03", "traffic starts a slot that ended in a busy loop"),
    hazard(Service, "RestartSec", "S03", "traffic starts a slot that ended in a busy loop"),
    hazard(Service, "RestartPreventExitStatus", "S03", "a slot always restarts"),
    hazard(Service, "RestartMode", "S03", "the sockets would see the slot fail in between"),
    hazard(Service, "NonBlocking", "S05", "the other slot's listener would block"),
    hazard(Service, "ExecCondition", "S06", "unmet, traffic starts the slot in a loop"),
    hazard(Service, "Sockets", "S13", "the slots get the sockets of [listeners] and no others"),
    hazard(Service, "StandardInput", "S13", "a slot's sockets are not its standard input"),
    hazard(
        Service,
        "RuntimeDirectory",
        "S30",
        "it goes away with the slot that stops first, under the other one",
    ),
    hazard(Service, "RuntimeDirectoryPreserve", "S30", "RuntimeDirectory= is not taken"),
    hazard(Service, "RuntimeMaxSec", "S21", "it ends the live slot while no other accepts"),
    hazard(Service, "RemainAfterExit", "S19", "a slot without a process would count as running"),
    hazard(Service, "GuessMainPID", "S19", "a slot has one main process, which systemd knows"),
    hazard(Service, "PIDFile", "S19", "a slot stays in the foreground"),
    hazard(Service, "BusName", "S19", "a slot says READY=1, or is ready when it runs"),
    hazard(Service, "Type", "S19", "the controller relies on it: start.ready"),
    hazard(Service, "NotifyAccess", "S19", "the controller relies on the main process's READY=1"),
    hazard(Service, "KillMode", "S21", "helpers of a slot live until it has drained"),
    never(Service, "SendSIGKILL", "a slot that does not end would serve on beside the next one"),
    never(
        Service,
        "FinalKillSignal",
        "a slot that does not end would serve on beside the next one",
    ),
    Refused {
        section: Service,
        name: "TimeoutStopSec",
        rule: Some("S21"),
        why: "it has to be above the drain's deadline",
        instead: "swap.drain sets both",
    },
    Refused {
        section: Service,
        name: "TimeoutSec",
        rule: Some("S21"),
        why: "it has to be above the drain's deadline",
        instead: "swap.drain and start.timeout",
    },
    worded(Service, "TimeoutStartSec", "start.timeout"),
    worded(Service, "ExecStart", "exec and args"),
    worded(Service, "WorkingDirectory", "leave it out: it is the slot's release"),
    worded(Service, "RootDirectory", "leave it out: the release is not in there"),
    worded(Service, "Environment", "[environment]"),
    worded(Service, "User", "user"),
    worded(Service, "Group", "group"),
    worded(Service, "SupplementaryGroups", "supplementary_groups"),
    worded(Service, "DynamicUser", "leave user out for a dynamic one"),
    worded(Service, "StateDirectory", "leave it out: $STATE_DIRECTORY is there"),
    worded(Service, "CacheDirectory", "[storage] cache = true"),
    worded(Service, "LogsDirectory", "[storage] logs = true"),
    worded(Service, "ReadWritePaths", "[storage] write = [\"/srv/uploads\"]"),
    worded(Service, "LimitNOFILE", "[resources] open_files"),
    worded(Service, "MemoryHigh", "[resources] memory_high"),
    worded(Service, "MemoryMax", "[resources] memory_max"),
    worded(Service, "MemorySwapMax", "[resources] memory_swap_max"),
    worded(Service, "CPUQuota", "[resources] cpu_quota"),
    worded(Service, "CPUWeight", "[resources] cpu_weight"),
    worded(Service, "IOWeight", "[resources] io_weight"),
    worded(Service, "TasksMax", "[resources] tasks_max"),
    worded(Service, "Nice", "[resources] nice"),
    worded(Service, "OOMScoreAdjust", "[resources] oom_score"),
    worded(Service, "LogNamespace", "[journal] namespace = true"),
    Refused {
        section: Service,
        name: "SetCredential*",
        rule: None,
        why: "everybody may read a unit file",
        instead: "secrets = [\"name\"] and `sockgen secret set`",
    },
    hazard(Socket, "Accept", "S20", "one process accepts all connections of a socket"),
    hazard(Socket, "FlushPending", "S04", "it resets the connections that wait"),
    hazard(Socket, "TriggerLimit*", "S02", "its limit closes the port"),
    hazard(Socket, "Service", "S16", "a slot would be started that is not the live one"),
    hazard(
        Socket,
        "FileDescriptorName",
        "S12",
        "the program finds the socket by the listener's name",
    ),
    hazard(Socket, "ReusePort", "S32", "two services share one socket unit instead"),
    Refused {
        section: Socket,
        name: "BindToDevice",
        rule: None,
        why: "systemd closes such a socket when the interface goes away, and does not open it again",
        instead: "listen on the interface's address",
    },
    never(Socket, "RemoveOnStop", "it could take the path of a socket that is opened meanwhile"),
    Refused {
        section: Socket,
        name: "Symlinks",
        rule: None,
        why: "systemd does not mend such a link while the socket is open",
        instead: "make it with tmpfiles.d(5)",
    },
    Refused {
        section: Socket,
        name: "Transparent",
        rule: None,
        why: "it is for proxies that take over other hosts' connections",
        instead: "set it in a drop-in and mind CAP_NET_ADMIN",
    },
    hazard(Socket, "MaxConnections*", "S20", "it counts processes of Accept=yes"),
    worded(Socket, "Listen*", "a listener of its own: [listeners.name]"),
    worded(Socket, "Backlog", "listeners.NAME.backlog"),
    worded(Socket, "SocketMode", "listeners.NAME.mode"),
    worded(Socket, "SocketUser", "listeners.NAME.user"),
    worded(Socket, "SocketGroup", "listeners.NAME.group"),
    worded(Socket, "BindIPv6Only", "leave it out: [::]:80 is for IPv4 as well"),
    worded(Socket, "FreeBind", "leave it out: it is set where the address may come later"),
];
