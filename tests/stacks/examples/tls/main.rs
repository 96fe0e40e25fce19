//! HTTPS on an adopted listener, HTTP/1.1 and HTTP/2 by ALPN: behind the gate, drained without a
//! loss, its certificate replaced on reload.
//!
//! ```ini
//! [Service]
//! Type=notify-reload
//! LoadCredential=cert:/etc/shop/fullchain.pem
//! LoadCredential=key:/etc/shop/privkey.pem
//! RefreshOnReload=credentials
//! ```
//! `Type=notify-reload` came with systemd 253 (before: `Type=notify` and `ExecReload=kill -HUP
//! $MAINPID`), `RefreshOnReload=` with 260. Before that credentials stay what they were at the start
//! (`systemd.exec(5)`), and a swap of slots brings the new ones: `sockctl restart shop`.

mod certificate;
mod connection;
mod linger;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, extract::Path, routing::get};
use sockact::{Incoming, Notify, NotifyState};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_rustls::TlsAcceptor;

use certificate::Certificate;
use connection::Https;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let https = sockact::listeners()?.tcp("https")?;
    let certificate = Arc::new(Certificate::load()?);
    // From here on a reload is no end of the process.
    let reloads = signal(SignalKind::hangup())?;
    let slot = std::env::var("SOCKACT_SLOT").unwrap_or_default();
    let router =
        Router::new().route("/", get(move || async move { slot })).route("/slow/{ms}", get(slow));

    let mut drain = sockact::Drain::new().probe(router.clone());
    let incoming = drain.incoming(https);
    let guards = drain.guards();
    let watch = drain.start();
    let acceptor = TlsAcceptor::from(Arc::new(certificate::config(Arc::clone(&certificate))?));
    tokio::spawn(reload(reloads, certificate));
    tokio::spawn(serve(incoming, Https::new(acceptor, guards, router, idle_window())));
    println!("{}", watch.report().await?);
    Ok(())
}

async fn serve(mut incoming: Incoming, https: Https) {
    loop {
        let (connection, _) = incoming.accept().await;
        tokio::spawn(https.clone().serve(connection));
    }
}

/// Reads the certificate anew at each SIGHUP. One that is no good changes nothing, and says so.
async fn reload(mut reloads: Signal, certificate: Arc<Certificate>) {
    while reloads.recv().await.is_some() {
        let certificate = Arc::clone(&certificate);
        // The service manager may be slow to listen, and files are read.
        let done = tokio::task::spawn_blocking(move || -> Result<(), sockact::NotifyError> {
            let notify = Notify::from_env()?;
            notify.reloading()?;
            let status = match certificate.replace() {
                Ok(()) => "Serving, certificate replaced".to_owned(),
                Err(e) => format!("Serving with the old certificate: {e}"),
            };
            eprintln!("tls: {status}");
            notify.send(&[NotifyState::Ready, NotifyState::Status(&status)])
        });
        match done.await {
            Ok(Err(e)) => eprintln!("tls: cannot tell systemd of the reload: {e}"),
            Err(e) => eprintln!("tls: the reload broke off: {e}"),
            Ok(Ok(())) => {}
        }
    }
}

/// How long a client that is told nothing is waited for, see [`sockact::Drain::idle_window`].
fn idle_window() -> Duration {
    let ms = std::env::var("IDLE_WINDOW_MS").ok().and_then(|ms| ms.parse().ok());
    Duration::from_millis(ms.unwrap_or(5000))
}

async fn slow(Path(ms): Path<u64>) -> &'static str {
    // The delay is what was asked for.
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "slow"
}
