//! Listeners come and go: a new one is opened before the slot that needs it, one that is removed is closed after its last user, and
//! nobody else notices.

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL, manifest};

const REST: &str = r#"
health.interval = "50ms"
swap = { stable = "200ms", watch = "200ms", drain = "10s" }
"#;
const SECOND: &str = "listeners.second.listen = \"127.0.0.1:8082\"";

fn also(line: &str) -> String {
    format!("{line}{REST}")
}

#[test]
fn a_new_listener_opens_without_a_gap_and_an_address_never_changes() {
    let shop = Shop::enabled_with(REST);
    shop.deploy(&shop.release("v1", None)).ok();
    let before = shop.socket_inode();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);

    shop.install(&manifest(&also(SECOND)));
    let plan = shop.sockctl(["plan", "shop", "--restart"]).ok();
    assert!(
        plan.stdout.contains("listen    open second on 127.0.0.1:8082, new in the manifest"),
        "{plan}"
    );
    let active = ["systemctl", "is-active", "shop-second.socket"];
    assert_eq!(shop.sandbox.run(active).stdout.trim(), "inactive", "plan changes nothing");
    // What connects between the opening and the slot's start waits for it.
    shop.paused_after("listen", &["restart", "shop"]).kill();
    let curl = ["--silent", "--show-error", "--max-time", "30", "http://127.0.0.1:8082/"];
    let mut early = shop.sandbox.command("curl").args(curl).spawn().expect("curl starts");
    let done = shop.sockctl(["resume", "shop"]).ok();
    assert!(!done.stdout.contains("listen  "), "opened twice: {done}");
    assert!(early.wait().expect("curl can be waited for").success());
    shop.sandbox.run([&["curl"], &curl[..]].concat()).ok();
    assert_eq!((shop.one_live_slot(), shop.socket_inode()), ("green".into(), before));

    // Its way in one go, for a listener that is one of three.
    let third = format!("{SECOND}\nlisteners.third.listen = \"127.0.0.1:8083\"");
    shop.install(&manifest(&also(&third)));
    let done = shop.deploy(&shop.release("v2", None)).ok();
    assert!(done.stdout.contains("third is open on 127.0.0.1:8083"), "{done}");
    shop.sandbox.run(["curl", "--silent", "--max-time", "30", "http://127.0.0.1:8083/"]).ok();
    load.finish().assert_clean();

    // An open socket keeps its address.
    let (name, moved) = ("/srv/shop/sockact.toml", also(&SECOND.replace("8082", "8084")));
    shop.sandbox.install_file(name, manifest(&moved), 0o644);
    let refused = shop.sandbox.run(["sockgen", "install", name]).exits(1);
    assert!(refused.stderr.contains("add a listener with a new name"), "{refused}");
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v2".into()));
}

#[test]
fn a_removed_listener_is_closed_after_its_last_user() {
    let shop = Shop::enabled_with(&also(SECOND));
    shop.deploy(&shop.release("v1", None)).ok();
    let before = shop.socket_inode();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let second = ["curl", "--silent", "--max-time", "5", "http://127.0.0.1:8082/"];

    // Its address cannot go on under another name.
    let (name, renamed) = ("/srv/shop/sockact.toml", also(&SECOND.replace("second", "other")));
    shop.sandbox.install_file(name, manifest(&renamed), 0o644);
    let refused = shop.sandbox.run(["sockgen", "install", name]).exits(1);
    assert!(refused.stderr.contains("keep the old name"), "{refused}");

    shop.sandbox.install_file(name, manifest(REST), 0o644);
    let installed = shop.sandbox.run(["sockgen", "install", name]).ok();
    assert!(installed.to_string().contains("shop-second.socket stays open"), "{installed}");
    assert_eq!(shop.sandbox.run(second).ok().stdout, "v1", "the live slot still serves it");
    let plan = shop.sockctl(["plan", "shop", "--restart"]).ok();
    assert!(plan.stdout.contains("close 127.0.0.1:8082 (shop-second.socket)"), "{plan}");

    let restart = shop.sockctl(["restart", "shop"]).ok();
    assert!(restart.stdout.contains("127.0.0.1:8082 is closed"), "{restart}");
    const REFUSED: i32 = 7; // curl(1)
    shop.sandbox.run(second).exits(REFUSED);
    let file = "/etc/systemd/system/shop-second.socket";
    shop.sandbox.run(["test", "-e", file]).exits(1);
    let units = shop.sandbox.run(["systemctl", "list-units", "--all", "shop-second*"]).ok();
    assert!(!units.stdout.contains("shop-second"), "{units}");
    load.finish().assert_clean();
    assert_eq!((shop.one_live_slot(), shop.socket_inode()), ("green".into(), before));
    shop.sockctl(["doctor", "shop"]).ok();
}

/// The standby was started without it, and so does without it: what connects there waits for the next release, as before the rollback.
#[test]
fn a_rollback_to_the_standby_opens_no_listener_that_is_new() {
    let kept = also("").replace("drain", "keep_warm = \"1h\", drain");
    let shop = Shop::enabled_with(&kept);
    shop.deploy(&shop.release("v1", None)).ok();
    shop.deploy(&shop.release("v2", None)).ok();
    shop.install(&manifest(&format!("{SECOND}{kept}")));
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    shop.sockctl(["rollback", "shop"]).ok();
    load.finish().assert_clean();
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));
    shop.deploy("/srv/releases/v2").ok();
    let second = ["curl", "--silent", "--max-time", "30", "http://127.0.0.1:8082/"];
    assert_eq!(shop.sandbox.run(second).ok().stdout, "v2");
}

/// Somebody edits the socket's unit while a deploy is under way: its reload would be the first to read that, and would drop the descriptor.
#[test]
fn no_deploy_reloads_a_port_away() {
    let shop = Shop::enabled_with(REST);
    shop.deploy(&shop.release("v1", None)).ok();
    let before = shop.socket_inode();
    let edit = |what: &str| {
        shop.sandbox.run(["sed", "-i", what, "/etc/systemd/system/shop-http.socket"]).ok();
    };
    let v2 = shop.release("v2", None);
    let paused = shop.paused_after("probe", &["deploy", "shop", &v2]);
    edit("s/8080/9090/");
    let (status, words) = paused.go_on();
    assert_eq!(status, Some(3), "{words}");
    assert!(words.contains("reload would close 127.0.0.1:8080"), "{words}");
    let refused = shop.deploy(&v2).exits(4);
    assert!(refused.stderr.contains("reload would close 127.0.0.1:8080"), "{refused}");
    assert_eq!((shop.one_live_slot(), shop.socket_inode()), ("blue".into(), before));
    edit("s/9090/8080/");
    shop.deploy(&v2).ok();
    assert_eq!((shop.one_live_slot(), shop.socket_inode()), ("green".into(), before));
}
