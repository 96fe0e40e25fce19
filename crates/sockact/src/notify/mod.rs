//! What the service manager is told: `sd_notify(3)`.
//!
//! The vocabulary is that of the sd-notify crate; the sending is ours, for abstract and vsock
//! addresses, descriptors, and texts that cannot become assignments.

mod address;
mod error;
mod message;
mod send;
#[cfg(test)]
mod tests;
mod watchdog;

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use address::Address;
pub use error::NotifyError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
pub use sd_notify::NotifyState;
pub use watchdog::Watchdog;

/// The way to the service manager, `NOTIFY_SOCKET`. Without one every message goes nowhere and is
/// no error, as with `sd_notify(3)`.
///
/// Each method sends one datagram, and waits while the service manager is too busy to take it:
/// from a runtime call them on a thread that may wait.
///
/// ```
/// use sockact::{Notify, NotifyState};
/// let notify = Notify::from_env()?;
/// notify.send(&[NotifyState::Ready, NotifyState::Status("Serving")])?;
/// # Ok::<(), sockact::NotifyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Notify(Option<Address>);

/// Which processes of a service are heard, `NotifyAccess=` of `systemd.service(5)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyAccess {
    /// None.
    None,
    /// The main process.
    Main,
    /// The main process and those of the other `Exec…=` lines.
    Exec,
    /// All of the control group.
    All,
}

impl Notify {
    /// As `NOTIFY_SOCKET` says. The variable stays set; [`scrub`](crate::scrub) keeps it from
    /// children.
    ///
    /// # Errors
    /// An address of no known form.
    pub fn from_env() -> Result<Notify, NotifyError> {
        std::env::var_os("NOTIFY_SOCKET").map_or(Ok(Notify(None)), |value| Notify::to(&value))
    }

    /// To this address: a path, `@abstract`, or `vsock:CID:PORT`.
    ///
    /// # Errors
    /// An address of no known form.
    pub fn to(address: impl AsRef<OsStr>) -> Result<Notify, NotifyError> {
        Address::parse(address.as_ref()).map(|address| Notify(Some(address)))
    }

