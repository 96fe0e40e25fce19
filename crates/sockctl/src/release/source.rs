//! What a person gave as the release: a directory, an archive, or a single program.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use rustix::fs::OFlags;

use super::error::Doing;
use super::tree::Tree;
use super::zstd::Zstd;
use super::{StageError, archive, name_of};

/// Known by its content, not by its name; a file is opened once, so that it stays what it was taken for.
pub(super) struct Source<'a> {
    path: &'a Path,
    kind: Kind,
}

enum Kind {
    Directory,
    Program(File),
    Tar(Box<dyn Read>),
}

/// How the formats begin, and what they are called: gzip (RFC 1952), zstd (RFC 8878, with its skippable frames); and some that are
/// not read here.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const OTHERS: [(&[u8], &str); 4] = [
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
];

/// A tar header says so itself (POSIX, pax, "ustar Interchange Format").
const MAGIC_AT: usize = 257;
const HEADER: usize = 512;

impl<'a> Source<'a> {
    pub(super) fn open(path: &'a Path, exec: &Path) -> Result<Self, StageError> {
        let found = fs::metadata(path).doing("read", path)?;
        let kind = if found.is_dir() {
            check_directory(path, exec)?;
            Kind::Directory
        } else if found.is_file() {
            file(path)?
        } else {
            let kind = name_of(found.file_type());
            return Err(StageError::NoRelease { path: path.into(), kind });
        };
        Ok(Self { path, kind })
    }

    pub(super) fn read(self, exec: &Path, tree: &mut Tree<'_>) -> Result<(), StageError> {
        match self.kind {
            Kind::Directory => tree.directory(self.path),
            Kind::Program(file) => tree.single(self.path, file, exec),
            Kind::Tar(stream) => archive::unpack(self.path, stream, exec, tree),
        }
    }
}

fn file(path: &Path) -> Result<Kind, StageError> {
    let mut options = File::options();
    // Somebody may put a pipe in its place now.
    let options = options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let mut file = options.open(path).doing("read", path)?;
    let found = file.metadata().doing("read", path)?;
    if !found.is_file() {
        let kind = name_of(found.file_type());
        return Err(StageError::NoRelease { path: path.into(), kind });
    }
    let mut head = Vec::new();
    file.by_ref().take(HEADER as u64).read_to_end(&mut head).doing("read", path)?;
    file.rewind().doing("read", path)?;
    let skippable = head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18];
    if head.starts_with(GZIP) {
        return Ok(Kind::Tar(Box::new(MultiGzDecoder::new(BufReader::new(file)))));
    }
    if head.starts_with(ZSTD) || skippable {
        return Ok(Kind::Tar(Box::new(Zstd::new(BufReader::new(file)))));
    }
    if is_tar(&head) {
        return Ok(Kind::Tar(Box::new(BufReader::new(file))));
    }
    if found.permissions().mode() & 0o111 != 0 {
        return Ok(Kind::Program(file));
    }
    if let Some((_, found)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(StageError::Format { path: path.into(), found });
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if [".tar", ".tgz", ".tar.gz", ".tar.zst"].iter().any(|end| name.ends_with(end)) {
        let found = if head.is_empty() { "empty" } else { "something else" };
        return Err(StageError::Format { path: path.into(), found });
    }
    Err(StageError::NotExecutable { path: path.into() })
}

pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(MAGIC_AT..MAGIC_AT + 5) == Some(b"ustar")
}

/// Before anything is copied; that what was copied has it, is as sure as that nobody changes the directory meanwhile.
fn check_directory(source: &Path, exec: &Path) -> Result<(), StageError> {
    let path = source.join(exec);
    let missing = || StageError::NoExecutable { release: source.into(), exec: exec.into() };
    match fs::metadata(&path) {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => Ok(()),
        Ok(found) if found.is_file() => Err(StageError::NotExecutable { path }),
        Ok(_) => Err(missing()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing()),
        Err(source) => Err(StageError::Io { doing: "read", path, source }),
    }
}
