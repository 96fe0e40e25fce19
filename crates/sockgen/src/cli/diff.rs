//! `sockgen diff`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use similar::TextDiff;

use super::{Failure, Report};
use crate::install::{Comparison, FileChange, Request, compare};
use crate::place::Place;
use crate::versions::Target;

#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// The manifest
    #[arg(default_value = "./sockact.toml")]
    manifest: PathBuf,

    /// Compare with the image of a machine that lies in this directory
    #[arg(long, value_name = "DIR", conflicts_with = "user")]
    root: Option<PathBuf>,

    /// Compare with your own systemd's units
    #[arg(long)]
    user: bool,

    /// The systemd that is to read the units, 252 or newer [default: the machine's, or the image's]
    #[arg(long, value_name = "VERSION", value_parser = super::args::systemd)]
    systemd: Option<Target>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// As diff(1): nothing differs.
const SAME: u8 = 0;
/// Something does.
const DIFFERENT: u8 = 1;
/// `install` would refuse, or there was trouble.
const TROUBLE: u8 = 2;

pub(super) fn run(args: Diff) -> Result<Report, Failure> {
    let Diff { manifest, root, user, systemd, json } = args;
    let place = Place::asked(user)
        .map_err(|error| Failure::typed(format!("--user: {error}"), error.hint()))?;
    let request = Request { manifest, root, place, target: systemd, dry_run: true };
    let found = compare(&request).map_err(|error| Failure::from(error).status(TROUBLE))?;
    let status = match (found.problems.is_empty(), found.is_same()) {
        (false, _) => TROUBLE,
        (true, false) => DIFFERENT,
        (true, true) => SAME,
    };
    let stdout = if json { format!("{:#}\n", object(&found)) } else { text(&found) };
    Ok(Report { stdout: stdout.into_bytes(), status })
}

fn object(found: &Comparison) -> serde_json::Value {
    json!({
        "version": 1,
        "app": found.app.name(),
        "same": found.is_same() && found.problems.is_empty(),
        "files": found.files,
        "alias": found.enables,
        "reload": found.reloads,
        "consequences": found.notes,
        "refused": found.problems,
        "drop_ins": found.drop_ins,
        "next": found.next,
    })
}

/// Nothing when nothing differs, as diff(1).
fn text(found: &Comparison) -> String {
    if found.is_same() && found.problems.is_empty() {
        return String::new();
    }
    let mut text: String = found.files.iter().map(unified).collect();
    let mut consequences = found.notes.clone();
    if let Some(slot) = &found.enables {
        consequences.push(format!("{} becomes an alias of {slot}", found.app.alias()));
    }
    if found.reloads && found.files.is_empty() && found.enables.is_none() {
        consequences
            .push("systemd reads the units again, which it has not since they changed".into());
    }
    part(&mut text, "Consequences", consequences);
    part(&mut text, "Drop-ins, which stay", found.drop_ins.iter().map(ToString::to_string));
    let refused =
        found.problems.iter().map(|p| format!("{}\n    do this instead: {}", p.message, p.hint));
    part(&mut text, "Refused, so that nothing would change", refused);
    if found.problems.is_empty() {
        part(&mut text, "Next, after the install", found.next.iter().cloned());
    }
    text
}

fn part(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_some() {
        let gap = if text.is_empty() { "" } else { "\n" };
        writeln!(text, "{gap}{title}:").expect("memory");
        lines.for_each(|line| writeln!(text, "  {line}").expect("memory"));
    }
}

/// As `diff -u` has it, with `/dev/null` for a file that is not there.
fn unified(change: &FileChange) -> String {
    let (before, after) = (change.before.as_deref(), change.after.as_deref());
    let name = |text: Option<&str>| {
        let path = text.map_or(Path::new("/dev/null"), |_| &change.path);
        path.display().to_string()
    };
    let lines = TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default())
        .unified_diff()
        .header(&name(before), &name(after))
        .to_string();
    // What is in a file is not for a terminal to obey.
    lines.chars().fold(String::with_capacity(lines.len()), |mut text, c| {
        match c {
            '\n' | '\t' => text.push(c),
            c if c.is_control() => text.extend(c.escape_default()),
            c => text.push(c),
        }
        text
    })
}
