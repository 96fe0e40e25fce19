//! The I/O object of a public connection: counts it, watches what comes in, closes it politely.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;

use super::goaway::{Frames, GOAWAY};
use super::track::{Account, Entry, Phase, Protocol};

/// What an HTTP/2 client with prior knowledge says first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a closing connection of a draining slot is read on. Data that arrives at a closed
/// socket is answered with a reset, which may overtake the last response.
const LINGER: Duration = Duration::from_secs(2);

/// Bytes up to which several pieces, as head and body of a response are, are copied into one: send(2) of one piece is faster than writev(2)
/// of two, by more than so small a copy costs.
const SMALL: usize = 2048;

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
    foreign: Option<Foreign>,
}

/// What the I/O object does itself where the server around it is not ours.
#[derive(Debug, Default)]
struct Foreign {
    /// As the account has it.
    waker: Option<Waker>,
    frames: Frames,
    /// Bytes of [`GOAWAY`] sent.
    told: usize,
}

impl Counted {
    pub(crate) fn new(stream: Stream, entry: Entry) -> Counted {
        let foreign = None;
        Counted { stream, entry, preface: 0, ended: false, stuffed: false, linger: None, foreign }
    }

    /// For a server that knows nothing of the drain: this object lets itself be woken, says GOAWAY
    /// and ends when connections are cut.
    pub(crate) fn foreign(stream: Stream, entry: Entry) -> Counted {
        Counted { foreign: Some(Foreign::default()), ..Counted::new(stream, entry) }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.entry.account
    }

    /// Before each read: the drain can wake this task, and is noticed here.
    fn heed(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(foreign) = &mut self.foreign else { return Ok(()) };
        if !foreign.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            foreign.waker = Some(cx.waker().clone());
            self.entry.account.set_task(foreign.waker.clone());
        }
        match self.entry.account.phase() {
            Phase::Serving => Ok(()),
            Phase::Standby | Phase::Draining => {
                // Pending: the next write or read goes on with it.
                let _ = self.poll_goaway(cx)?;
                Ok(())
            }
            Phase::Cutting => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, "drain is over"))
            }
        }
    }

    /// Puts GOAWAY between two frames of the server, once, while draining or standing by.
    #[inline]
    fn poll_goaway(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let account = &self.entry.account;
        let Some(foreign) = &mut self.foreign else { return Poll::Ready(Ok(())) };
        // Begun, it is brought to an end, also when the gate opens meanwhile.
        let leaves = foreign.told > 0
            || matches!(account.phase(), Phase::Standby | Phase::Draining)
                && account.protocol() == Protocol::Http2;
        if !leaves || !foreign.frames.is_between() {
            return Poll::Ready(Ok(()));
        }
        while foreign.told < GOAWAY.len() {
            let rest = &GOAWAY[foreign.told..];
            let stream = &mut self.stream;
            foreign.told += ready!(on_either!(stream, s => Pin::new(s).poll_write(cx, rest)))?;
        }
        Poll::Ready(Ok(()))
    }

    /// The kernel took the first `n` bytes of these.
    fn went_out<'a>(&mut self, mut n: usize, pieces: impl Iterator<Item = &'a [u8]>) {
        let Some(foreign) = &mut self.foreign else { return };
        let http2 = self.entry.account.protocol() == Protocol::Http2;
        for piece in pieces {
            let (taken, _) = piece.split_at(n.min(piece.len()));
            n -= taken.len();
            if http2 {
                foreign.frames.wrote(taken);
            } else {
                self.entry.account.wrote(taken);
            }
        }
    }

    fn saw(&mut self, data: &[u8]) {
        let protocol = match self.account().protocol() {
            Protocol::Unknown => self.recognize(data),
            known => known,
        };
        if matches!(protocol, Protocol::Http1 | Protocol::Unknown) {
            self.account().tally().read(data);
        }
    }

    #[cold]
    fn recognize(&mut self, data: &[u8]) -> Protocol {
        let wanted = &PREFACE[self.preface..];
        let length = wanted.len().min(data.len());
        if data[..length] != wanted[..length] {
            self.account().set_protocol(Protocol::Http1);
        } else if length == wanted.len() {
            self.account().set_protocol(Protocol::Http2);
        }
        self.preface += length;
        self.account().protocol()
    }

    /// The reader found nothing. When the drain's idle window is over and the kernel, too, has
    /// nothing, the reader is told that the client is done: hyper then closes an idle connection.
    /// A request that came in this very moment is seen here and answered instead.
    fn hang_up(&self) -> bool {
        let account = self.account();
        if matches!(account.protocol(), Protocol::Http1 | Protocol::Unknown)
            && !account.is_answering()
            && !self.stuffed
        {
            account.tally().starved();
        }
        account.phase() >= Phase::Draining
            && !self.stuffed
            && account.is_overdue()
            // In our own server HTTP/2 ends by itself, with hyper's second GOAWAY.
            && (account.protocol() != Protocol::Http2 || self.foreign.is_some())
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

/// Puts all of these in a row; false when they do not fit.
fn joined(pieces: &[io::IoSlice<'_>], into: &mut ReadBuf<'_>) -> bool {
    pieces.iter().all(|piece| {
        let fits = piece.len() <= into.remaining();
        if fits {
            into.put_slice(piece);
        }
        fits
    })
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.heed(cx)?;
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
        ready!(self.poll_goaway(cx))?;
        let written = on_either!(&mut self.stream, s => Pin::new(s).poll_write(cx, buf));
        if let Poll::Ready(Ok(n)) = written {
            self.went_out(n, std::iter::once(buf));
        }
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_goaway(cx))?;
        let mut room = [const { MaybeUninit::uninit() }; SMALL];
        let mut one = ReadBuf::uninit(&mut room);
        let stream = &mut self.stream;
        let written = if joined(bufs, &mut one) {
            on_either!(stream, s => Pin::new(s).poll_write(cx, one.filled()))
        } else {
            on_either!(stream, s => Pin::new(s).poll_write_vectored(cx, bufs))
        };
        if let Poll::Ready(Ok(n)) = written {
            self.went_out(n, bufs.iter().map(|b| &**b));
        }
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
        if this.account().closes_politely() && !this.ended {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_one_when_they_are_small() {
        let body = [b'x'; SMALL];
        let joined = |pieces: &[&[u8]]| {
            let pieces: Vec<_> = pieces.iter().map(|piece| io::IoSlice::new(piece)).collect();
            let mut room = [const { MaybeUninit::uninit() }; SMALL];
            let mut one = ReadBuf::uninit(&mut room);
            joined(&pieces, &mut one).then(|| one.filled().to_vec())
        };
        assert_eq!(joined(&[b"head", b"", b"body"]).as_deref(), Some(&b"headbody"[..]));
        assert_eq!(joined(&[b"", &body]).as_deref(), Some(&body[..]));
        assert_eq!(joined(&[b"h", &body]), None);
        assert_eq!(joined(&[]).as_deref(), Some(&b""[..]));
    }
}
