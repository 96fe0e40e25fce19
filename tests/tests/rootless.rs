//! Everything with `--user`: a person without root deploys on a systemd of their own.

use e2e::load::{Generator, Load};
use e2e::sandbox::Output;
use e2e::shop::{Shop, URL, manifest};
use serde_json::Value;

const REST: &str = r#"
start.timeout = "2s"
health.interval = "50ms"
swap = { stable = "200ms", watch = "200ms", drain = "10s" }
"#;

/// What pam_systemd and dbus-user-session do on a machine where people log in.
const MANAGER: &str = "\
[Service]
Type=notify
User=ann
Delegate=yes
RuntimeDirectory=user/59999
RuntimeDirectoryMode=0700
Environment=XDG_RUNTIME_DIR=/run/user/59999 HOME=/home/ann
ExecStart=/lib/systemd/systemd --user
";
const BUS_SOCKET: &str = "[Socket]\nListenStream=%t/bus\n\n[Install]\nWantedBy=sockets.target\n";
const BUS: &str = "\
[Unit]
Requires=dbus.socket
[Service]
ExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only
";

struct Ann(Shop);

impl Ann {
    fn logged_in() -> Self {
        let shop = Shop::machine();
        let sandbox = &shop.sandbox;
        // The group may read a journal that is in memory alone. One on disk is split by users: there she needs no group.
        let groups = "--groups=systemd-journal";
        sandbox.run(["useradd", "--uid=59999", "--create-home", groups, "ann"]).ok();
        sandbox.install_file("/etc/systemd/user/dbus.socket", BUS_SOCKET, 0o644);
        sandbox.install_file("/etc/systemd/user/dbus.service", BUS, 0o644);
        sandbox.run(["systemctl", "--global", "enable", "dbus.socket"]).ok();
        sandbox.install_file("/etc/systemd/system/ann.service", MANAGER, 0o644);
        sandbox.run(["systemctl", "daemon-reload"]).ok();
        // As on any machine; the sandbox's own cgroup is made by a process with another umask.
        sandbox.run(["chmod", "755", "/sys/fs/cgroup"]).ok();
        sandbox.run(["systemctl", "start", "ann.service"]).ok();
        sandbox.install_file("/srv/shop/sockact.toml", manifest(REST), 0o644);
        Self(shop)
    }

    /// Runs it as Ann.
    fn run(&self, argv: &[&str]) -> Output {
        let ann = ["setpriv", "--reuid=ann", "--regid=ann", "--init-groups", "env"];
        let vars = [
            "HOME=/home/ann",
            "XDG_RUNTIME_DIR=/run/user/59999",
            "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/59999/bus",
        ];
        self.0.sandbox.run([&ann[..], &vars[..], argv].concat())
    }

    fn sockctl(&self, args: &[&str]) -> Output {
        self.run(&[&["sockctl", "--user"], args].concat())
    }

    fn live(&self) -> String {
        let output = self.sockctl(&["--json", "status", "shop"]).ok();
        let status: Value = serde_json::from_str(&output.stdout).expect("JSON");
        assert!(status["listeners"][0]["inode"].is_u64(), "{status:#}");
        status["live"].as_str().unwrap_or("none").to_owned()
    }
}

#[test]
fn a_person_without_root_deploys_rolls_back_and_is_told_what_is_wrong() {
    let ann = Ann::logged_in();
    let shop = &ann.0;
    ann.run(&["sockgen", "install", "--user", "/srv/shop/sockact.toml"]).ok();
    ann.run(&["systemctl", "--user", "enable", "--now", "shop.target"]).ok();
    ann.sockctl(&["deploy", "shop", &shop.release("v1", None)]).ok();
    assert_eq!((ann.live(), shop.get()), ("blue".into(), "v1".into()));

    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    ann.sockctl(&["deploy", "shop", &shop.release("v2", None)]).ok();
    assert_eq!((ann.live(), shop.get()), ("green".into(), "v2".into()));
    ann.sockctl(&["deploy", "shop", &shop.release("sick", Some("sick"))]).exits(3);
    assert_eq!((ann.live(), shop.get()), ("green".into(), "v2".into()));
    ann.sockctl(&["rollback", "shop"]).ok();
    assert_eq!((ann.live(), shop.get()), ("blue".into(), "v1".into()));
    ann.sockctl(&["restart", "shop", "--detach"]).ok();
    assert_eq!((ann.live(), shop.get()), ("green".into(), "v1".into()));
    load.finish().assert_clean();

    // Doctor looks at her systemd, and prints commands for it.
    ann.sockctl(&["doctor"]).ok();
    ann.run(&["touch", "--date=1 hour", "/home/ann/.config/systemd/user/shop-green.service"]).ok();
    let found = ann.sockctl(&["doctor", "shop"]).exits(1);
    assert!(found.stdout.contains("mend:  systemctl --user daemon-reload"), "{found}");
    ann.sockctl(&["doctor", "shop", "--fix"]).ok();

    // Nothing of it is the machine's.
    for path in ["/etc/sockact", "/var/lib/sockact", "/run/sockact"] {
        shop.sandbox.run(["test", "-e", path]).exits(1);
    }
    let units = shop.sandbox.run(["systemctl", "list-unit-files", "--no-legend", "shop*"]);
    assert_eq!(units.stdout, "");
    shop.sockctl(["status", "shop"]).exits(1);
    let ours = shop.sandbox.run(["find", "/home/ann", "/run/user/59999", "!", "-user", "ann"]).ok();
    assert_eq!(ours.stdout, "");
}

