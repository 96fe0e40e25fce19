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

    /// Looks again: what each of its threads has waited since. Of one that was not looked at before nobody knows.
    pub(super) fn look(&mut self) -> Vec<Starved> {
        let (now_ns, waited_ns) = (monotonic_ns(), waited(self.pid));
        let since = waited_ns.iter().filter_map(|(thread, waited_ns)| {
            let waited_ns = waited_ns.saturating_sub(*self.waited_ns.get(thread)?);
            let us = u32::try_from(waited_ns / 1000).unwrap_or(u32::MAX);
            let (slot, thread, from_ns) = (self.slot.clone(), *thread, self.at_ns);
            (us >= LEAST_US).then_some(Starved { slot, thread, from_ns, to_ns: now_ns, us })
        });
        let starved = since.collect();
        (self.at_ns, self.waited_ns) = (now_ns, waited_ns);
        starved
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        assert!(!waited(std::process::id()).is_empty());
        assert!(waited(u32::MAX).is_empty());
    }
}
