//! The public listeners: no two in one place, and none under a name that is taken.

use std::collections::{BTreeMap, BTreeSet};

use super::Checked;
use super::program::account;
use crate::address::Address;
use crate::error::ManifestError;
use crate::manifest;
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
    let backlog = raw.backlog.unwrap_or(BACKLOG);
    if backlog == 0 || backlog > i32::MAX as u32 {
        let problem = format!("{backlog} is not between 1 and {}", i32::MAX);
        return Err(ManifestError::value(format!("{key}.backlog"), problem)
            .with_hint("leave it out for 4096"));
    }
    let access = match &raw.listen {
        Address::Unix(_) => Some(UnixAccess {
            mode: raw.mode.map_or(0o660, |mode| mode.0),
            user: raw.user.map(|user| account(&format!("{key}.user"), user)).transpose()?,
            group: raw.group.map(|group| account(&format!("{key}.group"), group)).transpose()?,
        }),
        Address::Tcp(address) => {
            let given = [
                ("mode", raw.mode.is_some()),
                ("user", raw.user.is_some()),
                ("group", raw.group.is_some()),
            ];
            if let Some((extra, _)) = given.iter().find(|(_, given)| *given) {
                let problem = format!("{address} is TCP, which has no {extra}");
                return Err(ManifestError::value(format!("{key}.{extra}"), problem)
                    .with_hint("mode, user and group are for a unix path"));
            }
            None
        }
    };
    Ok(Listener { name, address: raw.listen, backlog, access })
}
