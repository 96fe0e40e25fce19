//! States that no deploy left: the old release does not start any more, or somebody else serves than the live slot. There is a way on.

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};

/// The slot's release loses its program, and the slot stops.
fn lose(shop: &Shop, slot: &str) {
    let release = shop.slot(slot)["release"].as_str().expect("a release").to_owned();
    let program = format!("/var/lib/sockact/shop/releases/{release}/bin/shop");
    shop.sandbox.run(["rm", &program]).ok();
    shop.sandbox.run(["systemctl", "stop", &format!("shop-{slot}.service")]).ok();
}

#[test]
fn a_fix_that_fails_beside_a_dead_release_leaves_the_way_free() {
    let shop = Shop::deployed();
    lose(&shop, "blue");
    let failed = shop.deploy(&shop.release("v2", Some("exit"))).exits(1);
    assert!(failed.stderr.contains("green exited with status 7 before READY=1"), "{failed}");
    assert!(failed.stderr.contains("blue is live again, but it does not run"), "{failed}");
    shop.deploy(&shop.release("v3", None)).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v3".into()));
}

#[test]
fn a_release_that_is_live_and_sick_stays_when_the_old_one_is_dead() {
    let shop = Shop::deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let sick = shop.release("v2", Some("sickens-after-requests=1"));
    shop.paused_after("close", &["deploy", "shop", &sick]).kill();
    lose(&shop, "blue");
    let kept = shop.sockctl(["abort", "shop"]).exits(1);
    assert!(kept.stderr.contains("aborted by root"), "{kept}");
    assert!(kept.stderr.contains("blue does not start any more, so green stays live"), "{kept}");
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
    let history = shop.sockctl(["history", "shop"]).ok();
    assert!(history.stdout.contains("kept"), "{history}");
    shop.deploy(&shop.release("v3", None)).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v3".into()));
    load.finish().assert_clean();
}

#[test]
fn who_serves_in_place_of_the_live_slot_is_not_stopped_for_a_deploy() {
    let shop = Shop::deployed();
    shop.deploy(&shop.release("v2", None)).ok();
    lose(&shop, "green");
    // Somebody helps himself: no file closes the slot's gate.
    shop.sandbox.run(["rm", "/run/sockact/shop/blue.env"]).ok();
    shop.sandbox.run(["systemctl", "start", "shop-blue.service"]).ok();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let v3 = shop.release("v3", None);
    let refused = shop.deploy(&v3).exits(4);
    let says = "green is the live slot and does not run, while blue serves";
    assert!(refused.stderr.contains(says), "{refused}");
    let hint = ["systemctl", "enable", "--force", "shop-blue.service"];
    assert!(refused.stderr.contains(&hint.join(" ")), "{refused}");
    shop.sandbox.run(hint).ok();
    shop.deploy(&v3).ok();
    load.finish().assert_clean();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v3".into()));
}

#[test]
fn users_are_not_given_back_to_a_slot_that_hangs() {
    let shop = Shop::deployed();
    let sick = shop.release("v2", Some("sickens-after-requests=1"));
    shop.paused_after("close", &["deploy", "shop", &sick]).kill();
    let blue = |signal: &str| {
        let signal = format!("--signal={signal}");
        shop.sandbox.run(["systemctl", "kill", "--kill-whom=main", &signal, "shop-blue"]).ok();
    };
    blue("STOP");
    for _ in 0..5 {
        shop.get();
    }
    // The second time as well: the gate of the one that hangs is as it was.
    for _ in 0..2 {
        let half = shop.sockctl(["resume", "shop"]).exits(6);
        assert!(half.stderr.contains("reopen failed: blue"), "{half}");
        assert_eq!((shop.status()["live"].as_str(), shop.get()), (Some("green"), "v2".into()));
    }
    blue("CONT");
    let back = shop.sockctl(["resume", "shop"]).exits(3);
    assert!(back.stderr.contains("blue serves, as before"), "{back}");
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));
}

#[test]
fn a_canary_beside_a_dead_release_is_withdrawn_by_hand_alone() {
    let shop = Shop::deployed();
    let v2 = shop.release("v2", None);
    let canary = ["--canary", "0.5", "--hold", "100ms", "--until", "canary"];
    shop.sandbox.run([&["sockctl", "deploy", "shop", &v2][..], &canary].concat()).ok();
    lose(&shop, "blue");
    let half = shop.sockctl(["abort", "shop"]).exits(6);
    let stop = ["systemctl", "stop", "shop-green.service"];
    assert!(
        half.stderr.contains("green has users") && half.stderr.contains(&stop.join(" ")),
        "{half}"
    );
    shop.sandbox.run(stop).ok();
    let given_up = shop.sockctl(["resume", "shop"]).exits(1);
    assert!(given_up.stderr.contains("blue is live again, but it does not run"), "{given_up}");
    shop.deploy(&shop.release("v3", None)).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v3".into()));
}

#[test]
fn a_program_whose_alias_is_gone_gets_it_again() {
    let shop = Shop::of_a_program();
    shop.sandbox.run(["rm", "/etc/systemd/system/shop.service"]).ok();
    shop.sandbox.run(["systemctl", "daemon-reload"]).ok();
    let found = shop.sockctl(["--json", "doctor", "shop"]).exits(1);
    let found: serde_json::Value = serde_json::from_str(&found.stdout).expect("JSON");
    let mend = found["findings"][0]["mend"].as_str().expect("a command");
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    shop.sandbox.run(["sh", "-ec", mend]).ok();
    load.finish().assert_clean();
    shop.sockctl(["doctor", "shop"]).ok();
    shop.sockctl(["restart", "shop"]).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v1".into()));
}
