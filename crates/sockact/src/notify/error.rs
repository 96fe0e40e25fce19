//! What can be wrong when the service manager is told something.

use std::io;
use std::time::Duration;

/// Why the service manager could not be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The address is of no known form.
    #[error(
        "NOTIFY_SOCKET={value:?} is no address of sd_notify(3): /path, @abstract, vsock:CID:PORT, vsock-stream:, vsock-dgram: or vsock-seqpacket:CID:PORT"
    )]
    Address {
        /// Its value.
        value: String,
    },

    /// A text holds a line break, which would begin a second assignment.
    #[error("{text:?} holds a line break: what follows it would be an assignment of its own")]
    Injection {
        /// The assignment as it would have been sent.
        text: String,
    },

    /// No name under which systemd would store a descriptor.
    #[error(
        "{name:?} is no FDNAME=: 1 to 255 printable ASCII characters without a colon (sd_notify(3))"
    )]
    FdName {
        /// The name given.
        name: String,
    },

    /// More descriptors than one message can hold.
    #[error("{count} descriptors in one message: the kernel takes {max} (SCM_MAX_FD)")]
    TooManyFds {
        /// How many were given.
        count: usize,
        /// How many are possible.
        max: usize,
    },

    /// Descriptors cannot travel to another machine.
    #[error("{address} is a vsock: descriptors cannot be sent there")]
    NoFds {
        /// The address.
        address: String,
    },

    /// The socket could not be made or connected.
    #[error("cannot reach the service manager at {address} (NOTIFY_SOCKET)")]
    Connect {
        /// The address.
        address: String,
        /// From socket(2) or connect(2).
        source: io::Error,
    },

    /// The message could not be sent.
    #[error("cannot send to the service manager at {address} (NOTIFY_SOCKET)")]
    Send {
        /// The address.
        address: String,
        /// From sendmsg(2).
        source: io::Error,
    },

    /// The service manager did not answer a barrier.
    #[error(
        "the service manager did not take all notifications within {timeout:?} (BARRIER=1, sd_notify_barrier(3))"
    )]
    Barrier {
        /// The time it was given.
        timeout: Duration,
    },

    /// The barrier could not be set up or waited for.
    #[error("cannot wait for the service manager")]
    BarrierWait {
        /// From pipe2(2) or poll(2).
        source: io::Error,
    },

    /// A variable of the watchdog holds no such number.
    #[error("{var}={value:?} is not a positive decimal number (sd_watchdog_enabled(3))")]
    Watchdog {
        /// `WATCHDOG_USEC` or `WATCHDOG_PID`.
        var: &'static str,
        /// Its value.
        value: String,
    },
}
