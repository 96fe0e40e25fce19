//! Drop-ins, found and ordered as systemd does it (systemd.unit(5)).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use super::folder::{Listing, is_unit};
use crate::check::units::template;

/// The names of the units whose drop-ins a unit reads, the most special first; that of its kind comes last.
pub(crate) fn names(unit: &str) -> Vec<String> {
    let mut names = vec![unit.to_owned()];
    let (stem, suffix) = unit.rsplit_once('.').unwrap_or((unit, ""));
    // foo-bar-baz.service reads foo-bar-.service.d and foo-.service.d, too.
    let dashes = stem.char_indices().filter(|(_, c)| *c == '-').map(|(at, _)| at);
    let prefixes = dashes.map(|at| format!("{}.{suffix}", &stem[..=at])).collect::<Vec<_>>();
    names.extend(prefixes.into_iter().rev().filter(|name| name != unit));
    names.extend(template(unit));
    names.push(suffix.to_owned());
    names
}

/// The drop-ins of a unit in the order in which they count: by file name, wherever they lie.
pub(super) fn of(listing: &Listing, unit: &str) -> Vec<PathBuf> {
    let mut found: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for folder in names(unit).iter().filter_map(|name| listing.drop_ins.get(name)).flatten() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|suffix| suffix == "conf") {
                found.entry(entry.file_name()).or_insert(path);
            }
        }
    }
    // A link to /dev/null hides the file of the same name.
    found
        .into_values()
        .filter(|path| !fs::read_link(path).is_ok_and(|to| to.as_os_str() == "/dev/null"))
        .collect()
}

/// Whether any of these units reads the drop-ins of this name.
pub(super) fn is_read<'a>(name: &str, mut units: impl Iterator<Item = &'a str>) -> bool {
    let template = template(name);
    !is_unit(name)
        || units.any(|unit| {
            Some(unit) == template.as_deref() || names(unit).iter().any(|read| read == name)
        })
}

/// A file in a folder of drop-ins that was probably meant to be one.
pub(super) fn meant(path: &std::path::Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let meant = match name.rsplit_once('.') {
        None => !name.ends_with('~') && !name.starts_with("README"),
        Some((_, suffix)) => ["service", "socket", "cnf", "config"].contains(&suffix),
    };
    meant && path.is_file()
}
