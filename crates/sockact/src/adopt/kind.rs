//! What a passed descriptor is.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};

/// What a descriptor is, as the kernel tells it (`SO_DOMAIN`, `SO_TYPE`, `SO_ACCEPTCONN`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A listening TCP socket, IPv4 or IPv6.
    TcpListener,
    /// A listening unix stream socket.
    UnixListener,
    /// A TCP connection (`Accept=yes`), or a TCP socket that does not listen.
    TcpStream,
    /// A unix stream socket that does not listen.
    UnixStream,
    /// A UDP socket.
    Udp,
    /// A unix datagram socket.
    UnixDatagram,
    /// A unix sequential-packet socket.
    UnixSeqpacket,
    /// A socket of another family or type.
    OtherSocket,
    /// A file, FIFO, device or message queue.
    NoSocket,
}

impl Kind {
    /// Asks the kernel what `fd` is.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Kind> {
        let domain = match sockopt::socket_domain(fd) {
            Err(Errno::NOTSOCK) => return Ok(Kind::NoSocket),
            other => other?,
        };
        let listens = sockopt::socket_acceptconn(fd)?;
        let ip = domain == AddressFamily::INET || domain == AddressFamily::INET6;
        let unix = domain == AddressFamily::UNIX;
        Ok(match sockopt::socket_type(fd)? {
            SocketType::STREAM if ip && listens => Kind::TcpListener,
            SocketType::STREAM if unix && listens => Kind::UnixListener,
            SocketType::STREAM if ip => Kind::TcpStream,
            SocketType::STREAM if unix => Kind::UnixStream,
            SocketType::DGRAM if ip => Kind::Udp,
            SocketType::DGRAM if unix => Kind::UnixDatagram,
            SocketType::SEQPACKET if unix => Kind::UnixSeqpacket,
            _ => Kind::OtherSocket,
        })
    }

    /// Whether connections are accepted from it.
    pub(crate) fn is_listener(self) -> bool {
        matches!(self, Kind::TcpListener | Kind::UnixListener)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::TcpListener => "TCP listener",
            Kind::UnixListener => "unix listener",
            Kind::TcpStream => "TCP socket that does not listen (Accept=yes?)",
            Kind::UnixStream => "unix stream socket that does not listen (Accept=yes?)",
            Kind::Udp => "UDP socket",
            Kind::UnixDatagram => "unix datagram socket",
            Kind::UnixSeqpacket => "unix seqpacket socket",
            Kind::OtherSocket => "socket of another family",
            Kind::NoSocket => "file that is no socket",
        })
    }
}
