//! The directives of each level, and what each relaxation does to them.

use super::Level;
use super::words::{CAPABILITIES, FAMILIES, SYSCALLS};

/// One directive of a level.
pub(super) struct Line {
    pub(super) key: &'static str,
    pub(super) value: &'static str,
    /// The most open level that has it.
    pub(super) from: Level,
    /// Whether a user's own systemd can do it, too: without hiding directories and without capabilities.
    pub(super) anybody: bool,
}

const fn pid1(key: &'static str, value: &'static str) -> Line {
    Line { key, value, from: Level::Standard, anybody: false }
}

const fn anybody(key: &'static str, value: &'static str) -> Line {
    Line { key, value, from: Level::Standard, anybody: true }
}

impl Line {
    /// What a program may notice that does nothing unusual.
    const fn strict(self) -> Self {
        Self { from: Level::Strict, ..self }
    }
}

pub(super) const LINES: &[Line] = &[
    anybody("NoNewPrivileges", "yes"),
    pid1("CapabilityBoundingSet", ""),
    pid1("AmbientCapabilities", ""),
    pid1("ProtectSystem", "strict"),
    pid1("ProtectHome", "yes"),
    pid1("PrivateTmp", "yes"),
    pid1("PrivateDevices", "yes"),
    pid1("PrivateMounts", "yes"),
    pid1("PrivateUsers", "yes").strict(),
    pid1("ProtectProc", "invisible"),
    pid1("ProcSubset", "pid").strict(),
    pid1("ProtectClock", "yes"),
    pid1("ProtectHostname", "yes"),
    pid1("ProtectKernelTunables", "yes"),
    pid1("ProtectKernelModules", "yes"),
    pid1("ProtectKernelLogs", "yes"),
    pid1("ProtectControlGroups", "strict"),
    anybody("RestrictNamespaces", "yes"),
    anybody("RestrictRealtime", "yes"),
    anybody("RestrictSUIDSGID", "yes"),
    anybody("LockPersonality", "yes"),
    anybody("MemoryDenyWriteExecute", "yes").strict(),
    // Netlink: getaddrinfo(3) asks it for the machine's own addresses.
    anybody("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    anybody("SystemCallArchitectures", "native"),
    anybody("SystemCallFilter", "@system-service"),
    anybody("SystemCallFilter", PRIVILEGED).strict(),
    anybody("SystemCallFilter", RESOURCES).strict(),
    anybody("SystemCallErrorNumber", "EPERM"),
];

const PRIVILEGED: &str = "~@privileged";
const RESOURCES: &str = "~@resources";

/// Stands in a change for what follows the colon.
pub(crate) const PARAMETER: &str = "*";

/// What a relaxation does to one directive. But for [`Change::Gives`] nothing happens where the level does not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The directive is left out.
    Gone(&'static str),
    /// One of its lines is.
    GoneLine(&'static str, &'static str),
    /// It gets another value.
    Becomes(&'static str, &'static str),
    /// Its list, the first of them, gets one word more.
    Word(&'static str, &'static str),
    /// The same, and it is written where it was not: something that the slot would not have without. Only PID 1 can give it.
    Gives(&'static str, &'static str),
}

impl Change {
    pub(super) fn key(&self) -> &'static str {
        match *self {
            Self::Gone(key)
            | Self::GoneLine(key, _)
            | Self::Becomes(key, _)
            | Self::Word(key, _)
            | Self::Gives(key, _) => key,
        }
    }
}

/// A relaxation by name.
#[derive(Debug, PartialEq, Eq)]
pub struct RelaxationKind {
    /// As it is written in the manifest.
    pub name: &'static str,
    /// Who needs it.
    pub needed_for: &'static str,
    pub(crate) changes: &'static [Change],
    /// What it takes after a colon.
    pub(super) words: Option<&'static [&'static str]>,
    /// Whether it needs a static `user`: of a dynamic one systemd does not loosen this (systemd.exec(5), `DynamicUser=`).
    pub(crate) of_user: bool,
}

