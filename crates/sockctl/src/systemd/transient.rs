//! A transient service, as `systemd-run --wait --collect` makes it.

use std::time::Instant;

use zbus::Variant;

use super::{PATIENCE, Systemd, SystemdError, away, patient};

/// A command that runs as a unit of its own.
#[derive(Debug)]
pub struct Transient<'a> {
    /// The unit's name.
    pub unit: &'a str,
    /// For `systemctl status`.
    pub description: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub directory: String,
    /// `KEY=value`.
    pub environment: Vec<String>,
}

impl Systemd {
    /// Starts it; it is kept until it ended and this connection is closed, then systemd forgets it.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn start_transient(&self, transient: &Transient<'_>) -> Result<(), SystemdError> {
        let argv: Vec<&str> = transient.argv.iter().map(String::as_str).collect();
        let program = argv.first().copied().unwrap_or_default();
        let environment: Vec<&str> = transient.environment.iter().map(String::as_str).collect();
        let properties = || -> Vec<(&str, Variant<'_>)> {
            vec![
                ("Description", transient.description.as_str().into()),
                ("Type", "exec".into()),
                ("ExecStart", vec![(program, argv.clone(), false)].into()),
                ("WorkingDirectory", transient.directory.as_str().into()),
                ("Environment", environment.clone().into()),
                ("StandardOutput", "journal".into()),
                ("StandardError", "journal".into()),
                ("CollectMode", "inactive-or-failed".into()),
                // `systemctl stop` is a Ctrl-C; the way back is never cut off.
                ("KillMode", "mixed".into()),
                ("TimeoutStopUSec", u64::MAX.into()),
                ("AddRef", true.into()),
            ]
        };
        let none: [(&str, Vec<(&str, Variant<'_>)>); 0] = [];
        patient!(
            "StartTransientUnit",
            transient.unit,
            self.manager.start_transient_unit(transient.unit, "fail", &properties(), &none)
        )
        .map(drop)
    }
}
