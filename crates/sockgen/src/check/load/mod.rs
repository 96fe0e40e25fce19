//! Units and drop-ins as they lie on a disk, merged as systemd merges them.

mod drop_ins;
mod folder;
mod place;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use drop_ins::names as drop_in_names;
use folder::{Fragment, Listing, is_unit, list};
use place::Place;
pub(crate) use place::SYSTEM;
use read::read;

use super::units::{Problem, Units, template};

/// Units cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// What was named is not there, or may not be looked at.
    #[error("cannot read {}", path.display())]
    Read {
        /// What was named.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What was named is no unit.
    #[error("{} is neither a folder nor a unit", .0.display())]
    NoUnit(PathBuf),
    /// Two units of one name cannot be told apart.
    #[error("{name} is in two places: {first} and {second}")]
    Twice {
        /// The unit.
        name: String,
        /// One file.
        first: String,
        /// The other one.
        second: String,
    },
}

impl LoadError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run it as root: `sudo sockgen …`"
            }
            Self::Twice { .. } => "check one of them at a time",
            _ => "name a folder with units, a manifest or a unit file",
        }
    }
}

/// What is to be checked of a place.
#[derive(Debug, Default)]
struct Wanted {
    folders: BTreeSet<PathBuf>,
    names: BTreeSet<String>,
}

/// Collects what is to be checked, and loads it with all that belongs to it.
///
/// A folder that is one of systemd's own, such as `/etc/systemd/system`, is read with all the others beside it, so that a drop-in in `/etc` is
/// merged into the unit in `/usr/lib`; this is so below any root. Any other folder stands for itself.
#[derive(Debug, Default)]
pub struct Loader {
    wanted: BTreeMap<Place, Wanted>,
}

impl Loader {
    /// Asks for a folder of units, a unit, or a folder of drop-ins or one of them, which stand for their unit.
    ///
    /// # Errors
    /// When there is nothing of the kind.
    pub fn ask(&mut self, path: &Path) -> Result<(), LoadError> {
        let failed = |source| LoadError::Read { path: path.to_owned(), source };
        let kind = fs::symlink_metadata(path).map_err(failed)?;
        // "." has no name, and "units/" one that a link beside it may have, too.
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let above = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(unit) = name.strip_suffix(".d").filter(|unit| is_unit(unit)) {
            self.unit(folder, unit);
        } else if path.is_dir() {
            fs::read_dir(path).map_err(failed)?;
            let (place, folder) = Place::of(path);
            self.wanted.entry(place).or_default().folders.insert(folder);
        } else if is_unit(name) {
            self.unit(folder, name);
        } else if let (Some(unit), false) = (above.strip_suffix(".d"), kind.is_dir()) {
            let folder = folder.parent().unwrap_or(Path::new("."));
            self.unit(folder, unit);
        } else {
            return Err(LoadError::NoUnit(path.to_owned()));
        }
        Ok(())
    }

    fn unit(&mut self, folder: &Path, unit: &str) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let (place, _) = Place::of(folder);
        self.wanted.entry(place).or_default().names.insert(unit.to_owned());
    }

    /// Reads all that was asked for.
    ///
    /// # Errors
    /// When two units have one name. What is wrong with a single file is a finding.
    pub fn load(self) -> Result<Units, LoadError> {
        let mut units = Units::default();
        for (place, wanted) in &self.wanted {
            let more = load(place, wanted);
            let twice = more.units.values().find_map(|b| Some((units.units.get(&b.name)?, b)));
            if let Some((a, b)) = twice {
                let (first, second) = (a.file.to_string(), b.file.to_string());
                return Err(LoadError::Twice { name: b.name.clone(), first, second });
            }
            units.merge(more);
        }
        Ok(units)
    }
}

/// The units of one place, with all that belongs to them.
fn load(place: &Place, wanted: &Wanted) -> Units {
    let mut units = Units { machine: place.whole, ..Units::default() };
    let listing = list(place);
    for (name, fragment) in &listing.fragments {
        add(&mut units, name, fragment);
    }
    for name in listing.instances() {
        add_instance(&mut units, &name, &listing);
    }
    for (name, key, link) in &listing.wants {
        let value = link.file_name().unwrap_or_default().to_string_lossy();
        units.add_link(name, key, &value, &link.display().to_string());
    }
    let names: Vec<String> = units.units.keys().cloned().collect();
    for name in &names {
        add_drop_ins(&mut units, &listing, name);
        if !wanted.has(name, &listing) {
            units.only_look_up(name);
        }
    }
    units.unreadable.retain(|problem| wanted.has(&problem.unit, &listing));
    misnamed(&mut units, &listing, wanted);
    if place.whole {
        unread(&mut units, &listing, wanted, place);
    }
    units
}

