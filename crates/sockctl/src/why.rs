//! Why a slot died: what systemd noted of its end, and the last lines that it wrote itself.

use std::process::{Command, Stdio};

use jiff::Timestamp;

/// Lines of the release's own log that an error shows.
const LINES: &str = "12";

/// The last lines that the unit's processes wrote since then, oldest first. Empty when there is no journal to ask.
pub fn last_words(unit: &str, since: Timestamp) -> Vec<String> {
    let journalctl = |args: &[&str]| {
        Command::new("journalctl").args(args).stdin(Stdio::null()).stderr(Stdio::null()).output()
    };
    // What the process wrote just before its end may still be on its way through journald.
    let _ = journalctl(&["--sync"]);
    // Only what the processes of the unit wrote, not what systemd says of the unit.
    let matches = format!("_SYSTEMD_UNIT={unit}");
    let since = format!("--since=@{}", since.as_second());
    let args = ["--quiet", "--no-pager", "--output=cat", "--lines", LINES, &since, &matches];
    let Ok(output) = journalctl(&args) else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.chars().take(300).collect::<String>())
        .map(|line| line.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}"))
        .collect()
}

/// How a service's main process ended, as systemd keeps it (org.freedesktop.systemd1(5), `Result`, `ExecMainStatus`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ending {
    /// `success`, `exit-code`, `signal`, `core-dump`, `timeout`, `watchdog`, `oom-kill`, `resources`, `protocol`…
    pub result: String,
    /// `si_code` of SIGCHLD: 1 exited, 2 killed, 3 dumped (waitid(2)); 0 while it runs.
    pub code: i32,
    /// Its exit status or the signal's number.
    pub status: i32,
}

impl Ending {
    /// For people: `exited with status 7`.
    pub fn words(&self) -> String {
        match (self.result.as_str(), self.code) {
            ("timeout", _) => "did not get ready in time".into(),
            ("watchdog", _) => "missed its watchdog".into(),
            ("oom-kill", _) => "was killed for using too much memory".into(),
            (_, 1) if self.status == 203 => {
                "could not be executed (status 203: missing, not executable, or for another machine)".into()
            }
            (_, 1) => format!("exited with status {}", self.status),
            (_, 2 | 3) => format!("was killed by signal {}", self.status),
            (result, _) => format!("ended with `{result}`"),
        }
    }
}
