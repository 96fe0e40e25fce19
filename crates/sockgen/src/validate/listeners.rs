//! The public listeners: no two in one place, and none under a name that is taken.

use std::collections::{BTreeMap, BTreeSet};

use super::Checked;
use super::program::account;
use super::socket_options::{self, fitting};
use crate::address::NO_MULTICAST;
use crate::endpoint::{Endpoint, Kind, Listen};
use crate::error::ManifestError;
use crate::manifest::{self, Manifest};
use crate::model::{Listener, UnixAccess};
use crate::names::{AppName, ListenerName, SlotName};

/// Connections may wait here while nobody accepts; the kernel caps it at `net.core.somaxconn`,
/// which is 4096 by default.
const BACKLOG: u32 = 4096;

pub(super) fn listeners(
    app: &AppName,
    slots: &[SlotName],
    given: BTreeMap<ListenerName, manifest::Listener>,
) -> Checked<Vec<Listener>> {
    if given.is_empty() {
        return Err(ManifestError::value("listeners", "there is none")
            .with_hint("add [listeners.http] with listen = \"127.0.0.1:8080\""));
    }
    let private: BTreeSet<_> = slots.iter().map(|slot| app.admin_socket_unit(slot)).collect();
    let mut listeners: Vec<Listener> = Vec::new();
    for (name, raw) in given {
        let key = format!("listeners.{name}");
        let unit = app.socket_unit(&name);
        if private.contains(&unit) {
            let problem = format!("its socket would be {unit}, which is a slot's private socket");
            return Err(ManifestError::value(key, problem).with_hint("choose another name"));
        }
        let listener = listener(&key, name, raw)?;
        if let Some(other) = listeners.iter().find(|l| l.address.overlaps(&listener.address)) {
            let problem = format!(
                "{} cannot be listened on beside {} of listeners.{}",
                listener.address, other.address, other.name
            );
            return Err(ManifestError::value(format!("{key}.listen"), problem)
                .with_hint("give each listener a port or path of its own"));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listener(key: &str, name: ListenerName, raw: manifest::Listener) -> Checked<Listener> {
    let address = endpoint(key, &raw)?;
    fitting(key, &raw, &address)?;
    Ok(Listener {
        backlog: backlog(key, raw.backlog, &address)?,
        free_bind: free_bind(key, raw.free_bind, &address)?,
        access: access(key, &raw, &address)?,
        options: socket_options::options(key, raw)?,
        name,
        address,
    })
}

fn endpoint(key: &str, raw: &manifest::Listener) -> Checked<Endpoint> {
    let only_v6 = raw.dual_stack == Some(false);
    let Some(endpoint) = Endpoint::new(raw.kind, raw.listen.clone(), only_v6) else {
        let (found, hint) = match (&raw.listen, raw.kind) {
            (Listen::Ip(_), Kind::Seqpacket) => {
                ("an IP address", "for TCP leave it out, for UDP write \"datagram\"")
            }
            (Listen::Ip(_), _) => ("an IP address", "a FIFO has an absolute path"),
            // The kernel has datagrams for one hypervisor alone, and systemd refuses packets (measured on 252).
            _ => ("vsock", "leave it out: connections are what systemd opens on vsock"),
        };
        let problem = format!("{found} cannot be of type {:?}", raw.kind.to_string());
        return Err(ManifestError::value(format!("{key}.type"), problem).with_hint(hint));
    };
    if matches!(&endpoint, Endpoint::Tcp(inet) if inet.at.ip().is_multicast()) {
        return Err(ManifestError::value(format!("{key}.listen"), NO_MULTICAST)
            .with_hint("for UDP write type = \"datagram\""));
    }
    if matches!(&endpoint, Endpoint::Udp(inet) if inet.at.ip().is_multicast()) {
        let problem = "systemd joins no group, so that nothing would arrive at it";
        return Err(ManifestError::value(format!("{key}.listen"), problem)
            .with_hint(
                "listen on 0.0.0.0 or [::] and join the group in the program; the second slot hears EADDRINUSE, for it is joined already",
            ));
    }
    Ok(endpoint)
}

fn backlog(key: &str, given: Option<u32>, address: &Endpoint) -> Checked<Option<u32>> {
    if !address.has_connections() {
        return Ok(None);
    }
    let backlog = given.unwrap_or(BACKLOG);
    if backlog == 0 || backlog > i32::MAX as u32 {
        let problem = format!("{backlog} is not between 1 and {}", i32::MAX);
        return Err(ManifestError::value(format!("{key}.backlog"), problem)
            .with_hint("leave it out for 4096"));
    }
    Ok(Some(backlog))
}

fn free_bind(key: &str, given: Option<bool>, address: &Endpoint) -> Checked<bool> {
    let needed = address.may_come_later();
    if needed && given == Some(false) {
        let problem = "at boot the socket would not open before its address is there";
        return Err(ManifestError::value(format!("{key}.free_bind"), problem)
            .with_hint("leave it out, or listen on 0.0.0.0 or [::]"));
    }
    Ok(given.unwrap_or(needed))
}

fn access(key: &str, raw: &manifest::Listener, address: &Endpoint) -> Checked<Option<UnixAccess>> {
    if address.path().is_none() {
        return Ok(None);
    }
    let name = |what: &str, given: &Option<String>| {
        given.clone().map(|given| account(&format!("{key}.{what}"), given)).transpose()
    };
    Ok(Some(UnixAccess {
        mode: raw.mode.map_or(0o660, |mode| mode.0),
        user: name("user", &raw.user)?,
        group: name("group", &raw.group)?,
        directory_mode: raw.directory_mode.map(|mode| mode.0),
    }))
}

/// What only PID 1 can do.
pub(super) fn of_a_user(raw: &Manifest) -> Checked<()> {
    for (name, listener) in &raw.listeners {
        let key = |key: &str| format!("listeners.{name}.{key}");
        for (what, given) in [("user", &listener.user), ("group", &listener.group)] {
            if given.is_some() {
                return Err(super::as_you(&key(what)));
            }
        }
        if listener.mark.is_some() || listener.priority.is_some_and(|priority| priority > 6) {
            let what = if listener.mark.is_some() { "mark" } else { "priority" };
            let problem = "the kernel takes it from root alone";
            return Err(ManifestError::value(key(what), problem)
                .with_hint("leave it out, or install without --user"));
        }
        let port = match &listener.listen {
            Listen::Ip(at) => u32::from(at.port()),
            Listen::Vsock(vsock) => vsock.port,
            Listen::Path(_) => continue,
        };
        if port < 1024 {
            let problem = "only root may listen on a port below 1024";
            return Err(ManifestError::value(key("listen"), problem)
                .with_hint("choose a port from 1024 on, or install without --user"));
        }
    }
    Ok(())
}
