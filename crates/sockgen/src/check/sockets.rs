//! Rules on socket units and on what they start.

use std::collections::BTreeMap;

use super::At;
use super::unit::{Unit, micros};
use super::units::{Units, service_of};
use crate::address::Address;
use crate::shown::shown;

pub(super) fn trigger_limit(units: &Units) -> Vec<At> {
    units
        .sockets()
        .filter(|s| s.value("Socket", "TriggerLimitIntervalSec").and_then(micros) != Some(0))
        .map(|s| {
            let text = "TriggerLimitIntervalSec= is not 0: too many starts close the socket";
            At::key(s, "Socket", "TriggerLimitIntervalSec", text)
        })
        .collect()
}

pub(super) fn flush_pending(units: &Units) -> Vec<At> {
    units
        .sockets()
        .filter(|s| s.flag("Socket", "FlushPending") == Some(true))
        .map(|s| At::key(s, "Socket", "FlushPending", "FlushPending=yes resets users' connections"))
        .collect()
}

pub(super) fn refuse_manual_stop(units: &Units) -> Vec<At> {
    units
        .public_sockets()
        .filter(|s| s.flag("Unit", "RefuseManualStop") != Some(true))
        .map(|s| {
            let text = "`systemctl restart` of this socket would close the port";
            At::key(s, "Unit", "RefuseManualStop", text)
        })
        .collect()
}

/// The port must close with the target, after the services, and with nothing else.
pub(super) fn part_of_target(units: &Units) -> Vec<At> {
    let has_target = |unit: &Unit| {
        unit.words("Unit", "PartOf").iter().any(|(_, name)| name.ends_with(".target"))
    };
    units
        .public_sockets()
        .chain(units.slots())
        .filter(|unit| !has_target(unit))
        .map(|unit| At::unit(unit, "no PartOf= of a target: it cannot be stopped in order"))
        .collect()
}

pub(super) fn bound_to_service(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for socket in units.public_sockets() {
        for key in ["PartOf", "BindsTo", "Requires", "Requisite", "StopPropagatedFrom"] {
            for (entry, name) in socket.words("Unit", key) {
                if name.ends_with(".service") {
                    let text = format!("{key}={name}: the port closes when that service stops");
                    found.push(At::entry(socket, entry, text));
                }
            }
        }
        if socket.flag("Unit", "StopWhenUnneeded") == Some(true) {
            let text = "StopWhenUnneeded=yes: the port closes when nothing wants the socket";
            found.push(At::key(socket, "Unit", "StopWhenUnneeded", text));
        }
    }
    found
}

pub(super) fn accept(units: &Units) -> Vec<At> {
    units
        .public_sockets()
        .filter(|s| s.flag("Socket", "Accept") == Some(true))
        .map(|s| At::key(s, "Socket", "Accept", "Accept=yes starts a service for each connection"))
        .collect()
}

pub(super) fn fd_name(units: &Units) -> Vec<At> {
    units
        .sockets()
        .filter(|s| s.value("Socket", "FileDescriptorName").is_none())
        .map(|s| {
            let text = format!("no FileDescriptorName=: the descriptor is called {}", s.name);
            At::unit(s, text)
        })
        .collect()
}

pub(super) fn fd_name_twice(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for slot in units.slots() {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (entry, name) in slot.words("Service", "Sockets") {
            let Some(socket) = units.get(name) else { continue };
            let Some(fd_name) = socket.value("Socket", "FileDescriptorName") else { continue };
            if let Some(other) = seen.insert(fd_name, name).filter(|other| *other != name) {
                let text = format!("{other} and {name} both call their descriptor {fd_name}");
                found.push(At::entry(slot, entry, text));
            }
        }
    }
    found
}

/// What `ListenStream=` says, as far as two of them can be compared.
fn address(value: &str) -> Option<Address> {
    let value = value.replace("%%", "%");
    let whole = match value.parse::<u16>() {
        // A bare port listens on IPv6 and IPv4 (systemd.socket(5)).
        Ok(port) => format!("[::]:{port}"),
        Err(_) => value,
    };
    if let Ok(address) = whole.parse() {
        return Some(Address::Tcp(address));
    }
    whole.starts_with('/').then(|| Address::Unix(whole.into()))
}

