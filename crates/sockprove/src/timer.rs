//! Waits to the microsecond: tokio's own timers are as fine as a millisecond, which is many times what a request takes.

use std::io;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// A timerfd(2), which is read as a pipe is: tokio's `AsyncFd` cannot be had without unsafe code.
pub(crate) struct Timer(Receiver);

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(Receiver::from_owned_fd_unchecked(timer)?))
    }

    /// Waits until then; not at all when it is past.
    pub(crate) async fn until(&self, time: Instant) -> io::Result<()> {
        while let Some(left) = time.checked_duration_since(Instant::now()).filter(|t| !t.is_zero())
        {
            let none = Timespec { tv_sec: 0, tv_nsec: 0 };
            let it_value = Timespec::try_from(left).unwrap_or(none);
            let once = Itimerspec { it_interval: none, it_value };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
            self.0.readable().await?;
            // EAGAIN means that it was no elapse: then it is waited for again.
            let _ = self.0.try_read(&mut [0; 8]);
        }
        Ok(())
    }
}

/// Microseconds from the start to this time.
pub(crate) fn micros(start: Instant, time: Instant) -> u32 {
    clamped(time.saturating_duration_since(start))
}

/// Microseconds, as far as they go: more than an hour.
pub(crate) fn clamped(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
