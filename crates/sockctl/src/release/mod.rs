//! Releases on disk: staged once for each content, never changed, linked by slots.

mod archive;
mod error;
mod source;
mod store;
mod tree;
mod zstd;

use std::fmt;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use error::Doing;
pub use error::StageError;
use serde::{Deserialize, Serialize};
use source::Source;
pub use store::{Removed, link, linked, list, prune, sweep};
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

/// How much a release may be: the manifest's `release.max_size` and `release.max_files`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of its files.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
}

impl Limits {
    /// Those of the application.
    pub fn of(app: &sockgen::App) -> Self {
        Self { bytes: app.max_size(), entries: app.max_files() }
    }
}

/// Copies `source` into `releases` under the name of its content and makes it durable.
///
/// A directory is the release, and so is what a tar archive (plain, gzip or zstd, known by its content) unpacks to; any other single
/// file becomes `exec`, the manifest's path inside the release. The copy is hashed while it is made, so the name is that of what lies
/// there even when the source changes meanwhile. The caller holds the deploy's lock, and sets `stop` to end the copy early.
///
/// # Errors
/// When the source is missing, exceeds the limits, has no executable at `exec`, or holds what no release holds. Nothing is left behind.
pub fn stage(
    source: &Path,
    exec: &Path,
    releases: &Path,
    limits: Limits,
    stop: &AtomicBool,
) -> Result<Staged, StageError> {
    let source = Source::open(source, exec)?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(releases).doing("create", releases)?;
    let staged = copy(source, exec, releases, limits, stop);
    if staged.is_err() {
        // Succeeds only when it is empty: then this was the first release.
        let _ = fs::remove_dir(releases);
    }
    staged
}

fn copy(
    source: Source<'_>,
    exec: &Path,
    releases: &Path,
    limits: Limits,
    stop: &AtomicBool,
) -> Result<Staged, StageError> {
    sweep(releases, false)?;
    let copy = tempfile::Builder::new()
        .prefix(store::STAGING)
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(releases)
        .doing("create a directory in", releases)?;
    let mut tree = Tree::new(Some(copy.path()), limits, stop);
    source.read(exec, &mut tree)?;
    tree.sync()?;
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
pub fn name_of_content(
    source: &Path,
    exec: &Path,
    limits: Limits,
) -> Result<ReleaseId, StageError> {
    let never = AtomicBool::new(false);
    let mut tree = Tree::new(None, limits, &never);
    Source::open(source, exec)?.read(exec, &mut tree)?;
    Ok(tree.name())
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
