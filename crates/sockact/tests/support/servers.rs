//! The three ways to serve one router, side by side in this process, each on a thread of its own.

use std::net::{SocketAddr, TcpListener};

use axum::{Router, routing::get};
use sockact::axum::Lame;

fn router() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn listener() -> (TcpListener, SocketAddr) {
    super::public()
}

/// Runs a server on a runtime of one thread, for as long as the process lives.
fn spawn<F: Future<Output = ()>>(serve: impl FnOnce() -> F + Send + 'static) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("runtime").block_on(serve());
    });
}

/// `sockact::serve`.
pub(crate) fn ours() -> SocketAddr {
    let (listener, address) = listener();
    spawn(|| async {
        sockact::serve(listener, router()).await.expect("serves");
    });
    address
}

/// Stock `axum::serve` with the drain.
pub(crate) fn stock() -> SocketAddr {
    let (listener, address) = listener();
    spawn(|| async {
        let mut drain = sockact::Drain::new();
        let http = drain.incoming(listener);
        let watch = drain.start();
        let serve = axum::serve(http, Lame::new(router()));
        serve.with_graceful_shutdown(watch.finished()).await.expect("serves");
    });
    address
}

/// Bare `axum::serve`.
pub(crate) fn bare() -> SocketAddr {
    use axum::serve::ListenerExt;
    let (listener, address) = listener();
    spawn(|| async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("listener");
        // As ours does.
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("nodelay"));
        axum::serve(listener, router()).await.expect("serves");
    });
    address
}
