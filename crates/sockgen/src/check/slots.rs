//! Rules on the services that share sockets.

use std::collections::{BTreeMap, BTreeSet};

use super::roles::service_of;
use super::unit::{Entry, Unit, micros};
use super::{At, Roles, Severity};

/// Slots, their proxies and activators: every service that systemd hands the shared descriptors to, and what stands behind.
fn receivers<'a>(units: &Roles<'a>) -> impl Iterator<Item = &'a Unit> {
    accepting(units).chain(units.activators())
}

/// Slots and their proxies: what runs for as long as users are served.
fn accepting<'a>(units: &Roles<'a>) -> impl Iterator<Item = &'a Unit> {
    units.slots().chain(units.proxies())
}

/// Older names that systemd still reads: of those for one setting the last counts.
const INTERVAL: [(&str, &str); 3] = [
    ("Unit", "StartLimitIntervalSec"),
    ("Unit", "StartLimitInterval"),
    ("Service", "StartLimitInterval"),
];
const BURST: [(&str, &str); 2] = [("Unit", "StartLimitBurst"), ("Service", "StartLimitBurst")];

/// Either of them at 0 switches the limit off.
fn start_limited(unit: &Unit) -> bool {
    let off = |keys| unit.last_of(keys).is_some_and(|entry| micros(&entry.value) == Some(0));
    !off(&INTERVAL) && !off(&BURST)
}

pub(super) fn start_limit(units: &Roles<'_>) -> Vec<At> {
    let at = |unit: &Unit, text| match unit.last_of(&INTERVAL) {
        Some(entry) => At::entry(unit, entry, text),
        None => At::unit(unit, text),
    };
    let slots = receivers(units).filter(|unit| start_limited(unit)).map(|unit| {
        at(unit, "StartLimitIntervalSec= is not 0: failed starts close the sockets".to_owned())
    });
    let mut alone: BTreeMap<&str, (&Unit, Vec<&str>)> = BTreeMap::new();
    for (socket, unit) in units.plain_services().filter(|(_, unit)| start_limited(unit)) {
        alone.entry(&unit.name).or_insert((unit, Vec::new())).1.push(&socket.name);
    }
    let plain = alone.into_values().map(|(unit, sockets)| {
        at(unit, format!("failed starts close {}", sockets.join(", "))).severity(Severity::Note)
    });
    slots.chain(plain).collect()
}

pub(super) fn restart(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for slot in accepting(units) {
        if slot.value("Service", "Restart") != Some("always") {
            let text = "not Restart=always: traffic starts a slot that ended in a busy loop";
            found.push(At::key(slot, "Service", "Restart", text));
        }
        if slot.value("Service", "RestartSec").and_then(micros) == Some(0) {
            let text = "RestartSec=0 restarts in a busy loop";
            found.push(At::key(slot, "Service", "RestartSec", text));
        }
    }
    found
}

pub(super) fn non_blocking(units: &Roles<'_>) -> Vec<At> {
    receivers(units)
        .filter(|u| u.flag("Service", "NonBlocking") != Some(true))
        .map(|u| {
            let text = "not NonBlocking=yes: its start makes the other slot's listener block";
            At::key(u, "Service", "NonBlocking", text)
        })
        .collect()
}

pub(super) fn condition(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for unit in receivers(units) {
        for entry in conditions(unit) {
            let text = format!("{}= can end a start with nothing running", entry.key);
            found.push(At::entry(unit, entry, text));
        }
    }
    // A socket that has the same condition is not open when it is not met.
    for (socket, unit) in units.plain_services() {
        let guarded = |entry: &Entry| {
            socket.all("Unit", &entry.key).iter().any(|own| own.value == entry.value)
        };
        for entry in conditions(unit).filter(|entry| !guarded(entry)) {
            let text = format!(
                "{}= unmet: traffic starts it again until {} fails",
                entry.key, socket.name
            );
            found.push(At::entry(unit, entry, text).severity(Severity::Note));
        }
    }
    found
}

fn conditions(unit: &Unit) -> impl Iterator<Item = &Entry> {
    unit.entries.iter().filter(|entry| {
        let key = &entry.key;
        *entry.section == *"Unit"
            && !entry.value.is_empty()
            && (key.starts_with("Condition") || key.starts_with("Assert"))
    })
}

/// systemd's own soft limit is 1024, and each connection takes one (systemd-system.conf(5)).
const FEW: u64 = 1024;

/// A slot holds a descriptor for each connection.
pub(super) fn descriptors(units: &Roles<'_>) -> Vec<At> {
    let few = |unit: &&Unit| match unit.value("Service", "LimitNOFILE") {
        None => true,
        Some(limit) => {
            let soft = limit.split(':').next().unwrap_or_default();
            soft.parse::<u64>().is_ok_and(|soft| soft <= FEW)
        }
    };
    accepting(units)
        .filter(few)
        .map(|slot| {
            let text = "no more than 1024 descriptors: at a swap all clients come at once";
            At::key(slot, "Service", "LimitNOFILE", text)
        })
        .collect()
}

pub(super) fn bound_to_socket(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for slot in accepting(units) {
        for key in ["Requires", "BindsTo", "Requisite", "PartOf", "StopPropagatedFrom"] {
            for (entry, name) in slot.words("Unit", key) {
                if name.ends_with(".socket") {
                    let text = format!("{key}={name}: stopping the socket stops both slots");
                    found.push(At::entry(slot, entry, text));
                }
            }
        }
    }
    found
}

