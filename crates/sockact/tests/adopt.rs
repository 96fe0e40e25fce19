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
    check(&[("file", file.as_fd())], &["tcp:file"], "is a file that is no socket");
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
