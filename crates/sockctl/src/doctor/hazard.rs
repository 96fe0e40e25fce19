//! Every hazard that doctor knows: its number, how bad it is, what it means, and what mends it.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Users lose connections now, or at the next deploy.
    Critical,
    /// Something is not as it was installed, and may become critical.
    Warning,
    /// Good to know; the exit status stays 0.
    Note,
}

impl Severity {
    /// The word in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

macro_rules! hazards {
    ($($id:literal $variant:ident $severity:ident: $title:literal, $why:literal, $mend:literal;)*) => {
        /// Something on the machine that loses connections, or will. A number is never used again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Hazard { $(#[doc = $title] $variant,)* }

        impl Hazard {
            /// Every hazard, by number.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its number, such as `D07`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What is wrong, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What happens because of it.
            pub fn why(self) -> &'static str {
                match self { $(Self::$variant => $why,)* }
            }

            /// What mends it, for the table; a finding has the command itself.
            pub fn mends(self) -> &'static str {
                match self { $(Self::$variant => $mend,)* }
            }
        }
    };
}

hazards! {
    "D01" StartLimit Critical: "A service that gets the sockets has a start limit",
        "a slot that reaches it makes systemd close the port under the other slot", "remove the setting, reload";
    "D02" TriggerLimit Critical: "A socket has a trigger limit",
        "a socket that reaches it fails and closes its port", "remove the setting, reload";
    "D03" FlushPending Critical: "A public socket flushes waiting connections",
        "they are reset at each swap", "remove the setting, reload";
    "D04" Accept Critical: "A public socket accepts by itself",
        "systemd starts one instance for each connection, and no slot gets the socket", "remove the setting, reload";
    "D05" ManualStop Warning: "A public socket can be stopped by hand",
        "`systemctl restart` of it closes the port under both slots", "remove the setting, reload";
    "D06" Condition Critical: "A slot or the activator has a condition",
        "an unmet one ends the start as done while nothing runs, and traffic starts it again without end", "remove the setting, reload";
    "D07" NoReadiness Critical: "A slot is not of Type=notify",
        "users meet a release before it said READY=1", "remove the setting, reload";
    "D08" BlockingStart Critical: "A service that gets the sockets has NonBlocking=no",
        "its start makes the listeners of the other slot block under it", "remove the setting, reload";
    "D09" LostSocket Critical: "systemd has lost a public socket, and its unit still shows active",
        "the port lives on in the running slots alone: the next slot gets nothing, and with the last one it closes", "`systemctl restart` of the target: it drains, closes and opens anew";
    "D10" ClosedSocket Critical: "A public socket is closed although the target is up",
        "nobody listens, or only what is left in a slot", "`--fix`: reset the slots, then the sockets, then start the sockets";
    "D11" BlockingListener Critical: "A listener is in blocking mode",
        "an accept loop of a slot hangs when another slot takes its connection", "`--fix`: start the activator, which sets O_NONBLOCK";
    "D12" StaleAlias Critical: "The alias on disk and the one in systemd's memory differ",
        "boot starts another slot than traffic does", "`--fix`: reload, or write the alias again";
    "D13" ForeignAlias Critical: "The alias points to no slot of the application",
        "boot and traffic start something else, or nothing", "`--fix`: point it at the one slot that runs; when it is gone, what doctor prints";
    "D14" DropIn Warning: "A drop-in changes a unit of ours, or one slot and not the other",
        "what was proven is not what runs, and the slots differ", "remove it, or give it to every slot";
    "D15" NotReloaded Warning: "Unit files changed, and systemd has not read them",
        "anybody's reload applies the change at any moment", "`--fix`: reload; never while that closes a port";
    "D16" ChangedUnit Warning: "A unit file is not what sockgen makes of the installed manifest",
        "an edit by hand is lost at the next install, a missing file is a missing unit", "`sockgen install` with the installed manifest; `systemctl daemon-reload` where a generator makes them";
    "D17" NotLoaded Critical: "systemd cannot load a unit",
        "the unit works until it stops, and does not start again", "take away what masks or breaks it, install, reload";
    "D18" TwoOpen Warning: "Two slots accept at once",
        "users meet two releases by chance", "`--fix`: stop the one that is not live; it drains";
    "D19" LiveClosed Critical: "The gate of the live slot is closed",
        "connections wait and nobody accepts them", "`--fix`: open it";
    "D20" StartsClosed Warning: "The live slot would start with a closed gate",
        "after a crash or a boot nobody accepts", "`--fix`: remove the environment file";
    "D21" StrayAdmin Warning: "The admin socket of a stopped slot listens",
        "a stray client starts an old release, which then takes users' connections", "`--fix`: stop it";
    "D22" Unfinished Critical: "A deploy did not come to its end, and nobody is at work",
        "two releases may run, and the next deploy is refused", "`sockctl resume`";
    "D23" Dangling Critical: "A slot's link leads to no release with the manifest's program",
        "the slot does not start again", "deploy a release";
    "D24" DiskFull Warning: "The file system of the releases or of the run directory is full",
        "the next deploy cannot be staged, written down or recorded", "free space";
    "D25" NoInodes Warning: "That file system has no inodes left",
        "no file can be made, however much space is free", "remove files";
    "D26" Unsynchronised Note: "The clock is not synchronised",
        "history and logs of several machines do not agree", "set up NTP";
    "D27" ClockBack Warning: "The clock is before the newest history entry",
        "it jumped: times and durations in the history are wrong", "set the clock";
    "D28" FewDescriptors Warning: "A slot may open too few descriptors",
        "it refuses connections at its limit: each takes one", "remove the setting, reload";
    "D29" CredentialsTooLarge Critical: "The credentials of a slot are more than 1 MiB in all",
        "systemd 252 refuses to start it", "make them smaller";
    "D30" LiveStopped Critical: "The live slot does not run",
        "the first connection pays for its start, or nobody answers at all", "`--fix`: start it";
}

/// The table of the documentation, kept true by a test.
pub fn table() -> String {
    let mut table = String::from(
        "| id | severity | what | what comes of it | what mends it |\n|---|---|---|---|---|\n",
    );
    for hazard in Hazard::ALL {
        let (id, severity) = (hazard.id(), hazard.severity().name());
        table += &format!(
            "| {id} | {severity} | {} | {} | {} |\n",
            hazard.title(),
            hazard.why(),
            hazard.mends()
        );
    }
    table
}