impl Wanted {
    /// Whether a unit was asked for: by name, or because its file or a drop-in of it lies in a folder that was.
    fn has(&self, name: &str, listing: &Listing) -> bool {
        let lies = |path: &Path| path.parent().is_some_and(|folder| self.folders.contains(folder));
        self.names.contains(name)
            || listing.fragments.get(name).is_some_and(|fragment| lies(fragment.path()))
            || listing.drop_ins.get(name).is_some_and(|folders| folders.iter().any(|f| lies(f)))
    }
}

fn add(units: &mut Units, name: &str, fragment: &Fragment) {
    let file = fragment.path().display().to_string();
    match fragment {
        Fragment::Alias { to, .. } => units.add_alias(name, to),
        Fragment::Mask(_) => units.add_masked(name, &file),
        Fragment::File { text, .. } => {
            let text = read_or_say(units, name, &file, text);
            units.add_file(name, &file, &text);
        }
    }
}

/// An instance that somebody wants or has a drop-in for: it is its template under another name.
fn add_instance(units: &mut Units, name: &str, listing: &Listing) {
    let template = template(name).and_then(|template| listing.fragments.get(&template));
    if let Some(Fragment::File { at, text }) = template {
        let text = read(text).map(|read| read.text).unwrap_or_default();
        units.add_file(name, &at.display().to_string(), &text);
    }
}

/// The text of a file; what is wrong with it is kept, and it counts as empty when it cannot be read.
fn read_or_say(units: &mut Units, unit: &str, file: &str, path: &Path) -> String {
    let (unit, file) = (unit.to_owned(), file.to_owned());
    match read(path) {
        Ok(read) => {
            for (line, message) in read.problems {
                units.unreadable.push(Problem {
                    unit: unit.clone(),
                    file: file.clone(),
                    line,
                    message,
                });
            }
            read.text
        }
        Err(message) => {
            units.unreadable.push(Problem { unit, file, line: None, message });
            String::new()
        }
    }
}

fn add_drop_ins(units: &mut Units, listing: &Listing, name: &str) {
    for path in drop_ins::of(listing, name) {
        let file = path.display().to_string();
        let text = read_or_say(units, name, &file, &path);
        units.add_drop_in(name, &file, &text);
    }
}

/// Files that were meant to be units.
fn misnamed(units: &mut Units, listing: &Listing, wanted: &Wanted) {
    let asked = |path: &&PathBuf| path.parent().is_some_and(|p| wanted.folders.contains(p));
    for path in listing.misnamed.iter().filter(asked) {
        let unit = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let message = "systemd reads no unit of such a name".to_owned();
        let file = path.display().to_string();
        units.unreadable.push(Problem { unit, file, line: None, message });
    }
}

/// Folders of drop-ins that no unit reads, and files in them that are none: those of the administrator, because a package may well bring one for
/// the unit of another package that is not there.
fn unread(units: &mut Units, listing: &Listing, wanted: &Wanted, place: &Place) {
    let mut found = Vec::new();
    for (name, folders) in &listing.drop_ins {
        if !wanted.has(name, listing) || !is_unit(name) {
            continue;
        }
        let known = units.units.keys().chain(units.aliases.keys()).map(String::as_str);
        // The generator for old scripts makes a unit of each.
        let script = place.root.join("etc/init.d").join(name.trim_end_matches(".service")).exists();
        let read = script || drop_ins::is_read(name, known);
        for folder in folders.iter().filter(|f| f.starts_with(place.root.join("etc"))) {
            let say = |file: &Path, message: String| Problem {
                unit: name.clone(),
                file: file.display().to_string(),
                line: None,
                message,
            };
            if !read {
                found.push(say(folder, format!("there is no {name} that would read it")));
            }
            let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path());
            for file in files.filter(|file| drop_ins::meant(file)) {
                found.push(say(&file, "its name does not end in .conf".to_owned()));
            }
        }
    }
    units.unread.extend(found);
}
