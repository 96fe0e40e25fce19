//! Drop-ins of the administrator for the units of an application: never ours to change, always shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::snapshot::other_unit_dirs;
use crate::check::{Unit, drop_in_names};
use crate::model::App;
use crate::place::{Place, below};
use crate::render::UnitFile;
use crate::shown::shown;

/// A drop-in that systemd reads after a unit of ours (systemd.unit(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DropIn {
    /// The file.
    pub path: PathBuf,
    /// What it says, where that differs from what our units say.
    pub settings: Vec<Setting>,
}

/// One assignment of a drop-in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Setting {
    /// The directive, such as `Restart`.
    pub key: String,
    /// Its value in the drop-in.
    pub value: String,
    /// What our unit has in its place; `None` when it says nothing of it.
    pub ours: Option<String>,
}

/// `Restart=no in place of always`
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |text: &str| match text.chars().any(char::is_control) {
            true => shown(text),
            false => text.to_owned(),
        };
        write!(f, "{}={}", plain(&self.key), plain(&self.value))?;
        self.ours.as_ref().map_or(Ok(()), |ours| write!(f, " in place of {}", plain(ours)))
    }
}

/// `/etc/systemd/system/shop-blue.service.d/x.conf: Restart=no in place of always`
impl fmt::Display for DropIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<String> = self.settings.iter().map(Setting::to_string).collect();
        let text = if settings.is_empty() { "nothing new".into() } else { settings.join(", ") };
        write!(f, "{}: {text}", self.path.display())
    }
}

/// The drop-ins that systemd reads for these units and for the alias, but for those that all units of a kind have.
pub(crate) fn find(root: &Path, app: &App, units: &[UnitFile]) -> Vec<DropIn> {
    let mut readers: BTreeMap<PathBuf, Vec<&UnitFile>> = BTreeMap::new();
    let alias = app.alias();
    for unit in units {
        let mut names = drop_in_names(unit.name.as_ref());
        // `service.d`
        names.pop();
        if app.slots().iter().any(|slot| unit.name == app.slot_unit(slot)) {
            names.push(alias.to_string());
        }
        for path in names.iter().flat_map(|name| files(root, app.place(), name)) {
            readers.entry(path).or_default().push(unit);
        }
    }
    readers.into_iter().map(|(path, units)| read(path, &units)).collect()
}

/// The drop-ins of a name, in every folder where systemd looks for them.
pub(crate) fn files(root: &Path, place: &Place, unit: &str) -> Vec<PathBuf> {
    let others = other_unit_dirs(place).iter().map(Path::new);
    let folders: BTreeSet<PathBuf> = [place.units()]
        .into_iter()
        .chain(others)
        .map(|folder| below(root, folder).join(format!("{unit}.d")))
        // /lib is /usr/lib.
        .filter_map(|folder| fs::canonicalize(folder).ok())
        .collect();
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension() == Some("conf".as_ref()))
        .collect()
}

/// The drop-ins of a unit in the order in which systemd reads them; of those with one name the first folder's alone.
pub(super) fn in_order(root: &Path, place: &Place, unit: &str) -> Vec<PathBuf> {
    let names = drop_in_names(unit);
    let mut by_name = BTreeMap::new();
    for path in names.iter().flat_map(|name| files(root, place, name)) {
        by_name.entry(path.file_name().map(ToOwned::to_owned)).or_insert(path);
    }
    by_name.into_values().collect()
}

fn read(path: PathBuf, units: &[&UnitFile]) -> DropIn {
    // One that cannot be read is shown nevertheless, as one that says nothing.
    let text = fs::read(&path).unwrap_or_default();
    let dropped = Unit::parse("drop-in", &String::from_utf8_lossy(&text));
    let mut settings = BTreeSet::new();
    for unit in units {
        let base = Unit::parse(unit.name.as_ref(), &unit.text);
        settings.extend(dropped.entries.iter().filter_map(|entry| {
            let ours = base.value(&entry.section, &entry.key).map(str::to_owned);
            let (key, value) = (entry.key.clone(), entry.value.clone());
            (ours.as_ref() != Some(&value)).then_some(Setting { key, value, ours })
        }));
    }
    DropIn { path, settings: settings.into_iter().collect() }
}
