//! Rules on socket units and on what they start.

use std::collections::{BTreeMap, BTreeSet};

use super::plain::LISTEN;
use super::roles::{is_inetd, service_of};
use super::unit::{Entry, Unit, micros};
use super::{At, Roles, Severity};
use crate::endpoint::{ENDPOINT_KEYS, Endpoint};
use crate::shown::shown;

pub(super) fn trigger_limit(units: &Roles<'_>) -> Vec<At> {
    let limited = |socket: &&Unit| {
        let keys = ["TriggerLimitIntervalSec", "TriggerLimitBurst"];
        !keys.iter().any(|key| socket.value("Socket", key).and_then(micros) == Some(0))
    };
    let at = |socket, text| At::key(socket, "Socket", "TriggerLimitIntervalSec", text);
    let slots = units.public_sockets().chain(units.admin_sockets()).filter(limited).map(|socket| {
        at(socket, "TriggerLimitIntervalSec= is not 0: too many starts close the socket")
    });
    let plain = units.plain_sockets().filter(limited).map(|socket| {
        let text = if is_inetd(socket) {
            "whoever connects 200 times in 2 s closes the socket, for everybody and for good"
        } else {
            "a service that cannot start closes the socket after 20 connections"
        };
        at(socket, text).severity(Severity::Note)
    });
    slots.chain(plain).collect()
}

/// Of datagrams nothing is lost but the datagrams.
pub(super) fn flush_pending(units: &Roles<'_>) -> Vec<At> {
    let plain: Vec<&str> = units.plain_sockets().map(|socket| socket.name.as_str()).collect();
    let connections = |socket: &&Unit| {
        LISTEN[..3].iter().step_by(2).any(|key| !socket.all("Socket", key).is_empty())
    };
    units
        .sockets()
        .filter(|s| s.flag("Socket", "FlushPending") == Some(true))
        .filter(connections)
        .map(|s| {
            let text = "FlushPending=yes resets users' connections";
            let at = At::key(s, "Socket", "FlushPending", text);
            if plain.contains(&s.name.as_str()) { at.severity(Severity::Warning) } else { at }
        })
        .collect()
}

