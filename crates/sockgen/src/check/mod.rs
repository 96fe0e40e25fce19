//! Our own rules on unit files, and what `systemd-analyze verify` says of them.
//!
//! `systemd-analyze verify` of systemd 252 ends with status 0 on unknown keys and on two sockets
//! with one port, and knows nothing of two services that share a socket: it is not enough.

mod rules;
mod slots;
mod sockets;
mod unit;
mod units;
mod verify;

use serde::Serialize;

pub use rules::{RULES, Rule};
pub(crate) use unit::Unit;
pub use units::Units;
pub use verify::{VerifyError, verify};

/// The rule that stands for `systemd-analyze verify`.
pub const VERIFY: &str = "verify";

/// One thing that is wrong with one unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The unit.
    pub unit: String,
    /// The line in the unit's file, when one line is to blame.
    pub line: Option<usize>,
    /// The rule, such as `S05`, or `verify` for systemd's own findings.
    pub rule: &'static str,
    /// What was found.
    pub message: String,
    /// What to do, in one line.
    pub fix: &'static str,
}

/// Every finding of our own rules, sorted by unit and line.
///
/// ```
/// let mut units = sockgen::check::Units::default();
/// units.add("shop-http.socket", "[Socket]\nListenStream=80\nFlushPending=yes\n");
/// assert!(sockgen::check::check(&units).iter().any(|finding| finding.rule == "S04"));
/// ```
#[must_use]
pub fn check(units: &Units) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES
        .iter()
        .flat_map(|rule| {
            (rule.check)(units).into_iter().map(|at| Finding {
                unit: at.unit,
                line: at.line,
                rule: rule.id,
                message: at.message,
                fix: rule.fix,
            })
        })
        .collect();
    findings.sort();
    findings
}

/// Where a rule is broken, and how.
#[derive(Debug)]
pub struct At {
    unit: String,
    line: Option<usize>,
    message: String,
}

impl At {
    fn unit(unit: &Unit, message: impl Into<String>) -> Self {
        Self { unit: unit.name.clone(), line: None, message: message.into() }
    }

    fn entry(unit: &Unit, entry: &unit::Entry, message: impl Into<String>) -> Self {
        Self { unit: unit.name.clone(), line: Some(entry.line), message: message.into() }
    }

    /// At the last assignment of a key, or at the unit when it has none.
    fn key(unit: &Unit, section: &str, key: &str, message: impl Into<String>) -> Self {
        match unit.last(section, key) {
            Some(entry) => Self::entry(unit, entry, message),
            None => Self::unit(unit, message),
        }
    }
}
