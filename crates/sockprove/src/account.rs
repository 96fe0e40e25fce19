//! From all that a load saw to the account of it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::accepts::{self, Gap};
use crate::failure::FailureKind;
use crate::load::Run;
use crate::probe::Probes;
use crate::record::{
    Accepts, BodyRecord, FaultRecord, GapRecord, Generator, Latency, Mark, Phase, Record, Slice,
    Summary,
};
use crate::schedule::Pace;
use crate::tally::{Fault, Sample, Tally};
use crate::timer::clamped;

/// How many gaps are told, the worst first.
const GAPS: usize = 200;

/// What came of the requests that were due in these times, which do not overlap: from and to, by CLOCK_MONOTONIC in nanoseconds.
pub fn summary(run: &Run, windows: &[(u64, u64)]) -> Summary {
    let times = Times::of(run);
    let windows: Vec<_> = windows
        .iter()
        .map(|&(from, to)| (times.since_start(from), times.since_start(to).min(times.length_us)))
        .filter(|(from, to)| from < to)
        .collect();
    let is_in = |us: u32| windows.iter().any(|&(from, to)| (from..to).contains(&us));
    let mut took: Vec<_> =
        run.tally.samples().filter(|s| is_in(s.due_us)).map(|s| s.took_us).collect();
    let gaps = accepts::gaps(&run.probes.service);
    let longest = windows.iter().filter_map(|&(from, to)| accepts::longest(&gaps, from, to));
    Summary {
        seconds: windows.iter().map(|(from, to)| f64::from(to - from) / 1e6).sum(),
        answered: took.len() as u64,
        failed: run.tally.failed_due_us.iter().filter(|us| is_in(**us)).count() as u64,
        latency: Latency::of(&mut took),
        longest_gap_us: longest.map(Gap::length_us).max(),
    }
}

impl Record {
    /// The account of this load, cut at the marks and into slices of this length.
    pub fn of(run: &Run, marks: &[Mark], slice: Duration) -> Self {
        let times = Times::of(run);
        let mut samples: Vec<_> = run.tally.samples().collect();
        samples.sort_unstable_by_key(|sample| sample.due_us);
        let mut failed_due = run.tally.failed_due_us.clone();
        failed_due.sort_unstable();
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
            unsent: run.tally.unsent,
            failures: counted(&run.tally),
            faults: times.faults(&run.tally),
            connections: run.connections,
            closed_idle: run.closed_idle,
            resent: run.resent,
            moved: run.moved,
            latency: Latency::of(&mut took(&samples)),
            accepts: run.load.probe.map(|every| times.accepts(every, &gaps, &run.probes)),
            generator: Generator {
                cpu_s: run.cpu.as_secs_f64(),
                on_time: run.on_time,
                late: Latency::of(&mut run.tally.late_us.clone()),
            },
            bodies: bodies(run, &times),
            phases: times.phases(marks, &samples, &failed_due, &gaps),
            slices: times.slices(slice, &samples, &failed_due),
        }
    }
}

fn counted(tally: &Tally) -> BTreeMap<FailureKind, u64> {
    let count = |kind| (kind, tally.failed.get(&kind).copied().unwrap_or(0));
    FailureKind::OF_SERVICE.map(count).into()
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
    fn of(run: &Run) -> Self {
        Self { start_ns: run.start_ns, length_us: clamped(run.duration) }
    }

    fn at(&self, us: u32) -> u64 {
        self.start_ns + u64::from(us) * 1000
    }

    fn since_start(&self, ns: u64) -> u32 {
        u32::try_from(ns.saturating_sub(self.start_ns) / 1000).unwrap_or(u32::MAX)
    }

    fn faults(&self, tally: &Tally) -> Vec<FaultRecord> {
        let told = |fault: &Fault| FaultRecord {
            due_ns: self.at(fault.due_us),
            at_ns: self.at(fault.at_us),
            kind: fault.failure.kind,
            detail: fault.failure.detail.clone(),
        };
        tally.faults.iter().map(told).collect()
    }

    fn accepts(&self, every: Duration, gaps: &[Gap], probes: &Probes) -> Accepts {
        let witness = accepts::gaps(&probes.witness);
        let length = |gap: Option<Gap>| gap.map_or(0, Gap::length_us);
        let mut worst: Vec<_> = gaps
            .iter()
            .map(|gap| GapRecord {
                from_ns: self.at(gap.from_us),
                us: gap.length_us(),
                witness_us: length(accepts::longest(&witness, gap.from_us, gap.to_us)),
            })
            .collect();
        worst.sort_by_key(|gap| std::cmp::Reverse(gap.us.saturating_sub(gap.witness_us)));
        worst.truncate(GAPS);
        let mut lengths: Vec<_> = gaps.iter().map(|gap| gap.length_us()).collect();
        let Latency { p99_us, max_us, .. } = Latency::of(&mut lengths);
        Accepts {
            connections: gaps.len() as u64,
            every_us: every.as_micros() as u64,
            failures: counted(&probes.tally),
            unsent: probes.tally.unsent,
            faults: self.faults(&probes.tally),
            longest_us: max_us,
            p99_us,
            usual_us: accepts::usual_us(&lengths),
            gaps: worst,
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
