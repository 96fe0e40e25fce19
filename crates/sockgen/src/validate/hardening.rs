//! What a slot may do of what others may not.

use super::Checked;
use crate::error::ManifestError;
use crate::manifest;
use crate::model::{Hardening, Relaxation, RelaxationError};
use crate::place::Place;

pub(super) fn hardening(
    raw: manifest::Hardening,
    user: Option<&str>,
    place: &Place,
) -> Checked<Hardening> {
    let mut allow: Vec<Relaxation> = Vec::new();
    for (index, name) in raw.allow.iter().enumerate() {
        let key = format!("hardening.allow[{index}]");
        let refuse =
            |problem: String, hint: &str| Err(ManifestError::value(&key, problem).with_hint(hint));
        let one: Relaxation = name.parse().map_err(|error: RelaxationError| {
            ManifestError::value(&key, error.to_string()).with_hint(error.hint())
        })?;
        if allow.contains(&one) {
            return refuse(format!("{one} stands in it twice"), "once is enough");
        }
        if place.is_user() && one.kind().gives() {
            let problem = format!("{one}: your own systemd cannot give what you do not have");
            return refuse(problem, "leave it out, or install without --user");
        }
        if !place.is_user() && one.kind().needs_static_user() && user.is_none() {
            let problem = format!("{one}: systemd does not loosen this for a dynamic user");
            return refuse(
                problem,
                "make an account for the service, and name it: user = \"shop\"",
            );
        }
        allow.push(one);
    }
    // Their order means nothing, so that another one gives the same units.
    allow.sort_by_key(ToString::to_string);
    Ok(Hardening { level: raw.level, allow })
}
