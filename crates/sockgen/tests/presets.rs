//! `tests/presets` has a folder for every preset: the flags, and the manifest and units that they give.
//! `UPDATE=1 cargo test -p sockgen --test presets` writes the latter anew. The starting programs are those in `presets`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sockgen::presets::{PRESETS, Preset};
use tempfile::TempDir;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/presets").join(name)
}

fn sockgen(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sockgen")).current_dir(folder).args(args).output().unwrap()
}

/// Every file below a folder, its text, and whether it may be run.
fn tree(top: &Path) -> BTreeMap<String, (String, bool)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(top).unwrap().display().to_string();
            let runs = fs::metadata(&path).unwrap().permissions().mode() & 0o111 != 0;
            files.insert(name, (fs::read_to_string(path).unwrap(), runs));
        }
    }
    files
}

fn flags(name: &str) -> String {
    let path = folder(name).join("flags");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What `init` with the flags of a preset gives.
fn made(preset: &Preset) -> TempDir {
    let made = TempDir::new().unwrap();
    let flags = flags(preset.name);
    let flags = flags.split_whitespace().chain(["--systemd", "252"]);
    let output = sockgen(made.path(), &flags.collect::<Vec<_>>());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", preset.name);
    made
}

#[test]
fn every_preset_gives_its_tree() {
    for preset in PRESETS {
        let folder = folder(preset.name);
        let made = made(preset);
        let mut found = tree(made.path());
        for source in preset.sources {
            let (text, runs) = found.remove(source.path).unwrap_or_default();
            assert_eq!(text, source.text, "{}: {}", preset.name, source.path);
            assert_eq!(runs, source.executable, "{}: {}", preset.name, source.path);
        }
        if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
            tree(&folder).keys().filter(|name| *name != "flags").for_each(|name| {
                fs::remove_file(folder.join(name)).unwrap();
            });
            for (name, (text, _)) in &found {
                fs::write(folder.join(name), text).unwrap();
            }
        }
        let mut expected = tree(&folder);
        expected.remove("flags");
        let names = |tree: &BTreeMap<_, _>| tree.keys().cloned().collect::<Vec<String>>();
        assert_eq!(names(&found), names(&expected), "{}", preset.name);
        for (name, file) in &found {
            assert_eq!(file, &expected[name], "{}: {name}", preset.name);
        }
    }
}

