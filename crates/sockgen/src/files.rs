//! Several files that change together: all of them appear whole, or none.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// What becomes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: PathBuf,
    /// The new text, or `None` to delete the file.
    pub(crate) text: Option<String>,
    /// Its permissions.
    pub(crate) mode: u32,
}

impl Change {
    /// A file that everybody may read.
    pub(crate) fn text(path: PathBuf, text: String) -> Self {
        Self { path, text: Some(text), mode: 0o644 }
    }

    pub(crate) fn gone(path: PathBuf) -> Self {
        Self { path, text: None, mode: 0 }
    }
}

/// A file could not be changed; nothing was, or what was is undone.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
pub struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    pub(crate) fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }

    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self.source.kind() {
            io::ErrorKind::PermissionDenied => Some("run it as a user who may write there"),
            io::ErrorKind::NotFound => Some("make the directory first"),
            io::ErrorKind::ReadOnlyFilesystem => Some("the file system is mounted read-only"),
            _ => None,
        }
    }
}

/// All new texts, written and synced beside the files they replace. Dropped, they vanish.
#[must_use = "nothing is changed before commit"]
pub(crate) struct Staged {
    files: Vec<(Change, Option<NamedTempFile>)>,
}

/// What was there before, to go back to. Dropped, the changes stay.
#[must_use = "undo when a later step fails"]
pub(crate) struct Committed {
    before: Vec<Change>,
}

/// Writes every new text beside its place.
pub(crate) fn stage(changes: Vec<Change>) -> Result<Staged, FileError> {
    let files = changes
        .into_iter()
        .map(|change| {
            let staged = beside(&change)?;
            Ok((change, staged))
        })
        .collect::<Result<_, _>>()?;
    Ok(Staged { files })
}

/// The new text beside its place; `None` when the file goes away.
fn beside(change: &Change) -> Result<Option<NamedTempFile>, FileError> {
    let (path, Some(text)) = (&change.path, &change.text) else { return Ok(None) };
    let folder = path.parent().unwrap_or(Path::new("."));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut file = tempfile::Builder::new()
        // Not a unit's suffix, so that systemd never reads it.
        .prefix(".sockgen-")
        .tempfile_in(folder)
        // Without the name of the temporary file, which says nothing to anybody.
        .map_err(|error| FileError::new("write in", folder)(error.kind().into()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().set_permissions(Permissions::from_mode(change.mode)))
        .and_then(|()| file.as_file().sync_all())
        .map_err(FileError::new("write", path))?;
    Ok(Some(file))
}

impl Staged {
    /// Renames every file into its place; after a failure all is as before.
    pub(crate) fn commit(self) -> Result<Committed, FileError> {
        let mut done = Committed { before: Vec::new() };
        for (change, staged) in self.files {
            if let Err(error) = put(&change.path, staged, &mut done) {
                // The first error is the one to report; the way back is tried in any case.
                let _ = done.undo();
                return Err(error);
            }
        }
        done.sync();
        Ok(done)
    }
}

fn put(path: &Path, new: Option<NamedTempFile>, done: &mut Committed) -> Result<(), FileError> {
    let mode = |file: fs::Metadata| file.permissions().mode() & 0o7777;
    let before = match fs::read_to_string(path).and_then(|text| Ok((text, fs::metadata(path)?))) {
        Ok((text, file)) => Change { mode: mode(file), ..Change::text(path.to_owned(), text) },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Change::gone(path.to_owned()),
        Err(error) => return Err(FileError::new("read", path)(error)),
    };
    match new {
        Some(file) => {
            file.persist(path).map_err(|error| FileError::new("write", path)(error.error))?;
        }
        None if before.text.is_some() => {
            fs::remove_file(path).map_err(FileError::new("delete", path))?;
        }
        None => return Ok(()),
    }
    done.before.push(before);
    Ok(())
}

impl Committed {
    /// Puts everything back; goes on after an error and reports the first.
    pub(crate) fn undo(self) -> Result<(), FileError> {
        let mut result = Ok(());
        for before in self.before.iter().rev() {
            let path = &before.path;
            let step = beside(before).and_then(|file| match file {
                Some(file) => {
                    let put = file.persist(path).map(drop).map_err(|error| error.error);
                    put.map_err(FileError::new("restore", path))
                }
                None => fs::remove_file(path).map_err(FileError::new("delete", path)),
            });
            result = result.and(step);
        }
        self.sync();
        result
    }

    /// Syncs the folders, so that the names outlive a power cut. The files are in place already:
    /// a file system that cannot sync a folder is no reason to undo.
    fn sync(&self) {
        let mut folders: Vec<&Path> =
            self.before.iter().filter_map(|before| before.path.parent()).collect();
        folders.dedup();
        for folder in folders {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: PathBuf, text: Option<&str>) -> Change {
        match text {
            Some(text) => Change::text(path, text.to_owned()),
            None => Change::gone(path),
        }
    }

    #[test]
    fn a_failure_in_the_middle_leaves_all_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, c) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
        fs::write(&a, "old").unwrap();
        // A directory in the place of a file: the rename onto it fails.
        fs::create_dir(&c).unwrap();
        let changes = vec![
            change(a.clone(), Some("new")),
            change(b.clone(), Some("new")),
            change(c, Some("x")),
        ];
        assert!(stage(changes).unwrap().commit().is_err());
        assert_eq!(fs::read_to_string(&a).unwrap(), "old");
        assert!(!b.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }

    #[test]
    fn undo_brings_back_what_was_changed_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, "old").unwrap();
        fs::write(&b, "gone").unwrap();
        let changes = vec![change(a.clone(), Some("new")), change(b.clone(), None)];
        let done = stage(changes).unwrap().commit().unwrap();
        assert!(!b.exists());
        done.undo().unwrap();
        assert_eq!(fs::read_to_string(&a).unwrap(), "old");
        assert_eq!(fs::read_to_string(&b).unwrap(), "gone");
    }
}
