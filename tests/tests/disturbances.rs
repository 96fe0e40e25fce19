//! What happens to the application without a deploy, and to a deploy from outside.

use e2e::load::{Generator, Load, LoadReport};
use e2e::shop::{Shop, URL};

/// A process that is killed loses what it had begun, at most one request on each of the 64 connections. Nothing else may fail: new
/// connections wait and are answered.
#[track_caller]
fn check_only_begun_requests_lost(report: &LoadReport) {
    println!("{report}");
    assert!(report.requests > 0 && report.errors.read <= 64, "{report}");
    assert_eq!(report.errors.total(), report.errors.read, "{report}");
}

#[test]
fn the_live_slot_is_killed() {
    let shop = Shop::deployed();
    let inode = shop.socket_inode();
    let mut load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let before = shop.kill_slot("blue");
    // The restart takes the 200 ms of RestartSec=: whoever connects meanwhile waits.
    assert_eq!(shop.get(), "v1");
    load.run_for(std::time::Duration::from_secs(1));
    check_only_begun_requests_lost(&load.finish());
    assert_ne!(shop.status()["slots"][0]["status"]["pid"].as_u64(), Some(before));
    assert_eq!(shop.socket_inode(), inode);
    shop.one_live_slot();
}

#[test]
fn both_slots_are_killed() {
    let shop = Shop::deployed();
    let inode = shop.socket_inode();
    let deploy = ["deploy", "shop", &shop.release("v2", None)];
    let paused = shop.paused_after("close", &deploy);
    let mut load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let _ = (shop.kill_slot("blue"), shop.kill_slot("green"));
    assert_eq!(
        shop.get(),
        "v2",
        "the standby came back as a standby, the live slot as the live one"
    );
    load.run_for(std::time::Duration::from_secs(1));
    check_only_begun_requests_lost(&load.finish());
    assert_eq!(shop.socket_inode(), inode);
    paused.kill();
    shop.sockctl(["resume", "shop"]).ok();
    assert_eq!(shop.one_live_slot(), "green");
}

#[test]
fn systemctl_restart_in_place() {
    let shop = Shop::deployed();
    let inode = shop.socket_inode();
    for generator in [Generator::OneShot, Generator::KeepAlive] {
        let load = Load::new(generator, URL).start(&shop.sandbox);
        shop.sandbox.run(["systemctl", "restart", "shop"]).ok();
        assert_eq!(shop.get(), "v1");
        // It drains before it goes, so this loses nothing; new connections wait for the new process.
        load.finish().assert_clean();
    }
    assert_eq!(shop.socket_inode(), inode);
    shop.one_live_slot();
}

#[test]
fn nobody_runs_and_the_first_connection_starts_the_live_slot() {
    let shop = Shop::deployed();
    shop.sandbox.run(["systemctl", "stop", "shop.service"]).ok();
    assert_eq!(shop.get(), "v1");
    shop.one_live_slot();
}

#[track_caller]
fn check_systemd_disturbed(verb: &str) {
    let shop = Shop::deployed();
    let inode = shop.socket_inode();
    let load = Load::new(Generator::KeepAlive, URL).start(&shop.sandbox);
    for (n, step) in ["link", "start", "probe", "commit", "close", "watch"].into_iter().enumerate()
    {
        let release = shop.release(&format!("v{}", n + 2), None);
        let paused = shop.paused_after(step, &["deploy", "shop", &release]);
        shop.sandbox.run(["systemctl", verb]).ok();
        let (status, words) = paused.go_on();
        assert_eq!(status, Some(0), "{verb} after {step}: {words}");
        shop.one_live_slot();
    }
    load.finish().assert_clean();
    assert_eq!(shop.socket_inode(), inode);
}

#[test]
fn daemon_reload_in_the_middle_of_a_deploy() {
    check_systemd_disturbed("daemon-reload");
}

#[test]
fn daemon_reexec_in_the_middle_of_a_deploy() {
    check_systemd_disturbed("daemon-reexec");
}

#[test]
fn two_deploys_at_once() {
    let shop = Shop::deployed();
    let paused = shop.paused_after("start", &["deploy", "shop", &shop.release("v2", None)]);
    let second = shop.deploy(&shop.release("v3", None)).exits(5);
    let plan = shop.sockctl(["plan", "shop", "--restart"]).exits(5);
    for words in ["pid ", "root", "since ", "sockctl deploy shop /srv/releases/v2"] {
        assert!(second.stderr.contains(words), "does not name the holder by {words:?}:\n{second}");
        assert!(plan.stderr.contains(words), "does not name the holder by {words:?}:\n{plan}");
    }
    assert_eq!(paused.go_on().0, Some(0));
    assert_eq!(shop.get(), "v2");
    // A lock whose holder is gone is free.
    shop.deploy(&shop.release("v3", None)).ok();
    assert_eq!(shop.get(), "v3");
}

#[test]
fn reboot() {
    let mut shop = Shop::deployed();
    shop.deploy(&shop.release("v2", None)).ok();
    shop.sandbox.reboot();
    assert_eq!(shop.get(), "v2");
    assert_eq!(shop.one_live_slot(), "green");
}

#[test]
fn somebody_takes_the_alias_away() {
    let shop = Shop::deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    shop.sandbox.run(["systemctl", "disable", "shop-blue.service"]).ok();
    shop.deploy(&shop.release("v2", None)).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
    load.finish().assert_clean();
}

#[test]
fn the_alias_leads_elsewhere() {
    let shop = Shop::deployed();
    shop.sandbox
        .run(["ln", "-sfn", "/lib/systemd/system/cron.service", "/etc/systemd/system/shop.service"])
        .ok();
    let refused = shop.deploy(&shop.release("v2", None)).exits(4);
    assert!(refused.stderr.contains("cron.service"), "{refused}");
}
