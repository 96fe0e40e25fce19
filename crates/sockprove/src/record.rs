//! The account of a load, as it is written: version 1 of its JSON.
//!
//! Times that end in `_ns` are nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share. A request belongs to the phase and
//! the slice in which it was *due*, whenever its answer came.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::failure::FailureKind;
use crate::kind::Kind;

/// The account of one load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// 1. It changes when a field changes its meaning or goes.
    pub version: u32,
    /// What was asked, as a URL; a Unix socket is told apart in `address`.
    pub url: String,
    /// Where it was connected to.
    pub address: String,
    /// By which clients.
    pub kind: Kind,
    /// `open` or `closed`.
    #[serde(rename = "loop")]
    pub pace: String,
    /// Requests each second, in an open loop.
    pub rate: Option<u32>,
    /// Requests at a time, in a closed loop.
    pub clients: Option<u32>,
    /// When it began.
    pub start_ns: u64,
    /// When its last answer had come.
    pub end_ns: u64,
    /// Requests that were answered as they should be.
    pub answered: u64,
    /// Those that were not.
    pub failed: u64,
    /// Requests that were never sent, because this machine had no port, descriptor or memory left: they are neither.
    pub unsent: u64,
    /// Failed requests, each kind of failure apart.
    pub failures: BTreeMap<FailureKind, u64>,
    /// The first thousand failures, each with its time.
    pub faults: Vec<FaultRecord>,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that the server closed while nothing was under way on them: nobody lost anything.
    pub closed_idle: u64,
    /// Requests over HTTP/2 that were sent again on another connection, because the server had not looked at them (RFC 9113, section 6.8).
    pub resent: u64,
    /// WebSockets that the server closed in order (1000, 1001, 1012, or no code) and that were opened again.
    pub moved: u64,
    /// Of the answered requests, from when they were due.
    pub latency: Latency,
    /// How long nobody accepted, when that was looked for.
    pub accepts: Option<Accepts>,
    /// What the generator itself needed.
    pub generator: Generator,
    /// Answers by their bodies, when that was asked for: at most 64, the first 128 bytes of each.
    pub bodies: Vec<BodyRecord>,
    /// Parts of the time, between marks; the first is called `start`.
    pub phases: Vec<Phase>,
    /// The whole time in pieces of one length.
    pub slices: Vec<Slice>,
}

/// A failure, with its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FaultRecord {
    /// When the request was due.
    pub due_ns: u64,
    /// When it failed.
    pub at_ns: u64,
    /// How.
    pub kind: FailureKind,
    /// What was seen.
    pub detail: String,
}

/// Microseconds, exact: the smallest that at least so many of a hundred were not above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How many there are.
    pub count: u64,
    /// Half of them took no longer.
    pub p50_us: u32,
    /// 90 of 100.
    pub p90_us: u32,
    /// 99 of 100.
    pub p99_us: u32,
    /// 999 of 1000.
    pub p99_9_us: u32,
    /// The longest.
    pub max_us: u32,
}

impl Latency {
    /// Of these, which are sorted by it.
    pub fn of(values: &mut [u32]) -> Self {
        values.sort_unstable();
        let count = values.len();
        let at = |per_mille: usize| match (count * per_mille).div_ceil(1000) {
            0 => 0,
            rank => values[rank - 1],
        };
        let [p50_us, p90_us, p99_us, p99_9_us, max_us] = [500, 900, 990, 999, 1000].map(at);
        Self { count: count as u64, p50_us, p90_us, p99_us, p99_9_us, max_us }
    }
}

/// How long nobody accepted: see [`crate::accepts`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Accepts {
    /// Connections that were accepted.
    pub connections: u64,
    /// How often one was begun.
    pub every_us: u64,
    /// Connections that failed, each kind of failure apart: they are no requests of the clients'.
    pub failures: BTreeMap<FailureKind, u64>,
    /// Connections that were never begun, because this machine had no port, descriptor or memory left: while they are missing nobody looked.
    pub unsent: u64,
    /// The first thousand of those that failed.
    pub faults: Vec<FaultRecord>,
    /// The longest time in which somebody waited and nobody was accepted.
    pub longest_us: u32,
    /// 99 of 100 such times were not longer.
    pub p99_us: u32,
    /// How long such a time usually is: see [`crate::accepts::usual_us`].
    #[serde(default)]
    pub usual_us: u32,
    /// The two hundred that were longest beyond the witness's at the same time, the worst first.
    pub gaps: Vec<GapRecord>,
    /// The longest such time of a listener of the generator's own, which does nothing but answer.
    pub witness_longest_us: u32,
}

/// A time in which nobody was accepted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct GapRecord {
    /// Its begin.
    pub from_ns: u64,
    /// How long it was.
    pub us: u32,
    /// The witness's longest at the same time: when that is as long, it was the machine that stood still.
    pub witness_us: u32,
}

/// What the generator itself needed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Generator {
    /// Processor time of the process meanwhile, in seconds: of the witness, too, and of all loads that went on at the same time.
    pub cpu_s: f64,
    /// Whether the threads of an open loop had real-time priority, so that none of its latencies is a wait of their own for a processor. They
    /// have it where they may, as root as a rule; those of a closed loop never do.
    pub on_time: bool,
    /// How late requests of an open loop were sent though a client was free.
    pub late: Latency,
}

/// The answers that had one body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BodyRecord {
    /// Its begin.
    pub body: String,
    /// How many.
    pub count: u64,
    /// When the first had come.
    pub first_ns: u64,
    /// When the last had come.
    pub last_ns: u64,
}

/// The time from one mark to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Phase {
    /// As the mark at its begin is called.
    pub name: String,
    /// Its begin.
    pub from_ns: u64,
    /// Its end.
    pub to_ns: u64,
    /// Requests due in it that were answered.
    pub answered: u64,
    /// Requests due in it that failed.
    pub failed: u64,
    /// Of the requests due in it.
    pub latency: Latency,
    /// The longest time without an accept of which some lies in it.
    pub longest_gap_us: Option<u32>,
}

/// A piece of the time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Slice {
    /// Its begin.
    pub at_ns: u64,
    /// Answers that came in it.
    pub answers: u64,
    /// Requests due in it that failed.
    pub failed: u64,
    /// Of the answered requests due in it.
    pub p50_us: u32,
    /// 99 of 100 of them took no longer.
    pub p99_us: u32,
    /// The longest.
    pub max_us: u32,
}

/// What came of the requests that were due in some part of the time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// How long that part is.
    pub seconds: f64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Of the answered ones.
    pub latency: Latency,
    /// The longest time without an accept of which some lies in it, where that was looked for.
    pub longest_gap_us: Option<u32>,
}

/// A moment that has a name, by CLOCK_MONOTONIC in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The phase that begins there.
    pub name: String,
    /// When.
    pub at_ns: u64,
}
