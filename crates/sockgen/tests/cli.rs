//! The program as a person runs it: what it prints, its exit status, and what it leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn sockgen(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sockgen")).current_dir(folder).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const INIT: [&str; 7] =
    ["init", "--name", "shop", "--listen", "http=127.0.0.1:8080", "--exec", "bin/shop"];

fn init(folder: &Path, more: &[&str]) -> Output {
    sockgen(folder, &[&INIT[..], more].concat())
}

/// Every file and its text, sorted.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap_or_default()))
        .collect();
    files.sort();
    files
}

#[track_caller]
fn refused(output: &Output, status: i32, says: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert_eq!(stdout(output), "", "an error prints nothing on standard output");
    assert!(text.starts_with("error: "), "{text}");
    for word in says {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

#[test]
fn init_writes_for_the_systemd_that_is_named() {
    let folder = TempDir::new().unwrap();
    let old = init(folder.path(), &["--systemd", "252"]);
    assert!(
        stdout(&old).contains("note: ProtectControlGroups=strict needs systemd 257"),
        "{}",
        stdout(&old)
    );
    let slot = || fs::read_to_string(folder.path().join("shop-blue.service")).unwrap();
    assert!(slot().contains("\nProtectControlGroups=yes\n"));
    // Again, now that the manifest is there.
    let new = sockgen(folder.path(), &["init", "--systemd", "300"]);
    assert!(stdout(&new).contains("note: systemd 300 is newer than 262"), "{}", stderr(&new));
    assert!(slot().contains("\nProtectControlGroups=strict\n"));
    refused(&sockgen(folder.path(), &["init", "--systemd", "251"]), 2, &["older than 252"]);
}

#[test]
fn init_gives_the_same_bytes_each_time_and_says_what_is_next() {
    let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = init(a.path(), &[]);
    assert!(first.status.success(), "{}", stderr(&first));
    let text = stdout(&first);
    for line in ["wrote sockact.toml", "wrote shop-http.socket", "sudo sockgen install"] {
        assert!(text.lines().any(|l| l.trim() == line), "{line:?} is not in:\n{text}");
    }
    assert!(text.contains("systemctl enable --now shop.target"), "{text}");
    assert!(text.contains("sockctl deploy shop PATH"), "{text}");
    init(b.path(), &[]);
    let names = |folder: &Path| -> Vec<String> {
        files(folder).into_iter().map(|(path, _)| path.rsplit('/').next().unwrap().into()).collect()
    };
    let texts = |folder: &Path| -> Vec<String> {
        files(folder).into_iter().map(|(_, text)| text).collect()
    };
    assert_eq!(names(a.path()), names(b.path()));
    assert_eq!(texts(a.path()), texts(b.path()));
    let again = init(a.path(), &[]);
    assert!(again.status.success() && !stdout(&again).contains("wrote"), "{}", stdout(&again));
}

#[test]
fn init_replaces_nothing_that_differs_without_force() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("shop.target"), "mine").unwrap();
    let before = files(folder.path());
    refused(&init(folder.path(), &[]), 1, &["shop.target", "has another text", "--force"]);
    assert_eq!(files(folder.path()), before, "nothing was written");
    assert!(init(folder.path(), &["--force"]).status.success());
    assert!(fs::read_to_string(folder.path().join("shop.target")).unwrap().contains("[Unit]"));
}

#[test]
fn init_without_options_writes_the_units_of_an_edited_manifest() {
    let folder = TempDir::new().unwrap();
    let none = sockgen(folder.path(), &["init"]);
    refused(&none, 2, &["there is no sockact.toml", "hint: for a first one: sockgen init --name"]);
    init(folder.path(), &[]);
    let manifest = folder.path().join("sockact.toml");
    let text = fs::read_to_string(&manifest).unwrap().replace("# args = []", "args = [\"-v\"]");
    fs::write(&manifest, &text).unwrap();
    let stale = sockgen(folder.path(), &["check"]);
    assert_eq!(stale.status.code(), Some(1));
    assert!(stdout(&stale).contains("S27"), "{}", stdout(&stale));
    assert!(sockgen(folder.path(), &["init"]).status.success());
    assert_eq!(fs::read_to_string(&manifest).unwrap(), text, "the manifest stays as it is");
    let checked = sockgen(folder.path(), &["check"]);
    assert!(checked.status.success(), "{}", stdout(&checked));
    fs::write(folder.path().join("shop.target"), "mine").unwrap();
    refused(&sockgen(folder.path(), &["init"]), 1, &["shop.target", "has another text"]);
}

