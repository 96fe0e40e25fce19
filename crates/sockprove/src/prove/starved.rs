//! How long a process was ready to run and had no processor, as the scheduler counts it (`/proc/PID/task/TID/schedstat`, the second number).

use std::collections::BTreeMap;
use std::fs;

use super::proof::Starved;
use crate::load::monotonic_ns;

/// Threads of a process that are looked at. Of more, nobody could say which one accepts.
const THREADS: usize = 16;

/// Shorter waits are every process's.
const LEAST_US: u32 = 1000;

/// What was seen of one process at the last look.
#[derive(Debug)]
pub(super) struct Process {
    slot: String,
    pub(super) pid: u32,
    at_ns: u64,
    /// Nanoseconds that each thread has waited since its begin.
    waited_ns: BTreeMap<u32, u64>,
}

impl Process {
    pub(super) fn new(slot: &str, pid: u32) -> Self {
        Self { slot: slot.into(), pid, at_ns: monotonic_ns(), waited_ns: waited(pid) }
    }

    /// Looks again: what its threads have waited since.
    pub(super) fn look(&mut self) -> Option<Starved> {
        let (now_ns, waited_ns) = (monotonic_ns(), waited(self.pid));
        // A thread that is new has waited since its begin, which is not long ago.
        let before = |thread| self.waited_ns.get(thread).copied().unwrap_or(0);
        let since = waited_ns.iter().map(|(thread, waited)| waited.saturating_sub(before(thread)));
        let us = u32::try_from(since.max().unwrap_or(0) / 1000).unwrap_or(u32::MAX);
        let (from_ns, slot) = (self.at_ns, self.slot.clone());
        (self.at_ns, self.waited_ns) = (now_ns, waited_ns);
        (us >= LEAST_US).then_some(Starved { slot, from_ns, to_ns: now_ns, us })
    }
}

/// Of each thread; empty when the process is gone.
fn waited(pid: u32) -> BTreeMap<u32, u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let waited = threads.take(THREADS).filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let number = thread.file_name().to_str()?.parse().ok()?;
        Some((number, stat.split(' ').nth(1)?.parse().ok()?))
    });
    waited.collect()
}

/// How long one of these slots was kept from running in this time, at most.
pub(super) fn within(starved: &[Starved], slots: &[String], from_ns: u64, to_ns: u64) -> u32 {
    let is_in = |s: &&Starved| s.from_ns < to_ns && s.to_ns > from_ns;
    let of = |slot: &String| {
        starved.iter().filter(|s| s.slot == *slot).filter(is_in).map(|s| s.us).sum()
    };
    slots.iter().map(of).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_slot_waited_counts_where_it_accepts() {
        let starved = |slot: &str, from_ns, us| Starved {
            slot: slot.into(),
            from_ns,
            to_ns: from_ns + 5,
            us,
        };
        let seen =
            [starved("blue", 10, 3000), starved("blue", 15, 2000), starved("green", 15, 9000)];
        let within = |slots: &[&str], from, to| {
            super::within(
                &seen,
                &slots.iter().map(ToString::to_string).collect::<Vec<_>>(),
                from,
                to,
            )
        };
        assert_eq!(within(&["blue"], 12, 18), 5000);
        assert_eq!(within(&["blue", "green"], 12, 18), 9000);
        assert_eq!((within(&["blue"], 20, 30), within(&[], 0, 100)), (0, 0));
    }

    #[test]
    fn this_process_is_seen() {
        assert!(!waited(std::process::id()).is_empty());
        assert!(waited(u32::MAX).is_empty());
    }
}
