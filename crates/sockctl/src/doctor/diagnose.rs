//! From what was seen to what is wrong with it. No I/O here.

use std::path::Path;

use sockgen::{Ready, SlotName};

use super::facts::{Facts, FileIs, Link, Slot, Unit};
use super::hazard::Hazard;
use crate::plan::Active;

/// Below this a deploy is likely to fail in the middle of its copy.
const BYTES_AT_LEAST: u64 = 32 << 20;
/// A release of a few files, its links and records.
const INODES_AT_LEAST: u64 = 256;
/// One for each connection: what systemd gives without our setting is 1024.
const DESCRIPTORS_AT_LEAST: u64 = 16_384;
/// `CREDENTIALS_TOTAL_SIZE_MAX` of systemd.
const CREDENTIALS_AT_MOST: u64 = 1 << 20;

/// What `--fix` can do without anybody losing a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// Have systemd read its unit files again.
    Reload,
    /// Point the alias at this slot.
    PointAlias(SlotName),
    /// Start the activator, whose start makes the listeners non-blocking.
    StartActivator,
    /// Forget the failures of the slots, then of the sockets, then start the sockets: a slot's reset after the start closes them again.
    OpenSockets,
    /// Open this slot's gate.
    OpenGate(SlotName),
    /// Remove this slot's environment file.
    RemoveEnv(SlotName),
    /// Stop this slot; it drains.
    StopSlot(SlotName),
    /// Stop this slot's admin socket.
    StopAdmin(SlotName),
    /// Start this slot.
    StartSlot(SlotName),
}

/// Whether doctor mends it itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cure {
    /// With `--fix`.
    Fix(Fix),
    /// A person has to, for this reason.
    ByHand(&'static str),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub hazard: Hazard,
    /// The unit, path or listener.
    pub subject: String,
    /// What was seen.
    pub cause: String,
    /// The command that mends it.
    pub mend: String,
    /// Who mends it.
    pub cure: Cure,
}

/// Everything that is wrong, worst first.
///
/// While a deploy is at work, or waits for `resume`, the states that it passes through are not reported.
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    units(facts, &mut found);
    sockets(facts, &mut found);
    alias(facts, &mut found);
    if let Some(unfinished) = facts.unfinished.as_ref().filter(|_| facts.at_work.is_none()) {
        found.push(Finding {
            hazard: Hazard::Unfinished,
            subject: facts.app.name().to_string(),
            cause: format!("{unfinished} was interrupted"),
            mend: format!("sockctl resume {}", facts.app.name()),
            cure: Cure::ByHand("whether to go on with it is a decision"),
        });
    }
    if facts.at_work.is_none() && facts.unfinished.is_none() {
        slots(facts, &mut found);
    }
    for slot in &facts.slots {
        releases(facts, slot, &mut found);
    }
    machine(facts, &mut found);
    if facts.app.place().is_user() {
        for finding in &mut found {
            finding.mend = for_a_user(&finding.mend);
        }
    }
    found.sort_by_key(|finding| (finding.hazard.severity(), finding.hazard));
    found
}

/// The commands are written for PID 1's applications.
fn for_a_user(mend: &str) -> String {
    ["systemctl", "sockctl", "sockgen install"].iter().fold(mend.to_owned(), |mend, command| {
        mend.replace(&format!("{command} "), &format!("{command} --user "))
    })
}

const SOMEBODYS: &str = "somebody set it on purpose, and knows why";

