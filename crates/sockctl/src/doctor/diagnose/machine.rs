//! The machine below: room on its disks, and a clock that is right.

use crate::doctor::facts::Facts;
use crate::doctor::finding::{Cure, Finding};
use crate::doctor::hazard::Hazard;

/// Below this a deploy is likely to fail in the middle of its copy.
const BYTES_AT_LEAST: u64 = 32 << 20;
/// A release of a few files, its links and records.
const INODES_AT_LEAST: u64 = 256;

pub(super) fn machine(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |hazard, subject: &str, cause: String, mend: &str, why| {
        let (subject, mend) = (subject.into(), mend.into());
        found.push(Finding { hazard, subject, cause, mend, cure: Cure::ByHand(why) });
    };
    for disk in &facts.disks {
        let path = &disk.path.display().to_string();
        let whose = "which files nobody needs is not known";
        if disk.bytes < BYTES_AT_LEAST {
            let cause = format!("{} KiB are free", disk.bytes >> 10);
            add(Hazard::DiskFull, path, cause, &format!("du -xh {path} | sort -h"), whose);
        }
        if let Some(inodes) = disk.inodes.filter(|inodes| *inodes < INODES_AT_LEAST) {
            let (cause, mend) =
                (format!("{inodes} inodes are free"), format!("du -x --inodes {path} | sort -n"));
            add(Hazard::NoInodes, path, cause, &mend, whose);
        }
    }
    let clock = facts.clock;
    if clock.synchronised == Some(false) {
        let (cause, mend) = ("no time server sets it".into(), "timedatectl set-ntp true");
        let why = "the machine's time is its administrator's";
        add(Hazard::Unsynchronised, "clock", cause, mend, why);
    }
    if let Some(newest) = clock.newest.filter(|newest| *newest > clock.now) {
        let cause = format!("it says {:.0}, and a deploy ended at {newest:.0}", clock.now);
        let why = "whether the clock or the history is wrong is not known";
        add(Hazard::ClockBack, "clock", cause, "timedatectl", why);
    }
    found
}
