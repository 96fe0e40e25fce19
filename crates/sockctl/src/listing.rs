//! `sockctl history` and `sockctl releases`: what was deployed, and what lies here.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use sockgen::App;

use crate::error::Error;
use crate::history::{self, Entry};
use crate::release::{self, ReleaseId, linked};
use crate::report::{Format, human};
use crate::world;

/// Every deploy that came to its end, oldest first; the last `most` of them.
///
/// # Errors
/// When the history cannot be read.
pub fn history(app: &App, most: usize, format: Format) -> Result<String, Error> {
    let entries = history::read(app)?;
    let entries = &entries[entries.len().saturating_sub(most)..];
    if format == Format::Json {
        let line = |entry: &Entry| format!("{}\n", json!(entry));
        return Ok(entries.iter().map(line).collect());
    }
    if entries.is_empty() {
        return Ok(format!("{}: nothing was deployed yet\n", app.name()));
    }
    let mut text = String::new();
    for entry in entries {
        let release = entry.release.as_ref().map_or("-".into(), ToString::to_string);
        let reason = entry.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        let _ = writeln!(
            text,
            "{:.0}  {:<8} {release:<16} {:<6} {:<11} {:>9}  {}{reason}",
            entry.since,
            entry.command.name(),
            entry.slot,
            entry.outcome,
            human(Duration::from_millis(entry.took_ms)),
            entry.user,
        );
    }
    Ok(text)
}

/// A release on this machine.
struct Row {
    id: ReleaseId,
    /// The slots that are linked to it.
    slots: Vec<String>,
    /// Whether users meet it.
    is_live: bool,
    /// When it was last deployed with success.
    was_live: Option<Timestamp>,
}

/// The releases that lie here, newest first.
///
/// # Errors
/// When they cannot be listed.
pub fn releases(app: &App, format: Format) -> Result<String, Error> {
    let (entries, live) = (history::read(app)?, world::live(app));
    let row = |id: ReleaseId| {
        let slots = app.slots().iter().filter(|s| linked(&app.slot_link(s)).as_ref() == Some(&id));
        let success =
            |entry: &&Entry| entry.outcome == "live" && entry.release.as_ref() == Some(&id);
        let was_live = entries.iter().rfind(success).map(|entry| entry.since);
        let slots: Vec<_> = slots.cloned().collect();
        let is_live = live.as_ref().is_some_and(|live| slots.contains(live));
        Row { slots: slots.iter().map(ToString::to_string).collect(), is_live, was_live, id }
    };
    let rows = release::list(&app.releases_dir())?.into_iter().map(row);
    if format == Format::Json {
        let object = |row: Row| -> Value {
            json!({"release": row.id, "slots": row.slots, "live": row.is_live, "was_live": row.was_live})
        };
        return Ok(rows.map(|row| format!("{}\n", object(row))).collect());
    }
    let mut text = String::new();
    for row in rows {
        let was = row.was_live.map_or("never live".into(), |at| format!("deployed {at:.0}"));
        let slots = if row.slots.is_empty() {
            String::new()
        } else {
            format!("  in {}", row.slots.join(", "))
        };
        let live = if row.is_live { ", live" } else { "" };
        let _ = writeln!(text, "{}  {was}{slots}{live}", row.id);
    }
    if text.is_empty() {
        let _ = writeln!(text, "{}: no releases yet", app.name());
    }
    Ok(text)
}
