//! Releases on disk: staged once for each content, never changed, linked by slots.

mod tree;

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde::{Deserialize, Serialize};
use tree::Tree;

/// A release's name: the first 16 hex digits of the SHA-256 of its content.
///
/// Paths, the executable bit, the bytes of files and the targets of symbolic links count; owners and times do not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseId(String);

impl ReleaseId {
    const LEN: usize = 16;
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ReleaseId {
    type Err = StageError;

    fn from_str(text: &str) -> Result<Self, StageError> {
        let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == Self::LEN && hex {
            Ok(Self(text.into()))
        } else {
            Err(StageError::Id { found: text.chars().take(40).collect() })
        }
    }
}

impl TryFrom<String> for ReleaseId {
    type Error = StageError;

    fn try_from(text: String) -> Result<Self, StageError> {
        text.parse()
    }
}

impl From<ReleaseId> for String {
    fn from(id: ReleaseId) -> Self {
        id.0
    }
}

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
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Id { .. } => Some("`sockctl status` shows the releases of the slots".into()),
            Self::Io { source, path, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("look with `ls -l {}`", path.parent().unwrap_or(path).display()))
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run it as root: `sudo sockctl deploy …`".into())
            }
            Self::Io { .. } => None,
            Self::NoExecutable { exec, .. } => Some(format!(
                "deploy a directory that contains {}, or the executable itself: a single file becomes {0}",
                exec.display()
            )),
            Self::NotExecutable { path } => Some(format!("chmod +x {}", path.display())),
            Self::NoRelease { .. } => Some("give a directory, or a single executable file".into()),
            Self::Interrupted => None,
            Self::Special { .. } => Some("leave it out of the release".into()),
        }
    }
}

trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, StageError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, StageError> {
        self.map_err(|source| StageError::Io { doing, path: path.into(), source })
    }
}

/// A release that lies in the releases directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Its name.
    pub id: ReleaseId,
    /// Whether it was there before.
    pub known: bool,
    /// Bytes of its files.
    pub bytes: u64,
    /// Files and directories that only some users could read, and that every user can read in the release: slots run as users of
    /// their own.
    pub private: usize,
}

/// Copies `source` into `releases` under the name of its content and makes it durable.
///
/// A directory is the release; a single file becomes `exec`, the manifest's path inside the release. The copy is hashed while it is
/// made, so the name is that of what lies there even when the source changes meanwhile. The caller holds the deploy's lock, and sets
/// `stop` to end the copy early.
///
/// # Errors
/// When the source is missing, has no executable at `exec`, or holds a device, socket or pipe. Nothing is left behind.
pub fn stage(
    source: &Path,
    exec: &Path,
    releases: &Path,
    stop: &AtomicBool,
) -> Result<Staged, StageError> {
    let kind = fs::metadata(source).doing("read", source)?;
    check_executable(source, exec, kind.is_dir())?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(releases).doing("create", releases)?;
    let staged = copy(source, kind.is_dir(), exec, releases, stop);
    if staged.is_err() {
        // Succeeds only when it is empty: then this was the first release.
        let _ = fs::remove_dir(releases);
    }
    staged
}

fn copy(
    source: &Path,
    is_dir: bool,
    exec: &Path,
    releases: &Path,
    stop: &AtomicBool,
) -> Result<Staged, StageError> {
    sweep(releases)?;
    let copy = tempfile::Builder::new()
        .prefix(STAGING)
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(releases)
        .doing("create a directory in", releases)?;
    let mut tree = Tree::new(Some(copy.path()), stop);
    tree.whole(source, is_dir, exec)?;
    if stop.load(Relaxed) {
        return Err(StageError::Interrupted);
    }
    let (bytes, private, id) = (tree.bytes, tree.private, tree.name());
    let home = releases.join(&id.0);
    let known = home.is_dir();
    if !known {
        let copy = copy.keep();
        fs::rename(&copy, &home).doing("rename the copy to", &home)?;
        sync(releases)?;
    }
    Ok(Staged { id, known, bytes, private })
}