#[test]
fn bad_values_are_refused_with_a_hint_and_nothing_is_written() {
    let long = "x".repeat(300);
    for (option, value, says) in [
        ("--name", "../x", "must begin with a letter"),
        ("--name", "a\nb", "\"a\\nb\""),
        ("--name", "a%n", "only a to z"),
        ("--name", "", "it is empty"),
        ("--name", long.as_str(), "(300 characters)"),
        ("--listen", "http=nowhere", "neither address:port nor an absolute path"),
        ("--listen", "127.0.0.1:8080", "--listen http=127.0.0.1:8080"),
        ("--exec", "../shop", "has an empty part"),
        ("--exec", "/home/me/shop", "which the sandbox of the slots hides"),
        ("--health-path", "health", "is not the path of a URL"),
        ("--arg", "a\nb", "newline"),
    ] {
        let folder = TempDir::new().unwrap();
        let mut args: Vec<&str> = INIT.to_vec();
        match args.iter().position(|arg| *arg == option) {
            Some(at) => args[at + 1] = value,
            None => args.extend([option, value]),
        }
        refused(&sockgen(folder.path(), &args), 2, &[says, "\nhint: "]);
        assert_eq!(files(folder.path()), [], "{option} {value:?} leaves something");
    }
}

#[test]
fn usage_errors_are_two_and_help_is_zero() {
    let folder = TempDir::new().unwrap();
    for args in [&["bogus"][..], &["init", "--name", "shop"], &["install", "a", "b"], &["--x"]] {
        assert_eq!(sockgen(folder.path(), args).status.code(), Some(2), "{args:?}");
    }
    for command in [&[][..], &["init"], &["install"], &["check"], &["explain"]] {
        let help = sockgen(folder.path(), &[command, &["--help"]].concat());
        assert!(help.status.success());
        assert!(stdout(&help).contains("sockgen "), "--help of {command:?} has no example");
    }
    for args in [&["completions", "bash"][..], &["man"], &["--version"], &["explain"]] {
        let output = sockgen(folder.path(), args);
        assert!(output.status.success() && !output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn explain_knows_every_rule_and_nearly_typed_ones() {
    let folder = TempDir::new().unwrap();
    let output = sockgen(folder.path(), &["explain", "s05"]);
    assert!(
        stdout(&output).starts_with("S05 (error): ")
            && stdout(&output).contains("Fix: set NonBlock")
    );
    let unknown = sockgen(folder.path(), &["explain", "S99"]);
    refused(&unknown, 2, &["no rule or relaxation \"S99\"", "hint: "]);
    let all = stdout(&sockgen(folder.path(), &["explain", "hardening"]));
    assert_eq!(all.lines().count(), sockgen::RELAXATIONS.len(), "{all}");
    for kind in sockgen::RELAXATIONS {
        let said = stdout(&sockgen(folder.path(), &["explain", &kind.example()]));
        assert!(said.contains("\nChanges: ") && said.contains(&kind.example()), "{said}");
    }
    let near = sockgen(folder.path(), &["explain", "jti"]);
    refused(&near, 2, &["did you mean jit?"]);
}

#[test]
fn check_finds_and_says_so_in_text_and_json() {
    let folder = TempDir::new().unwrap();
    init(folder.path(), &[]);
    fs::remove_file(folder.path().join("sockact.toml")).unwrap();
    let unit = folder.path().join("shop-green.service");
    let text = fs::read_to_string(&unit).unwrap();
    fs::write(&unit, text.replace("NonBlocking=yes", "NonBlocking=no\nBogus=1")).unwrap();
    let output = sockgen(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(said.contains("./shop-green.service:19: error S05: not NonBlocking=yes"), "{said}");
    assert!(said.contains("'Bogus'"), "{said}");
    assert!(said.ends_with("7 units checked, 2 findings (1 error, 1 warning)\n"), "{said}");
    assert!(said.contains("\nexposure: shop-activate.service 9."), "{said}");
    let output = sockgen(folder.path(), &["check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["version"], &found["units"]), (&1.into(), &7.into()));
    let first = &found["findings"][0];
    assert_eq!((&first["rule"], &first["severity"]), (&"S05".into(), &"error".into()));
    assert_eq!(first["unit"], "shop-green.service");
    assert_eq!((&first["file"], &first["line"]), (&"./shop-green.service".into(), &19.into()));
    assert_eq!(found["exposure"].as_array().map(Vec::len), Some(3));
}

#[test]
fn check_takes_a_manifest_and_refuses_what_is_none() {
    let folder = TempDir::new().unwrap();
    let manifest = folder.path().join("x.toml");
    init(folder.path(), &["--dir", "."]);
    fs::rename(folder.path().join("sockact.toml"), &manifest).unwrap();
    assert!(sockgen(folder.path(), &["check", "x.toml"]).status.success());
    fs::write(&manifest, "name = 1").unwrap();
    let output = sockgen(folder.path(), &["check", "x.toml"]);
    refused(&output, 2, &["x.toml: line 1, column 8"]);
    assert_eq!(stderr(&output).matches("column 8").count(), 1, "{}", stderr(&output));
    refused(&sockgen(folder.path(), &["check", "none"]), 2, &["cannot read none", "hint: "]);
    let empty = TempDir::new().unwrap();
    refused(&sockgen(empty.path(), &["check"]), 2, &["there are no units in ."]);
}

/// An image, which needs neither root nor a running systemd.
#[test]
fn install_into_an_image_is_all_or_nothing_and_idempotent() {
    let (folder, image) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let root = image.path().to_str().unwrap();
    init(folder.path(), &[]);
    let dry = sockgen(folder.path(), &["install", "--dry-run", "--root", root]);
    assert!(dry.status.success() && stdout(&dry).contains("would write"), "{}", stderr(&dry));
    assert_eq!(files(image.path()), [], "a dry run writes nothing");
    let output = sockgen(folder.path(), &["install", "--root", root]);
    assert!(output.status.success(), "{}", stderr(&output));
    let units = image.path().join("etc/systemd/system");
    assert_eq!(files(&units).len(), 7, "{:?}", files(&units));
    let mode = fs::metadata(units.join("shop.target")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    assert!(image.path().join("etc/sockact/shop.toml").exists());
    let again = sockgen(folder.path(), &["install", "--root", root]);
    assert!(stdout(&again).starts_with("nothing to do"), "{}", stdout(&again));

    // Somebody else's unit is in the way of one: none is written.
    fs::write(units.join("shop-http.socket"), "[Socket]\n").unwrap();
    fs::remove_file(units.join("shop.target")).unwrap();
    let output = sockgen(folder.path(), &["install", "--root", root]);
    refused(&output, 1, &["shop-http.socket was not written by sockgen", "hint: "]);
    assert!(!units.join("shop.target").exists());
}

#[test]
fn install_refuses_in_plain_words() {
    let (folder, image) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let root = image.path().to_str().unwrap();
    let none = sockgen(folder.path(), &["install", "--root", root]);
    refused(&none, 1, &["cannot read ./sockact.toml", "hint: `sockgen init`"]);
    let program = ["--exec", "/usr/bin/shop"];
    sockgen(folder.path(), &[&INIT[..5], &program].concat());
    let missing = sockgen(folder.path(), &["install", "--root", root]);
    refused(&missing, 1, &["exec: /usr/bin/shop does not exist", "hint: install the program"]);
    fs::create_dir_all(image.path().join("usr/bin")).unwrap();
    fs::write(image.path().join("usr/bin/shop"), "").unwrap();
    let output = sockgen(folder.path(), &["install", "--root", root]);
    refused(&output, 1, &["is not executable", "hint: chmod +x"]);
    assert!(!image.path().join("etc").exists(), "nothing was written");
}

/// An image with the program in it, and a manifest that runs it.
fn image_with_program(folder: &Path) -> TempDir {
    let image = TempDir::new().unwrap();
    let program = image.path().join("usr/bin/shop");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, "").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    sockgen(folder, &[&INIT[..5], &["--exec", "/usr/bin/shop"]].concat());
    image
}

/// With the real systemctl, which can make links in an image.
#[test]
fn a_program_gets_the_alias_once() {
    let folder = TempDir::new().unwrap();
    let image = image_with_program(folder.path());
    let root = image.path().to_str().unwrap();
    let output = sockgen(folder.path(), &["install", "--root", root]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("pointed shop.service at shop-blue.service"));
    let alias = image.path().join("etc/systemd/system/shop.service");
    assert!(fs::read_link(&alias).unwrap().ends_with("shop-blue.service"));

    // A deploy made green the live slot: it stays.
    fs::remove_file(&alias).unwrap();
    std::os::unix::fs::symlink("/etc/systemd/system/shop-green.service", &alias).unwrap();
    let output = sockgen(folder.path(), &["install", "--root", root]);
    assert!(stdout(&output).starts_with("nothing to do"), "{}", stdout(&output));
    assert!(fs::read_link(&alias).unwrap().ends_with("shop-green.service"));
}

#[test]
fn when_systemctl_fails_everything_is_as_before() {
    let folder = TempDir::new().unwrap();
    let image = image_with_program(folder.path());
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("systemctl"), "#!/bin/sh\necho no, not today >&2\nexit 1\n").unwrap();
    fs::set_permissions(bin.join("systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sockgen"))
        .current_dir(folder.path())
        .args(["install", "--root", image.path().to_str().unwrap()])
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .output()
        .unwrap();
    refused(&output, 1, &["cannot point the alias at the first slot: no, not today"]);
    assert_eq!(files(&image.path().join("etc/systemd/system")), []);
    assert_eq!(files(&image.path().join("etc/sockact")), []);
}
