//! Releases out of tar archives: the same tree is the same release, and whatever an archive says, an error is all that comes of it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sockctl::release::{self, Limits, ReleaseId, StageError, Staged};
use tar::{Builder, EntryType, Header};

const ROOM: Limits = Limits { bytes: 1 << 20, entries: 100 };

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory for the test"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        fs::write(self.path(name), content).expect("write");
        self.path(name)
    }

    fn stage(&self, source: &Path) -> Result<Staged, StageError> {
        let (exec, never) = (Path::new("bin/shop"), AtomicBool::new(false));
        let staged = release::stage(source, exec, &self.path("releases"), ROOM, &never);
        let named = release::name_of_content(source, exec, ROOM);
        match (&staged, &named) {
            (Ok(staged), Ok(named)) => assert_eq!(staged.id, *named, "plan names another release"),
            (Err(error), Err(named)) => assert_eq!(error.to_string(), named.to_string()),
            _ => panic!("{staged:?} and {named:?}"),
        }
        staged
    }

    /// This archive, plain and compressed, is refused with these words, and nothing is left of it.
    #[track_caller]
    fn refuses(&self, archive: &[u8], says: &str) {
        for archive in [archive.to_vec(), gzip(archive), zstd(archive)] {
            match self.stage(&self.write("release.tar", &archive)) {
                Ok(staged) => panic!("staged as {}", staged.id),
                Err(error) => {
                    assert!(error.to_string().contains(says), "{error} does not say {says}");
                    assert!(error.hint(sockgen::Scope::System).is_some(), "no hint: {error}");
                }
            }
            assert!(!self.path("releases").exists(), "something is left");
        }
        assert!(!self.path("evil").exists() && !Path::new("/tmp/evil-of-sockctl").exists());
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A header with this path, whatever it is, as no tool would write it.
fn header(path: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(size);
    header.set_cksum();
    header
}

fn linked(path: &str, kind: EntryType, target: &str) -> Header {
    let mut header = header(path, kind, 0);
    header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    header
}

/// A good release with these entries behind it.
fn archive(more: &[(Header, &[u8])]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    let program = (header("bin/shop", EntryType::Regular, 1), &b"x"[..]);
    for (header, content) in std::iter::once(&program).chain(more) {
        archive.append(header, *content).expect("memory");
    }
    archive.into_inner().expect("memory")
}

#[test]
fn the_same_tree_is_the_same_release() -> Result<(), StageError> {
    let home = Home::new();
    let tree = home.path("tree");
    for directory in ["bin", "a/b", "a.d"] {
        fs::create_dir_all(tree.join(directory)).expect("mkdir");
    }
    let long = "long/".repeat(30) + "name";
    fs::create_dir_all(tree.join(&long)).expect("mkdir");
    for file in ["bin/shop", "a/z", "a/b/c", "a.d/y", "a-file"] {
        fs::write(tree.join(file), file).expect("write");
    }
    fs::set_permissions(tree.join("bin/shop"), fs::Permissions::from_mode(0o755)).expect("chmod");
    fs::hard_link(tree.join("a/z"), tree.join("twin")).expect("link");
    symlink("../bin/shop", tree.join("a/program")).expect("symlink");
    let id: ReleaseId = home.stage(&tree)?.id;
    // What GNU tar makes of it, in its own format and in that of POSIX.
    for format in ["gnu", "posix"] {
        let mut tar = std::process::Command::new("tar");
        tar.arg("-C").arg(&tree).arg(format!("--format={format}")).args(["-cf", "-", "."]);
        let plain = tar.output().expect("tar runs").stdout;
        for archive in [plain.clone(), gzip(&plain), zstd(&plain)] {
            // Known by its content: the name says nothing.
            let staged = home.stage(&home.write("release", &archive))?;
            assert_eq!((&staged.id, staged.known), (&id, true));
        }
        // Of several frames, one of them to be skipped.
        let (one, two) = plain.split_at(plain.len() / 2);
        let frames = [b"\x50\x2a\x4d\x18\x03\0\0\0abc", &zstd(one)[..], &zstd(two)].concat();
        assert_eq!(home.stage(&home.write("release", &frames))?.id, id);
    }
    let copy = home.path("releases").join(id.to_string());
    assert_eq!(fs::read_to_string(copy.join("twin")).expect("the twin"), "a/z");
    Ok(())
}

#[test]
fn directories_that_the_archive_does_not_name_are_made() -> Result<(), StageError> {
    let home = Home::new();
    fs::create_dir_all(home.path("tree/bin")).expect("mkdir");
    let program = home.write("tree/bin/shop", b"x");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("chmod");
    let id = home.stage(&home.path("tree"))?.id;
    assert_eq!(home.stage(&home.write("release.tar", &archive(&[])))?.id, id);
    Ok(())
}

#[test]
fn entries_that_lead_out_are_refused() {
    let home = Home::new();
    let file = |path| archive(&[(header(path, EntryType::Regular, 1), b"x")]);
    home.refuses(&file("../evil"), r#""../evil" has .. in its path"#);
    home.refuses(&file("a/../../evil"), "has .. in its path");
    home.refuses(&file("/tmp/evil-of-sockctl"), "has an absolute path");
    let link = |path, kind, target| archive(&[(linked(path, kind, target), b"")]);
    for target in ["/etc/passwd", "../evil", "bin/../../evil"] {
        home.refuses(&link("x", EntryType::Symlink, target), "leads out of the release");
    }
    home.refuses(&link("x", EntryType::Link, "/etc/passwd"), "has an absolute path");
    home.refuses(&link("x", EntryType::Link, "../evil"), "has .. in its path");
    home.refuses(&link("x", EntryType::Link, "none"), "is a hard link to no file of the archive");
    home.refuses(&link("x", EntryType::Link, "bin"), "is a hard link to no file of the archive");
    // Only together do they lead out: a/b is the root itself.
    let both = [
        (linked("a/b", EntryType::Symlink, ".."), &b""[..]),
        (linked("x", EntryType::Symlink, "a/b/../evil"), b""),
    ];
    home.refuses(&archive(&both), "leads out of the release");
    // Through a link that was unpacked before.
    let through = [
        (linked("out", EntryType::Symlink, "bin"), &b""[..]),
        (header("out/evil", EntryType::Regular, 1), b"x"),
    ];
    home.refuses(&archive(&through), "lies below what is no directory");
}

#[test]
fn entries_that_no_release_holds_are_refused() {
    let home = Home::new();
    let one = |kind| archive(&[(header("x", kind, 0), b"")]);
    home.refuses(&one(EntryType::Char), "is a device");
    home.refuses(&one(EntryType::Block), "is a device");
    home.refuses(&one(EntryType::Fifo), "is a pipe");
    home.refuses(&one(EntryType::GNUSparse), "is a sparse file");
    home.refuses(&one(EntryType::new(b'Q')), "is of a kind that no release holds");
    let twice = (header("bin/shop", EntryType::Regular, 1), &b"y"[..]);
    home.refuses(&archive(&[twice]), r#""bin/shop" is there twice"#);
    let round = [
        (linked("a", EntryType::Symlink, "b"), &b""[..]),
        (linked("b", EntryType::Symlink, "a"), b""),
    ];
    home.refuses(&archive(&round), "leads back to itself");
    let size = pax(b"12 size=999\n");
    home.refuses(&archive(&[(size.0, &size.1)]), "gives another size than the entry");
    let sparse = pax(b"22 GNU.sparse.major=1\n");
    home.refuses(&archive(&[(sparse.0, &sparse.1)]), "speaks of a sparse file");
}

fn pax(text: &[u8]) -> (Header, Vec<u8>) {
    (header("pax", EntryType::XHeader, text.len() as u64), text.to_vec())
}

#[test]
fn what_is_no_whole_archive_is_refused() {
    let home = Home::new();
    let whole = archive(&[(header("data", EntryType::Regular, 600), &[7; 600])]);
    for cut in [600, 1024, 1536, 2000, 2560] {
        home.refuses(&whole[..cut], "unexpected");
    }
    let mut damaged = whole.clone();
    damaged[1024 + 20] ^= 1;
    home.refuses(&damaged, "checksum mismatch");
    let never = AtomicBool::new(false);
    for packed in [gzip(&whole), zstd(&whole)] {
        for cut in [packed.len() / 2, packed.len() - 2] {
            let path = home.write("release.tar", &packed[..cut]);
            let exec = Path::new("bin/shop");
            let staged = release::stage(&path, exec, &home.path("releases"), ROOM, &never);
            let error = staged.expect_err("it was cut off").to_string();
            assert!(error.contains("cannot unpack"), "{error}");
            assert!(!home.path("releases").exists(), "something is left");
        }
    }
    let error = home.stage(&home.write("x.gz", &gzip(b"no archive"))).expect_err("no archive");
    assert!(error.to_string().contains("inside it is something else"), "{error}");
    home.refuses(&archive(&[])[512..], "release.tar");
    let lacks = [(header("bin/other", EntryType::Regular, 0), &b""[..])];
    home.refuses(&archive(&lacks)[1024..], "has no `bin/shop`");
}

#[test]
fn bombs_are_refused_before_they_cost_anything() {
    let home = Home::new();
    let huge = archive(&[(header("data", EntryType::Regular, 1 << 40), b"")]);
    home.refuses(&huge, "has more than 1048576 bytes of files");
    let name = archive(&[(header("name", EntryType::GNULongName, 1 << 33), b"")]);
    home.refuses(&name, "is longer than 64 KiB");

    // Many names of one file, which on the disk is there once.
    let mut twins = vec![(header("data", EntryType::Regular, 100_000), vec![7; 100_000])];
    twins.extend((0..20).map(|n| (linked(&format!("t{n}"), EntryType::Link, "data"), Vec::new())));
    let twins: Vec<_> =
        twins.iter().map(|(header, content)| (header.clone(), &content[..])).collect();
    home.refuses(&archive(&twins), "has more than 1048576 bytes of files");

    let files: Vec<_> =
        (0..200).map(|n| (header(&format!("f{n}"), EntryType::Regular, 0), &b""[..])).collect();
    home.refuses(&archive(&files), "has more than 100 files");
}

/// Ten million entries in some megabytes, and terabytes of nothing behind the end.
#[test]
fn ten_million_entries_end_at_the_limit() {
    let home = Home::new();
    let begin = gzip(&archive(&[])[..1024]);
    let directories = gzip(&header("d/", EntryType::Directory, 0).as_bytes().repeat(10_000));
    let path = home.write("release.tar.gz", &[begin, directories.repeat(1_000)].concat());
    let error = home.stage(&path).expect_err("too many");
    assert!(error.to_string().contains("has more than 100 files"), "{error}");

    let nothing = gzip(&vec![0; 1 << 20]);
    let path = home.write("release.tar.gz", &[gzip(&archive(&[])), nothing.repeat(1_000)].concat());
    let error = home.stage(&path).expect_err("too large");
    assert!(error.to_string().contains("has more than 1048576 bytes"), "{error}");
    assert!(!home.path("releases").exists(), "something is left");
}
