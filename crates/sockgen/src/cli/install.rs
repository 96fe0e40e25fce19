//! `sockgen install`

use std::fmt::Write as _;

use super::args::Install;
use super::{Failure, Report};
use crate::install::{Outcome, Request, install};
use crate::place::Place;

pub(super) fn run(args: Install) -> Result<Report, Failure> {
    let Install { manifest, root, user, systemd, dry_run } = args;
    let place = Place::asked(user)
        .map_err(|error| Failure::typed(format!("--user: {error}"), error.hint()))?;
    let request = Request { manifest, root, place, target: systemd, dry_run };
    let outcome = install(&request)?;
    Ok(Report::done(text(&request, &outcome)))
}

fn text(request: &Request, outcome: &Outcome) -> String {
    let mut text = String::new();
    let words = match request.dry_run {
        true => ["would write", "would delete", "would point", "would reload"],
        false => ["wrote", "deleted", "pointed", "reloaded"],
    };
    for path in &outcome.wrote {
        writeln!(text, "{} {}", words[0], path.display()).expect("memory");
    }
    for path in &outcome.deleted {
        writeln!(text, "{} {}", words[1], path.display()).expect("memory");
    }
    if outcome.reloaded {
        writeln!(text, "{} systemd's units", words[3]).expect("memory");
    }
    if let Some(slot) = &outcome.enabled {
        writeln!(text, "{} {} at {slot}", words[2], outcome.app.alias()).expect("memory");
    }
    if text.is_empty() {
        text.push_str("nothing to do: everything is installed as the manifest says\n");
    }
    for note in &outcome.notes {
        writeln!(text, "note: {note}").expect("memory");
    }
    for drop_in in &outcome.drop_ins {
        writeln!(text, "note: drop-in, which stays: {drop_in}").expect("memory");
    }
    if !outcome.next.is_empty() {
        text.push_str("\nNext:\n");
        for command in &outcome.next {
            writeln!(text, "  {command}").expect("memory");
        }
    }
    text
}
