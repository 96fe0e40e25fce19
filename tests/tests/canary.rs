//! Canaries: a share of the connections, promoted by a person, aborted, or withdrawn when sick.

use std::process::{Child, Stdio};
use std::time::Duration;

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL, when};

/// Long enough for a share to show.
const COUNTED: Duration = Duration::from_secs(3);

/// Connections that each of the two slots has accepted.
fn accepted(shop: &Shop) -> (f64, f64) {
    let of = |slot: &str| shop.slot(slot)["status"]["accepted"].as_f64().expect("a number");
    (of("blue"), of("green"))
}

#[test]
fn a_canary_gets_its_share_and_waits_for_a_person() {
    let shop = Shop::deployed();
    let v2 = shop.release("v2", None);
    let plan = shop.sockctl(["plan", "shop", &v2, "--canary", "10%,50%", "--until", "canary"]).ok();
    assert!(plan.stdout.contains("green accepts 10% of the connections beside blue"), "{plan}");
    assert!(!plan.stdout.contains("commit"), "{plan}");

    let mut load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let deploy =
        ["deploy", "shop", &v2, "--canary", "10%,50%", "--until", "canary", "--hold", "200ms"];
    let stays = shop.sockctl(deploy).ok();
    assert!(stays.stdout.contains("stays a canary in green with 10%"), "{stays}");
    assert_eq!(shop.slot("green")["role"], "canary");
    let before = accepted(&shop);
    load.run_for(COUNTED);
    let after = accepted(&shop);
    let (old, new) = (after.0 - before.0, after.1 - before.1);
    let share = new / (old + new);
    println!("{share:.4} of {} connections", old + new);
    assert!((0.08..=0.12).contains(&share), "{share} of {} connections", old + new);

    let refused = shop.sockctl(["restart", "shop"]).exits(4);
    assert!(refused.stderr.contains("sockctl promote shop"), "{refused}");
    shop.sockctl(["stop", "shop"]).exits(4);
    let half = shop.sockctl(["promote", "shop"]).ok();
    assert!(half.stdout.contains("with 50%"), "{half}");
    shop.sockctl(["promote", "shop"]).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));

    let v3 = ["deploy", "shop", &shop.release("v3", None), "--canary", "0.5", "--until", "canary"];
    shop.sockctl([v3[0], v3[1], v3[2], v3[3], v3[4], v3[5], v3[6], "--hold", "100ms"]).ok();
    shop.sockctl(["abort", "shop"]).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
    shop.sockctl(["promote", "shop"]).exits(4);
    load.finish().assert_clean();
}

/// Somebody promotes while the controller is between two steps.
#[track_caller]
fn check_promotion_after(step: &str, hold: &str) {
    let shop = Shop::deployed();
    let v2 = shop.release("v2", None);
    let canary = ["--canary", "10%", "--until", "canary", "--hold", hold];
    let paused = shop.paused_after(step, &[&["deploy", "shop", &v2][..], &canary].concat());
    let told = shop.sockctl(["promote", "shop"]).ok();
    assert!(told.stdout.contains("to go on from 10%"), "{told}");
    let (status, words) = paused.go_on();
    assert_eq!(status, Some(0), "{words}");
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
}

#[test]
fn a_promotion_is_heard_before_the_trial() {
    check_promotion_after("canary", "10s");
}

#[test]
fn a_promotion_is_heard_after_the_trial() {
    check_promotion_after("trial", "200ms");
}

/// A flag that would have no effect, or no end.
#[test]
fn shares_without_number_are_refused() {
    let shop = Shop::deployed();
    let v2 = shop.release("v2", None);
    let many = (1..12).map(|n| format!("{n}%")).collect::<Vec<_>>().join(",");
    let refused = shop.sockctl(["plan", "shop", &v2, "--canary", &many]).exits(4);
    assert!(refused.stderr.contains("11 shares of a canary are more than 10"), "{refused}");
    let refused = shop.sockctl(["plan", "shop", &v2, "--hold", "1min"]).exits(4);
    assert!(refused.stderr.contains("no share is given for a canary"), "{refused}");
}

#[test]
fn a_sick_canary_is_withdrawn_and_only_its_share_met_it() {
    let shop = Shop::deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let sick = shop.release("sick", Some("sickens-after-requests=20"));
    let deploy = ["--json", "deploy", "shop", &sick, "--canary", "10%", "--hold", "1min"];
    let deploy = shop.sockctl(deploy).exits(3);
    let report = load.finish();
    report.assert_clean();
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));
    let met = report.release("sick").expect("its health depends on it").count as f64;
    let time = (when(&deploy, "shut") - when(&deploy, "canary")).as_secs_f64();
    let all = report.requests as f64 / report.duration.as_secs_f64() * time;
    println!("{met} of about {all:.0} connections in {time:.2} s met it");
    assert!(met <= 0.15 * all, "{met} of about {all:.0} connections met the sick canary");
}

/// A controller that watches a canary.
fn watching(shop: &Shop, release: &str) -> Child {
    let mut command = shop.sandbox.command("sockctl");
    command.args(["deploy", "shop", release, "--canary", "10%", "--hold", "1h"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let canary = "until sockctl status shop | grep -q ' canary '; do sleep 0.05; done";
    shop.sandbox.run(["timeout", "30", "sh", "-c", canary]).ok();
    child
}

#[test]
fn a_controller_at_work_is_told() {
    let shop = Shop::deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let mut deploy = watching(&shop, &shop.release("v2", None));
    let told = shop.sockctl(["promote", "shop"]).ok();
    assert!(told.stdout.contains("to go on from 10%"), "{told}");
    assert_eq!(deploy.wait().expect("it ends").code(), Some(0));
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));

    let mut deploy = watching(&shop, &shop.release("v3", None));
    shop.sockctl(["abort", "shop"]).ok();
    assert_eq!(deploy.wait().expect("it ends").code(), Some(3));
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
    assert!(shop.sockctl(["abort", "shop"]).ok().stdout.contains("nothing to abort"));
    load.finish().assert_clean();
}
