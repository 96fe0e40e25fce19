//! Descriptors that systemd passed become named, owned descriptors of a known kind.
//!
//! Nothing in here knows tokio: what is handed out are plain `std` types, for any server.

mod error;
mod kind;
mod listeners;
mod passed;
mod places;
mod raw;
mod take;
mod vars;

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use error::AdoptError;
pub use kind::Kind;
pub use listeners::Listeners;
pub use passed::Passed;
pub use take::Take;
#[doc(hidden)]
pub use vars::fuzz_vars;
use vars::{Own, Vars};

/// The name of the socket on which a slot answers its controller; never handed out.
pub(crate) const ADMIN_NAME: &str = "sockact-admin";

/// The admin listener, set aside by [`listeners`] for `serve` or `threads`.
static ADMIN: Mutex<Option<UnixListener>> = Mutex::new(None);

/// Takes over the descriptors that systemd passed to this process.
///
/// Reads `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_PIDFDID` and `LISTEN_FDNAMES` (`sd_listen_fds(3)`),
/// owns every descriptor, marks it close-on-exec and looks what it is. The environment is left as
/// it is. Call it once, early in `main`, before anything else could open or close descriptors by
/// number.
///
/// ```no_run
/// # fn main() -> Result<(), sockact::AdoptError> {
/// let listeners = sockact::listeners()?;
/// let http: std::net::TcpListener = listeners.tcp("http")?;
/// let api: std::os::unix::net::UnixListener = listeners.unix("api")?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// A second call, variables that are malformed or meant for another process, a descriptor that is
/// not open, a listener that arrives blocking, a `sockact-admin` that is no unix listener.
pub fn listeners() -> Result<Listeners, AdoptError> {
    Adopt::new().listeners()
}

/// How descriptors are taken over, where [`listeners`] is too strict.
///
/// ```no_run
/// // A server on plain threads, whose accept(2) is meant to wait.
/// let listeners = sockact::Adopt::new().allow_blocking().listeners()?;
/// for connection in listeners.tcp("http")?.incoming() {
///     drop(connection);
/// }
/// # Ok::<(), sockact::AdoptError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is adopted before listeners() is called"]
pub struct Adopt {
    allow_blocking: bool,
}

impl Adopt {
    /// As [`listeners`] does it.
    pub fn new() -> Adopt {
        Adopt::default()
    }

    /// Takes a listener also when it is blocking.
    ///
    /// For servers on plain threads, whose units say `NonBlocking=no`, the default; and for
    /// `systemd-socket-activate(1)` and `systemfd`, which pass blocking sockets to a program that
    /// then holds them alone, so that it may call `set_nonblocking(true)` itself. Under systemd it
    /// may not: the flag belongs to every process that holds the socket (`fcntl(2)`, `F_SETFL`).
    pub fn allow_blocking(mut self) -> Adopt {
        self.allow_blocking = true;
        self
    }

    /// Takes over the descriptors; see [`listeners`].
    ///
    /// # Errors
    /// As [`listeners`].
    pub fn listeners(self) -> Result<Listeners, AdoptError> {
        let once = raw::Once::claim().ok_or(AdoptError::AlreadyAdopted)?;
        let vars = Vars::from_env();
        let pidfd_id = vars.listen_pidfdid.as_ref().and_then(|_| passed::own_pidfd_id());
        self.adopt(&vars, Own { pid: std::process::id(), pidfd_id }, once)
    }

    fn adopt(self, vars: &Vars, own: Own, once: raw::Once) -> Result<Listeners, AdoptError> {
        let Some(count) = vars.count_for(own)? else {
            return Ok(Listeners::new(false, Vec::new()));
        };
        let owned = take_all(count, once);
        let names = vars.names(count)?;
        let mut passed = Vec::with_capacity(count);
        for ((number, fd), name) in (raw::FIRST..).zip(owned).zip(names) {
            let fd = fd.map_err(|source| AdoptError::NotOpen {
                fd: number,
                name: name.text.clone(),
                source,
            })?;
            passed.push(Passed::inspect(name, fd, self.allow_blocking)?);
        }
        set_admin_aside(&mut passed)?;
        Ok(Listeners::new(true, passed))
    }
}

/// Every descriptor is owned and close-on-exec before the first is judged, so that an error leaks
/// none into a child.
fn take_all(count: usize, mut once: raw::Once) -> Vec<std::io::Result<OwnedFd>> {
    (raw::FIRST..).take(count).map(|number| once.take(number)).collect()
}

fn set_admin_aside(passed: &mut Vec<Passed>) -> Result<(), AdoptError> {
    let mut admin: Option<UnixListener> = None;
    for one in passed.extract_if(.., |p| p.is(ADMIN_NAME)) {
        if one.kind() != Kind::UnixListener || admin.is_some() {
            return Err(AdoptError::Admin { fd: one.as_raw_fd(), found: one.kind() });
        }
        admin = Some(UnixListener::from(OwnedFd::from(one)));
    }
    *lock(&ADMIN) = admin;
    Ok(())
}

/// The admin listener, for the first that asks.
#[cfg(feature = "gate")]
pub(crate) fn take_admin() -> Option<UnixListener> {
    lock(&ADMIN).take()
}

/// No code panics while it holds these locks; a poisoned one holds sound data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
