//! `sockctl status --watch`: the status as it changes, until Ctrl-C. Takes no lock and keeps nobody waiting.

use std::io::{self, Write as _};
use std::time::Duration;

use futures_util::stream::{SelectAll, select_all};
use futures_util::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::Value;
use sockgen::App;
use tokio::signal::unix::{SignalKind, signal};
use zbus::MessageStream;

use crate::error::Error;
use crate::files::FileError;
use crate::report::Format;
use crate::status::Shown;
use crate::systemd::Systemd;
use crate::terminal::{self, Screen};

/// Gates and connections change without a word of systemd's.
const AT_LEAST: Duration = Duration::from_secs(1);
/// A service that tells its status without end must not make us look without end.
const AT_MOST: Duration = Duration::from_millis(100);

/// Shows the status now and after each change. Ends when the reader of the output is gone, and on a terminal with Ctrl-C, too.
///
/// # Errors
/// When systemd gives no answer.
pub async fn watch(app: &App, format: Format) -> Result<(), Error> {
    let systemd = Systemd::connect(app.place()).await?;
    let mut changes = Vec::new();
    for slot in app.slots() {
        changes.push(systemd.changes(app.slot_unit(slot).as_ref()).await?);
    }
    let mut watched = Watched { app, systemd, changes: select_all(changes) };
    match format {
        Format::Text if terminal::is_one() => on_terminal(&mut watched).await,
        _ => in_lines(&mut watched, format).await,
    }
}

struct Watched<'a> {
    app: &'a App,
    systemd: Systemd,
    changes: SelectAll<MessageStream>,
}

impl Watched<'_> {
    async fn look(&self) -> Result<Shown, Error> {
        Shown::look(self.app, &self.systemd).await
    }

    /// Returns when it is time to look again. Many changes at once are one.
    async fn changed(&mut self) {
        tokio::time::sleep(AT_MOST).await;
        let _ = tokio::time::timeout(AT_LEAST, self.changes.next()).await;
        while let Some(Some(_)) = self.changes.next().now_or_never() {}
    }
}

/// A line or an object for each change.
async fn in_lines(watched: &mut Watched<'_>, format: Format) -> Result<(), Error> {
    let mut before: Option<Vec<(String, String)>> = None;
    loop {
        let shown = watched.look().await?;
        let now = facts(&shown.json);
        let text = match (&before, format) {
            (Some(before), Format::Text) => differences(before, &now),
            (None, Format::Text) => shown.text,
            (Some(before), Format::Json) if *before == now => String::new(),
            (_, Format::Json) => format!("{}\n", shown.json),
        };
        let mut out = io::stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
        drop(out);
        before = Some(now);
        watched.changed().await;
    }
}

/// The whole status, drawn again on a screen of its own; the last one stays on the terminal when it ends. Ctrl-Z gives the terminal back
/// for as long as it lasts.
async fn on_terminal(watched: &mut Watched<'_>) -> Result<(), Error> {
    let listen = |kind| signal(kind).map_err(FileError::of("listen for signals in", "/".as_ref()));
    let mut end = listen(SignalKind::interrupt())?;
    let mut term = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let mut suspend = listen(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
    let mut last = String::new();
    loop {
        let screen = Screen::enter();
        let ended = tokio::select! {
            ended = draw(watched, &screen, &mut last) => Some(ended),
            _ = end.recv() => Some(Ok(())),
            _ = term.recv() => Some(Ok(())),
            _ = hangup.recv() => Some(Ok(())),
            _ = suspend.recv() => None,
        };
        drop(screen);
        let Some(ended) = ended else {
            let _ = kill_process(getpid(), Signal::STOP);
            continue;
        };
        // A terminal that is gone has been told enough.
        let _ = io::stdout().lock().write_all(last.as_bytes());
        return ended;
    }
}

async fn draw(watched: &mut Watched<'_>, screen: &Screen, last: &mut String) -> Result<(), Error> {
    loop {
        *last = watched.look().await?.text;
        if screen.draw(last).is_err() {
            return Ok(());
        }
        watched.changed().await;
    }
}

/// What is worth a line when it changes: all but what every request changes.
fn facts(status: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut facts = vec![("live".to_owned(), text(&status["live"]))];
    for slot in status["slots"].as_array().into_iter().flatten() {
        let name = text(&slot["slot"]);
        for key in ["role", "sub", "release", "starts_closed"] {
            facts.push((format!("{name} {key}"), text(&slot[key])));
        }
        facts.push((format!("{name} gate"), text(&slot["status"]["gate"])));
    }
    for listener in status["listeners"].as_array().into_iter().flatten() {
        let name = text(&listener["listener"]);
        facts.push((format!("listener {name} inode"), text(&listener["inode"])));
    }
    let unfinished = if status["unfinished"].is_null() { "no" } else { "yes" };
    facts.push(("unfinished".into(), unfinished.into()));
    facts
}

fn differences(before: &[(String, String)], now: &[(String, String)]) -> String {
    let at = Timestamp::now();
    let changed = now.iter().filter_map(|(key, value)| {
        let old = before.iter().find(|(other, _)| other == key).map_or("none", |(_, old)| old);
        (old != value).then(|| format!("{at:.3}  {key}: {old} -> {value}\n"))
    });
    changed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_no_change_and_a_swap_is() {
        let status = |live: &str, gate: f64, requests: u32| {
            serde_json::json!({"live": live, "slots": [{"slot": "blue", "role": "live",
                "status": {"gate": gate, "requests": requests}}]})
        };
        let (first, second) = (facts(&status("blue", 1.0, 1)), facts(&status("blue", 1.0, 2)));
        assert_eq!(differences(&first, &second), "");
        let swapped = differences(&first, &facts(&status("green", 0.0, 2)));
        assert!(swapped.contains("  live: blue -> green\n"), "{swapped}");
        assert!(swapped.contains("  blue gate: 1.0 -> 0.0\n"), "{swapped}");
    }
}
