//! What a process of either kind asks the kernel.

use std::io;
use std::time::Duration;

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Now on CLOCK_MONOTONIC.
pub(crate) fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Errors of accept(2) that belong to the connection that was to be accepted, not to the listener:
/// "Linux accept() passes already-pending network errors on the new socket as an error code".
pub(crate) fn is_the_connections(e: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(e),
        Some(
            Errno::CONNABORTED
                | Errno::INTR
                | Errno::PERM
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NONET
                | Errno::TIMEDOUT
        )
    )
}

/// Descriptors that the table has room for from the start: 128 KiB of memory.
const DESCRIPTORS: u64 = 16 * 1024;

/// Makes room for connections before there are any.
///
/// When the descriptor table of a process with threads grows, the kernel waits for all processors to have let go of the old one: 8 to
/// 17 ms in which this process neither accepts nor answers. At a swap all clients come over at once, and the table doubles several
/// times under them. A descriptor duplicated to a high number and closed at once makes it grow here, where nobody waits.
pub(crate) fn widen_descriptor_table() {
    let soft = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let highest = soft.min(DESCRIPTORS).saturating_sub(1);
    // Without it everything works, a little later.
    let _ = fcntl_dupfd_cloexec(std::io::stderr(), i32::try_from(highest).unwrap_or(0));
}
