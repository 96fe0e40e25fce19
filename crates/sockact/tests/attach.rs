//! The drain in servers that are not ours, seen on the wire: stock `axum::serve`, hyper by hand,
//! raw loops and jobs.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use support::{Client, PATIENCE, Start, public};

#[test]
fn stock_axum_answers_once_more_and_then_closes() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).program("stock").ready();
    let (mut kept, mut fresh) = (Client::connect(address), Client::connect(address));
    assert!(!kept.get("/").close);
    slot.status_becomes(|s| s["accepted"] == 2 && s["connections"] == 2 && s["requests"] == 1);
    slot.term();
    assert!(kept.get("/").close && fresh.get("/").close);
    assert_eq!(kept.rest() + &fresh.rest(), "");
    drop((kept, fresh));
    let report = slot.ends();
    assert!(report.contains("2 finished, 0 cut, of 2 connections and 3 requests"), "{report}");
}

/// Its pauses are longer than the idle window, but it is not idle.
#[test]
fn stock_axum_sends_a_slow_body_to_its_end() {
    let (http, address) = public();
    let start = Start::new("blue", &http).program("stock").env("IDLE_MS", 50);
    let mut slot = start.ready();
    let (mut dripping, mut idle) = (Client::connect(address), Client::connect(address));
    assert!(!idle.get("/").close);
    dripping.send("GET /drip HTTP/1.1\r\nHost: x\r\n\r\n");
    slot.status_becomes(|s| s["in_flight"] == 1 && s["requests"] == 2);
    slot.term();
    assert_eq!(idle.rest(), "", "closed when its window is over");
    let began = Instant::now();
    assert_eq!(dripping.answer().expect("an answer").body, "....");
    assert_eq!(dripping.rest(), "");
    assert!(began.elapsed() > Duration::from_millis(500), "it was not slow");
    drop((dripping, idle));
    let report = slot.ends();
    assert!(report.contains("2 finished, 0 cut, of 2 connections and 2 requests"), "{report}");
}

#[test]
fn stock_axum_obeys_the_gate_and_answers_probes() {
    let (http, address) = public();
    let slot = Start::new("blue", &http).program("stock").env("SOCKACT_GATE", "closed").ready();
    let mut waiting = Client::connect(address);
    waiting.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(slot.ask("GET", "/", ""), (200, "blue".to_owned()));
    assert_eq!(slot.status()["accepted"], 0);
    slot.gate(1.0);
    assert_eq!(waiting.answer().expect("an answer").body, "blue");
}

#[test]
fn stock_axum_says_goaway_between_its_frames() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).program("stock").ready();
    let mut wire = TcpStream::connect(address).expect("connect");
    wire.set_read_timeout(Some(PATIENCE)).expect("timeout");
    wire.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("preface");
    assert_eq!(frame(&mut wire).0, 4, "SETTINGS");
    slot.term();
    let goaway = loop {
        let (kind, payload) = frame(&mut wire);
        if kind == 7 {
            break payload;
        }
    };
    assert_eq!(goaway, [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0], "every stream is still taken");
    drop(wire);
    assert!(slot.ends().contains("1 finished, 0 cut"));
}

/// A frame's kind and payload (RFC 9113, section 4.1).
fn frame(wire: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    wire.read_exact(&mut head).expect("a frame");
    let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
    wire.read_exact(&mut payload).expect("a payload");
    (head[3], payload)
}

#[test]
fn stock_axum_is_cut_at_the_deadline() {
    let (http, address) = public();
    let start = Start::new("blue", &http).program("stock");
    let mut slot = start.env("SOCKACT_DRAIN_USEC", 300_000).ready();
    let mut upgraded = Client::connect(address);
    upgraded.send(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(upgraded.answer().expect("an answer").code, 101);
    slot.term();
    let report = slot.ends();
    let cut = "0 finished, 1 cut, of 1 connections and 1 requests in all; \
               cut were 0 open requests, 1 upgraded, 0 guarded";
    assert!(report.starts_with("drain deadline passed") && report.contains(cut), "{report}");
}

#[test]
fn hyper_by_hand_raw_loops_and_jobs_drain_together() {
    let (http, address) = public();
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("echo");
    let echo = UnixListener::bind(&path).expect("bind");
    echo.set_nonblocking(true).expect("nonblocking");
    let mut slot = Start::new("blue", &http).program("by_hand").fd("api", &echo).ready();
    let mut raw = UnixStream::connect(&path).expect("connect");
    raw.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let mut heard = [0; 2];
    raw.write_all(b"hi").expect("send");
    raw.read_exact(&mut heard).expect("echo");
    let mut kept = Client::connect(address);
    assert_eq!(kept.get("/").body, "by hand");
    let began = Instant::now();
    slot.term();
    assert!(kept.get("/").close);
    assert_eq!(kept.rest(), "");
    raw.write_all(b"ho").expect("send");
    raw.read_exact(&mut heard).expect("an echo while draining");
    drop((raw, kept));
    let report = slot.ends();
    assert!(report.contains("3 finished, 0 cut, of 3 connections and 2 requests"), "{report}");
    assert!(began.elapsed() >= Duration::from_millis(500));
}

#[test]
fn hyper_by_hand_closes_an_idle_connection_after_its_window() {
    let (http, address) = public();
    let dir = tempfile::tempdir().expect("tempdir");
    let echo = UnixListener::bind(dir.path().join("echo")).expect("bind");
    echo.set_nonblocking(true).expect("nonblocking");
    let start = Start::new("blue", &http).program("by_hand").fd("api", &echo);
    let mut slot = start.env("IDLE_WINDOW_MS", 400).ready();
    let mut idle = Client::connect(address);
    idle.get("/");
    let began = Instant::now();
    slot.term();
    assert_eq!(idle.rest(), "", "closed when its window is over");
    assert!(began.elapsed() >= Duration::from_millis(400));
    drop(idle);
    assert!(slot.ends().contains("2 finished, 0 cut"));
}
