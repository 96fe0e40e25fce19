//! Slots that take turns under load: nobody is refused, reset or left without an answer.

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use support::{Client, Slot, Start, public};

const SWITCHES: usize = 15;

/// Asks without a pause; a connection is kept as long as the server does not say close. Anything
/// but an answer, a reset or a connection closed without the word, panics in [`Client`].
fn ask(address: SocketAddr, stop: &AtomicBool, keep: bool) -> u64 {
    let mut answered = 0;
    while !stop.load(Relaxed) {
        let mut client = Client::connect(address);
        loop {
            let close = if keep { "" } else { "Connection: close\r\n" };
            client.send(&format!("GET / HTTP/1.1\r\nHost: x\r\n{close}\r\n"));
            let answer = client.answer().expect("closed without a word");
            assert_eq!(answer.code, 200);
            answered += 1;
            if answer.close || stop.load(Relaxed) {
                break;
            }
        }
    }
    answered
}

/// One deploy as the controller does it: the new slot behind a closed gate, gates swapped, drain.
fn switch(live: &mut Slot, next: Slot) -> Slot {
    next.gate(1.0);
    live.gate(0.0);
    let mut old = std::mem::replace(live, next);
    old.term();
    old
}

#[track_caller]
fn check(keep: bool) {
    let (http, address) = public();
    let stop = AtomicBool::new(false);
    let mut live = Start::new("blue", &http).ready();
    let answered: u64 = std::thread::scope(|scope| {
        let ask = || ask(address, &stop, keep);
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        for _ in 0..SWITCHES {
            let next = Start::new("green", &http).env("SOCKACT_GATE", "closed").ready();
            let old = switch(&mut live, next).ends();
            assert!(old.contains(" 0 cut"), "{old}");
        }
        stop.store(true, Relaxed);
        clients.into_iter().map(|c| c.join().expect("no loss")).sum()
    });
    println!("{answered} requests, {SWITCHES} switches, none lost");
    assert!(answered > 200);
}

#[test]
fn kept_connections() {
    check(true);
}

#[test]
fn one_shot_connections() {
    check(false);
}
