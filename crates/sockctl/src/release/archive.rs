//! A tar archive becomes a release. Whatever it says, nothing is written outside the copy, and memory and time are bounded.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tar::{Archive, EntryType, PaxExtensions};

use super::StageError;
use super::error::UNPACK;
use super::source::is_tar;
use super::tree::{Leads, Node, Tree};

/// The longest header of names: a path has at most 4096 bytes (PATH_MAX), and pax may say more than a path.
const NAMES_AT_MOST: u64 = 64 * 1024;

const PATH_MAX: usize = 4096;

const BLOCK: u64 = 512;

/// Counts what comes out of the decoder, and ends it when that is too much.
struct Stream<'a> {
    inner: &'a mut dyn Read,
    read: &'a Cell<u64>,
    most: u64,
    stop: &'a AtomicBool,
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read.get() > self.most || self.stop.load(Relaxed) {
            return Err(io::Error::other("enough"));
        }
        let read = self.inner.read(buffer)?;
        self.read.set(self.read.get() + read as u64);
        Ok(read)
    }
}

/// Unpacks the stream into the tree.
pub(super) fn unpack(
    path: &Path,
    mut stream: Box<dyn Read>,
    exec: &Path,
    tree: &mut Tree<'_>,
) -> Result<(), StageError> {
    let (limits, stop, read) = (tree.limits(), tree.stop, Cell::new(0));
    // Headers and padding come on top of the files.
    let most = limits
        .bytes
        .saturating_add(limits.entries.saturating_mul(4 * BLOCK))
        .saturating_add(1 << 20);
    let said = |source| match source {
        _ if stop.load(Relaxed) => StageError::Interrupted,
        _ if read.get() > most => StageError::TooLarge { path: path.into(), limit: limits.bytes },
        source => StageError::Io { doing: UNPACK, path: path.into(), source },
    };
    let mut counted = Stream { inner: &mut *stream, read: &read, most, stop };
    let mut head = Vec::new();
    counted.by_ref().take(BLOCK).read_to_end(&mut head).map_err(said)?;
    if !is_tar(&head) {
        return Err(StageError::Format {
            path: path.into(),
            found: "compressed, and inside it is something else",
        });
    }
    let mut reader = Reader { path, tree, said: &said, names: Names::default(), seen: 0 };
    let mut archive = Archive::new(head.chain(&mut counted));
    let end = reader.entries(&mut archive)?;
    let mut rest = archive.into_inner();
    // To the end, where the checksums are. An archive that was cut off lacks its two empty blocks.
    io::copy(&mut rest, &mut io::sink()).map_err(said)?;
    if read.get() < end + BLOCK {
        return Err(said(io::ErrorKind::UnexpectedEof.into()));
    }
    tree.check_links(path, false)?;
    match tree.follow(exec, &mut 0) {
        Leads::To(Node::File { executable: true, .. }) => Ok(()),
        Leads::To(Node::File { .. }) => Err(StageError::NotExecutable { path: path.join(exec) }),
        _ => Err(StageError::NoExecutable { release: path.into(), exec: exec.into() }),
    }
}

/// What headers said of the entry that follows them.
#[derive(Default)]
struct Names {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

struct Reader<'r, 't> {
    path: &'r Path,
    tree: &'r mut Tree<'t>,
    said: &'r dyn Fn(io::Error) -> StageError,
    names: Names,
    seen: u64,
}

impl Reader<'_, '_> {
    /// Gives the place where the last entry ends. The entries come raw, because the library would keep a header of any length.
    fn entries<R: Read>(&mut self, archive: &mut Archive<R>) -> Result<u64, StageError> {
        let mut end = 0;
        for entry in archive.entries().map_err(self.said)?.raw(true) {
            let entry = entry.map_err(self.said)?;
            self.seen += 1;
            // Each entry may have a header of its own for its names.
            if self.seen > self.tree.limits().entries.saturating_mul(2) {
                let limit = self.tree.limits().entries;
                return Err(StageError::TooMany { path: self.path.into(), limit });
            }
            end = entry.raw_file_position() + entry.size().next_multiple_of(BLOCK);
            self.entry(entry)?;
        }
        Ok(end)
    }

