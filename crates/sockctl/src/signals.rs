//! Ctrl-C: once means give up and go back, twice means now.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Counts SIGINT and SIGTERM. SIGHUP is ignored: a lost terminal does not end a deploy.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<u32>);

impl Interrupt {
    /// Takes the signals over from their default action.
    ///
    /// # Errors
    /// When the runtime cannot.
    pub fn listen() -> io::Result<Self> {
        let (mut int, mut term) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        let (count, seen) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = int.recv() => count.send_modify(|n| *n += 1),
                    _ = term.recv() => count.send_modify(|n| *n += 1),
                    _ = hangup.recv() => {}
                    () = count.closed() => break,
                }
            }
        });
        Ok(Self(seen))
    }

    /// Returns when a signal has come; at once when one came before.
    pub async fn once(&mut self) {
        self.reached(1).await;
    }

    /// Returns when a second signal has come.
    pub async fn twice(&mut self) {
        self.reached(2).await;
    }

    async fn reached(&mut self, count: u32) {
        if self.0.wait_for(|seen| *seen >= count).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
