//! Small files that appear whole: written beside, synced, renamed.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sockgen::Scope;

use crate::words;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried.
    pub doing: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// What the kernel answered.
    pub source: io::Error,
}

impl FileError {
    /// What a person can do about it.
    pub fn hint(&self, scope: Scope) -> Option<&'static str> {
        match self.source.kind() {
            io::ErrorKind::PermissionDenied => Some(words::permission(scope)),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("the disk is full: free some space, then run it again")
            }
            _ => None,
        }
    }

    pub(crate) fn of(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { doing, path: path.into(), source }
    }
}

/// Creates a directory and its parents, mode 0755.
pub(crate) fn directory(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(FileError::of("create", path))
}

/// Writes the whole content, or leaves what was there.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let home = path.parent().unwrap_or(Path::new("/"));
    directory(home)?;
    let beside = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(home)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        fs::File::open(home)?.sync_all()
    };
    beside().map_err(FileError::of("write", path))
}

/// Removes the file; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::of("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Reads the file; `None` when it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::of("read", path)(error)),
    }
}
