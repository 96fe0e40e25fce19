//! Stock `axum::serve`: with the drain of this crate, or plain as its own documentation has it.
//!
//! The tests start it as slots beside `examples/slot`; `MODE` is `drain` or `plain`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::{any, get};
use hyper::body::{Frame, SizeHint};
use sockact::axum::Lame;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let slot = std::env::var("SOCKACT_SLOT").unwrap_or_default();
    let listeners = sockact::listeners()?;
    let http = listeners.tcp("http")?;
    let router = Router::new()
        .route("/", get(move || async move { slot }))
        .route("/drip", get(async || Body::new(Drip { left: 4, pause: None })))
        .route("/ws", any(|upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(echo) }));
    if std::env::var("MODE").is_ok_and(|mode| mode == "plain") {
        return plain(http, router).await;
    }
    let window = std::env::var("IDLE_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(5000);
    let drain = sockact::Drain::new().idle_window(Duration::from_millis(window));
    let mut drain = drain.probe(router.clone());
    let http = drain.incoming(http);
    let watch = drain.start();
    axum::serve(http, Lame::new(router)).with_graceful_shutdown(watch.finished()).await?;
    println!("{}", watch.report().await?);
    Ok(())
}

/// As axum's own example of a graceful shutdown does it.
async fn plain(
    http: std::net::TcpListener,
    router: Router,
) -> Result<(), Box<dyn std::error::Error>> {
    let http = tokio::net::TcpListener::from_std(http)?;
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    sd_notify::notify(&[sd_notify::NotifyState::Ready])?;
    let signal = async move {
        term.recv().await;
        // The tests wait for this; by now the listener is as good as closed.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    };
    axum::serve(http, router).with_graceful_shutdown(signal).await?;
    println!("0 finished, 0 cut, of 0 connections and 0 requests in all");
    Ok(())
}

/// A body of known length whose bytes come one by one.
struct Drip {
    left: u64,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl hyper::body::Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let pause = || Box::pin(tokio::time::sleep(Duration::from_secs(1)));
        ready!(self.pause.get_or_insert_with(pause).as_mut().poll(cx));
        self.pause = None;
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b".")))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Returns every message.
async fn echo(mut socket: axum::extract::ws::WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
