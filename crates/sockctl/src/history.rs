//! What was done: one line of JSON for each finished deploy, appended, and the wish of an unfinished one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sockgen::{App, SlotName};

use crate::files::{self, FileError};
use crate::plan::{Command, Desired, Outcome};
use crate::release::ReleaseId;
use crate::report::monotonic_us;

/// A finished deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was asked.
    pub since: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What was asked.
    pub command: Command,
    /// Who asked.
    pub user: String,
    /// The release; `None` for an administrator's program.
    pub release: Option<ReleaseId>,
    /// The slot it went into.
    pub slot: SlotName,
    /// `live`, `rolled-back`, `kept` or `undone`.
    pub outcome: String,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Entry {
    /// The line for a deploy that has just ended.
    pub fn new(desired: &Desired, outcome: &Outcome, user: String) -> Self {
        let (word, reason) = match outcome {
            Outcome::Live => ("live", None),
            Outcome::RolledBack(reason) => ("rolled-back", Some(reason.clone())),
            Outcome::Kept(reason) => ("kept", Some(reason.clone())),
            Outcome::Undone(reason) => ("undone", Some(reason.clone())),
        };
        let now = Timestamp::now();
        let since = Timestamp::from_second(desired.since).unwrap_or(now);
        Self {
            since,
            took_ms: ((monotonic_us() - desired.since_us) / 1000).try_into().unwrap_or(0),
            command: desired.command,
            user,
            release: desired.release.clone(),
            slot: desired.into.clone(),
            outcome: word.into(),
            reason,
        }
    }
}

fn path(app: &App) -> PathBuf {
    app.state_dir().join("history.jsonl")
}

/// Appends an entry. A line that a full disk cut short is skipped by [`read`].
///
/// # Errors
/// When the file cannot be written.
pub fn append(app: &App, entry: &Entry) -> Result<(), FileError> {
    let path = path(app);
    let line = format!("{}\n", serde_json::to_string(entry).unwrap_or_default());
    files::directory(&app.state_dir())?;
    File::options()
        .append(true)
        .create(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(FileError::of("append to", &path))
}

/// Every entry, oldest first.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read(app: &App) -> Result<Vec<Entry>, FileError> {
    let text = files::read(&path(app))?.unwrap_or_default();
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// The release that was live before `live`: what a rollback without a release goes back to.
pub fn previous(entries: &[Entry], live: &ReleaseId) -> Option<ReleaseId> {
    entries
        .iter()
        .rev()
        .filter(|entry| entry.outcome == "live")
        .filter_map(|entry| entry.release.clone())
        .find(|release| release != live)
}

/// Whether the release has been live before, that is, proven by a deploy.
pub fn was_live(entries: &[Entry], release: &ReleaseId) -> bool {
    entries.iter().any(|entry| entry.outcome == "live" && entry.release.as_ref() == Some(release))
}

fn wish_path(app: &App) -> PathBuf {
    app.place().wish_path(app.name())
}

/// Writes the wish down, so that `sockctl resume` knows it. It lies under `/run`: after a reboot the alias alone decides.
///
/// # Errors
/// When it cannot be written.
pub fn remember(app: &App, desired: &Desired) -> Result<(), FileError> {
    let text = serde_json::to_string_pretty(desired).unwrap_or_default();
    files::write(&wish_path(app), text.as_bytes())
}

/// The wish of a deploy that did not come to its end, if there is one.
///
/// # Errors
/// When it cannot be read, or is not ours.
pub fn remembered(app: &App) -> Result<Option<Desired>, FileError> {
    let path = wish_path(app);
    let Some(text) = files::read(&path)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| as_file_error(&path, error))
}

fn as_file_error(path: &Path, error: serde_json::Error) -> FileError {
    FileError::of("understand", path)(error.into())
}

/// Forgets the wish.
///
/// # Errors
/// When the file cannot be removed.
pub fn forget(app: &App) -> Result<(), FileError> {
    files::remove(&wish_path(app))
}