    fn entry<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), StageError> {
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => {
                return self.long(entry, |names, text| names.path = Some(text));
            }
            EntryType::GNULongLink => {
                return self.long(entry, |names, text| names.link = Some(text));
            }
            EntryType::XHeader => return self.pax(entry),
            EntryType::XGlobalHeader => return Ok(()),
            _ => {}
        }
        let names = std::mem::take(&mut self.names);
        let given = names.path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let inside = self.inside(&given, &given)?;
        let target = names.link.or_else(|| entry.link_name_bytes().map(Cow::into_owned));
        let mode = entry.header().mode().map_err(self.said)?;
        if kind == EntryType::Directory {
            return self.enter(&given, &inside, mode);
        }
        self.parents(&given, &inside)?;
        if self.tree.get(&inside).is_some() || inside.as_os_str().is_empty() {
            return Err(self.wrong(&given, "is there twice"));
        }
        match kind {
            EntryType::Regular | EntryType::Continuous => {
                // Before a byte of a bomb is written.
                let limit = self.tree.limits().bytes;
                if entry.size() > limit.saturating_sub(self.tree.bytes) {
                    return Err(StageError::TooLarge { path: self.path.into(), limit });
                }
                self.tree.file(self.path, &inside, mode, &mut Whole::of(&mut entry), self.said)
            }
            EntryType::Symlink => {
                let target = PathBuf::from(OsStr::from_bytes(&target.unwrap_or_default()));
                self.tree.link(self.path, &inside, target)
            }
            EntryType::Link => {
                let target = target.unwrap_or_default();
                let first = self.inside(&target, &given)?;
                if !matches!(self.tree.get(&first), Some(Node::File { .. })) {
                    return Err(self.wrong(&given, "is a hard link to no file of the archive"));
                }
                self.tree.same(self.path, &inside, &first)
            }
            EntryType::Char | EntryType::Block => Err(self.wrong(&given, "is a device")),
            EntryType::Fifo => Err(self.wrong(&given, "is a pipe")),
            EntryType::GNUSparse => {
                Err(self.wrong(&given, "is a sparse file, which is not read here"))
            }
            _ => Err(self.wrong(&given, "is of a kind that no release holds")),
        }
    }

    /// The path inside the release, by the words of `entry`.
    fn inside(&self, given: &[u8], entry: &[u8]) -> Result<PathBuf, StageError> {
        let mut inside = PathBuf::new();
        if given.len() > PATH_MAX {
            return Err(self.wrong(entry, "has a path of more than 4096 bytes"));
        }
        if given.contains(&0) {
            return Err(self.wrong(entry, "has a NUL in it"));
        }
        for part in Path::new(OsStr::from_bytes(given)).components() {
            match part {
                Component::Normal(part) => inside.push(part),
                Component::CurDir => {}
                Component::ParentDir => return Err(self.wrong(entry, "has .. in its path")),
                Component::RootDir | Component::Prefix(_) => {
                    return Err(self.wrong(entry, "has an absolute path"));
                }
            }
        }
        Ok(inside)
    }

    /// The directories above, of which an archive need not speak.
    fn parents(&mut self, given: &[u8], inside: &Path) -> Result<(), StageError> {
        // Whatever is in the tree has all above it there too.
        match inside.parent() {
            None => return Ok(()),
            Some(above) if matches!(self.tree.get(above), Some(Node::Directory)) => return Ok(()),
            Some(_) => {}
        }
        let above: Vec<_> =
            inside.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()).collect();
        for above in above.into_iter().rev() {
            match self.tree.get(above) {
                Some(Node::Directory) => {}
                Some(_) => return Err(self.wrong(given, "lies below what is no directory")),
                None => self.tree.enter(self.path, above, 0o755)?,
            }
        }
        Ok(())
    }

    fn enter(&mut self, given: &[u8], inside: &Path, mode: u32) -> Result<(), StageError> {
        self.parents(given, inside)?;
        match self.tree.get(inside) {
            _ if inside.as_os_str().is_empty() => Ok(()),
            Some(Node::Directory) => Ok(()),
            Some(_) => Err(self.wrong(given, "is there twice")),
            None => self.tree.enter(self.path, inside, mode),
        }
    }

    fn long<R: Read>(
        &mut self,
        mut entry: tar::Entry<'_, R>,
        keep: impl FnOnce(&mut Names, Vec<u8>),
    ) -> Result<(), StageError> {
        let mut text = self.header(&mut entry)?;
        if text.last() == Some(&0) {
            text.pop();
        }
        keep(&mut self.names, text);
        Ok(())
    }

    /// What POSIX's pax says of the next entry (POSIX, pax, "pax Extended Header").
    fn pax<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), StageError> {
        let text = self.header(&mut entry)?;
        for extension in PaxExtensions::new(&text) {
            let extension = extension.map_err(self.said)?;
            let value = extension.value_bytes().to_vec();
            match extension.key_bytes() {
                b"path" => self.names.path = Some(value),
                b"linkpath" => self.names.link = Some(value),
                // Only for files of 8 GiB and more; two sizes of one entry are a way to hide one in another.
                b"size" => {
                    return Err(self.wrong(b"a pax header", "gives another size than the entry"));
                }
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(self.wrong(
                        b"a pax header",
                        "speaks of a sparse file, which is not read here",
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn header<R: Read>(&self, entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, StageError> {
        if entry.size() > NAMES_AT_MOST {
            return Err(self.wrong(b"a header", "is longer than 64 KiB"));
        }
        let mut text = Vec::new();
        Whole::of(entry).read_to_end(&mut text).map_err(self.said)?;
        Ok(text)
    }

    fn wrong(&self, entry: &[u8], problem: &'static str) -> StageError {
        let shown: String = String::from_utf8_lossy(entry).chars().take(100).collect();
        StageError::Entry { path: self.path.into(), entry: format!("{shown:?}"), problem }
    }
}

/// All bytes that the entry's header promised, or an error.
struct Whole<'e, R: Read> {
    entry: &'e mut R,
    left: u64,
}

impl<'e, 'a, R: Read> Whole<'e, tar::Entry<'a, R>> {
    fn of(entry: &'e mut tar::Entry<'a, R>) -> Self {
        let left = entry.size();
        Self { entry, left }
    }
}

impl<R: Read> Read for Whole<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.entry.read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}
