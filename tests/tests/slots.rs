//! More slots than two, connections that last, and the end of an application.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use e2e::load::{Generator, Load};
use e2e::presets::GO_IN_THREE;
use e2e::shop::{Shop, URL};

/// How long an old release may drain here.
const DRAIN: Duration = Duration::from_secs(6);

const THREE: &str = r#"
slots = ["blue", "green", "amber"]
[health]
interval = "50ms"
[swap]
stable = "100ms"
watch = "100ms"
drain = "6s"
"#;

/// An open WebSocket (RFC 6455).
struct WebSocket(TcpStream);

impl WebSocket {
    fn open(shop: &Shop) -> Self {
        let mut stream = shop.sandbox.connect("127.0.0.1:8080").expect("it listens");
        let limit = Some(Duration::from_secs(30));
        stream.set_read_timeout(limit).expect("a timeout can be set");
        let request = "GET /ws HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("it takes the request");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("it answers");
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Self(stream)
    }

    /// Sends a text and gets it back.
    fn echoes(&mut self) {
        // Final text frame, masked with zeros, as a client must (section 5.3).
        self.0.write_all(b"\x81\x82\0\0\0\0hi").expect("it is open");
        let mut frame = [0; 4];
        self.0.read_exact(&mut frame).expect("it echoes");
        assert_eq!(&frame, b"\x81\x02hi");
    }

    /// The status of the close frame that comes next.
    fn closed(mut self) -> u16 {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("a proper end, no reset");
        assert_eq!(rest.first(), Some(&0x88), "no close frame: {rest:?}");
        u16::from_be_bytes([rest[2], rest[3]])
    }
}

#[test]
fn a_drain_delays_no_deploy_and_ends_with_a_close_frame() {
    let shop = Shop::enabled_with(THREE);
    shop.deploy(&shop.release("v1", None)).ok();
    let mut socket = WebSocket::open(&shop);
    socket.echoes();
    let began = Instant::now();
    shop.deploy(&shop.release("v2", None)).ok();
    assert_eq!(shop.slot("blue")["role"], "draining");
    socket.echoes();
    shop.deploy(&shop.release("v3", None)).ok();
    assert!(began.elapsed() < DRAIN, "the deploys waited for the drain: {:?}", began.elapsed());
    assert_eq!((shop.status()["live"].as_str(), shop.get()), (Some("amber"), "v3".into()));
    socket.echoes();
    assert_eq!(socket.closed(), 1001);
    let took = began.elapsed();
    assert!(took >= DRAIN, "it was closed after {took:?}, before the deadline");
    let gone = "while systemctl is-active --quiet shop-blue.service; do sleep 0.05; done";
    shop.sandbox.run(["timeout", "30", "sh", "-c", gone]).ok();
    assert_eq!(shop.one_live_slot(), "amber");
    shop.sockctl(["rollback", "shop"]).ok();
    assert_eq!(shop.get(), "v2");
}

#[test]
fn the_hook_before_a_drain_runs_for_each_slot_that_goes() {
    let hook =
        r#"["/bin/sh", "-c", "echo goodbye of $SOCKACT_SLOT; test ! -e $STATE_DIRECTORY/no"]"#;
    let shop = Shop::enabled_with(&format!("{THREE}\n[hooks]\npre_stop = {hook}\n"));
    shop.deploy(&shop.release("v1", None)).ok();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let mut socket = WebSocket::open(&shop);
    let plan = shop.sockctl(["plan", "shop", &shop.release("v2", None)]).ok().stdout;
    let at =
        |step: &str| plan.find(&format!("{step} ")).unwrap_or_else(|| panic!("{step}: {plan}"));
    assert!(at("watch") < at("pre-stop") && at("pre-stop") < at("retire"), "{plan}");

    shop.deploy("/srv/releases/v2").ok();
    assert_eq!(shop.slot("blue")["role"], "draining");
    socket.echoes();
    shop.deploy(&shop.release("v3", None)).ok();

    // A failing one leads back, while the first slot still drains.
    shop.sandbox.run(["touch", "/var/lib/private/sockact-shop/no"]).ok();
    let failed = shop.deploy(&shop.release("v4", None)).exits(3);
    assert!(
        failed.stderr.contains("/bin/sh -c") && failed.stderr.contains("exited with status 1"),
        "{failed}"
    );
    assert!(failed.stderr.contains("| goodbye of amber"), "{failed}");
    assert_eq!((shop.status()["live"].as_str(), shop.get()), (Some("amber"), "v3".into()));
    shop.sandbox.run(["rm", "/var/lib/private/sockact-shop/no"]).ok();
    shop.sockctl(["rollback", "shop"]).ok();
    assert_eq!(shop.get(), "v2");
    let journal = shop.sandbox.journal("shop--pre-stop.service");
    let goodbyes: Vec<_> =
        journal.lines().filter_map(|line| line.strip_prefix("goodbye of ")).collect();
    assert_eq!(goodbyes, ["blue", "green", "amber", "amber"], "{journal}");
    load.finish().assert_clean();
}

