//! `sockgen diff` before each change, and `sockgen remove`: the life of an application on one machine, up to its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use e2e::sandbox::Output;
use e2e::shop::{SWAP, Shop, manifest};
use serde_json::Value;

const MANIFEST: &str = "/srv/shop/sockact.toml";
const ADDRESS: &str = "127.0.0.1:8080";
const HEALTH: &str = "[health]\ninterval = \"50ms\"\n";

/// What stays without `--purge`.
const STATE: [&str; 5] = [
    "/var/lib/sockact/shop",
    "/etc/sockact/secrets/shop",
    "/var/lib/private/sockact-shop",
    "/var/cache/private/sockact-shop",
    "/var/log/private/sockact-shop",
];

/// `sockgen diff` of this manifest.
fn diff(shop: &Shop, manifest: &str, more: &[&str]) -> Output {
    shop.sandbox.install_file(MANIFEST, manifest, 0o644);
    shop.sandbox.run([&["sockgen", "diff", MANIFEST], more].concat())
}

#[track_caller]
fn says(output: &Output, words: &[&str]) {
    for word in words {
        assert!(output.stdout.contains(word), "{word:?} is not in\n{output}");
    }
}

/// All files that are ours, but for the manifest's source and releases.
fn left(shop: &Shop) -> String {
    let find = "find /etc/systemd/system /etc/sockact /run/sockact -name '*shop*' -o -type l -lname '*shop*' 2>/dev/null | sort";
    shop.sandbox.run(["sh", "-c", find]).stdout
}

#[test]
fn what_install_would_do_is_shown_before_and_remove_takes_all_of_it_away() {
    let shop = Shop::machine();
    let sandbox = &shop.sandbox;
    let first = manifest(&format!("{HEALTH}{SWAP}"));
    let fresh = left(&shop);

    let new = diff(&shop, &first, &[]).exits(1);
    says(
        &new,
        &[
            "--- /dev/null\n+++ /etc/systemd/system/shop-http.socket\n",
            "+ListenStream=127.0.0.1:8080\n",
        ],
    );
    says(&new, &["\nNext, after the install:\n  systemctl enable --now shop.target\n"]);
    assert_eq!(left(&shop), fresh, "diff changes nothing");
    shop.install(&first);
    assert_eq!(diff(&shop, &first, &[]).exits(0).stdout, "");
    shop.enable();
    shop.deploy(&shop.release("v1", None)).ok();

    // A slot that changes, a listener that comes, and what an administrator wrote.
    let drop_in = "/etc/systemd/system/shop.service.d/mine.conf";
    sandbox.install_file(drop_in, "[Service]\nRestart=no\nMemoryMax=1G\n", 0o644);
    let more = first.replace(
        "[swap]",
        "[listeners.api]\nlisten = \"127.0.0.1:8081\"\n[environment]\nA = \"b\"\n[swap]",
    );
    let changed = diff(&shop, &more, &[]).exits(1);
    says(&changed, &["+Environment=A=b\n", "+++ /etc/systemd/system/shop-api.socket\n"]);
    says(
        &changed,
        &[
            "  slot blue runs on as it was started",
            "  new listener api (127.0.0.1:8081): opened by the next deploy or restart\n",
        ],
    );
    says(
        &changed,
        &[
            "\nDrop-ins, which stay:\n",
            "shop.service.d/mine.conf: MemoryMax=1G, Restart=no in place of always\n",
        ],
    );
    says(&changed, &["  sockctl restart shop\n"]);
    let refused = diff(&shop, &first.replace(":8080", ":8082"), &[]).exits(2);
    says(&refused, &["-ListenStream=127.0.0.1:8080\n+ListenStream=127.0.0.1:8082\n"]);
    says(
        &refused,
        &[
            "Refused, so that nothing would change:\n  shop-http.socket is open at 127.0.0.1:8080",
            "do this instead: keep it and add a listener",
        ],
    );
    let object: Value =
        serde_json::from_str(&diff(&shop, &more, &["--json"]).exits(1).stdout).expect("JSON");
    assert_eq!(object["files"].as_array().map(Vec::len), Some(5), "{object:#}");
    assert_eq!(object["drop_ins"][0]["settings"][1]["ours"], "always", "{object:#}");
    let installed = sandbox.run(["sockgen", "install", MANIFEST]).ok();
    says(
        &installed,
        &["note: slot blue runs on", "note: new listener api", "note: drop-in, which stays: "],
    );

    removed_under_load(&shop);
    assert_eq!(
        left(&shop),
        format!("{fresh}/etc/systemd/system/shop.service.d\n"),
        "of ours nothing, of others all"
    );
    let known =
        sandbox.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "shop*"]).ok();
    assert_eq!(known.stdout, "", "systemd has forgotten them");
    let unknown = sandbox.run(["sockgen", "remove", "shop"]).exits(1);
    assert!(
        unknown
            .stderr
            .contains("what an earlier removal kept goes with `sockgen remove shop --purge`"),
        "{unknown}"
    );

    // What was kept is there again.
    sandbox.run(["sh", "-c", "printf hunter2 | sockgen secret set shop key"]).ok();
    let storage = "[storage]\ncache = true\nlogs = true\n";
    shop.install(&manifest(&format!("secrets = [\"key\"]\n{HEALTH}{SWAP}{storage}")));
    shop.enable();
    shop.deploy("/srv/releases/v1").ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));
    let dry = sandbox.run(["sockgen", "remove", "shop", "--dry-run"]).ok();
    for path in STATE {
        says(&dry, &[&format!("kept {path}\n")]);
    }
    let purged = sandbox.run(["sockgen", "remove", "shop", "--purge"]).ok();
    for path in STATE {
        says(&purged, &[&format!("deleted {path}\n")]);
    }
    says(&purged, &["kept /etc/systemd/system/shop.service.d/mine.conf"]);
    let find =
        "ls -d /var/lib/sockact/* /etc/sockact/secrets/* /var/*/sockact-* /var/*/private/sockact-*";
    let state = sandbox.run(["sh", "-c", find]);
    assert_eq!(state.stdout, "", "{state}");
}

