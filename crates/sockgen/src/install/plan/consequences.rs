//! What the change does to an application that runs, in words: what `diff` and `install` tell a person.

use super::stays;
use crate::install::snapshot::Snapshot;
use crate::model::{App, Exec};
use crate::render::UnitFile;

/// What the new units do to a live application, where that is not what a person would expect.
pub(super) fn notes(app: &App, units: &[UnitFile], now: &Snapshot, notes: &mut Vec<String>) {
    let changed = |unit: &&UnitFile| {
        let name = unit.name.as_ref();
        name.ends_with(".socket")
            && now.is_live(name)
            && now.ours.get(name).is_some_and(|text| *text != unit.text)
    };
    notes.extend(units.iter().filter(changed).map(|unit| {
        format!(
            "{} is open and stays as it is; what changed applies when it is next opened: after \
             {} stop {} and start",
            unit.name,
            app.place().typed("systemctl"),
            app.target()
        )
    }));
    let gone = now.ours.keys().filter(|name| !units.iter().any(|u| u.name.as_ref() == **name));
    notes.extend(gone.filter(|name| stays(name, now)).map(|name| {
        format!(
            "{name} stays open until the next deploy or restart of {} has drained its last user",
            app.name()
        )
    }));
    if let (Exec::Release(exec), Some(slot)) = (app.exec(), &now.lacking) {
        notes.push(format!(
            "{slot} has no release with {}, so its next start fails: deploy one that has it now",
            exec.display()
        ));
    }
    slots(app, units, now, notes);
    listeners(app, now, notes);
}

/// A process keeps what it was started with; its unit's other settings are systemd's from the reload on.
fn slots(app: &App, units: &[UnitFile], now: &Snapshot, notes: &mut Vec<String>) {
    let changed = |unit: &str| {
        let new = units.iter().find(|file| file.name.as_ref() == unit);
        new.is_some_and(|new| now.ours.get(unit).is_some_and(|old| *old != new.text))
    };
    for slot in app.slots() {
        let unit = app.slot_unit(slot);
        if changed(unit.as_ref()) && now.is_live(unit.as_ref()) {
            let restart = match &now.lacking {
                Some(_) => String::new(),
                None => format!(" or `{} restart {}`", app.place().typed("sockctl"), app.name()),
            };
            notes.push(format!(
                "slot {slot} runs on as it was started; what changed for its process applies from the next deploy{restart}, \
                 what systemd does with it (limits, timeouts) at once"
            ));
        }
    }
}

/// Who opens a listener that is new, and when.
fn listeners(app: &App, now: &Snapshot, notes: &mut Vec<String>) {
    if !now.is_live(app.target().as_ref()) {
        return;
    }
    for listener in app.listeners() {
        if !now.is_live(app.socket_unit(&listener.name).as_ref()) {
            notes.push(format!(
                "new listener {} ({}): opened by the next deploy or restart",
                listener.name, listener.address
            ));
        }
    }
}