#[test]
fn every_preset_is_exercised_with_its_starting_program() {
    let folders = fs::read_dir(folder("")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let presets = PRESETS.iter().map(|preset| preset.name.to_owned());
    assert_eq!(folders.collect::<BTreeSet<_>>(), presets.collect());
    for preset in PRESETS {
        let start = format!("init --preset {} --main --name shop ", preset.name);
        assert!(flags(preset.name).starts_with(&start), "{}", flags(preset.name));
        // What a person types after --preset.
        assert!(preset.name.chars().all(|c| c.is_ascii_lowercase()), "{}", preset.name);
    }
}

#[test]
fn check_finds_nothing() {
    for preset in PRESETS {
        let output = sockgen(made(preset).path(), &["check"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", preset.name);
        assert!(said.ends_with("nothing found\n"), "{}: {said}", preset.name);
    }
}

#[test]
fn a_preset_that_is_stopped_in_time_knows_the_default_drain() {
    // Where a program takes the time as an argument, nothing else ties it to swap.drain.
    let arguments = PRESETS.iter().flat_map(|preset| preset.args);
    let graceful: Vec<_> = arguments.filter(|arg| arg.contains("graceful")).collect();
    assert_eq!(graceful, [&"--timeout-graceful-shutdown=30"]);
    let app = "name = 'a'\nexec = 'b'\nlisteners.http.listen = '127.0.0.1:1'";
    assert_eq!(sockgen::App::parse(app).unwrap().swap().drain.as_secs(), 30);
}

#[test]
fn help_has_a_line_for_each_and_a_wrong_name_the_nearest() {
    let none = TempDir::new().unwrap();
    let help = sockgen(none.path(), &["init", "--preset", "help"]);
    let said = String::from_utf8(help.stdout).unwrap();
    for preset in PRESETS {
        assert!(said.lines().any(|l| l.trim().starts_with(preset.name)), "{said}");
        assert!(said.contains(preset.summary), "{said}");
    }
    for (typed, hint) in [("nodejs", "hint: did you mean node?"), ("x\ny", "hint: the presets are")]
    {
        let args = ["init", "--preset", typed, "--name", "shop", "--listen", "http=127.0.0.1:80"];
        refused(none.path(), &args, &["--preset: there is no preset", hint]);
    }
}

/// Exit status 2, and nothing is written.
#[track_caller]
fn refused(folder: &Path, args: &[&str], says: &[&str]) {
    let output = sockgen(folder, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    says.iter().for_each(|words| assert!(said.contains(words), "{words:?} is not in:\n{said}"));
    assert!(said.contains("\nhint: "), "{said}");
    assert_eq!(tree(folder), BTreeMap::new());
}

#[test]
fn what_a_preset_cannot_do_is_refused() {
    let none = TempDir::new().unwrap();
    let two = ["--listen", "http=127.0.0.1:8080", "--listen", "api=127.0.0.1:8081"];
    for (preset, more, says) in [
        ("node", &two[..], "takes descriptor 3, and of 2 listeners"),
        ("gunicorn", &[&two[..], &["--main"]].concat(), "serves one listener"),
        ("axum", &["--main", "--listen", "http=/run/shop.sock"], "listens on TCP"),
        ("node", &["--main", "--listen", "h=[::]:80", "--health-path", "/'+x"], "letters, digits"),
        ("node", &["--main", "--exec", "x", "--listen", "h=[::]:80"], "cannot be used with"),
    ] {
        let args = ["init", "--preset", preset, "--name", "shop"];
        let output = sockgen(none.path(), &[&args, more].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{says:?} is not in:\n{said}");
        assert_eq!(tree(none.path()), BTreeMap::new());
    }
    refused(none.path(), &["init", "--preset", "node"], &["--name is missing"]);
}

#[test]
fn a_program_behind_a_proxy_is_told_where_to_listen() {
    let made = TempDir::new().unwrap();
    let args = "init --preset proxyd --name shop --listen http=[::]:80 --exec /usr/bin/java --arg=--port={port} \
                --proxy-to 127.0.0.1:7001 --proxy-to [::1]:7002";
    let output = sockgen(made.path(), &args.split_whitespace().collect::<Vec<_>>());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = tree(made.path());
    for (file, words) in [
        ("shop-blue.service", "ExecStart=/usr/bin/java --port=7001\n"),
        ("shop-green.service", "ExecStart=/usr/bin/java --port=7002\n"),
        ("shop-blue-proxy.service", " 127.0.0.1:7001\n"),
        ("shop-green-proxy.service", " ::1:7002\n"),
    ] {
        assert!(files[file].0.contains(words), "{words:?} is not in {}", files[file].0);
    }
    let none = TempDir::new().unwrap();
    let start = ["init", "--name", "shop", "--listen", "http=127.0.0.1:80", "--preset"];
    for (more, says) in [
        (
            &["proxyd", "--proxy-to", "127.0.0.1:1"][..],
            "--proxy-to: 1 addresses, and there are two slots",
        ),
        (&["proxyd", "--proxy-to", "1", "--proxy-to", "2"], "--proxy-to: \"1\" is not an address"),
        (&["proxyd", "--proxy-to", "0.0.0.0:1", "--proxy-to", "[::1]:2"], "past the sockets"),
        (&["node", "--proxy-to", "[::1]:1", "--proxy-to", "[::1]:2"], "takes systemd's sockets"),
    ] {
        refused(none.path(), &[&start[..], more].concat(), &[says]);
    }
}

#[test]
fn the_words_of_the_person_are_in_the_program() {
    let made = TempDir::new().unwrap();
    let args = "init --preset axum --main --name billing --listen api=[::1]:81 --health-path /ok";
    let output = sockgen(made.path(), &args.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = tree(made.path());
    assert!(files["Cargo.toml"].0.contains("name = \"billing\""));
    let main = &files["src/main.rs"].0;
    for words in ["tcp_or(\"api\", \"[::1]:81\")", "route(\"/ok\""] {
        assert!(main.contains(words), "{words} is not in {main}");
    }
    let next = String::from_utf8(output.stdout).unwrap();
    assert!(next.contains("cargo build --release\n"), "{next}");
    assert!(next.ends_with("sockctl deploy billing target/release/billing\n"), "{next}");
}

#[test]
fn the_release_that_is_this_folder_is_named() {
    let made = TempDir::new().unwrap();
    let output = sockgen(made.path(), &flags("node").split_whitespace().collect::<Vec<_>>());
    let next = String::from_utf8(output.stdout).unwrap();
    assert!(next.ends_with("sockctl deploy shop .\n"), "{next}");
}

#[test]
fn a_folder_made_for_nothing_vanishes() {
    let made = TempDir::new().unwrap();
    // A folder in the place of a unit: it cannot be replaced.
    fs::create_dir(made.path().join("shop.target")).unwrap();
    let flags = flags("axum");
    let flags = flags.split_whitespace().chain(["--systemd", "252"]);
    let output = sockgen(made.path(), &flags.collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(1));
    assert!(!made.path().join("src").exists());
}
