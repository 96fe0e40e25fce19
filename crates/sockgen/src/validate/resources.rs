//! What a slot may use: each within what systemd and the kernel take.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::Checked;
use crate::error::ManifestError;
use crate::manifest;
use crate::model::{Memory, Resources};
use crate::place::Place;

/// systemd's own hard limit, so that it is granted everywhere; its soft limit of 1024 would not do (systemd-system.conf(5)).
const OPEN_FILES: u32 = 524_288;

/// Up to 1024 every connection of a swap would not find a place; above, the kernel's ceiling (`fs.nr_open`) on a machine with systemd.
const OPEN_FILES_RANGE: RangeInclusive<i64> = 1025..=1_073_741_816;

pub(super) fn resources(raw: manifest::Resources, place: &Place) -> Checked<Resources> {
    let least = |key: &str, memory: Option<Memory>| match memory {
        // No program starts in less, and each would be killed again and again.
        Some(Memory::Bytes(bytes)) if bytes < 1 << 20 => {
            let key = format!("resources.{key}");
            Err(ManifestError::value(key, "less than 1MiB is too little for any program")
                .with_hint("such as \"512MiB\""))
        }
        memory => Ok(memory),
    };
    let resources = Resources {
        memory_high: least("memory_high", raw.memory_high)?,
        memory_max: least("memory_max", raw.memory_max)?,
        memory_swap_max: raw.memory_swap_max,
        cpu_quota: raw.cpu_quota,
        cpu_weight: within("cpu_weight", raw.cpu_weight, 1..=10_000, "others have 100")?,
        io_weight: within("io_weight", raw.io_weight, 1..=10_000, "others have 100")?,
        tasks_max: raw.tasks_max,
        open_files: within(
            "open_files",
            raw.open_files,
            OPEN_FILES_RANGE,
            "each connection takes one, and at a swap all clients come at once; leave it out for 524288",
        )?
        .unwrap_or(OPEN_FILES),
        nice: within("nice", raw.nice, -20..=19, "0 is as all others; 19 is last")?,
        oom_score: within("oom_score", raw.oom_score, -1000..=1000, "0 is as all others")?,
    };
    if let (Some(high), Some(max)) = (resources.memory_high, resources.memory_max)
        && high > max
    {
        let problem = format!("{high} is above memory_max, {max}: it would never be reached");
        return Err(ManifestError::value("resources.memory_high", problem)
            .with_hint("set it below memory_max, or leave it out"));
    }
    if place.is_user() {
        of_a_user(&resources)?;
    }
    Ok(resources)
}

fn within<T: TryFrom<i64>>(
    key: &str,
    given: Option<i64>,
    range: RangeInclusive<i64>,
    hint: &str,
) -> Checked<Option<T>> {
    let Some(number) = given else { return Ok(None) };
    let fits = range.contains(&number).then(|| T::try_from(number).ok()).flatten();
    if fits.is_some() {
        return Ok(fits);
    }
    let (least, most) = range.into_inner();
    let problem = format!("{number} is not between {least} and {most}");
    Err(ManifestError::value(format!("resources.{key}"), problem).with_hint(hint))
}

/// What the kernel gives to nobody but root.
fn of_a_user(resources: &Resources) -> Checked<()> {
    let refuse = |key: &str, value: &dyn Display| {
        let problem = format!("{value}: only root may go before others");
        Err(ManifestError::value(format!("resources.{key}"), problem)
            .with_hint("leave it out, or install without --user"))
    };
    match resources {
        Resources { nice: Some(nice), .. } if *nice < 0 => refuse("nice", nice),
        Resources { oom_score: Some(score), .. } if *score < 0 => refuse("oom_score", score),
        Resources { open_files, .. } if *open_files > OPEN_FILES => {
            refuse("open_files", open_files)
        }
        _ => Ok(()),
    }
}
