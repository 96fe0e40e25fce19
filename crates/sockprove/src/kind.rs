//! The kinds of clients that a service has.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How a client's connections live.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// HTTP/1.1: a connection is used until one of the two says that it closes it.
    KeepAlive,
    /// HTTP/1.1: each request on a connection of its own, with `Connection: close`.
    OneShot,
    /// HTTP/2 without TLS, by prior knowledge: eight requests at a time on each connection.
    Http2,
    /// A connection that is upgraded once and then pinged again and again.
    #[serde(rename = "websocket")]
    #[value(name = "websocket")]
    WebSocket,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::KeepAlive, Self::OneShot, Self::Http2, Self::WebSocket];

    /// The word for it, as it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep-alive",
            Self::OneShot => "one-shot",
            Self::Http2 => "http2",
            Self::WebSocket => "websocket",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
