//! The units as systemd reads them: hostile values, listeners that stay, come and may not change.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use e2e::load::{Generator, Load};
use e2e::shop::{HEALTH, SWAP, Shop, URL};
use e2e::{ODD, Sandbox};
use serde::Deserialize;
use serde_json::json;

/// Says on standard output what it was given, as bytes in hexadecimal, and is ready.
const SHOW: &str = r#"#!/usr/bin/python3
import json, os, signal, socket, sys
hex = lambda text: os.fsencode(text).hex()
env = {hex(key): hex(value) for key, value in os.environ.items()}
print(json.dumps({"args": [hex(arg) for arg in sys.argv[1:]], "env": env}), flush=True)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.pause()
"#;

#[derive(Deserialize)]
struct Shown {
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

/// What has a meaning to systemd, to a shell or to a terminal: no NUL, which ends an argument, and no newline, which sockgen refuses.
fn hostile() -> Vec<String> {
    let words = ODD.iter().filter(|word| !word.contains(['\0', '\n']));
    let mut words: Vec<String> = words.map(ToString::to_string).collect();
    let ascii: String = ('\x01'..='\x7f').filter(|c| *c != '\n').collect();
    words.extend([ascii.clone(), ascii.chars().rev().collect(), ascii.repeat(20)]);
    words
}

/// A string of TOML: JSON's are, but for one character.
fn toml(text: &str) -> String {
    json!(text).to_string().replace('\x7f', "\\u007f")
}

fn show_manifest(values: &[String]) -> String {
    let args: Vec<_> = values.iter().map(|value| toml(value)).collect();
    let mut text =
        format!("name = \"show\"\nexec = \"/usr/local/bin/show\"\nargs = [{}]\n", args.join(", "));
    text += "[listeners.http]\nlisten = \"127.0.0.1:8080\"\n[environment]\n";
    for (n, value) in args.iter().enumerate() {
        text += &format!("KEY_{n} = {value}\n");
    }
    text
}

/// All that systemd knows of the application's units, but for what the manifest's values are meant to be.
fn properties(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let suffixes = [
        "-http.socket",
        "-blue.service",
        "-green.service",
        "-blue-admin.socket",
        "-activate.service",
        ".target",
    ];
    for unit in suffixes.map(|suffix| format!("show{suffix}")) {
        let shown = sandbox.run(["systemctl", "show", "--all", &unit]).ok().stdout;
        let shown = shown.lines().filter_map(|line| line.split_once('='));
        let kept =
            shown.filter(|(key, _)| !["ExecStart", "ExecStartEx", "Environment"].contains(key));
        // The order of a list of units is that of a hash table.
        let sorted = |value: &str| {
            let mut words: Vec<_> = value.split(' ').collect();
            words.sort_unstable();
            words.join(" ")
        };
        all.extend(kept.map(|(key, value)| (format!("{unit} {key}"), sorted(value))));
    }
    all
}

#[test]
fn hostile_values_come_back_byte_for_byte_and_change_nothing_else() {
    let shop = Shop::machine();
    let sandbox = &shop.sandbox;
    sandbox.install_file("/usr/local/bin/show", SHOW, 0o755);
    shop.install(&show_manifest(&[]));
    let plain = properties(sandbox);
    assert_eq!(plain["show-blue.service LoadState"], "loaded");

    let values = hostile();
    shop.install(&show_manifest(&values));
    let changed: Vec<_> = properties(sandbox)
        .into_iter()
        .filter(|(key, value)| plain.get(key) != Some(value))
        .collect();
    assert!(changed.is_empty(), "directives that nobody meant: {changed:#?}");

    sandbox.run(["systemctl", "start", "show-blue.service"]).ok();
    let journal = sandbox.journal("show-blue.service");
    let shown = journal.lines().find_map(|line| serde_json::from_str::<Shown>(line).ok());
    let shown = shown.unwrap_or_else(|| panic!("the program showed nothing:\n{journal}"));
    assert_eq!(shown.args, values.iter().map(hex).collect::<Vec<_>>());
    for (n, value) in values.iter().enumerate() {
        assert_eq!(shown.env.get(&hex(format!("KEY_{n}"))), Some(&hex(value)), "{value:?}");
    }
}

fn hex(text: impl AsRef<[u8]>) -> String {
    text.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_public_socket_is_not_restarted_by_hand() {
    let shop = Shop::deployed();
    let inode = shop.socket_inode();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    for verb in ["restart", "stop", "try-restart"] {
        let refused = shop.sandbox.run(["systemctl", verb, "shop-http.socket"]);
        assert!(!refused.status.success(), "{refused}");
        assert!(refused.stderr.contains("may be requested by dependency only"), "{refused}");
        assert_eq!(shop.sandbox.listening_inode("127.0.0.1:8080"), Some(inode), "{refused}");
        assert!(shop.sandbox.pid1_holds(inode), "{refused}");
    }
    load.finish().assert_clean();
    shop.one_live_slot();
}

/// The installed manifest with this done to it, installed again.
fn reinstall(shop: &Shop, change: impl Fn(&str) -> String) -> e2e::sandbox::Output {
    let manifest = shop.sandbox.run(["cat", "/etc/sockact/shop.toml"]).ok().stdout;
    shop.sandbox.install_file("/srv/shop/sockact.toml", change(&manifest), 0o644);
    shop.sandbox.run(["sockgen", "install", "/srv/shop/sockact.toml"])
}

#[test]
fn a_listener_is_added_to_a_live_application() {
    let shop = Shop::deployed();
    let inode = shop.socket_inode();
    let load = Load::new(Generator::KeepAlive, URL).start(&shop.sandbox);
    let listener = "\n[listeners.api]\nlisten = \"127.0.0.1:8081\"\n";
    let installed = reinstall(&shop, |manifest| manifest.to_owned() + listener).ok();
    let next = installed.stdout.split_once("\nNext:\n").map(|(_, next)| next.trim());
    assert_eq!(next, Some("sockctl restart shop"), "{installed}");
    // Which opens it first; by hand it may be opened before.
    shop.sandbox.run(["systemctl", "start", "shop-api.socket"]).ok();

    // The live slot does not have it. Who comes now waits for the one that does.
    let mut early = shop.sandbox.connect("127.0.0.1:8081").expect("the new socket listens");
    early.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("a request can be written");
    shop.deploy(&shop.release("v2", None)).ok();
    let mut answer = String::new();
    early.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("v2"), "{answer}");

    load.finish().assert_clean();
    let status = shop.status();
    let listeners = status["listeners"].as_array().expect("listeners");
    let names: Vec<_> = listeners.iter().map(|listener| &listener["listener"]).collect();
    assert_eq!(names, ["api", "http"], "{status:#}");
    for (address, expected) in [("127.0.0.1:8080", Some(inode)), ("127.0.0.1:8081", None)] {
        let found = shop.sandbox.listening_inode(address).expect("it listens");
        assert!(shop.sandbox.pid1_holds(found));
        assert_eq!(found, expected.unwrap_or(found));
    }
    assert_eq!(shop.one_live_slot(), "green");
}

#[test]
fn the_address_of_an_open_socket_stays() {
    let shop = Shop::deployed();
    let inode = shop.socket_inode();
    let unit = ["cat", "/etc/systemd/system/shop-http.socket"];
    let before = shop.sandbox.run(unit).ok().stdout;
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let refused = reinstall(&shop, |manifest| manifest.replace(":8080", ":8082")).exits(1);
    for words in ["127.0.0.1:8080", "127.0.0.1:8082", "hint: "] {
        assert!(refused.stderr.contains(words), "does not say {words:?}:\n{refused}");
    }
    assert_eq!(shop.sandbox.run(unit).ok().stdout, before);
    shop.sandbox.run(["systemctl", "daemon-reload"]).ok();
    load.finish().assert_clean();
    assert_eq!(shop.socket_inode(), inode);
    assert!(shop.sandbox.pid1_holds(inode));
}

/// The level `strict` keeps the program from asking for it, and not systemd from giving it.
#[test]
fn a_slot_can_be_given_real_time_priority() {
    let real_time = "[directives.service]\nCPUSchedulingPolicy = \"rr\"\n";
    let shop = Shop::enabled_with(&format!("{real_time}{HEALTH}{SWAP}"));
    shop.deploy(&shop.release("v1", None)).ok();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    for release in ["v2", "v3"] {
        shop.deploy(&shop.release(release, None)).ok();
        let asked =
            "chrt --all-tasks --pid $(systemctl show --property=MainPID --value shop.service)";
        let told = shop.sandbox.run(["sh", "-c", asked]).ok().stdout;
        let policies = told.lines().filter(|line| line.contains("policy")).collect::<Vec<_>>();
        assert!(policies.len() > 1, "a runtime has threads:\n{told}");
        assert!(policies.iter().all(|line| line.ends_with("SCHED_RR")), "{told}");
    }
    load.finish().assert_clean();
}