#[test]
fn three_slots_of_a_server_that_is_asked_at_its_own_addresses() {
    let shop = GO_IN_THREE.enabled();
    let deploy = |version: &str| {
        shop.deploy(&GO_IN_THREE.release(&shop, version, Some(version))).ok();
        assert_eq!(shop.get(), version);
    };
    deploy("v1");
    // Go's Shutdown gives a connection that has said nothing five seconds.
    let held = shop.sandbox.connect("127.0.0.1:8080").expect("it listens");
    deploy("v2");
    assert_eq!(shop.slot("blue")["role"], "draining");
    deploy("v3");
    assert_eq!(shop.status()["live"], "amber");

    // The manifest loses the slot that is live, and then one that does not run.
    let manifest = shop.sandbox.run(["cat", "/etc/sockact/shop.toml"]).ok().stdout;
    let manifest = manifest.replace(", \"amber\"]", "]").replace("amber = ", "# amber = ");
    let name = "/srv/shop/two.toml";
    shop.sandbox.install_file(name, manifest, 0o644);
    let refused = shop.sandbox.run(["sockgen", "install", name]).exits(1);
    assert!(refused.stderr.contains("amber is the live slot"), "{refused}");
    assert!(refused.stderr.contains("`sockctl restart shop`"), "{refused}");
    shop.sandbox.run(["test", "-e", "/etc/systemd/system/shop-amber.service"]).ok();
    drop(held);
    deploy("v4");
    // Not with is-active, which says no of a unit that is on its way, too.
    let gone = "until systemctl show shop-amber.service | grep -qx ActiveState=inactive; do sleep 0.05; done";
    shop.sandbox.run(["timeout", "30", "sh", "-c", gone]).ok();
    let installed = shop.sandbox.run(["sockgen", "install", name]).ok();
    assert!(installed.stdout.contains("note: slot amber does not run"), "{installed}");
    shop.sandbox.run(["test", "-e", "/etc/systemd/system/shop-amber.service"]).exits(1);

    // The address of each slot is its own: the sick one answers for itself alone.
    let sick = GO_IN_THREE.release(&shop, "v5", None);
    let failed = shop.deploy(&sick).exits(3);
    assert!(failed.stderr.contains("no file VERSION"), "{failed}");
    shop.sockctl(["rollback", "shop"]).ok();
    assert_eq!(shop.get(), "v3");
}

#[test]
fn a_stopped_application_has_drained_and_stays_closed() {
    let shop = Shop::deployed();
    let slow = ["--silent", "--max-time", "30", "http://127.0.0.1:8080/slow?ms=1500"];
    let mut request = shop.sandbox.command("curl");
    let mut request = request.args(slow).stdout(Stdio::null()).spawn().expect("nsenter starts");
    let begun = "until sockctl status shop | grep -q '1 requests in flight'; do sleep 0.05; done";
    shop.sandbox.run(["timeout", "30", "sh", "-c", begun]).ok();
    let stop = shop.sockctl(["stop", "shop", "--disable"]).ok();
    assert!(stop.stdout.contains("systemctl enable --now shop.target"), "{stop}");
    assert!(request.wait().expect("curl ends").success(), "what had begun was not answered");
    let refused = shop.sandbox.connect("127.0.0.1:8080").expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    shop.sandbox.run(["systemctl", "is-enabled", "shop.target"]).exits(1);
    for slot in ["blue", "green"] {
        assert_eq!(shop.slot(slot)["active"], "inactive");
    }
    shop.sockctl(["stop", "shop"]).ok();
    shop.enable();
    assert_eq!((shop.get(), shop.one_live_slot()), ("v1".into(), "blue".into()));
}
