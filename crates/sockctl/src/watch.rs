//! `sockctl status --watch`: the status as it changes, until Ctrl-C. Takes no lock and keeps nobody waiting.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::select_all;
use jiff::Timestamp;
use serde_json::Value;
use sockgen::App;

use crate::error::Error;
use crate::report::Format;
use crate::status::Shown;
use crate::systemd::Systemd;

/// Gates and connections change without a word of systemd's.
const AT_LEAST: Duration = Duration::from_secs(1);
/// A service that tells its status without end must not make us look without end.
const AT_MOST: Duration = Duration::from_millis(100);
/// Cursor home, and everything after it erased (console_codes(4)).
const REDRAW: &str = "\x1b[H\x1b[J";

/// Shows the status now and after each change. Ends when the reader of the output is gone.
///
/// # Errors
/// When systemd gives no answer.
pub async fn watch(app: &App, format: Format) -> Result<(), Error> {
    let systemd = Systemd::connect(app.place()).await?;
    let mut changes = Vec::new();
    for slot in app.slots() {
        changes.push(systemd.changes(app.slot_unit(slot).as_ref()).await?);
    }
    let mut changes = select_all(changes);
    let terminal = io::stdout().is_terminal() && format == Format::Text;
    let mut before: Option<Vec<(String, String)>> = None;
    loop {
        let shown = Shown::look(app, &systemd).await?;
        let now = facts(&shown.json);
        let text = match (&before, format) {
            _ if terminal => format!("{REDRAW}{}", shown.text),
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
        tokio::time::sleep(AT_MOST).await;
        let _ = tokio::time::timeout(AT_LEAST, changes.next()).await;
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
