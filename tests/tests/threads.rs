//! A service of plain threads, without any async runtime, deploys as an asynchronous one does: by its gate.

use e2e::binaries;
use e2e::load::{Generator, Load};
use e2e::shop::{SEEN_WITHIN, Shop, URL, when};

fn release(shop: &Shop, version: &str, fault: Option<&str>) -> String {
    shop.release_of(&binaries::get().threaded, version, fault)
}

fn deployed() -> Shop {
    let shop = Shop::enabled();
    shop.deploy(&release(&shop, "v1", None)).ok();
    shop
}

#[test]
fn one_shot_connections_lose_nothing_and_meet_no_unproven_release() {
    let shop = deployed();
    let inode = shop.socket_inode();
    let mut load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let mut proven = Vec::new();
    for version in ["v2", "v3"] {
        let deploy = shop.deploy(&release(&shop, version, None)).ok();
        proven.push((version, when(&deploy, "probe")));
        load.await_release(version, SEEN_WITHIN);
    }
    let report = load.finish();
    println!("{report}");
    report.assert_clean();
    for (version, proven) in proven {
        let first = report.release(version).expect("it was seen").first;
        assert!(first >= proven, "{version} answered at {first:?}, proven at {proven:?}");
    }
    let releases: Vec<_> = report.by_release.keys().collect();
    assert_eq!(releases, ["v1", "v2", "v3"]);
    let journal = shop.sandbox.journal("shop-*.service");
    let drains = journal.lines().filter(|line| line.starts_with("drained ")).collect::<Vec<_>>();
    // v1 twice: a first deploy stops and starts the proven slot.
    assert!(drains.len() == 3 && drains.iter().all(|line| line.contains(" 0 cut,")), "{drains:?}");
    assert_eq!(shop.socket_inode(), inode);
    assert_eq!(shop.one_live_slot(), "blue");
}

#[test]
fn a_sick_release_is_met_by_nobody() {
    let shop = deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let refused = shop.deploy(&release(&shop, "v2", Some("sick"))).exits(3);
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert!(told.contains("sick, the file FAULT says so"), "{refused}");
    let report = load.finish();
    report.assert_clean();
    assert_eq!(report.by_release.keys().collect::<Vec<_>>(), ["v1"]);
    assert_eq!(shop.one_live_slot(), "blue");
}
