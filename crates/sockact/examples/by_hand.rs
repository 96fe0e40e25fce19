//! hyper by hand on `http`, a raw TCP loop on `echo`, and a job in the background: one drain.

use std::time::Duration;

use axum::{Router, routing::get};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockact::{Guard, Incoming};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listeners = sockact::listeners()?;
    let window = std::env::var("IDLE_WINDOW_MS").ok().and_then(|ms| ms.parse().ok());
    let window = Duration::from_millis(window.unwrap_or(5000));
    let mut drain = sockact::Drain::new().idle_window(window);
    let http = drain.incoming(listeners.tcp("http")?);
    let echo = drain.incoming(listeners.unix("api")?);
    let guards = drain.guards();
    tokio::spawn(job(guards.guard()));
    let watch = drain.start();
    tokio::spawn(serve(http));
    tokio::spawn(echoes(echo));
    println!("{}", watch.report().await?);
    Ok(())
}

async fn serve(mut http: Incoming) {
    let router = Router::new().route("/", get(|| async { "by hand" }));
    loop {
        let (connection, _) = http.accept().await;
        let service = connection.track(router.clone());
        tokio::spawn(async move {
            let io = TokioIo::new(connection);
            let http = auto::Builder::new(TokioExecutor::new());
            // How a connection ends is the client's affair.
            let _ = http.serve_connection_with_upgrades(io, service).await;
        });
    }
}

/// The connection counts as long as it is held.
async fn echoes(mut echo: Incoming) {
    loop {
        let (connection, _) = echo.accept().await;
        tokio::spawn(async move {
            let (mut from, mut to) = tokio::io::split(connection.raw());
            let _ = tokio::io::copy(&mut from, &mut to).await;
        });
    }
}

/// Takes half a second more when the drain begins.
async fn job(guard: Guard) {
    guard.draining().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(guard);
}
