//! What else a person types: rollback, restart, the same release again, an administrator's program.

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};

#[test]
fn rollback_goes_to_the_release_before_and_forth_again() {
    let shop = Shop::deployed();
    shop.sockctl(["rollback", "shop"]).exits(4);
    shop.deploy(&shop.release("v2", None)).ok();
    shop.deploy(&shop.release("bad", Some("sick"))).exits(3);
    let load = Load::new(Generator::KeepAlive, URL).start(&shop.sandbox);
    for version in ["v1", "v2"] {
        shop.sockctl(["rollback", "shop"]).ok();
        assert_eq!(shop.get(), version);
        shop.one_live_slot();
    }
    load.finish().assert_clean();
}

#[test]
fn the_same_release_again_is_nothing_to_do() {
    let shop = Shop::deployed();
    let before = shop.status();
    let output = shop.sockctl(["deploy", "shop", "/srv/releases/v1"]).ok();
    assert!(output.stdout.contains("nothing to do"), "{output}");
    assert_eq!(shop.status(), before);
}

#[test]
fn restart_is_the_same_release_in_a_new_process() {
    let shop = Shop::deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    shop.sockctl(["restart", "shop"]).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v1".into()));
    load.finish().assert_clean();
}

#[test]
fn a_single_file_is_a_release() {
    let shop = Shop::enabled();
    shop.deploy(&format!("{}/bin/shop", shop.release("v1", None))).ok();
    assert_eq!(shop.get(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn an_administrators_program_serves_without_sockctl_and_restarts_without_a_gap() {
    let shop = Shop::of_a_program();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    shop.sandbox.install_file("/opt/shop/VERSION", "v2", 0o644);
    shop.sockctl(["restart", "shop"]).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
    load.finish().assert_clean();
    let refused = shop.sockctl(["deploy", "shop", "/srv/releases/v1"]).exits(4);
    assert!(refused.stderr.contains("sockctl restart shop"), "{refused}");
}

#[test]
fn releases_take_the_place_of_an_administrators_program() {
    let shop = Shop::of_a_program();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let manifest = "/srv/shop/sockact.toml";
    shop.sandbox.run(["sed", "-i", "s,/opt/shop/,,", manifest]).ok();
    let installed = shop.sandbox.run(["sockgen", "install", manifest]).ok();
    assert!(installed.stdout.contains("blue has no release with bin/shop"), "{installed}");
    assert!(installed.stdout.contains("sockctl deploy shop PATH"), "{installed}");
    let refused = shop.sockctl(["restart", "shop"]).exits(4);
    assert!(
        refused.stderr.contains("no release is live, and the manifest names bin/shop"),
        "{refused}"
    );
    let found = shop.sockctl(["doctor", "shop"]).exits(1);
    assert!(found.stdout.contains("leads to no release with the program"), "{found}");
    shop.deploy(&shop.release("v2", None)).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
    load.finish().assert_clean();
}

#[test]
fn ctrl_c_before_the_commit_leaves_the_old_release() {
    let shop = Shop::deployed();
    let paused = shop.paused_after("start", &["deploy", "shop", &shop.release("v2", None)]);
    let (status, words) = paused.interrupt(&shop);
    assert_eq!(status, Some(3), "{words}");
    assert!(words.contains("interrupted"), "{words}");
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));
}

#[test]
fn a_rollback_to_a_release_that_was_never_live_has_to_prove_it() {
    let shop = Shop::deployed();
    let deploy = shop.deploy(&shop.release("v2", Some("sickens-after=200"))).exits(3);
    let release = deploy.stdout.split("release ").nth(1).and_then(|rest| rest.get(..16));
    let release = release.unwrap_or_else(|| panic!("no release named:\n{deploy}"));
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    shop.sockctl(["rollback", "shop", release]).exits(3);
    let report = load.finish();
    report.assert_clean();
    assert_eq!(report.by_release.keys().collect::<Vec<_>>(), ["v1"], "{report}");
}

#[test]
fn a_withdrawn_slot_that_is_started_by_hand_accepts_nobody() {
    let shop = Shop::deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let sick = shop.release("sick", Some("sickens-after-requests=1"));
    shop.deploy(&sick).exits(3);
    load.finish().assert_clean();
    shop.sandbox.run(["systemctl", "start", "shop-green.service"]).ok();
    for _ in 0..50 {
        assert_eq!(shop.get(), "v1");
    }
}

#[test]
fn failed_deploys_leave_the_release_to_roll_back_to() {
    let shop = Shop::deployed();
    shop.deploy(&shop.release("v2", None)).ok();
    for n in 0..5 {
        shop.deploy(&shop.release(&format!("sick-{n}"), Some("sick"))).exits(3);
    }
    shop.sockctl(["rollback", "shop"]).ok();
    assert_eq!(shop.get(), "v1");
}

#[test]
fn plan_says_what_deploy_then_does_and_changes_nothing() {
    let shop = Shop::deployed();
    let (before, v2) = (shop.status(), shop.release("v2", None));
    let steps = |output: &str| -> Vec<String> {
        let lines = output.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let events: Vec<serde_json::Value> = lines.collect();
        let planned =
            events.iter().flat_map(|event| event["steps"].as_array().into_iter().flatten());
        let done = events.iter().filter(|event| event["event"] == "step");
        let names = planned.chain(done).filter_map(|step| step["step"].as_str());
        names.filter(|name| *name != "stage").map(String::from).collect()
    };
    let planned = shop.sockctl(["--json", "plan", "shop", &v2]).ok().stdout;
    assert_eq!(shop.status(), before);
    assert_eq!(
        shop.sandbox.run(["ls", "/var/lib/sockact/shop/releases"]).ok().stdout.lines().count(),
        1
    );
    let done = shop.deploy(&v2).ok().stdout;
    assert_eq!(steps(&planned), steps(&done), "{planned}\n{done}");
    let again = shop.sockctl(["plan", "shop", &v2]).ok();
    assert!(again.stdout.contains("nothing to do"), "{again}");
    let back = shop.sockctl(["plan", "shop", "--rollback"]).ok();
    assert!(
        back.stdout.contains("rollback of release") && back.stdout.contains("into blue"),
        "{back}"
    );
    let restart = shop.sockctl(["plan", "shop", "--restart"]).ok();
    assert!(restart.stdout.contains("blue must stay healthy for 300 ms"), "{restart}");
    shop.sockctl(["plan", "shop"]).exits(2);
}

#[test]
fn a_release_without_the_new_exec_is_not_started() {
    let shop = Shop::deployed();
    shop.deploy(&shop.release("v2", None)).ok();
    shop.install_short("bin/renamed");
    for args in [["restart", "shop"], ["rollback", "shop"]] {
        let refused = shop.sockctl(args).exits(4);
        assert!(refused.stderr.contains("has no bin/renamed"), "{refused}");
    }
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
}

#[test]
fn history_releases_and_logs() {
    let shop = Shop::enabled();
    assert!(shop.sockctl(["history", "shop"]).ok().stdout.contains("nothing was deployed yet"));
    assert!(shop.sockctl(["releases", "shop"]).ok().stdout.contains("no releases yet"));
    shop.deploy(&shop.release("v1", None)).ok();
    shop.deploy(&shop.release("v2", Some("exit"))).exits(3);
    let history = shop.sockctl(["history", "shop"]).ok();
    let lines: Vec<_> = history.stdout.lines().collect();
    assert!(lines[0].contains("deploy") && lines[0].contains("blue   live"), "{history}");
    assert!(
        lines[1].contains("rolled-back") && lines[1].contains("exited with status 7"),
        "{history}"
    );
    let last = shop.sockctl(["--json", "history", "shop", "-n", "1"]).ok();
    let last: serde_json::Value = serde_json::from_str(&last.stdout).expect("one line of JSON");
    assert_eq!((&last["outcome"], &last["user"]), (&"rolled-back".into(), &"root".into()));
    let releases = shop.sockctl(["releases", "shop"]).ok();
    assert!(releases.stdout.contains("never live  in green"), "{releases}");
    assert!(releases.stdout.contains("in blue"), "{releases}");
    let logs = shop.sockctl(["logs", "shop", "green"]).ok();
    assert!(logs.stdout.contains("cannot start, the file FAULT says so"), "{logs}");
    let unknown = shop.sockctl(["logs", "shop", "pink"]).exits(4);
    assert!(
        unknown.stderr.contains("its slots and hooks are blue, green, migrate, pre-stop"),
        "{unknown}"
    );
}
