//! Files that appear all together, or none of them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{Did, InitError};
use crate::files::{self, Change, FileError};

/// Writes what is not there with the same text; `may_replace` decides on what is there now.
pub(super) fn write(
    folder: &Path,
    files: Vec<Change>,
    may_replace: impl Fn(&[u8]) -> bool,
) -> Result<Vec<(PathBuf, Did)>, InitError> {
    let mut done = Vec::new();
    let mut changes = Vec::new();
    for change in files {
        let path = change.path.clone();
        let found = match fs::read(&path) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(InitError::Read { path, source }),
        };
        match found {
            Some(found) if change.text.as_deref().map(str::as_bytes) == Some(&found) => {
                done.push((path, Did::Kept));
            }
            Some(found) if !may_replace(&found) => return Err(InitError::Differs(path)),
            _ => {
                done.push((path, Did::Wrote));
                changes.push(change);
            }
        }
    }
    let folders = Folders::of(folder, &changes)?;
    let _ = files::stage(changes)?.commit()?;
    folders.keep();
    Ok(done)
}

/// The folders that were made for the files: without the files they vanish.
struct Folders(Vec<PathBuf>);

impl Folders {
    fn of(top: &Path, changes: &[Change]) -> Result<Self, FileError> {
        let mut made = Self(Vec::new());
        // Starting programs have some, no deeper than one. What `--dir` names is there, or an error.
        let folders = changes.iter().filter_map(|change| change.path.parent());
        for folder in folders.filter(|folder| *folder != top) {
            match fs::create_dir(folder) {
                Ok(()) => made.0.push(folder.to_owned()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(FileError::new("make", folder)(error)),
            }
        }
        Ok(made)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in &self.0 {
            // Somebody else may have put a file into it.
            let _ = fs::remove_dir(folder);
        }
    }
}
