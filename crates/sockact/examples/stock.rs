//! Stock `axum::serve`: with the drain of this crate, or plain as its own documentation has it.
//!
//! The tests start it as slots beside `examples/slot`; `MODE` is `drain` or `plain`.

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::{any, get};
use sockact::axum::Lame;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let slot = std::env::var("SOCKACT_SLOT").unwrap_or_default();
    let listeners = sockact::listeners()?;
    let http = listeners.tcp("http")?;
    let router = Router::new()
        .route("/", get(move || async move { slot }))
        .route("/ws", any(|upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(echo) }));
    if std::env::var("MODE").is_ok_and(|mode| mode == "plain") {
        return plain(http, router).await;
    }
    let mut drain = sockact::Drain::new().probe(router.clone());
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

/// Returns every message.
async fn echo(mut socket: axum::extract::ws::WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
