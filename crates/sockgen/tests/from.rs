//! Every folder of `tests/from` is the tree of a machine with a unit in it, and what `sockgen init --from` makes of it: manifest, units and words.
//! Every unit of `tests/from/refused` is refused, with the words beside it. `UPDATE=1 cargo test -p sockgen --test from` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sockgen::Target;
use sockgen::init::Into;
use sockgen::init::from::{Asked, from};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/from")
}

fn update() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}

fn folders() -> Vec<PathBuf> {
    let all = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = all.filter(|path| !path.ends_with("refused")).collect();
    folders.sort();
    folders
}

/// What is asked for beside the unit: lines of `NAME=ADDRESS` in `listen`, and `name`.
fn asked(folder: &Path) -> Asked {
    let listen = fs::read_to_string(folder.join("listen")).unwrap_or_default();
    let listeners = listen.lines().map(|line| line.split_once('=').unwrap());
    let listeners = listeners.map(|(name, at)| {
        let address: sockgen::Address = at.parse().unwrap();
        (name.parse().unwrap(), address.into())
    });
    let name = fs::read_to_string(folder.join("name")).ok();
    Asked {
        name: name.map(|name| name.parse().unwrap()),
        listeners: listeners.collect(),
        exec: None,
    }
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

#[track_caller]
fn check(folder: &Path) -> BTreeMap<String, String> {
    let machine = tempfile::tempdir().unwrap();
    copy(&folder.join("root"), machine.path());
    secret(machine.path());
    let unit = machine.path().join(fs::read_to_string(folder.join("unit")).unwrap());
    let into = tempfile::tempdir().unwrap();
    let to = Into { folder: into.path(), target: Target::OLDEST, force: false };
    let taken = from(unit.to_str().unwrap(), &asked(folder), to)
        .unwrap_or_else(|error| panic!("{}: {error}\n{}", folder.display(), error.hint()));
    let mut made = files(into.path());
    let report = taken.report.replace(into.path().to_str().unwrap(), "INTO");
    made.insert("report".into(), report.replace(machine.path().to_str().unwrap(), ""));
    let expected = folder.join("made");
    if update() {
        let _ = fs::remove_dir_all(&expected);
        fs::create_dir_all(&expected).unwrap();
        made.iter().for_each(|(name, text)| fs::write(expected.join(name), text).unwrap());
    }
    let expected = files(&expected);
    assert_eq!(made.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, text) in &made {
        assert_eq!(text, &expected[name], "{}: another {name}", folder.display());
    }
    made
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            let _ = fs::copy(from, to).unwrap();
        }
    }
}

/// Beside `/etc/default/shop`, a file that only its owner may read: version control keeps no such mode, and no empty directory.
fn secret(machine: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if machine.join("etc/default/shop").exists() {
        let path = machine.join("etc/shop/secrets");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "A=secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn units_become_manifests() {
    let folders = folders();
    assert!(folders.len() >= 3, "the cases are not found: {folders:?}");
    for folder in folders {
        let made = check(&folder);
        secrets_stay_where_they_are(&folder, &made);
        nothing_is_found_in_it(&folder, made);
    }
}

/// No secret, and nothing of a file that not everybody may read, reaches a file that everybody may.
fn secrets_stay_where_they_are(folder: &Path, made: &BTreeMap<String, String>) {
    for (name, text) in made {
        for secret in ["hunter2", "API_TOKEN = ", "abc", "A=secret"] {
            assert!(!text.contains(secret), "{secret} is in {}/{name}", folder.display());
        }
    }
}

/// Neither by our rules nor by systemd.
fn nothing_is_found_in_it(folder: &Path, mut made: BTreeMap<String, String>) {
    made.retain(|name, _| name != "report" && name != "sockact.toml");
    let mut units = sockgen::check::Units::default();
    made.iter().for_each(|(name, text)| units.add(name, text));
    assert_eq!(sockgen::check::check(&units), [], "{}", folder.display());
    let mut found = sockgen::check::verify(&units).expect("systemd-analyze runs");
    // That the programs of these machines are not on this one.
    found.retain(|finding| finding.severity > sockgen::check::Severity::Note);
    assert_eq!(found, [], "{}", folder.display());
}

#[test]
fn what_has_no_slots_is_refused_in_plain_words() {
    let units = fs::read_dir(root().join("refused")).unwrap().map(|entry| entry.unwrap().path());
    let is_asked = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".service") || name == "not-a-service.socket"
    };
    let mut units: Vec<_> = units.filter(is_asked).collect();
    units.sort();
    assert!(units.len() > 15, "the cases are not found");
    for unit in units {
        let into = tempfile::tempdir().unwrap();
        let listens = ["accept", "nobody-listens"]
            .iter()
            .any(|name| unit.ends_with(format!("{name}.service")));
        let listeners = vec![(
            "http".parse().unwrap(),
            sockgen::Address::Tcp("127.0.0.1:8080".parse().unwrap()).into(),
        )];
        let asked =
            Asked { listeners: if listens { Vec::new() } else { listeners }, ..Asked::default() };
        let to = Into { folder: into.path(), target: Target::OLDEST, force: false };
        let error = match from(unit.to_str().unwrap(), &asked, to) {
            Ok(taken) => panic!("{} is taken: {}", unit.display(), taken.report),
            Err(error) => error,
        };
        assert_eq!(files(into.path()).len(), 0, "{} left files", unit.display());
        let said = format!("error: {error}\nhint: {}\n", error.hint());
        let said = said.replace(unit.parent().unwrap().to_str().unwrap(), "");
        let expected = unit.with_extension("err");
        if update() {
            fs::write(&expected, &said).unwrap();
        }
        assert_eq!(said, fs::read_to_string(&expected).unwrap(), "{}", unit.display());
        let control = said.chars().filter(|c| c.is_control() && *c != '\n').count();
        assert_eq!(control, 0, "{}: control characters reach the terminal", unit.display());
    }
}
