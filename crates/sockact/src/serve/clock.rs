//! An alarm on CLOCK_MONOTONIC.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// Wakes at a point of CLOCK_MONOTONIC, to some 50 µs: tokio's own timer rounds up to the next
/// millisecond, a tenth of a window of 0.1. A timerfd_create(2) descriptor, made when first needed;
/// tokio's pipe reader is its safe way to await a descriptor that is read like a pipe.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<(Receiver, OwnedFd)>);

impl Alarm {
    /// Waits until `edge`. Cancelled, it may be called again.
    pub(crate) async fn at(&mut self, edge: Duration) -> io::Result<()> {
        let timer = match self.0.take() {
            Some(timer) => timer,
            None => {
                let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
                let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
                (Receiver::from_owned_fd_unchecked(fd.try_clone()?)?, fd)
            }
        };
        let (expired, timer) = self.0.insert(timer);
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: edge.as_secs() as i64,
                tv_nsec: i64::from(edge.subsec_nanos()),
            },
        };
        timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &once)?;
        loop {
            expired.readable().await?;
            match expired.try_read(&mut [0; 8]) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => return other.map(|_| ()),
            }
        }
    }
}
