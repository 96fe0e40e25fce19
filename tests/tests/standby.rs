//! The warm standby: an old release that stays behind its closed gate, and the rollback that only has to open it.

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL, when};

/// As short as it goes: these stories are not about proving a release.
const KEEP: &str = "keep_warm = \"1h\"";

fn kept() -> Shop {
    let shop = Shop::deployed();
    shop.install_more("", KEEP);
    shop.deploy(&shop.release("v2", None)).ok();
    shop
}

/// The timers that stop standbys.
fn timers(shop: &Shop) -> Vec<String> {
    let list = ["list-units", "--plain", "--no-legend", "shop-*-retire-*.timer"];
    let output = shop.sandbox.run(["systemctl"].into_iter().chain(list)).ok();
    output.stdout.lines().filter_map(|line| line.split(' ').next().map(String::from)).collect()
}

#[test]
fn a_rollback_to_the_standby_is_gates_first() {
    let shop = kept();
    let standby = shop.slot("blue");
    assert_eq!((&standby["role"], &standby["status"]["gate"]), (&"standby".into(), &0.0.into()));
    assert!(standby["warm_until"].is_string(), "{standby:#}");
    assert_eq!(timers(&shop).len(), 1);
    let plan = shop.sockctl(["plan", "shop", "--rollback"]).ok().stdout;
    assert!(plan.find("open") < plan.find("commit") && !plan.contains("start"), "{plan}");

    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let back = shop.sockctl(["rollback", "shop", "--json"]).ok();
    load.finish().assert_clean();
    assert!(when(&back, "close") < when(&back, "commit"), "{back}");
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));
    assert_eq!(shop.slot("blue")["invocation"], standby["invocation"], "it is the same process");
    assert_eq!(timers(&shop), Vec::<String>::new(), "no timer is left for a slot that is live");
}

#[test]
fn a_rollback_that_dies_between_gates_and_alias_is_resumed() {
    let shop = kept();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    for step in ["probe", "open", "close", "commit"] {
        println!("killed after {step}");
        shop.paused_after(step, &["rollback", "shop"]).kill();
        shop.sockctl(["resume", "shop"]).ok();
        assert_eq!(shop.get(), "v1", "killed after {step}");
        shop.one_live_slot();
        shop.deploy("/srv/releases/v2").ok();
    }
    load.finish().assert_clean();
}

#[test]
fn the_timer_stops_the_run_that_it_was_made_for_and_no_other() {
    let shop = Shop::deployed();
    shop.install_more("", "keep_warm = \"1s\"");
    shop.deploy(&shop.release("v2", None)).ok();
    let run = shop.slot("blue")["invocation"].as_str().expect("an invocation").to_owned();
    // An earlier end of the standby is an end of its timer's business.
    shop.sockctl(["retire", "shop", "green", &run]).ok();
    assert_eq!(shop.get(), "v2");
    shop.await_retirement();
    assert_eq!((shop.one_live_slot(), timers(&shop)), ("green".into(), vec![]));
    let left = shop
        .sandbox
        .run(["systemctl", "list-units", "--all", "--no-legend", "shop-*-retire-*"])
        .ok();
    assert_eq!(left.stdout, "", "transient units are left");
}
