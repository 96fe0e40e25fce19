//! WebSockets of the programs that are deployed in tests.

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use sockact::Guards;

/// Sends back what comes, until the client goes away, or the drain's deadline: then it says so.
pub async fn echo(mut socket: WebSocket, guards: &Guards) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = guards.cut() => {
                let goodbye = CloseFrame { code: close_code::AWAY, reason: "going away".into() };
                // An error is a client that went away.
                let _ = socket.send(Message::Close(Some(goodbye))).await;
                return;
            }
        };
        let Some(Ok(message)) = message else { return };
        let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
}
