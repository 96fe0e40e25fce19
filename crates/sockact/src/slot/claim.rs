//! How slots learn of each other's windows: by record locks (`fcntl_locking(2)`) on the listening
//! socket itself.
//!
//! Two slots hold the same socket and know nothing else of each other. A slot with a share between
//! 0 and 1 locks the bytes of its window, a byte for each millionth of the period; a slot that is
//! open asks before it accepts whether somebody has locked the present moment. The lock has no
//! name, needs no right and no file, and dies with its process. Where the kernel refuses it, slots
//! accept side by side, as processes without a gate do.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::setting::{Setting, Turn};
use super::window::{Plan, Window};

/// One listening socket's window, as this process has claimed it.
///
/// A process loses its locks on a socket when it closes any duplicate of it, so a claim is made
/// anew at each turn; that costs a system call in a period.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    socket: BorrowedFd<'a>,
    held: Option<Held>,
}

/// What a process has claimed, and by which setting.
pub(crate) type Held = (Setting, Window);

impl<'a> Claim<'a> {
    #[cfg(feature = "serve")]
    pub(crate) fn on(socket: &'a impl AsFd) -> Claim<'a> {
        Claim::resumed(socket, None)
    }

    /// The claim of a socket that this process has made before.
    pub(crate) fn resumed(socket: &'a impl AsFd, held: Option<Held>) -> Claim<'a> {
        Claim { socket: socket.as_fd(), held }
    }

    pub(crate) fn held(&self) -> Option<Held> {
        self.held
    }

    /// Claims what the setting asks for and says what to do at `now`.
    pub(crate) fn plan(&mut self, setting: Setting, now: Duration) -> Plan {
        match setting.turn() {
            Turn::Never => {
                self.release();
                Plan::Closed
            }
            Turn::Always => {
                self.release();
                self.others().map_or(Plan::Open, |window| window.plan_of_others(now))
            }
            Turn::Window(window) => self.hold(setting, window).plan(now),
        }
    }

    /// Whether what `plan` said still holds at `now`: a wait for a connection may take hours.
    pub(crate) fn allows(&self, plan: Plan, now: Duration) -> bool {
        match plan {
            Plan::Open => self.others().is_none_or(|w| w.plan_of_others(now) == Plan::Open),
            Plan::OpenUntil(edge) => now < edge,
            Plan::Closed | Plan::ShutUntil(_) => false,
        }
    }

    /// Claims the window, or, where that is taken and the setting does not insist, the time after
    /// the one who has it: two slots with one half each come to take turns.
    fn hold(&mut self, setting: Setting, usual: Window) -> Window {
        let before = self.held.filter(|(had, _)| *had == setting).map(|(_, window)| window);
        if before.is_none() {
            self.release();
        }
        let mut window = before.unwrap_or(usual);
        if !self.lock(window)
            && !setting.insists()
            && let Some(other) = self.others()
            && self.lock(window.after(other))
        {
            window = window.after(other);
        }
        self.held = Some((setting, window));
        window
    }

    fn lock(&self, window: Window) -> bool {
        let (from, parts) = window.range();
        fcntl(self.socket, FcntlArg::F_SETLK(&record(libc::F_WRLCK, from, parts))).is_ok()
    }

    fn release(&mut self) {
        if self.held.take().is_some() {
            // Of the whole socket; what is not locked is no error.
            let _: Result<_, Errno> =
                fcntl(self.socket, FcntlArg::F_SETLK(&record(libc::F_UNLCK, 0, 0)));
        }
    }

    /// A window that another process has claimed.
    fn others(&self) -> Option<Window> {
        let mut found = record(libc::F_WRLCK, 0, 0);
        fcntl(self.socket, FcntlArg::F_GETLK(&mut found)).ok()?;
        if i32::from(found.l_type) == libc::F_UNLCK {
            return None;
        }
        Window::new(found.l_len.try_into().ok()?, found.l_start.try_into().ok()?)
    }
}

/// So many bytes from `from` on; none means all to the end.
fn record(kind: libc::c_int, from: u32, bytes: u32) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::from(from),
        l_len: libc::off_t::from(bytes),
        l_pid: 0,
    }
}
