//! What of an application runs, by the kernel's account: systemd waits for us and cannot be asked.

use std::collections::BTreeSet;
use std::fs;

use super::Texts;
use crate::check::Unit;
use crate::endpoint::Endpoint;
use crate::install::listens_on;
use crate::listening::{Inode, listening};
use crate::names::ADMIN_FD_NAME;

/// The public socket units whose address somebody listens on, and the FIFOs that PID 1 has. Of what the kernel does not tell, the worst is assumed.
pub(super) fn sockets(units: &Texts) -> Vec<String> {
    let is_public = |unit: &str, text: &str| {
        let admin =
            Unit::parse(unit, text).value("Socket", "FileDescriptorName") == Some(ADMIN_FD_NAME);
        unit.ends_with(".socket") && !admin
    };
    let open = |(unit, text): &(&String, &String)| {
        let Some(endpoint) = listens_on(unit, text) else { return true };
        let Ok(inodes) = listening(&endpoint, PID1) else { return true };
        match endpoint {
            // It is its path, whether anybody has it open or not.
            Endpoint::Fifo(_) => descriptors().any(|held| inodes.contains(&held)),
            _ => !inodes.is_empty(),
        }
    };
    let public = units.iter().filter(|(unit, text)| is_public(unit, text));
    public.filter(open).map(|(unit, _)| unit.clone()).collect()
}

const PID1: u32 = 1;

fn descriptors() -> impl Iterator<Item = Inode> {
    let links = fs::read_dir(format!("/proc/{PID1}/fd")).into_iter().flatten().flatten();
    links.filter_map(|link| Inode::of_descriptor(&link.path()))
}

/// The services that have a process.
pub(super) fn services<'a>(units: impl Iterator<Item = &'a String>) -> Vec<String> {
    let wanted: BTreeSet<&str> = units.map(String::as_str).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let groups = processes.filter_map(|entry| {
        let process = entry.file_name().to_str()?.parse::<u32>().ok()?;
        fs::read_to_string(format!("/proc/{process}/cgroup")).ok()
    });
    let mut found = BTreeSet::new();
    for group in groups {
        let parts = group.lines().flat_map(|line| line.split('/'));
        found.extend(parts.filter(|part| wanted.contains(part)).map(str::to_owned));
    }
    found.into_iter().collect()
}
