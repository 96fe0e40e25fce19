//! Deploy after deploy under full load: nobody loses a request, and nobody meets an unproven release.

use std::time::Duration;

use e2e::load::{Generator, Load};
use e2e::sandbox::Output;
use e2e::shop::{SEEN_WITHIN, Shop, URL};
use serde_json::Value;

const DEPLOYS: u32 = 20;

#[track_caller]
fn check(generator: Generator) {
    let shop = Shop::deployed();
    let inode = shop.socket_inode();
    let mut load = Load::new(generator, URL).start(&shop.sandbox);
    let mut proven = Vec::new();
    for n in 2..2 + DEPLOYS {
        let version = format!("v{n}");
        let deploy = shop.deploy(&shop.release(&version, None)).ok();
        proven.push((version.clone(), when(&deploy, "probe")));
        load.await_release(&version, SEEN_WITHIN);
    }
    let report = load.finish();
    println!("{report}");
    report.assert_clean();
    for (version, proven) in &proven {
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
    assert_eq!(shop.socket_inode(), inode);
    shop.one_live_slot();
}

/// When a step was done, by CLOCK_MONOTONIC, from the controller's own report.
#[track_caller]
fn when(deploy: &Output, step: &str) -> Duration {
    let events = deploy.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let micros = events
        .filter(|event| event["event"] == "step" && event["step"] == step)
        .find_map(|event| event["monotonic_us"].as_u64());
    Duration::from_micros(micros.unwrap_or_else(|| panic!("no step {step} in\n{deploy}")))
}

#[test]
fn keep_alive_connections_lose_nothing() {
    check(Generator::KeepAlive);
}

#[test]
fn one_shot_connections_lose_nothing() {
    check(Generator::OneShot);
}
