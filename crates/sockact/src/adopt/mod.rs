//! Descriptors that systemd passed become named listeners of a known kind.
//!
//! Nothing in here knows tokio: the listeners are plain `std` ones, for any server.

mod error;
mod kind;
mod listeners;
mod raw;
mod vars;

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use error::AdoptError;
pub use kind::Kind;
pub use listeners::Listeners;
use vars::Vars;

/// The name of the socket on which a slot answers its controller; never handed out.
pub(crate) const ADMIN_NAME: &str = "sockact-admin";

/// The admin listener, set aside by [`listeners`] for [`serve`](crate::serve()).
static ADMIN: Mutex<Option<UnixListener>> = Mutex::new(None);

/// Takes over the descriptors that systemd passed to this process.
///
/// Reads `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` (`sd_listen_fds(3)`), owns every
/// descriptor, marks it close-on-exec and looks what it is. The environment is left as it is. Call
/// it once, early in `main`, before anything else could open or close descriptors by number.
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
    let once = raw::Once::claim().ok_or(AdoptError::AlreadyAdopted)?;
    adopt(&Vars::from_env(), std::process::id(), once)
}

fn adopt(vars: &Vars, pid: u32, mut once: raw::Once) -> Result<Listeners, AdoptError> {
    let Some(names) = vars.names_for(pid)? else {
        return Ok(Listeners::new(false, Vec::new()));
    };
    // Every descriptor is owned before the first is judged, so that an error leaks none.
    let mut owned = Vec::with_capacity(names.len());
    for (number, name) in (raw::FIRST..).zip(names) {
        match once.take(number) {
            Ok(fd) => owned.push((name, fd)),
            Err(source) => return Err(AdoptError::NotOpen { fd: number, name, source }),
        }
    }
    let mut passed = owned
        .into_iter()
        .map(|(name, fd)| Passed::inspect(name, fd))
        .collect::<Result<Vec<_>, _>>()?;
    set_admin_aside(&mut passed)?;
    Ok(Listeners::new(true, passed))
}

fn set_admin_aside(passed: &mut Vec<Passed>) -> Result<(), AdoptError> {
    let mut admin: Option<UnixListener> = None;
    for one in passed.extract_if(.., |p| p.name == ADMIN_NAME) {
        let fd = one.fd.as_raw_fd();
        if one.kind != Kind::UnixListener || admin.is_some() {
            return Err(AdoptError::Admin { fd, found: one.kind });
        }
        admin = Some(UnixListener::from(one.fd));
    }
    *lock(&ADMIN) = admin;
    Ok(())
}

/// The admin listener, for the first that asks.
#[cfg(feature = "serve")]
pub(crate) fn take_admin() -> Option<UnixListener> {
    lock(&ADMIN).take()
}

/// One descriptor as it was passed.
#[derive(Debug)]
struct Passed {
    name: String,
    kind: Kind,
    fd: OwnedFd,
}

impl Passed {
    fn inspect(name: String, fd: OwnedFd) -> Result<Passed, AdoptError> {
        let number = fd.as_raw_fd();
        let failed = |name, source| AdoptError::Inspect { fd: number, name, source };
        let kind = match Kind::of(fd.as_fd()) {
            Ok(kind) => kind,
            Err(e) => return Err(failed(name, e)),
        };
        if kind.is_listener() {
            match rustix::fs::fcntl_getfl(&fd) {
                Ok(flags) if flags.contains(rustix::fs::OFlags::NONBLOCK) => {}
                Ok(_) => return Err(AdoptError::Blocking { fd: number, name, kind }),
                Err(e) => return Err(failed(name, e.into())),
            }
        }
        Ok(Passed { name, kind, fd })
    }
}

/// No code panics while it holds these locks; a poisoned one holds sound data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
