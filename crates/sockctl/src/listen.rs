//! Listeners come and go. The sockets of those that are new in the manifest are opened before the slot that needs them starts; of those that
//! are not in it any more they are closed when nobody but systemd has them.
//!
//! `sockgen install` starts no unit. A socket of an active target that was never opened stands in nobody's way: opening it changes nothing for
//! the others, and what connects to it waits in its backlog until the next slot takes it over.

use std::time::{Duration, Instant};

use sockgen::install::{Removed, removed};
use sockgen::{App, Listener};

use crate::commands::Session;
use crate::error::Error;
use crate::files;
use crate::plan::Active;
use crate::report::Report;
use crate::sockets;
use crate::systemd::{Systemd, SystemdError};

/// A bind(2) and a listen(2).
const LIMIT: Duration = Duration::from_secs(30);

/// The listeners whose sockets are installed and not open. One that failed is not among them: `sockctl doctor` says why.
///
/// # Errors
/// When systemd gives no answer.
pub async fn unopened<'a>(
    app: &'a App,
    systemd: &Systemd,
) -> Result<Vec<&'a Listener>, SystemdError> {
    let names: Vec<_> = app.listeners().iter().map(|l| app.socket_unit(&l.name)).collect();
    let units = systemd.units(&names.iter().map(AsRef::as_ref).collect::<Vec<_>>()).await?;
    let closed = app.listeners().iter().zip(units);
    let closed =
        closed.filter(|(_, unit)| unit.load == "loaded" && unit.active == Active::Inactive);
    Ok(closed.map(|(listener, _)| listener).collect())
}

/// What opening it does, for people.
pub fn explained(listener: &Listener) -> String {
    format!("open {} on {}, which is new in the manifest", listener.name, listener.address)
}

impl Session<'_> {
    /// Opens them, each as a step of its own.
    ///
    /// # Errors
    /// When a socket cannot be opened, because somebody else listens there for example: nothing else was changed.
    pub(crate) async fn listen(&self) -> Result<(), Error> {
        for listener in unopened(self.app, &self.systemd).await? {
            let began = Instant::now();
            let unit = self.app.socket_unit(&listener.name);
            self.systemd.start(unit.as_ref(), LIMIT).await?;
            let detail = format!("{} is open on {}", listener.name, listener.address);
            self.report.done("listen", began.elapsed(), &detail);
        }
        Ok(())
    }
}

/// Closes the sockets of removed listeners whose last user is gone, each as a step of its own. What fails is said, and is tried again after the
/// next deploy: it takes nothing from anybody.
pub async fn close_removed(app: &App, systemd: &Systemd, report: &Report) {
    let began = Instant::now();
    let removed = match removed(app) {
        Ok(removed) => removed,
        Err(error) => return report.failed("unlisten", began.elapsed(), &error.to_string()),
    };
    for removed in removed {
        let began = Instant::now();
        match close(&removed, systemd).await {
            Ok(detail) => report.done("unlisten", began.elapsed(), &detail),
            Err(error) => report.failed("unlisten", began.elapsed(), &error.to_string()),
        }
    }
}

/// systemd refuses to stop it by hand (`RefuseManualStop=`, systemd.unit(5)) as long as it knows the file. Without the file a reload makes it let
/// the descriptor go, and what is left of the unit is stopped.
async fn close(removed: &Removed, systemd: &Systemd) -> Result<String, Error> {
    let Removed { unit, address, path } = removed;
    if sockets::is_used(address, systemd.pid())? {
        return Ok(format!("{unit} stays open on {address}: a process still has it"));
    }
    files::remove(path)?;
    systemd.reload().await?;
    systemd.stop(unit, LIMIT).await?;
    Ok(format!("{address} is closed: {unit} is not in the manifest any more"))
}

/// What becomes of it, for people.
pub fn farewell(removed: &Removed) -> String {
    format!(
        "close {} ({}), which is not in the manifest any more, when its last user is gone",
        removed.address, removed.unit
    )
}
