//! Connections handed to a server that is not ours.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use super::io::{Counted, Stream};
use super::service::Tracked;
use super::track::Protocol;
use crate::listener::Socket;

/// Accepted connections, as long as the gate lets them in and the drain has not begun.
#[must_use = "READY=1 waits until the first connection is asked for"]
#[derive(Debug)]
pub struct Incoming {
    pub(super) connections: mpsc::UnboundedReceiver<Connection>,
    pub(super) asked: Option<oneshot::Sender<()>>,
    pub(super) local: Option<Peer>,
}

impl Incoming {
    /// The next connection and who is at its other end. Never ready again once the drain has
    /// begun and what was accepted before it is handed out: a server's loop just waits then.
    ///
    /// Cancel safe.
    pub async fn accept(&mut self) -> (Connection, Peer) {
        if let Some(asked) = self.asked.take() {
            // The drain is over before it began; nothing will come.
            let _ = asked.send(());
        }
        match self.connections.recv().await {
            Some(connection) => {
                let peer = connection.peer();
                (connection, peer)
            }
            None => pending().await,
        }
    }

    /// The address of the (first) listening socket.
    ///
    /// # Errors
    /// When it could not be read, getsockname(2).
    pub fn local_addr(&self) -> io::Result<Peer> {
        self.local.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix,
    /// A TCP connection that was reset before it was asked.
    Gone,
}

impl Peer {
    pub(super) fn local(socket: &Socket) -> Option<Peer> {
        match socket {
            Socket::Tcp(listener) => listener.local_addr().ok().map(Peer::Tcp),
            Socket::Unix(_) => Some(Peer::Unix),
        }
    }
}

/// A connection that counts until it is dropped, whatever is spoken on it.
///
/// While draining it closes politely when idle, says GOAWAY to an HTTP/2 client, and fails with
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) when the drain's deadline has passed.
#[derive(Debug)]
pub struct Connection(Counted);

impl Connection {
    pub(super) fn new(counted: Counted) -> Connection {
        Connection(counted)
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        match self.0.stream() {
            Stream::Tcp(stream) => stream.peer_addr().map_or(Peer::Gone, Peer::Tcp),
            Stream::Unix(_) => Peer::Unix,
        }
    }

    /// For a protocol that is not HTTP: nothing is read into what comes, and an idle connection is
    /// not closed while draining; it counts until it ends or is cut.
    pub fn raw(self) -> Connection {
        self.0.account().set_protocol(Protocol::Upgraded);
        self
    }

    /// Wraps the tower service of this connection for hyper: requests are counted, and while draining HTTP/1
    /// responses say `Connection: close`. For hyper by hand:
    ///
    /// ```no_run
    /// use hyper_util::rt::{TokioExecutor, TokioIo};
    /// use hyper_util::server::conn::auto;
    ///
    /// # async fn example(mut http: sockact::Incoming, router: axum::Router) {
    /// loop {
    ///     let (connection, _) = http.accept().await;
    ///     let service = connection.track(router.clone());
    ///     tokio::spawn(async move {
    ///         let io = TokioIo::new(connection);
    ///         let http = auto::Builder::new(TokioExecutor::new());
    ///         let _ = http.serve_connection_with_upgrades(io, service).await;
    ///     });
    /// }
    /// # }
    /// ```
    pub fn track<S>(&self, service: S) -> Tracked<TowerToHyperService<S>> {
        self.tracked(TowerToHyperService::new(service))
    }

    pub(crate) fn tracked<S>(&self, service: S) -> Tracked<S> {
        Tracked::new(service, Arc::clone(self.0.account()))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.stream().as_fd()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
