//! What a load generator saw.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// The account of one load, from the generator's own counters.
#[derive(Debug, Clone)]
pub struct LoadReport {
    /// The command line that ran, for messages.
    pub command: String,
    /// Requests that were answered, with whatever status.
    pub requests: u64,
    /// Requests that the generator gave up before it wrote the first byte, because the server had said with GOAWAY that
    /// the connection ends. No server has seen them, any client may send them again on its next connection, RFC 9113
    /// section 6.8, but a load generator does not. Always 0 with HTTP/1.1.
    pub unsent: u64,
    /// What went wrong.
    pub errors: Errors,
    /// Responses with status 200 by their body, which is the release's name. Empty for HTTP/2: oha
    /// does not read bodies.
    pub by_release: BTreeMap<String, Seen>,
    /// From the first byte of a request to the last of its response.
    pub latency: Latency,
    /// How long the load ran.
    pub duration: Duration,
}

/// The responses of one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// How many there were.
    pub count: u64,
    /// When the first one came, by `CLOCK_MONOTONIC`, which namespaces share.
    pub first: Duration,
}

/// Failures by kind; each request that failed is in one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors {
    /// Connections that could not be started.
    pub connect: u64,
    /// Connections reset or closed before a response was complete.
    pub read: u64,
    /// Requests that could not be written; wrk counts here also a connection that is refused.
    pub write: u64,
    /// Responses that took longer than the generator's limit.
    pub timeout: u64,
    /// Requests that were not answered, or connections that were not made, in the time after the load's end.
    pub unanswered: u64,
    /// Responses by a status that is not 200.
    pub status: BTreeMap<u16, u64>,
    /// Failures that the generator names in its own words.
    pub other: BTreeMap<String, u64>,
}

/// Latency in microseconds, as the generator computes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Latency {
    /// Half of the responses took at most this.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The 99.9th percentile.
    pub p99_9: u64,
    /// The slowest.
    pub max: u64,
}

impl Errors {
    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> u64 {
        let named = self.connect + self.read + self.write + self.timeout + self.unanswered;
        named + self.status.values().sum::<u64>() + self.other.values().sum::<u64>()
    }
}

impl LoadReport {
    /// Asserts that there was a load and that no request failed in any way.
    ///
    /// # Panics
    /// Otherwise, with the whole report.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.requests > 0, "no request was answered:\n{self}");
        assert_eq!(self.errors, Errors::default(), "requests failed:\n{self}");
    }

    /// The responses of a release, by its name.
    #[must_use]
    pub fn release(&self, name: &str) -> Option<Seen> {
        self.by_release.get(name).copied()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p90, p99, p99_9, max } = self.latency;
        writeln!(f, "$ {}", self.command)?;
        writeln!(
            f,
            "{} responses in {:.1?}, {} failures",
            self.requests,
            self.duration,
            self.errors.total()
        )?;
        writeln!(
            f,
            "latency in microseconds: p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p99_9}, max {max}"
        )?;
        for (release, seen) in &self.by_release {
            writeln!(
                f,
                "release {release}: {} responses, the first at {:.6?}",
                seen.count, seen.first
            )?;
        }
        write!(f, "{} unsent, {:?}", self.unsent, self.errors)
    }
}
