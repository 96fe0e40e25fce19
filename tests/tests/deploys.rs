//! Deploy after deploy under full load: nobody loses a request, and nobody meets an unproven release.

use std::time::Duration;

use e2e::load::{Generator, Load, LoadReport};
use e2e::shop::{SEEN_WITHIN, Shop, URL, when};

const DEPLOYS: u32 = 20;

#[track_caller]
fn check(generator: Generator) -> LoadReport {
    let shop = Shop::deployed();
    let inode = shop.socket_inode();
    let mut load = Load::new(generator, URL).start(&shop.sandbox);
    let mut proven = Vec::new();
    for n in 2..2 + DEPLOYS {
        let version = format!("v{n}");
        let deploy = shop.deploy(&shop.release(&version, None)).ok();
        proven.push((version.clone(), when(&deploy, "probe")));
        if generator.tells() {
            load.await_release(&version, SEEN_WITHIN);
        }
    }
    let report = load.finish();
    println!("{report}");
    report.assert_clean();
    // Whatever a slot was asked was answered: also what a client may send again, for it thinks that it was never sent.
    assert_eq!(served(&shop), report.requests, "{report}");
    if generator.tells() {
        check_releases(&report, &proven);
    }
    assert_eq!(shop.socket_inode(), inode);
    shop.one_live_slot();
    report
}

/// Each response is of one of the releases, and none came before its release was proven.
#[track_caller]
fn check_releases(report: &LoadReport, proven: &[(String, Duration)]) {
    for (version, proven) in proven {
        let seen = report.release(version).unwrap_or_else(|| panic!("nobody saw {version}"));
        assert!(
            seen.first >= *proven,
            "{version} answered at {:?}, proven at {proven:?}",
            seen.first
        );
    }
    for version in report.by_release.keys() {
        let ours = version == "v1" || proven.iter().any(|(name, _)| name == version);
        assert!(ours, "a response of no release: {version:?}");
    }
    assert_eq!(report.unsent, 0, "{report}");
}

/// How many requests all slots together had on their public socket, from their own accounts: of those that stopped in
/// the journal, of the live one on its admin socket.
#[track_caller]
fn served(shop: &Shop) -> u64 {
    let units = ["shop-blue.service", "shop-green.service"];
    let journal = units.map(|unit| shop.sandbox.journal(unit)).join("\n");
    let ended = journal.lines().filter_map(stopped).sum::<u64>();
    let status = shop.status();
    let slots = status["slots"].as_array().expect("slots");
    let live = slots.iter().filter_map(|slot| slot["status"]["requests"].as_u64()).sum::<u64>();
    ended + live
}

/// The requests in "drained after 0.3 s: 64 finished, 0 cut, of 64 connections and 20133 requests in all".
fn stopped(line: &str) -> Option<u64> {
    let (words, requests) = line.strip_suffix(" requests in all")?.rsplit_once(' ')?;
    assert!(words.starts_with("drained ") && words.contains(" 0 cut,"), "{line}");
    requests.parse().ok()
}

#[test]
fn keep_alive_connections_lose_nothing() {
    check(Generator::KeepAlive);
}

#[test]
fn one_shot_connections_lose_nothing() {
    check(Generator::OneShot);
}

#[test]
fn http2_connections_lose_nothing() {
    check(Generator::Http2Pool);
}

/// oha does not give what GOAWAY kept it from sending to its next connection: at each deploy at most one request of
/// each of the 64 streams. Nothing that it did send stays unanswered.
#[test]
fn http2_connections_of_another_client_lose_nothing() {
    let report = check(Generator::Http2);
    assert!(report.unsent <= u64::from(64 * DEPLOYS), "{report}");
}
