//! `sockgen` as a generator of systemd's: manifests alone make the units, at boot and at each reload, and none that breaks
//! takes anything away from what runs.

use std::time::Instant;

use e2e::load::{Generator, Load};
use e2e::shop::{SWAP, Shop, URL, manifest};

const GENERATOR: &str = "/etc/systemd/system-generators/sockact-generator";
const HEALTH: &str = "[health]\ninterval = \"50ms\"\n";

/// The machine with the generator, and no manifest yet.
fn machine() -> Shop {
    let shop = Shop::machine();
    shop.sandbox.run(["mkdir", "-p", "/etc/systemd/system-generators", "/etc/sockact"]).ok();
    shop.sandbox.run(["touch", "/etc/sandbox-kmsg"]).ok();
    shop.sandbox.run(["ln", "-s", "/usr/local/bin/sockgen", GENERATOR]).ok();
    shop
}

fn write(shop: &Shop, name: &str, text: &str) {
    shop.sandbox.install_file(&format!("/etc/sockact/{name}.toml"), text, 0o644);
}

/// A reload, and what the kernel's log has of it.
fn reload(shop: &Shop) -> String {
    let before = kernel_log(shop).len();
    shop.sandbox.run(["systemctl", "daemon-reload"]).ok();
    kernel_log(shop)[before..].to_owned()
}

fn kernel_log(shop: &Shop) -> String {
    let log = shop.sandbox.run(["cat", "/dev/kmsg"]).ok().stdout;
    log.lines()
        .filter(|line| line.contains("sockact-generator["))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn fragment(shop: &Shop, unit: &str) -> String {
    let show = ["systemctl", "show", "--property=FragmentPath", "--value", unit];
    shop.sandbox.run(show).ok().stdout.trim().to_owned()
}

#[test]
fn manifests_become_units_and_one_that_breaks_loses_nothing() {
    let mut shop = machine();
    let good = manifest(&format!("{HEALTH}{SWAP}"));
    write(&shop, "shop", &good);
    // A program that is there already: live with its first boot.
    let release = shop.release("there", None);
    shop.sandbox.run(["cp", "--archive", &release, "/opt/there"]).ok();
    let other = good
        .replace("\"shop\"", "\"other\"")
        .replace("bin/shop", "/opt/there/bin/shop")
        .replace(":8080", ":8081");
    write(&shop, "other", &other);
    write(&shop, "broken", "name = \"broken\"\nexce = \"bin/shop\"\n");

    shop.sandbox.reboot();
    let log = kernel_log(&shop);
    assert!(log.contains("/etc/sockact/broken.toml: ") && log.contains("did you mean"), "{log}");
    assert!(log.lines().all(|line| line.starts_with("<3>") && line.contains("broken")), "{log}");
    for unit in ["shop.target", "shop-http.socket", "other.target", "other-http.socket"] {
        shop.sandbox.run(["systemctl", "is-active", "--quiet", unit]).ok();
    }
    let curl = ["curl", "--silent", "--show-error", "--max-time", "30", "http://127.0.0.1:8081/"];
    assert_eq!(shop.sandbox.run(curl).ok().stdout, "there");
    shop.sandbox.run(["sockctl", "restart", "other"]).ok();
    assert_eq!(shop.sandbox.run(curl).ok().stdout, "there");
    assert_eq!(fragment(&shop, "other.service"), "/run/systemd/generator/other-green.service");

    // Deploys as of any other application: the alias is one that no reload takes away.
    shop.deploy(&shop.release("v1", None)).ok();
    let inode = shop.socket_inode();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    shop.deploy(&shop.release("v2", None)).ok();
    assert_eq!(fragment(&shop, "shop.service"), "/run/systemd/generator/shop-green.service");

    // A bad edit, an edit that would lose the port, and no manifest at all.
    for (text, says) in [
        ("name = \"shop\"\nthis is no TOML", "shop keeps the units of its last good manifest"),
        (&good.replace(":8080", ":8085"), "its address would become 127.0.0.1:8085"),
        (&good.replace(":8080", ":8081"), "is taken by other-http.socket"),
    ] {
        write(&shop, "shop", text);
        let log = reload(&shop);
        assert!(log.contains(says), "{says:?} is not in\n{log}");
        assert!(shop.sandbox.pid1_holds(inode), "{says}");
    }
    shop.sandbox.run(["rm", "/etc/sockact/shop.toml"]).ok();
    let log = reload(&shop);
    assert!(log.contains("it is gone, and the application is open"), "{log}");
    assert!(shop.sandbox.pid1_holds(inode));
    shop.sandbox.run(["systemctl", "daemon-reexec"]).ok();

    // Mended, with a listener that comes and one that goes.
    let more = good.replace("[health]", "[listeners.api]\nlisten = \"127.0.0.1:8082\"\n[health]");
    write(&shop, "shop", &more);
    let log = reload(&shop);
    assert!(log.lines().all(|line| line.contains("broken")), "{log}");
    shop.sockctl(["restart", "shop"]).ok();
    let api = shop.sandbox.listening_inode("127.0.0.1:8082").expect("the new listener is open");
    assert!(shop.sandbox.pid1_holds(api));
    write(&shop, "shop", &good);
    reload(&shop);
    shop.sockctl(["restart", "shop"]).ok();
    assert_eq!(shop.sandbox.listening_inode("127.0.0.1:8082"), None, "it is closed");
    load.finish().assert_clean();
    assert_eq!((shop.socket_inode(), shop.get()), (inode, "v2".into()));
    let live = shop.one_live_slot();

    // What was live is live after a boot.
    shop.sandbox.reboot();
    assert_eq!((shop.get(), shop.one_live_slot()), ("v2".into(), live));

    // Installed, it is systemd's as before, and the generator leaves it alone.
    let inode = shop.socket_inode();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    shop.install(&good);
    assert_eq!(fragment(&shop, "shop-http.socket"), "/etc/systemd/system/shop-http.socket");
    assert!(kernel_log(&shop).contains("shop is installed"), "{}", kernel_log(&shop));
    load.finish().assert_clean();
    assert_eq!(shop.socket_inode(), inode);
    shop.sandbox.run(["sockgen", "remove", "shop"]).ok();
    shop.sandbox.run(["sockgen", "remove", "other", "--purge"]).ok();
    let known = shop
        .sandbox
        .run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "shop*", "other*"])
        .ok();
    assert_eq!(known.stdout, "");
    many(&shop);
}

/// PID 1 waits for it, and kills it after 90 s: a machine with very many applications is not near that.
fn many(shop: &Shop) {
    let make = "mkdir /tmp/units && for n in $(seq 500); do
        printf 'name = \"app-%s\"\\nexec = \"bin/x\"\\n' $n
        for l in 1 2 3 4; do printf 'listeners.l%s.listen = \"/run/app-%s-%s.sock\"\\n' $l $n $l; done
    done | awk '/^name/ { file = \"/etc/sockact/\" substr($3, 2, length($3) - 2) \".toml\" } { print >file; }'";
    shop.sandbox.run(["sh", "-c", make]).ok();
    let began = Instant::now();
    let output = shop.sandbox.run([GENERATOR, "/tmp/units", "/tmp/units", "/tmp/units"]);
    println!("500 applications of 4 listeners: {:?}", began.elapsed());
    let made = shop.sandbox.run(["sh", "-c", "ls /tmp/units/*.socket | wc -l"]).ok().stdout;
    assert_eq!(made.trim(), (500 * 6).to_string(), "{output}");
}
