//! Listeners come and go. The sockets of those that are new in the manifest are opened before the slot that needs them starts; of those that
//! are not in it any more they are closed when nobody but systemd has them.
//!
//! `sockgen install` starts no unit. A socket of an active target that was never opened stands in nobody's way: opening it changes nothing for
//! the others, and what connects to it waits in its backlog until the next slot takes it over.

use std::time::Duration;

use sockgen::install::{Removed, readdressed, removed};
use sockgen::{App, Listener};

use crate::error::Error;
use crate::files::{self, FileError};
use crate::plan::Active;
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

/// The listener among these whose socket the next reload would close: somebody changed the address in its unit, and systemd has not read it.
///
/// # Errors
/// When systemd gives no answer.
pub async fn endangered<'a>(
    app: &'a App,
    systemd: &Systemd,
    among: impl Fn(&Listener) -> bool,
) -> Result<Option<&'a Listener>, SystemdError> {
    for listener in app.listeners().iter().filter(|listener| among(listener)) {
        let unit = app.socket_unit(&listener.name);
        if readdressed(app, listener).is_some() && systemd.is_stale(unit.as_ref()).await? {
            return Ok(Some(listener));
        }
    }
    Ok(None)
}

/// What opening them does, for people.
pub fn welcomes(listeners: &[&Listener]) -> String {
    let open = |new: &&Listener| format!("{} on {}", new.name, new.address);
    let all: Vec<_> = listeners.iter().map(open).collect();
    format!("open {}, new in the manifest", all.join(", "))
}

/// Opens them.
///
/// # Errors
/// When a socket cannot be opened, because somebody else listens there for example: no slot was touched.
pub async fn open_new(app: &App, systemd: &Systemd) -> Result<String, SystemdError> {
    let mut opened = Vec::new();
    for listener in unopened(app, systemd).await? {
        systemd.start(app.socket_unit(&listener.name).as_ref(), LIMIT).await?;
        opened.push(format!("{} is open on {}", listener.name, listener.address));
    }
    Ok(opened.join(", "))
}

/// Closes the sockets of removed listeners whose last user is gone, and says what became of each. What fails takes nothing from anybody, and is
/// tried again after the next deploy.
pub async fn close_removed(app: &App, systemd: &Systemd) -> String {
    let removed = match removed(app) {
        Ok(removed) => removed,
        Err(error) => return error.to_string(),
    };
    let mut words = Vec::new();
    for removed in removed {
        let closed = close(app, &removed, systemd).await;
        words.push(closed.unwrap_or_else(|e| format!("{} stays open: {e}", removed.address)));
    }
    words.join("; ")
}

/// systemd refuses to stop it by hand (`RefuseManualStop=`, systemd.unit(5)) as long as it knows the file. Without the file a reload makes it let
/// the descriptor go, and what is left of the unit is stopped.
async fn close(app: &App, removed: &Removed, systemd: &Systemd) -> Result<String, Error> {
    let Removed { unit, address, path } = removed;
    if sockets::is_used(address, systemd.pid())? {
        return Ok(format!("{unit} stays open on {address}: a process still has it"));
    }
    // Before its file: the generator runs at the reload.
    sockgen::generator::forget(app.place(), app.name(), unit)
        .map_err(FileError::of("forget the unit in", &app.run_dir()))?;
    files::remove(path)?;
    systemd.reload().await?;
    systemd.stop(unit, LIMIT).await?;
    Ok(format!("{address} is closed: {unit} is not in the manifest any more"))
}

/// What becomes of them, for people.
pub fn farewells(removed: &[Removed]) -> String {
    let close = |gone: &Removed| format!("{} ({})", gone.address, gone.unit);
    let all: Vec<_> = removed.iter().map(close).collect();
    format!("close {}, not in the manifest any more, when the last user is gone", all.join(", "))
}
