//! What the library tells systemd, as `systemctl show` has it at once: the program answers when its barrier is through.

use super::machine::{Client, machine, property, started, try_start, version};

#[test]
fn status_errno_and_main_pid_are_seen_when_the_barrier_is_through() {
    let sandbox = started("lines", "NotifyAccess=main\n");
    let mut client = Client::connect(&sandbox);
    for n in 0..5 {
        assert_eq!(client.ask(&format!("status {n} clients")), "status");
        assert_eq!(property(&sandbox, "StatusText"), format!("{n} clients"));
    }
    assert_eq!(client.ask("errno 28"), "errno");
    assert_eq!(property(&sandbox, "StatusErrno"), "28");

    let first = property(&sandbox, "MainPID");
    let child = client.ask("main");
    assert_ne!(child, first);
    assert_eq!(property(&sandbox, "MainPID"), child);
    // With NotifyAccess=main the first is now nobody that systemd listens to; its barrier it lets through.
    assert_eq!(client.ask("status of the first"), "status");
    assert_eq!(property(&sandbox, "StatusText"), "4 clients");
    assert_eq!(client.ask("pid"), first);
}

/// The reload of `Type=notify-reload` where systemd knows it, which is since 253; else the same messages by hand.
#[test]
fn a_reload_lasts_until_the_service_is_ready_again() {
    let sandbox = machine();
    let settings = match version(&sandbox) {
        253.. => "Type=notify-reload\nNonBlocking=yes\n",
        _ => "ExecReload=kill -HUP $MAINPID\nNonBlocking=yes\n",
    };
    try_start(&sandbox, "lines", settings).ok();
    let mut client = Client::connect(&sandbox);
    for _ in 0..2 {
        client.say("await-reload");
        sandbox.run(["systemctl", "reload", "--no-block", "keeper.service"]).ok();
        assert_eq!(client.hear(), "await-reload");
        assert_eq!(property(&sandbox, "ActiveState"), "reloading");
        assert_eq!(client.ask("reloaded"), "reloaded");
        assert_eq!(property(&sandbox, "ActiveState"), "active");
        assert_eq!(property(&sandbox, "StatusText"), "reloaded");
    }
    assert_eq!(property(&sandbox, "NRestarts"), "0");
}

#[test]
fn without_non_blocking_the_service_fails_and_says_why() {
    let sandbox = machine();
    let start = try_start(&sandbox, "lines", "");
    assert!(!start.status.success(), "{start}");
    assert_eq!(property(&sandbox, "ActiveState"), "failed");
    assert_eq!(property(&sandbox, "Result"), "exit-code");
    let journal = sandbox.journal("keeper.service");
    let why = "descriptor 3 (\"lines\", a TCP listener) is blocking: set NonBlocking=yes in this service's unit";
    assert!(journal.contains(why), "{journal}");
    // Threads may have it so, when the code says so.
    try_start(&sandbox, "blocking-lines", "").ok();
    assert_eq!(Client::connect(&sandbox).ask("pid"), property(&sandbox, "MainPID"));
}