/// One rule on a unit as loaded: when it is broken, what was seen, and the key that a drop-in would have.
type Rule = (Hazard, &'static str, fn(&Unit) -> Option<String>);

fn limit(us: Option<u64>, key: &str) -> Option<String> {
    us.filter(|us| *us > 0).map(|us| format!("{key}={} ms", us / 1000))
}

const SERVICE_RULES: &[Rule] = &[
    (Hazard::StartLimit, "StartLimitInterval", |u| {
        limit(u.start_limit_us, "StartLimitIntervalSec")
    }),
    (Hazard::Condition, "Condition", |u| {
        (u.conditions > 0).then(|| format!("{} conditions or assertions", u.conditions))
    }),
    (Hazard::BlockingStart, "NonBlocking", |u| {
        (u.non_blocking == Some(false)).then(|| "NonBlocking=no".into())
    }),
];

const NOTIFY_RULES: &[Rule] = &[(Hazard::NoReadiness, "Type", |u| {
    let kind = u.kind.as_deref()?;
    (!kind.starts_with("notify")).then(|| format!("Type={kind}"))
})];

const SLOT_RULES: &[Rule] = &[(Hazard::FewDescriptors, "LimitNOFILE", |u| {
    u.descriptors.filter(|n| *n < DESCRIPTORS_AT_LEAST).map(|n| format!("LimitNOFILE={n}"))
})];

const SOCKET_RULES: &[Rule] = &[(Hazard::TriggerLimit, "TriggerLimitInterval", |u| {
    limit(u.trigger_limit_us, "TriggerLimitIntervalSec")
})];

const PUBLIC_RULES: &[Rule] = &[
    (Hazard::FlushPending, "FlushPending", |u| {
        (u.flush_pending == Some(true)).then(|| "FlushPending=yes".into())
    }),
    (Hazard::Accept, "Accept", |u| (u.accept == Some(true)).then(|| "Accept=yes".into())),
    (Hazard::ManualStop, "RefuseManualStop", |u| {
        (u.refuse_manual_stop == Some(false)).then(|| "RefuseManualStop=no".into())
    }),
];

fn units(facts: &Facts, found: &mut Vec<Finding>) {
    let app = &facts.app;
    let slots: Vec<_> = app.slots().iter().map(|slot| app.slot_unit(slot)).collect();
    let notify: &[Rule] = match app.ready() {
        Ready::Notify => NOTIFY_RULES,
        Ready::Exec => &[],
    };
    let public: Vec<_> = app.listeners().iter().map(|l| app.socket_unit(&l.name)).collect();
    for (name, unit) in &facts.units {
        let is = |names: &[sockgen::UnitName]| names.iter().any(|n| n.as_ref() == name);
        let rules: [(bool, &[Rule]); 5] = [
            (is(&slots), notify),
            (name.ends_with(".service"), SERVICE_RULES),
            (is(&slots), SLOT_RULES),
            (name.ends_with(".socket"), SOCKET_RULES),
            (is(&public), PUBLIC_RULES),
        ];
        let mut explained = false;
        for (hazard, key, broken) in
            rules.iter().filter(|(applies, _)| *applies).flat_map(|(_, r)| *r)
        {
            let Some(seen) = broken(unit) else { continue };
            let drop_in = unit.drop_ins.iter().find(|(_, text)| text.contains(key));
            explained |= drop_in.is_some();
            found.push(setting(
                facts,
                *hazard,
                name,
                unit,
                &seen,
                drop_in.map(|(path, _)| path.as_path()),
            ));
        }
        file(facts, name, unit, found);
        if !explained {
            drop_ins(facts, name, unit, is(&slots), found);
        }
    }
}

fn setting(
    facts: &Facts,
    hazard: Hazard,
    name: &str,
    unit: &Unit,
    seen: &str,
    drop_in: Option<&Path>,
) -> Finding {
    let (from, mend) = match drop_in {
        Some(path) => {
            let path = path.display();
            (format!(", from {path}"), format!("rm {path} && systemctl daemon-reload"))
        }
        None if unit.file != FileIs::Same => (String::new(), install(facts)),
        None => (", not from its file".into(), "systemctl daemon-reload".into()),
    };
    let cause = format!("systemd has loaded {seen}{from}");
    Finding { hazard, subject: name.into(), cause, mend, cure: Cure::ByHand(SOMEBODYS) }
}

fn install(facts: &Facts) -> String {
    format!("sockgen install {}", facts.app.manifest_path().display())
}

fn file(facts: &Facts, name: &str, unit: &Unit, found: &mut Vec<Finding>) {
    let mut add = |hazard, cause: String, mend: String, cure| {
        found.push(Finding { hazard, subject: name.into(), cause, mend, cure });
    };
    let edited = Cure::ByHand("an edit by hand would be lost");
    match unit.file {
        FileIs::Same if !matches!(unit.load.as_str(), "loaded" | "not-found") => {
            let drop_ins: Vec<_> =
                unit.drop_ins.iter().map(|(path, _)| path.display().to_string()).collect();
            let mend = match drop_ins.as_slice() {
                [] => "systemctl daemon-reload".into(),
                paths => format!("rm {} && systemctl daemon-reload", paths.join(" ")),
            };
            add(
                Hazard::NotLoaded,
                format!("its load state is {}", unit.load),
                mend,
                Cure::ByHand(SOMEBODYS),
            );
        }
        FileIs::Same => {}
        FileIs::Other if unit.load == "masked" => {
            let mend = format!("systemctl unmask {name} && {}", install(facts));
            add(Hazard::NotLoaded, "it is masked".into(), mend, Cure::ByHand(SOMEBODYS));
        }
        FileIs::Other => {
            add(Hazard::ChangedUnit, "its file was changed by hand".into(), install(facts), edited);
        }
        FileIs::Missing => {
            add(Hazard::ChangedUnit, "its file is not there".into(), install(facts), edited);
        }
    }
    if unit.stale {
        let (cause, mend) =
            ("its files changed since systemd read them", "systemctl daemon-reload");
        add(Hazard::NotReloaded, cause.into(), mend.into(), Cure::Fix(Fix::Reload));
    }
}

/// A drop-in that every slot has is how the sandbox is loosened: no finding.
fn drop_ins(facts: &Facts, name: &str, unit: &Unit, is_slot: bool, found: &mut Vec<Finding>) {
    let app = &facts.app;
    let of = |slot: &SlotName| facts.units.get(app.slot_unit(slot).as_ref());
    for (path, text) in &unit.drop_ins {
        let has = |unit: &Unit| unit.drop_ins.iter().any(|(_, other)| other == text);
        if is_slot && app.slots().iter().all(|slot| of(slot).is_some_and(has)) {
            continue;
        }
        let path = path.display();
        let whom = if is_slot { ", which the other slot does not have" } else { "" };
        found.push(Finding {
            hazard: Hazard::DropIn,
            subject: name.into(),
            cause: format!("{path} changes it{whom}"),
            mend: format!("rm {path} && systemctl daemon-reload"),
            cure: Cure::ByHand(SOMEBODYS),
        });
    }
}

fn sockets(facts: &Facts, found: &mut Vec<Finding>) {
    if facts.target != Active::Active {
        return;
    }
    let app = &facts.app;
    for listener in app.listeners() {
        let unit = app.socket_unit(&listener.name);
        let Some(seen) = facts.listeners.get(&listener.name) else { continue };
        let state = facts.units.get(unit.as_ref()).map(|unit| unit.active).unwrap_or_default();
        let target = app.target();
        let address = &listener.address;
        let mut add = |hazard, cause: String, mend: String, cure| {
            found.push(Finding { hazard, subject: unit.to_string(), cause, mend, cure });
        };
        let anew = format!("systemctl restart {target}");
        let gap = Cure::ByHand(
            "a slot still holds the old socket: to open it anew that slot has to stop, and the port closes for a moment",
        );
        match (state, seen.held, seen.listening) {
            (_, Some(_), _) if seen.blocking => add(
                Hazard::BlockingListener,
                format!("O_NONBLOCK is not set on the socket on {address}"),
                format!("systemctl start {}", app.activator()),
                Cure::Fix(Fix::StartActivator),
            ),
            (_, Some(_), _) => {}
            (Active::Active, None, true) => {
                add(Hazard::LostSocket, format!("only a slot listens on {address}"), anew, gap);
            }
            (Active::Active, None, false) => {
                let cause = format!("nobody listens on {address}, and its unit shows active");
                add(
                    Hazard::LostSocket,
                    cause,
                    anew,
                    Cure::ByHand(
                        "systemd takes the unit for open: only a stop of the target makes it open the socket anew",
                    ),
                );
            }
            (_, None, true) => {
                add(
                    Hazard::ClosedSocket,
                    format!("systemd closed it; only a slot listens on {address}"),
                    anew,
                    gap,
                );
            }
            (_, None, false) => add(
                Hazard::ClosedSocket,
                format!("nobody listens on {address}"),
                format!("sockctl doctor {} --fix", app.name()),
                Cure::Fix(Fix::OpenSockets),
            ),
        }
    }
}

fn alias(facts: &Facts, found: &mut Vec<Finding>) {
    let app = &facts.app;
    let slot = |unit: &String| app.slots().iter().find(|s| app.slot_unit(s).as_ref() == unit);
    let alias = app.alias();
    let mut add = |hazard, cause: String, mend: String, cure| {
        found.push(Finding { hazard, subject: alias.to_string(), cause, mend, cure });
    };
    let point = |to: &SlotName| {
        (
            format!("systemctl enable --force {}", app.slot_unit(to)),
            Cure::Fix(Fix::PointAlias(to.clone())),
        )
    };
    match (&facts.alias_on_disk, &facts.alias_loaded) {
        (Some(disk), _) if slot(disk).is_none() => {
            let mut running = facts.slots.iter().filter(|slot| slot.active == Active::Active);
            let (mend, cure) = match (running.next(), running.next()) {
                (Some(one), None) => point(&one.name),
                _ => (
                    format!("systemctl disable {disk} && sockctl deploy {} PATH", app.name()),
                    Cure::ByHand("no slot runs, or several do: which one is live is not known"),
                ),
            };
            add(Hazard::ForeignAlias, format!("it leads to {disk}"), mend, cure);
        }
        (Some(disk), Some(loaded)) if disk != loaded => {
            let cause = format!("it leads to {disk}, and systemd takes it for {loaded}");
            add(
                Hazard::StaleAlias,
                cause,
                "systemctl daemon-reload".into(),
                Cure::Fix(Fix::Reload),
            );
        }
        (None, Some(loaded)) if facts.unfinished.is_none() && facts.at_work.is_none() => {
            if let Some(slot) = slot(loaded) {
                let (mend, cure) = point(slot);
                add(
                    Hazard::StaleAlias,
                    format!("it is gone, and systemd takes it for {loaded}"),
                    mend,
                    cure,
                );
            }
        }
        _ => {}
    }
}

/// The slot that the alias names.
fn live(facts: &Facts) -> Option<&Slot> {
    let disk = facts.alias_on_disk.as_ref()?;
    facts.slots.iter().find(|slot| facts.app.slot_unit(&slot.name).as_ref() == disk)
}

fn slots(facts: &Facts, found: &mut Vec<Finding>) {
    let app = &facts.app;
    let live = live(facts);
    let mut add = |hazard, slot: &SlotName, cause: String, mend: String, fix| {
        let subject = app.slot_unit(slot).to_string();
        found.push(Finding { hazard, subject, cause, mend, cure: Cure::Fix(fix) });
    };
    for slot in &facts.slots {
        let (name, unit) = (&slot.name, app.slot_unit(&slot.name));
        let is_live = live.is_some_and(|live| live.name == *name);
        let up = facts.target == Active::Active;
        if is_live && up && !slot.active.runs() {
            let mend = format!("systemctl start {unit}");
            add(
                Hazard::LiveStopped,
                name,
                "it is live and does not run".into(),
                mend,
                Fix::StartSlot(name.clone()),
            );
        }
        if is_live && slot.active == Active::Active && slot.gate == Some(0.0) {
            let mend = format!(
                "curl --unix-socket {} -X PUT -d '{{\"share\":1}}' http://sockact/-/gate",
                app.admin_path(name).display()
            );
            add(
                Hazard::LiveClosed,
                name,
                "it is live and accepts nobody".into(),
                mend,
                Fix::OpenGate(name.clone()),
            );
        }
        if is_live && slot.held {
            let env = app.env_path(name);
            let cause = format!("{} says to start with a closed gate", env.display());
            add(
                Hazard::StartsClosed,
                name,
                cause,
                format!("rm {}", env.display()),
                Fix::RemoveEnv(name.clone()),
            );
        }
        let open =
            |slot: &Slot| slot.active == Active::Active && slot.gate.is_none_or(|gate| gate > 0.0);
        // A canary shares with the live slot on purpose: it has a part, and comes back closed.
        let canary = slot.held && slot.gate.is_some_and(|gate| gate < 1.0);
        if !is_live && open(slot) && !canary && live.is_some_and(open) {
            let cause = format!(
                "it accepts, and so does {}, which is live",
                live.map_or("", |l| l.name.as_ref())
            );
            let mend = format!("systemctl stop {unit}");
            add(Hazard::TwoOpen, name, cause, mend, Fix::StopSlot(name.clone()));
        }
        if slot.admin_listens && !slot.active.runs() {
            let admin = app.admin_socket_unit(name);
            let cause = format!("it is stopped, and {} listens", app.admin_path(name).display());
            add(
                Hazard::StrayAdmin,
                name,
                cause,
                format!("systemctl stop {admin}"),
                Fix::StopAdmin(name.clone()),
            );
        }
    }
}

fn releases(facts: &Facts, slot: &Slot, found: &mut Vec<Finding>) {
    let app = &facts.app;
    let subject = app.slot_unit(&slot.name).to_string();
    // An idle slot is linked anew by the next deploy.
    if slot.link == Link::Dangling && live(facts).is_some_and(|live| live.name == slot.name) {
        let link = app.slot_link(&slot.name);
        found.push(Finding {
            hazard: Hazard::Dangling,
            subject: subject.clone(),
            cause: format!("{} leads to no release with the program", link.display()),
            mend: format!("sockctl deploy {} PATH", app.name()),
            cure: Cure::ByHand("which release is wanted is not known"),
        });
    }
    if slot.credentials > CREDENTIALS_AT_MOST {
        found.push(Finding {
            hazard: Hazard::CredentialsTooLarge,
            subject: subject.clone(),
            cause: format!("they are {} KiB in all", slot.credentials >> 10),
            mend: format!("systemctl cat {subject}"),
            cure: Cure::ByHand("what can be left out is not known"),
        });
    }
}

fn machine(facts: &Facts, found: &mut Vec<Finding>) {
    let mut add = |hazard, subject: String, cause: String, mend: String, why| {
        found.push(Finding { hazard, subject, cause, mend, cure: Cure::ByHand(why) });
    };
    for disk in &facts.disks {
        let path = disk.path.display();
        let whose = "which files nobody needs is not known";
        if disk.bytes < BYTES_AT_LEAST {
            let cause = format!("{} KiB are free", disk.bytes >> 10);
            add(
                Hazard::DiskFull,
                path.to_string(),
                cause,
                format!("du -xh {path} | sort -h"),
                whose,
            );
        }
        if let Some(inodes) = disk.inodes.filter(|inodes| *inodes < INODES_AT_LEAST) {
            let cause = format!("{inodes} inodes are free");
            add(
                Hazard::NoInodes,
                path.to_string(),
                cause,
                format!("du -x --inodes {path} | sort -n"),
                whose,
            );
        }
    }
    let clock = facts.clock;
    if clock.synchronised == Some(false) {
        let mend = "timedatectl set-ntp true".into();
        add(
            Hazard::Unsynchronised,
            "clock".into(),
            "no time server sets it".into(),
            mend,
            "the machine's time is its administrator's",
        );
    }
    if let Some(newest) = clock.newest.filter(|newest| *newest > clock.now) {
        let cause = format!("it says {:.0}, and a deploy ended at {newest:.0}", clock.now);
        add(
            Hazard::ClockBack,
            "clock".into(),
            cause,
            "timedatectl".into(),
            "whether the clock or the history is wrong is not known",
        );
    }
}
