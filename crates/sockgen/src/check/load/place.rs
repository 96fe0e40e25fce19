//! Where systemd looks for the units that lie beside one.

use std::path::{Path, PathBuf};

/// The folders that systemd reads, those that win first (systemd.unit(5)).
pub(crate) const SYSTEM: [&str; 11] = [
    "etc/systemd/system.control",
    "run/systemd/system.control",
    "run/systemd/transient",
    "run/systemd/generator.early",
    "etc/systemd/system",
    "run/systemd/system",
    "run/systemd/generator",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "run/systemd/generator.late",
];
const USER: [&str; 5] = [
    "etc/systemd/user",
    "run/systemd/user",
    "usr/local/lib/systemd/user",
    "usr/lib/systemd/user",
    "lib/systemd/user",
];

/// The folders that are read together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// What an absolute link begins at.
    pub(super) root: PathBuf,
    pub(super) folders: Vec<PathBuf>,
    /// Whether these are all the folders in which systemd would look.
    pub(super) whole: bool,
}

impl Place {
    /// The place of a folder: one of systemd's own with all the others, or itself alone; and the folder as it is called there.
    pub(super) fn of(folder: &Path) -> (Self, PathBuf) {
        // /lib is a link to /usr/lib on most machines.
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        for set in [&SYSTEM[..], &USER[..]] {
            let root = set.iter().find_map(|end| above(&real, Path::new(end)));
            if let Some(root) = root {
                let mut folders: Vec<PathBuf> = Vec::new();
                for folder in set.iter().filter_map(|folder| root.join(folder).canonicalize().ok())
                {
                    if !folders.contains(&folder) {
                        folders.push(folder);
                    }
                }
                return (Self { root: root.to_owned(), folders, whole: true }, real);
            }
        }
        (
            Self { root: "/".into(), folders: vec![folder.to_owned()], whole: false },
            folder.to_owned(),
        )
    }
}

fn above<'a>(path: &'a Path, end: &Path) -> Option<&'a Path> {
    path.ends_with(end).then(|| path.ancestors().nth(end.components().count()))?
}
