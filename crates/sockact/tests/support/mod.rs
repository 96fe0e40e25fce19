//! Real slots in real processes: spawns `examples/slot` with descriptors from 3 on, as systemd does.
#![allow(dead_code, reason = "each test binary uses a part of this")]

#[cfg(feature = "axum")]
pub(crate) mod load;
#[cfg(feature = "axum")]
pub(crate) mod servers;
#[cfg(feature = "axum")]
pub(crate) mod switches;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// Longer than anything here takes; printed when it passes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The path of an example of this package, built by `cargo test` along with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("path of this program");
    let profile = me.ancestors().nth(2).expect("target/<profile>/<deps|examples>/<program>");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: cargo build -p sockact --all-features --examples",
        path.display()
    );
    path
}

/// A command that starts `program` with `fds` as descriptors 3, 4, … and LISTEN_PID its own.
///
/// bash puts the descriptors in place and `exec` keeps its process id, so nothing unsafe is needed
/// here. The originals are inherited under their own, high numbers for that.
pub(crate) fn activated(program: &Path, fds: &[(&str, BorrowedFd<'_>)]) -> (Command, Vec<OwnedFd>) {
    let mut script = String::new();
    let mut kept = Vec::new();
    for (nth, (_, fd)) in fds.iter().enumerate() {
        let inherited = rustix::io::fcntl_dupfd_cloexec(fd, 100).expect("dup");
        rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).expect("inheritable");
        let number = inherited.as_raw_fd();
        script += &format!("exec {}<&{number} {number}<&-; ", nth + 3);
        kept.push(inherited);
    }
    // What comes next is closed, whatever the test process was started with.
    script += &format!("exec {}<&-; ", fds.len() + 3);
    script += "export LISTEN_PID=$$; exec \"$0\" \"$@\"";
    let names: Vec<_> = fds.iter().map(|(name, _)| *name).collect();
    let mut command = Command::new("bash");
    command.arg("-c").arg(script).arg(program);
    command.env("LISTEN_FDS", fds.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
    (command, kept)
}

/// A public listener as systemd makes it, with `NonBlocking=yes`.
pub(crate) fn public() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.set_nonblocking(true).expect("nonblocking");
    let address = listener.local_addr().expect("address");
    (listener, address)
}

/// A running slot.
pub(crate) struct Slot {
    child: Child,
    notify: UnixDatagram,
    dir: tempfile::TempDir,
    heard: Vec<String>,
}

/// How a slot is started.
pub(crate) struct Start<'a> {
    pub(crate) name: &'a str,
    pub(crate) fds: Vec<(&'a str, BorrowedFd<'a>)>,
    pub(crate) env: Vec<(&'a str, String)>,
    /// Which example.
    pub(crate) program: &'a str,
}

impl<'a> Start<'a> {
    pub(crate) fn new(name: &'a str, http: &'a TcpListener) -> Start<'a> {
        Start { name, fds: vec![("http", http.as_fd())], env: Vec::new(), program: "slot" }
    }

    pub(crate) fn program(mut self, program: &'a str) -> Self {
        self.program = program;
        self
    }

    pub(crate) fn env(mut self, name: &'a str, value: impl ToString) -> Self {
        self.env.push((name, value.to_string()));
        self
    }

    pub(crate) fn fd(mut self, name: &'a str, fd: &'a impl AsFd) -> Self {
        self.fds.push((name, fd.as_fd()));
        self
    }

    /// Starts the slot and waits for READY=1.
    pub(crate) fn ready(self) -> Slot {
        let dir = tempfile::tempdir().expect("tempdir");
        let notify = UnixDatagram::bind(dir.path().join("notify")).expect("bind notify socket");
        notify.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let admin = UnixListener::bind(dir.path().join("admin")).expect("bind admin socket");
        admin.set_nonblocking(true).expect("nonblocking");
        let mut fds = self.fds;
        fds.push(("sockact-admin", admin.as_fd()));
        let (mut command, kept) = activated(&example(self.program), &fds);
        command.env("SOCKACT_SLOT", self.name).env("NOTIFY_SOCKET", dir.path().join("notify"));
        command.envs(self.env).stdout(Stdio::piped());
        let stderr = std::fs::File::create(dir.path().join("stderr")).expect("stderr file");
        command.stderr(stderr);
        let child = command.spawn().expect("bash starts");
        drop(kept);
        let mut slot = Slot { child, notify, dir, heard: Vec::new() };
        slot.hears("READY=1");
        slot
    }
}

