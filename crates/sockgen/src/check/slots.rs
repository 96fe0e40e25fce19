//! Rules on the services that share sockets.

use std::collections::BTreeSet;

use super::At;
use super::unit::{Unit, micros};
use super::units::{Units, service_of};

/// Slots and activators: every service that systemd hands the shared descriptors to.
fn receivers(units: &Units) -> impl Iterator<Item = &Unit> {
    units.slots().chain(units.activators())
}

pub(super) fn start_limit(units: &Units) -> Vec<At> {
    receivers(units)
        .filter(|u| u.value("Unit", "StartLimitIntervalSec").and_then(micros) != Some(0))
        .map(|u| {
            let text = "StartLimitIntervalSec= is not 0: failed starts close the sockets";
            At::key(u, "Unit", "StartLimitIntervalSec", text)
        })
        .collect()
}

pub(super) fn restart(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for slot in units.slots() {
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

pub(super) fn non_blocking(units: &Units) -> Vec<At> {
    receivers(units)
        .filter(|u| u.flag("Service", "NonBlocking") != Some(true))
        .map(|u| {
            let text = "not NonBlocking=yes: its start makes the other slot's listener block";
            At::key(u, "Service", "NonBlocking", text)
        })
        .collect()
}

pub(super) fn condition(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for unit in receivers(units) {
        for entry in unit.entries.iter().filter(|e| e.section == "Unit" && !e.value.is_empty()) {
            if entry.key.starts_with("Condition") || entry.key.starts_with("Assert") {
                let text = format!("{}= can end a start with nothing running", entry.key);
                found.push(At::entry(unit, entry, text));
            }
        }
    }
    found
}

pub(super) fn bound_to_socket(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for slot in units.slots() {
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
pub(super) fn specifiers(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for slot in units.slots() {
        for entry in &slot.entries {
            if entry.value.replace("%%", "").contains('%') {
                let text = format!("{}= has a specifier (%)", entry.key);
                found.push(At::entry(slot, entry, text));
            }
        }
    }
    found
}

pub(super) fn alias(units: &Units) -> Vec<At> {
    let all = units.aliases();
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

pub(super) fn notify(units: &Units) -> Vec<At> {
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

pub(super) fn conflicts(units: &Units) -> Vec<At> {
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

pub(super) fn drain(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for slot in units.slots() {
        let Some(drain) =
            environment(slot, "SOCKACT_DRAIN_USEC").and_then(|text| text.parse::<u64>().ok())
        else {
            continue;
        };
        // DefaultTimeoutStopSec= is 90 s (systemd-system.conf(5)).
        let stop = slot.value("Service", "TimeoutStopSec").unwrap_or("90s");
        if micros(stop).is_some_and(|stop| stop <= drain) {
            let text = format!("TimeoutStopSec={stop} is not longer than the drain of {drain} us");
            found.push(At::key(slot, "Service", "TimeoutStopSec", text));
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
pub(super) fn contract(units: &Units) -> Vec<At> {
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
        let end = format!("/{name}.env");
        let gate = slot.all("Service", "EnvironmentFile");
        if !gate.iter().any(|e| e.value.starts_with("-/run/sockact/") && e.value.ends_with(&end)) {
            let text = format!("no EnvironmentFile=-/run/sockact/...{end}: it starts ungated");
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

pub(super) fn edited(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for file in &units.generated {
        let name = file.name.as_ref();
        let text = match units.texts.get(name) {
            Some(text) if *text == file.text => continue,
            Some(_) => "it is not what the manifest gives",
            None => "the manifest gives this unit, and it is not there",
        };
        found.push(At { unit: name.to_owned(), line: None, message: text.to_owned() });
    }
    found
}
