//! Why a drain of threads could not begin.

use std::ffi::OsString;
use std::io;

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

    /// `SOCKACT_DRAIN_USEC` is no number.
    #[error("SOCKACT_DRAIN_USEC={value:?}: expected a number of microseconds")]
    DrainUsec {
        /// Its value.
        value: OsString,
    },

    /// `READY=1` cannot be sent.
    #[error("cannot tell systemd that the service is ready (NOTIFY_SOCKET)")]
    Ready {
        /// From sendmsg(2).
        source: io::Error,
    },
}
