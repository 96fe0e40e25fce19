//! What was done: one line of JSON for each finished deploy, appended, and the wish of an unfinished one.

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
    /// The same by CLOCK_MONOTONIC, in microseconds, which tells apart what was asked within a second. Older lines have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_us: Option<i64>,
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
            since_us: Some(desired.since_us),
            took_ms: ((monotonic_us() - desired.since_us) / 1000).try_into().unwrap_or(0),
            command: desired.command,
            user,
            release: desired.release.clone(),
            slot: desired.into.clone(),
            outcome: word.into(),
            reason,
        }
    }

    /// Whether both are the same end of the same wish.
    fn repeats(&self, last: &Self) -> bool {
        let end = |entry: &Self| (entry.since, entry.since_us, entry.outcome.clone());
        self.since_us.is_some() && end(self) == end(last)
    }
}

fn path(app: &App) -> PathBuf {
    app.state_dir().join("history.jsonl")
}

/// Appends an entry; one that is there already is not written again. A controller that is killed before it forgets the wish has it
/// resumed, and comes to the same end once more. When it comes to another one, by `sockctl abort`, both are true, one after the other.
///
/// # Errors
/// When the file cannot be read or written.
pub fn append(app: &App, entry: &Entry) -> Result<(), FileError> {
    if read(app)?.last().is_some_and(|last| entry.repeats(last)) {
        return Ok(());
    }
    files::append(&path(app), &serde_json::to_string(entry).unwrap_or_default())
}

/// Every entry, oldest first. A line that was cut short is skipped, in the middle of a letter, too.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read(app: &App) -> Result<Vec<Entry>, FileError> {
    let content = files::read(&path(app))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&content);
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
    let Some(content) = files::read(&path)? else { return Ok(None) };
    serde_json::from_slice(&content).map(Some).map_err(|error| as_file_error(&path, error))
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use sockgen::Place;
    use tempfile::TempDir;

    use super::*;

    fn shop() -> (TempDir, App) {
        let home = tempfile::tempdir().unwrap();
        let place = Place::user(|_| Some(home.path().into())).unwrap();
        let manifest =
            "name = \"shop\"\nexec = \"bin/shop\"\n[listeners.http]\nlisten = \"127.0.0.1:8080\"";
        let app = App::parse_for(&place, manifest).unwrap();
        (home, app)
    }

    fn wish(since_us: i64) -> Desired {
        Desired {
            version: 1,
            command: Command::Deploy,
            release: None,
            into: "green".parse().unwrap(),
            from: Some("blue".parse().unwrap()),
            stale: None,
            warm: None,
            canary: None,
            keep_warm: Duration::ZERO,
            failed: None,
            since: 1_790_000_000,
            since_us,
        }
    }

    fn entry(since_us: i64) -> Entry {
        let entry = Entry::new(&wish(since_us), &Outcome::Live, "ann".into());
        Entry { took_ms: 700, ..entry }
    }

    /// What a history of the first line, whole, and so much of the second reads as when a third was appended.
    fn cut(at: impl Fn(&str) -> usize) -> Vec<Entry> {
        let (_home, app) = shop();
        append(&app, &entry(1)).unwrap();
        let whole = fs::read(path(&app)).unwrap();
        append(&app, &Entry { user: "zoë".into(), ..entry(2) }).unwrap();
        let text = fs::read_to_string(path(&app)).unwrap();
        let half = &text.as_bytes()[..whole.len() + at(&text[whole.len()..])];
        fs::write(path(&app), half).unwrap();
        assert_eq!(read(&app).unwrap(), [entry(1)], "{}", half.escape_ascii());
        append(&app, &entry(3)).unwrap();
        read(&app).unwrap()
    }

    #[test]
    fn a_line_that_was_cut_short_is_lost_alone() {
        assert_eq!(cut(|line| line.len() / 2), [entry(1), entry(3)]);
        // In the middle of a letter.
        assert_eq!(cut(|line| line.find('ë').unwrap() + 1), [entry(1), entry(3)]);
    }

    #[test]
    fn an_end_of_a_wish_is_recorded_once() {
        let (_home, app) = shop();
        append(&app, &entry(1)).unwrap();
        // Its controller was killed before it forgot the wish; somebody else resumed it, later.
        append(&app, &Entry { user: "bob".into(), took_ms: u64::MAX, ..entry(1) }).unwrap();
        assert_eq!(read(&app).unwrap(), [entry(1)]);
        // Instead of that somebody aborted it; then the same was asked again, within the second.
        let aborted = Entry { outcome: "rolled-back".into(), ..entry(1) };
        for next in [&aborted, &entry(2)] {
            append(&app, next).unwrap();
        }
        assert_eq!(read(&app).unwrap(), [entry(1), aborted, entry(2)]);
    }
}
