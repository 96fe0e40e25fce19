//! What there is of an application, by the files alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::install::{GENERATED, InstallError, drop_in_files, ours};
use crate::names::AppName;
use crate::place::{Place, Scope, below};

/// What there is of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The unit files that sockgen wrote.
    pub units: Vec<PathBuf>,
    /// The manifest.
    pub manifest: Option<PathBuf>,
    /// What `systemctl enable` and deploys made: the alias, and the link of what wants the target.
    pub links: Vec<PathBuf>,
    /// What lives until the next boot.
    pub run: Option<PathBuf>,
    /// Releases and history, secrets, and what the program itself wrote: state, cache and logs.
    pub state: Vec<PathBuf>,
    /// The administrator's drop-ins, which stay.
    pub drop_ins: Vec<PathBuf>,
    /// The names of its units, those included that a generator made.
    pub(super) names: BTreeSet<String>,
}

impl Found {
    /// Whether there is nothing but state, which may stay.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.files().next().is_none() && self.links.is_empty() && self.run.is_none()
    }

    /// The files that go.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.units.iter().chain(&self.manifest)
    }

    /// The units of this suffix.
    pub(super) fn of_kind(&self, suffix: &str) -> Vec<&str> {
        self.names.iter().map(String::as_str).filter(|name| name.ends_with(suffix)).collect()
    }
}

pub(super) fn survey(root: &Path, place: &Place, app: &AppName) -> Result<Found, InstallError> {
    let folder = below(root, place.units());
    let written: Vec<String> = ours(&folder, app)?.into_keys().collect();
    let mut names: BTreeSet<String> = written.iter().cloned().collect();
    if place.scope() == Scope::System {
        names.extend(ours(&below(root, Path::new(GENERATED)), app)?.into_keys());
    }
    let links = links(&folder, &names, app.alias().as_ref());
    let there = |path: PathBuf| path.symlink_metadata().is_ok().then_some(path);
    let state = [place.state_dir(app), place.secrets_dir(app)].into_iter();
    let state = state.chain(place.program_state(app));
    let mut read: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let alias = app.alias();
    read.insert(alias.as_ref());
    Ok(Found {
        units: written.iter().map(|name| folder.join(name)).collect(),
        manifest: there(below(root, &place.manifest(app))),
        links,
        run: there(below(root, &place.run_dir(app))),
        state: state.filter_map(|path| there(below(root, &path))).collect(),
        drop_ins: read.into_iter().flat_map(|name| drop_in_files(root, place, name)).collect(),
        names,
    })
}

/// The links to these units, and the alias when it leads to one; those too whose file is gone.
fn links(folder: &Path, units: &BTreeSet<String>, alias: &str) -> Vec<PathBuf> {
    let mut links = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let leads_to = |link: &Path| {
            let to = fs::read_link(link).ok()?;
            Some(units.contains(to.file_name()?.to_str()?))
        };
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            let stale = name == alias && !path.exists();
            if stale || leads_to(&path) == Some(true) {
                links.push(path);
            }
        } else if name.ends_with(".wants") || name.ends_with(".requires") {
            let inside = fs::read_dir(&path).into_iter().flatten().flatten();
            let ours = |link: &PathBuf| {
                let name = link.file_name().and_then(|name| name.to_str());
                link.is_symlink() && name.is_some_and(|name| units.contains(name))
            };
            links.extend(inside.map(|entry| entry.path()).filter(ours));
        }
    }
    links.sort();
    links
}
