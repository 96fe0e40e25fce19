//! Guards: work that the drain waits for and that is no HTTP connection.

use std::sync::Arc;

use super::track::{Entry, Phase, Protocol, Tracker};

/// Makes [`Guard`]s; cheap to clone. From [`Drain::guards`](crate::Drain::guards).
#[derive(Clone, Debug)]
pub struct Guards(Arc<Tracker>);

impl Guards {
    pub(super) fn new(tracker: &Arc<Tracker>) -> Guards {
        Guards(Arc::clone(tracker))
    }

    /// For one connection, datagram exchange or job. The drain waits until it is dropped:
    ///
    /// ```no_run
    /// # async fn example(guards: sockact::Guards) {
    /// let guard = guards.guard();
    /// tokio::spawn(async move {
    ///     tokio::select! {
    ///         () = mail_is_sent() => {}
    ///         () = guard.cut() => eprintln!("gave up on the mail"),
    ///     }
    ///     drop(guard);
    /// });
    /// # }
    /// # async fn mail_is_sent() {}
    /// ```
    pub fn guard(&self) -> Guard {
        let entry = self.0.enter();
        entry.account.set_protocol(Protocol::Guard);
        Guard { entry }
    }

    /// Ready when the drain begins: a loop stops taking work then.
    pub async fn draining(&self) {
        self.0.entered(Phase::Draining).await;
    }

    /// Ready when the drain's deadline has passed: what is still open says goodbye now, within a second. For an upgraded
    /// connection, which counts by itself; a [`Guard`] has its own [`cut`](Guard::cut).
    ///
    /// A WebSocket ends with a close frame of status 1001 (RFC 6455, section 7.4.1: "going away"):
    ///
    /// ```no_run
    /// use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
    ///
    /// async fn echo(mut socket: WebSocket, guards: sockact::Guards) {
    ///     loop {
    ///         tokio::select! {
    ///             message = socket.recv() => match message {
    ///                 Some(Ok(message)) => drop(socket.send(message).await),
    ///                 _ => break,
    ///             },
    ///             () = guards.cut() => {
    ///                 let goodbye = CloseFrame { code: close_code::AWAY, reason: "".into() };
    ///                 let _ = socket.send(Message::Close(Some(goodbye))).await;
    ///                 break;
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn cut(&self) {
        self.0.entered(Phase::Cutting).await;
    }
}

/// The drain waits as long as this lives.
#[must_use = "the drain waits only as long as the guard lives"]
#[derive(Debug)]
pub struct Guard {
    entry: Entry,
}

impl Guard {
    /// Ready when the drain begins: finish soon.
    pub async fn draining(&self) {
        self.entry.account.tracker().entered(Phase::Draining).await;
    }

    /// Ready when the drain's deadline has passed: the process is about to end.
    pub async fn cut(&self) {
        self.entry.account.tracker().entered(Phase::Cutting).await;
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.entry.account.phase() >= Phase::Draining
    }
}