impl RelaxationKind {
    /// As it is written, with an example where it takes something: `capability:CAP_NET_BIND_SERVICE`.
    #[must_use]
    pub fn example(&self) -> String {
        match self.words {
            Some(words) => format!("{}:{}", self.name, words[0]),
            None => self.name.to_owned(),
        }
    }

    /// What it changes, for people: `MemoryDenyWriteExecute= left out`.
    #[must_use]
    pub fn effect(&self) -> String {
        let word = if self.words.is_some() { "…" } else { "" };
        let one = |change: &Change| match *change {
            Change::Gone(key) => format!("{key}= left out"),
            Change::GoneLine(key, value) => format!("{key}={value} left out"),
            Change::Becomes(key, value) => format!("{key}={value}"),
            Change::Word(key, value) | Change::Gives(key, value) => {
                format!("{key}= with {}", value.replace(PARAMETER, word))
            }
        };
        self.changes.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// Whether it changes a directive.
    pub(crate) fn changes(&self, key: &str) -> bool {
        self.changes.iter().any(|change| change.key() == key)
    }

    /// Whether it gives what only PID 1 can give.
    pub(crate) fn gives(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Gives(..)))
    }

    /// What it takes after a colon; `None` when it stands alone.
    #[must_use]
    pub fn words(&self) -> Option<&'static [&'static str]> {
        self.words
    }

    /// Whether only a static `user` can have it.
    #[must_use]
    pub fn needs_static_user(&self) -> bool {
        self.of_user
    }

    const fn taking(self, words: &'static [&'static str]) -> Self {
        Self { words: Some(words), ..self }
    }

    const fn of_static_user(self) -> Self {
        Self { of_user: true, ..self }
    }
}

/// What sets `NoNewPrivileges=` for a service with a user of its own before systemd 256 (measured one by one on 252; on 257 and 262 none does).
pub(super) const IMPLY_NO_NEW_PRIVILEGES: &[&str] = &[
    "PrivateDevices",
    "ProtectClock",
    "ProtectHostname",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "RestrictNamespaces",
    "RestrictRealtime",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "RestrictAddressFamilies",
    "SystemCallArchitectures",
    "SystemCallFilter",
    "SystemCallErrorNumber",
];

const fn kind(
    name: &'static str,
    changes: &'static [Change],
    needed_for: &'static str,
) -> RelaxationKind {
    RelaxationKind { name, needed_for, changes, words: None, of_user: false }
}

use Change::{Becomes, Gives, Gone, GoneLine, Word};