impl Slot {
    /// Waits until the slot has told its service manager `line`.
    pub(crate) fn hears(&mut self, line: &str) {
        self.hears_as(line, |l| (l == line).then_some(()));
    }

    /// Waits until it has told a line that begins so.
    pub(crate) fn hears_begin(&mut self, begin: &str) {
        self.hears_as(begin, |l| l.starts_with(begin).then_some(()));
    }

    /// Waits until it has told a line of which `read` makes something.
    pub(crate) fn hears_as<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> T {
        loop {
            if let Some(found) = self.heard.iter().find_map(|line| read(line)) {
                return found;
            }
            let mut buf = [0; 4096];
            let n = self.notify.recv(&mut buf).unwrap_or_else(|e| {
                panic!("no {what:?} within {PATIENCE:?} ({e}); heard {:?}", self.heard)
            });
            let text = String::from_utf8_lossy(&buf[..n]);
            self.heard.extend(text.lines().map(str::to_owned));
        }
    }

    /// All that it told so far.
    pub(crate) fn heard(&self) -> &[String] {
        &self.heard
    }

    /// What it wrote to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stderr")).expect("stderr file")
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn admin(&self) -> PathBuf {
        self.dir.path().join("admin")
    }

    /// A connection to the admin socket.
    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.admin()).expect("admin socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        stream
    }

    /// A request on the admin socket: status code and body.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = self.connect();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("response");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        (head[9..12].parse().expect("status"), body.to_owned())
    }

    pub(crate) fn gate(&self, share: f64) {
        let (code, body) = self.ask("PUT", "/-/gate", &format!("{{\"share\":{share}}}"));
        assert_eq!(code, 200, "{body}");
    }

    /// What `examples/slot` holds is answered.
    pub(crate) fn release(&self) {
        assert_eq!(self.ask("POST", "/release", "").0, 200);
    }

    pub(crate) fn status(&self) -> serde_json::Value {
        let (code, body) = self.ask("GET", "/-/status", "");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Requests since its start.
    pub(crate) fn requests(&self) -> u64 {
        self.status()["requests"].as_u64().expect("a number")
    }

    /// Asks until the status is as wished.
    pub(crate) fn status_becomes(&self, wish: impl Fn(&serde_json::Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if wish(&status) {
                return;
            }
            assert!(Instant::now() < deadline, "still {status} after {PATIENCE:?}");
            std::thread::yield_now();
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("signal");
    }

    /// SIGTERM, and waits until the drain has begun and the listeners are closed.
    pub(crate) fn term(&mut self) {
        self.signal(Signal::TERM);
        self.hears("STOPPING=1");
    }

    /// Waits for the end and returns the line the slot printed.
    pub(crate) fn ends(mut self) -> String {
        let mut report = String::new();
        let out = self.child.stdout.take().expect("stdout");
        BufReader::new(out).read_line(&mut report).expect("stdout");
        let status = self.child.wait().expect("wait");
        assert!(status.success(), "{status}: {report}");
        report.trim_end().to_owned()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the slot's stderr: {}", self.stderr());
        }
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// N of "… and N requests in all", from the line a slot prints at its end.
pub(crate) fn requests(report: &str) -> u64 {
    let words: Vec<&str> = report.split_whitespace().collect();
    let at = words.iter().position(|w| *w == "requests").expect("a report");
    words[at - 1].parse().expect("a number")
}

/// A client on a plain connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buf: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        Client { stream, buf: Vec::new() }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("send");
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        self.answer().expect("an answer")
    }

    /// The next response with a Content-Length; `None` when the server closed before it.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.buf.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                assert!(self.buf.is_empty(), "closed in the middle of a head");
                return None;
            }
        };
        let head = String::from_utf8(self.buf.drain(..end).collect()).expect("head");
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |l| l.parse().expect("length"));
        while self.buf.len() < length {
            assert!(self.more(), "closed in the middle of a body");
        }
        let body = String::from_utf8(self.buf.drain(..length).collect()).expect("body");
        let code = head[9..12].parse().expect("code");
        Some(Answer { code, close: head.contains("\r\nconnection: close\r\n"), body })
    }

    /// Everything up to the server's close.
    pub(crate) fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8(std::mem::take(&mut self.buf)).expect("text")
    }

    /// Waits for bytes; false at a clean close.
    pub(crate) fn more(&mut self) -> bool {
        let mut piece = [0; 8192];
        let n = self.stream.read(&mut piece).expect("read (a reset is a loss)");
        self.buf.extend_from_slice(&piece[..n]);
        n > 0
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) close: bool,
    pub(crate) body: String,
}
