//! A transient service, as `systemd-run --wait --collect` makes it.

use std::time::Duration;

use zbus::Variant;

use super::patience::patient;
use super::{Systemd, SystemdError};
use crate::why::identifier;

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
        let mut properties = service(&transient.description, "exec", &transient.argv);
        properties.extend([
            ("WorkingDirectory", transient.directory.as_str().into()),
            ("Environment", transient.environment.clone().into()),
            ("SyslogIdentifier", identifier(transient.unit).into()),
            ("StandardOutput", "journal".into()),
            ("StandardError", "journal".into()),
            ("CollectMode", "inactive-or-failed".into()),
            // `systemctl stop` is a Ctrl-C; the way back is never cut off.
            ("KillMode", "mixed".into()),
            ("TimeoutStopUSec", u64::MAX.into()),
            ("AddRef", true.into()),
        ]);
        let start = || self.manager.start_transient_unit(transient.unit, "fail", &properties, &[]);
        patient("StartTransientUnit", transient.unit, start).await.map(drop)
    }
}

/// What every transient service has: its words, its `Type=`, and what it runs.
pub(super) fn service<'a>(
    description: &'a str,
    kind: &'a str,
    argv: &'a [String],
) -> Vec<(&'a str, Variant<'a>)> {
    let program = argv.first().map(String::as_str).unwrap_or_default();
    // Or systemd would put variables in (systemd.service(5), "Command lines"): a shell's `${x}` is the shell's own.
    let argv: Vec<String> = argv.iter().map(|word| word.replace('$', "$$")).collect();
    vec![
        ("Description", description.into()),
        ("Type", kind.into()),
        ("ExecStart", vec![(program, argv, false)].into()),
    ]
}

/// As systemd takes a time.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
