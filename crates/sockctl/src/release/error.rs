//! Why a release could not be staged, and what a person can do about it.

use std::io;
use std::path::{Path, PathBuf};

use sockgen::Scope;

use crate::words;

/// What is being done to an archive when reading it fails.
pub(super) const UNPACK: &str = "unpack";

/// Why a release could not be staged. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The text is no release.
    #[error("`{}` is no release: a release is 16 hex digits", found.escape_debug())]
    Id {
        /// What was given, shortened.
        found: String,
    },
    /// The path cannot be read.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The directory lacks the manifest's executable.
    #[error("{} has no `{}`, which the manifest names as `exec`", release.display(), exec.display())]
    NoExecutable {
        /// The directory that was given.
        release: PathBuf,
        /// The manifest's `exec`.
        exec: PathBuf,
    },
    /// The executable is there but may not be executed.
    #[error("{} is not executable", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// What was given is neither a directory nor a file.
    #[error("{} is a {kind}", path.display())]
    NoRelease {
        /// What was given.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// It is larger than the manifest allows.
    #[error("{} has more than {limit} bytes of files", path.display())]
    TooLarge {
        /// What was given.
        path: PathBuf,
        /// The manifest's `release.max_size`.
        limit: u64,
    },
    /// It has more entries than the manifest allows.
    #[error("{} has more than {limit} files, directories and links", path.display())]
    TooMany {
        /// What was given.
        path: PathBuf,
        /// The manifest's `release.max_files`.
        limit: u64,
    },
    /// It is a file of a kind that cannot be unpacked.
    #[error("{} is {found}, not a tar archive", path.display())]
    Format {
        /// What was given.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// An archive that cannot be a release.
    #[error("{}: {entry} {problem}", path.display())]
    Entry {
        /// The archive or directory.
        path: PathBuf,
        /// The entry, quoted.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Somebody pressed Ctrl-C.
    #[error("interrupted while the release was copied; nothing was changed")]
    Interrupted,
    /// A device, socket or pipe.
    #[error("{} is a {kind}: a release holds files, directories and symbolic links", path.display())]
    Special {
        /// The entry.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
}

impl StageError {
    /// What a person can do about it.
    pub fn hint(&self, scope: Scope) -> Option<String> {
        match self {
            Self::Id { .. } => Some("`sockctl status` shows the releases of the slots".into()),
            Self::Io { source, path, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("look with `ls -l {}`", path.parent().unwrap_or(path).display()))
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(words::permission(scope).into())
            }
            Self::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                Some("the disk is full: free some space (`sockctl gc APP` removes old releases), then run it again".into())
            }
            Self::Io { source, doing, .. }
                if source.kind() == io::ErrorKind::UnexpectedEof && *doing == UNPACK =>
            {
                Some("it ends too early: copy it here again".into())
            }
            Self::Io { doing, .. } if *doing == UNPACK => {
                Some("it is damaged, or no tar archive: look with `tar --list --file …`".into())
            }
            Self::Io { .. } => None,
            Self::TooLarge { .. } => {
                Some("when it is meant to be so large, raise max_size in [release] of the manifest".into())
            }
            Self::TooMany { .. } => {
                Some("when it is meant to have so many, raise max_files in [release] of the manifest".into())
            }
            Self::Format { .. } => Some("give a .tar, .tar.gz or .tar.zst, a directory, or a single executable".into()),
            Self::Entry { .. } => Some("pack it again without that entry, or deploy the unpacked directory".into()),
            Self::NoExecutable { exec, .. } => Some(format!(
                "deploy a directory that contains {}, or the executable itself: a single file becomes {0}",
                exec.display()
            )),
            Self::NotExecutable { path } => Some(format!("chmod +x {}", path.display())),
            Self::NoRelease { .. } => Some("give a directory, a tar archive, or a single executable file".into()),
            Self::Interrupted => None,
            Self::Special { .. } => Some("leave it out of the release".into()),
        }
    }
}

pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, StageError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, StageError> {
        self.map_err(|source| StageError::Io { doing, path: path.into(), source })
    }
}
