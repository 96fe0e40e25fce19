//! What `wrk.lua` and `http2_client` say: an "@" and JSON in each line.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::report::{Errors, Latency, LoadReport, Seen};

#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Event {
    /// The first response of a release, in one of the threads.
    Release {
        release: String,
    },
    /// The first response with a status that is not 200, in one of the threads.
    Status,
    /// A thread of wrk has no request on its way any more.
    Parked,
    Responses {
        release: String,
        count: u64,
        first_ns: u64,
    },
    Statuses {
        status: u16,
        count: u64,
    },
    Failures {
        words: String,
        count: u64,
    },
    /// A thread of wrk ended with so many connections parked.
    Thread {
        parked: u64,
    },
    Summary(Summary),
    Latency(Latency),
}

#[derive(Debug, Deserialize, Clone, Copy)]
pub(super) struct Summary {
    pub(super) requests: u64,
    duration_us: u64,
    pub(super) connect: u64,
    pub(super) read: u64,
    pub(super) write: u64,
    pub(super) timeout: u64,
    pub(super) status: u64,
}

/// A line with an event, or none when it is one of the generator's own.
pub(super) fn event(line: &str) -> Option<Event> {
    let json = line.strip_prefix('@')?;
    Some(serde_json::from_str(json).unwrap_or_else(|e| panic!("not an event: {line:?}: {e}")))
}

/// All events of one load.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) summary: Summary,
    pub(super) by_release: BTreeMap<String, Seen>,
    pub(super) by_status: BTreeMap<u16, u64>,
    pub(super) failures: BTreeMap<String, u64>,
    /// How many connections each thread of wrk had parked.
    pub(super) parked: Vec<u64>,
    latency: Latency,
}

impl Account {
    /// Panics when it is not whole, or contradicts itself.
    pub(super) fn read(lines: &[String]) -> Self {
        let (mut by_release, mut by_status) = (BTreeMap::<String, Seen>::new(), BTreeMap::new());
        let (mut failures, mut parked) = (BTreeMap::new(), Vec::new());
        let (mut summary, mut latency) = (None, None);
        for event in lines.iter().filter_map(|line| event(line)) {
            match event {
                Event::Release { .. } | Event::Status | Event::Parked => {}
                Event::Responses { release, count, first_ns } => {
                    let first = Duration::from_nanos(first_ns);
                    let seen = by_release.entry(release).or_insert(Seen { count: 0, first });
                    *seen = Seen { count: seen.count + count, first: seen.first.min(first) };
                }
                Event::Statuses { status, count } => *by_status.entry(status).or_default() += count,
                Event::Failures { words, count } => *failures.entry(words).or_default() += count,
                Event::Thread { parked: connections } => parked.push(connections),
                Event::Summary(found) => summary = Some(found),
                Event::Latency(found) => latency = Some(found),
            }
        }
        let told = lines.join("\n");
        let (Some(summary), Some(latency)) = (summary, latency) else {
            panic!("no summary:\n{told}");
        };
        let counted = by_release.values().map(|seen| seen.count).sum::<u64>()
            + by_status.values().sum::<u64>();
        assert_eq!(summary.requests, counted, "two counts of the responses:\n{told}");
        Self { summary, by_release, by_status, failures, parked, latency }
    }

    /// The report; `unanswered` is what the generator does not know itself.
    pub(super) fn report(self, command: &str, unanswered: u64) -> LoadReport {
        let Summary { requests, duration_us, connect, read, write, timeout, .. } = self.summary;
        let (status, other) = (self.by_status, self.failures);
        LoadReport {
            command: command.into(),
            requests,
            unsent: 0,
            errors: Errors { connect, read, write, timeout, unanswered, status, other },
            by_release: self.by_release,
            latency: self.latency,
            duration: Duration::from_micros(duration_us),
        }
    }
}
