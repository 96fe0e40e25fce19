//! Why a slot died: what systemd noted of its end, and the last lines that it wrote itself.

use std::process::{Output, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use sockgen::{App, Place};
use tokio::process::Command;

/// Lines of the release's own log that an error shows.
const LINES: &str = "12";

/// The last lines that the units' processes wrote since then, oldest first. Empty when there is no journal to ask.
pub async fn last_words(app: &App, units: &[&str], since: Timestamp) -> Vec<String> {
    // Only what the processes of the units wrote, not what systemd says of them.
    let mut args = written_by(app.place(), units).join(&"+".to_owned());
    args.extend(["--output=cat".to_owned(), format!("--lines={LINES}")]);
    if let Some(namespace) = app.log_namespace() {
        // What was written just before the end may still be on its way through that journald.
        let _ = journalctl(&[&format!("--namespace={namespace}"), "--sync"]).await;
    }
    args.extend(both_journals(app));
    let lines = journal(since, &args.iter().map(String::as_str).collect::<Vec<_>>()).await;
    lines
        .lines()
        .map(|line| line.chars().take(300).collect::<String>())
        .map(|line| line.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}"))
        .collect()
}

/// The field by which the journal knows what the processes of a unit wrote (systemd.journal-fields(7)).
pub fn unit_field(place: &Place) -> &'static str {
    if place.is_user() { "_SYSTEMD_USER_UNIT" } else { "_SYSTEMD_UNIT" }
}

/// What the processes of the units write, as journalctl(1) matches it: entries of which all of one group is true.
///
/// journald looks the unit up in /proc when it reads a line. A command that has ended by then has none when it is a person's own
/// systemd that ran it (seen on 252; for units of PID 1 it believes systemd), so that is known by its [`identifier`] as well.
pub fn written_by(place: &Place, units: &[&str]) -> Vec<Vec<String>> {
    let field = unit_field(place);
    let by_unit = units.iter().map(|unit| format!("{field}={unit}"));
    if !place.is_user() {
        return vec![by_unit.collect()];
    }
    // Anybody may call itself so.
    let hers = format!("_UID={}", rustix::process::getuid().as_raw());
    let by_name = units.iter().map(|unit| format!("SYSLOG_IDENTIFIER={}", identifier(unit)));
    vec![by_unit.chain([hers.clone()]).collect(), by_name.chain([hers]).collect()]
}

/// The option of journalctl(1) for an application with a journal of its own. That has what its processes write; the machine's has what
/// systemd says of them.
pub fn both_journals(app: &App) -> Option<String> {
    app.log_namespace().map(|namespace| format!("--namespace=+{namespace}"))
}

/// `SyslogIdentifier=` of a transient unit (systemd.exec(5)): its name.
pub fn identifier(unit: &str) -> &str {
    unit.strip_suffix(".service").unwrap_or(unit)
}

/// The longest wait for journald. A cause without its log is better than a person who waits for both.
const PATIENCE: Duration = Duration::from_secs(2);

async fn journalctl(args: &[&str]) -> Option<Output> {
    let mut command = Command::new("journalctl");
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()
}

async fn journal(since: Timestamp, args: &[&str]) -> String {
    // What was written just before the end may still be on its way through journald.
    let _ = journalctl(&["--sync"]).await;
    let since = format!("--since=@{}", since.as_second());
    let output = journalctl(&[&["--quiet", "--no-pager", &since], args].concat()).await;
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// `SD_MESSAGE_UNIT_PROCESS_EXIT` (sd-messages.h): systemd's entry for the end of a main process.
const PROCESS_EXIT: &str = "98e322203f7a4ed290d09fe03c09fe15";

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
    /// The end of a run after which systemd has already begun the next: its properties tell of the new one, the journal of the old.
    pub async fn in_journal(place: &Place, unit: &str, since: Timestamp) -> Option<Self> {
        let of = if place.is_user() { "USER_UNIT" } else { "UNIT" };
        let (unit, exit) = (format!("{of}={unit}"), format!("MESSAGE_ID={PROCESS_EXIT}"));
        let line = journal(since, &["--output=json", "--lines=1", &unit, &exit]).await;
        let entry: serde_json::Value = serde_json::from_str(line.trim()).ok()?;
        let code = match entry["EXIT_CODE"].as_str()? {
            "exited" => 1,
            "killed" => 2,
            _ => 3,
        };
        let status = entry["EXIT_STATUS"].as_str()?.parse().ok()?;
        Some(Self { result: "journal".into(), code, status })
    }

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