    /// Whether there is a service manager to hear it.
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Says all of this in one datagram.
    ///
    /// # Errors
    /// A text other than a status with a line break in it ([`NotifyError::Injection`]), or the
    /// message cannot be sent. In a status a line break becomes a blank.
    pub fn send(&self, states: &[NotifyState<'_>]) -> Result<(), NotifyError> {
        self.send_with_fds(states, &[])
    }

    /// As [`send`](Notify::send), with descriptors.
    ///
    /// # Errors
    /// As [`send`](Notify::send); more than 253 descriptors, or a vsock.
    pub fn send_with_fds(
        &self,
        states: &[NotifyState<'_>],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), NotifyError> {
        let message = message::lines(states)?;
        self.0.as_ref().map_or(Ok(()), |address| send::send(address, &message, fds))
    }

    /// `READY=1`: started, or reloaded.
    ///
    /// # Errors
    /// As [`send`](Notify::send).
    pub fn ready(&self) -> Result<(), NotifyError> {
        self.send(&[NotifyState::Ready])
    }

    /// `STOPPING=1`: on the way to the end, by its own will or asked to.
    ///
    /// # Errors
    /// As [`send`](Notify::send).
    pub fn stopping(&self) -> Result<(), NotifyError> {
        self.send(&[NotifyState::Stopping])
    }

    /// `STATUS=`: one line for `systemctl status`. Line breaks become blanks.
    ///
    /// # Errors
    /// As [`send`](Notify::send).
    pub fn status(&self, text: &str) -> Result<(), NotifyError> {
        self.send(&[NotifyState::Status(text)])
    }

    /// `ERRNO=`: what failed, as errno(3) has it.
    ///
    /// # Errors
    /// As [`send`](Notify::send).
    pub fn errno(&self, errno: u32) -> Result<(), NotifyError> {
        self.send(&[NotifyState::Errno(errno)])
    }

    /// `RELOADING=1` and `MONOTONIC_USEC=` in one datagram, as `Type=notify-reload` wants them.
    /// [`ready`](Notify::ready) says that the reload is done.
    ///
    /// # Errors
    /// As [`send`](Notify::send).
    pub fn reloading(&self) -> Result<(), NotifyError> {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.send(&[NotifyState::Reloading, NotifyState::MonotonicUsec(usec)])
    }

    /// `EXTEND_TIMEOUT_USEC=`: so much more time from now for the start, the running or the stop,
    /// whichever it is. To be sent again before it is over.
    ///
    /// # Errors
    /// As [`send`](Notify::send).
    pub fn extend_timeout(&self, time: Duration) -> Result<(), NotifyError> {
        // NotifyState's own ends at 71 minutes.
        let text = format!("EXTEND_TIMEOUT_USEC={}", time.as_micros());
        self.send(&[NotifyState::Custom(&text)])
    }

    /// `MAINPID=`: the service's main process is this one.
    ///
    /// # Errors
    /// As [`send`](Notify::send).
    pub fn main_pid(&self, pid: u32) -> Result<(), NotifyError> {
        self.send(&[NotifyState::MainPid(pid)])
    }

    /// `NOTIFYACCESS=`: from now on these processes are heard.
    ///
    /// # Errors
    /// As [`send`](Notify::send).
    pub fn notify_access(&self, access: NotifyAccess) -> Result<(), NotifyError> {
        self.send(&[NotifyState::Custom(match access {
            NotifyAccess::None => "NOTIFYACCESS=none",
            NotifyAccess::Main => "NOTIFYACCESS=main",
            NotifyAccess::Exec => "NOTIFYACCESS=exec",
            NotifyAccess::All => "NOTIFYACCESS=all",
        })])
    }

    /// `FDSTORE=1`: the service manager keeps a duplicate of each descriptor, and passes it under
    /// this name at the next start ([`Listeners::any`](crate::Listeners::any)). Needs
    /// `FileDescriptorStoreMax=` in the unit.
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// sockact::Notify::from_env()?.store("session", &[socket.as_fd()])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A name that systemd would not take; as [`send_with_fds`](Notify::send_with_fds).
    pub fn store(&self, name: &str, fds: &[BorrowedFd<'_>]) -> Result<(), NotifyError> {
        message::check_fd_name(name)?;
        let name = format!("FDNAME={name}");
        self.send_with_fds(&[NotifyState::Custom("FDSTORE=1"), NotifyState::Custom(&name)], fds)
    }

    /// `FDSTOREREMOVE=1`: the service manager closes what it stored under this name.
    ///
    /// # Errors
    /// A name that systemd would not take; as [`send`](Notify::send).
    pub fn store_remove(&self, name: &str) -> Result<(), NotifyError> {
        message::check_fd_name(name)?;
        let name = format!("FDNAME={name}");
        self.send(&[NotifyState::Custom("FDSTOREREMOVE=1"), NotifyState::Custom(&name)])
    }

    /// `BARRIER=1`: returns when the service manager has taken all that was said before, so that a
    /// process may exit, `sd_notify_barrier(3)`.
    ///
    /// # Errors
    /// It has not within `timeout`; as [`send_with_fds`](Notify::send_with_fds).
    pub fn barrier(&self, timeout: Duration) -> Result<(), NotifyError> {
        let failed = |e: rustix::io::Errno| NotifyError::BarrierWait { source: e.into() };
        let (ours, theirs) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(failed)?;
        // It must be alone in its datagram.
        self.send_with_fds(&[NotifyState::Custom("BARRIER=1")], &[theirs.as_fd()])?;
        drop(theirs);
        // The service manager closes its duplicate, which hangs up ours.
        let end = Instant::now() + timeout;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let wait = Timespec::try_from(left).ok();
            match poll(&mut [PollFd::new(&ours, PollFlags::empty())], wait.as_ref()) {
                Ok(0) if left.is_zero() => return Err(NotifyError::Barrier { timeout }),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(e) => return Err(failed(e)),
            }
        }
    }
}
