//! One public connection, from accept to its end.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;

use super::io::{Counted, Stream};
use super::service::{HttpService, Tracked};
use super::track::{Entry, Phase, Protocol};

/// How HTTP is spoken, shared by all connections.
pub(crate) type Http = Arc<auto::Builder<TokioExecutor>>;

pub(crate) fn http() -> Http {
    Arc::new(auto::Builder::new(TokioExecutor::new()))
}

/// Serves a connection until it ends, is upgraded, or is cut at the end of the drain.
pub(crate) async fn serve<S: HttpService>(http: Http, stream: Stream, entry: Entry, router: S) {
    let account = Arc::clone(&entry.account);
    let service = Tracked::new(TowerToHyperService::new(router), Arc::clone(&account));
    let io = TokioIo::new(Counted::new(stream, entry));
    let mut connection = pin!(http.serve_connection_with_upgrades(io, service));
    let (mut known, mut told) = (false, false);
    std::future::poll_fn(|cx| {
        if !known {
            // This task is polled by the runtime alone, so its waker stays the same.
            account.set_task(Some(cx.waker().clone()));
            known = true;
        }
        loop {
            let phase = account.phase();
            if phase == Phase::Cutting {
                return Poll::Ready(());
            }
            // How a connection ends is the client's affair; the application logs its own requests.
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if phase == Phase::Serving || told || account.protocol() != Protocol::Http2 {
                return Poll::Pending;
            }
            // HTTP/2 has a lame duck of its own: GOAWAY with the highest stream, a PING, and only
            // after its answer a GOAWAY with the real last one (RFC 9113, section 6.8). For
            // HTTP/1 hyper's graceful_shutdown would close an idle connection at once, and reset
            // a request that is under way; there `Counted` and `Tracked` do the work.
            connection.as_mut().graceful_shutdown();
            told = true;
        }
    })
    .await;
    // An upgraded connection lives on without this task.
    account.set_task(None);
}
