//! The adopted listeners, handed out by name and kind.

use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Mutex;

use super::{AdoptError, Kind, Passed, lock};

/// The descriptors that systemd passed, by name.
///
/// What nobody takes stays open until this is dropped; [`remaining`](Listeners::remaining) names it.
#[derive(Debug)]
pub struct Listeners {
    activated: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    passed: Vec<Passed>,
    taken: Vec<String>,
}

impl Listeners {
    pub(super) fn new(activated: bool, passed: Vec<Passed>) -> Listeners {
        Listeners { activated, state: Mutex::new(State { passed, taken: Vec::new() }) }
    }

    /// Whether the process was started with socket activation (`LISTEN_FDS` is set).
    pub fn activated(&self) -> bool {
        self.activated
    }

    /// Takes the one TCP listener with this `FileDescriptorName=`.
    ///
    /// # Errors
    /// No such name, another kind of descriptor, several under the name, or no activation at all.
    pub fn tcp(&self, name: &str) -> Result<TcpListener, AdoptError> {
        self.one(name, Kind::TcpListener, "tcp_all").map(TcpListener::from)
    }

    /// Takes every TCP listener with this name, in the order of their descriptors: the dual-stack
    /// case, several `ListenStream=` in one `.socket` unit.
    ///
    /// # Errors
    /// As [`tcp`](Listeners::tcp), save that several are what is wanted.
    pub fn tcp_all(&self, name: &str) -> Result<Vec<TcpListener>, AdoptError> {
        Ok(self.all(name, Kind::TcpListener)?.into_iter().map(TcpListener::from).collect())
    }

    /// Takes the one unix stream listener with this `FileDescriptorName=`.
    ///
    /// # Errors
    /// As [`tcp`](Listeners::tcp).
    pub fn unix(&self, name: &str) -> Result<UnixListener, AdoptError> {
        self.one(name, Kind::UnixListener, "unix_all").map(UnixListener::from)
    }

    /// Takes every unix stream listener with this name.
    ///
    /// # Errors
    /// As [`tcp_all`](Listeners::tcp_all).
    pub fn unix_all(&self, name: &str) -> Result<Vec<UnixListener>, AdoptError> {
        Ok(self.all(name, Kind::UnixListener)?.into_iter().map(UnixListener::from).collect())
    }

    /// Takes the TCP listener, or binds `address` (`"127.0.0.1:8080"`) when the program was started
    /// by hand. It never binds under socket activation: a missing name is then an error.
    ///
    /// # Errors
    /// As [`tcp`](Listeners::tcp); [`AdoptError::Bind`] when started by hand.
    pub fn tcp_or(&self, name: &str, address: &str) -> Result<TcpListener, AdoptError> {
        if self.activated {
            return self.tcp(name);
        }
        let bound = TcpListener::bind(address);
        bound.and_then(|l| l.set_nonblocking(true).map(|()| l)).map_err(bind_error(name, address))
    }

    /// Takes the unix listener, or binds `path` when the program was started by hand. A file that
    /// is already there is not removed.
    ///
    /// # Errors
    /// As [`unix`](Listeners::unix); [`AdoptError::Bind`] when started by hand.
    pub fn unix_or(&self, name: &str, path: &str) -> Result<UnixListener, AdoptError> {
        if self.activated {
            return self.unix(name);
        }
        let bound = UnixListener::bind(path);
        bound.and_then(|l| l.set_nonblocking(true).map(|()| l)).map_err(bind_error(name, path))
    }

    /// The names of what nobody took yet, in the order of their descriptors.
    pub fn remaining(&self) -> Vec<String> {
        lock(&self.state).passed.iter().map(|p| p.name.clone()).collect()
    }

    fn one(&self, name: &str, asked: Kind, all: &'static str) -> Result<OwnedFd, AdoptError> {
        let count = lock(&self.state).passed.iter().filter(|p| p.name == name).count();
        if count > 1 {
            return Err(AdoptError::Several { name: name.to_owned(), count, all });
        }
        Ok(self.all(name, asked)?.remove(0))
    }

    /// All descriptors with the name, at least one, each of the kind asked for; or none is taken.
    fn all(&self, name: &str, asked: Kind) -> Result<Vec<OwnedFd>, AdoptError> {
        let mut state = lock(&self.state);
        let mut found = state.passed.iter().filter(|p| p.name == name).peekable();
        if found.peek().is_none() {
            return Err(self.missing(name, &state));
        }
        if let Some(wrong) = found.find(|p| p.kind != asked) {
            let (fd, found) = (wrong.fd.as_raw_fd(), wrong.kind);
            return Err(AdoptError::WrongKind { name: name.to_owned(), fd, asked, found });
        }
        state.taken.push(name.to_owned());
        Ok(state.passed.extract_if(.., |p| p.name == name).map(|p| p.fd).collect())
    }

    fn missing(&self, name: &str, state: &State) -> AdoptError {
        let name = name.to_owned();
        if !self.activated {
            return AdoptError::NotActivated { name };
        }
        if state.taken.contains(&name) {
            return AdoptError::Taken { name };
        }
        let have = match state.passed.as_slice() {
            [] if state.taken.is_empty() => "none".to_owned(),
            [] => "no others than those already taken".to_owned(),
            some => {
                let each = some.iter().map(|p| format!("{:?} (a {})", p.name, p.kind));
                each.collect::<Vec<_>>().join(", ")
            }
        };
        AdoptError::NotFound { name, have }
    }
}

fn bind_error(name: &str, address: &str) -> impl FnOnce(std::io::Error) -> AdoptError {
    let (name, address) = (name.to_owned(), address.to_owned());
    move |source| AdoptError::Bind { name, address, source }
}
