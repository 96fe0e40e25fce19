//! Why systemd did not do what was asked.

use std::time::Duration;

use sockgen::Scope;
use zbus::DBusError;

use crate::words;

/// Why systemd did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// There is no bus.
    #[error("cannot reach systemd: no answer on {bus}: {source}")]
    Bus {
        /// Which one.
        bus: &'static str,
        /// What it answered.
        source: zbus::Error,
    },
    /// A call was refused.
    #[error("systemd refused {call}{}: {source}", of(unit))]
    Call {
        /// The method.
        call: &'static str,
        /// What it was called for.
        unit: String,
        /// The answer.
        source: zbus::Error,
    },
    /// A call had no answer.
    #[error("systemd has not answered {call}{} within {} s", of(unit), within.as_secs())]
    Deaf {
        /// The method.
        call: &'static str,
        /// What it was called for.
        unit: String,
        /// How long was waited.
        within: Duration,
    },
    /// A job ended otherwise than `done`.
    #[error("{unit}: the {verb} job ended as `{result}`")]
    Job {
        /// Start or stop.
        verb: &'static str,
        /// The unit.
        unit: String,
        /// systemd's word for the job's end.
        result: String,
    },
    /// A job did not end in time.
    #[error("{unit}: no end of the {verb} job within {} s", within.as_secs())]
    Timeout {
        /// Start or stop.
        verb: &'static str,
        /// The unit.
        unit: String,
        /// How long was waited.
        within: Duration,
    },
}

impl SystemdError {
    /// What a person can do about it.
    pub fn hint(&self, scope: Scope) -> Option<&'static str> {
        match self {
            Self::Bus { .. } if scope == Scope::User => Some(
                "log in as the user (machinectl shell USER@, ssh), so that `systemctl status` has an answer",
            ),
            Self::Bus { .. } => Some(
                "sockctl needs a machine booted with systemd and a running dbus: `systemctl status dbus.socket`; as a plain user, use sudo",
            ),
            Self::Deaf { .. } if scope == Scope::User => Some(
                "it may be stopped, or kept busy by a service that sends it notifications without a pause: `top -u $USER`",
            ),
            Self::Deaf { .. } => Some(
                "it may be stopped, or kept busy by a service that sends it notifications without a pause: `top -p 1`",
            ),
            Self::Call { source, .. } if denied(source) => Some(words::permission(scope)),
            _ => None,
        }
    }

    /// Whether systemd refused the call for this reason of its own, such as `NoSuchUnit`.
    pub(super) fn is(&self, reason: &str) -> bool {
        let Self::Call { source, .. } = self else { return false };
        error_name(source)
            .as_deref()
            .and_then(|name| name.strip_prefix("org.freedesktop.systemd1."))
            == Some(reason)
    }
}

/// Some calls are for no unit.
fn of(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" {unit}") }
}

/// The D-Bus name of an error reply. zbus gives those of the bus itself a type of their own.
fn error_name(error: &zbus::Error) -> Option<String> {
    match error {
        zbus::Error::MethodError(name, _, _) => Some(name.to_string()),
        zbus::Error::FDO(error) => Some(DBusError::name(&**error).to_string()),
        _ => None,
    }
}

fn denied(error: &zbus::Error) -> bool {
    matches!(
        error_name(error).as_deref(),
        Some(
            "org.freedesktop.DBus.Error.AccessDenied"
                | "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
        )
    )
}

/// PID 1 is away from the bus: it re-executes itself.
pub(super) fn away(error: &zbus::Error) -> bool {
    matches!(
        error_name(error).as_deref(),
        Some(
            "org.freedesktop.DBus.Error.NoReply"
                | "org.freedesktop.DBus.Error.ServiceUnknown"
                | "org.freedesktop.DBus.Error.NameHasNoOwner"
                | "org.freedesktop.DBus.Error.Disconnected"
                | "org.freedesktop.DBus.Error.TimedOut"
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_bus_have_their_names() {
        let reply = |error: zbus::fdo::Error| zbus::Error::FDO(Box::new(error));
        assert!(away(&reply(zbus::fdo::Error::NameHasNoOwner("systemd1".into()))));
        assert!(away(&reply(zbus::fdo::Error::NoReply("reexec".into()))));
        assert!(denied(&reply(zbus::fdo::Error::AccessDenied("no".into()))));
        assert!(!away(&zbus::Error::IncorrectType));
    }
}
