//! Servers of this package in real processes that share a listener, as the slots of a service do.
#![allow(dead_code, reason = "each test binary uses a part of this")]

pub(crate) mod certificates;
pub(crate) mod https;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sockact::testing::{Activation, Service};

/// Longer than anything here takes; printed when it passes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A public listener as systemd makes it, with `NonBlocking=yes`.
pub(crate) fn public() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.set_nonblocking(true).expect("nonblocking");
    let address = listener.local_addr().expect("address");
    (listener, address)
}

/// The path of an example, built by `cargo test` along with the tests.
fn example(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("path of this program");
    let profile = me.ancestors().nth(2).expect("target/<profile>/deps/<program>");
    let path = profile.join("examples").join(name);
    assert!(path.exists(), "{} is missing: cargo build -p stacks --examples", path.display());
    path
}

/// Off the thread of the clients, which go on meanwhile.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

/// A running server.
pub(crate) struct Slot {
    service: Service,
    dir: tempfile::TempDir,
}

impl Slot {
    /// Starts this example of the package with the listener under this name and waits for `READY=1`.
    pub(crate) fn start(
        program: &str,
        name: &str,
        (listen, listener): (&str, &TcpListener),
        vars: &[(&str, &str)],
    ) -> Slot {
        let dir = tempfile::tempdir().expect("tempdir");
        let admin = UnixListener::bind(dir.path().join("admin")).expect("bind");
        admin.set_nonblocking(true).expect("nonblocking");
        let mut service = Activation::new(example(program))
            .fd(listen, listener.try_clone().expect("duplicate"))
            .fd("sockact-admin", admin)
            .configure(|command| {
                command.env("SOCKACT_SLOT", name).envs(vars.iter().copied()).stdout(Stdio::piped());
            })
            .start()
            .expect("starts");
        service.wait_ready(PATIENCE).expect("ready");
        Slot { service, dir }
    }

    /// Waits for this line to the service manager, and all that came before it.
    pub(crate) fn hears(&mut self, line: &str) -> Vec<String> {
        self.service.wait_for(line, PATIENCE).expect("heard");
        self.service.heard().to_vec()
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        kill_process(Pid::from_child(self.service.child()), signal).expect("signal");
    }

    /// SIGTERM, and waits until the drain has begun.
    pub(crate) fn term(&mut self) {
        self.signal(Signal::TERM);
        self.hears("STOPPING=1");
    }

    /// What follows it has been started: drains, and returns the line that it prints at its end.
    pub(crate) fn gives_way(mut self) -> String {
        self.term();
        self.ends()
    }

    /// The line that it prints at its end.
    pub(crate) fn ends(mut self) -> String {
        let mut out = self.service.child().stdout.take().expect("stdout");
        let status = self.service.wait(PATIENCE).expect("ends");
        let mut report = String::new();
        out.read_to_string(&mut report).expect("stdout");
        assert!(status.success(), "{status}: {report}");
        report.trim_end().to_owned()
    }

    /// A request on the admin socket: the whole response.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = UnixStream::connect(self.dir.path().join("admin")).expect("admin");
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close");
        let request = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).expect("request");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("response");
        response
    }

    pub(crate) fn gate(&self, share: f64) {
        let answer = self.ask("PUT", "/-/gate", &format!("{{\"share\":{share}}}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Asks until the status holds all of these.
    pub(crate) fn status_becomes(&self, wanted: &[&str]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.ask("GET", "/-/status", "");
            if wanted.iter().all(|part| status.contains(part)) {
                return;
            }
            assert!(Instant::now() < end, "no {wanted:?} within {PATIENCE:?}: {status}");
        }
    }
}

/// N of "… and N requests in all", from the line that a slot prints at its end.
pub(crate) fn requests(report: &str) -> u64 {
    let words: Vec<&str> = report.split_whitespace().collect();
    let at = words.iter().position(|w| *w == "requests").expect("a report");
    words[at - 1].parse().expect("a number")
}

/// An HTTP/2 request that was not sent, or of which the server's GOAWAY said that it was not looked
/// at: it is for a new connection (RFC 9113, section 8.7).
pub(crate) fn not_processed(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |e| e.source());
    causes.any(|e| {
        let not_sent = e.downcast_ref().is_some_and(hyper::Error::is_canceled);
        not_sent || format!("{e:?}").ends_with("GoAway(b\"\", NO_ERROR, Remote) })")
    })
}
