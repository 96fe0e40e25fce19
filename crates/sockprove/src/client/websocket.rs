//! A client of a WebSocket (RFC 6455) that pings on it.

use std::rc::Rc;
use std::time::Instant;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Answered, Counters};
use crate::failure::{Failure, FailureKind};
use crate::target::{Stream, Target};

/// How often one ping may find that its connection has been moved.
const MOVES: u32 = 16;

pub(crate) struct WebSocket {
    target: Rc<Target>,
    counters: Rc<Counters>,
    open: Option<WebSocketStream<Stream>>,
    pings: u64,
}

/// How a connection ended.
enum End {
    /// In order: its client connects again, and loses nothing.
    Moved,
    Failed(Failure),
}

impl WebSocket {
    pub(crate) fn new(target: Rc<Target>, counters: Rc<Counters>) -> Self {
        Self { target, counters, open: None, pings: 0 }
    }

    /// Sends a ping and waits for its pong, which any server answers with (section 5.5.2).
    pub(crate) async fn exchange(&mut self) -> Result<Answered, Failure> {
        for _ in 0..MOVES {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.connect().await?,
            };
            self.pings += 1;
            let payload = self.pings.to_be_bytes().to_vec();
            let ping = Message::Ping(payload.clone().into());
            let sent = open.send(ping).await.map_err(End::of);
            let ponged = match sent {
                Ok(()) => pong(&mut open, &payload).await,
                Err(end) => Err(end),
            };
            match ponged {
                Ok(at) => {
                    self.open = Some(open);
                    return Ok(Answered { at, status: 200 });
                }
                Err(End::Moved) => Counters::add(&self.counters.moved),
                Err(End::Failed(failure)) => return Err(failure),
            }
        }
        let words = format!("{MOVES} connections in a row were closed");
        Err(Failure::new(FailureKind::Closed, words))
    }

    /// Goes on until the connection ends while nothing is asked on it; for ever when there is none.
    pub(crate) async fn idle(&mut self) -> Failure {
        loop {
            let Some(open) = &mut self.open else {
                std::future::pending::<()>().await;
                continue;
            };
            let Some(end) = next(open).await.err() else { continue };
            self.open = None;
            match end {
                End::Moved => Counters::add(&self.counters.moved),
                End::Failed(failure) => return failure,
            }
        }
    }

    /// Says goodbye. A server that does not wait for it has its reasons.
    pub(crate) async fn close(self) {
        if let Some(mut open) = self.open {
            let _ = open.send(Message::Close(None)).await;
        }
    }

    async fn connect(&self) -> Result<WebSocketStream<Stream>, Failure> {
        Counters::add(&self.counters.connections);
        let stream = self.target.connect().await;
        let stream = stream.map_err(|e| Failure::from_io("connecting", &e))?;
        let url = format!("ws://{}{}", self.target.authority, self.target.path);
        match tokio_tungstenite::client_async(url, stream).await {
            Ok((open, _)) => Ok(open),
            Err(Error::Http(answer)) => {
                let words = format!("{} instead of an upgrade", answer.status());
                Err(Failure::new(FailureKind::Status, words))
            }
            Err(error) => match End::of(error) {
                End::Moved => Err(Failure::new(FailureKind::Closed, "closed before the upgrade")),
                End::Failed(failure) => Err(failure),
            },
        }
    }
}

async fn pong(open: &mut WebSocketStream<Stream>, payload: &[u8]) -> Result<Instant, End> {
    loop {
        if matches!(next(open).await?, Message::Pong(found) if *found == *payload) {
            return Ok(Instant::now());
        }
    }
}

/// The next message that is not the end.
async fn next(open: &mut WebSocketStream<Stream>) -> Result<Message, End> {
    match open.next().await {
        Some(Ok(Message::Close(frame))) => {
            // The answer to it; an error means that the server did not wait.
            let _ = open.flush().await;
            Err(match frame.map(|frame| frame.code) {
                // One without a code is in order, too (RFC 6455, section 7.1.5).
                None | Some(CloseCode::Normal | CloseCode::Away | CloseCode::Restart) => End::Moved,
                Some(code) => {
                    End::Failed(Failure::new(FailureKind::Closed, format!("closed with {code}")))
                }
            })
        }
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(End::of(error)),
        None => Err(End::Failed(Failure::new(FailureKind::Closed, "closed without a close frame"))),
    }
}

impl End {
    fn of(error: Error) -> Self {
        Self::Failed(match error {
            Error::Io(error) => Failure::from_io("on a WebSocket", &error),
            Error::ConnectionClosed | Error::AlreadyClosed => return Self::Moved,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                Failure::new(FailureKind::Closed, "closed without a close frame")
            }
            error => Failure::new(FailureKind::Protocol, error.to_string()),
        })
    }
}
