//! What a drain came to.

use std::fmt;
use std::time::Duration;

/// How the service ended, as told by `serve`, by `Drain` and by [`threads`](crate::threads).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How the drain ended.
    pub end: End,
    /// How long the drain took.
    pub drained: Duration,
    /// Connections and guards that came to their own end during the drain.
    pub finished: u64,
    /// Connections that were still open at the end and were dropped, upgraded ones included.
    pub cut: u64,
    /// Requests that were being answered on connections that were cut.
    pub cut_requests: u64,
    /// Of those cut, upgraded ones (WebSockets).
    pub cut_upgraded: u64,
    /// Of those cut, guards: raw connections and jobs.
    pub cut_guards: u64,
    /// Connections accepted over the whole life of the process.
    pub accepted: u64,
    /// Requests over the whole life of the process.
    pub requests: u64,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// No connection was left.
    Drained,
    /// The drain deadline passed.
    Deadline,
    /// A second SIGTERM or SIGINT came.
    SecondSignal,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.end {
            End::Drained => "drained",
            End::Deadline => "drain deadline passed",
            End::SecondSignal => "second signal",
        };
        write!(
            f,
            "{why} after {:.1} s: {} finished, {} cut, of {} connections and {} requests in all",
            self.drained.as_secs_f64(),
            self.finished,
            self.cut,
            self.accepted,
            self.requests
        )?;
        if self.cut == 0 {
            return Ok(());
        }
        let Report { cut_requests: open, cut_upgraded: upgraded, cut_guards: guards, .. } = self;
        write!(f, "; cut were {open} open requests, {upgraded} upgraded, {guards} guarded")
    }
}
