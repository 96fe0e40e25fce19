//! What can be accepted from.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::fs::{OFlags, fcntl_getfl};

use crate::slot::is_the_connections;

/// What can be accepted from: `std`'s two listeners.
pub trait Accept: AsFd + sealed::Sealed {
    /// A connection.
    type Stream;
    /// accept(2).
    #[doc(hidden)]
    fn accept_one(&self) -> io::Result<Self::Stream>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::net::TcpListener {}
    impl Sealed for std::os::unix::net::UnixListener {}
}

impl Accept for TcpListener {
    type Stream = TcpStream;
    fn accept_one(&self) -> io::Result<TcpStream> {
        self.accept().map(|(stream, _)| stream)
    }
}

impl Accept for UnixListener {
    type Stream = UnixStream;
    fn accept_one(&self) -> io::Result<UnixStream> {
        self.accept().map(|(stream, _)| stream)
    }
}

/// Another slot was quicker, or the connection broke before it was accepted.
pub(super) fn is_nobodys(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::WouldBlock || is_the_connections(e)
}

/// A thread that waits in accept(2) itself would not see the gate move.
pub(super) fn check_non_blocking(listener: impl AsFd) -> io::Result<()> {
    if fcntl_getfl(listener)?.contains(OFlags::NONBLOCK) {
        return Ok(());
    }
    let why = "the listener is blocking, and this slot has a gate: set NonBlocking=yes in its unit";
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}
