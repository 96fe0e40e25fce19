//! `sockact::testing` starts real programs; what they tell arrives.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use sockact::Kind;
use sockact::testing::{Activation, TestingError};

const PATIENCE: Duration = Duration::from_secs(20);

fn example(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("path of this program");
    me.ancestors().nth(2).expect("target/<profile>").join("examples").join(name)
}

fn telling(args: &[&str]) -> Activation {
    Activation::new(example("telling")).configure(|c| {
        c.args(args).stdin(Stdio::piped());
    })
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.set_nonblocking(true).expect("nonblocking");
    listener
}

#[test]
fn all_that_is_told_is_heard() {
    let mut service = telling(&["hello", "reloading", "ready", "stopping"])
        .fd("http", listener())
        .start()
        .unwrap();
    service.wait_for("STOPPING=1", PATIENCE).unwrap();
    let heard: Vec<_> = service.heard().iter().map(|l| l.split('=').next().unwrap()).collect();
    assert_eq!(heard, ["STATUS", "RELOADING", "MONOTONIC_USEC", "READY", "STOPPING"]);
    drop(service.child().stdin.take());
    assert!(service.wait(PATIENCE).unwrap().success());
}

#[test]
fn what_is_stored_comes_back_at_the_next_start() {
    let mut service = telling(&["store", "barrier", "ready"]).start().unwrap();
    service.wait_ready(PATIENCE).unwrap();
    let mut stored = service.take_stored();
    let (name, fd): (String, OwnedFd) = stored.remove(0);
    assert_eq!((name.as_str(), Kind::of(&fd).unwrap()), ("null", Kind::Special));
    service.stop(PATIENCE).unwrap();
    let mut service = telling(&["stored", "ready"]).fd(&name, fd).start().unwrap();
    service.wait_ready(PATIENCE).unwrap();
    assert_eq!(service.heard()[0], "STATUS=stored \"null\" (a file or character device)");
}

#[test]
fn the_watchdog_is_that_of_this_process() {
    let with = |pid: Option<&str>| {
        let activation = telling(&["watchdog", "ready"]).configure(|c| {
            c.env("WATCHDOG_USEC", "30000000");
            pid.map(|pid| c.env("WATCHDOG_PID", pid));
        });
        let mut service = activation.start().unwrap();
        service.wait_ready(PATIENCE).unwrap();
        service.heard().join(" ")
    };
    assert_eq!(with(None), "STATUS=watchdog 15s WATCHDOG=1 READY=1");
    assert_eq!(with(Some("1")), "STATUS=no watchdog READY=1");
}

/// As many as nobody passes, each under its own name, colons included.
#[test]
fn many_descriptors() {
    let args: Vec<_> = (0..100).map(|n| format!("tcp:a:{n}")).collect();
    let mut activation = Activation::new(example("adopted"));
    let mut expected = Vec::new();
    for n in 0..100 {
        let listener = listener();
        expected.push(format!("tcp {}", listener.local_addr().unwrap()));
        activation = activation.fd(&format!("a:{n}"), listener);
    }
    let mut service = activation
        .configure(|c| {
            c.args(args).stdout(Stdio::piped());
        })
        .start()
        .unwrap();
    let output = service.child().stdout.take().unwrap();
    let output = std::io::read_to_string(output).unwrap();
    assert!(service.wait(PATIENCE).unwrap().success());
    assert_eq!(output, format!("{}\nremaining []\n", expected.join("\n")));
}

#[test]
fn errors_say_what_was_heard() {
    let mut service = telling(&["hello", "exit"]).start().unwrap();
    let e = service.wait_ready(PATIENCE).unwrap_err();
    assert!(matches!(e, TestingError::Ended { .. }), "{e}");
    let text = e.to_string();
    assert!(text.contains("\"READY=1\"") && text.contains("STATUS=hello"), "{text}");
    let mut service = telling(&["hello"]).start().unwrap();
    let e = service.wait_ready(Duration::from_millis(300)).unwrap_err();
    assert!(matches!(e, TestingError::Late { .. }), "{e}");
    let mut service = Activation::new("/no/such/program").start().unwrap();
    assert!(matches!(service.wait_ready(PATIENCE), Err(TestingError::Ended { .. })));
}

#[test]
fn what_is_configured_wins() {
    let activation = Activation::new(example("adopted")).fd("http", listener());
    let mut service = activation
        .configure(|c| {
            c.arg("tcp:http").env("LISTEN_PID", "1").stderr(Stdio::piped());
        })
        .start()
        .unwrap();
    let text = std::io::read_to_string(service.child().stderr.take().unwrap()).unwrap();
    assert!(text.contains("for process 1 (LISTEN_PID), this is process"), "{text}");
}
