//! How a slot is asked whether it is well, so that no other slot can answer.

use std::collections::{BTreeMap, BTreeSet};

use super::program::{Hidden, argv};
use super::{Checked, positive};
use crate::address::Address;
use crate::error::ManifestError;
use crate::manifest;
use crate::model::{Health, Probe, Proxy};
use crate::names::SlotName;
use crate::shown::shown;

pub(super) fn health(
    raw: manifest::Health,
    gate: bool,
    proxy: Option<&Proxy>,
    slots: &[SlotName],
    hidden: &Hidden,
) -> Checked<Health> {
    let at = raw.at.map(|at| each_slot("health.at", at, slots)).transpose()?;
    // A program behind a proxy answers at the address that it opens anyway.
    let at = at.or_else(|| proxy.filter(|_| raw.exec.is_none()).map(|proxy| proxy.to.clone()));
    Ok(Health {
        interval: positive("health.interval", raw.interval)?,
        timeout: positive("health.timeout", raw.timeout)?,
        failures: failures(raw.failures)?,
        probe: probe(raw.path, raw.exec, at, gate, hidden)?,
    })
}

fn probe(
    path: Option<String>,
    exec: Option<Vec<String>>,
    at: Option<BTreeMap<SlotName, Address>>,
    gate: bool,
    hidden: &Hidden,
) -> Checked<Probe> {
    path.as_deref().map_or(Ok(()), health_path)?;
    match (exec, at, path) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            let problem = "stands beside health.path or health.at, which ask in another way";
            Err(ManifestError::value("health.exec", problem).with_hint("keep one of them"))
        }
        (Some(exec), None, None) => Ok(Probe::Exec(argv("health.exec", exec, hidden)?)),
        (None, Some(at), Some(path)) => Ok(Probe::Http { path, at }),
        (None, Some(at), None) => Ok(Probe::Connect { at }),
        (None, None, _) if !gate => {
            let problem = "with gate = false there is no admin socket to ask";
            Err(ManifestError::value("health", problem).with_hint(
                "[health.at] names an address for each slot, which the program opens; or exec = [...] is a command that checks",
            ))
        }
        (None, None, path) => {
            let path = path.unwrap_or_else(|| "/health".into());
            if path == "/-" || path.starts_with("/-/") {
                return Err(ManifestError::value(
                    "health.path",
                    "paths below /-/ are sockact's own",
                )
                .with_hint("use a path that the application answers, such as /health"));
            }
            Ok(Probe::Admin { path })
        }
    }
}

/// One address for each slot: both run at once, and each answers for itself.
pub(super) fn each_slot(
    key: &str,
    given: BTreeMap<SlotName, manifest::At>,
    slots: &[SlotName],
) -> Checked<BTreeMap<SlotName, Address>> {
    let wanted: BTreeSet<_> = slots.iter().collect();
    if given.keys().collect::<BTreeSet<_>>() != wanted {
        let names: Vec<_> = slots.iter().map(ToString::to_string).collect();
        return Err(ManifestError::value(key, "there has to be one address for each slot")
            .with_hint(format!("the slots are {}", names.join(", "))));
    }
    let mut at: BTreeMap<SlotName, Address> = BTreeMap::new();
    for (slot, manifest::At(address)) in given {
        if let Some((other, _)) = at.iter().find(|(_, taken)| taken.overlaps(&address)) {
            let problem = format!("{address} cannot be opened beside that of {other}");
            return Err(ManifestError::value(format!("{key}.{slot}"), problem)
                .with_hint("give each slot an address of its own: both run at once"));
        }
        at.insert(slot, address);
    }
    Ok(at)
}

fn failures(given: u32) -> Checked<u32> {
    if (1..=10_000).contains(&given) {
        return Ok(given);
    }
    Err(ManifestError::value("health.failures", format!("{given} is not between 1 and 10000"))
        .with_hint("so many misses in a row and the release is given up, such as 12"))
}

/// The `health.path` of a manifest.
pub(crate) fn health_path(path: &str) -> Checked<()> {
    // The path goes into a request line as it is (RFC 9112, section 3.2).
    if path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic() && c != '#') {
        return Ok(());
    }
    Err(ManifestError::value("health.path", format!("{} is not the path of a URL", shown(path)))
        .with_hint("begin with / and write other characters than ASCII as %XX"))
}
