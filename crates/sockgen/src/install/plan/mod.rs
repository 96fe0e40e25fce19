//! What to change, decided from the manifest and from what is on the machine. No I/O here.

mod consequences;
mod proxies;

use std::collections::BTreeSet;
use std::path::Path;

use super::ports::{Holder, Tried};
use super::removed::Removed;
use super::snapshot::{Found, Program, Snapshot, listens_on};
use super::{Plan, Problem};
use crate::endpoint::Endpoint;
use crate::files::Change;
use crate::model::{App, Exec};
use crate::names::UnitName;
use crate::place::below;
use crate::render::{UnitFile, owner_of};
use crate::secrets::set_command;

/// What to do, and every reason against it.
pub(crate) fn plan(
    root: &Path,
    app: &App,
    manifest: &str,
    units: &[UnitFile],
    now: &Snapshot,
) -> (Plan, Vec<Problem>) {
    let mut problems = Vec::new();
    names(app, units, now, &mut problems);
    other_apps(app, units, now, &mut problems);
    live_sockets(app, units, now, &mut problems);
    drop_ins(now, &mut problems);
    program(app, now, &mut problems);
    outside(root, app, now, &mut problems);
    let mut notes = Vec::new();
    slots_gone(app, units, now, &mut problems, &mut notes);
    proxies::gone(app, units, now, &mut problems);
    addresses(app, now, &mut problems, &mut notes);
    user(app, now, &mut problems, &mut notes);
    consequences::notes(app, units, now, &mut notes);
    let changes = changes(root, app, manifest, units, now);
    let alias = app.alias();
    let no_alias = !now.found.contains_key(alias.as_ref());
    let first = &app.slots()[0];
    let enable = match app.exec() {
        Exec::Program(_) if no_alias => Some(app.slot_unit(first)),
        _ => None,
    };
    let stale = now.states.iter().flatten().any(|(_, state)| state.need_reload);
    let reload = now.states.is_some() && (stale || !changes.is_empty() || enable.is_some());
    let next = next(root, app, now, &changes);
    (Plan { changes, enable, reload, notes, next }, problems)
}

/// Nobody else's file is replaced or hidden.
fn names(app: &App, units: &[UnitFile], now: &Snapshot, problems: &mut Vec<Problem>) {
    let hint = "remove it, or choose another name for the application";
    let dir = app.place().units().display();
    for unit in units {
        let name = unit.name.as_ref();
        let message = match now.found.get(name) {
            None => continue,
            Some(Found::Link(to)) => format!("{dir}/{name} is a link to {}", to.display()),
            Some(Found::File(text)) => match owner_of(text) {
                Some(owner) if owner == app.name().as_ref() => continue,
                Some(owner) => format!("{dir}/{name} belongs to the application {owner}"),
                None => format!("{dir}/{name} was not written by sockgen"),
            },
        };
        problems.push(Problem::new(message, hint));
    }
    let alias = app.alias();
    let is_slot = |to: &Path| {
        let file = to.file_name().unwrap_or_default();
        app.slots().iter().any(|slot| file == app.slot_unit(slot).as_ref())
            || gone(units, now).any(|name| file == name)
    };
    match now.found.get(alias.as_ref()) {
        Some(Found::Link(to)) if !is_slot(to) => {
            let message = format!("{dir}/{alias} is a link to {}", to.display());
            problems.push(Problem::new(message, hint));
        }
        Some(Found::File(_)) => {
            let message =
                format!("{dir}/{alias} is a unit file, and must become the alias of the live slot");
            let hint =
                format!("stop and remove that service, or choose another name than {}", app.name());
            problems.push(Problem::new(message, hint));
        }
        _ => {}
    }
    for (name, path) in &now.elsewhere {
        let message = format!("{name} would hide {}", path.display());
        problems.push(Problem::new(message, "choose another name for the application"));
    }
}

