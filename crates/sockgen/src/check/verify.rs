//! What `systemd-analyze verify` says of units.

use super::analyze::{AnalyzeError, Copies};
use super::unit::Kind;
use super::{Finding, Severity, Units};

/// The rule that stands for `systemd-analyze verify`.
pub const VERIFY: &str = "verify";

const FIX: &str = "see systemd.unit(5), systemd.socket(5), systemd.service(5) and systemd.exec(5)";

/// What `systemd-analyze verify` says of the units.
///
/// What it says of other units of the machine is left out, and so is that a program inside a
/// release does not exist: releases come and go.
///
/// # Errors
/// When it cannot be run.
pub fn verify(units: &Units) -> Result<Vec<Finding>, AnalyzeError> {
    let copies = Copies::of(units)?;
    let asked = |name: &&str| units.get(name).is_some_and(|unit| !unit.masked);
    let names: Vec<&str> = units.names().filter(asked).collect();
    let mut findings = Vec::new();
    copies.run(&["verify", "--man=no"], &names, |output| {
        let said = String::from_utf8_lossy(&output.stderr);
        let before = findings.len();
        findings.extend(said.lines().filter_map(|line| finding(line.trim(), &copies, units)));
        let understood = || said.lines().any(|line| names.iter().any(|name| line.contains(name)));
        if !output.status.success() && findings.len() == before && !understood() {
            let said = said.trim().to_owned();
            return Err(AnalyzeError::Failed { verb: "verify", said });
        }
        Ok(())
    })?;
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// One line of `systemd-analyze`: `path:line: text`, or `unit: text`, or another form that names a
/// unit of ours.
fn finding(line: &str, copies: &Copies, units: &Units) -> Option<Finding> {
    let (start, rest) = line.split_once(':')?;
    if let Some(file) = copies.origin(start) {
        let unit = units.get(copies.unit(start)?)?;
        let (number, message) = match rest.split_once(':') {
            Some((number, message)) => match number.parse() {
                Ok(number) => (Some(number), message),
                Err(_) => (None, rest),
            },
            None => (None, rest),
        };
        return made(units, &unit.name, file, number, copies.renamed(message.trim()));
    }
    let (unit, message) = match units.get(start) {
        Some(unit) => (unit, rest.trim()),
        None => (mentioned(line, units)?, line),
    };
    made(units, &unit.name, &unit.file, None, copies.renamed(message))
}

/// The unit that a line of another form speaks of.
fn mentioned<'a>(line: &str, units: &'a Units) -> Option<&'a super::Unit> {
    let delimiter = |c: char| !(c.is_ascii_alphanumeric() || "-_.@:\\".contains(c));
    line.split(delimiter)
        .map(|word| word.trim_end_matches(['.', ':']))
        .filter_map(|word| units.get(word))
        .find(|unit| unit.kind() != Kind::Other || line.starts_with(unit.name.as_str()))
}

fn made(
    units: &Units,
    unit: &str,
    file: &str,
    line: Option<usize>,
    message: String,
) -> Option<Finding> {
    // With all units given, this is only the summary of what was said before.
    let summary = message.contains("Failed to create") && message.contains("/start");
    let of_release = message.contains("/var/lib/sockact/") && message.contains("is not executable");
    if summary || of_release || units.context.contains(unit) || units.get(unit)?.masked {
        return None;
    }
    let severity = severity(&message);
    let (unit, file) = (unit.to_owned(), file.to_owned());
    Some(Finding { file, line, rule: VERIFY, unit, severity, message, fix: FIX })
}

/// A program may be installed later, and what is old still works.
fn severity(message: &str) -> Severity {
    // S15 says that the service of a socket is missing, and when that matters.
    let notes = [
        "not loaded, socket cannot be started",
        "is not executable",
        "legacy directory",
        "Special user nobody",
        "deprecated",
    ];
    if notes.iter().any(|note| message.contains(note)) { Severity::Note } else { Severity::Warning }
}
