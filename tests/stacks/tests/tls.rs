//! The example `tls` under clients: a reload drops nobody, a switch loses nothing.

mod support;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustix::process::Signal;
use support::certificates::{Authority, Pair, lay};
use support::https::{Crowd, Sender, connect};
use support::{Slot, aside, public, requests};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::block_in_place;

const TLS: &str = "tls";

/// A service's side of the tests: its credentials.
struct Fixture {
    authority: Authority,
    credentials: TempDir,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture { authority: Authority::new(), credentials: tempfile::tempdir().expect("tempdir") }
    }

    /// A new pair, laid into the directory.
    fn certify(&self) -> Pair {
        let pair = self.authority.certify();
        lay(self.credentials.path(), &pair.cert, &pair.key);
        pair
    }

    fn start(&self, name: &str, listener: &TcpListener) -> Slot {
        self.start_with_window("5000", name, listener)
    }

    /// The idle are waited for so many milliseconds.
    fn start_with_window(&self, window: &str, name: &str, listener: &TcpListener) -> Slot {
        let directory = self.credentials.path().to_str().expect("path");
        let vars = [("CREDENTIALS_DIRECTORY", directory), ("IDLE_WINDOW_MS", window)];
        Slot::start(TLS, name, ("https", listener), &vars)
    }

    fn crowd(&self, address: SocketAddr) -> Crowd {
        Crowd::start(address, [self.authority.client(b"http/1.1"), self.authority.client(b"h2")])
    }

    /// Whether a new connection is greeted with this certificate.
    async fn is_greeted(&self, address: SocketAddr, pair: &Pair) -> bool {
        let stream = connect(address, &self.authority.client(b"h2")).await.expect("handshake");
        let certificates = stream.get_ref().1.peer_certificates().expect("certificates");
        certificates[0] == pair.der
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_changes_the_certificate_and_drops_nobody() {
    let (fixture, (listener, address)) = (Fixture::new(), public());
    let old = fixture.certify();
    let mut slot = fixture.start("blue", &listener);
    let crowd = fixture.crowd(address);
    let mut kept = Vec::new();
    for alpn in [&b"http/1.1"[..], b"h2"] {
        kept.push(Sender::open(address, &fixture.authority.client(alpn)).await.expect("opens"));
    }
    crowd.goes_on(100).await;
    assert!(fixture.is_greeted(address, &old).await);

    let new = fixture.certify();
    slot.signal(Signal::HUP);
    let heard = block_in_place(|| slot.hears("STATUS=Serving, certificate replaced"));
    let reloading = heard.iter().position(|l| l == "RELOADING=1").expect("told before");
    assert!(heard[reloading + 1].starts_with("MONOTONIC_USEC="), "{heard:?}");
    assert!(heard[reloading..].iter().any(|l| l == "READY=1"), "{heard:?}");
    assert!(fixture.is_greeted(address, &new).await);
    for sender in &mut kept {
        assert!(sender.is_ready().await, "dropped by the reload");
        assert_eq!(sender.get("/").await.expect("an answer"), "blue");
    }
    crowd.goes_on(100).await;
    let count = crowd.ends().await;
    assert_eq!(count.lost.load(Relaxed), 0, "{:?}", count.how);
    assert_eq!(count.ended.load(Relaxed), 0, "no kept connection was dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_no_good_leaves_the_old_one() {
    let (fixture, (listener, address)) = (Fixture::new(), public());
    let old = fixture.certify();
    let mut slot = fixture.start("blue", &listener);
    let stranger = fixture.authority.certify();
    let cases = [
        (&*stranger.cert, &*old.key, "credentials \"cert\" and \"key\" are no pair to serve with"),
        ("garbage", &*old.key, "credential \"cert\" holds no certificate"),
        (&*old.cert, "garbage", "credential \"key\" is no PEM text of what it should be"),
    ];
    for (cert, key, why) in cases {
        lay(fixture.credentials.path(), cert, key);
        slot.signal(Signal::HUP);
        let status = format!("STATUS=Serving with the old certificate: {why}");
        let heard = block_in_place(|| slot.hears(&status));
        let last = heard.iter().rposition(|l| l == "RELOADING=1").expect("told before");
        assert!(heard[last..].iter().any(|l| l == "READY=1"), "the reload is over: {heard:?}");
        assert!(fixture.is_greeted(address, &old).await, "{why}");
    }
}

/// On one thread, as `crates/sockact/tests/http2.rs` says.
#[tokio::test]
async fn switches_under_load_lose_nothing() {
    let (fixture, (listener, address)) = (Arc::new(Fixture::new()), public());
    fixture.certify();
    let listener = Arc::new(listener);
    let mut live = fixture.start("blue", &listener);
    let crowd = fixture.crowd(address);
    let mut received = 0;
    for nth in 0..5 {
        crowd.goes_on(100).await;
        let (fixture, listener, old) = (Arc::clone(&fixture), Arc::clone(&listener), live);
        let report;
        (live, report) = aside(move || {
            let next = fixture.start(["green", "blue"][nth % 2], &listener);
            (next, old.gives_way())
        })
        .await;
        assert!(report.contains(" 0 cut"), "{report}");
        received += requests(&report);
    }
    let count = crowd.ends().await;
    assert_eq!(count.lost.load(Relaxed), 0, "{:?}", count.how);
    received += requests(&aside(|| live.gives_way()).await);
    assert_eq!(count.answered.load(Relaxed), received, "what was received was answered");
    assert!(count.ended.load(Relaxed) > 0, "every switch ends connections, politely");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_for_an_answer_and_for_the_window_of_the_idle() {
    let (fixture, (listener, address)) = (Fixture::new(), public());
    fixture.certify();
    let mut slot = fixture.start_with_window("300", "blue", &listener);
    let (mut asking, mut idle) = (Vec::new(), Vec::new());
    for alpn in [&b"http/1.1"[..], b"h2"] {
        let config: Arc<_> = fixture.authority.client(alpn);
        for senders in [&mut asking, &mut idle] {
            senders.push(Sender::open(address, &config).await.expect("opens"));
        }
    }
    // Only now, so that what they take is left for the drain alone.
    let ask = |mut sender: Sender| tokio::spawn(async move { sender.get("/slow/4000").await });
    let slow: Vec<_> = asking.into_iter().map(ask).collect();
    block_in_place(|| {
        slot.status_becomes(&["\"connections\":4", "\"in_flight\":2"]);
        slot.term();
        slot.status_becomes(&["\"state\":\"draining\"", "\"connections\":2"]);
    });
    for answer in slow {
        assert_eq!(answer.await.expect("task").expect("an answer"), "slow");
    }
    for sender in &mut idle {
        assert!(!sender.is_ready().await, "told to go");
    }
    let report = block_in_place(|| slot.ends());
    assert!(report.contains("4 finished, 0 cut, of 4 connections and 2 requests"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_after_the_last_response_does_not_wipe_it_out() {
    const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (fixture, (listener, address)) = (Fixture::new(), public());
    fixture.certify();
    let mut slot = fixture.start("blue", &listener);
    let config = fixture.authority.client(b"http/1.1");
    let mut stream = connect(address, &config).await.expect("handshake");
    // Keeps the slot alive for a while.
    let idle = connect(address, &config).await.expect("handshake");
    block_in_place(|| {
        slot.status_becomes(&["\"accepted\":2"]);
        slot.term();
    });
    stream.write_all(GET.as_bytes()).await.expect("send");
    stream.flush().await.expect("send");
    block_in_place(|| slot.status_becomes(&["\"requests\":1", "\"in_flight\":0"]));
    // The response lies unread at the client; a reset now would wipe it out.
    for _ in 0..20 {
        stream.write_all(GET.as_bytes()).await.expect("send");
        stream.flush().await.expect("send");
    }
    let mut response = String::new();
    stream.read_to_string(&mut response).await.expect("no reset");
    assert!(response.contains("connection: close") && response.ends_with("blue"), "{response}");
    drop(idle);
}
