//! What was proved, as it is written: version 1 of its JSON.
//!
//! Times that end in `_ns` are nanoseconds of CLOCK_MONOTONIC.

use serde::{Deserialize, Serialize};

use super::deploy::Deploy;
use crate::record::{Record, Summary};

/// The whole of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Proof {
    /// 1. It changes when a field changes its meaning or goes.
    pub version: u32,
    /// The application.
    pub app: String,
    /// When it began, in UTC.
    pub began: String,
    /// The machine.
    pub machine: Machine,
    /// Whether every client got what was promised.
    pub verdict: Verdict,
    /// Why not, a sentence each.
    pub reasons: Vec<String>,
    /// Each fault that was seen, in order of time; the first hundred.
    pub findings: Vec<Finding>,
    /// What should be known besides.
    pub notes: Vec<String>,
    /// What was allowed.
    pub limits: Limits,
    /// Requests of all clients, answered or failed.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Requests besides that this machine could not send.
    pub unsent: u64,
    /// One for each loop.
    pub rounds: Vec<Round>,
}

/// The machine on which it ran.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// Its processors, as far as this process may use them.
    pub processors: u32,
    /// The kernel.
    pub kernel: String,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing failed and nothing stalled.
    Pass,
    /// Something did.
    Fail,
    /// Nothing failed until somebody ended it.
    Interrupted,
}

/// What was allowed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Limits {
    /// The longest time without an accept, beyond that of the witness at the same time. Where accepts are rare anyway it is five times as
    /// long as such times usually are, when that is more.
    pub max_gap_us: u32,
    /// How many times the 99.9th percentile of steady latency that of a swap may be.
    pub max_slowdown: Option<f64>,
}

/// One loop: all kinds of clients at once, and the deploys under them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    /// `open` or `closed`.
    #[serde(rename = "loop")]
    pub pace: String,
    /// Its begin.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
    /// Until when requests were sent: to its end, and for an hour at most.
    pub load_end_ns: u64,
    /// One for each kind of clients.
    pub loads: Vec<LoadRecord>,
    /// What was deployed.
    pub deploys: Vec<Deploy>,
    /// What the slots said of themselves, in order of time.
    pub slots: Vec<SlotSample>,
    /// When the slots were ready to run and had no processor, in order of time.
    pub starved: Vec<Starved>,
    /// Whether somebody ended it before its time.
    pub interrupted: bool,
    /// Deploys that were asked for and had no load to their end, because it had ended before: not begun by then, or still under way.
    pub missed: u32,
}

/// What one kind of clients saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadRecord {
    /// All of it.
    pub record: Record,
    /// While nothing was deployed; without the first half second, in which connections are made.
    pub steady: Summary,
    /// From the start of each new release to the end of its deploy.
    pub swap: Summary,
}

/// What a slot said of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotSample {
    /// When it was asked.
    pub at_ns: u64,
    /// Which slot.
    pub slot: String,
    /// The share of connections that it takes.
    pub gate: f64,
    /// Connections that it has open.
    pub connections: u64,
    /// Requests that it answers now.
    pub in_flight: u64,
}

/// A time in which a thread of a slot was ready to run and had no processor for a while: others had them, the generator among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starved {
    /// Which slot.
    pub slot: String,
    /// Which of its threads, by the kernel's number.
    pub thread: u32,
    /// It was looked at then ...
    pub from_ns: u64,
    /// ... and then.
    pub to_ns: u64,
    /// So long it waited in between.
    pub us: u32,
}

/// A fault, and where it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// When: of a request, when it was due.
    pub at_ns: u64,
    /// In seconds since the begin of its loop.
    pub at_s: f64,
    /// `open` or `closed`.
    #[serde(rename = "loop")]
    pub pace: String,
    /// The kind of client, or `accept`: a connection that only looks whether anybody accepts.
    pub client: String,
    /// The deploy that was under way.
    pub deploy: Option<u32>,
    /// What it did then; `steady` when there was none.
    pub phase: String,
    /// One of these slots it was: those that accepted then; where it is a request's fault, also one that still served the connections it had.
    pub slots: Vec<String>,
    /// The kind of failure, or `stall`.
    pub what: String,
    /// What was seen.
    pub detail: String,
}
