//! The account of a load, as it is written: version 1 of its JSON.
//!
//! Times that end in `_ns` are nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share. A request belongs to the phase and
//! the slice in which it was *due*, whenever its answer came.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::accepts::{self, Gap, Opened};
use crate::failure::FailureKind;
use crate::kind::Kind;
use crate::load::Run;
use crate::schedule::Pace;
use crate::tally::{Fault, Sample};

/// How many gaps are told, the longest first.
const GAPS: usize = 20;

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
    /// The same, each kind of failure apart.
    pub failures: BTreeMap<FailureKind, u64>,
    /// The first thousand failures, each with its time.
    pub faults: Vec<FaultRecord>,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that the server closed while nothing was under way on them: nobody lost anything.
    pub closed_idle: u64,
    /// Requests over HTTP/2 that were sent again on another connection, because the server had not looked at them (RFC 9113, section 6.8).
    pub resent: u64,
    /// WebSockets that the server closed in order (1000, 1001, 1012) and that were opened again.
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
    /// Whether it was a connection that only looked whether anybody accepts.
    pub probe: bool,
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
    /// The longest time in which somebody waited and nobody was accepted.
    pub longest_us: u32,
    /// The longest of them.
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
    /// Its processor time, with that of the witness.
    pub cpu_s: f64,
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

/// A moment that has a name, by CLOCK_MONOTONIC in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The phase that begins there.
    pub name: String,
    /// When.
    pub at_ns: u64,
}

impl Record {
    /// The account of this load, cut at the marks and into slices of this length.
    pub fn of(run: &Run, marks: &[Mark], slice: Duration) -> Self {
        let times = Times { start_ns: run.start_ns, length_us: run.duration.as_micros() as u32 };
        let mut samples: Vec<_> = run.tally.samples().collect();
        samples.sort_unstable_by_key(|sample| sample.due_us);
        let mut failed_due = run.tally.failed_due_us.clone();
        failed_due.sort_unstable();
        let counted = |kind| (kind, run.tally.failed.get(&kind).copied().unwrap_or(0));
        let gaps = accepts::gaps(&run.probes.service);
        let (rate, clients) = match run.load.pace {
            Pace::Open { rate } => (Some(rate.get()), None),
            Pace::Closed { connections } => (None, Some(connections.get())),
        };
        let target = &run.load.target;
        Self {
            version: 1,
            url: format!("http://{}{}", target.authority, target.path),
            address: target.address.to_string(),
            kind: run.load.kind,
            pace: run.load.pace.word().into(),
            rate,
            clients,
            start_ns: run.start_ns,
            end_ns: times.at(times.length_us),
            answered: samples.len() as u64,
            failed: failed_due.len() as u64,
            failures: FailureKind::ALL.map(counted).into(),
            faults: run.tally.faults.iter().map(|fault| times.fault(fault)).collect(),
            connections: run.connections,
            closed_idle: run.closed_idle,
            resent: run.resent,
            moved: run.moved,
            latency: Latency::of(&mut took(&samples)),
            accepts: run.load.probe.map(|every| times.accepts(every, &gaps, &run.probes.witness)),
            generator: Generator {
                cpu_s: run.cpu.as_secs_f64(),
                late: Latency::of(&mut run.tally.late_us.clone()),
            },
            bodies: bodies(run, &times),
            phases: times.phases(marks, &samples, &failed_due, &gaps),
            slices: times.slices(slice, &samples, &failed_due),
        }
    }
}

fn took(samples: &[Sample]) -> Vec<u32> {
    samples.iter().map(|sample| sample.took_us).collect()
}

fn bodies(run: &Run, times: &Times) -> Vec<BodyRecord> {
    let mut bodies: Vec<_> = run
        .tally
        .bodies
        .iter()
        .map(|(body, seen)| BodyRecord {
            body: String::from_utf8_lossy(body).into_owned(),
            count: seen.count,
            first_ns: times.at(seen.first_us),
            last_ns: times.at(seen.last_us),
        })
        .collect();
    bodies.sort_by_key(|body| body.first_ns);
    bodies
}

