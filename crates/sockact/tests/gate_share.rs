//! The gate's share is the share of the connections, with two processes on one socket under load.

mod support;

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use support::{Client, Slot, Start, public};

/// A connection for each request, all the time: as many as this machine makes.
const CLIENTS: usize = 16;
/// How long the window of the smaller share is, and how short the period at least
/// (`src/serve/window.rs`). A round is made of whole periods.
const WINDOW: Duration = Duration::from_micros(10_370);
const PERIOD: Duration = Duration::from_micros(103_700);
/// On a machine that is busy with other things a process sometimes wakes after its whole window has
/// passed, and one round tells little. Then more are counted with it: chance evens out, a fault of
/// the gate does not.
const ROUNDS: usize = 5;

/// Connections in a round, as the clients saw who answered.
#[derive(Debug, Default)]
struct Seen {
    blue: u64,
    green: u64,
}

fn ask(address: SocketAddr, end: Instant) -> Seen {
    let mut seen = Seen::default();
    while Instant::now() < end {
        let mut client = Client::connect(address);
        client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        match client.answer().expect("closed without a word").body.as_str() {
            "blue" => seen.blue += 1,
            "green" => seen.green += 1,
            other => panic!("{other:?} answered"),
        }
    }
    seen
}

fn load(address: SocketAddr, time: Duration) -> Seen {
    let end = Instant::now() + time;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask(address, end))).collect();
        let seen = clients.into_iter().map(|c| c.join().expect("no loss"));
        seen.fold(Seen::default(), |a, b| Seen { blue: a.blue + b.blue, green: a.green + b.green })
    })
}

fn accepted(slot: &Slot) -> u64 {
    slot.status()["accepted"].as_u64().expect("a number")
}

/// Two slots on one socket.
struct Pair {
    blue: Slot,
    green: Slot,
    address: SocketAddr,
    _http: TcpListener,
}

impl Pair {
    fn new() -> Pair {
        let (http, address) = public();
        let start = |name| Start::new(name, &http).env("SOCKACT_GATE", "closed").ready();
        Pair { blue: start("blue"), green: start("green"), address, _http: http }
    }

    /// One round: who answered, after a look whether the slots count alike.
    fn round(&self, time: Duration) -> Seen {
        let before = (accepted(&self.blue), accepted(&self.green));
        let seen = load(self.address, time);
        let counted = (accepted(&self.blue) - before.0, accepted(&self.green) - before.1);
        assert_eq!((seen.blue, seen.green), counted, "as the slots count");
        seen
    }

    /// With these gates, green has this share of the connections, to a fifth.
    #[track_caller]
    fn check(&self, blue: f64, green: f64, periods: u32) {
        self.green.gate(green);
        self.blue.gate(blue);
        assert_eq!(
            (&self.blue.status()["gate"], &self.green.status()["gate"]),
            (&blue.into(), &green.into())
        );
        let lesser = green.min(1.0 - green).max(0.01);
        let time = WINDOW.div_f64(lesser).max(PERIOD) * periods;
        let mut all = Seen::default();
        let mut share = 0.0;
        for round in 1..=ROUNDS {
            let seen = self.round(time);
            all = Seen { blue: all.blue + seen.blue, green: all.green + seen.green };
            share = all.green as f64 / (all.blue + all.green) as f64;
            println!("gates {blue} and {green}, round {round}: {share:.4} of {all:?}");
            if (green * 0.8..=green * 1.2).contains(&share) {
                return;
            }
        }
        panic!("gates {blue} and {green}: green has {share:.4} of {all:?}");
    }
}

#[test]
fn a_share_is_that_of_the_connections() {
    let slots = Pair::new();
    slots.check(0.0, 1.0, 1);
    // An open slot stays out of what another claims.
    slots.check(1.0, 0.5, 20);
    slots.check(1.0, 0.1, 20);
    slots.check(1.0, 0.01, 5);
    // Shares that make a whole, two alike among them.
    slots.check(0.5, 0.5, 20);
    slots.check(0.9, 0.1, 20);
    slots.check(0.99, 0.01, 5);
}

#[test]
fn a_claim_dies_with_its_process() {
    let Pair { blue, green, address, _http } = Pair::new();
    blue.gate(1.0);
    green.gate(0.99);
    drop(green);
    let begin = Instant::now();
    for _ in 0..20 {
        assert_eq!(Client::connect(address).get("/").body, "blue");
    }
    let took = begin.elapsed();
    println!("20 connections after the other slot's death: {took:?}");
    assert!(took < WINDOW * 100, "it waits for the hundredth that a dead slot left it");
}

#[test]
fn a_closed_gate_claims_nothing() {
    let Pair { blue, green, address, _http } = Pair::new();
    blue.gate(1.0);
    green.gate(0.99);
    green.gate(0.0);
    assert!((0..20).all(|_| Client::connect(address).get("/").body == "blue"));
    green.gate(1.0);
    blue.gate(0.99);
    blue.gate(1.0);
    blue.gate(0.0);
    assert!((0..20).all(|_| Client::connect(address).get("/").body == "green"));
}