/// A specifier is a % that is not doubled; under the alias it expands to another name.
pub(super) fn specifiers(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for slot in units.slots() {
        for entry in &slot.entries {
            if !is_percentage(&entry.value) && entry.value.replace("%%", "").contains('%') {
                let text = format!("{}= has a specifier (%)", entry.key);
                found.push(At::entry(slot, entry, text));
            }
        }
    }
    found
}

/// `20%`, as systemd.resource-control(5) takes amounts: no specifier follows.
fn is_percentage(value: &str) -> bool {
    let number = value.strip_suffix('%').map(|number| number.replacen('.', "", 1));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(super) fn alias(units: &Roles<'_>) -> Vec<At> {
    let all = units.slot_aliases();
    let mut found = Vec::new();
    for slot in units.slots() {
        if slot.stem().contains('@') {
            found.push(At::unit(slot, "an instance of a template cannot have a plain alias"));
        }
        let own: BTreeSet<&str> =
            slot.words("Install", "Alias").into_iter().map(|(_, name)| name).collect();
        if own.is_empty() {
            found.push(At::unit(slot, "no Alias=: nothing says whether this slot is the live one"));
        } else if all.len() > 1 && own != all {
            let names: Vec<&str> = all.iter().copied().collect();
            let text = format!("the slots have different aliases: {}", names.join(", "));
            found.push(At::key(slot, "Install", "Alias", text));
        }
    }
    found
}

pub(super) fn notify(units: &Roles<'_>) -> Vec<At> {
    units
        .slots()
        .filter(|s| match s.value("Service", "Type") {
            Some("notify" | "notify-reload") => false,
            // The most that can be had of a program that does not speak sd_notify(3).
            Some("exec") => !ungated(s),
            _ => true,
        })
        .map(|s| {
            let text = "not Type=notify: it counts as started before it can answer";
            At::key(s, "Service", "Type", text)
        })
        .collect()
}

pub(super) fn conflicts(units: &Roles<'_>) -> Vec<At> {
    let slots: BTreeSet<&str> = units.slots().map(|slot| slot.name.as_str()).collect();
    let mut found = Vec::new();
    for slot in units.slots() {
        for (entry, name) in slot.words("Unit", "Conflicts") {
            if slots.contains(name) {
                let text = format!("Conflicts={name}: the slots cannot run at once");
                found.push(At::entry(slot, entry, text));
            }
        }
    }
    found
}

/// The value of a variable in `Environment=` as far as it stands there unquoted.
fn environment<'a>(unit: &'a Unit, key: &str) -> Option<&'a str> {
    unit.words("Service", "Environment")
        .into_iter()
        .filter_map(|(_, word)| word.trim_matches('"').strip_prefix(key)?.strip_prefix('='))
        .next_back()
}

pub(super) fn drain(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for slot in units.slots() {
        let Some(drain) =
            environment(slot, "SOCKACT_DRAIN_USEC").and_then(|text| text.parse::<u64>().ok())
        else {
            continue;
        };
        let set = slot.last_of(&[("Service", "TimeoutStopSec"), ("Service", "TimeoutSec")]);
        // DefaultTimeoutStopSec= is 90 s (systemd-system.conf(5)).
        let (key, stop) = set.map_or(("TimeoutStopSec", "90s"), |e| (&e.key, &e.value));
        // As infinity, 0 is no timeout at all.
        if micros(stop).is_some_and(|stop| stop != 0 && stop <= drain) {
            let text = format!("{key}={stop} is not longer than the drain of {drain} us");
            found.push(At::key(slot, "Service", key, text));
        }
        if !matches!(slot.value("Service", "KillMode"), Some("mixed" | "process")) {
            let text = "not KillMode=mixed: its helpers are ended while it drains";
            found.push(At::key(slot, "Service", "KillMode", text));
        }
    }
    found
}

/// Whether the slot's program is not built on sockact, as its manifest says (`gate = false`).
fn ungated(slot: &Unit) -> bool {
    slot.value("X-Sockact", "Gate") == Some("none")
}

/// What the controller relies on: the slot's name and the file with the gate.
pub(super) fn contract(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for slot in units.slots() {
        let Some(name) = environment(slot, "SOCKACT_SLOT") else {
            found
                .push(At::unit(slot, "no Environment=SOCKACT_SLOT=, so it does not know its name"));
            continue;
        };
        if !slot.stem().ends_with(&format!("-{name}")) {
            let text = format!("SOCKACT_SLOT={name} is not the slot of this unit");
            found.push(At::key(slot, "Service", "Environment", text));
        }
        if ungated(slot) {
            continue;
        }
        // Below /run, or a user's own $XDG_RUNTIME_DIR.
        let app = slot.stem().strip_suffix(&format!("-{name}")).unwrap_or_default();
        let end = format!("/sockact/{app}/{name}.env");
        let gate = slot.all("Service", "EnvironmentFile");
        if !gate.iter().any(|e| e.value.starts_with("-/") && e.value.ends_with(&end)) {
            let text = format!("no EnvironmentFile=-/run{end}: it starts ungated");
            found.push(At::key(slot, "Service", "EnvironmentFile", text));
        }
        let private = units.admin_sockets().any(|socket| {
            slot.names("Service", "Sockets", &socket.name) && service_of(socket) == slot.name
        });
        if !private {
            found.push(At::unit(slot, "no private socket: its health cannot be asked"));
        }
    }
    found
}