fn other_apps(app: &App, units: &[UnitFile], now: &Snapshot, problems: &mut Vec<Problem>) {
    let alias = app.alias();
    let own = |name: &UnitName| *name == alias || units.iter().any(|unit| unit.name == *name);
    for other in &now.others {
        let mut names: Vec<UnitName> =
            crate::render(other).into_iter().map(|unit| unit.name).collect();
        names.push(other.alias());
        if let Some(name) = names.iter().find(|name| own(name)) {
            let message =
                format!("{name} would belong to both {} and {}", app.name(), other.name());
            problems.push(Problem::new(message, "choose another name for the application"));
        }
        for listener in app.listeners() {
            let overlap = other.listeners().iter().find(|l| l.address.overlaps(&listener.address));
            if let Some(theirs) = overlap {
                let message = format!(
                    "{} is the address of listener {} of the application {}",
                    theirs.address,
                    theirs.name,
                    other.name()
                );
                let hint = format!("choose another address for listeners.{}", listener.name);
                problems.push(Problem::new(message, hint));
            }
        }
    }
}

/// A live socket is never re-addressed and never removed here: systemd would drop its descriptor.
fn live_sockets(app: &App, units: &[UnitFile], now: &Snapshot, problems: &mut Vec<Problem>) {
    let names: BTreeSet<_> = now.ours.keys().chain(now.open.keys()).collect();
    for name in names.into_iter().filter(|name| name.ends_with(".socket")) {
        if !now.is_live(name) {
            continue;
        }
        if gone(units, now).any(|slot| now.is_live(slot) && is_admin_of(name, slot)) {
            continue;
        }
        let before = now.open_at(name);
        let shown = before.as_ref().map(ToString::to_string).unwrap_or_default();
        let Some(unit) = units.iter().find(|unit| unit.name.as_ref() == name) else {
            let old = now.ours.get(name).map_or("", String::as_str);
            if let Some(hint) = needed(app, name, old) {
                let message = format!("{name} is open at {shown}, and would be removed");
                problems.push(Problem::new(message, hint));
            }
            continue;
        };
        let after = listens_on(name, &unit.text);
        // What else changes waits until the socket is next opened.
        if before.map(|at| at.setting()) != after.as_ref().map(Endpoint::setting) {
            let after = after.map(|at| at.to_string()).unwrap_or_default();
            let message =
                format!("{name} is open at {shown}, and its address would become {after}");
            let hint = "keep it and add a listener with a new name for the new address; \
                        systemd would lose an open socket whose address changes";
            problems.push(Problem::new(message, hint));
        }
    }
}

/// The file is written anew before the reload; a drop-in stays.
fn drop_ins(now: &Snapshot, problems: &mut Vec<Problem>) {
    for (unit, drop_ins) in &now.readdressing {
        let paths: Vec<_> = drop_ins.iter().map(|path| path.display().to_string()).collect();
        let paths = paths.join(" ");
        let message =
            format!("{unit} is open, and {paths} would take its address away: a reload closes it");
        problems.push(Problem::new(message, format!("put the address back first: rm {paths}")));
    }
}

/// The units of slots that an earlier manifest had and this one has not.
fn gone<'a>(units: &[UnitFile], now: &'a Snapshot) -> impl Iterator<Item = &'a str> {
    let stays = |name: &str| units.iter().any(|unit| unit.name.as_ref() == name);
    now.ours
        .keys()
        .map(String::as_str)
        .filter(move |name| name.ends_with(".service") && !stays(name))
}

fn is_admin_of(socket: &str, slot: &str) -> bool {
    let of = socket.strip_suffix("-admin.socket");
    of.is_some() && of == slot.strip_suffix(".service")
}

