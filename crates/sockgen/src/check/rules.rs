//! The table of rules: number, title, why, what to do. The reasons were seen on systemd 252.

use super::{At, Units, slots, sockets};

/// One rule on a set of units.
pub struct Rule {
    /// Its number, such as `S05`; a number is never used again.
    pub id: &'static str,
    /// What must be so.
    pub title: &'static str,
    /// What happens otherwise.
    pub why: &'static str,
    /// What to do, in one line.
    pub fix: &'static str,
    pub(super) check: fn(&Units) -> Vec<At>,
}

impl Rule {
    /// The rule with this number, in either case.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
    }
}

/// Every rule, by number.
pub static RULES: &[Rule] = &[
    Rule {
        id: "S01",
        title: "No start limit on a service that gets the sockets",
        why: "When a slot that crashes again and again reaches its start limit (5 starts in 10 s by \
default), systemd puts the shared socket unit into failed (service-start-limit-hit) and closes \
its descriptor, while the other slot is healthy. The next slot gets no descriptor at all, and \
starting the socket is refused. Seven manual restarts of a healthy slot do it too.",
        fix: "set StartLimitIntervalSec=0 in [Unit]",
        check: slots::start_limit,
    },
    Rule {
        id: "S02",
        title: "No trigger limit on a socket",
        why: "A socket that starts its service more than 20 times in 2 s fails and closes: the port \
is gone. With Restart=always and RestartSec= on the slots (S03) the busy loop against which the \
limit was made does not arise: a unit that waits for its restart counts as pending.",
        fix: "set TriggerLimitIntervalSec=0 in [Socket]",
        check: sockets::trigger_limit,
    },
    Rule {
        id: "S03",
        title: "A slot always restarts, after a pause",
        why: "A slot that ended and is not waiting for its restart is started again by the next \
connection in the queue, at once and without end. With Restart=always and a RestartSec= above 0 \
it waits, and the socket does not trigger meanwhile.",
        fix: "set Restart=always and RestartSec=200ms in [Service]",
        check: slots::restart,
    },
    Rule {
        id: "S04",
        title: "Waiting connections are never flushed",
        why: "FlushPending=yes makes systemd accept and close every waiting connection when a slot \
ends: users see a reset at each swap.",
        fix: "remove FlushPending=",
        check: sockets::flush_pending,
    },
    Rule {
        id: "S05",
        title: "Descriptors stay non-blocking",
        why: "O_NONBLOCK belongs to the socket that all slots share, not to one process. With \
NonBlocking=no, the default, systemd clears it each time it starts a service that gets the \
descriptor: starting green makes blue's listener block under it, and a whole thread of its accept \
loop hangs.",
        fix: "set NonBlocking=yes in [Service], also in the activator",
        check: slots::non_blocking,
    },
    Rule {
        id: "S06",
        title: "No condition on a slot or the activator",
        why: "A condition that is not met ends the start with the result `done` while nothing runs; \
the waiting connection then starts it again at once, without end.",
        fix: "remove Condition...= and Assert...=; let the program fail with a message instead",
        check: slots::condition,
    },
    Rule {
        id: "S07",
        title: "A public socket cannot be restarted by hand",
        why: "`systemctl restart shop-http.socket` closes the port, and fails to open it again while \
a slot holds it. RefuseManualStop=yes refuses it and lets the stop of the target through.",
        fix: "set RefuseManualStop=yes in [Unit]",
        check: sockets::refuse_manual_stop,
    },
    Rule {
        id: "S08",
        title: "Sockets and slots stop with the target",
        why: "With PartOf= the stop of the target is one transaction: the services stop and drain \
first, the sockets close last. Stopped one by one, the socket closes under a service that still \
answers.",
        fix: "set PartOf=<application>.target in [Unit]",
        check: sockets::part_of_target,
    },
    Rule {
        id: "S09",
        title: "A slot is not bound to a socket",
        why: "Requires= or BindsTo= from a slot to a socket stops both slots when the socket stops. \
Sockets= already brings Wants= and After=.",
        fix: "remove the dependency; Sockets= is enough",
        check: slots::bound_to_socket,
    },
    Rule {
        id: "S10",
        title: "A slot's private socket goes away with the slot",
        why: "Without PartOf= a request to the private socket of a stopped slot starts the retired \
release, which then accepts users' connections. Without Service= it would start nothing that \
exists.",
        fix: "set Service= and PartOf= of the private socket to its slot",
        check: sockets::admin_part_of_slot,
    },
    Rule {
        id: "S11",
        title: "No specifiers in a slot",
        why: "A slot that is first loaded under its alias expands %n, %N, %p and %j to the alias: \
the file that says %N for shop-blue means shop, or not, depending on who asked first.",
        fix: "write the name out; write a % that is meant as %%",
        check: slots::specifiers,
    },
    Rule {
        id: "S12",
        title: "Every descriptor has a name",
        why: "The order in which systemd passes descriptors is not stable, so they are adopted by \
name; without FileDescriptorName= the name is that of the unit.",
        fix: "set FileDescriptorName= in [Socket]",
        check: sockets::fd_name,
    },
    Rule {
        id: "S13",
        title: "A slot gets no two descriptors of one name",
        why: "Descriptors are told apart by name alone, because their order is not stable.",
        fix: "give each socket a FileDescriptorName= of its own",
        check: sockets::fd_name_twice,
    },
    Rule {
        id: "S14",
        title: "No two sockets on one address",
        why: "The second one fails to start, at boot perhaps the one that matters. \
`systemd-analyze verify` does not see it.",
        fix: "give each socket an address of its own",
        check: sockets::one_address,
    },
    Rule {
        id: "S15",
        title: "Units that are named exist, and every socket is used",
        why: "A socket that no slot names in Sockets= is opened and never accepted from: clients \
hang. A slot that names a missing socket starts without it.",
        fix: "correct the name, or add the unit",
        check: sockets::references,
    },
    Rule {
        id: "S16",
        title: "Public sockets start an activator, not a slot",
        why: "A socket whose Service= is a slot starts that slot after a crash of both, whichever is \
live. And a socket cannot be started while the service it names is active, so that no listener \
could be added to a running application.",
        fix: "set Service=<application>-activate.service, a oneshot that wants the alias",
        check: sockets::activator,
    },
    Rule {
        id: "S17",
        title: "The activator starts the live slot",
        why: "The activator is all that traffic starts. When it does not want the alias of the live \
slot, connections wait for ever after both slots ended.",
        fix: "set Wants=<application>.service in [Unit] of the activator",
        check: sockets::activator_wants_alias,
    },
    Rule {
        id: "S18",
        title: "Both slots have the same alias",
        why: "The alias is the record of which slot is live: traffic, the boot and `systemctl status \
shop` follow it, and a deploy re-points it atomically. An instance of a template cannot have one.",
        fix: "set Alias=<application>.service in [Install] of each slot",
        check: slots::alias,
    },
    Rule {
        id: "S19",
        title: "A slot says when it is ready",
        why: "With another type a slot counts as started before it can answer, and a deploy goes on \
with a release that is not there yet. Type=exec is for a program that does not speak sd_notify(3), \
with gate = false in its manifest.",
        fix: "set Type=notify in [Service], and send READY=1 when the accept loop runs",
        check: slots::notify,
    },
    Rule {
        id: "S20",
        title: "One process accepts all connections of a socket",
        why: "Accept=yes starts a service for each connection; there is no listener to share between \
slots.",
        fix: "remove Accept=",
        check: sockets::accept,
    },
    Rule {
        id: "S21",
        title: "The drain may end before systemd kills",
        why: "TimeoutStopSec= must be longer than the drain deadline, or systemd kills the slot while \
it still answers. With KillMode=control-group helpers of the slot get SIGTERM at once.",
        fix: "set TimeoutStopSec= above the drain deadline, and KillMode=mixed",
        check: slots::drain,
    },
    Rule {
        id: "S22",
        title: "The slots can run at once",
        why: "A swap without a gap needs both: the old slot serves until the new one is proven, and \
drains beside it.",
        fix: "remove Conflicts=",
        check: slots::conflicts,
    },
    Rule {
        id: "S23",
        title: "A public socket does not end with a service",
        why: "The port must outlive every slot. PartOf= or BindsTo= on a service closes it when that \
slot is stopped, which every deploy does.",
        fix: "bind public sockets to the target alone",
        check: sockets::bound_to_service,
    },
    Rule {
        id: "S24",
        title: "The controller can gate and ask each slot",
        why: "A slot reads from its environment file that it starts with a closed gate; without it \
a release takes users before it is proven. Its health is asked through its private socket. A program \
that is not built on sockact has neither, and its manifest says so: gate = false.",
        fix: "generate the unit with sockgen",
        check: slots::contract,
    },
    Rule {
        id: "S25",
        title: "The activator ends, and not at once",
        why: "While the activator is active its sockets cannot be started and start nothing; when it \
ends at once, connections that wait for a release that cannot start make a busy loop of it.",
        fix: "set Type=oneshot, and ExecStopPost=/bin/sleep 0.2 as throttle",
        check: sockets::activator_ends,
    },
    Rule {
        id: "S26",
        title: "The private socket is private",
        why: "Whoever can connect to it can close the gate of the live slot, which then accepts \
nothing.",
        fix: "set SocketMode=0600 in [Socket]",
        check: sockets::admin_mode,
    },
    Rule {
        id: "S27",
        title: "Units are as the manifest gives them",
        why: "The next `sockgen install` writes them anew: what was changed by hand would be lost. \
Drop-ins (`systemctl edit`) stay.",
        fix: "run `sockgen init` beside sockact.toml, or move the change to a drop-in",
        check: slots::edited,
    },
];
