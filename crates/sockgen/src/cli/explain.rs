//! `sockgen explain`

use std::fmt::Write as _;

use super::{Failure, Report};
use crate::check::{RULES, Rule};
use crate::model::{RELAXATIONS, RelaxationKind};
use crate::shown::{nearest, shown};

pub(super) fn run(rule: Option<&str>) -> Result<Report, Failure> {
    let Some(id) = rule else {
        let mut text = String::new();
        for rule in RULES {
            writeln!(text, "{}  {:7}  {}", rule.id, rule.severity, rule.title()).expect("memory");
        }
        return Ok(Report::done(text));
    };
    if id.eq_ignore_ascii_case("hardening") {
        return Ok(Report::done(hardening()));
    }
    let name = id.split(':').next().unwrap_or_default();
    if let Some(kind) = RELAXATIONS.iter().find(|kind| kind.name == name) {
        return Ok(Report::done(relaxation(kind)));
    }
    let Some(rule) = Rule::find(id) else {
        let message = format!("there is no rule or relaxation {}", shown(id));
        let known =
            RULES.iter().map(|rule| rule.id).chain(RELAXATIONS.iter().map(|kind| kind.name));
        let all = "`sockgen explain` lists all rules, `sockgen explain hardening` all relaxations";
        let hint = match nearest(id, known) {
            Some(near) => format!("did you mean {near}? {all}"),
            None => all.to_owned(),
        };
        return Err(Failure::typed(message, hint));
    };
    let parts = [
        format!("{} ({}): {}", rule.id, rule.severity, rule.title()),
        rule.why().split("\n\n").map(wrapped).collect::<Vec<_>>().join("\n\n"),
        wrapped(&format!("Shown: {}", rule.shown())),
        wrapped(&format!("Fix: {}", rule.fix())),
        wrapped(&format!("See: {}", rule.see())),
    ];
    Ok(Report::done(parts.join("\n\n") + "\n"))
}

/// Every relaxation in a line, and who needs it.
fn hardening() -> String {
    let width = RELAXATIONS.iter().map(|kind| kind.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for kind in RELAXATIONS {
        writeln!(text, "{:width$}  {}", kind.name, kind.needed_for).expect("memory");
    }
    text
}

fn relaxation(kind: &RelaxationKind) -> String {
    let mut parts = vec![
        format!("[hardening]\nallow = [\"{}\"]", kind.example()),
        wrapped(&format!("For: {}", kind.needed_for)),
        wrapped(&format!("Changes: {}", kind.effect())),
    ];
    if kind.needs_static_user() {
        parts.push("Needs: an account for the service, user = \"...\"".to_owned());
    }
    if let Some(words) = kind.words() {
        parts.push(wrapped(&format!("Takes one of: {}", words.join(", "))));
    }
    parts.push("See: systemd.exec(5), HARDENING.md".to_owned());
    parts.join("\n\n") + "\n"
}

/// The text in lines of at most 80 characters.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.len() > 80 {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += word.len();
    }
    lines
}
