//! A release is read once: hashed for its name, and copied on the way.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::{Doing, ReleaseId, StageError, name_of, sync};

/// Reads a tree, and copies it when there is somewhere to copy it to.
pub(super) struct Tree<'a> {
    to: Option<&'a Path>,
    hash: Sha256,
    pub(super) bytes: u64,
    pub(super) private: usize,
    stop: &'a AtomicBool,
}

impl<'a> Tree<'a> {
    pub(super) fn new(to: Option<&'a Path>, stop: &'a AtomicBool) -> Self {
        Self { to, hash: Sha256::new(), bytes: 0, private: 0, stop }
    }

    pub(super) fn name(self) -> ReleaseId {
        let digest = self.hash.finalize();
        ReleaseId(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    pub(super) fn whole(
        &mut self,
        from: &Path,
        is_dir: bool,
        exec: &Path,
    ) -> Result<(), StageError> {
        if is_dir { self.directory(from, Path::new("")) } else { self.single(from, exec) }
    }

    fn place(&self, inside: &Path) -> Option<PathBuf> {
        self.to.map(|to| to.join(inside))
    }

    fn directory(&mut self, from: &Path, inside: &Path) -> Result<(), StageError> {
        let mut entries = fs::read_dir(from)
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .doing("list", from)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (from, inside) = (entry.path(), inside.join(entry.file_name()));
            let kind = entry.file_type().doing("read", &from)?;
            if kind.is_dir() {
                let mode = entry.metadata().doing("read", &from)?.permissions().mode();
                self.private += usize::from(mode & 0o001 == 0);
                self.enter(&inside)?;
                self.directory(&from, &inside)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(&from).doing("read", &from)?;
                self.entry(b'l', &inside);
                self.entry(b'>', &target);
                if let Some(to) = self.place(&inside) {
                    symlink(&target, &to).doing("create", &to)?;
                }
            } else if kind.is_file() {
                // Somebody may put a link, or a pipe, in its place now.
                let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
                self.file(&from, &inside, flags)?;
            } else {
                return Err(StageError::Special { path: from, kind: name_of(kind) });
            }
        }
        self.place(inside).map_or(Ok(()), |to| sync(&to))
    }

    fn single(&mut self, from: &Path, exec: &Path) -> Result<(), StageError> {
        let mut inside = PathBuf::new();
        for part in exec.parent().into_iter().flat_map(Path::components) {
            inside.push(part);
            self.enter(&inside)?;
        }
        self.file(from, exec, OFlags::NONBLOCK)?;
        let mut places =
            [inside.as_path(), Path::new("")].into_iter().filter_map(|p| self.place(p));
        places.try_for_each(|place| sync(&place))
    }

    fn enter(&mut self, inside: &Path) -> Result<(), StageError> {
        self.entry(b'd', inside);
        let Some(to) = self.place(inside) else { return Ok(()) };
        fs::DirBuilder::new().mode(0o755).create(&to).doing("create", &to)
    }

    fn file(&mut self, from: &Path, inside: &Path, flags: OFlags) -> Result<(), StageError> {
        let mut options = File::options();
        let options = options.read(true).custom_flags(flags.bits().cast_signed());
        let mut source = options.open(from).doing("read", from)?;
        let found = source.metadata().doing("read", from)?;
        if !found.is_file() {
            let kind = name_of(found.file_type());
            return Err(StageError::Special { path: from.into(), kind });
        }
        let mode = found.permissions().mode();
        let executable = mode & 0o111 != 0;
        self.private += usize::from(mode & 0o004 == 0);
        let mode = if executable { 0o755 } else { 0o644 };
        let create = |to: PathBuf| {
            let file = File::options().write(true).create_new(true).mode(mode).open(&to);
            Ok((file.doing("create", &to)?, to))
        };
        let mut copy = self.place(inside).map(create).transpose()?;
        let mut content = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            if self.stop.load(Relaxed) {
                return Err(StageError::Interrupted);
            }
            let read = source.read(&mut buffer).doing("read", from)?;
            if read == 0 {
                break;
            }
            content.update(&buffer[..read]);
            self.bytes += read as u64;
            if let Some((file, to)) = &mut copy {
                file.write_all(&buffer[..read]).doing("write", to)?;
            }
        }
        if let Some((file, to)) = &copy {
            file.sync_all().doing("sync", to)?;
        }
        self.entry(if executable { b'x' } else { b'f' }, inside);
        self.hash.update(content.finalize());
        Ok(())
    }

    /// Length first, so that no two trees give the same stream of bytes.
    fn entry(&mut self, kind: u8, path: &Path) {
        let bytes = path.as_os_str().as_encoded_bytes();
        self.hash.update([kind]);
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }
}
