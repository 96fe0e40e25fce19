//! Units into the folder that systemd gave: all of an application's, or none.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::Set;
use crate::files::{Change, FileError, stage};
use crate::names::AppName;
use crate::place::{Place, below};

pub(super) fn emit(
    root: &Path,
    normal: &Path,
    place: &Place,
    name: &AppName,
    set: &Set,
) -> Result<(), FileError> {
    let change = |(unit, text): (&String, &String)| Change::text(normal.join(unit), text.clone());
    let done = stage(set.units.iter().map(change).collect())?.commit()?;
    // Last: what wants the target has to find all of it.
    let made = below(root, &place.units().join(name.alias().as_ref())).is_symlink();
    let first = set.first.as_deref().filter(|_| !made);
    let linked = first
        .map_or(Ok(()), |first| alias(normal, name, first))
        .and_then(|()| want(normal, place, name));
    if linked.is_err() {
        let _ = done.undo();
    }
    linked
}

/// At boot, as `systemctl enable` of the target would have it.
fn want(normal: &Path, place: &Place, name: &AppName) -> Result<(), FileError> {
    let folder = normal.join(format!("{}.wants", place.wanted_by()));
    fs::create_dir_all(&folder).map_err(FileError::new("make", &folder))?;
    let target = name.target();
    link(&Path::new("..").join(target.as_ref()), &folder.join(target.as_ref()))
}

/// The alias says who is live, is made by deploys, and outlives a boot in `/etc`: never ours to change. As long as
/// nobody has made it, it is that of the slot which is live from the start.
fn alias(normal: &Path, name: &AppName, first: &str) -> Result<(), FileError> {
    link(Path::new(first), &normal.join(name.alias().as_ref()))
}

fn link(to: &Path, at: &Path) -> Result<(), FileError> {
    symlink(to, at).map_err(FileError::new("link", at))
}
