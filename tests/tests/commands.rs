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
    let shop = Shop::machine();
    let release = shop.release("v1", None);
    shop.sandbox.run(["cp", "--recursive", &release, "/opt/shop"]).ok();
    shop.install_short("/opt/shop/bin/shop");
    shop.sandbox.run(["systemctl", "enable", "--now", "shop.target"]).ok();
    assert_eq!(shop.get(), "v1");
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    shop.sandbox.install_file("/opt/shop/VERSION", "v2", 0o644);
    shop.sockctl(["restart", "shop"]).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
    load.finish().assert_clean();
    let refused = shop.sockctl(["deploy", "shop", "/srv/releases/v1"]).exits(4);
    assert!(refused.stderr.contains("sockctl restart shop"), "{refused}");
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
