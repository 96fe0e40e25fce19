//! The file descriptor store, and connections that systemd accepted itself.

use std::os::unix::net::UnixStream;

use super::machine::{ADDRESS, Client, kill, machine, property, started, unit};

#[test]
fn a_stored_connection_outlives_the_process_that_was_killed() {
    let settings = "FileDescriptorStoreMax=4\nRestart=always\nRestartSec=100ms\n";
    let sandbox = started("lines", settings);
    let mut client = Client::connect(&sandbox);
    let first = client.ask("pid");
    assert_eq!(client.ask("keep session"), "keep");
    assert_eq!(property(&sandbox, "NFileDescriptorStore"), "1");

    kill(&sandbox);
    let second = client.ask("pid");
    assert_ne!(first, second, "the same connection, another process");
    assert_eq!(second, property(&sandbox, "MainPID"));
    let mut other = Client::connect(&sandbox);
    assert_eq!(other.ask("pid"), second, "the listener came beside it");
    let journal = sandbox.journal("keeper.service");
    let adopted = "adopted \"session\" (a TCP socket that does not listen (Accept=yes?))";
    assert!(journal.contains(adopted), "{journal}");
    assert!(other.ask("keep a:b").starts_with("refused: \"a:b\" is no FDNAME="), "no name");

    assert_eq!(client.ask("forget session"), "forget");
    assert_eq!(property(&sandbox, "NFileDescriptorStore"), "0");
    kill(&sandbox);
    assert_eq!(client.hear(), "", "nobody holds the connection any more");
    let mut third = Client::connect(&sandbox);
    assert_ne!(third.ask("pid"), second);
    assert_eq!(sandbox.journal("keeper.service").matches(adopted).count(), 1);
    assert_eq!(property(&sandbox, "NRestarts"), "2");
}

#[test]
fn accepted_connections_are_taken_by_their_kind() {
    let sandbox = machine();
    let socket =
        format!("[Socket]\nListenStream={ADDRESS}\nListenStream=/run/keeper\nAccept=yes\n");
    unit(&sandbox, "keeper.socket", &socket);
    unit(&sandbox, "keeper@.service", "[Service]\nExecStart=/usr/local/bin/keeper connection\n");
    sandbox.run(["systemctl", "daemon-reload"]).ok();
    sandbox.run(["systemctl", "start", "keeper.socket"]).ok();

    let mut pids: Vec<_> = [(); 2]
        .map(|()| Client::connect(&sandbox).hear())
        .into_iter()
        .map(|answer| {
            answer.strip_prefix("TCP ").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
        })
        .collect();
    let unix = UnixStream::connect(sandbox.root().join("run/keeper")).expect("it listens");
    let answer = std::io::read_to_string(unix).expect("an answer");
    pids.push(
        answer.trim().strip_prefix("unix ").unwrap_or_else(|| panic!("{answer:?}")).to_owned(),
    );
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 3, "a process for each connection: {pids:?}");
    let journal = sandbox.journal("keeper@*.service");
    let refused = "listener \"connection\" (descriptor 3) is a unix stream socket that does not listen (Accept=yes?), \
         asked for was a TCP socket that does not listen (Accept=yes?); passed were \"connection\"";
    assert_eq!(journal.matches(refused).count(), 1, "{journal}");
}
