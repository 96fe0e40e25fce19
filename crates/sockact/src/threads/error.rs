//! Why a drain of threads could not begin.

use std::io;

use crate::NotifyError;
use crate::slot::Meaningless;

/// Why [`Drain`](super::Drain) could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThreadsError {
    /// The handlers of SIGTERM and SIGINT, or the pipes to them, cannot be made.
    #[error("cannot handle SIGTERM and SIGINT")]
    Signals {
        /// From sigaction(2) or socketpair(2).
        source: io::Error,
    },

    /// `SOCKACT_GATE` says no share.
    #[error("SOCKACT_GATE={value:?}: expected \"open\", \"closed\" or a share from 0 to 1")]
    Gate {
        /// Its value.
        value: String,
    },

    /// The gate is to be closed, or nearly, and nobody could open it.
    #[error(
        "SOCKACT_GATE gives a share of {share}, and this program has no admin socket by which that could be changed: build sockact with the feature \"gate\""
    )]
    NoGate {
        /// The share asked for.
        share: f64,
    },

    /// `SOCKACT_DRAIN_USEC` is no number.
    #[error("SOCKACT_DRAIN_USEC={value:?}: expected a number of microseconds")]
    DrainUsec {
        /// Its value.
        value: String,
    },

    /// A thread of the library's own cannot be started.
    #[error("cannot start the thread {name}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// From pthread_create(3).
        source: io::Error,
    },

    /// `READY=1` cannot be sent.
    #[error("cannot tell systemd that the service is ready (NOTIFY_SOCKET)")]
    Ready {
        /// What is wrong with the address, or with the way there.
        source: NotifyError,
    },
}

impl From<Meaningless> for ThreadsError {
    fn from(var: Meaningless) -> ThreadsError {
        match var {
            Meaningless::Gate(value) => ThreadsError::Gate { value },
            Meaningless::DrainUsec(value) => ThreadsError::DrainUsec { value },
        }
    }
}
