//! Small files that appear whole: written beside, synced, renamed.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
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
        File::open(home)?.sync_all()
    };
    beside().map_err(FileError::of("write", path))
}

/// Appends a line, or leaves what was there. A line before it that was cut short all the same, by a crash, stays one of its own.
pub(crate) fn append(path: &Path, line: &str) -> Result<(), FileError> {
    directory(path.parent().unwrap_or(Path::new("/")))?;
    let append = || -> io::Result<()> {
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        let before = file.metadata()?.len();
        let mut last = [b'\n'];
        if let Some(at) = before.checked_sub(1) {
            file.read_exact_at(&mut last, at)?;
        }
        let end = if last == [b'\n'] { "" } else { "\n" };
        let written = file.write_all(format!("{end}{line}\n").as_bytes());
        written.and_then(|()| file.sync_all()).inspect_err(|_| {
            // When that fails, too, the next one ends the line.
            let _ = file.set_len(before);
        })
    };
    append().map_err(FileError::of("append to", path))
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
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::of("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use rustix::process::{Resource, Rlimit, setrlimit};

    use super::*;

    /// Where a child of the test appends to, and how long that file may get.
    const TO: &str = "SOCKCTL_TEST_APPENDS_TO";
    const LENGTH: u64 = 16;

    #[test]
    fn what_does_not_fit_is_not_appended_by_half() {
        if let Some(path) = env::var_os(TO) {
            setrlimit(Resource::Fsize, Rlimit { current: Some(LENGTH), maximum: Some(LENGTH) })
                .unwrap();
            append(Path::new(&path), "and more than there is room for").unwrap_err();
            return append(Path::new(&path), "a little").unwrap();
        }
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lines");
        append(&path, "first").unwrap();
        // The limit cuts a write short as a full disk does. It is a process's, so it is not this one's.
        let child = Command::new("env")
            .args(["--ignore-signal=XFSZ".as_ref(), env::current_exe().unwrap().as_os_str()])
            .args(["--exact", "files::tests::what_does_not_fit_is_not_appended_by_half"])
            .env(TO, &path)
            .output();
        let child = child.expect("env of coreutils starts");
        assert!(child.status.success(), "{}", child.stdout.escape_ascii());
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\na little\n");
    }
}
