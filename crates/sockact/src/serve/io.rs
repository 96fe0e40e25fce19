//! The I/O object of a public connection: counts it, watches what comes in, closes it politely.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;

use super::track::{Account, Entry, Phase, Protocol};

/// What an HTTP/2 client with prior knowledge says first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a closing connection of a draining slot is read on. Data that arrives at a closed
/// socket is answered with a reset, which may overtake the last response.
const LINGER: Duration = Duration::from_secs(2);

/// An accepted connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) fn tcp(stream: TcpStream) -> Stream {
        // Responses are written in one piece; waiting for more helps nobody. It fails only on a
        // connection that is reset already, which the first read will tell.
        let _ = stream.set_nodelay(true);
        Stream::Tcp(stream)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(s) => s.as_fd(),
            Stream::Unix(s) => s.as_fd(),
        }
    }
}

macro_rules! on_either {
    ($stream:expr, $s:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($s) => $call,
            Stream::Unix($s) => $call,
        }
    };
}

/// A connection with its entry in the list: it counts until this is dropped, upgraded or not.
#[derive(Debug)]
pub(crate) struct Counted {
    stream: Stream,
    entry: Entry,
    /// Bytes of [`PREFACE`] seen so far, while the protocol is unknown.
    preface: usize,
    /// The client has closed its side.
    ended: bool,
    /// Written bytes wait for the client to read.
    stuffed: bool,
    linger: Option<Pin<Box<Sleep>>>,
}

impl Counted {
    pub(crate) fn new(stream: Stream, entry: Entry) -> Counted {
        Counted { stream, entry, preface: 0, ended: false, stuffed: false, linger: None }
    }

    fn account(&self) -> &Account {
        &self.entry.account
    }

    fn saw(&mut self, data: &[u8]) {
        if self.account().protocol() == Protocol::Unknown {
            let wanted = &PREFACE[self.preface..];
            let length = wanted.len().min(data.len());
            if data[..length] != wanted[..length] {
                self.account().set_protocol(Protocol::Http1);
            } else if length == wanted.len() {
                self.account().set_protocol(Protocol::Http2);
            }
            self.preface += length;
        }
        if matches!(self.account().protocol(), Protocol::Http1 | Protocol::Unknown) {
            self.account().tally().read(data);
        }
    }

    /// The reader found nothing. When the drain's idle window is over and the kernel, too, has
    /// nothing, the reader is told that the client is done: hyper then closes an idle connection.
    /// A request that came in this very moment is seen here and answered instead.
    fn hang_up(&self) -> bool {
        let account = self.account();
        if matches!(account.protocol(), Protocol::Http1 | Protocol::Unknown)
            && !account.is_answering()
        {
            account.tally().starved();
        }
        account.phase() != Phase::Serving
            && !self.stuffed
            && account.is_overdue()
            && rustix::io::ioctl_fionread(&self.stream).is_ok_and(|unread| unread == 0)
    }

    /// Reads and forgets, until the client closes or [`LINGER`] is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut waste = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut waste);
            match ready!(on_either!(&mut self.stream, s => Pin::new(s).poll_read(cx, &mut buf))) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        match on_either!(&mut this.stream, s => Pin::new(s).poll_read(cx, buf)) {
            Poll::Ready(Ok(())) => {
                let data = &buf.filled()[before..];
                this.ended |= data.is_empty();
                this.saw(data);
                Poll::Ready(Ok(()))
            }
            Poll::Pending if this.hang_up() => Poll::Ready(Ok(())),
            other => other,
        }
    }
}

impl Counted {
    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.stuffed = written.is_pending();
        written
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = on_either!(&mut self.stream, s => Pin::new(s).poll_write(cx, buf));
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = on_either!(&mut self.stream, s => Pin::new(s).poll_write_vectored(cx, bufs));
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        on_either!(&self.stream, s => s.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(&mut self.stream, s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(on_either!(&mut this.stream, s => Pin::new(s).poll_shutdown(cx)))?;
        }
        let politely = this.account().phase() == Phase::Draining
            && this.account().protocol() != Protocol::Upgraded;
        if politely && !this.ended {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
