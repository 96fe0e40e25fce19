//! What can be given to [`serve`](crate::serve()): one or several listening sockets.

use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;

/// Listening sockets that are served alike: one TCP or unix listener, or several (dual-stack).
///
/// Made from the `std` types by `into()`; the sockets must be non-blocking, as those from
/// [`Listeners`](crate::Listeners) are.
#[derive(Debug)]
pub struct Listener {
    pub(crate) sockets: Vec<Socket>,
}

/// One listening socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Listener {
        vec![listener].into()
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Listener {
        vec![listener].into()
    }
}

impl From<Vec<TcpListener>> for Listener {
    fn from(listeners: Vec<TcpListener>) -> Listener {
        Listener { sockets: listeners.into_iter().map(Socket::Tcp).collect() }
    }
}

impl From<Vec<UnixListener>> for Listener {
    fn from(listeners: Vec<UnixListener>) -> Listener {
        Listener { sockets: listeners.into_iter().map(Socket::Unix).collect() }
    }
}