#[test]
fn her_own_application_is_proved_under_load() {
    let ann = Ann::logged_in();
    let shop = &ann.0;
    ann.run(&["sockgen", "install", "--user", "/srv/shop/sockact.toml"]).ok();
    ann.run(&["systemctl", "--user", "enable", "--now", "shop.target"]).ok();
    ann.sockctl(&["deploy", "shop", &shop.release("v1", None)]).ok();
    let words = ["--rate", "500", "--duration", "1s", "--report", "/home/ann/proof.html"];
    let output = ann.sockctl(&[&["--json", "prove", "shop"], &words[..]].concat()).ok();
    let end: Value = serde_json::from_str(output.stdout.lines().last().unwrap()).expect("JSON");
    let proof = &end["proof"];
    assert_eq!((&proof["verdict"], &proof["failed"]), (&"pass".into(), &0.into()), "{output}");
    let round = &proof["rounds"][0];
    let deploy = &round["deploys"][0];
    assert_eq!(deploy["command"], "sockctl --user restart shop", "{deploy:#}");
    assert_eq!((&deploy["outcome"], ann.live()), (&"live".into(), "green".into()), "{deploy:#}");
    // Her slots say of themselves what they do.
    for slot in ["blue", "green"] {
        let samples = round["slots"].as_array().unwrap();
        assert!(samples.iter().any(|sample| sample["slot"] == slot), "{slot}: {samples:?}");
    }
    let owner = shop.sandbox.run(["stat", "--format=%U", "/home/ann/proof.html"]).ok();
    assert_eq!(owner.stdout, "ann\n");
}

#[test]
fn hooks_and_health_commands_run_as_the_person_in_the_slots_environment() {
    let ann = Ann::logged_in();
    let shop = &ann.0;
    let commands = "environment.COLOUR = \"teal\"\nhealth.exec = [\"bin/healthy\", \"--deep\"]\n\
         [hooks]\nmigrate = [\"bin/migrate\", \"--up\"]\n\
         pre_stop = [\"/bin/sh\", \"-c\", \"echo goodbye of $SOCKACT_SLOT\"]\ntimeout = \"2s\"\n";
    let manifest = manifest(&format!("{REST}{commands}"));
    shop.sandbox.install_file("/srv/shop/sockact.toml", manifest, 0o644);
    ann.run(&["sockgen", "install", "--user", "/srv/shop/sockact.toml"]).ok();
    ann.run(&["systemctl", "--user", "enable", "--now", "shop.target"]).ok();
    let told = "echo \"$1 in $SOCKACT_SLOT as $(id -un), $COLOUR, in $(basename $PWD)\"";
    let release = |version: &str, migrate: &str, healthy: &str| {
        let home = shop.release(version, None);
        for (name, script) in [("migrate", migrate), ("healthy", healthy)] {
            let script = format!("#!/bin/sh\n{script}\n");
            shop.sandbox.install_file(&format!("{home}/bin/{name}"), script, 0o755);
        }
        home
    };
    let log = |unit: &str| {
        shop.sandbox.run(["journalctl", "--sync"]).ok();
        let (unit, name) =
            (format!("_SYSTEMD_USER_UNIT={unit}.service"), format!("SYSLOG_IDENTIFIER={unit}"));
        shop.sandbox.run(["journalctl", "--quiet", "--output=cat", &unit, "+", &name]).ok().stdout
    };
    ann.sockctl(&["deploy", "shop", &release("v1", "true", "true")]).ok();
    ann.sockctl(&["deploy", "shop", &release("v2", told, told)]).ok();
    assert_eq!((ann.live(), shop.get()), ("green".into(), "v2".into()));
    let name = shop.sandbox.run(["readlink", "/home/ann/.local/state/sockact/shop/slots/green"]);
    let name = name.ok().stdout.trim().rsplit('/').next().expect("a name").to_owned();
    let migrated = log("shop--migrate");
    assert_eq!(migrated, format!("--up in green as ann, teal, in {name}\n"));
    let asked = log("shop--green-health");
    assert!(asked.contains("--deep in green as ann, teal, in "), "{asked}");
    assert_eq!(log("shop--pre-stop"), "goodbye of blue\n");

    let (out, sick) = ("echo no such column; exit 4", "echo out of order; exit 5");
    for (version, migrate, healthy, says, last) in [
        ("v3", out, "true", "bin/migrate --up exited with status 4", "\n  | no such column"),
        ("v4", "sleep 60", "true", "bin/migrate --up did not end within 2.0 s", ""),
        ("v5", "true", sick, "bin/healthy exited with status 5", "\n  | out of order"),
    ] {
        let failed = ann.sockctl(&["deploy", "shop", &release(version, migrate, healthy)]).exits(3);
        assert!(failed.stderr.contains(says) && failed.stderr.contains(last), "{failed}");
        assert_eq!((ann.live(), shop.get()), ("green".into(), "v2".into()));
    }
    let left = ["systemctl", "--user", "list-units", "--all", "--plain", "--no-legend", "shop--*"];
    assert_eq!(ann.run(&left).ok().stdout, "", "units are left over");
}

