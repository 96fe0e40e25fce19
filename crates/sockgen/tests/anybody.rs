//! Anybody's units: how systemd merges them, and files that nobody should have written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_sarif::sarif::Sarif;
use sockgen::check::{Finding, Loader, check};
use tempfile::TempDir;

const SERVICE: &str = "[Service]\nExecStart=/bin/true\n";

/// A folder with these files; one that ends in `->` is a link to the text.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, text) in files {
        let (path, link) = match path.strip_suffix("->") {
            Some(path) => (path, true),
            None => (*path, false),
        };
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if link { symlink(text, path).unwrap() } else { fs::write(path, text).unwrap() }
    }
    root
}

fn findings(path: &Path) -> Vec<Finding> {
    let mut loader = Loader::default();
    loader.ask(path).unwrap();
    check(&loader.load().unwrap())
}

/// Rule, file below the root, and line of each finding but S01 and S02, which most units get as notes.
#[track_caller]
fn finds(files: &[(&str, &str)], folder: &str, expected: &[(&str, &str, Option<usize>)]) {
    let root = tree(files);
    let root = root.path().canonicalize().unwrap();
    let found = findings(&root.join(folder));
    let found: Vec<_> = found
        .iter()
        .filter(|finding| !["S01", "S02"].contains(&finding.rule))
        .map(|f| (f.rule, f.file.strip_prefix(root.to_str().unwrap()).unwrap(), f.line))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn drop_ins_count_wherever_they_lie_and_in_the_order_of_their_names() {
    let (etc, lib) = ("etc/systemd/system/", "usr/lib/systemd/system/");
    let path = |folder: &str, name: &str| format!("{folder}{name}");
    let socket = path(lib, "a-web.socket");
    let service = path(lib, "a-web.service");
    let units = [
        (socket.as_str(), "[Socket]\nListenStream=80\nFlushPending=yes\n"),
        (service.as_str(), SERVICE),
    ];
    let with = |name: &str, text: &'static str, expected: &[(&str, &str, Option<usize>)]| {
        let file = path(etc, name);
        let files = [&units[..], &[(file.as_str(), text)]].concat();
        finds(&files, lib, expected);
    };
    let flushes = [("S04", "/usr/lib/systemd/system/a-web.socket", Some(3))];
    finds(&units, lib, &flushes);
    // Of the unit, of its prefix, of all sockets; an empty value takes back what was said.
    for name in ["a-web.socket.d/x.conf", "a-.socket.d/x.conf", "socket.d/x.conf"] {
        with(name, "[Socket]\nFlushPending=\n", &[]);
        with(name, "[Socket]\n# a comment \\\nFlush\\\nPending=no\n", &flushes);
        with(name, "[Socket]\nFlushPending=\\\n# a comment\n  no\n", &[]);
    }
    // What reads no unit, and what is no drop-in.
    with("a-wed.socket.d/x.conf", "[Socket]\nFlushPending=no\n", &flushes);
    let files = [&units[..], &[("etc/systemd/system/a-wed.socket.d/x.conf", "")]].concat();
    finds(&files, etc, &[("S36", "/etc/systemd/system/a-wed.socket.d", None)]);
    // One of the same name in /etc hides that in /usr/lib, also as a link to /dev/null.
    let hidden = path(lib, "a-web.socket.d/x.conf");
    let files =
        [&units[..1], &[(hidden.as_str(), "[Socket]\nFlushPending=no\n")], &units[1..]].concat();
    finds(&files, lib, &[]);
    let mask = path(etc, "a-web.socket.d/x.conf->");
    finds(&[&files[..], &[(mask.as_str(), "/dev/null")]].concat(), lib, &flushes);
}

