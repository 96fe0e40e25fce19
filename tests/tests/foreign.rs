//! Servers that know `LISTEN_FDS` and nothing of ours: gunicorn, Node and Go, deployed and rolled back under load. No connection
//! is refused and none waits for ever; what the programs themselves drop when they are told to stop is counted and printed.

use e2e::foreign::{Foreign, GO, GUNICORN, NODE};
use e2e::load::{Generator, Load, LoadReport};
use e2e::shop::{Shop, URL};
use serde_json::Value;

/// Connections on this machine that got no answer to their SYN but a reset, since its boot: `AttemptFails` of
/// `/proc/net/snmp` (RFC 4022, `tcpAttemptFails`).
fn refused(shop: &Shop) -> u64 {
    let snmp = shop.sandbox.run(["cat", "/proc/net/snmp"]).ok().stdout;
    let mut tcp = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (tcp.next().expect("names"), tcp.next().expect("values"));
    let mut columns = names.split(' ').zip(values.split(' '));
    let found = columns.find(|(name, _)| *name == "AttemptFails").expect("AttemptFails");
    found.1.parse().expect("a number")
}

/// The live slot; asserts that it alone runs, and that PID 1 holds the socket.
#[track_caller]
fn one_live_slot(shop: &Shop) -> String {
    let status = shop.status();
    let live = status["live"].as_str().unwrap_or_else(|| panic!("no live slot: {status:#}"));
    for slot in status["slots"].as_array().expect("slots") {
        let expected = if slot["slot"] == live { "active" } else { "inactive" };
        assert_eq!(slot["active"], expected, "{status:#}");
    }
    assert!(status["unfinished"].is_null(), "{status:#}");
    assert!(status["listeners"][0]["inode"].is_u64(), "PID 1 lost the socket: {status:#}");
    live.to_owned()
}

/// What was lost, by the generator's account; nothing hangs, and no answer is wrong.
#[track_caller]
fn account(name: &str, what: &str, report: &LoadReport) -> u64 {
    let errors = &report.errors;
    println!("{name}, {what}: {} of {} requests lost\n{report}", errors.total(), report.requests);
    assert!(report.requests > 0, "no request was answered:\n{report}");
    assert_eq!((errors.timeout, errors.unanswered), (0, 0), "requests hang:\n{report}");
    assert!(errors.status.is_empty() && errors.other.is_empty(), "wrong answers:\n{report}");
    // What dies with a process is at most what its connections had begun.
    assert!(
        errors.total() <= 64 * 2,
        "more than a request of each connection at each stop:\n{report}"
    );
    errors.total()
}

/// The whole story of one server; gives the requests that were lost with keep-alive and with one-shot connections.
fn story(server: &Foreign) -> (u64, u64) {
    let shop = server.enabled();
    shop.deploy(&server.release(&shop, "v1", None)).ok();
    assert_eq!((one_live_slot(&shop), shop.get()), ("blue".into(), "v1".into()));

    let plan = shop.sockctl(["plan", "shop", "--restart"]).ok().stdout;
    assert!(plan.contains("ungated: users meet a release before it is proven"), "{plan}");
    assert!(!plan.contains("hold") && !plan.contains("close"), "{plan}");
    let status: Value = shop.status();
    assert_eq!(status["gated"], false, "{status:#}");

    let (before, inode) = (refused(&shop), shop.socket_inode());
    let v2 = server.release(&shop, "v2", None);
    let [keep_alive, one_shot] = [Generator::KeepAlive, Generator::OneShot].map(|generator| {
        let load = Load::new(generator, URL).start(&shop.sandbox);
        shop.deploy(&v2).ok();
        shop.sockctl(["rollback", "shop"]).ok();
        let report = load.finish();
        assert!(report.release("v1").is_some() && report.release("v2").is_some(), "{report}");
        assert_eq!(shop.get(), "v1");
        account(server.name, &format!("deploy and rollback, {generator}"), &report)
    });

    // Sick by its own account: users meet it until that is known, and it is withdrawn.
    let sick = server.release(&shop, "v3", Some("out of order"));
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let deploy = shop.deploy(&sick).exits(3);
    assert!(deploy.stderr.contains("is unhealthy"), "{deploy}");
    assert!(deploy.stderr.contains("out of order") || server.name == "gunicorn", "{deploy}");
    let report = load.finish();
    let met = report.release("v3").map_or(0, |seen| seen.count);
    println!("{}: {met} of {} requests met the sick release", server.name, report.requests);
    account(server.name, "a sick release", &report);
    assert_eq!((one_live_slot(&shop), shop.get()), ("blue".into(), "v1".into()));

    assert_eq!(refused(&shop), before, "connections were refused");
    assert_eq!(shop.socket_inode(), inode);
    (keep_alive, one_shot)
}

#[test]
fn go() {
    let (_, one_shot) = story(&GO);
    assert_eq!(one_shot, 0);
}

#[test]
fn node() {
    let (_, one_shot) = story(&NODE);
    assert_eq!(one_shot, 0);
}

#[test]
fn gunicorn() {
    // Its threaded worker closes connections that it has accepted, one-shot ones too: nothing of ours can help those.
    story(&GUNICORN);
}
