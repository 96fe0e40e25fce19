//! Releases that fail, each in its way: exit status 3, the cause by name, the last lines of its own log, and the old release serves.

use std::time::Duration;

use e2e::load::{Generator, Load, LoadReport};
use e2e::shop::{Shop, URL};

/// Deploys a release with this fault over `v1` under load; the error has to say all of `says`.
#[track_caller]
fn check(shop: &Shop, fault: &str, says: &[&str]) -> LoadReport {
    let inode = shop.socket_inode();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let output = shop.deploy(&shop.release("v2", Some(fault))).exits(3);
    for words in says {
        assert!(output.stderr.contains(words), "the error does not say {words:?}:\n{output}");
    }
    let report = load.finish();
    println!("{report}");
    assert_eq!(shop.one_live_slot(), "blue");
    assert_eq!(shop.socket_inode(), inode);
    assert_eq!(shop.get(), "v1");
    report
}

/// The same, and users met nothing of it.
#[track_caller]
fn check_unseen(fault: &str, says: &[&str]) {
    let report = check(&Shop::deployed(), fault, says);
    report.assert_clean();
    assert_eq!(report.by_release.keys().collect::<Vec<_>>(), ["v1"], "{report}");
}

#[test]
fn exits_at_once() {
    check_unseen("exit", &["green exited with status 7 before READY=1", "| "]);
}

#[test]
fn never_ready() {
    check_unseen("never-ready", &["green did not get ready in time"]);
}

#[test]
fn sick_from_the_beginning() {
    check_unseen("sick", &["green is unhealthy: /health answered 500"]);
}

#[test]
fn turns_sick_in_the_stable_time() {
    check_unseen("sickens-after=200", &["green is unhealthy: /health answered 500"]);
}

#[test]
fn turns_sick_in_service() {
    let report = check(
        &Shop::deployed(),
        "sickens-after-requests=1",
        &["green is unhealthy: /health answered 500"],
    );
    // It was unhealthy, but it answered: the way back loses nothing either.
    report.assert_clean();
}

/// The admin socket of a slot that died is still open, in systemd: whoever asks there waits for the restart, while users wait for him.
#[test]
fn dies_in_service() {
    let shop = Shop::deployed();
    let late = "[Service]\nRestartSec=10s\n";
    shop.sandbox.install_file("/etc/systemd/system/shop-green.service.d/late.conf", late, 0o644);
    shop.sandbox.run(["systemctl", "daemon-reload"]).ok();
    let report = check(&shop, "dies-after-requests=20", &["green exited with status 9"]);
    // What a process has begun dies with it: at most one request on each of the 64 connections. All others were served, and soon.
    assert!(report.errors.read <= 64, "{report}");
    assert_eq!(report.errors.total(), report.errors.read, "{report}");
    assert!(report.latency.max < 3_000_000, "{report}");
    assert!(report.duration < Duration::from_secs(5), "{report}");
}
