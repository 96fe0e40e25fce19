//! The releases that lie on the disk: listed, linked, removed.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::Path;

use super::error::Doing;
use super::{ReleaseId, StageError, sync};

/// How the name of a directory begins that is no whole release: one that is being copied, or removed.
pub(super) const STAGING: &str = ".staging-";

/// What was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The release, or the name of what an interrupted controller left.
    pub name: String,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// Removes what an earlier controller left when it was killed while it staged or pruned. The lock says that nobody does so now.
///
/// # Errors
/// When something cannot be removed.
pub fn sweep(releases: &Path, dry_run: bool) -> Result<Vec<Removed>, StageError> {
    let mut removed = Vec::new();
    let entries = match fs::read_dir(releases) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
        entries => entries.doing("list", releases)?,
    };
    for entry in entries {
        let entry = entry.doing("list", releases)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(STAGING) {
            removed.push(Removed { name, bytes: on_disk(&entry.path())? });
            if !dry_run {
                fs::remove_dir_all(entry.path()).doing("remove", &entry.path())?;
            }
        }
    }
    Ok(removed)
}

/// What a directory takes on the disk, each file counted once.
fn on_disk(directory: &Path) -> Result<u64, StageError> {
    let (mut bytes, mut left) = (0, vec![directory.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).doing("list", &directory)? {
            let entry = entry.doing("list", &directory)?;
            let found = entry.metadata().doing("read", &entry.path())?;
            bytes += found.blocks() * 512 / found.nlink().max(1) * u64::from(!found.is_dir());
            if found.is_dir() {
                bytes += found.blocks() * 512;
                left.push(entry.path());
            }
        }
    }
    Ok(bytes)
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

/// Removes the oldest releases past `keep`; one of `needed` always stays.
///
/// # Errors
/// When one cannot be removed.
pub fn prune(
    releases: &Path,
    keep: usize,
    needed: &[ReleaseId],
    dry_run: bool,
) -> Result<Vec<Removed>, StageError> {
    let mut removed = Vec::new();
    for id in list(releases)?.into_iter().skip(keep).filter(|id| !needed.contains(id)) {
        let home = releases.join(&id.0);
        removed.push(Removed { name: id.to_string(), bytes: on_disk(&home)? });
        if dry_run {
            continue;
        }
        // Renamed first: half a release must never pass for a whole one. What is left, `sweep` removes.
        let doomed = releases.join(format!("{STAGING}{id}"));
        fs::rename(&home, &doomed).doing("rename", &home)?;
        sync(releases)?;
        fs::remove_dir_all(&doomed).doing("remove", &doomed)?;
    }
    Ok(removed)
}