pub(super) fn refuse_manual_stop(units: &Roles<'_>) -> Vec<At> {
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
pub(super) fn part_of_target(units: &Roles<'_>) -> Vec<At> {
    let has_target = |unit: &Unit| {
        unit.words("Unit", "PartOf").iter().any(|(_, name)| name.ends_with(".target"))
    };
    units
        .public_sockets()
        .chain(units.slots())
        .chain(units.proxies())
        .filter(|unit| !has_target(unit))
        .map(|unit| At::unit(unit, "no PartOf= of a target: it cannot be stopped in order"))
        .collect()
}

pub(super) fn bound_to_service(units: &Roles<'_>) -> Vec<At> {
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

pub(super) fn accept(units: &Roles<'_>) -> Vec<At> {
    units
        .public_sockets()
        .filter(|s| s.flag("Socket", "Accept") == Some(true))
        .map(|s| At::key(s, "Socket", "Accept", "Accept=yes starts a service for each connection"))
        .collect()
}

/// A private socket starts as often as its slot does.
pub(super) fn admin_start_limit(units: &Roles<'_>) -> Vec<At> {
    units
        .admin_sockets()
        .filter(|s| s.value("Unit", "StartLimitIntervalSec").and_then(micros) != Some(0))
        .map(|s| {
            let text = "a slot that crashes again and again comes back without this socket";
            At::key(s, "Unit", "StartLimitIntervalSec", text)
        })
        .collect()
}

pub(super) fn fd_name(units: &Roles<'_>) -> Vec<At> {
    units
        .public_sockets()
        .chain(units.admin_sockets())
        .filter(|s| s.value("Socket", "FileDescriptorName").is_none())
        .map(|s| {
            let text = format!("no FileDescriptorName=: the descriptor is called {}", s.name);
            At::unit(s, text)
        })
        .collect()
}

pub(super) fn fd_name_twice(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for slot in units.slots().chain(units.proxies()) {
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

/// Every address of a kind we know, and the socket that listens on it.
fn addresses<'a>(units: &Roles<'a>) -> Vec<(&'a Unit, &'a Entry, Endpoint)> {
    let mut all = Vec::new();
    for socket in units.sockets() {
        let only_v6 = socket.value("Socket", "BindIPv6Only") == Some("ipv6-only");
        for key in ENDPOINT_KEYS {
            for entry in socket.all("Socket", key) {
                let value = socket.expand(&entry.value);
                let at = value.and_then(|value| Endpoint::of_setting(key, &value, only_v6));
                all.extend(at.map(|at| (socket, entry, at)));
            }
        }
    }
    all
}

/// Whether two units are meant to be there in each other's stead.
fn excludes(a: &Unit, b: &Unit) -> bool {
    a.names("Unit", "Conflicts", &b.name) || b.names("Unit", "Conflicts", &a.name)
}

/// The pairs of addresses that overlap, the later one first.
fn overlaps<'a>(units: &Roles<'a>) -> Vec<(&'a Unit, &'a Entry, &'a Unit)> {
    let all = addresses(units);
    // By port or path: only those can overlap, and a machine has many.
    let mut by_place: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, (socket, entry, address)) in all.iter().enumerate() {
        let place = match address {
            Endpoint::Tcp(inet) | Endpoint::Udp(inet) => inet.at.port().to_string(),
            Endpoint::Vsock(vsock) => format!("vsock:{}", vsock.port),
            Endpoint::Unix(path)
            | Endpoint::UnixDatagram(path)
            | Endpoint::UnixSeqpacket(path)
            | Endpoint::Fifo(path) => path.display().to_string(),
        };
        let earlier = by_place.entry(place).or_default();
        let taken = earlier
            .iter()
            .map(|earlier| &all[*earlier])
            .find(|(other, _, a)| a.overlaps(address) && !excludes(socket, other));
        if let Some((other, ..)) = taken {
            found.push((*socket, *entry, *other));
        }
        earlier.push(index);
    }
    found
}

fn reuses(socket: &Unit) -> bool {
    socket.flag("Socket", "ReusePort") == Some(true)
}

pub(super) fn one_address(units: &Roles<'_>) -> Vec<At> {
    let shared = |socket: &Unit| {
        units.public_sockets().chain(units.admin_sockets()).any(|s| s.name == socket.name)
    };
    overlaps(units)
        .into_iter()
        .filter(|(socket, _, other)| !(reuses(socket) && reuses(other)))
        .map(|(socket, entry, other)| {
            let text = format!("{} is taken by {}", shown(&entry.value), other.name);
            let at = At::entry(socket, entry, text);
            // Two packages may offer one service; whoever enables both has a problem.
            let certain = socket.name == other.name || shared(socket) || shared(other);
            if certain { at } else { at.severity(units.when_wanted(&[socket, other])) }
        })
        .collect()
}

/// With SO_REUSEPORT the second one binds too, and what waits in its queue is lost with it.
pub(super) fn reuse_port(units: &Roles<'_>) -> Vec<At> {
    let shared = units.public_sockets().filter(|socket| reuses(socket)).map(|socket| {
        let text = "ReusePort=yes: a second socket can take a part of the connections";
        At::key(socket, "Socket", "ReusePort", text)
    });
    let pairs = overlaps(units)
        .into_iter()
        .filter(|(socket, _, other)| reuses(socket) && reuses(other))
        .map(|(socket, entry, other)| {
            let text = format!("{} takes a part of the connections", other.name);
            At::entry(socket, entry, text)
        });
    shared.chain(pairs).collect()
}

/// A drop-in that gives a socket of slots another address.
pub(super) fn re_addressed(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for socket in units.public_sockets().chain(units.admin_sockets()) {
        let of_drop_ins = socket.entries.iter().filter(|entry| entry.file != socket.file);
        for entry in of_drop_ins.filter(|entry| LISTEN.contains(&entry.key.as_str())) {
            let text = format!("{}= in a drop-in: systemd drops the open socket", entry.key);
            found.push(At::entry(socket, entry, text));
        }
    }
    found
}

pub(super) fn admin_part_of_slot(units: &Roles<'_>) -> Vec<At> {
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
pub(super) fn admin_mode(units: &Roles<'_>) -> Vec<At> {
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

pub(super) fn activator(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for socket in units.public_sockets() {
        let service = service_of(socket);
        let text = if socket.value("Socket", "Service").is_none() {
            format!("no Service=: connections start {service}, whichever slot is live")
        } else if units.slots().any(|slot| slot.name == service) {
            format!("connections start {service} itself, whichever slot is live")
        } else if units.slot_aliases().contains(service.as_str()) {
            format!("{service} is the alias: no listener can be added while a slot is active")
        } else {
            continue;
        };
        found.push(At::key(socket, "Socket", "Service", text));
    }
    found
}

pub(super) fn activator_wants_alias(units: &Roles<'_>) -> Vec<At> {
    let aliases = units.slot_aliases();
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
pub(super) fn activator_ends(units: &Roles<'_>) -> Vec<At> {
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

pub(super) fn references(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    let plain: BTreeSet<&str> = units.plain_sockets().map(|socket| socket.name.as_str()).collect();
    let is_plain = |socket: &Unit| plain.contains(socket.name.as_str());
    for slot in units.services() {
        for (entry, name) in slot.words("Service", "Sockets") {
            let known = slot.expand(name).is_none_or(|name| units.get(&name).is_some());
            if !known && !is_template(slot) {
                let text = format!("Sockets={name}: there is no such unit");
                found.push(At::entry(slot, entry, text));
            }
        }
    }
    for socket in units.sockets().filter(|socket| !is_template(socket)) {
        let service = service_of(socket);
        let known = units.get(&service).is_some() || units.may_be_called(&service);
        if !known && socket.expand(&service).is_some() {
            let text = format!("it starts {service}, and there is no such unit");
            let at = At::key(socket, "Socket", "Service", text);
            found.push(if is_plain(socket) {
                at.severity(units.when_wanted(&[socket]))
            } else {
                at
            });
        }
    }
    for socket in units.public_sockets().chain(units.admin_sockets()) {
        let mut receiving = units.slots().chain(units.proxies());
        if units.slots().count() > 0
            && !receiving.any(|unit| unit.names("Service", "Sockets", &socket.name))
        {
            found.push(At::unit(socket, "no slot has it in Sockets=: nobody would accept from it"));
        }
    }
    found
}

fn is_template(unit: &Unit) -> bool {
    unit.stem().ends_with('@')
}