/// Every relaxation, by name.
pub static RELAXATIONS: &[RelaxationKind] = &[
    kind(
        "all-syscalls",
        &[Gone("SystemCallFilter"), Gone("SystemCallErrorNumber")],
        "tracers and debuggers, and programs that need a system call which nobody can name",
    ),
    kind(
        "capability",
        &[
            Word("CapabilityBoundingSet", PARAMETER),
            Gives("AmbientCapabilities", PARAMETER),
            // In a user namespace of its own a capability counts for nothing that belongs to the machine.
            Gone("PrivateUsers"),
            GoneLine("SystemCallFilter", PRIVILEGED),
        ],
        "a program that does one thing that only root may, such as opening a low port by itself",
    )
    .taking(CAPABILITIES),
    kind(
        "devices",
        // ProtectClock= is a list of allowed devices, too, with which all others stay denied.
        &[Gone("PrivateDevices"), Gone("ProtectClock")],
        "graphics cards, serial ports, cameras, TPMs, disks",
    ),
    kind(
        "disk",
        &[Becomes("ProtectSystem", "full")],
        "a program that writes in many places; better name them: storage.write",
    )
    .of_static_user(),
    kind(
        "family",
        &[Word("RestrictAddressFamilies", PARAMETER)],
        "sockets that the program itself makes and that are neither IP nor unix: vsock, CAN, Bluetooth",
    )
    .taking(FAMILIES),
    kind(
        "foreign-binaries",
        &[Gone("SystemCallArchitectures"), Gone("LockPersonality")],
        "32-bit programs on a 64-bit machine, Wine, qemu-user",
    ),
    kind(
        "home",
        &[Becomes("ProtectHome", "read-only")],
        "reading files in /home, /root and /run/user, and programs that lie there",
    ),
    kind(
        "jit",
        &[Gone("MemoryDenyWriteExecute")],
        "programs that make machine code while they run: Node, Deno, Java, .NET, PyPy, LuaJIT, Ruby's YJIT, PCRE's JIT, WebAssembly",
    ),
    kind(
        "kernel-logs",
        &[
            Gone("ProtectKernelLogs"),
            Word("SystemCallFilter", "syslog"),
            Word("CapabilityBoundingSet", "CAP_SYSLOG"),
            Gives("AmbientCapabilities", "CAP_SYSLOG"),
            Gone("PrivateUsers"),
        ],
        "reading the kernel's log by syslog(2), as dmesg does",
    ),
    kind(
        "kernel-tunables",
        &[Gone("ProtectKernelTunables"), Gone("ProcSubset")],
        "writing in /proc/sys, which takes a capability as well: VPNs, traffic shapers",
    ),
    kind(
        "namespaces",
        &[
            Gone("RestrictNamespaces"),
            Word("SystemCallFilter", "@mount"),
            GoneLine("SystemCallFilter", PRIVILEGED),
        ],
        "programs that make sandboxes of their own: Chromium and Puppeteer, bubblewrap, runners of jobs",
    ),
    kind(
        "other-processes",
        &[Gone("ProtectProc"), Gone("ProcSubset")],
        "seeing the processes of other users: monitors, supervisors",
    ),
    kind(
        "personality",
        &[Gone("LockPersonality")],
        "personality(2): SBCL, programs that turn address randomisation off",
    ),
    kind(
        "privileged-calls",
        &[GoneLine("SystemCallFilter", PRIVILEGED)],
        "programs that call chown(2), setuid(2) or chroot(2), also where nothing changes by it, and end when they are refused",
    ),
    kind(
        "proc",
        &[Gone("ProcSubset")],
        "reading /proc/meminfo, /proc/cpuinfo, /proc/loadavg or /proc/sys: exporters of metrics, runtimes that size themselves",
    ),
    kind(
        "raw-network",
        &[
            Word("RestrictAddressFamilies", "AF_PACKET"),
            Word("CapabilityBoundingSet", "CAP_NET_RAW"),
            Gives("AmbientCapabilities", "CAP_NET_RAW"),
            Gone("PrivateUsers"),
        ],
        "ping, traceroute, packet capture, DHCP",
    ),
    kind(
        "realtime",
        &[
            Gone("RestrictRealtime"),
            GoneLine("SystemCallFilter", RESOURCES),
            Gives("LimitRTPRIO", "99"),
        ],
        "SCHED_FIFO and SCHED_RR: audio and video in real time",
    ),
    kind(
        "scheduling",
        &[GoneLine("SystemCallFilter", RESOURCES)],
        "pinning threads to processors, priorities, NUMA policies, raising limits: databases, media encoders, -XX:+UseNUMA",
    ),
    kind(
        "setuid-programs",
        &[
            Gone("NoNewPrivileges"),
            Gone("RestrictSUIDSGID"),
            Gone("CapabilityBoundingSet"),
            Gone("PrivateUsers"),
            GoneLine("SystemCallFilter", PRIVILEGED),
            GoneLine("SystemCallFilter", RESOURCES),
        ],
        "calling programs that become another user: sendmail, sudo, su; before systemd 256 at the cost of every filter of system calls",
    )
    .of_static_user(),
    kind(
        "shared-tmp",
        &[Gone("PrivateTmp")],
        "meeting other programs in /tmp: X11, sockets in /tmp",
    )
    .of_static_user(),
    kind(
        "syscalls",
        &[
            Word("SystemCallFilter", PARAMETER),
            GoneLine("SystemCallFilter", PRIVILEGED),
            GoneLine("SystemCallFilter", RESOURCES),
        ],
        "one more group of system calls (`systemd-analyze syscall-filter` lists what is in each)",
    )
    .taking(SYSCALLS),
    kind(
        "users",
        &[Gone("PrivateUsers")],
        "seeing whose a file or a process is, when it is neither the slot's nor root's: SO_PEERCRED, scp, rsync",
    ),
];
