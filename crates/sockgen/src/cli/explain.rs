//! `sockgen explain`

use std::fmt::Write as _;

use super::{Failure, Report};
use crate::check::{RULES, Rule};
use crate::shown::{nearest, shown};

pub(super) fn run(rule: Option<&str>) -> Result<Report, Failure> {
    let Some(id) = rule else {
        let mut text = String::new();
        for rule in RULES {
            writeln!(text, "{}  {}", rule.id, rule.title).expect("memory");
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
    Ok(Report::done(format!(
        "{}: {}\n\n{}\n\nFix: {}\n",
        rule.id,
        rule.title,
        wrapped(rule.why),
        rule.fix
    )))
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