pub(super) fn one_address(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    let mut seen: Vec<(&str, Address)> = Vec::new();
    for socket in units.sockets() {
        for entry in socket.all("Socket", "ListenStream") {
            let Some(address) = address(&entry.value) else { continue };
            if let Some((other, _)) = seen.iter().find(|(_, a)| a.overlaps(&address)) {
                let text = format!("{} is taken by {other}", shown(&entry.value));
                found.push(At::entry(socket, entry, text));
            }
            seen.push((&socket.name, address));
        }
    }
    found
}

pub(super) fn admin_part_of_slot(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for socket in units.admin_sockets() {
        let service = service_of(socket);
        if socket.value("Socket", "Service").is_none() {
            found.push(At::unit(socket, "no Service=: it would start a service of its own name"));
        } else if !socket.names("Unit", "PartOf", &service) {
            let text = format!("no PartOf={service}: a stray client can wake a retired release");
            found.push(At::key(socket, "Unit", "PartOf", text));
        }
    }
    found
}

/// Who may connect to the private socket opens and closes the gate.
pub(super) fn admin_mode(units: &Units) -> Vec<At> {
    units
        .admin_sockets()
        .filter(|s| {
            let mode = s.value("Socket", "SocketMode").unwrap_or("0666");
            u32::from_str_radix(mode, 8).map_or(true, |mode| mode & 0o077 != 0)
        })
        .map(|s| {
            let text = "others than its owner can connect, and close the gate of the live slot";
            At::key(s, "Socket", "SocketMode", text)
        })
        .collect()
}

pub(super) fn activator(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for socket in units.public_sockets() {
        let service = service_of(socket);
        let text = if socket.value("Socket", "Service").is_none() {
            format!("no Service=: connections start {service}, whichever slot is live")
        } else if units.slots().any(|slot| slot.name == service) {
            format!("connections start {service} itself, whichever slot is live")
        } else if units.aliases().contains(service.as_str()) {
            format!("{service} is the alias: no listener can be added while a slot is active")
        } else {
            continue;
        };
        found.push(At::key(socket, "Socket", "Service", text));
    }
    found
}

pub(super) fn activator_wants_alias(units: &Units) -> Vec<At> {
    let aliases = units.aliases();
    units
        .activators()
        .filter(|unit| !aliases.iter().any(|alias| unit.names("Unit", "Wants", alias)))
        .map(|unit| {
            let text = "it does not want the alias of the slots: connections start nothing";
            At::key(unit, "Unit", "Wants", text)
        })
        .collect()
}

/// The activator must end, and not at once.
pub(super) fn activator_ends(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for unit in units.activators() {
        if unit.value("Service", "Type") != Some("oneshot") {
            let text = "not Type=oneshot: while it is active, no socket of it can be started";
            found.push(At::key(unit, "Service", "Type", text));
        }
        if unit.flag("Service", "RemainAfterExit") == Some(true) {
            let text = "RemainAfterExit=yes: while it is active, connections start nothing";
            found.push(At::key(unit, "Service", "RemainAfterExit", text));
        }
        if unit.all("Service", "ExecStopPost").is_empty() {
            let text = "no throttle: while no slot can start, it is started again at once";
            found.push(At::unit(unit, text));
        }
    }
    found
}

pub(super) fn references(units: &Units) -> Vec<At> {
    let mut found = Vec::new();
    for slot in units.slots() {
        for (entry, name) in slot.words("Service", "Sockets") {
            if units.get(name).is_none() {
                found.push(At::entry(
                    slot,
                    entry,
                    format!("Sockets={name}: there is no such unit"),
                ));
            }
        }
    }
    for socket in units.sockets() {
        let service = service_of(socket);
        if units.get(&service).is_none() && !units.aliases().contains(service.as_str()) {
            let text = format!("it starts {service}, and there is no such unit");
            found.push(At::key(socket, "Socket", "Service", text));
        }
        if units.slots().count() > 0
            && !units.slots().any(|slot| slot.names("Service", "Sockets", &socket.name))
        {
            found.push(At::unit(socket, "no slot has it in Sockets=: nobody would accept from it"));
        }
    }
    found
}
