//! For each failing of another crate: theirs fails so, ours does not. Real descriptors in a real
//! child, passed as systemd passes them (`sd_listen_fds(3)`).

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::process::Command;

/// How the probe is started.
struct Passed<'a> {
    fds: Vec<BorrowedFd<'a>>,
    names: &'a str,
    pid: bool,
}

fn passed<'a>(fds: &[&'a dyn Descriptor], names: &'a str) -> Passed<'a> {
    Passed { fds: fds.iter().map(|fd| fd.borrow()).collect(), names, pid: true }
}

/// `AsFd` for a list of several kinds.
trait Descriptor {
    fn borrow(&self) -> BorrowedFd<'_>;
}

impl<T: AsFd> Descriptor for T {
    fn borrow(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Passed<'_> {
    /// Starts `probe WORDS…` with the descriptors from 3 on and returns what it printed. bash puts
    /// them there, and `exec` keeps its process id.
    fn probe(&self, words: &str) -> String {
        let mut script = String::new();
        let mut kept = Vec::new();
        for (nth, fd) in self.fds.iter().enumerate() {
            let high = rustix::io::fcntl_dupfd_cloexec(fd, 100).expect("dup");
            rustix::io::fcntl_setfd(&high, rustix::io::FdFlags::empty()).expect("inheritable");
            let number = high.as_raw_fd();
            script += &format!("exec {}<&{number} {number}<&-; ", nth + 3);
            kept.push(high);
        }
        if self.pid {
            script += "export LISTEN_PID=$$; ";
        }
        script += "exec \"$0\" \"$@\"";
        let mut command = Command::new("bash");
        command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_rivals")).args(words.split(' '));
        command.env("LISTEN_FDS", self.fds.len().to_string()).env_remove("LISTEN_PID");
        let output = command.env("LISTEN_FDNAMES", self.names).output().expect("bash starts");
        let error = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        assert!(output.status.success(), "{words}: {}: {error}{text}", output.status);
        text
    }

    #[track_caller]
    fn check(&self, words: &str, expected: &str) {
        let got = self.probe(words);
        assert!(got.contains(expected), "{words}: {got:?}, expected {expected:?}");
    }
}

fn tcp() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.set_nonblocking(true).expect("nonblocking");
    listener
}

fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.set_nonblocking(true).expect("nonblocking");
    socket
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(false).expect("blocking");
    listener.accept().expect("accept").0
}

#[test]
fn a_udp_socket_is_no_tcp_listener() {
    let socket = udp();
    // It is readable, so that an accept has something to fail on.
    socket.send_to(b"x", socket.local_addr().expect("address")).expect("send");
    let passed = passed(&[&socket], "dns");
    passed.check("systemd_socket dns", "a TcpListener that cannot accept");
    passed.check("tokio-listener dns", "a TcpListener that cannot accept");
    passed.check("sockact tcp dns", "error: listener \"dns\" (descriptor 3) is a UDP socket");
}

#[test]
fn an_accepted_connection_is_no_listener() {
    let listener = tcp();
    let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    client.set_nonblocking(true).expect("nonblocking");
    let mut server = accept(&listener);
    std::io::Write::write_all(&mut server, b"x").expect("send");
    let passed = passed(&[&client], "http");
    passed.check("listenfd", "a TcpListener that cannot accept");
    passed.check("systemd_socket http", "a TcpListener that cannot accept");
    passed.check("tokio-listener http", "a TcpListener that cannot accept");
    passed.check("sockact tcp http", "error: listener \"http\" (descriptor 3) is a");
}

#[test]
fn without_listen_pid_the_descriptors_may_be_another_process_s() {
    let listener = tcp();
    let passed = Passed { pid: false, ..passed(&[&listener], "http") };
    passed.check("listenfd", "a listener");
    passed.check("listen-fds", "1 descriptors");
    passed.check("sockact tcp http", "error: LISTEN_FDS is set but LISTEN_PID is not");
}

#[test]
fn two_listeners_with_one_name_are_both_there() {
    let (one, other) = (tcp(), tcp());
    let passed = passed(&[&one, &other], "http:http");
    passed.check("systemd_socket http", "descriptor 3 is closed");
    passed.check("sockact tcp_all http", "2 listeners");
    passed.check("sockact tcp http", "error: 2 listeners are named \"http\"");
}

#[test]
fn one_descriptor_has_one_owner() {
    let listener = tcp();
    let passed = passed(&[&listener], "http");
    passed.check("sd-listen-fds", "two owners of one descriptor: true");
    passed.check("sockact twice", "false");
}

#[test]
fn two_descriptors_are_not_too_many() {
    let (one, other) = (tcp(), tcp());
    let passed = passed(&[&one, &other], "http:https");
    passed.check("listen-fds", "error: LISTEN_FDS contains out of range");
    passed.check("sockact names", "http https");
}

#[test]
fn too_few_names_lose_no_descriptor() {
    let (one, other) = (tcp(), tcp());
    let passed = passed(&[&one, &other], "http");
    // One of the two has vanished, and nobody is told.
    assert_eq!(passed.probe("libsystemd"), "http");
    let ours = passed.probe("sockact names");
    assert!(ours.starts_with("error: ") || ours.split(' ').count() == 2, "{ours}");
}

#[test]
fn an_error_keeps_its_cause() {
    let listener = tcp();
    let passed = Passed { names: "http:x", fds: vec![listener.as_fd()], pid: true };
    let ours = passed.probe("sockact names");
    assert!(ours.contains("LISTEN_FDNAMES has 2 names") || !ours.contains("error"), "{ours}");
    let garbled = Command::new(env!("CARGO_BIN_EXE_rivals"))
        .arg("libsystemd")
        .env("LISTEN_PID", "seven")
        .env("LISTEN_FDS", "1")
        .output()
        .expect("starts");
    let text = String::from_utf8_lossy(&garbled.stdout).into_owned();
    assert!(text.contains("error: ") && !text.contains("with source"), "{text}");
}

/// What the service manager at this address gets when the probe says `text` as its status.
fn told(words: &[&str], address: &str, socket: &UnixDatagram) -> Option<String> {
    let mut probe = Command::new(env!("CARGO_BIN_EXE_rivals"));
    assert!(probe.args(words).env("NOTIFY_SOCKET", address).status().expect("starts").success());
    socket.set_nonblocking(true).expect("nonblocking");
    let mut buf = [0; 100];
    let n = socket.recv(&mut buf).ok()?;
    Some(String::from_utf8_lossy(&buf[..n]).into_owned())
}

#[test]
fn a_status_is_one_line() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("bind");
    let path = path.to_str().expect("text");
    let assigns = |said: String| said.lines().any(|line| line == "MAINPID=1");
    let text = "fine\nMAINPID=1";
    assert!(assigns(told(&["sd-notify", text], path, &socket).expect("a message")));
    assert!(!assigns(told(&["sockact", "status", text], path, &socket).expect("a message")));
}

#[test]
fn the_notify_socket_may_be_abstract() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("sockact-rivals-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("address");
    let socket = UnixDatagram::bind_addr(&address).expect("bind");
    let address = format!("@{name}");
    assert_eq!(told(&["sd-notify", "fine"], &address, &socket), None);
    let ours = told(&["sockact", "status", "fine"], &address, &socket).expect("a message");
    assert!(ours.contains("STATUS=fine"), "{ours}");
}
