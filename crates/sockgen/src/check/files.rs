//! Rules on the files that units are made of.

use super::{At, Roles};

/// What systemd itself cannot read, or reads in part.
pub(super) fn unreadable(units: &Roles<'_>) -> Vec<At> {
    units.unreadable.iter().map(At::problem).collect()
}

/// Drop-ins that change nothing.
pub(super) fn unread(units: &Roles<'_>) -> Vec<At> {
    units.unread.iter().map(At::problem).collect()
}

/// What the manifest gives is what is there.
pub(super) fn edited(units: &Roles<'_>) -> Vec<At> {
    let mut found = Vec::new();
    for file in &units.generated {
        let name = file.name.as_ref();
        let message = match units.texts.get(name) {
            Some(text) if *text == file.text => continue,
            Some(_) => "it is not what the manifest gives",
            None => "the manifest gives this unit, and it is not there",
        };
        let path = units.get(name).map_or_else(|| name.into(), |unit| unit.file.clone());
        let (unit, message) = (name.to_owned(), message.to_owned());
        found.push(At { unit, file: path, line: None, severity: None, message });
    }
    found
}
