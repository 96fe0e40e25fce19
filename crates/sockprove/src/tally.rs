//! What a load sees, as it sees it.

use std::collections::BTreeMap;

use crate::failure::{Failure, FailureKind};

/// How many faults are kept with all that is known of them. All are counted.
const FAULTS: usize = 1000;

/// How many bodies are told apart, and how much of each.
const BODIES: usize = 64;
const BODY_LENGTH: usize = 128;

/// Samples that are stored together: a vector that grows copies itself, and the load would stand still meanwhile.
const CHUNK: usize = 1 << 16;

/// An answered request. Times are microseconds since the start of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When it was due: in an open loop by the schedule, in a closed one when it was sent.
    pub due_us: u32,
    /// From then to the last byte of its answer.
    pub took_us: u32,
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// When it was due.
    pub due_us: u32,
    /// When it failed.
    pub at_us: u32,
    /// How.
    pub failure: Failure,
}

/// The answers that had one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// How many.
    pub count: u64,
    /// When the first came, in microseconds since the start of the load.
    pub first_us: u32,
    /// When the last came.
    pub last_us: u32,
}

/// All that a load saw.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    samples: Vec<Vec<Sample>>,
    /// How late each request was sent though a client was free: the generator's own fault. Microseconds, in order of nothing.
    pub late_us: Vec<u32>,
    /// How many were never sent, because this machine had nothing left to send them with: no request of the service's.
    pub unsent: u64,
    /// How many failed in each way.
    pub failed: BTreeMap<FailureKind, u64>,
    /// When each failed request was due.
    pub failed_due_us: Vec<u32>,
    /// The first of them.
    pub faults: Vec<Fault>,
    /// By body, when that was asked for.
    pub bodies: BTreeMap<Vec<u8>, Seen>,
}

impl Tally {
    /// An answer as it should be.
    pub fn answered(&mut self, sample: Sample) {
        match self.samples.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(sample),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(sample);
                self.samples.push(chunk);
            }
        }
    }

    /// Its body.
    pub fn body(&mut self, body: &[u8], at_us: u32) {
        let body = &body[..body.len().min(BODY_LENGTH)];
        self.seen(body, Seen { count: 1, first_us: at_us, last_us: at_us });
    }

    fn seen(&mut self, body: &[u8], more: Seen) {
        if let Some(seen) = self.bodies.get_mut(body) {
            seen.count += more.count;
            seen.first_us = seen.first_us.min(more.first_us);
            seen.last_us = seen.last_us.max(more.last_us);
        } else if self.bodies.len() < BODIES {
            self.bodies.insert(body.to_vec(), more);
        }
    }

    /// A request that failed, or that could not be sent.
    pub fn failed(&mut self, fault: Fault) {
        if fault.failure.kind == FailureKind::Machine {
            self.unsent += 1;
            return;
        }
        *self.failed.entry(fault.failure.kind).or_default() += 1;
        self.failed_due_us.push(fault.due_us);
        if self.faults.len() < FAULTS {
            self.faults.push(fault);
        }
    }

    /// What another thread saw.
    pub fn add(&mut self, other: Self) {
        self.samples.extend(other.samples);
        self.late_us.extend(other.late_us);
        self.unsent += other.unsent;
        self.failed_due_us.extend(other.failed_due_us);
        for (kind, count) in other.failed {
            *self.failed.entry(kind).or_default() += count;
        }
        self.faults.extend(other.faults);
        self.faults.sort_by_key(|fault| fault.at_us);
        self.faults.truncate(FAULTS);
        for (body, seen) in other.bodies {
            self.seen(&body, seen);
        }
    }

    /// Every answered request, in no order.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        self.samples.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_saw_adds_up() {
        let (mut one, mut two) = (Tally::default(), Tally::default());
        one.answered(Sample { due_us: 1, took_us: 2 });
        one.body(b"v1", 9);
        two.body(b"v1", 3);
        two.body(b"v2", 4);
        let failure = Failure::new(FailureKind::Reset, "x");
        two.failed(Fault { due_us: 5, at_us: 6, failure });
        let failure = Failure::new(FailureKind::Machine, "no port");
        two.failed(Fault { due_us: 5, at_us: 6, failure });
        one.add(two);
        assert_eq!(
            (one.samples().count(), one.faults.len(), one.failed[&FailureKind::Reset]),
            (1, 1, 1)
        );
        assert_eq!((one.unsent, one.failed_due_us.len(), one.failed.len()), (1, 1, 1));
        assert_eq!(one.bodies[b"v1".as_slice()], Seen { count: 2, first_us: 3, last_us: 9 });
    }

    #[test]
    fn bodies_without_end_are_bounded() {
        let mut tally = Tally::default();
        for n in 0..1000_u32 {
            tally.body(format!("{n}{}", "x".repeat(1000)).as_bytes(), n);
        }
        let mut other = Tally::default();
        other.body(b"one more", 0);
        tally.add(other);
        assert_eq!(tally.bodies.len(), BODIES);
        assert!(tally.bodies.keys().all(|body| body.len() <= BODY_LENGTH));
    }
}
