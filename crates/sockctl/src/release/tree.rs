//! The content of a release: an inventory, of which its name is made, and its copy on the disk.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::error::Doing;
use super::{Limits, ReleaseId, StageError, name_of, sync};

/// All paths together; it bounds the memory of the inventory.
const NAMES_AT_MOST: usize = 64 * 1024 * 1024;

/// So many symbolic links are followed in one path, as path_resolution(7) has it.
const LINKS_AT_MOST: usize = 40;

/// One entry.
pub(super) enum Node {
    Directory,
    File { executable: bool, content: [u8; 32], bytes: u64 },
    Link(PathBuf),
}

/// Where a path of the tree leads.
pub(super) enum Leads<'a> {
    To(&'a Node),
    Nowhere,
    Out,
    Round,
}

/// Takes entries, and copies them when there is somewhere to copy them to.
pub(super) struct Tree<'a> {
    to: Option<&'a Path>,
    /// By path; the order is that of a walk, a directory before what is in it.
    nodes: BTreeMap<PathBuf, Node>,
    names: usize,
    limits: Limits,
    pub(super) bytes: u64,
    pub(super) private: usize,
    pub(super) stop: &'a AtomicBool,
}

impl<'a> Tree<'a> {
    pub(super) fn new(to: Option<&'a Path>, limits: Limits, stop: &'a AtomicBool) -> Self {
        let nodes = BTreeMap::new();
        Self { to, nodes, names: 0, limits, bytes: 0, private: 0, stop }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn get(&self, inside: &Path) -> Option<&Node> {
        self.nodes.get(inside)
    }

    /// The name of the content: paths, the executable bit, bytes, targets. Lengths come first, so that no two trees give the same
    /// stream of bytes.
    pub(super) fn name(self) -> ReleaseId {
        let mut hash = Sha256::new();
        let mut entry = |kind: u8, path: &Path, content: &[u8]| {
            let bytes = path.as_os_str().as_encoded_bytes();
            hash.update([kind]);
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
            hash.update(content);
        };
        for (path, node) in &self.nodes {
            match node {
                Node::Directory => entry(b'd', path, &[]),
                Node::File { executable: true, content, .. } => entry(b'x', path, content),
                Node::File { content, .. } => entry(b'f', path, content),
                Node::Link(target) => {
                    entry(b'l', path, &[]);
                    entry(b'>', target, &[]);
                }
            }
        }
        ReleaseId(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    /// A whole directory.
    pub(super) fn directory(&mut self, from: &Path) -> Result<(), StageError> {
        self.walk(from, from, Path::new(""))?;
        self.check_links(from, true)
    }

    fn walk(&mut self, whole: &Path, from: &Path, inside: &Path) -> Result<(), StageError> {
        let most = usize::try_from(self.limits.entries).unwrap_or(usize::MAX).saturating_add(1);
        let entries = fs::read_dir(from)
            .and_then(|entries| entries.take(most).collect::<io::Result<Vec<_>>>())
            .doing("list", from)?;
        for entry in entries {
            let (from, inside) = (entry.path(), inside.join(entry.file_name()));
            let kind = entry.file_type().doing("read", &from)?;
            if kind.is_dir() {
                let mode = entry.metadata().doing("read", &from)?.permissions().mode();
                self.enter(whole, &inside, mode)?;
                self.walk(whole, &from, &inside)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(&from).doing("read", &from)?;
                self.link(whole, &inside, target)?;
            } else if kind.is_file() {
                // Somebody may put a link, or a pipe, in its place now.
                let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
                let mut options = File::options();
                let options = options.read(true).custom_flags(flags.bits().cast_signed());
                let mut file = options.open(&from).doing("read", &from)?;
                let found = file.metadata().doing("read", &from)?;
                if !found.is_file() {
                    let kind = name_of(found.file_type());
                    return Err(StageError::Special { path: from, kind });
                }
                let mode = found.permissions().mode();
                let said = |source| StageError::Io { doing: "read", path: from.clone(), source };
                self.file(whole, &inside, mode, &mut file, &said)?;
            } else {
                return Err(StageError::Special { path: from, kind: name_of(kind) });
            }
        }
        Ok(())
    }

    /// A single program, which becomes `exec`.
    pub(super) fn single(
        &mut self,
        from: &Path,
        mut file: File,
        exec: &Path,
    ) -> Result<(), StageError> {
        let mut inside = PathBuf::new();
        for part in exec.parent().into_iter().flat_map(Path::components) {
            inside.push(part);
            self.enter(from, &inside, 0o755)?;
        }
        let mode = file.metadata().doing("read", from)?.permissions().mode();
        let said = |source| StageError::Io { doing: "read", path: from.into(), source };
        self.file(from, exec, mode, &mut file, &said)
    }

    /// A directory; that above it was entered before.
    pub(super) fn enter(
        &mut self,
        whole: &Path,
        inside: &Path,
        mode: u32,
    ) -> Result<(), StageError> {
        self.private += usize::from(mode & 0o001 == 0);
        self.note(whole, inside, Node::Directory)?;
        let Some(to) = self.place(inside) else { return Ok(()) };
        fs::DirBuilder::new().mode(0o755).create(&to).doing("create", &to)
    }

    /// A symbolic link, kept as it is.
    pub(super) fn link(
        &mut self,
        whole: &Path,
        inside: &Path,
        target: PathBuf,
    ) -> Result<(), StageError> {
        if let Some(to) = self.place(inside) {
            symlink(&target, &to).doing("create", &to)?;
        }
        self.names += target.as_os_str().len();
        self.note(whole, inside, Node::Link(target))
    }

    /// A second name of a file that is there: the same bytes, on the disk once.
    pub(super) fn same(
        &mut self,
        whole: &Path,
        inside: &Path,
        first: &Path,
    ) -> Result<(), StageError> {
        let Some(Node::File { executable, content, bytes }) = self.nodes.get(first) else {
            unreachable!("the caller has looked");
        };
        let node = Node::File { executable: *executable, content: *content, bytes: *bytes };
        self.bytes += *bytes;
        self.check_size(whole)?;
        if let (Some(from), Some(to)) = (self.place(first), self.place(inside)) {
            fs::hard_link(from, &to).doing("create", &to)?;
        }
        self.note(whole, inside, node)
    }

    /// A file; `said` makes the error of a failed read.
    pub(super) fn file(
        &mut self,
        whole: &Path,
        inside: &Path,
        mode: u32,
        source: &mut dyn Read,
        said: &dyn Fn(io::Error) -> StageError,
    ) -> Result<(), StageError> {
        let executable = mode & 0o111 != 0;
        self.private += usize::from(mode & 0o004 == 0);
        let create = |to: PathBuf| {
            let mode = if executable { 0o755 } else { 0o644 };
            let file = File::options().write(true).create_new(true).mode(mode).open(&to);
            Ok((file.doing("create", &to)?, to))
        };
        let mut copy = self.place(inside).map(create).transpose()?;
        let (mut content, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            if self.stop.load(Relaxed) {
                return Err(StageError::Interrupted);
            }
            let read = match source.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(said)?,
            };
            if read == 0 {
                break;
            }
            content.update(&buffer[..read]);
            bytes += read as u64;
            self.bytes += read as u64;
            self.check_size(whole)?;
            if let Some((file, to)) = &mut copy {
                file.write_all(&buffer[..read]).doing("write", to)?;
            }
        }
        if let Some((file, to)) = &copy {
            file.sync_all().doing("sync", to)?;
        }
        let content = content.finalize().into();
        self.note(whole, inside, Node::File { executable, content, bytes })
    }

    fn check_size(&self, whole: &Path) -> Result<(), StageError> {
        let limit = self.limits.bytes;
        if self.bytes > limit {
            return Err(StageError::TooLarge { path: whole.into(), limit });
        }
        Ok(())
    }

    fn note(&mut self, whole: &Path, inside: &Path, node: Node) -> Result<(), StageError> {
        self.names += inside.as_os_str().len();
        let limit = self.limits.entries;
        if self.nodes.len() as u64 >= limit || self.names > NAMES_AT_MOST {
            return Err(StageError::TooMany { path: whole.into(), limit });
        }
        self.nodes.insert(inside.into(), node);
        Ok(())
    }

    fn place(&self, inside: &Path) -> Option<PathBuf> {
        self.to.map(|to| to.join(inside))
    }

    /// Makes the copy's directories durable; its files are.
    pub(super) fn sync(&self) -> Result<(), StageError> {
        let directories = self.nodes.iter().filter(|(_, node)| matches!(node, Node::Directory));
        let mut places = directories.map(|(path, _)| path.as_path()).chain([Path::new("")]);
        places.try_for_each(|inside| self.place(inside).map_or(Ok(()), |to| sync(&to)))
    }

    /// No link leads to itself, and none out of the tree, unless that `may_leave`.
    pub(super) fn check_links(&self, whole: &Path, may_leave: bool) -> Result<(), StageError> {
        let mut steps = 0;
        for (path, node) in &self.nodes {
            let Node::Link(target) = node else { continue };
            let problem = match self.follow(path, &mut steps) {
                Leads::Out if !may_leave => "is a symbolic link that leads out of the release",
                Leads::Round => "is a symbolic link that leads back to itself",
                _ => continue,
            };
            let entry = format!("{path:?} -> {target:?}");
            return Err(StageError::Entry { path: whole.into(), entry, problem });
        }
        Ok(())
    }

    /// Follows a path as the kernel would, inside the inventory. `steps` counts over many calls.
    pub(super) fn follow(&self, path: &Path, steps: &mut u64) -> Leads<'_> {
        /// Far more than any tree of people's needs.
        const STEPS_AT_MOST: u64 = 20_000_000;
        let mut left: Vec<OsString> = parts(path).collect();
        let (mut at, mut links, mut node) = (PathBuf::new(), 0, &Node::Directory);
        while let Some(part) = left.pop() {
            *steps += 1;
            if part == ".." {
                if !at.pop() {
                    return Leads::Out;
                }
                node = &Node::Directory;
                continue;
            }
            if !matches!(node, Node::Directory) {
                return Leads::Nowhere;
            }
            at.push(part);
            match self.nodes.get(&at) {
                None => return Leads::Nowhere,
                Some(Node::Link(target)) if target.is_absolute() => return Leads::Out,
                Some(Node::Link(target)) => {
                    links += 1;
                    if links > LINKS_AT_MOST || *steps > STEPS_AT_MOST {
                        return Leads::Round;
                    }
                    at.pop();
                    left.extend(parts(target));
                }
                Some(found) => node = found,
            }
        }
        Leads::To(node)
    }
}

/// The parts of a path, last first.
fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    let parts = path.components().rev().filter(|part| !matches!(part, Component::CurDir));
    parts.map(|part| part.as_os_str().to_owned())
}
