//! Listeners come: a new one is opened before the slot that needs it, and nobody else notices.

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};

const MANIFEST: &str = r#"
name = "shop"
exec = "bin/shop"
listeners.http.listen = "127.0.0.1:8080"
health.interval = "50ms"
swap = { stable = "200ms", watch = "200ms", drain = "10s" }
"#;
const SECOND: &str = "listeners.second.listen = \"127.0.0.1:8082\"";

fn with(line: &str) -> String {
    MANIFEST.replacen("health.interval", &format!("{line}\nhealth.interval"), 1)
}

#[test]
fn a_new_listener_opens_without_a_gap_and_an_address_never_changes() {
    let shop = Shop::machine();
    shop.install(MANIFEST);
    shop.sandbox.run(["systemctl", "enable", "--now", "shop.target"]).ok();
    shop.deploy(&shop.release("v1", None)).ok();
    let before = shop.socket_inode();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);

    shop.install(&with(SECOND));
    let plan = shop.sockctl(["plan", "shop", "--restart"]).ok();
    assert!(plan.stdout.contains("listen    open second on 127.0.0.1:8082"), "{plan}");
    let active = ["systemctl", "is-active", "shop-second.socket"];
    assert_eq!(shop.sandbox.run(active).stdout.trim(), "inactive", "plan changes nothing");
    // What connects between the opening and the slot's start waits for it.
    shop.paused_after("listen", &["restart", "shop"]).kill();
    let curl = ["--silent", "--show-error", "--max-time", "30", "http://127.0.0.1:8082/"];
    let mut early = shop.sandbox.command("curl").args(curl).spawn().expect("curl starts");
    let done = shop.sockctl(["restart", "shop"]).ok();
    assert!(!done.stdout.contains("listen  "), "opened twice: {done}");
    assert!(early.wait().expect("curl can be waited for").success());
    shop.sandbox.run([&["curl"], &curl[..]].concat()).ok();
    assert_eq!((shop.one_live_slot(), shop.socket_inode()), ("green".into(), before));

    // Its way in one go, for a listener that is one of three.
    let third = format!("{SECOND}\nlisteners.third.listen = \"127.0.0.1:8083\"");
    shop.install(&with(&third));
    let done = shop.deploy(&shop.release("v2", None)).ok();
    assert!(done.stdout.contains("third is open on 127.0.0.1:8083"), "{done}");
    shop.sandbox.run(["curl", "--silent", "--max-time", "30", "http://127.0.0.1:8083/"]).ok();
    load.finish().assert_clean();

    // An open socket keeps its address.
    let (name, manifest) = ("/srv/shop/sockact.toml", with(&SECOND.replace("8082", "8084")));
    shop.sandbox.install_file(name, manifest, 0o644);
    let refused = shop.sandbox.run(["sockgen", "install", name]).exits(1);
    assert!(refused.stderr.contains("add a listener with a new name"), "{refused}");
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v2".into()));
}