/// Refused while somebody is at work; then with clients connected, each of whom gets all that it asked for.
fn removed_under_load(shop: &Shop) {
    let sandbox = &shop.sandbox;
    let paused = shop.paused_after("start", &["deploy", "shop", &shop.release("v2", None)]);
    let locked = sandbox.run(["sockgen", "remove", "shop"]).exits(1);
    // The controller has its lock and has written its wish.
    assert!(locked.stderr.contains("is not finished"), "{locked}");
    paused.kill();
    let unfinished = sandbox.run(["sockgen", "remove", "shop"]).exits(1);
    assert!(
        unfinished.stderr.contains("`sockctl resume shop` or `sockctl abort shop` first"),
        "{unfinished}"
    );
    shop.sockctl(["abort", "shop"]).ok();
    let dry = sandbox.run(["sockgen", "remove", "shop", "--dry-run"]).ok();
    says(
        &dry,
        &[
            "would stop shop.target",
            "would delete /etc/systemd/system/shop.service\n",
            "kept /var/lib/sockact/shop\n",
        ],
    );
    shop.one_live_slot();

    let (answered, answers) = channel();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let connection = sandbox.connect(ADDRESS).expect("the port is open");
            let answered = answered.clone();
            thread::spawn(move || client(connection, &answered))
        })
        .collect();
    let mut slow = sandbox.connect(ADDRESS).expect("the port is open");
    slow.write_all(b"GET /slow?ms=1500 HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("a request can be written");
    // Each client has been served, so its connection was accepted.
    for _ in 0..64 {
        answers.recv().expect("a client answers");
    }
    let remove = sandbox.run(["sockgen", "remove", "shop"]).ok();
    says(
        &remove,
        &[
            "deleted /etc/systemd/system/multi-user.target.wants/shop.target\n",
            "deleted /etc/sockact/shop.toml\n",
        ],
    );
    says(&remove, &["kept /var/lib/sockact/shop\n", "mine.conf, which an administrator wrote\n"]);
    for client in clients {
        client.join().expect("no request of a connection that was accepted is lost");
    }
    let mut answer = String::new();
    slow.read_to_string(&mut answer).expect("the answer to what was under way");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    assert!(sandbox.connect(ADDRESS).is_err(), "the port is closed");
}

/// Asks again and again on one connection, until the server says that it closes it.
fn client(connection: TcpStream, answered: &Sender<()>) {
    let mut lines = BufReader::new(connection.try_clone().expect("a descriptor"));
    for n in 0.. {
        (&connection)
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .expect("a request can be written");
        let (mut closes, mut length) = (false, 0);
        loop {
            let mut line = String::new();
            let read = lines.read_line(&mut line).expect("an answer");
            assert!(read > 0, "request {n} has no answer");
            let line = line.trim().to_ascii_lowercase();
            closes |= line == "connection: close";
            length = line
                .strip_prefix("content-length: ")
                .map_or(length, |n| n.parse().expect("a number"));
            if line.is_empty() {
                break;
            }
        }
        lines.read_exact(&mut vec![0; length]).expect("a body");
        // Nobody listens any more when all have been counted.
        let _ = answered.send(());
        if closes {
            return;
        }
    }
}