#[test]
fn a_unit_in_etc_hides_the_one_in_lib_and_a_drop_in_says_where_it_is() {
    let files = [
        ("etc/systemd/system/web.socket", "[Socket]\nListenStream=80\n"),
        ("etc/systemd/system/web.socket.d/local.conf", "\n[Socket]\nFlushPending=yes"),
        ("usr/lib/systemd/system/web.socket", "[Socket]\nListenStream=192.0.2.1:80\n"),
        ("usr/lib/systemd/system/web.service", SERVICE),
        ("usr/lib/systemd/system/other.socket", "[Socket]\nListenStream=192.0.2.1:81\n"),
        ("usr/lib/systemd/system/other.service", SERVICE),
    ];
    let found = [("S04", "/etc/systemd/system/web.socket.d/local.conf", Some(3))];
    finds(&files, "etc/systemd/system", &found);
    finds(&files, "etc/systemd/system/web.socket", &found);
    finds(&files, "etc/systemd/system/web.socket.d", &found);
    finds(&files, "etc/systemd/system/web.socket.d/local.conf", &found);
}

#[test]
fn masks_aliases_instances_and_templates() {
    let system = |text: &str| format!("etc/systemd/system/{text}");
    let (socket, service) = (system("a.socket"), system("a.service->"));
    let masked =
        [(socket.as_str(), "[Socket]\nListenStream=80\n"), (service.as_str(), "/dev/null")];
    finds(&masked, "etc/systemd/system", &[("S29", "/etc/systemd/system/a.socket", None)]);
    // a.service is another name of b.service, below any root.
    let b = system("b.service");
    let alias =
        [masked[0], (service.as_str(), "/etc/systemd/system/b.service"), (b.as_str(), SERVICE)];
    finds(&alias, "etc/systemd/system", &[]);
    finds(&alias[..2], "etc/systemd/system", &[("S28", "/etc/systemd/system/a.service", None)]);
    // Accept=yes starts a template, and so does an instance.
    let (inetd, template) = (system("c.socket"), system("c@.service"));
    let inetd =
        [(inetd.as_str(), "[Socket]\nListenStream=81\nAccept=yes\n"), (template.as_str(), SERVICE)];
    finds(&inetd, "etc/systemd/system", &[]);
    let of_template = system("c@.socket");
    let instances = [(of_template.as_str(), "[Socket]\nListenStream=%t/c/%i.sock\n"), inetd[1]];
    finds(&instances, "etc/systemd/system", &[]);
}

#[test]
fn folders_of_anybodys_stand_for_themselves() {
    let files = [
        ("units/a.socket", "[Socket]\nListenStream=80\n"),
        ("units/b.socket", "[Socket]\nListenStream=80\nService=a.service\n"),
        ("units/a.service", SERVICE),
        ("units/README", "no unit"),
    ];
    finds(&files, "units", &[("S14", "/units/b.socket", Some(2))]);
    finds(&files[..1], "units", &[("S15", "/units/a.socket", None)]);
}

