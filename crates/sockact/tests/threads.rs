//! The drain of plain threads, in a real process.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;
use support::{PATIENCE, Slot, Start, public};

fn line(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).expect("send");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("read");
    line
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream
}

fn start(http: &std::net::TcpListener) -> Slot {
    Start::new("blue", http).program("threads").ready()
}

#[test]
fn connections_end_by_themselves_and_new_ones_are_the_other_slots() {
    let (http, address) = public();
    let (mut blue, mut old) = (start(&http), connect(address));
    assert_eq!(line(&mut old, "one\n"), "one\n");
    blue.term();
    assert_eq!(line(&mut old, ""), "bye\n");
    drop(old);
    let report = blue.ends();
    assert!(report.contains("drained after") && report.contains("1 finished, 0 cut"), "{report}");
    let mut waiting = connect(address);
    waiting.write_all(b"two\n").expect("send");
    let _green = start(&http);
    assert_eq!(line(&mut waiting, ""), "two\n");
}

#[test]
fn an_idle_process_ends_at_once() {
    let (http, _) = public();
    let mut slot = start(&http);
    slot.term();
    assert!(slot.ends().contains("0 finished, 0 cut, of 0 connections"));
}

#[test]
fn a_pool_whose_threads_all_serve_sees_the_signal() {
    let (http, address) = public();
    let pool = || Start::new("blue", &http).program("threads").env("POOL", 2).ready();
    let (mut blue, mut clients) = (pool(), [(); 2].map(|()| connect(address)));
    for client in &mut clients {
        assert_eq!(line(client, "one\n"), "one\n");
    }
    let mut waiting = connect(address);
    waiting.write_all(b"two\n").expect("send");
    blue.signal(Signal::TERM);
    for client in &mut clients {
        assert_eq!(line(client, ""), "bye\n");
    }
    blue.hears("STOPPING=1");
    let report = blue.ends();
    assert!(report.contains("drained after") && report.contains("2 finished, 0 cut"), "{report}");
    let _green = pool();
    assert_eq!(line(&mut waiting, ""), "two\n");
}

#[test]
fn a_worker_that_never_accepts_sees_the_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let (http, _) = public();
        let mut slot = Start::new("blue", &http).program("threads").env("POOL", 0).ready();
        slot.signal(signal);
        slot.hears("STOPPING=1");
        assert!(slot.ends().contains("0 finished, 0 cut, of 0 connections"));
    }
}

/// Holds its connection half a line long: the thread waits in read(2).
#[test]
fn the_deadline_and_a_second_signal_cut() {
    let (http, address) = public();
    for second in [false, true] {
        let usec = if second { 20_000_000 } else { 300_000 };
        let start = Start::new("blue", &http).program("threads");
        let mut slot = start.env("SOCKACT_DRAIN_USEC", usec).ready();
        let mut stream = connect(address);
        assert_eq!(line(&mut stream, "one\n"), "one\n");
        stream.write_all(b"half").expect("send");
        // The answer to another connection shows that this half has been read, or nearly.
        assert_eq!(line(&mut connect(address), "two\n"), "two\n");
        slot.term();
        if second {
            slot.signal(Signal::TERM);
        }
        let report = slot.ends();
        let end = if second { "second signal after" } else { "drain deadline passed after" };
        // The thread of the other connection may not have seen its end yet, and is cut then, too.
        let cut = report.contains(" 1 cut") || report.contains(" 2 cut");
        assert!(report.contains(end) && cut, "{report}");
    }
}
