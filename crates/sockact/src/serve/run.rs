//! From start to signal: the order in which things come alive.

use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use rustix::fs::{OFlags, fcntl_getfl};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::notify::Herald;
use super::shared::Shared;
use super::{Report, Serve, ServeError, Site, accept, drain};
use crate::Watchdog;
use crate::slot::{Vars, widen_descriptor_table};

pub(super) async fn run(serve: Serve) -> Result<Report, ServeError> {
    let Serve { sites, admin, idle_window, drain_deadline, tracker, awaited } = serve;
    let orders = Vars::from_env().orders()?;
    for (nth, site) in sites.iter().enumerate() {
        for socket in &site.listener.sockets {
            check_non_blocking(socket, || format!("{}.", nth + 1))?;
        }
    }
    widen_descriptor_table();
    let mut signals = Signals::new()?;
    tracker.set_idle_window(idle_window);
    let herald = Herald::new().map_err(|source| ServeError::Ready { source })?;
    let shared = Shared::new(orders.who, orders.gate, tracker, herald);
    let mut helpers = JoinSet::new();
    if let Some(listener) = crate::adopt::take_admin() {
        let listener = watch_admin(listener)?;
        helpers.spawn(admin(listener, Arc::clone(&shared)));
    }
    if let Some(watchdog) =
        Watchdog::from_env().map_err(|source| ServeError::Watchdog { source })?
    {
        helpers.spawn(stay_alive(watchdog, Arc::clone(&shared)));
    }
    for asked in awaited {
        // An error means that nobody will ask: what is accepted there is closed.
        let _ = asked.await;
    }
    let mut loops = accept_loops(sites, &shared);
    shared.gate.in_force().await;
    let ready = shared.herald.ready(shared.gate.setting().share()).await;
    ready.map_err(|source| ServeError::Ready { source })?;
    signals.next().await;
    let deadline = orders.drain.unwrap_or(drain_deadline);
    // The admin socket is served on until this returns, and `helpers` is dropped.
    Ok(drain::drain(&shared, &mut loops, &mut signals, idle_window, deadline).await)
}

/// Pings systemd's watchdog from the runtime that serves: when that hangs, nobody pings.
async fn stay_alive(watchdog: Watchdog, shared: Arc<Shared>) {
    let mut ticks = interval(watchdog.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        shared.herald.alive();
    }
}

fn accept_loops(sites: Vec<Site>, shared: &Arc<Shared>) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    for site in sites {
        for socket in site.listener.sockets {
            loops.spawn(accept::run(socket, shared.gate.keeper(), (site.spawner)(shared)));
        }
    }
    loops
}

fn watch_admin(listener: UnixListener) -> Result<tokio::net::UnixListener, ServeError> {
    check_non_blocking(&listener, || "admin".to_owned())?;
    tokio::net::UnixListener::from_std(listener)
        .map_err(|source| ServeError::Watch { what: "admin".to_owned(), source })
}

fn check_non_blocking(fd: impl AsFd, what: impl Fn() -> String) -> Result<(), ServeError> {
    let flags =
        fcntl_getfl(fd).map_err(|e| ServeError::Watch { what: what(), source: e.into() })?;
    if flags.contains(OFlags::NONBLOCK) {
        return Ok(());
    }
    Err(ServeError::Blocking { what: what() })
}

/// SIGTERM, which systemd sends to stop a service (`systemd.kill(5)`), and SIGINT, for a terminal.
#[derive(Debug)]
pub(super) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Signals, ServeError> {
        let handle = |kind| signal(kind).map_err(|source| ServeError::Signals { source });
        Ok(Signals {
            term: handle(SignalKind::terminate())?,
            int: handle(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next of either.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
