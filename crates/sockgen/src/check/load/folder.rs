//! What the folders of a place have: units, other names of units, masks and drop-ins.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::place::Place;
use crate::check::units::template;

/// Suffixes of the units that are read.
const SUFFIXES: [&str; 3] = ["socket", "service", "target"];

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Fragment {
    /// A file; of a link, what it leads to inside of the image.
    File { at: PathBuf, text: PathBuf },
    /// A link to `/dev/null`, or an empty file.
    Mask(PathBuf),
    /// A link to a file of another name.
    Alias { at: PathBuf, to: String },
}

impl Fragment {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Mask(path) | Self::File { at: path, .. } | Self::Alias { at: path, .. } => path,
        }
    }
}

/// All that lies in the folders of a place, by name; of two of one name the first counts.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) fragments: BTreeMap<String, Fragment>,
    /// The folders of drop-ins: `shop.service.d` of each folder.
    pub(super) drop_ins: BTreeMap<String, Vec<PathBuf>>,
    /// Files that would be units if systemd could read such a name.
    pub(super) misnamed: Vec<PathBuf>,
    /// What links in `.wants` and `.requires` folders say.
    pub(super) wants: Vec<(String, &'static str, PathBuf)>,
}

/// Whether this is the name of a unit that is read.
pub(super) fn is_unit(name: &str) -> bool {
    has_suffix(name) && name.len() < 256 && name.chars().all(allowed)
}

/// What a unit's name may be made of (systemd.unit(5)).
fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || ":-_.\\@".contains(c)
}

fn has_suffix(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(stem, suffix)| !stem.is_empty() && SUFFIXES.contains(&suffix))
}

pub(super) fn list(place: &Place) -> Listing {
    let mut listing = Listing::default();
    for folder in &place.folders {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if let Some(of) = name.strip_suffix(".d") {
                listing.drop_ins.entry(of.to_owned()).or_default().push(path);
            } else if let Some(of) = name.strip_suffix(".wants") {
                listing.link(of, "Wants", &path);
            } else if let Some(of) = name.strip_suffix(".requires") {
                listing.link(of, "Requires", &path);
            } else if is_unit(name) && !path.is_dir() && !listing.fragments.contains_key(name) {
                let fragment = fragment(place, name, &path);
                listing.fragments.insert(name.to_owned(), fragment);
            } else if has_suffix(name) && !is_unit(name) {
                listing.misnamed.push(path);
            }
        }
    }
    listing
}

impl Listing {
    /// The instances that are named somewhere and have no file of their own.
    pub(super) fn instances(&self) -> BTreeSet<String> {
        let wanted = self.wants.iter().filter_map(|(_, _, link)| link.file_name()?.to_str());
        wanted
            .chain(self.drop_ins.keys().map(String::as_str))
            .filter(|name| is_unit(name) && !self.fragments.contains_key(*name))
            .filter(|name| template(name).is_some_and(|name| self.fragments.contains_key(&name)))
            .map(str::to_owned)
            .collect()
    }

    fn link(&mut self, unit: &str, key: &'static str, folder: &Path) {
        let links = fs::read_dir(folder).into_iter().flatten().flatten();
        self.wants.extend(links.map(|link| (unit.to_owned(), key, link.path())));
    }
}

fn fragment(place: &Place, name: &str, path: &Path) -> Fragment {
    let Ok(target) = fs::read_link(path) else {
        let empty = fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0);
        return if empty {
            Fragment::Mask(path.to_owned())
        } else {
            Fragment::File { at: path.to_owned(), text: path.to_owned() }
        };
    };
    if target == Path::new("/dev/null") {
        return Fragment::Mask(path.to_owned());
    }
    match target.file_name().and_then(|name| name.to_str()) {
        // A link that leads nowhere is no name of anything.
        Some(other) if other != name && is_unit(other) && leads_somewhere(place, path, &target) => {
            Fragment::Alias { at: path.to_owned(), to: other.to_owned() }
        }
        _ => Fragment::File { at: path.to_owned(), text: inside(place, path, &target) },
    }
}

fn leads_somewhere(place: &Place, path: &Path, target: &Path) -> bool {
    let inside = inside(place, path, target);
    // Inside an image the next link of a chain may be absolute again: it is enough that it is there.
    fs::metadata(&inside).is_ok() || (place.root != Path::new("/") && inside.is_symlink())
}

/// Where a link of an image leads, inside of the image.
fn inside(place: &Place, path: &Path, target: &Path) -> PathBuf {
    match target.strip_prefix("/") {
        Ok(target) if place.root != Path::new("/") => place.root.join(target),
        _ => path.to_owned(),
    }
}