/// The name that `source` would get. Nothing is written.
///
/// # Errors
/// Those of [`stage`].
pub fn name_of_content(source: &Path, exec: &Path) -> Result<ReleaseId, StageError> {
    let kind = fs::metadata(source).doing("read", source)?;
    check_executable(source, exec, kind.is_dir())?;
    let never = AtomicBool::new(false);
    let mut tree = Tree::new(None, &never);
    tree.whole(source, kind.is_dir(), exec)?;
    Ok(tree.name())
}

const STAGING: &str = ".staging-";

/// Removes what an earlier controller left when it was killed while it staged or pruned. The lock says that nobody does so now.
fn sweep(releases: &Path) -> Result<(), StageError> {
    for entry in fs::read_dir(releases).doing("list", releases)? {
        let entry = entry.doing("list", releases)?;
        if entry.file_name().as_encoded_bytes().starts_with(STAGING.as_bytes()) {
            fs::remove_dir_all(entry.path()).doing("remove", &entry.path())?;
        }
    }
    Ok(())
}

fn check_executable(source: &Path, exec: &Path, directory: bool) -> Result<(), StageError> {
    let path = if directory { source.join(exec) } else { source.to_owned() };
    match fs::metadata(&path) {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => Ok(()),
        Ok(found) if found.is_file() => Err(StageError::NotExecutable { path }),
        Ok(found) if !directory => {
            Err(StageError::NoRelease { path, kind: name_of(found.file_type()) })
        }
        Ok(_) => Err(StageError::NoExecutable { release: source.into(), exec: exec.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && directory => {
            Err(StageError::NoExecutable { release: source.into(), exec: exec.into() })
        }
        Err(source) => Err(StageError::Io { doing: "read", path, source }),
    }
}

fn name_of(kind: fs::FileType) -> &'static str {
    if kind.is_dir() {
        "directory"
    } else if kind.is_fifo() {
        "pipe"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    }
}

fn sync(directory: &Path) -> Result<(), StageError> {
    File::open(directory).and_then(|dir| dir.sync_all()).doing("sync", directory)
}

/// The releases that lie in the directory, newest first by the time they were staged.
///
/// # Errors
/// When the directory cannot be listed; a missing one has no releases.
pub fn list(releases: &Path) -> Result<Vec<ReleaseId>, StageError> {
    let entries = match fs::read_dir(releases) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.doing("list", releases)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.doing("list", releases)?;
        if let Ok(id) = entry.file_name().to_string_lossy().parse::<ReleaseId>() {
            let staged =
                entry.metadata().and_then(|m| m.modified()).doing("read", &entry.path())?;
            found.push((staged, id));
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

/// Points `link` at the release, atomically: a new link beside it, renamed over it.
///
/// # Errors
/// When the directory of the links cannot be written.
pub fn link(link: &Path, release: &ReleaseId) -> Result<(), StageError> {
    let home = link.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o755).create(home).doing("create", home)?;
    let target = Path::new("../releases").join(&release.0);
    let beside = link.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).doing("remove", &beside);
        }
        _ => {}
    }
    symlink(target, &beside).doing("create", &beside)?;
    fs::rename(&beside, link).doing("replace", link)?;
    sync(home)
}

/// The release that a slot's link points to; `None` when there is no link.
pub fn linked(link: &Path) -> Option<ReleaseId> {
    let target = fs::read_link(link).ok()?;
    target.file_name()?.to_str()?.parse().ok()
}

/// Removes the oldest releases past `keep`; one that a slot is linked to always stays.
///
/// # Errors
/// When one cannot be removed.
pub fn prune(releases: &Path, keep: usize, linked: &[ReleaseId]) -> Result<usize, StageError> {
    let mut removed = 0;
    for id in list(releases)?.into_iter().skip(keep).filter(|id| !linked.contains(id)) {
        // Renamed first: half a release must never pass for a whole one. What is left, `sweep` removes.
        let (home, doomed) = (releases.join(&id.0), releases.join(format!("{STAGING}{id}")));
        fs::rename(&home, &doomed).doing("rename", &home)?;
        sync(releases)?;
        fs::remove_dir_all(&doomed).doing("remove", &doomed)?;
        removed += 1;
    }
    Ok(removed)
}
