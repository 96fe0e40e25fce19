//! Deploy after deploy under load, and what the clients lost.

use std::sync::Arc;
use std::time::Duration;

use super::load::{self, Count, Crowd};
use super::{Slot, Start, public};

pub(crate) const SWITCHES: usize = 15;

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// `sockact::serve`.
    Ours,
    /// Stock `axum::serve` with the drain of this crate.
    Stock,
    /// Stock `axum::serve` with its own graceful shutdown alone.
    Plain,
}

impl Server {
    pub(crate) const ALL: [Server; 3] = [Server::Ours, Server::Stock, Server::Plain];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Server::Ours => "sockact::serve",
            Server::Stock => "axum::serve with our drain",
            Server::Plain => "axum::serve with_graceful_shutdown",
        }
    }

    fn start(self, name: &str, http: &std::net::TcpListener) -> Slot {
        let start = Start::new(name, http);
        match self {
            Server::Ours => start.env("SOCKACT_GATE", "closed").ready(),
            Server::Stock => start.program("stock").env("SOCKACT_GATE", "closed").ready(),
            Server::Plain => start.program("stock").env("MODE", "plain").ready(),
        }
    }

    fn opens(self, slot: &Slot) {
        if self != Server::Plain {
            slot.gate(1.0);
        }
    }
}

/// Makes [`SWITCHES`] switches while the crowds ask, `pause` of load between two.
pub(crate) fn switches(server: Server, crowds: &[Crowd], pause: Duration) -> Vec<Arc<Count>> {
    let (http, address) = public();
    // A crowd's connections all arrive at once.
    rustix::net::listen(&http, 4096).expect("listen");
    let mut live = server.start("blue", &http);
    server.opens(&live);
    load::meanwhile(address, crowds, || {
        for nth in 0..SWITCHES {
            std::thread::park_timeout(pause);
            let next = server.start(["green", "blue"][nth % 2], &http);
            server.opens(&next);
            let mut old = std::mem::replace(&mut live, next);
            if server != Server::Plain {
                old.gate(0.0);
                // Some leave while they stand by, some while it drains.
                std::thread::park_timeout(if nth % 2 == 0 { pause } else { Duration::ZERO });
            }
            old.term();
            let report = old.ends();
            assert!(report.contains(" 0 cut"), "{report}");
        }
    })
}
