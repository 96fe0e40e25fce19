//! Load from real load generators, inside a sandbox's network, with their own error counters as typed values.
//!
//! ```no_run
//! # use e2e::{Sandbox, load::{Generator, Load}};
//! let sandbox = Sandbox::boot();
//! let load = Load::new(Generator::KeepAlive, "http://127.0.0.1:8080/").start(&sandbox);
//! // deploy
//! load.finish().assert_clean();
//! ```

mod event;
mod http2_pool;
mod oha;
mod report;
mod running;
mod wrk;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub use report::{Errors, Latency, LoadReport, Seen};
pub use running::Running;

use crate::Sandbox;

/// Which program makes the load, and how its connections live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generator {
    /// wrk: HTTP/1.1, a connection is used until the server says that it closes it.
    KeepAlive,
    /// wrk: HTTP/1.1, each request on a connection of its own.
    OneShot,
    /// oha: HTTP/2, eight streams on each connection, until the server says that it closes it.
    Http2,
    /// Our `http2_client`, on reqwest: as [`Generator::Http2`], but what could not be sent because the connection ends
    /// goes to the next one, and it reads bodies.
    Http2Pool,
}

/// Requests that are under way on one connection of HTTP/2 at a time.
const STREAMS: u32 = 8;

/// Threads of the generators that let us choose; connections are spread evenly over them.
const THREADS: u32 = 2;

impl Generator {
    /// Whether it says on standard output what it sees, while it runs. oha says nothing before its end, and does not
    /// read bodies.
    #[must_use]
    pub fn tells(self) -> bool {
        self != Self::Http2
    }
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KeepAlive => "HTTP/1.1, keep-alive (wrk)",
            Self::OneShot => "HTTP/1.1, one-shot (wrk)",
            Self::Http2 => "HTTP/2 (oha)",
            Self::Http2Pool => "HTTP/2 (reqwest)",
        })
    }
}

/// A load to be started: without think time, each connection sends its next request when it has the last response.
#[derive(Debug, Clone)]
pub struct Load {
    generator: Generator,
    url: String,
    connections: u32,
    timeout: Duration,
    at_most: Duration,
}

impl Load {
    /// A load of 64 requests at a time that ends by itself after two minutes.
    #[must_use]
    pub fn new(generator: Generator, url: &str) -> Self {
        Self {
            generator,
            url: url.into(),
            connections: 64,
            timeout: Duration::from_secs(5),
            at_most: Duration::from_secs(120),
        }
    }

    /// This many requests at a time, each on its connection, with HTTP/2 eight on each; a multiple of sixteen.
    #[must_use]
    pub fn connections(self, connections: u32) -> Self {
        Self { connections, ..self }
    }

    /// A response that takes longer is a failure; in whole seconds.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The load ends by itself after this time; in whole seconds. Then [`Running::finish`] panics.
    #[must_use]
    pub fn at_most(self, at_most: Duration) -> Self {
        Self { at_most, ..self }
    }

    /// Starts the generator and waits until it has seen the first response.
    ///
    /// # Panics
    /// When the generator is not installed, or ends before it has seen one: with all that it said.
    pub fn start<'a>(&self, sandbox: &'a Sandbox) -> Running<'a> {
        Running::start(sandbox, self)
    }

    /// Host and port of the URL.
    fn address(&self) -> &str {
        let rest = self.url.strip_prefix("http://").expect("an http URL");
        rest.split('/').next().expect("there is always a first part")
    }
}

/// Files of one load inside the sandbox.
#[derive(Debug)]
struct Scratch {
    script: String,
    stop: String,
}

impl Scratch {
    fn new() -> Self {
        static LOADS: AtomicU32 = AtomicU32::new(0);
        let name = format!("/tmp/load-{}", LOADS.fetch_add(1, Ordering::Relaxed));
        Self { script: format!("{name}.lua"), stop: format!("{name}.stop") }
    }
}