/// A slot that users meet, or that still answers what they have begun, keeps its unit.
fn slots_gone(
    app: &App,
    units: &[UnitFile],
    now: &Snapshot,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<String>,
) {
    let name = app.name();
    let (systemctl, sockctl) = (app.place().typed("systemctl"), app.place().typed("sockctl"));
    for unit in gone(units, now).filter(|unit| name.slot_of_proxy(unit).is_none()) {
        let slot = unit.strip_prefix(name.as_ref()).and_then(|rest| rest.strip_prefix('-'));
        let slot = slot.and_then(|slot| slot.strip_suffix(".service")).unwrap_or(unit);
        let is_live = matches!(
            now.found.get(app.alias().as_ref()), Some(Found::Link(to)) if to.ends_with(unit)
        );
        if is_live {
            problems.push(Problem::new(
                format!("{slot} is the live slot, and is not in the manifest any more"),
                format!("keep it in `slots`, move users to another one with `{sockctl} restart {name}`, and install again"),
            ));
        } else if now.is_live(unit) {
            problems.push(Problem::new(
                format!("slot {slot} runs, and is not in the manifest any more"),
                format!("install again when it has drained, as `{sockctl} status {name}` shows; or cut it off: {systemctl} stop {unit}"),
            ));
        } else {
            notes.push(format!("slot {slot} does not run, and its units go"));
        }
    }
}

/// Why an open socket of an earlier manifest cannot stay open until its last user has drained.
fn needed(app: &App, name: &str, old: &str) -> Option<String> {
    let Some(removed) = Removed::of(name, old) else {
        let target = app.target();
        return Some(format!(
            "keep the slot; or stop the whole application ({} stop {target}), install, and start it again",
            app.place().typed("systemctl")
        ));
    };
    let taken = app.listeners().iter().find(|listener| listener.address.overlaps(&removed.address));
    taken.map(|listener| {
        format!(
            "listeners.{} has its address: keep the old name, an open socket cannot get another",
            listener.name
        )
    })
}

/// Whether the file of an open socket stays, for sockctl to close when its last user has drained.
fn stays(name: &str, now: &Snapshot) -> bool {
    now.is_live(name) && now.ours.get(name).is_some_and(|old| Removed::of(name, old).is_some())
}

fn program(app: &App, now: &Snapshot, problems: &mut Vec<Problem>) {
    let Exec::Program(path) = app.exec() else { return };
    let broken = match now.program {
        Some(Program::Missing) => "does not exist",
        Some(Program::NoFile) => "is not a file",
        Some(Program::NotExecutable) => "is not executable",
        Some(Program::Fine) | None => return,
    };
    let hint = match now.program {
        Some(Program::NotExecutable) => format!("chmod +x {}", path.display()),
        _ => "install the program first, or use a path inside the release, such as bin/shop".into(),
    };
    problems.push(Problem::new(format!("exec: {} {broken}", path.display()), hint));
}

/// Without these no slot starts: systemd ends it with 243/CREDENTIALS or 226/NAMESPACE (systemd.exec(5)).
fn outside(root: &Path, app: &App, now: &Snapshot, problems: &mut Vec<Problem>) {
    problems.extend(now.missing_secrets.iter().map(|name| {
        let message = format!("secrets: {name} is not stored, and without it no slot starts");
        Problem::new(message, format!("store it: {}", set_command(root, app, name)))
    }));
    problems.extend(now.missing_paths.iter().map(|path| {
        let path = path.display();
        let message =
            format!("storage.write: {path} does not exist, and without it no slot starts");
        Problem::new(message, format!("make it, for the user of the service: mkdir {path}"))
    }));
}

fn addresses(app: &App, now: &Snapshot, problems: &mut Vec<Problem>, notes: &mut Vec<String>) {
    for listener in app.listeners() {
        let (name, address) = (&listener.name, &listener.address);
        match now.tried.get(name.as_ref()) {
            None | Some(Tried::Free) => {}
            Some(Tried::NotHere) if !listener.free_bind => problems.push(Problem::new(
                format!("{address} of listeners.{name} is no address of this machine now"),
                "give it to an interface first, or write free_bind = true: then the socket opens all the same",
            )),
            Some(Tried::NotHere) => notes.push(format!(
                "{address} of listeners.{name} is no address of this machine now; the socket \
                 listens as soon as it is"
            )),
            // Said already: a live socket of ours, or another application's.
            Some(Tried::Taken(holder)) if known(holder, app, now) => {}
            Some(Tried::Taken(holder)) => {
                let message =
                    format!("{address} of listeners.{name} is in use by {}", holder.describe());
                problems.push(Problem::new(message, holder.hint()));
            }
            Some(Tried::Refused(why)) => {
                let message = format!("{address} of listeners.{name} cannot be used: {why}");
                problems.push(Problem::new(message, "choose another address in the manifest"));
            }
        }
    }
}

