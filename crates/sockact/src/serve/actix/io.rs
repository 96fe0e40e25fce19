//! A connection on its way to actix-http, which wants to be told what is spoken on it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_http::Protocol as Spoken;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::serve::io::Counted;
use crate::serve::track::{Account, Protocol};

/// A connection whose first bytes were read to tell the protocol; they are read again.
pub(super) struct Known {
    counted: Counted,
    first: Vec<u8>,
    /// Requests came one behind the other, and actix is to look at them before it reads on.
    pipelined: bool,
}

impl Known {
    /// Reads until it is clear what is spoken. `None`: the client, or the drain, ended it before.
    pub(super) async fn tell(mut counted: Counted) -> Option<(Known, Spoken)> {
        // Most requests fit; what does not is read by actix.
        let mut first = Vec::with_capacity(1024);
        loop {
            if counted.read_buf(&mut first).await.ok()? == 0 {
                return None;
            }
            let spoken = match counted.account().protocol() {
                Protocol::Unknown => continue,
                Protocol::Http2 => Spoken::Http2,
                _ => Spoken::Http1,
            };
            return Some((Known { counted, first, pipelined: false }, spoken));
        }
    }

    pub(super) fn account(&self) -> &Arc<Account> {
        self.counted.account()
    }
}

impl AsyncRead for Known {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.pipelined) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.first.is_empty() {
            ready!(Pin::new(&mut self.counted).poll_read(cx, buf))?;
        } else {
            let length = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first[..length]);
            self.first.drain(..length);
        }
        // actix reads all there is before it looks at it, and a reader that finds nothing counts as
        // one that has nothing: the last of these requests would not be known for the last.
        self.pipelined = self.first.is_empty() && self.account().tally().several_wait();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Known {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.counted).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.counted).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.counted.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.counted).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.counted).poll_shutdown(cx)
    }
}
