//! Every folder of `tests/from` is the tree of a machine with a unit in it, and what `sockgen init --from` makes of it: manifest, units and words.
//! Every unit of `tests/from/refused` is refused, with the words beside it. `UPDATE=1 cargo test -p sockgen --test from` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sockgen::init::Into;
use sockgen::init::from::{Asked, from};
use sockgen::{Address, Endpoint, Inet, Target};

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

/// What is asked for beside the unit: lines of `NAME=ADDRESS` in `listen`, with `udp:` before one for datagrams, and `name`.
fn asked(folder: &Path) -> Asked {
    let listen = fs::read_to_string(folder.join("listen")).unwrap_or_default();
    let listeners = listen.lines().map(|line| line.split_once('=').unwrap());
    let listeners = listeners.map(|(name, at)| {
        let endpoint = match at.strip_prefix("udp:") {
            Some(at) => Endpoint::Udp(Inet { at: at.parse().unwrap(), only_v6: false }),
            None => at.parse::<Address>().unwrap().into(),
        };
        (name.parse().unwrap(), endpoint)
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

/// Beside `/etc/default/shop`, files that only their owner may read: version control keeps no such mode, and no empty directory.
fn secret(machine: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if machine.join("etc/default/shop").exists() {
        let path = machine.join("etc/shop/secrets");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "A=secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        // Everybody may read the file, and nobody gets to it.
        let closed = machine.join("etc/shop/closed");
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("variables"), "B=open=1\n").unwrap();
        fs::set_permissions(closed.join("variables"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn units_become_manifests() {
    let folders = folders();
    assert!(folders.len() >= 3, "the cases are not found: {folders:?}");
    for folder in folders {
        let made = check(&folder);
        secrets_stay_where_they_are(&folder, &made);
        what_stays_may_be_written(&folder, &made);
        a_program_behind_a_proxy_has_a_way(&folder, &made);
        nothing_is_found_in_it(&folder, made);
    }
}

/// No secret, and nothing of a file that not everybody may read, reaches a file that everybody may.
fn secrets_stay_where_they_are(folder: &Path, made: &BTreeMap<String, String>) {
    for (name, text) in made {
        for secret in ["hunter2", "API_TOKEN = ", "abc", "A=secret", "sesame", "open=1"] {
            assert!(!text.contains(secret), "{secret} is in {}/{name}", folder.display());
        }
    }
}

/// The report promises no directory that the manifest does not have.
fn what_stays_may_be_written(folder: &Path, made: &BTreeMap<String, String>) {
    let manifest: toml::Table = made["sockact.toml"].parse().unwrap();
    let write = manifest.get("storage").and_then(|storage| storage.get("write"));
    let write: Vec<_> = write.and_then(toml::Value::as_array).into_iter().flatten().collect();
    for line in made["report"].lines().filter(|line| line.contains("may be written")) {
        let path = line.trim_start_matches("  - ").split(' ').next().unwrap();
        let there = write.iter().any(|there| there.as_str() == Some(path));
        assert!(there, "{}: {path} is not in {write:?}, and yet:\n{line}", folder.display());
    }
}

/// Where the program opens its port itself the report has a command, which does what it says: what it writes goes into the manifest.
fn a_program_behind_a_proxy_has_a_way(folder: &Path, made: &BTreeMap<String, String>) {
    let command = made["report"].lines().find(|line| line.contains("--preset proxyd"));
    let opens_itself = made["report"].contains("it opens its port itself");
    assert_eq!(command.is_some(), opens_itself, "{}", folder.display());
    let Some(command) = command else { return };
    let scratch = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_sockgen")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", path).env("TMPDIR", scratch.path());
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {command}\n{said}", folder.display());
    let written = fs::read_dir(scratch.path()).unwrap().next().unwrap().unwrap().path();
    let proxied = fs::read_to_string(written.join("sockact.toml")).unwrap();
    let mut manifest = made["sockact.toml"].clone();
    let left = made["report"].lines().find_map(|line| line.split_once("leave out "));
    for name in left.iter().flat_map(|(_, names)| names.trim_end_matches('.').split(", ")) {
        manifest = apart(&manifest, &format!("listeners.{name}")).1;
    }
    for table in ["proxy", "health"] {
        manifest = apart(&manifest, table).1 + &apart(&proxied, table).0;
    }
    let app = sockgen::App::parse(&manifest);
    let app = app.unwrap_or_else(|error| panic!("{}: {error}\n{manifest}", folder.display()));
    assert!(app.proxy().is_some(), "{manifest}");
}

/// A table of a manifest with those in it, and the rest.
fn apart(manifest: &str, table: &str) -> (String, String) {
    let (mut of, mut rest, mut inside) = (String::new(), String::new(), false);
    for line in manifest.lines() {
        if let Some((head, _)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            inside = head == table || head.starts_with(&format!("{table}."));
        }
        let part = if inside { &mut of } else { &mut rest };
        part.push_str(line);
        part.push('\n');
    }
    (of, rest)
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
        let listeners =
            vec![("http".parse().unwrap(), Address::Tcp("127.0.0.1:8080".parse().unwrap()).into())];
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
