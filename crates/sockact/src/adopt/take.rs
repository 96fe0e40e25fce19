//! The `std` types that can be had, and the kind that each asks for.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use super::Kind;

/// A `std` type that a passed descriptor can become: [`TcpListener`], [`TcpStream`],
/// [`UdpSocket`], [`UnixListener`], [`UnixStream`], [`UnixDatagram`].
///
/// For what `std` has no type for see [`Listeners::fd`](crate::Listeners::fd).
pub trait Take: From<OwnedFd> + sealed::Sealed {
    /// What the descriptor must be.
    const KIND: Kind;
}

mod sealed {
    /// Which kind belongs to a type is decided here alone.
    pub trait Sealed {}
}

macro_rules! take {
    ($($kind:ident => $type:ty),* $(,)?) => {$(
        impl sealed::Sealed for $type {}
        impl Take for $type {
            const KIND: Kind = Kind::$kind;
        }
    )*};
}

take! {
    TcpListener => TcpListener,
    TcpStream => TcpStream,
    Udp => UdpSocket,
    UnixListener => UnixListener,
    UnixStream => UnixStream,
    UnixDatagram => UnixDatagram,
}
