//! The application of the comparison: one small web service, started in each way that is compared. It answers with the name of
//! its release, which is in the file `VERSION` beside the folder of the executable.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use axum::serve::Listener;
use clap::Parser;
use e2e::websocket::echo;
use ecdysis::tokio_ecdysis::{SignalKind, StopOnShutdown, TokioEcdysisBuilder};
use futures_util::{Stream, StreamExt as _};
use sockact::Guards;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix;

/// How it gets its socket, and how it ends. All but the last drain as axum does by itself.
#[derive(Debug, Parser)]
enum Way {
    /// Binds an address.
    Bind {
        /// The address.
        address: SocketAddr,
    },
    /// Takes systemd's socket, with listenfd.
    Adopt,
    /// Binds an address, and at SIGHUP gives it to the next release.
    Ecdysis {
        /// The address.
        address: SocketAddr,
        /// Where systemd finds which process is the service.
        pid_file: PathBuf,
    },
    /// Takes systemd's socket and serves with sockact.
    Sockact,
}

/// As long as the queue of a socket that systemd opens.
const QUEUE: u16 = 4096;

#[tokio::main]
async fn main() -> Result<()> {
    let version = version()?;
    let router = Router::new()
        .route("/", get(async move || version.clone()))
        .route("/health", get(async || "well"));
    match Way::parse() {
        Way::Bind { address } => serve(bind(address)?, router).await,
        Way::Adopt => {
            let socket = listenfd::ListenFd::from_env().take_tcp_listener(0)?;
            serve(TcpListener::from_std(socket.context("systemd passed no socket")?)?, router).await
        }
        Way::Ecdysis { address, pid_file } => upgradable(address, pid_file, router).await,
        Way::Sockact => {
            let http = sockact::listeners()?.tcp("http")?;
            let drain = Arc::new(OnceLock::new());
            // As `axum::serve` does it for the others.
            let router = router.merge(websocket(&drain)).with_state(());
            let serve = sockact::serve(http, router);
            // The first and only time.
            let _ = drain.set(serve.guards());
            eprintln!("{}", serve.await?);
            Ok(())
        }
    }
}

/// Messages that come back; a goodbye at the drain's deadline, without which no client knows where to go on.
fn websocket(drain: &Arc<OnceLock<Guards>>) -> Router {
    let drain = Arc::clone(drain);
    let upgrade = async move |upgrade: WebSocketUpgrade| {
        let drain = Arc::clone(&drain);
        upgrade.on_upgrade(async move |socket| {
            if let Some(drain) = drain.get() {
                echo(socket, drain).await;
            }
        })
    };
    Router::new().route("/ws", get(upgrade))
}

/// The release's name.
fn version() -> Result<String> {
    let exe = std::env::current_exe().context("cannot find the executable")?;
    let release = exe.ancestors().nth(2).context("the executable is in no folder")?;
    let version = std::fs::read_to_string(release.join("VERSION"));
    Ok(version.context("cannot read VERSION")?.trim().to_owned())
}

/// As [`TcpListener::bind`] does, but for the queue.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE.into())
}

/// As axum's own example of a graceful shutdown has it.
async fn serve(listener: TcpListener, router: Router) -> Result<()> {
    let mut stop = unix::signal(unix::SignalKind::terminate())?;
    sd_notify::notify(&[sd_notify::NotifyState::Ready])?;
    let serve = axum::serve(listener, router);
    Ok(serve
        .with_graceful_shutdown(async move {
            let _ = stop.recv().await;
        })
        .await?)
}

/// As ecdysis' own example has it, with the same queue as the others.
async fn upgradable(address: SocketAddr, pid_file: PathBuf, router: Router) -> Result<()> {
    let mut ecdysis = TokioEcdysisBuilder::new(SignalKind::hangup())?;
    ecdysis.stop_on_signal(SignalKind::terminate())?;
    ecdysis.set_pid_file(pid_file);
    let incoming = ecdysis.build_listen_tcp(StopOnShutdown::Yes, address, |socket, address| {
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(QUEUE.into())?;
        Ok(socket.into())
    })?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serve = axum::serve(Upgradable { incoming: Box::pin(incoming), address }, router);
    let serve = serve.with_graceful_shutdown(async move {
        let _ = stopped.await;
    });
    let serve = tokio::spawn(serve.into_future());
    let (_ecdysis, exit) = ecdysis.ready()?;
    exit.await.map_err(|e| anyhow::anyhow!("cannot go on: {e:?}"))?;
    drop(stop);
    Ok(serve.await??)
}

/// Connections as ecdysis gives them: until the next release has the socket.
struct Upgradable {
    incoming: Pin<Box<dyn Stream<Item = io::Result<TcpStream>> + Send>>,
    address: SocketAddr,
}

impl Listener for Upgradable {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.incoming.next().await {
                Some(Ok(stream)) => return (stream, self.address),
                // As axum's own listener: what could not be accepted is its client's.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
