//! `sockctl logs`: what the slots and the hooks wrote, in order of time, as journalctl(1) shows it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use sockgen::{App, Place, SlotName, UnitName, shown};

use crate::deploy::Hook;
use crate::error::Error;
use crate::files::FileError;
use crate::report::Format;
use crate::why::{both_journals, written_by};
use crate::wish::refused;

/// Becomes journalctl(1), for all slots and hooks, or for the one that is named; returns only when it cannot.
pub fn logs(app: &App, only: Option<&str>, follow: bool, format: Format) -> Error {
    let slots = app.slots().iter().flat_map(|slot| {
        let units = slot_units(app, slot);
        units.into_iter().map(move |unit| (slot.to_string(), unit.to_string()))
    });
    let hooks = Hook::ALL.iter().map(|hook| (hook.name().to_owned(), hook.unit(app)));
    let all: Vec<_> = slots.chain(hooks).collect();
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let units = all.iter().filter(|(name, _)| wanted(name));
    let units: Vec<_> = units.map(|(_, unit)| unit.as_str()).collect();
    if units.is_empty() {
        let mut there: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        there.dedup();
        return refused(
            format!("{} has no slot or hook {}", app.name(), shown(only.unwrap_or_default())),
            format!("its slots and hooks are {}", there.join(", ")),
        );
    }
    let mut journalctl = Command::new("journalctl");
    if app.place().is_user() {
        journalctl.args(of_a_user(app.place(), &units));
    } else {
        journalctl.args(units.iter().map(|unit| format!("--unit={unit}")));
    }
    journalctl.args(both_journals(app));
    // Both slots run a program of one name: the unit says which it was.
    let output = if format == Format::Json { "json" } else { "with-unit" };
    journalctl.arg(format!("--output={output}"));
    if follow {
        journalctl.arg("--follow");
    }
    FileError::of("start", Path::new("journalctl"))(journalctl.exec()).into()
}

/// The units of which a slot consists: its own, and that of its proxy when it has one.
fn slot_units(app: &App, slot: &SlotName) -> Vec<UnitName> {
    let proxy = app.proxy().map(|_| app.proxy_unit(slot));
    std::iter::once(app.slot_unit(slot)).chain(proxy).collect()
}

/// What `--user-unit` shows, and what is known by its identifier alone: an option of journalctl(1) and a match cannot be one or the other.
fn of_a_user(place: &Place, units: &[&str]) -> Vec<String> {
    let mut groups = written_by(place, units);
    for about in ["USER_UNIT", "OBJECT_SYSTEMD_USER_UNIT"] {
        groups.push(units.iter().map(|unit| format!("{about}={unit}")).collect());
    }
    groups.join(&"+".to_owned())
}
