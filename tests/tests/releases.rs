//! Releases on the machine's disk: out of archives, removed by `gc`, and a disk that is full.

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use serde_json::Value;

const RELEASES: &str = "/var/lib/sockact/shop/releases";

fn names(shop: &Shop) -> Vec<String> {
    let names = shop.sandbox.run(["ls", "-A", RELEASES]).ok().stdout;
    names.lines().map(String::from).collect()
}

#[test]
fn an_archive_deploys_and_gc_removes_what_is_not_kept() {
    let shop = Shop::deployed();
    let load = Load::new(Generator::KeepAlive, URL).start(&shop.sandbox);
    let home = shop.release("v2", None);
    shop.sandbox.run(["tar", "-czf", "/srv/v2", "-C", &home, "."]).ok();
    let before = names(&shop);
    let plan = shop.sockctl(["plan", "shop", "/srv/v2"]).ok().stdout;
    assert!(plan.contains("retire"), "{plan}");
    assert_eq!(names(&shop), before, "a plan writes nothing");
    shop.deploy("/srv/v2").ok();
    assert_eq!(shop.get(), "v2");
    // The directory is the same release.
    let same = shop.sockctl(["deploy", "shop", &home]).ok();
    assert!(same.stdout.contains("nothing to do"), "{same}");

    for n in 0..5 {
        shop.deploy(&shop.release(&format!("sick-{n}"), Some("exit"))).exits(3);
    }
    let left = format!("{RELEASES}/.staging-killed");
    shop.sandbox.run(["mkdir", &left]).ok();
    shop.sandbox.install_file(&format!("{left}/bin/shop"), [7; 1 << 20], 0o755);
    for id in ["0000000000000001", "0000000000000002"] {
        let old = format!("{RELEASES}/{id}");
        shop.sandbox.run(["mkdir", &old]).ok();
        shop.sandbox.run(["touch", "--date=2001-01-01", &old]).ok();
    }
    let before = names(&shop);
    let dry = shop.sockctl(["gc", "shop", "--dry-run"]).ok().stdout;
    assert!(dry.contains("would remove 2 releases past the newest 5 and 1 left-overs"), "{dry}");
    assert_eq!(names(&shop), before);
    let told = shop.sockctl(["gc", "shop", "--json"]).ok().stdout;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["left_overs"][0]["name"], ".staging-killed", "{told}");
    assert!(told["bytes"].as_u64() > Some((1 << 20) - 1), "{told}");
    assert_eq!(names(&shop).len(), before.len() - 3);
    // v1 is old and not kept by its age, but a rollback goes there.
    shop.sockctl(["rollback", "shop"]).ok();
    assert_eq!(shop.get(), "v1");
    load.finish().assert_clean();
    shop.one_live_slot();
}

#[test]
fn a_full_disk_changes_nothing() {
    let shop = Shop::enabled();
    shop.sandbox.run(["mkdir", "--parents", RELEASES]).ok();
    // Large enough for one release, not for two.
    let size = "size=9m";
    shop.sandbox.run(["mount", "-t", "tmpfs", "-o", size, "releases", RELEASES]).ok();
    let small = shop.release("v1", None);
    shop.deploy(&small).ok();
    let big = shop.release("v2", None);
    shop.sandbox.run(["dd", "if=/dev/urandom", &format!("of={big}/data"), "bs=1M", "count=9"]).ok();
    shop.sandbox.run(["tar", "-cf", "/srv/v2.tar", "-C", &big, "."]).ok();
    let before = (names(&shop), shop.status());
    for release in [big.as_str(), "/srv/v2.tar"] {
        let full = shop.deploy(release).exits(1);
        assert!(full.stderr.contains("No space left on device"), "{full}");
        assert!(full.stderr.contains("the disk is full: free some space"), "{full}");
        assert_eq!((names(&shop), shop.status()), before);
    }
    assert_eq!(shop.get(), "v1");
}
