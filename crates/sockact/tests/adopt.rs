//! Adoption with real descriptors in a real child: `examples/adopted` says what it got.

mod support;

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::process::Command;

use support::{activated, example, public};

/// Runs `examples/adopted ARGS` with these descriptors and returns what it printed.
fn run(fds: &[(&str, BorrowedFd<'_>)], args: &[&str], change: impl Fn(&mut Command)) -> String {
    let (mut command, _kept) = activated(&example("adopted"), fds);
    command.args(args);
    change(&mut command);
    let output = command.output().expect("bash starts");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).expect("text")
}

#[track_caller]
fn check(fds: &[(&str, BorrowedFd<'_>)], args: &[&str], expected: &str) {
    let got = run(fds, args, |_| {});
    assert!(got.contains(expected), "{args:?}: expected {expected:?}, got {got:?}");
}

fn unix() -> (UnixListener, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("tempdir");
    let listener = UnixListener::bind(dir.path().join("s")).expect("bind");
    listener.set_nonblocking(true).expect("nonblocking");
    (listener, dir)
}

#[test]
fn hands_out_by_name_whatever_the_order() {
    let (http, address) = public();
    let (api, _dir) = unix();
    for fds in [
        [("http", http.as_fd()), ("api", api.as_fd())],
        [("api", api.as_fd()), ("http", http.as_fd())],
    ] {
        check(&fds, &["tcp:http", "unix:api"], &format!("tcp {address}"));
        check(&fds, &["tcp:http", "unix:api"], "unix ");
        check(&fds, &["unix:api"], "remaining [\"http\"]");
        check(&fds, &["tcp_or:http"], &format!("tcp {address}"));
        check(&fds, &["cloexec"], "cloexec true");
        check(&fds, &["twice"], "adopted before");
        check(&fds, &["env"], "LISTEN_FDS=2");
    }
}

#[test]
fn names_that_do_not_fit_are_errors_that_name_everything() {
    let (http, _) = public();
    let udp = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let fds = [("http", http.as_fd()), ("dns", udp.as_fd())];
    check(
        &fds,
        &["tcp:https"],
        "no listener \"https\": passed were \"http\" (a TCP listener), \"dns\" (a UDP socket)",
    );
    check(&fds, &["tcp_or:https"], "no listener \"https\"");
    check(
        &fds,
        &["unix:http"],
        "listener \"http\" (descriptor 3) is a TCP listener, asked for was a unix listener",
    );
    check(
        &fds,
        &["tcp:dns"],
        "listener \"dns\" (descriptor 4) is a UDP socket, asked for was a TCP listener",
    );
    check(&fds, &["tcp:http", "tcp:http"], "\"http\" was taken before");
}

#[test]
fn several_under_one_name() {
    let ((one, a), (two, b)) = (public(), public());
    let fds = [("http", one.as_fd()), ("http", two.as_fd())];
    check(&fds, &["tcp_all:http"], &format!("tcp {a}\ntcp {b}\n"));
    check(&fds, &["tcp:http"], "tcp_all(\"http\")");
}

#[test]
fn what_must_not_be_adopted_is_refused() {
    let blocking = TcpListener::bind("127.0.0.1:0").expect("bind");
    check(&[("http", blocking.as_fd())], &[], "set NonBlocking=yes");
    let (http, _) = public();
    let fds = [("http", http.as_fd())];
    check(&[("sockact-admin", http.as_fd())], &[], "named \"sockact-admin\" but is a TCP listener");
    let got = run(&fds, &["tcp:http"], |c| {
        c.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "http:api");
    });
    assert!(
        got.contains("descriptor 4 (\"api\") was promised by LISTEN_FDS but is not open"),
        "{got}"
    );
    let file = std::fs::File::open("/dev/null").expect("open");
    check(&[("file", file.as_fd())], &["tcp:file"], "is a file or character device");
}

#[test]
fn the_admin_socket_is_not_handed_out() {
    let (http, _) = public();
    let (admin, _dir) = unix();
    let fds = [("sockact-admin", admin.as_fd()), ("http", http.as_fd())];
    check(&fds, &["tcp:http"], "remaining []");
    check(&fds, &["unix:sockact-admin"], "no listener \"sockact-admin\": passed were \"http\"");
}

/// Runs `examples/adopted` without any descriptor.
fn by_hand(args: &[&str], env: &[(&str, &str)]) -> String {
    let mut command = Command::new(example("adopted"));
    let output = command.args(args).envs(env.iter().copied()).output().expect("start");
    String::from_utf8([output.stdout, output.stderr].concat()).expect("text")
}

#[test]
fn by_hand_it_binds_only_where_the_code_says_so() {
    assert!(by_hand(&["tcp_or:http"], &[]).contains("tcp 127.0.0.1:"));
    assert!(by_hand(&["tcp:http"], &[]).contains("started without socket activation"));
}

#[test]
fn descriptors_for_another_process_are_refused() {
    let got = by_hand(&["tcp_or:http"], &[("LISTEN_FDS", "1"), ("LISTEN_PID", "1")]);
    assert!(got.contains("for process 1 (LISTEN_PID), this is process"), "{got}");
    let got = by_hand(&["tcp_or:http"], &[("LISTEN_FDS", "1")]);
    assert!(got.contains("LISTEN_PID is not"), "{got}");
}

/// A program written with the listenfd crate gets the same sockets from the same start.
#[test]
fn listenfd_takes_the_same_descriptors() {
    let (http, address) = public();
    let (api, _dir) = unix();
    let fds = [("http", http.as_fd()), ("api", api.as_fd())];
    let listenfd = run(&fds, &["listenfd"], |_| {});
    let ours = run(&fds, &["tcp:http", "unix:api"], |_| {});
    assert!(listenfd.contains(&format!("tcp {address}\nunix ")), "{listenfd}");
    assert!(ours.starts_with(&listenfd), "listenfd: {listenfd}\nsockact: {ours}");
}

/// One descriptor of every kind that systemd.socket(5) can make here, all in one child.
#[test]
fn every_kind_by_name() {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
    let new = |family, kind| socket_with(family, kind, SocketFlags::CLOEXEC, None).expect("socket");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let datagram = std::os::unix::net::UnixDatagram::unbound().expect("datagram");
    let seqpacket = new(AddressFamily::UNIX, SocketType::SEQPACKET);
    bind(&seqpacket, &rustix::net::SocketAddrUnix::new_unnamed()).expect("bind");
    listen(&seqpacket, 1).expect("listen");
    rustix::io::ioctl_fionbio(&seqpacket, true).expect("nonblocking");
    let netlink = new(AddressFamily::NETLINK, SocketType::RAW);
    let (fifo, _write) = rustix::pipe::pipe().expect("pipe");
    let special = std::fs::File::open("/dev/null").expect("open");
    let queue = queue();
    let fds = [
        ("dns", udp.as_fd()),
        ("log", datagram.as_fd()),
        ("packets", seqpacket.as_fd()),
        ("events", netlink.as_fd()),
        ("pipe", fifo.as_fd()),
        ("null", special.as_fd()),
        ("queue", queue.as_fd()),
        ("stored", special.as_fd()),
        ("stored", udp.as_fd()),
    ];
    let takes = [
        "udp:dns",
        "datagram:log",
        "seqpacket:packets",
        "netlink:events",
        "fifo:pipe",
        "special:null",
        "queue:queue",
        "any:stored",
        "any:absent",
    ];
    let got = run(&fds, &takes, |_| {});
    let expected =
        "any \"stored\" (a file or character device)\nany \"stored\" (a UDP socket)\nremaining []";
    assert!(got.contains(expected), "{got}");
    // Each is refused as each of the others, by name, number and kind.
    for (number, take) in takes.iter().take(7).enumerate() {
        let (_, own) = take.split_once(':').expect("kind:name");
        for other in takes.iter().take(7).filter(|t| t != &take) {
            let (kind, _) = other.split_once(':').expect("kind:name");
            let got = run(&fds, &[&format!("{kind}:{own}")], |_| {});
            let start = format!("listener {own:?} (descriptor {}) is a ", number + 3);
            assert!(got.starts_with(&start), "{kind}:{own}: {got}");
        }
    }
}

fn queue() -> nix::mqueue::MqdT {
    use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_unlink};
    let name = format!("/sockact-adopt-{}", std::process::id());
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDONLY;
    let mode = nix::sys::stat::Mode::S_IRUSR;
    let attributes = MqAttr::new(0, 1, 16, 0);
    let queue = mq_open(name.as_str(), flags, mode, Some(&attributes)).expect("queue");
    mq_unlink(name.as_str()).expect("unlink");
    queue
}

#[test]
fn by_index() {
    let ((one, a), (two, b)) = (public(), public());
    let udp = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let fds = [("a", one.as_fd()), ("b", two.as_fd()), ("c", udp.as_fd())];
    check(&fds, &["at:1", "at:0"], &format!("tcp {b}\ntcp {a}\n"));
    check(&fds, &["tcp:a", "at:1"], &format!("tcp {b}\n"));
    check(&fds, &["tcp:a", "at:0"], "\"a\" was taken before");
    check(&fds, &["at:3"], "no descriptor at index 3: 3 were passed");
    check(&fds, &["at:2"], "is a UDP socket, asked for was a TCP listener");
}

#[test]
fn leftovers_are_reported() {
    let ((one, _), (two, _)) = (public(), public());
    let fds = [("a", one.as_fd()), ("b", two.as_fd())];
    check(&fds, &["tcp:a"], "passed but never taken: \"b\" (a TCP listener)");
}

/// A child of an activated process has neither the descriptors, taken or not, nor the variables.
#[test]
fn children_are_clean() {
    let ((one, _), (two, _)) = (public(), public());
    let fds = [("a", one.as_fd()), ("b", two.as_fd())];
    let got = run(&fds, &["tcp:a", "child"], |c| {
        c.env("NOTIFY_SOCKET", "/nowhere").env("WATCHDOG_USEC", "1");
    });
    for inode in [&one, &two].map(|l| rustix::fs::fstat(l).expect("fstat").st_ino) {
        assert!(got.contains("child ") && !got.contains(&format!("socket:[{inode}]")), "{got}");
    }
    for variable in ["LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_"] {
        assert!(!got.contains(variable), "{variable} in {got}");
    }
}

#[test]
fn a_blocking_listener_is_taken_only_where_the_code_says_so() {
    let blocking = TcpListener::bind("127.0.0.1:0").expect("bind");
    let fds = [("http", blocking.as_fd())];
    check(&fds, &["tcp:http"], "set NonBlocking=yes");
    check(&fds, &["blocking", "tcp:http"], "tcp 127.0.0.1:");
    let flags = rustix::fs::fcntl_getfl(&blocking).expect("flags");
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "the shared flag was changed");
}

/// `LISTEN_PIDFDID`, systemd 259: the inode of a pidfd.
#[test]
fn the_pidfd_id() {
    let (http, address) = public();
    let fds = [("http", http.as_fd())];
    let got = run(&fds, &["tcp:http"], |c| {
        c.env("LISTEN_PIDFDID", "1");
    });
    assert!(got.contains("an earlier process with this process id (LISTEN_PIDFDID=1"), "{got}");
    let own = got.rsplit("has ").next().and_then(|t| t.split(')').next()).expect("own id");
    assert!(own.parse::<u64>().expect("a number") > 1, "{got}");
    check(&fds, &["tcp:http"], &format!("tcp {address}"));
    check(&fds, &["pidfdid", "tcp:http"], &format!("tcp {address}"));
}
