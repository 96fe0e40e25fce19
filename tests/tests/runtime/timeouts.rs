//! The watchdog, and time asked for beyond `TimeoutStartSec=` and `TimeoutStopSec=`.

use super::machine::{Client, await_journal, machine, property, started, try_start};

#[test]
fn a_runtime_that_hangs_is_killed_and_who_waits_is_answered_by_the_next() {
    let settings = "WatchdogSec=5s\nRestart=always\nRestartSec=100ms\nLimitCORE=0\n";
    let sandbox = started("http", settings);
    let ask = |path| {
        let mut client = Client::connect(&sandbox);
        client.get(path);
        client
    };
    let first = ask("/").body();
    // Longer than it may be silent, with nothing to do but this.
    assert_eq!(ask("/slow/8000").body(), first);
    assert_eq!(property(&sandbox, "NRestarts"), "0");

    let _hung = ask("/hang");
    await_journal(&sandbox, "no thread of the runtime is left");
    let second = ask("/").body();
    assert_ne!(second, first);
    assert_eq!(property(&sandbox, "MainPID"), second);
    assert_eq!(property(&sandbox, "NRestarts"), "1");
    let journal = sandbox.journal("keeper.service");
    assert!(journal.contains("Watchdog timeout"), "{journal}");
}

#[test]
fn a_start_takes_longer_than_its_time_out_when_it_asks_for_more() {
    let sandbox = machine();
    let settings = "NonBlocking=yes\nTimeoutStartSec=4s\nTimeoutStopSec=1s\n";
    let start = try_start(&sandbox, "slowly 8000", settings);
    assert!(!start.status.success(), "{start}");
    assert_eq!(property(&sandbox, "Result"), "timeout", "who does not ask is ended");
    try_start(&sandbox, "slowly 8000 extend", &format!("RemainAfterExit=yes\n{settings}")).ok();
    assert_eq!(property(&sandbox, "Result"), "success");
}

/// A request that takes longer than the time-out of a service is under way when that is stopped.
#[track_caller]
fn check_drain(mode: &str, settings: &str, answered: bool, result: &str) {
    let settings =
        format!("TimeoutStopSec=3s\nEnvironment=SOCKACT_DRAIN_USEC=20000000\n{settings}");
    // Until the end of the one that is not answered nobody waits.
    let ms = if answered { 7000 } else { 20_000 };
    let sandbox = started(mode, &settings);
    let (slow, quick) = match mode {
        "http" => (format!("GET /slow/{ms} HTTP/1.0\r\n\r"), "GET / HTTP/1.0\r\n\r"),
        _ => (format!("wait {ms}"), "pid"),
    };
    let mut client = Client::connect(&sandbox);
    client.say(&slow);
    // Whoever came later is answered: so the first has been accepted.
    assert_ne!(Client::connect(&sandbox).ask(quick), "");
    sandbox.run(["systemctl", "stop", "--no-block", "keeper.service"]).ok();
    assert_eq!(!client.hear().is_empty(), answered);
    drop(client);
    // This waits for the end of the one before.
    sandbox.run(["systemctl", "stop", "keeper.service"]).ok();
    assert_eq!(property(&sandbox, "Result"), result);
}

#[test]
fn a_drain_takes_longer_than_its_time_out_for_it_asks_for_more() {
    check_drain("http", "", true, "success");
    check_drain("lines", "", true, "success");
}

/// The same where systemd does not hear it: so it is the request for time that makes the difference.
#[test]
fn a_drain_that_is_not_heard_is_cut_by_the_time_out() {
    check_drain("http", "Type=exec\nNotifyAccess=none\n", false, "timeout");
    check_drain("lines", "Type=exec\nNotifyAccess=none\n", false, "timeout");
}
