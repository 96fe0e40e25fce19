//! Listeners that are new in the manifest: their sockets are opened before the slot that needs them starts.
//!
//! `sockgen install` starts no unit. A socket of an active target that was never opened stands in nobody's way: opening it changes nothing for
//! the others, and what connects to it waits in its backlog until the next slot takes it over.

use std::time::{Duration, Instant};

use sockgen::{App, Listener};

use crate::commands::Session;
use crate::error::Error;
use crate::plan::Active;
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
