//! Clients of each kind: one request, its answer or its failure.

mod answer;
pub(crate) mod http1;
pub(crate) mod http2;
mod websocket;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use self::http1::Http1;
use self::http2::{Http2, Shared};
use self::websocket::WebSocket;
use crate::failure::Failure;
use crate::kind::Kind;
use crate::target::Target;

/// A whole answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    /// When its last byte had come.
    pub(crate) at: Instant,
    pub(crate) status: u16,
}

/// What the clients of a thread count that is no failure.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counters {
    pub(crate) connections: Cell<u64>,
    pub(crate) closed_idle: Cell<u64>,
    pub(crate) resent: Cell<u64>,
    pub(crate) moved: Cell<u64>,
}

impl Counters {
    fn add(counter: &Cell<u64>) {
        counter.set(counter.get() + 1);
    }
}

/// A client of any kind.
pub(crate) enum Client {
    Http1(Http1),
    Http2(Http2),
    WebSocket(Box<WebSocket>),
}

impl Client {
    pub(crate) fn new(
        kind: Kind,
        target: Rc<Target>,
        counters: Rc<Counters>,
        shared: Rc<Shared>,
    ) -> Self {
        match kind {
            Kind::KeepAlive => Self::Http1(Http1::new(target, counters, false)),
            Kind::OneShot => Self::Http1(Http1::new(target, counters, true)),
            Kind::Http2 => Self::Http2(Http2::new(target, counters, shared)),
            Kind::WebSocket => Self::WebSocket(Box::new(WebSocket::new(target, counters))),
        }
    }

    pub(crate) async fn exchange(&mut self) -> Result<Answered, Failure> {
        match self {
            Self::Http1(client) => client.exchange().await,
            Self::Http2(client) => client.exchange().await,
            Self::WebSocket(client) => client.exchange().await,
        }
    }

    /// The body of the last answer; none where there are no bodies.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        match self {
            Self::Http1(client) => Some(&client.body),
            Self::Http2(client) => Some(&client.body),
            Self::WebSocket(_) => None,
        }
    }

    /// Whether nothing but its connection's end told where the last answer ended.
    pub(crate) fn is_until_close(&self) -> bool {
        matches!(self, Self::Http1(client) if client.until_close)
    }

    /// Goes on until a connection fails on which nothing is asked.
    pub(crate) async fn idle(&mut self) -> Failure {
        match self {
            Self::WebSocket(client) => client.idle().await,
            _ => std::future::pending().await,
        }
    }

    /// The end of the load, which a server is told of where there are words for it.
    pub(crate) async fn close(self) {
        if let Self::WebSocket(client) = self {
            client.close().await;
        }
    }
}
