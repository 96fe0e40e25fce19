//! The adopted descriptors, handed out by name and kind.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Mutex;

use super::places::Places;
use super::{AdoptError, Kind, Passed, Take, lock};

/// The descriptors that systemd passed, by name.
///
/// What nobody takes stays open until this is dropped; [`remaining`](Listeners::remaining) names
/// it, [`finish`](Listeners::finish) makes it an error.
#[derive(Debug)]
pub struct Listeners {
    activated: bool,
    places: Mutex<Places>,
}

impl Listeners {
    pub(super) fn new(activated: bool, passed: Vec<Passed>) -> Listeners {
        Listeners { activated, places: Mutex::new(Places::new(passed)) }
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
        self.take_all(name)
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
        self.take_all(name)
    }

    /// Takes the one UDP socket with this name.
    ///
    /// # Errors
    /// As [`tcp`](Listeners::tcp).
    pub fn udp(&self, name: &str) -> Result<UdpSocket, AdoptError> {
        self.take(name)
    }

    /// Takes the one descriptor with this name as a `std` type, which says what it must be.
    ///
    /// ```no_run
    /// use std::os::unix::net::UnixDatagram;
    /// # let listeners = sockact::listeners()?;
    /// let log: UnixDatagram = listeners.take("log")?;
    /// // What systemd accepted for this process (Accept=yes, systemd.socket(5)).
    /// let client: std::net::TcpStream = listeners.take("connection")?;
    /// # Ok::<(), sockact::AdoptError>(())
    /// ```
    ///
    /// # Errors
    /// As [`tcp`](Listeners::tcp).
    pub fn take<T: Take>(&self, name: &str) -> Result<T, AdoptError> {
        self.one(name, T::KIND, "take_all").map(T::from)
    }

    /// Takes every descriptor with this name as a `std` type, in the order of their numbers.
    ///
    /// # Errors
    /// As [`tcp_all`](Listeners::tcp_all).
    pub fn take_all<T: Take>(&self, name: &str) -> Result<Vec<T>, AdoptError> {
        Ok(self.fds(name, T::KIND)?.into_iter().map(T::from).collect())
    }

    /// Takes the one descriptor with this name, of a kind for which `std` has no type.
    ///
    /// ```no_run
    /// use sockact::Kind;
    /// # let listeners = sockact::listeners()?;
    /// let events = listeners.fd("uevents", Kind::Netlink)?;
    /// let pipe = std::fs::File::from(listeners.fd("input", Kind::Fifo)?);
    /// # Ok::<(), sockact::AdoptError>(())
    /// ```
    ///
    /// # Errors
    /// As [`tcp`](Listeners::tcp).
    pub fn fd(&self, name: &str, kind: Kind) -> Result<OwnedFd, AdoptError> {
        self.one(name, kind, "fds")
    }

    /// Takes every descriptor with this name, at least one, if all are of this kind; else none.
    ///
    /// # Errors
    /// As [`tcp_all`](Listeners::tcp_all).
    pub fn fds(&self, name: &str, kind: Kind) -> Result<Vec<OwnedFd>, AdoptError> {
        let mut places = lock(&self.places);
        let found: Vec<usize> = places.named(name).map(|(place, _)| place).collect();
        if found.is_empty() {
            return Err(self.missing(name, &places));
        }
        if let Some((_, wrong)) = places.named(name).find(|(_, p)| p.kind() != kind) {
            return Err(wrong_kind(wrong, kind, &places));
        }
        Ok(found.into_iter().filter_map(|place| places.take_at(place)).collect())
    }

    /// Takes whatever has this name, of any kind; none is no error. For what the service stored
    /// itself (`FDSTORE=1`, `sd_notify(3)`) and finds again after a restart.
    ///
    /// ```no_run
    /// # let listeners = sockact::listeners()?;
    /// for stored in listeners.any("session") {
    ///     println!("{stored}");
    /// }
    /// # Ok::<(), sockact::AdoptError>(())
    /// ```
    pub fn any(&self, name: &str) -> Vec<Passed> {
        lock(&self.places).take_named(name)
    }

