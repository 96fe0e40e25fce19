//! Ctrl-C: once means give up and go back, twice means now. SIGUSR1 promotes a canary, SIGUSR2 all the way.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Counts SIGINT and SIGTERM. SIGHUP is ignored: a lost terminal does not end a deploy.
#[derive(Debug, Clone)]
pub struct Interrupt {
    count: watch::Receiver<u32>,
    /// Promotions so far, and whether the last one was all the way.
    promotions: watch::Receiver<(u32, bool)>,
}

impl Interrupt {
    /// Takes the signals over from their default action.
    ///
    /// # Errors
    /// When the runtime cannot.
    pub fn listen() -> io::Result<Self> {
        let (mut int, mut term) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        let (mut next, mut all) =
            (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
        let (count, seen) = watch::channel(0);
        let (promote, promotions) = watch::channel((0, false));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = int.recv() => count.send_modify(|n| *n += 1),
                    _ = term.recv() => count.send_modify(|n| *n += 1),
                    _ = hangup.recv() => {}
                    _ = next.recv() => promote.send_modify(|(n, all)| (*n, *all) = (*n + 1, false)),
                    _ = all.recv() => promote.send_modify(|(n, all)| (*n, *all) = (*n + 1, true)),
                    () = count.closed() => break,
                }
            }
        });
        Ok(Self { count: seen, promotions })
    }

    /// Returns when a signal has come; at once when one came before.
    pub async fn once(&mut self) {
        self.reached(1).await;
    }

    /// Returns when a second signal has come.
    pub async fn twice(&mut self) {
        self.reached(2).await;
    }

    /// Forgets who promoted so far.
    pub fn forget_promotions(&mut self) {
        self.promotions.mark_unchanged();
    }

    /// Whether somebody has promoted since it was last asked, and then whether all the way.
    pub fn promotion(&mut self) -> Option<bool> {
        let new = self.promotions.has_changed().unwrap_or(false);
        new.then(|| self.promotions.borrow_and_update().1)
    }

    /// Returns when somebody has promoted since it was last asked, and whether all the way.
    pub async fn promoted(&mut self) -> bool {
        match self.promotions.changed().await {
            Ok(()) => self.promotions.borrow_and_update().1,
            Err(_) => std::future::pending().await,
        }
    }

    async fn reached(&mut self, count: u32) {
        if self.count.wait_for(|seen| *seen >= count).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
