//! What systemd is told while a slot serves and drains.

mod support;

use std::time::{Duration, Instant};

use support::{Client, Start, public};

#[test]
fn stopping_asks_for_time_and_the_status_counts_down() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).env("SOCKACT_DRAIN_USEC", 60_000_000).ready();
    let mut client = Client::connect(address);
    client.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    slot.status_becomes(|s| s["in_flight"] == 1);
    slot.term();
    slot.hears("EXTEND_TIMEOUT_USEC=62000000");
    let left = "STATUS=Draining: 1 connections left, 1 requests in flight,";
    slot.hears(&format!("{left} 60 s to the cut"));
    // Which seconds are told depends on when it is woken.
    let mut before = 60;
    for _ in 0..2 {
        before = slot.hears_as("fewer seconds", |line| {
            let rest = line.strip_prefix(left)?.strip_suffix(" s to the cut")?;
            rest.trim().parse().ok().filter(|rest| *rest < before)
        });
    }
    slot.release();
    assert_eq!(client.answer().expect("an answer").body, "held");
}

#[test]
fn the_watchdog_is_pinged_only_while_the_runtime_answers() {
    let (http, address) = public();
    let began = Instant::now();
    let start = Start::new("blue", &http).env("WATCHDOG_USEC", 200_000);
    let mut slot = start.env("TOKIO_WORKER_THREADS", 1).ready();
    slot.hears("WATCHDOG=1");
    let mut client = Client::connect(address);
    assert_eq!(client.get("/hang/1500").body, "hung");
    slot.term();
    let pings = slot.heard().iter().filter(|line| *line == "WATCHDOG=1").count();
    // One at once, one due while it hangs, and one each 100 ms in which it does not.
    let answering = began.elapsed() - Duration::from_millis(1500);
    let most = 2 + answering.as_millis() / 100;
    assert!(pings as u128 <= most, "{pings} pings, {answering:?} beside 1.5 s of a hang");
}