/// Of one load: from its own times to everybody's.
struct Times {
    start_ns: u64,
    length_us: u32,
}

impl Times {
    fn at(&self, us: u32) -> u64 {
        self.start_ns + u64::from(us) * 1000
    }

    fn since_start(&self, ns: u64) -> u32 {
        u32::try_from(ns.saturating_sub(self.start_ns) / 1000).unwrap_or(u32::MAX)
    }

    fn fault(&self, fault: &Fault) -> FaultRecord {
        FaultRecord {
            due_ns: self.at(fault.due_us),
            at_ns: self.at(fault.at_us),
            kind: fault.failure.kind,
            detail: fault.failure.detail.clone(),
            probe: fault.probe,
        }
    }

    fn accepts(&self, every: Duration, gaps: &[Gap], witness: &[Opened]) -> Accepts {
        let witness = accepts::gaps(witness);
        let length = |gap: Option<Gap>| gap.map_or(0, Gap::length_us);
        let mut longest = gaps.to_vec();
        longest.sort_by_key(|gap| std::cmp::Reverse(gap.length_us()));
        let told = longest.iter().take(GAPS).map(|gap| GapRecord {
            from_ns: self.at(gap.from_us),
            us: gap.length_us(),
            witness_us: length(accepts::longest(&witness, gap.from_us, gap.to_us)),
        });
        Accepts {
            connections: gaps.len() as u64,
            every_us: every.as_micros() as u64,
            longest_us: length(longest.first().copied()),
            gaps: told.collect(),
            witness_longest_us: length(accepts::longest(&witness, 0, u32::MAX)),
        }
    }

    /// From each mark to the next.
    fn phases(
        &self,
        marks: &[Mark],
        samples: &[Sample],
        failed: &[u32],
        gaps: &[Gap],
    ) -> Vec<Phase> {
        let mut marks: Vec<_> =
            marks.iter().map(|m| (self.since_start(m.at_ns), m.name.as_str())).collect();
        marks.sort_by_key(|(at, _)| *at);
        let begins = std::iter::once((0, "start")).chain(marks.iter().copied());
        let ends = marks.iter().map(|(at, _)| *at).chain([self.length_us.saturating_add(1)]);
        let phases = begins.zip(ends).map(|((from, name), to)| {
            let due = between(samples, from, to, |sample| sample.due_us);
            Phase {
                name: name.into(),
                from_ns: self.at(from),
                to_ns: self.at(to),
                answered: due.len() as u64,
                failed: between(failed, from, to, |due| *due).len() as u64,
                latency: Latency::of(&mut took(due)),
                longest_gap_us: accepts::longest(gaps, from, to).map(Gap::length_us),
            }
        });
        phases.collect()
    }

    fn slices(&self, length: Duration, samples: &[Sample], failed: &[u32]) -> Vec<Slice> {
        let length = u32::try_from(length.as_micros()).unwrap_or(u32::MAX).max(1);
        let mut came: Vec<_> = samples.iter().map(|s| s.due_us.saturating_add(s.took_us)).collect();
        came.sort_unstable();
        let begins = (0..self.length_us).step_by(length as usize);
        let slices = begins.map(|from| {
            let to = from.saturating_add(length);
            let due = between(samples, from, to, |sample| sample.due_us);
            let Latency { p50_us, p99_us, max_us, .. } = Latency::of(&mut took(due));
            Slice {
                at_ns: self.at(from),
                answers: between(&came, from, to, |at| *at).len() as u64,
                failed: between(failed, from, to, |due| *due).len() as u64,
                p50_us,
                p99_us,
                max_us,
            }
        });
        slices.collect()
    }
}

/// Those of a sorted list whose time is in the interval.
fn between<T>(sorted: &[T], from: u32, to: u32, time: impl Fn(&T) -> u32) -> &[T] {
    let first = sorted.partition_point(|one| time(one) < from);
    let behind = sorted.partition_point(|one| time(one) < to);
    &sorted[first..behind.max(first)]
}
