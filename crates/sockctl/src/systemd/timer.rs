//! Transient timers: systemd starts a command later, and nothing of ours waits for it.

use std::time::{Duration, Instant};

use zbus::Variant;

use super::error::{away, error_name};
use super::{PATIENCE, Systemd, SystemdError};

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
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let timer = [
            ("Description", Variant::from(later.description)),
            ("TimersMonotonic", Variant::from(vec![("OnActiveSec", micros(later.after))])),
            ("AccuracyUSec", Variant::from(micros(ACCURACY))),
            ("RemainAfterElapse", Variant::from(false)),
        ];
        let program = later.command.first().cloned().unwrap_or_default();
        let service = [
            ("Description", Variant::from(later.description)),
            ("Type", Variant::from("oneshot")),
            ("ExecStart", Variant::from(vec![(program, later.command.to_vec(), false)])),
            // A failed one would stay in memory (systemd.unit(5), `CollectMode=`).
            ("CollectMode", Variant::from("inactive-or-failed")),
        ];
        let aux = [(later.service, service.into())];
        let made = patient!(
            "StartTransientUnit",
            later.timer,
            self.manager.start_transient_unit(later.timer, "fail", &timer, &aux)
        );
        match made {
            Err(SystemdError::Call { source, .. })
                if error_name(&source).as_deref()
                    == Some("org.freedesktop.systemd1.UnitExists") =>
            {
                Ok(())
            }
            made => made.map(drop),
        }
    }

    /// Takes a timer away; one that is not there is fine.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn cancel(&self, timer: &str) -> Result<(), SystemdError> {
        match patient!("StopUnit", timer, self.manager.stop_unit(timer, "replace")) {
            Err(SystemdError::Call { source, .. })
                if error_name(&source).as_deref()
                    == Some("org.freedesktop.systemd1.NoSuchUnit") =>
            {
                Ok(())
            }
            stopped => stopped.map(drop),
        }
    }

    /// When a timer elapses, in microseconds of CLOCK_MONOTONIC; 0 when it does not.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn elapses(&self, timer: &str) -> Result<u64, SystemdError> {
        patient!("Get", timer, self.get(timer, TIMER, "NextElapseUSecMonotonic"))
    }
}
