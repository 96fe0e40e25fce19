//! Why `serve` could not begin.

use std::io;

use crate::slot::Meaningless;

/// Why [`serve`](crate::serve()) could not begin. Once it serves it does not fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// `SOCKACT_GATE` says no share.
    #[error("SOCKACT_GATE={value:?}: expected \"open\", \"closed\" or a share from 0 to 1")]
    Gate {
        /// Its value.
        value: String,
    },

    /// `SOCKACT_DRAIN_USEC` is no number.
    #[error("SOCKACT_DRAIN_USEC={value:?}: expected a number of microseconds")]
    DrainUsec {
        /// Its value.
        value: String,
    },

    /// A listener is blocking; an accept loop on it would hold up a whole thread.
    #[error(
        "the {what} listener is blocking: call set_nonblocking(true) on a listener of your own; for one of systemd's set NonBlocking=yes in the service's unit"
    )]
    Blocking {
        /// Which: "first", "second", … in the order given to `serve`, or "admin".
        what: String,
    },

    /// A listener cannot be watched.
    #[error("cannot watch the {what} listener")]
    Watch {
        /// Which.
        what: String,
        /// From fcntl(2) or epoll_ctl(2).
        source: io::Error,
    },

    /// The handlers of SIGTERM and SIGINT cannot be installed.
    #[error("cannot handle SIGTERM and SIGINT")]
    Signals {
        /// From sigaction(2).
        source: io::Error,
    },

    /// `READY=1` cannot be sent.
    #[error("cannot tell systemd that the service is ready (NOTIFY_SOCKET)")]
    Ready {
        /// From sendmsg(2).
        source: io::Error,
    },

    /// The watchdog's variables are malformed.
    #[error("cannot ping the watchdog of this service (WatchdogSec=)")]
    Watchdog {
        /// Which, and how.
        source: crate::NotifyError,
    },
}

impl From<Meaningless> for ServeError {
    fn from(var: Meaningless) -> ServeError {
        match var {
            Meaningless::Gate(value) => ServeError::Gate { value },
            Meaningless::DrainUsec(value) => ServeError::DrainUsec { value },
        }
    }
}