/// Whether systemd holds the address for a socket that another check speaks of.
fn known(holder: &Holder, app: &App, now: &Snapshot) -> bool {
    let Some(unit) = &holder.unit else { return false };
    let own = |app: &App| app.listeners().iter().any(|l| app.socket_unit(&l.name).as_ref() == unit);
    let removed = now.ours.contains_key(unit) && !own(app);
    holder.pid == Some(1) && (removed || now.others.iter().any(own))
}

fn user(app: &App, now: &Snapshot, problems: &mut Vec<Problem>, notes: &mut Vec<String>) {
    let has = |name: &str| now.accounts.iter().any(|account| account == name);
    match app.user() {
        None => {
            let dynamic = app.name().dynamic_user();
            if has(&dynamic) {
                let message = format!("the account {dynamic} exists, and would be used");
                let hint = format!(
                    "choose another name for the application, or mean it: user = \"{dynamic}\""
                );
                problems.push(Problem::new(message, hint));
            }
        }
        Some(user) if !has(user) && !user.starts_with(|c: char| c.is_ascii_digit()) => {
            notes.push(format!("the user {user} is not in /etc/passwd; without it no slot starts"));
        }
        Some(_) => {}
    }
}

fn changes(
    root: &Path,
    app: &App,
    manifest: &str,
    units: &[UnitFile],
    now: &Snapshot,
) -> Vec<Change> {
    let at = |name: &str| below(root, &app.place().units().join(name));
    let mut changes: Vec<Change> = units
        .iter()
        .filter(|unit| {
            let name = unit.name.as_ref();
            now.ours.get(name) != Some(&unit.text) || now.from_generator.contains(name)
        })
        .map(|unit| Change::text(at(unit.name.as_ref()), unit.text.clone()))
        .collect();
    let gone = now.ours.keys().filter(|name| !units.iter().any(|u| u.name.as_ref() == **name));
    changes.extend(gone.filter_map(|name| {
        match (stays(name, now), now.from_generator.contains(name)) {
            (true, false) | (false, true) => None,
            (true, true) => now.ours.get(name).map(|text| Change::text(at(name), text.clone())),
            (false, false) => Some(Change::gone(at(name))),
        }
    }));
    if now.manifest.as_deref() != Some(manifest) {
        let path = below(root, &app.manifest_path());
        changes.push(Change::text(path, manifest.to_owned()));
    }
    changes
}

/// What a person does next, as commands.
fn next(root: &Path, app: &App, now: &Snapshot, changes: &[Change]) -> Vec<String> {
    let (name, target) = (app.name(), app.target());
    let (systemctl, sockctl) = (app.place().typed("systemctl"), app.place().typed("sockctl"));
    let deployed = now.found.contains_key(app.alias().as_ref());
    let release = matches!(app.exec(), Exec::Release(_));
    let mut next = Vec::new();
    let Some(states) = &now.states else {
        next.push(format!("systemctl --root={} enable {target}", root.display()));
        return next;
    };
    let state = states.get(target.as_ref()).cloned().unwrap_or_default();
    if !state.is_live() || !state.enabled {
        next.push(format!("{systemctl} enable --now {target}"));
    }
    let slots_changed = changes.iter().any(|change| {
        let file = change.path.file_name().unwrap_or_default();
        app.slots().iter().any(|slot| file == app.slot_unit(slot).as_ref())
    });
    let mut sockets = app.listeners().iter().map(|listener| app.socket_unit(&listener.name));
    let unopened = sockets.any(|unit| !now.is_live(unit.as_ref()));
    if release && (!deployed || now.lacking.is_some()) {
        next.push(format!("{sockctl} deploy {name} PATH"));
    } else if deployed && (slots_changed || unopened) && state.is_live() {
        // Opens the sockets of new listeners before it starts a slot with them.
        next.push(format!("{sockctl} restart {name}"));
    }
    next
}

#[cfg(test)]
mod tests;
