//! The end of an application that runs: systemd stops its slots, which drain, and then closes its sockets.

use std::time::{Duration, Instant};

use super::{Found, RemoveError};
use crate::install::systemd::{UnitState, states, systemctl};
use crate::names::AppName;
use crate::place::Place;

/// When no slot runs, systemd needs no longer than this to close the sockets.
const SOCKETS: Duration = Duration::from_secs(30);

/// Hex digits of a run of a slot (systemd.exec(5), `$INVOCATION_ID`), which the names of its timers end with.
const RUN: usize = 32;

/// Stops the target and waits until nothing of the application runs.
pub(super) fn stop(
    place: &Place,
    app: &AppName,
    found: &Found,
    say: &mut dyn FnMut(&str),
) -> Result<(), RemoveError> {
    let names: Vec<String> = found.names.iter().cloned().collect();
    let alive = || -> Result<Vec<String>, RemoveError> {
        let states = states(place, &names)?;
        let live = |name: &&String| states.get(*name).is_some_and(UnitState::is_live);
        Ok(names.iter().filter(live).cloned().collect())
    };
    if names.is_empty() || alive()?.is_empty() {
        return Ok(());
    }
    let what = "stop the application";
    // Standbys that would be stopped later are stopped now.
    for slot in found.of_kind(".service") {
        // Any run, and no application whose own name goes on so.
        let run = "[0-9a-f]".repeat(RUN);
        let timers = format!("{}-retire-{run}.timer", slot.trim_end_matches(".service"));
        systemctl(place, what, &["stop", "--", &timers])?;
    }
    say(&format!("{} stops: what has begun is answered, then its sockets close", app.target()));
    // One transaction: `PartOf=` the target. systemctl waits for the jobs that it asked for, and so is told of the slots by name.
    let target = app.target();
    if names.iter().any(|name| name == target.as_ref()) {
        systemctl(place, what, &["stop", "--", target.as_ref()])?;
    }
    let services = found.of_kind(".service");
    if !services.is_empty() {
        systemctl(place, what, &[&["stop", "--"][..], &services].concat())?;
    }
    // A public socket cannot be stopped by name, and its end is said to nobody but the bus. Each look is a round trip through
    // systemd, which runs the jobs that are due between two messages.
    let deadline = Instant::now() + SOCKETS;
    loop {
        let units = alive()?;
        if units.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(RemoveError::Runs { units });
        }
    }
}

/// A unit that failed is remembered by systemd until it is told to forget it.
pub(super) fn forget(place: &Place, found: &Found) {
    for name in &found.names {
        // Of one that did not fail it knows nothing any more, which is what is wanted.
        let _ = systemctl(place, "forget the units", &["reset-failed", "--", name]);
    }
}
