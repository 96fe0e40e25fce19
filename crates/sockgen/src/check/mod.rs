//! Our own rules on unit files, and what `systemd-analyze` says of them.
//!
//! `systemd-analyze verify` of systemd 252 ends with status 0 on unknown keys and on two sockets
//! with one port, and knows nothing of two services that share a socket: it is not enough.

mod analyze;
mod exposure;
mod files;
mod load;
mod plain;
mod roles;
mod rules;
mod sarif;
mod severity;
mod slots;
mod sockets;
mod unit;
mod units;
mod verify;

use std::sync::Arc;

use serde::Serialize;

pub use analyze::AnalyzeError;
pub use exposure::{EXPOSURE, Exposure, exposure};
pub use load::{LoadError, Loader};
pub(crate) use load::{SYSTEM, drop_in_names};
pub(crate) use roles::service_of;
pub use rules::{RULES, Rule};
pub use sarif::sarif;
pub use severity::Severity;
pub(crate) use unit::{Entry, Unit, micros};
pub use units::Units;
pub use verify::{VERIFY, verify};

use roles::Roles;

/// One thing that is wrong with one unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file: the unit's own, or a drop-in.
    pub file: String,
    /// The line in the file, counted from 1, when one line is to blame.
    pub line: Option<usize>,
    /// The rule, such as `S05`; [`VERIFY`] and [`EXPOSURE`] for systemd's own findings.
    pub rule: &'static str,
    /// The unit.
    pub unit: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// What to do, in one line.
    pub fix: &'static str,
}

/// Every finding of our own rules, sorted by file and line.
///
/// ```
/// let mut units = sockgen::check::Units::default();
/// units.add("shop-http.socket", "[Socket]\nListenStream=80\nFlushPending=yes\n");
/// assert!(sockgen::check::check(&units).iter().any(|finding| finding.rule == "S04"));
/// ```
#[must_use]
pub fn check(units: &Units) -> Vec<Finding> {
    let roles = Roles::of(units);
    let found = |rule: &'static Rule| {
        (rule.check)(&roles).into_iter().map(|at| Finding {
            file: at.file.to_string(),
            line: at.line,
            rule: rule.id,
            unit: at.unit,
            severity: at.severity.unwrap_or(rule.severity),
            message: at.message,
            fix: rule.fix(),
        })
    };
    let mut findings: Vec<Finding> = RULES
        .iter()
        .flat_map(found)
        .filter(|finding| !units.context.contains(&finding.unit))
        .collect();
    findings.sort();
    findings
}

/// Where a rule is broken, and how.
#[derive(Debug)]
pub(crate) struct At {
    unit: String,
    file: Arc<str>,
    line: Option<usize>,
    /// When it is not that of the rule.
    severity: Option<Severity>,
    message: String,
}

impl At {
    fn unit(unit: &Unit, message: impl Into<String>) -> Self {
        let file = unit.file.clone();
        Self { unit: unit.name.clone(), file, line: None, severity: None, message: message.into() }
    }

    fn entry(unit: &Unit, entry: &unit::Entry, message: impl Into<String>) -> Self {
        let file = entry.file.clone();
        let line = entry.line;
        Self { unit: unit.name.clone(), file, line, severity: None, message: message.into() }
    }

    /// At the last assignment of a key, or at the unit when it has none.
    fn key(unit: &Unit, section: &str, key: &str, message: impl Into<String>) -> Self {
        match unit.last(section, key) {
            Some(entry) => Self::entry(unit, entry, message),
            None => Self::unit(unit, message),
        }
    }

    fn problem(problem: &units::Problem) -> Self {
        Self {
            unit: problem.unit.clone(),
            file: problem.file.as_str().into(),
            line: problem.line,
            severity: None,
            message: problem.message.clone(),
        }
    }

    fn severity(self, severity: Severity) -> Self {
        Self { severity: Some(severity), ..self }
    }
}
