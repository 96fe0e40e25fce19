//! Rules that hold for everybody's sockets, also for those of one service alone.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::roles::{is_inetd, service_of};
use super::unit::{Entry, Unit};
use super::{At, Roles, Severity};
use crate::address::beyond_var_run;
use crate::shown::shown;

/// The keys that make a socket listen (systemd.socket(5)).
pub(super) const LISTEN: [&str; 8] = [
    "ListenStream",
    "ListenDatagram",
    "ListenSequentialPacket",
    "ListenFIFO",
    "ListenSpecial",
    "ListenNetlink",
    "ListenMessageQueue",
    "ListenUSBFunction",
];

/// What traffic starts must be startable.
pub(super) fn masked(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for socket in units.sockets() {
        let service = service_of(socket);
        if units.get(&service).is_some_and(|unit| unit.masked) {
            let text = format!("it starts {service}, which is masked: the socket does not open");
            found.push(At::key(socket, "Socket", "Service", text));
        }
    }
    for slot in units.slots().chain(units.proxies()) {
        for (entry, name) in slot.words("Service", "Sockets") {
            if units.get(name).is_some_and(|unit| unit.masked) {
                let text = format!("Sockets={name} is masked: the slot starts without it");
                found.push(At::entry(slot, entry, text));
            }
        }
    }
    found
}

/// The paths in the file system at which a socket listens.
fn paths(socket: &Unit) -> Vec<(&Entry, String)> {
    let entries = LISTEN[..4].iter().flat_map(|key| socket.all("Socket", key));
    entries
        .filter_map(|entry| Some((entry, socket.expand(&entry.value)?)))
        .filter(|(_, path)| path.starts_with('/'))
        .collect()
}

/// The folders under /run that systemd removes when the service stops.
fn runtime_directories(service: &Unit) -> Vec<String> {
    if matches!(service.value("Service", "RuntimeDirectoryPreserve"), Some("yes" | "restart")) {
        return Vec::new();
    }
    service
        .words("Service", "RuntimeDirectory")
        .into_iter()
        .filter_map(|(_, word)| service.expand(word))
        .map(|name| format!("/run/{}/", name.split(':').next().unwrap_or_default()))
        .collect()
}

/// Whether a socket stops, or starts anew, with a service.
fn follows(socket: &Unit, service: &str) -> bool {
    ["PartOf", "BindsTo", "StopPropagatedFrom"].iter().any(|key| socket.names("Unit", key, service))
}

/// A socket's path must outlive the service.
pub(super) fn runtime_directory(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    let slots = units.slots().flat_map(|slot| {
        let named = slot.words("Service", "Sockets").into_iter();
        named.filter_map(|(_, name)| units.get(name)).map(move |socket| (socket, slot))
    });
    let inetd = |socket: &Unit| is_inetd(socket);
    let pairs = slots.chain(units.plain_services()).filter(|(socket, _)| !inetd(socket));
    for (socket, service) in pairs.filter(|(socket, unit)| !follows(socket, &unit.name)) {
        let folders = runtime_directories(service);
        for (_, path) in paths(socket) {
            let path = beyond_var_run(Path::new(&path)).unwrap_or_else(|| path.into());
            if let Some(folder) = folders.iter().find(|folder| path.starts_with(folder)) {
                let (path, socket) = (path.display(), &socket.name);
                let text = format!("its end removes {folder}, and {path} of {socket} with it");
                found.push(At::key(service, "Service", "RuntimeDirectory", text));
            }
        }
    }
    found
}

/// An address that is not there yet when the sockets open at boot.
pub(super) fn free_bind(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for socket in units.sockets().filter(|s| s.flag("Socket", "FreeBind") != Some(true)) {
        // What waits for the network itself, or listens on a device that brings the address, is fine.
        let waits = ["After", "BindsTo"].iter().any(|key| {
            socket
                .words("Unit", key)
                .iter()
                .any(|(_, name)| *name == "network-online.target" || name.ends_with(".device"))
        });
        if waits {
            continue;
        }
        for entry in LISTEN[..3].iter().flat_map(|key| socket.all("Socket", key)) {
            let Some(ip) = specific(&entry.value) else { continue };
            let text = format!("{ip} may not be there when the socket opens at boot");
            found.push(At::entry(socket, entry, text));
        }
    }
    found
}

/// The one address of the machine's that is listened on; `None` for all of them and for loopback.
fn specific(value: &str) -> Option<IpAddr> {
    let ip = value.parse::<SocketAddr>().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast()).then_some(ip)
}

/// Fewer than this many waiting connections are refused or delayed at any pause of the service.
const LEAST_BACKLOG: u64 = 128;

/// Who comes while nobody accepts has to wait somewhere.
pub(super) fn backlog(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    let public = units.public_sockets().map(|socket| (socket, Severity::Warning));
    let plain = units.plain_sockets().map(|socket| (socket, Severity::Note));
    for (socket, severity) in public.chain(plain) {
        let Some(entry) = socket.last("Socket", "Backlog") else { continue };
        if entry.value.parse::<u64>().is_ok_and(|backlog| backlog < LEAST_BACKLOG) {
            let text = format!("Backlog={}: more cannot wait for a slot", shown(&entry.value));
            found.push(At::entry(socket, entry, text).severity(severity));
        }
    }
    found
}
