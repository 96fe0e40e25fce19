//! `sockgen explain`

use std::fmt::Write as _;

use super::{Failure, Report};
use crate::check::{RULES, Rule};
use crate::shown::{nearest, shown};

pub(super) fn run(rule: Option<&str>) -> Result<Report, Failure> {
    let Some(id) = rule else {
        let mut text = String::new();
        for rule in RULES {
            writeln!(text, "{}  {:7}  {}", rule.id, rule.severity, rule.title()).expect("memory");
        }
        return Ok(Report::done(text));
    };
    let Some(rule) = Rule::find(id) else {
        let message = format!("there is no rule {}", shown(id));
        let near = nearest(id, RULES.iter().map(|rule| rule.id));
        let hint = match near {
            Some(near) => format!("did you mean {near}? `sockgen explain` lists all rules"),
            None => "`sockgen explain` lists all rules".to_owned(),
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
