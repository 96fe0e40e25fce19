//! Findings as text for people and as JSON for programs.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, stdout};

use anstyle::{AnsiColor, Style};
use serde_json::json;

use crate::check::{Exposure, Finding, Severity};

/// The version of the JSON; it changes when a field goes away or means something else.
const VERSION: u32 = 1;

/// What was looked at, beside the findings.
pub(super) struct Checked {
    pub(super) units: usize,
    /// Findings that are not shown, because they are not bad enough.
    pub(super) hidden: usize,
    pub(super) exposures: Vec<Exposure>,
}

/// Findings by file, and what they come to.
pub(super) fn text(findings: &[Finding], checked: &Checked) -> String {
    // https://no-color.org
    let colour =
        stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let mut text = String::new();
    let mut file = None;
    for finding in findings {
        if file.replace(&finding.file).is_some_and(|before| *before != finding.file) {
            text.push('\n');
        }
        one(&mut text, finding, colour);
    }
    if !findings.is_empty() {
        text.push('\n');
    }
    exposures(&mut text, &checked.exposures);
    write!(text, "{} checked, {}", count(checked.units, "unit"), sum(findings)).expect("memory");
    if checked.hidden > 0 {
        let hidden = checked.hidden;
        write!(text, "; {hidden} less severe not shown (--severity note)").expect("memory");
    }
    text.push('\n');
    text
}

fn one(text: &mut String, finding: &Finding, colour: bool) {
    let Finding { rule, severity, fix, .. } = finding;
    let place = match finding.line {
        Some(line) => format!("{}:{line}", plain(&finding.file)),
        None => plain(&finding.file),
    };
    let style = if colour { style(*severity) } else { Style::new() };
    // Of a file that several units read, whose it is.
    let unit = &finding.unit;
    let of =
        if finding.file.ends_with(unit.as_str()) { String::new() } else { format!("{unit}: ") };
    let message = plain(&finding.message);
    writeln!(text, "{place}: {style}{severity}{style:#} {rule}: {of}{message}").expect("memory");
    writeln!(text, "    fix: {fix}").expect("memory");
}

fn style(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Note => AnsiColor::Cyan,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}

/// Without what could move the cursor or forge a line: files and values are anybody's.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped: Box<dyn Iterator<Item = char>> = if c.is_control() {
                Box::new(c.escape_default())
            } else {
                Box::new(std::iter::once(c))
            };
            escaped
        })
        .collect()
}

/// One line for all, with the most exposed first; a machine has too many to list them.
fn exposures(text: &mut String, all: &[Exposure]) {
    let mut worst: Vec<&Exposure> = all.iter().collect();
    worst.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.unit.cmp(&b.unit)));
    let shown =
        worst.iter().take(5).map(|one| format!("{} {:.1} {}", one.unit, one.score, one.level));
    let list = shown.collect::<Vec<_>>().join(", ");
    let rest = worst.len().saturating_sub(5);
    match (worst.len(), rest) {
        (0, _) => Ok(()),
        (_, 0) => writeln!(text, "exposure: {list}"),
        _ => writeln!(text, "exposure: {list}, and {rest} less exposed (--json has all)"),
    }
    .expect("memory");
}

fn sum(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing found".to_owned();
    }
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let kinds = [Severity::Error, Severity::Warning, Severity::Note].map(|s| (of(s), s));
    let kinds = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, s)| count(*n, s.as_str()));
    format!("{} ({})", count(findings.len(), "finding"), kinds.collect::<Vec<_>>().join(", "))
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// CHECK.md says what each field means.
pub(super) fn json(findings: &[Finding], checked: &Checked) -> String {
    let document = json!({
        "version": VERSION,
        "units": checked.units,
        "findings": findings,
        "hidden": checked.hidden,
        "exposure": checked.exposures,
    });
    format!("{document:#}\n")
}
