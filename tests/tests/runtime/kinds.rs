//! Everything that a `.socket` unit of systemd.socket(5) can make, adopted by name and kind.

use std::io::{self, Write as _};

use e2e::Sandbox;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};

use super::machine::{Client, machine, unit};

/// Name, settings of the socket unit, the kind asked for, how many, and how the kind is told.
type Case = (&'static str, &'static str, &'static str, u8, &'static str);

const CASES: [Case; 15] = [
    ("tcp4", "ListenStream=127.0.0.1:7101", "TcpListener", 1, "TCP listener"),
    ("tcp6", "ListenStream=[::1]:7102", "TcpListener", 1, "TCP listener"),
    ("dual", "ListenStream=7103\nBindIPv6Only=both", "TcpListener", 1, "TCP listener"),
    (
        "pair",
        "ListenStream=0.0.0.0:7104\nListenStream=[::]:7104\nBindIPv6Only=ipv6-only",
        "TcpListener",
        2,
        "TCP listener",
    ),
    ("unix", "ListenStream=/run/kinds/unix", "UnixListener", 1, "unix listener"),
    ("abstract", "ListenStream=@kinds", "UnixListener", 1, "unix listener"),
    ("udp4", "ListenDatagram=127.0.0.1:7105", "Udp", 1, "UDP socket"),
    ("udp6", "ListenDatagram=[::1]:7105", "Udp", 1, "UDP socket"),
    ("datagram", "ListenDatagram=/run/kinds/datagram", "UnixDatagram", 1, "unix datagram socket"),
    (
        "packets",
        "ListenSequentialPacket=/run/kinds/packets",
        "UnixSeqpacketListener",
        1,
        "unix seqpacket listener",
    ),
    ("fifo", "ListenFIFO=/run/kinds/fifo", "Fifo", 1, "FIFO"),
    ("device", "ListenSpecial=/dev/random", "Special", 1, "file or character device"),
    ("file", "ListenSpecial=/proc/1/mountinfo", "Special", 1, "file or character device"),
    ("uevents", "ListenNetlink=kobject-uevent 1", "Netlink", 1, "netlink socket"),
    ("queue", "ListenMessageQueue=/kinds", "MessageQueue", 1, "POSIX message queue"),
];

/// Starts one service with all these sockets; gives its journal.
fn adopt(sandbox: &Sandbox, cases: &[Case]) -> String {
    let (mut args, mut sockets) = (String::new(), String::new());
    for (name, settings, kind, ..) in cases {
        let socket =
            format!("[Socket]\n{settings}\nFileDescriptorName={name}\nService=kinds.service\n");
        unit(sandbox, &format!("kinds-{name}.socket"), &socket);
        args += &format!(" {name}={kind}");
        sockets += &format!("Sockets=kinds-{name}.socket\n");
    }
    let service = format!(
        "[Service]\nType=notify\nNonBlocking=yes\nExecStart=/usr/local/bin/keeper kinds{args}\n{sockets}"
    );
    unit(sandbox, "kinds.service", &service);
    sandbox.run(["systemctl", "daemon-reload"]).ok();
    let start = sandbox.run(["systemctl", "start", "kinds.service"]);
    let journal = sandbox.journal("kinds.service");
    let sockets = sandbox.journal("kinds-*.socket");
    assert!(start.status.success(), "{start}\n{sockets}\n{journal}");
    journal
}

/// Each was taken as what it is, and before that refused as what it is not, with all that helps.
#[track_caller]
fn check(journal: &str, cases: &[Case]) {
    for (name, _, kind, count, told) in cases {
        let adopted = format!("adopted: {count} x {name}, a {told}");
        assert!(journal.lines().any(|line| line == adopted), "no {adopted:?} in\n{journal}");
        let asked = if *kind == "Udp" { "TCP listener" } else { "UDP socket" };
        let refused = journal.lines().find_map(|line| {
            let rest = line.strip_prefix(&format!("refused: listener {name:?} (descriptor "))?;
            rest.split_once(") ")?
                .1
                .strip_prefix(&format!("is a {told}, asked for was a {asked}; "))
        });
        let names = refused.unwrap_or_else(|| panic!("no refusal of {name} in\n{journal}"));
        assert!(names.contains(&format!("{name:?} (a {told})")), "{name}: {names}");
    }
}

#[test]
fn every_kind_of_socket_unit() {
    let sandbox = machine();
    let journal = adopt(&sandbox, &CASES);
    check(&journal, &CASES);
    // They are what systemd listens on: over both families, where both were meant.
    for (address, name) in [
        ("127.0.0.1:7101", "tcp4"),
        ("[::1]:7102", "tcp6"),
        ("127.0.0.1:7103", "dual"),
        ("[::1]:7103", "dual"),
        ("127.0.0.1:7104", "pair"),
        ("[::1]:7104", "pair"),
    ] {
        assert_eq!(Client::to(&sandbox, address).hear(), name, "{address}");
    }
    for address in ["[::1]:7101", "127.0.0.1:7102"] {
        assert!(sandbox.connect(address).is_err(), "nobody asked for {address}");
    }
}

const VSOCK: [Case; 1] =
    [("vsock", "ListenStream=vsock::7106", "VsockListener", 1, "vsock listener")];

/// A kernel without vsock(7) is one on which systemd cannot make the socket either: that is then what is asserted.
#[test]
fn vsock_where_the_kernel_has_it() {
    let sandbox = machine();
    match socket(AddressFamily::VSOCK, SocketType::STREAM, None) {
        Ok(_) => check(&adopt(&sandbox, &VSOCK), &VSOCK),
        Err(Errno::AFNOSUPPORT) => {
            // Not with eprintln, of which the test harness shows nothing before a test has failed.
            let _ = writeln!(
                io::stderr(),
                "SKIPPED: the adoption of a vsock: this kernel has no AF_VSOCK"
            );
            unit(&sandbox, "kinds-vsock.socket", &format!("[Socket]\n{}\n", VSOCK[0].1));
            unit(&sandbox, "kinds-vsock.service", "[Service]\nExecStart=true\n");
            let start = sandbox.run(["systemctl", "start", "kinds-vsock.socket"]);
            let journal = sandbox.journal("kinds-vsock.socket");
            assert!(!start.status.success(), "{start}");
            assert!(journal.contains("Address family not supported"), "{journal}");
        }
        Err(e) => panic!("socket(AF_VSOCK): {e}"),
    }
}
