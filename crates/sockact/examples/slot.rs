//! The service that the tests start as slots: it says which slot answers, and can be slow.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;

/// Closed when the test says so: it lets everyone pass then, and nobody before.
static RELEASED: Semaphore = Semaphore::const_new(0);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let slot = std::env::var("SOCKACT_SLOT").unwrap_or_default();
    let listeners = sockact::listeners()?;
    let http = listeners.tcp_all("http")?;
    let name = slot.clone();
    let router = Router::new()
        .route("/", get(move || async move { name }))
        .route("/slow/{ms}", get(slow))
        .route("/held", get(held))
        .route("/release", post(async || RELEASED.close()))
        .route("/hang/{ms}", get(hang))
        .route("/stream/{chunks}", get(stream))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/echo", get(echo))
        .route("/ws", any(|upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(messages) }));
    let mut serve = sockact::serve(http, router.clone());
    if listeners.remaining().iter().any(|name| name == "api") {
        serve = serve.and(listeners.unix("api")?, router);
    }
    if let Some(ms) = std::env::var("IDLE_WINDOW_MS").ok().and_then(|ms| ms.parse().ok()) {
        serve = serve.idle_window(Duration::from_millis(ms));
    }
    let report = serve.await?;
    println!("{slot} {report}");
    Ok(())
}

async fn slow(Path(ms): Path<u64>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "slow"
}

/// Answers after `POST /release`, however long the test takes until then.
async fn held() -> &'static str {
    released().await;
    "held"
}

async fn released() {
    // The error is that it is closed, which is what is waited for.
    let _ = RELEASED.acquire().await;
}

/// Holds up its thread of the runtime, as no handler should.
#[allow(clippy::disallowed_methods, reason = "to be a bad handler is what it is for")]
async fn hang(Path(ms): Path<u64>) -> &'static str {
    std::thread::sleep(Duration::from_millis(ms));
    "hung"
}

/// One "chunk" at once, the others after `POST /release`.
async fn stream(Path(chunks): Path<u32>) -> Body {
    let next = move |left: u32| async move {
        if left == 0 {
            return None;
        }
        if left < chunks {
            released().await;
        }
        Some((Ok::<_, Infallible>(Bytes::from_static(b"chunk")), left - 1))
    };
    Body::from_stream(futures_util::stream::unfold(chunks, next))
}

/// Upgrades to a protocol that returns every byte.
async fn echo(request: Request) -> Response {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
            let _ = tokio::io::copy(&mut from, &mut to).await;
        }
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "echo")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// Returns every message.
async fn messages(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
