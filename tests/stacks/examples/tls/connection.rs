//! One HTTPS connection, from accept to its end. The drain sees its bytes encrypted, so what
//! `sockact` does with plain ones is done here: GOAWAY, the window of an idle client, the last close.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockact::{Connection, Guards};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::linger::Lingering;

/// A client that has not shaken hands by then is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What every connection is served with.
#[derive(Clone)]
pub(crate) struct Https {
    acceptor: TlsAcceptor,
    guards: Guards,
    router: Router,
    idle_window: Duration,
}

impl Https {
    pub(crate) fn new(
        acceptor: TlsAcceptor,
        guards: Guards,
        router: Router,
        idle_window: Duration,
    ) -> Https {
        Https { acceptor, guards, router, idle_window }
    }

    /// The connection counts until this ends. How it ends is the client's affair.
    pub(crate) async fn serve(self, connection: Connection) {
        // Ciphertext: the drain is not to read HTTP into it.
        let connection = connection.raw();
        // Counts requests; while draining each HTTP/1 response says `Connection: close`.
        let service = connection.track(self.router.clone());
        let shaken = self.acceptor.accept(Lingering::new(connection));
        let Ok(Ok(stream)) = timeout(HANDSHAKE, shaken).await else { return };
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(stream);
        // Not hyper-util's `auto`: told to shut down before the first byte, it drops the connection.
        if http2 {
            let http = http2::Builder::new(TokioExecutor::new());
            let mut served = pin!(http.serve_connection(io, service));
            tokio::select! {
                _ = served.as_mut() => return,
                () = self.guards.draining() => {}
            }
            // GOAWAY at once; every stream is answered.
            served.as_mut().graceful_shutdown();
            let _ = served.await;
        } else {
            let mut served =
                pin!(http1::Builder::new().serve_connection(io, service).with_upgrades());
            tokio::select! {
                _ = served.as_mut() => return,
                () = self.window() => {}
            }
            served.as_mut().graceful_shutdown();
            let _ = served.await;
        }
    }

    /// A shutdown closes an idle HTTP/1 connection at once, and would lose the request that is on
    /// its way. From the begin of the drain the client has this long to send it; the answer says
    /// close.
    async fn window(&self) {
        self.guards.draining().await;
        sleep(self.idle_window).await;
    }
}
