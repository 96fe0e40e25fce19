//! `systemd-analyze verify` on a set of units, in a folder of their own.

use std::collections::BTreeMap;
use std::io;
use std::process::Command;

use super::{Finding, VERIFY};

/// `systemd-analyze verify` could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The units could not be written for it.
    #[error("cannot write the units to a temporary folder")]
    Write(#[source] io::Error),
    /// The program could not be started.
    #[error("cannot run systemd-analyze")]
    Run(#[source] io::Error),
    /// It failed without saying what is wrong with the units.
    #[error("systemd-analyze verify failed: {0}")]
    Failed(String),
}

impl VerifyError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Run(error) if error.kind() == io::ErrorKind::NotFound => {
                Some("install systemd (apt-get install systemd)")
            }
            _ => None,
        }
    }
}

/// What `systemd-analyze verify` says of the units, given by name and text.
///
/// What it says of other units of the machine is left out, and so is that a program inside a
/// release does not exist: releases come and go.
///
/// # Errors
/// When it cannot be run.
pub fn verify(units: &BTreeMap<String, String>) -> Result<Vec<Finding>, VerifyError> {
    let folder = tempfile::tempdir().map_err(VerifyError::Write)?;
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no"]);
    for (name, text) in units {
        let path = folder.path().join(name);
        std::fs::write(&path, text).map_err(VerifyError::Write)?;
        command.arg(path);
    }
    // The trailing colon adds the machine's own folders (systemd.unit(5)).
    command.env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()));
    command.envs([("SYSTEMD_COLORS", "0"), ("SYSTEMD_LOG_TARGET", "console"), ("LC_ALL", "C")]);
    let output = command.output().map_err(VerifyError::Run)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let prefix = format!("{}/", folder.path().display());
    let findings: Vec<Finding> =
        said.lines().filter_map(|line| finding(&line.replace(&prefix, ""), units)).collect();
    let understood = said.lines().any(|line| units.keys().any(|unit| line.contains(unit.as_str())));
    if !output.status.success() && findings.is_empty() && !understood {
        return Err(VerifyError::Failed(said.trim().to_owned()));
    }
    Ok(findings)
}

/// One line of `systemd-analyze`: `unit:line: text`, or `unit: text`, or another form that names a
/// unit of ours.
fn finding(line: &str, units: &BTreeMap<String, String>) -> Option<Finding> {
    let line = line.trim();
    // The longest name first: shop.service is part of no other, but my-shop.service has it in it.
    let unit = units.keys().filter(|unit| line.contains(unit.as_str())).max_by_key(|u| u.len())?;
    if line.contains("/var/lib/sockact/") && line.contains("is not executable") {
        return None;
    }
    // With all units given, this is only the summary of what was said before.
    if line.contains("Failed to create") && line.contains("/start:") {
        return None;
    }
    let rest = line.strip_prefix(unit.as_str()).map_or(line, |rest| rest.trim_start_matches(':'));
    let (number, message) = match rest.split_once(':') {
        Some((number, message)) if number.parse::<usize>().is_ok() => {
            (number.parse().ok(), message.trim())
        }
        _ => (None, rest.trim()),
    };
    Some(Finding {
        unit: unit.clone(),
        line: number,
        rule: VERIFY,
        message: message.to_owned(),
        fix: "see systemd.unit(5), systemd.socket(5), systemd.service(5) and systemd.exec(5)",
    })
}
