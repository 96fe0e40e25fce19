//! `--detach`: the same command as a transient unit of systemd's, followed until it ends.
//!
//! The unit writes to the journal, not to our terminal: a connection that hangs would hold the deploy up. Whoever follows may go away at
//! any moment. As `systemd-run --wait` does, the unit is kept referenced while we are there, so that its exit status can be read, and
//! collected by systemd afterwards.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;
use sockgen::{App, Scope};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::error::Error;
use crate::files::FileError;
use crate::journal::Journal;
use crate::plan::Active;
use crate::systemd::{Systemd, Transient};
use crate::why::{unit_field, written_by};

/// Set in the transient unit: errors are written with the journal's level.
pub const DETACHED: &str = "SOCKACT_DETACHED";
/// The longest wait for the journal to show the last line.
const LAST_LINES: Duration = Duration::from_secs(3);

/// What of our environment the unit has, too.
const KEPT: &[&str] = &["PATH", "LANG", "TZ"];
const KEPT_OF_ROOT: &[&str] = &["SUDO_USER"];
const KEPT_OF_A_USER: &[&str] =
    &["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// Runs this command line, without `--detach`, in a transient unit, and follows it to its end.
///
/// # Errors
/// [`Error::Detached`] with the exit status that the command had; or systemd's refusal.
pub async fn detach(app: &App, verb: &str) -> Result<(), Error> {
    let systemd = Systemd::connect(app.place()).await?;
    let now = jiff::Timestamp::now();
    let unit = format!("sockact-{verb}-{}-{}.service", app.name(), now.as_microsecond());
    let transient = transient(app, verb, &unit)?;
    let mut changes = systemd.changes(&unit).await?;
    let mut lines = follow(app, &unit, now)?;
    systemd.start_transient(&transient).await?;
    eprintln!(
        "{unit} goes on whatever becomes of this terminal\n  follow it again: journalctl --follow {}={unit}\n  give it up:      {} kill --signal=INT {unit}",
        unit_field(app.place()),
        app.place().typed("systemctl")
    );
    let mut out = Out(BufReader::new(lines.stdout.take().expect("stdout is piped")));
    let mut readable = true;
    loop {
        tokio::select! {
            // Who may not read the journal waits for the end without its lines.
            line = out.line(), if readable => readable = line,
            _ = changes.next() => {
                let state = systemd.unit(&unit).await?;
                if matches!(state.active, Active::Inactive | Active::Failed) && !state.job {
                    break;
                }
            }
        }
    }
    if readable {
        out.finish(app, &unit).await;
    }
    let ending = systemd.ending(&unit).await?;
    match (ending.code, ending.status) {
        (1, 0) => Ok(()),
        (1, status) => Err(Error::Detached { status: status.try_into().unwrap_or(1) }),
        _ => Err(Error::HalfDone {
            app: app.name().to_string(),
            reason: format!("{unit} {}", ending.words()),
        }),
    }
}

/// This command line as a unit.
fn transient<'a>(app: &App, verb: &str, unit: &'a str) -> Result<Transient<'a>, FileError> {
    let program =
        std::env::current_exe().map_err(FileError::of("find", "/proc/self/exe".as_ref()))?;
    let here = std::env::current_dir().map_err(FileError::of("find", ".".as_ref()))?;
    let own = match app.place().scope() {
        Scope::System => KEPT_OF_ROOT,
        Scope::User => KEPT_OF_A_USER,
    };
    let kept = KEPT
        .iter()
        .chain(own)
        .filter_map(|key| Some(format!("{key}={}", std::env::var(key).ok()?)));
    let arguments = std::env::args().skip(1).filter(|arg| arg != "--detach");
    Ok(Transient {
        unit,
        description: format!("sockctl {verb} {}", app.name()),
        argv: std::iter::once(program.display().to_string()).chain(arguments).collect(),
        directory: here.display().to_string(),
        environment: std::iter::once(format!("{DETACHED}=1")).chain(kept).collect(),
    })
}

/// journalctl(1), for what the unit writes, and for [`Out::finish`]'s mark. Not from journalctl's own begin on: by then the unit may have
/// written.
fn follow(app: &App, unit: &str, begun: jiff::Timestamp) -> Result<Child, Error> {
    let mut journalctl = Command::new("journalctl");
    let since = format!("--since=@{}", begun.as_second());
    journalctl.args(["--follow", "--lines=all", &since, "--output=json", "--quiet"]);
    for group in written_by(app.place(), &[unit]) {
        // Not the entries about the deploy that it writes besides.
        journalctl.args(group).args(["_TRANSPORT=stdout", "+"]);
    }
    journalctl.arg(format!("SOCKACT_FOLLOWED={unit}"));
    // Its own process group: a Ctrl-C is ours alone.
    journalctl.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).process_group(0);
    journalctl.spawn().map_err(|error| FileError::of("start", "journalctl".as_ref())(error).into())
}

struct Out(BufReader<tokio::process::ChildStdout>);

impl Out {
    /// Passes one line on; false at the end, or at the mark.
    async fn line(&mut self) -> bool {
        let mut line = String::new();
        match self.0.read_line(&mut line).await {
            Ok(1..) => {}
            _ => return false,
        }
        let Ok(entry) = serde_json::from_str::<Value>(&line) else { return true };
        if !entry["SOCKACT_FOLLOWED"].is_null() {
            return false;
        }
        let text = match &entry["MESSAGE"] {
            Value::String(text) => text.clone(),
            // What is not UTF-8 comes as numbers.
            Value::Array(bytes) => {
                let bytes: Vec<u8> =
                    bytes.iter().filter_map(|b| b.as_u64()?.try_into().ok()).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            _ => return true,
        };
        // A reader that went away is no error: the unit goes on.
        let _ = match entry["PRIORITY"].as_str() {
            Some("0" | "1" | "2" | "3") => writeln!(std::io::stderr(), "{text}"),
            _ => writeln!(std::io::stdout(), "{text}"),
        };
        true
    }

    /// All that the unit wrote before it ended: a mark of our own in the journal comes after it.
    async fn finish(&mut self, app: &App, unit: &str) {
        let rest = async {
            let sync = Command::new("journalctl").arg("--sync").stdin(Stdio::null()).status().await;
            drop(sync);
            Journal::open().mark(app, unit);
            while self.line().await {}
        };
        let _ = tokio::time::timeout(LAST_LINES, rest).await;
    }
}
