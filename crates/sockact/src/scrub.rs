//! Children that find nothing of what systemd said to this process.

use std::process::Command;

/// The variables by which systemd speaks to one process (`sd_listen_fds(3)`, `sd_notify(3)`,
/// `sd_watchdog_enabled(3)`, `systemd.exec(5)`), and those of a slot.
const VARIABLES: [&str; 12] = [
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "FDSTORE",
    "SOCKACT_SLOT",
    "SOCKACT_GATE",
    "SOCKACT_DRAIN_USEC",
    "SOCKACT_HEALTH",
];

/// Removes from a child's environment what is meant for this process alone.
///
/// The adopted descriptors are close-on-exec, and `LISTEN_PID` names this process, so a child that
/// reads the variables finds an error, not a socket. A scrubbed one finds no variables. The
/// environment of this process is not touched, whatever its threads do meanwhile.
/// `CREDENTIALS_DIRECTORY` stays.
///
/// ```
/// use std::process::Command;
/// let output = sockact::scrub(Command::new("env").env("LISTEN_FDS", "1")).output()?;
/// assert!(!String::from_utf8_lossy(&output.stdout).contains("LISTEN_"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn scrub(command: &mut Command) -> &mut Command {
    for name in VARIABLES {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_slot_is_left() {
        let mut command = Command::new("env");
        let slot = ["SOCKACT_SLOT", "SOCKACT_GATE", "SOCKACT_DRAIN_USEC", "SOCKACT_HEALTH"];
        scrub(command.envs(slot.map(|name| (name, "x"))).env("OWN", "x"));
        let left: Vec<_> = command.get_envs().filter(|(_, value)| value.is_some()).collect();
        assert_eq!(left, [("OWN".as_ref(), Some("x".as_ref()))]);
    }
}