#[test]
fn hostile_files_are_findings() {
    let long = format!("[Service]\nExecStart=/bin/true\nEnvironment=A={}\n", "x".repeat(1 << 20));
    let many = "[Socket]\n".to_owned() + &"ListenStream=80\nSockets=\n%\\\n".repeat(20_000);
    let files = [
        ("u/long.service", long.as_str()),
        ("u/nul.service", "[Service]\nExecStart=/bin/true\0Nice=5\n"),
        ("u/circle.service->", "round.service"),
        ("u/round.service->", "circle.service"),
        ("u/itself.service->", "itself.service"),
        ("u/nowhere.service->", "/nonexistent/x.service"),
        ("u/device.service->", "/dev/zero"),
        ("u/tree.service/x", "a folder is no unit"),
        ("u/many.timer", many.as_str()),
        ("u/\u{1b}[31m.service", "[Service]\nExecStart=/bin/true\0\n"),
    ];
    let root = tree(&files);
    let folder = root.path().join("u");
    fs::write(folder.join("binary.service"), (0..=255).collect::<Vec<u8>>()).unwrap();
    let fifo = Command::new("mkfifo").arg(folder.join("fifo.service")).status().unwrap();
    assert!(fifo.success());
    let found = findings(&folder);
    for (unit, line, says) in [
        ("long.service", Some(3), "longer than 1 MiB"),
        ("nul.service", Some(2), "NUL byte"),
        ("circle.service", None, "in a circle"),
        ("round.service", None, "in a circle"),
        ("itself.service", None, "in a circle"),
        ("nowhere.service", None, "does not exist"),
        ("device.service", None, "no regular file"),
        ("fifo.service", None, "no regular file"),
        ("binary.service", Some(1), "NUL byte"),
        ("\u{1b}[31m.service", None, "such a name"),
    ] {
        let seen = found.iter().find(|finding| finding.unit == unit && finding.rule == "S28");
        let seen = seen.unwrap_or_else(|| panic!("nothing of {unit}: {found:#?}"));
        assert_eq!(seen.line, line, "{seen:?}");
        assert!(seen.message.contains(says), "{seen:?}");
    }
    let output = sockgen(&folder, &["check"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}[31m.service"), "{text}");
}

fn sockgen(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sockgen")).current_dir(folder).args(args).output().unwrap()
}

#[test]
fn rules_are_chosen_by_number_and_severity() {
    let root = tree(&[
        ("a.socket", "[Socket]\nListenStream=80\nFlushPending=yes\nBogus=1\n"),
        ("a.service", SERVICE),
    ]);
    let rules = |args: &[&str]| {
        let output = sockgen(root.path(), &[&["check", "--json"], args].concat());
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = document["findings"].as_array().unwrap().iter();
        let found: Vec<String> = found.map(|f| f["rule"].as_str().unwrap().to_owned()).collect();
        assert_eq!(output.status.code(), Some(i32::from(!found.is_empty())));
        found
    };
    assert_eq!(rules(&[]), ["S04", "verify"]);
    assert_eq!(rules(&["--no-analyze"]), ["S04"]);
    assert_eq!(rules(&["--ignore", "s04,verify"]), [""; 0]);
    assert_eq!(rules(&["--only", "S01,S02"]), [""; 0]);
    assert_eq!(rules(&["--only", "S01,S02", "--severity", "note"]), ["S01", "S02"]);
    assert_eq!(rules(&["--only", "exposure", "--security-threshold", "9"]), ["exposure"]);
    assert_eq!(rules(&["--only", "exposure", "--security-threshold", "10"]), [""; 0]);
    for args in [
        ["--only", "S4"],
        ["--ignore", "S99"],
        ["--security-threshold", "11"],
        ["--severity", "bad"],
    ] {
        let output = sockgen(root.path(), &[&["check"], &args[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

/// With the types of the SARIF schema: nothing that it does not have, nothing missing.
#[test]
fn sarif_is_what_the_schema_says() {
    let root = tree(&[
        ("a b/a.socket", "[Socket]\nListenStream=80\nFlushPending=yes\n"),
        ("a b/a.service", SERVICE),
    ]);
    let output = sockgen(root.path(), &["check", "a b", "--sarif", "--severity=note"]);
    assert_eq!(output.status.code(), Some(1));
    let written: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let read: Sarif = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), written);
    let run = &written["runs"][0];
    let flush = run["results"].as_array().unwrap().iter().find(|r| r["ruleId"] == "S04").unwrap();
    let place = &flush["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b/a.socket");
    assert_eq!(place["region"]["startLine"], 3);
    let index = usize::try_from(flush["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "S04");
}

/// The units of the machine that runs the tests: whatever they are, they are somebody's who knew what he did.
#[test]
fn the_machines_own_units_give_no_alarm() {
    let output = sockgen(Path::new("/"), &["check", "/lib/systemd/system", "--no-analyze"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("\n0 units") && text.contains("units checked, nothing found"), "{text}");
}
