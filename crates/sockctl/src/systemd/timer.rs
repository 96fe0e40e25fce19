//! Transient timers: systemd starts a command later, and nothing of ours waits for it.

use std::time::Duration;

use super::patience::patient;
use super::transient::{micros, service};
use super::{Systemd, SystemdError};

const TIMER: &str = "org.freedesktop.systemd1.Timer";

/// How late a timer may be. The default is a minute (systemd.timer(5), `AccuracySec=`).
const ACCURACY: Duration = Duration::from_secs(1);

/// A command that runs once, later. The units are gone after that, and after a reboot.
#[derive(Debug)]
pub struct Later<'a> {
    /// The timer's name.
    pub timer: &'a str,
    /// The name of the service that it starts.
    pub service: &'a str,
    /// What both are for, in words.
    pub description: &'a str,
    /// From now on.
    pub after: Duration,
    /// The command: an absolute path and its arguments.
    pub command: &'a [String],
}

impl Systemd {
    /// Sets a timer. One that stands under this name already stays as it is.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn later(&self, later: &Later<'_>) -> Result<(), SystemdError> {
        let timer = [
            ("Description", later.description.into()),
            ("TimersMonotonic", vec![("OnActiveSec", micros(later.after))].into()),
            ("AccuracyUSec", micros(ACCURACY).into()),
            ("RemainAfterElapse", false.into()),
        ];
        let mut service = service(later.description, "oneshot", later.command);
        // A failed one would stay in memory (systemd.unit(5), `CollectMode=`).
        service.push(("CollectMode", "inactive-or-failed".into()));
        let aux = [(later.service, service)];
        let make = || self.manager.start_transient_unit(later.timer, "fail", &timer, &aux);
        match patient("StartTransientUnit", later.timer, make).await {
            Err(error) if error.is("UnitExists") => Ok(()),
            made => made.map(drop),
        }
    }

    /// Takes a timer away; one that is not there is fine.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn cancel(&self, timer: &str) -> Result<(), SystemdError> {
        match self.begin_stop(timer).await {
            Err(error) if error.is("NoSuchUnit") => Ok(()),
            stopped => stopped,
        }
    }

    /// When a timer elapses, in microseconds of CLOCK_MONOTONIC; 0 when it does not.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn elapses(&self, timer: &str) -> Result<u64, SystemdError> {
        self.get(timer, TIMER, "NextElapseUSecMonotonic").await
    }
}
