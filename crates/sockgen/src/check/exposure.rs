//! How exposed a service is, as `systemd-analyze security` reckons it from its sandbox.

use serde::Serialize;

use super::analyze::{AnalyzeError, Copies};
use super::unit::Kind;
use super::{Finding, Severity, Units};

/// The rule of a service that is more exposed than was asked for.
pub const EXPOSURE: &str = "exposure";

const FIX: &str = "add directives of systemd.exec(5); `systemd-analyze security UNIT` lists them";

/// How exposed a service is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exposure {
    /// The service.
    pub unit: String,
    /// Its file.
    pub file: String,
    /// 0.0 (not at all) to 10.0.
    pub score: f64,
    /// systemd's word for it, such as `OK`, `MEDIUM`, `EXPOSED` or `UNSAFE`.
    pub level: String,
}

impl Exposure {
    /// A finding, when the score is above this one.
    #[must_use]
    pub fn above(&self, threshold: f64) -> Option<Finding> {
        (self.score > threshold).then(|| Finding {
            file: self.file.clone(),
            line: None,
            rule: EXPOSURE,
            unit: self.unit.clone(),
            severity: Severity::Warning,
            message: format!("its exposure is {:.1}, above {threshold:.1}", self.score),
            fix: FIX,
        })
    }
}

/// The exposure of each service, by `systemd-analyze security --offline=yes`, sorted by name.
///
/// # Errors
/// When it cannot be run.
pub fn exposure(units: &Units) -> Result<Vec<Exposure>, AnalyzeError> {
    let copies = Copies::of(units)?;
    let services = |name: &&str| {
        units.get(name).is_some_and(|unit| unit.kind() == Kind::Service && !unit.masked)
    };
    let names: Vec<&str> = units.names().filter(services).collect();
    let mut found = Vec::new();
    copies.run(&["security", "--offline=yes", "--no-pager"], &names, |output| {
        let said = String::from_utf8_lossy(&output.stdout);
        found.extend(said.lines().filter_map(|line| one(line, units)));
        if found.is_empty() && !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(AnalyzeError::Failed { verb: "security", said });
        }
        Ok(())
    })?;
    found.sort_by(|a: &Exposure, b| a.unit.cmp(&b.unit));
    Ok(found)
}

/// `→ Overall exposure level for shop.service: 1.7 OK 🙂`
fn one(line: &str, units: &Units) -> Option<Exposure> {
    let (_, rest) = line.split_once("Overall exposure level for ")?;
    let (unit, rest) = rest.split_once(": ")?;
    let mut words = rest.split_whitespace();
    let score = words.next()?.parse().ok()?;
    let level = words.next()?.to_owned();
    let unit = units.get(unit)?;
    Some(Exposure { unit: unit.name.clone(), file: unit.file.to_string(), score, level })
}
