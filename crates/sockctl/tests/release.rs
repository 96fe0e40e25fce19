//! Staging on a real file system: the same content once, nothing half, nothing that is no release.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use sockctl::release::{self, Limits, ReleaseId, StageError, Staged};

const ROOM: Limits = Limits { bytes: 1 << 20, entries: 100 };

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory for the test") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn releases(&self) -> PathBuf {
        self.path("releases")
    }

    fn executable(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a path with a parent")).expect("mkdir");
        fs::write(&path, content).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        path
    }

    fn stage(&self, source: &str) -> Result<Staged, StageError> {
        let (source, exec) = (self.path(source), Path::new("bin/shop"));
        release::stage(&source, exec, &self.releases(), ROOM, &AtomicBool::new(false))
    }

    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.releases()) else { return Vec::new() };
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

#[test]
fn the_same_content_is_staged_once() -> Result<(), StageError> {
    let home = Home::new();
    home.executable("one/bin/shop", "1");
    home.executable("two/bin/shop", "1");
    home.executable("three/bin/shop", "3");
    let (one, two, three) = (home.stage("one")?, home.stage("two")?, home.stage("three")?);
    assert_eq!((&one.id, one.known, two.known, three.known), (&two.id, false, true, false));
    assert_ne!(one.id, three.id);
    assert_eq!(home.names().len(), 2);
    Ok(())
}

#[test]
fn a_single_file_becomes_the_executable() -> Result<(), StageError> {
    let home = Home::new();
    home.executable("tree/bin/shop", "x");
    home.executable("built", "x");
    let single = home.stage("built")?;
    assert_eq!(single.id, home.stage("tree")?.id);
    let program = home.releases().join(single.id.to_string()).join("bin/shop");
    assert_eq!(fs::read_to_string(program).expect("the staged program"), "x");
    Ok(())
}

#[test]
fn mode_name_and_link_target_make_the_release() -> Result<(), StageError> {
    let home = Home::new();
    for tree in ["plain", "mode", "name", "link"] {
        home.executable(&format!("{tree}/bin/shop"), "x");
        fs::write(home.path(tree).join("data"), "d").expect("write");
    }
    let data = home.path("mode/data");
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).expect("chmod");
    fs::rename(home.path("name/data"), home.path("name/date")).expect("rename");
    symlink("data", home.path("link/current")).expect("symlink");
    let mut ids = Vec::new();
    for tree in ["plain", "mode", "name", "link"] {
        ids.push(home.stage(tree)?.id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    Ok(())
}

#[track_caller]
fn check_refused(home: &Home, source: &str, says: &str) {
    match home.stage(source) {
        Ok(staged) => panic!("{source} was staged as {}", staged.id),
        Err(error) => assert!(error.to_string().contains(says), "{error} does not say {says}"),
    }
    assert!(!home.releases().exists(), "left behind: {:?}", home.names());
}

#[test]
fn what_is_no_release_is_refused_and_leaves_nothing() {
    let home = Home::new();
    check_refused(&home, "missing", "cannot read");

    fs::create_dir(home.path("empty")).expect("mkdir");
    check_refused(&home, "empty", "has no `bin/shop`");

    home.executable("directory/bin/shop/inner", "x");
    check_refused(&home, "directory", "has no `bin/shop`");

    fs::write(home.path("text"), "x").expect("write");
    check_refused(&home, "text", "is not executable");

    home.executable("pipe/bin/shop", "x");
    let made = std::process::Command::new("mkfifo").arg(home.path("pipe/fifo")).status();
    assert!(made.expect("mkfifo runs").success());
    check_refused(&home, "pipe", "is a pipe");
    check_refused(&home, "pipe/fifo", "is a pipe");

    home.executable("round/bin/shop", "x");
    symlink("b", home.path("round/a")).expect("symlink");
    symlink("a", home.path("round/b")).expect("symlink");
    check_refused(&home, "round", "leads back to itself");

    home.executable("many/bin/shop", "x");
    (0..100).for_each(|n| fs::write(home.path(&format!("many/{n}")), "").expect("write"));
    check_refused(&home, "many", "has more than 100 files");

    home.executable("large/bin/shop", &"x".repeat((1 << 20) + 1));
    check_refused(&home, "large", "has more than 1048576 bytes");

    fs::write(home.path("release.zip"), "PK\x03\x04").expect("write");
    check_refused(&home, "release.zip", "is a zip archive, not a tar archive");
    fs::write(home.path("release.tar.gz"), "").expect("write");
    check_refused(&home, "release.tar.gz", "is empty, not a tar archive");
}

#[test]
fn a_copy_that_is_interrupted_leaves_nothing() {
    let home = Home::new();
    let built = home.executable("built", "x");
    let stop = AtomicBool::new(true);
    let staged = release::stage(&built, Path::new("bin/shop"), &home.releases(), ROOM, &stop);
    assert!(matches!(staged, Err(StageError::Interrupted)), "{staged:?}");
    assert!(!home.releases().exists());
}

#[test]
fn private_files_are_counted() -> Result<(), StageError> {
    let home = Home::new();
    let built = home.executable("tree/bin/shop", "x");
    assert_eq!(home.stage("tree")?.private, 0);
    fs::set_permissions(built, fs::Permissions::from_mode(0o750)).expect("chmod");
    assert_eq!(home.stage("tree")?.private, 1);
    Ok(())
}

#[test]
fn what_a_killed_controller_left_is_swept() -> Result<(), StageError> {
    let home = Home::new();
    fs::create_dir_all(home.releases().join(".staging-killed/bin")).expect("mkdir");
    home.executable("built", "x");
    let staged = home.stage("built")?;
    assert_eq!(home.names(), [staged.id.to_string()]);
    Ok(())
}

#[test]
fn a_link_is_replaced_and_prune_spares_the_linked() -> Result<(), StageError> {
    let home = Home::new();
    let mut ids = Vec::new();
    for content in ["1", "2", "3", "4"] {
        home.executable("built", content);
        ids.push(home.stage("built")?.id);
    }
    let link = home.path("slots/blue");
    release::link(&link, &ids[3])?;
    release::link(&link, &ids[0])?;
    assert_eq!(release::linked(&link), Some(ids[0].clone()));
    assert!(link.join("bin/shop").is_file(), "the link leads to the release");

    let newest = release::list(&home.releases())?[0].clone();
    let dry = release::prune(&home.releases(), 1, &[ids[0].clone()], true)?;
    assert_eq!(home.names().len(), 4, "a dry run removes nothing");
    let removed = release::prune(&home.releases(), 1, &[ids[0].clone()], false)?;
    assert_eq!((&dry, removed.len()), (&removed, 2));
    assert!(removed.iter().all(|one| one.bytes > 0), "{removed:?}");
    let mut left = release::list(&home.releases())?;
    left.sort();
    let mut expected = vec![ids[0].clone(), newest];
    expected.sort();
    assert_eq!(left, expected);
    Ok(())
}

#[test]
fn a_release_is_sixteen_hex_digits() {
    for wrong in ["", "0123", "0123456789ABCDEF", "../../etc/passwd", "0123456789abcdef0", "\n"] {
        assert!(wrong.parse::<ReleaseId>().is_err(), "{wrong:?} was taken");
    }
}