    /// Takes the descriptor at this place, 0 the first (descriptor 3).
    ///
    /// The order of several sockets is not stable from one start to the next
    /// (`sd_listen_fds(3)`): this is right for a service with one socket only.
    ///
    /// # Errors
    /// No such place, taken before, another kind, no activation at all.
    pub fn take_at<T: Take>(&self, index: usize) -> Result<T, AdoptError> {
        self.fd_at(index, T::KIND).map(T::from)
    }

    /// As [`take_at`](Listeners::take_at), of a kind for which `std` has no type.
    ///
    /// # Errors
    /// As [`take_at`](Listeners::take_at).
    pub fn fd_at(&self, index: usize, kind: Kind) -> Result<OwnedFd, AdoptError> {
        let mut places = lock(&self.places);
        if let Some(name) = places.taken_at(index) {
            return Err(AdoptError::Taken { name: name.to_owned() });
        }
        match places.at(index) {
            None if !self.activated => {
                Err(AdoptError::NotActivated { name: format!("at index {index}") })
            }
            Some(wrong) if wrong.kind() != kind => Err(wrong_kind(wrong, kind, &places)),
            _ => match places.take_at(index) {
                Some(fd) => Ok(fd),
                None => Err(AdoptError::NoIndex { index, count: places.count() }),
            },
        }
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
        lock(&self.places).rest().map(|p| p.name().to_owned()).collect()
    }

    /// Takes all that is left, in the order of their descriptors.
    pub fn take_rest(&self) -> Vec<Passed> {
        lock(&self.places).take_rest()
    }

    /// Closes what nobody took, and says if there was any: a socket whose connections this program
    /// would never accept.
    ///
    /// # Errors
    /// [`AdoptError::Leftover`] names each.
    pub fn finish(self) -> Result<(), AdoptError> {
        match self.take_rest().as_slice() {
            [] => Ok(()),
            some => Err(AdoptError::Leftover { left: list(some.iter()) }),
        }
    }

    fn one(&self, name: &str, asked: Kind, all: &'static str) -> Result<OwnedFd, AdoptError> {
        let mut places = lock(&self.places);
        let mut found = places.named(name);
        let first = found.next();
        let count = 1 + found.count();
        if count > 1 {
            return Err(AdoptError::Several { name: name.to_owned(), count, all });
        }
        let taken = match first {
            Some((_, wrong)) if wrong.kind() != asked => {
                return Err(wrong_kind(wrong, asked, &places));
            }
            Some((place, _)) => places.take_at(place),
            None => None,
        };
        taken.ok_or_else(|| self.missing(name, &places))
    }

    fn missing(&self, name: &str, places: &Places) -> AdoptError {
        let known = places.knows(name);
        let name = name.to_owned();
        if !self.activated {
            return AdoptError::NotActivated { name };
        }
        if known {
            return AdoptError::Taken { name };
        }
        let have = match list(places.rest()) {
            none if none.is_empty() && places.count() == 0 => "none".to_owned(),
            none if none.is_empty() => "no others than those already taken".to_owned(),
            some => some,
        };
        AdoptError::NotFound { name, have }
    }
}

fn list<'a>(passed: impl Iterator<Item = &'a Passed>) -> String {
    passed.map(Passed::to_string).collect::<Vec<_>>().join(", ")
}

fn wrong_kind(wrong: &Passed, asked: Kind, places: &Places) -> AdoptError {
    let (fd, found, have) = (wrong.as_raw_fd(), wrong.kind(), list(places.rest()));
    AdoptError::WrongKind { name: wrong.name().to_owned(), fd, asked, found, have }
}

fn bind_error(name: &str, address: &str) -> impl FnOnce(std::io::Error) -> AdoptError {
    let (name, address) = (name.to_owned(), address.to_owned());
    move |source| AdoptError::Bind { name, address, source }
}