#[test]
fn errors_speak_of_her_own_systemd() {
    let ann = Ann::logged_in();
    let shop = &ann.0;
    ann.run(&["sockgen", "install", "--user", "/srv/shop/sockact.toml"]).ok();
    let said = |output: Output, says: &str| {
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(text.contains(says), "no {says:?}:\n{output}");
        assert!(!text.contains("sudo") && !text.contains("PID 1"), "{output}");
    };
    let v1 = shop.release("v1", None);
    let closed = ann.sockctl(&["deploy", "shop", &v1]).exits(4);
    said(closed, "hint: run `systemctl --user enable --now shop.target`");
    ann.run(&["systemctl", "--user", "enable", "--now", "shop.target"]).ok();
    said(ann.sockctl(&["restart", "shop"]).exits(4), "`sockctl --user deploy shop PATH` first");
    said(ann.sockctl(&["deploy", "shop", &v1]).ok(), "your own systemd still holds http");
    said(ann.sockctl(&["status", "shop"]).ok(), "held by your own systemd, inode");

    shop.sandbox.run(["chmod", "700", "/srv/releases/v1"]).ok();
    said(ann.sockctl(&["deploy", "shop", &v1]).exits(1), "everything has to be yours");
    shop.sandbox.run(["chmod", "755", "/srv/releases/v1"]).ok();
    let canary = ["--canary", "10%", "--hold", "50ms", "--until", "canary"];
    let v2 = shop.release("v2", None);
    let stays = ann.sockctl(&[&["deploy", "shop", &v2], &canary[..]].concat()).ok();
    said(stays, "`sockctl --user promote shop` goes on");
    said(ann.sockctl(&["restart", "shop"]).exits(4), "`sockctl --user abort shop` first");
    ann.sockctl(&["abort", "shop"]).ok();
    said(
        ann.sockctl(&["stop", "shop"]).ok(),
        "`systemctl --user start shop.target` brings it back",
    );
    ann.run(&["systemctl", "--user", "start", "shop.target"]).ok();

    // A socket that her systemd has lost, as a deleted file and a reload make it.
    ann.run(&["rm", "/home/ann/.config/systemd/user/shop-http.socket"]).ok();
    ann.run(&["systemctl", "--user", "daemon-reload"]).ok();
    let lost = ann.sockctl(&["restart", "shop"]).exits(4);
    said(lost.clone(), "listener http: your own systemd holds no socket");
    said(lost, "hint: `systemctl --user status` of the socket");
    shop.sandbox.run(["chown", "root:", "/run/user/59999/sockact/shop/lock"]).ok();
    said(ann.sockctl(&["restart", "shop"]).exits(1), "`ls -ld` shows whose it is");
    shop.sandbox.run(["systemctl", "kill", "--signal=KILL", "ann.service"]).ok();
    said(ann.sockctl(&["status", "shop"]).exits(1), "no answer on your own D-Bus");
    shop.sandbox.run(["chown", "--recursive", "root:", "/home/ann/.config"]).ok();
    let install = ann.run(&["sockgen", "install", "--user", "/srv/shop/sockact.toml"]).exits(1);
    said(install, "hint: it has to be yours");
}

#[test]
fn what_only_root_can_do_is_refused_with_a_hint() {
    let ann = Ann::logged_in();
    for (line, says) in [
        ("user = \"www-data\"", "user: your own systemd runs everything as you"),
        ("listeners.low.listen = \"127.0.0.1:80\"", "listeners.low.listen: only root may listen"),
    ] {
        let bad = manifest(&format!("{line}{REST}"));
        ann.0.sandbox.install_file("/srv/shop/bad.toml", bad, 0o644);
        let refused = ann.run(&["sockgen", "install", "--user", "/srv/shop/bad.toml"]).exits(1);
        assert!(refused.stderr.contains(says) && refused.stderr.contains("hint: "), "{refused}");
    }
    let nowhere = ann.0.sandbox.run(["sockctl", "--user", "status", "shop"]).exits(1);
    assert!(nowhere.stderr.contains("XDG_RUNTIME_DIR is not set"), "{nowhere}");
}
