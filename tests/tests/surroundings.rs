//! A machine on which others have been at work: each time a clear error and nothing changed, or a deploy all the same.

use e2e::shop::Shop;

#[test]
fn somebody_else_listens_on_the_admin_socket_of_a_slot() {
    let shop = Shop::deployed();
    let admin = "/run/sockact/shop/blue.sock";
    // It says all that a slot would say.
    let server = format!(
        r#"import os, socket
os.unlink("{admin}")
s = socket.socket(socket.AF_UNIX)
s.bind("{admin}")
os.chmod("{admin}", 0o777)
os.seteuid(65534)
s.listen()
print("listens", flush=True)
body = b'{{"version":1,"slot":"blue","pid":7,"state":"serving","gate":1.0,"connections":0,"in_flight":0,"accepted":0,"requests":0}}'
while True:
    c, _ = s.accept()
    try:
        c.recv(4096)
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    except OSError:
        pass # It asked nothing.
    c.close()
"#
    );
    shop.sandbox.install_file("/srv/foreign.py", server, 0o644);
    let unit =
        ["systemd-run", "--unit=foreign", "--property=Type=exec", "python3", "/srv/foreign.py"];
    shop.sandbox.run(unit).ok();
    let listens =
        "until journalctl --unit foreign --output=cat | grep -q listens; do sleep 0.05; done";
    shop.sandbox.run(["timeout", "10", "sh", "-c", listens]).ok();
    let answers = ["curl", "--silent", "--fail", "--unix-socket", admin, "http://slot/-/status"];
    assert!(shop.sandbox.run(answers).ok().stdout.contains("\"gate\":1.0"));

    assert!(shop.slot("blue")["status"].is_null(), "{:#}", shop.slot("blue"));
    let restart = shop.sockctl(["restart", "shop"]);
    assert_eq!(shop.get(), "v1", "{restart}");
    assert!(restart.to_string().contains("is a socket of user 65534"), "{restart}");
}

#[test]
fn the_release_of_the_live_slot_is_deleted() {
    let shop = Shop::deployed();
    let live = shop.slot("blue")["release"].as_str().expect("a release").to_owned();
    shop.sandbox.run(["rm", "-r", &format!("/var/lib/sockact/shop/releases/{live}")]).ok();
    assert_eq!(shop.get(), "v1", "what runs goes on");
    let restart = shop.sockctl(["restart", "shop"]).exits(4);
    assert!(restart.stderr.contains(&live), "{restart}");
    // The same content again mends it; another release is as good.
    shop.deploy(&shop.release("v2", None)).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
    let back = shop.sockctl(["rollback", "shop"]).exits(4);
    assert!(back.stderr.contains(&format!("release {live} is not on this machine")), "{back}");
    assert_eq!(shop.one_live_slot(), "green");
}

#[test]
fn the_manifest_is_gone() {
    let shop = Shop::deployed();
    shop.sandbox.run(["mv", "/etc/sockact/shop.toml", "/srv/"]).ok();
    let release = shop.release("v2", None);
    for args in [["deploy", "shop", &release].as_slice(), &["restart", "shop"], &["status", "shop"]]
    {
        let refused = shop.sandbox.run(["sockctl"].iter().chain(args)).exits(1);
        assert!(refused.stderr.contains("sockgen install"), "{refused}");
    }
    shop.sandbox.run(["mv", "/srv/shop.toml", "/etc/sockact/"]).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));
}

#[test]
fn the_clock_jumps_in_the_middle_of_a_deploy() {
    let shop = Shop::deployed();
    // Of the controller alone: the machine's own clock is nobody's toy.
    let jumped = |jump: &str, version: &str| {
        let clock = "/srv/clock";
        shop.sandbox.install_file(clock, "+0", 0o644);
        let release = shop.release(version, None);
        let script = format!(
            "export FAKETIME_TIMESTAMP_FILE={clock} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
             LD_PRELOAD=$(find /usr/lib -name libfaketime.so.1 | head -n 1) sockctl --json deploy shop {release} |
             while read -r line; do
                 echo \"$line\"
                 case $line in *'\"wait\",\"step\":\"probe\"'*|*'\"step\":\"probe\",'*) echo '{jump}' > {clock} ;; esac
             done"
        );
        shop.sandbox.run(["bash", "-o", "pipefail", "-c", &script]).ok()
    };
    for (jump, version) in [("-400d", "before"), ("+400d", "after")] {
        let deploy = jumped(jump, version);
        let clock = shop.sandbox.run(["cat", "/srv/clock"]).ok().stdout;
        assert_eq!(clock.trim(), jump, "the clock has not jumped:\n{deploy}");
        shop.one_live_slot();
        assert_eq!(shop.get(), version);
        let history = shop.sockctl(["history", "shop", "--json"]).ok().stdout;
        let last = history.lines().last().expect("an entry");
        let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
        assert!(last["took_ms"].as_u64().is_some_and(|took| took < 60_000), "{last}");
    }
}
