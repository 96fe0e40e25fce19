//! While an open socket has another address on disk, any reload makes systemd drop its descriptor: that address comes back first.

use sockgen::Listener;
use sockgen::install::Readdressed;

use crate::doctor::facts::Facts;
use crate::doctor::finding::{Cure, Finding, Fix};

/// What reads the unit files again, when it is typed.
const RELOADS: [&str; 6] = [
    "systemctl daemon-reload",
    "systemctl enable",
    "systemctl disable",
    "sockgen install",
    "sockctl deploy",
    "sockctl resume",
];

/// Takes from the findings every cure that reloads, as long as a reload closes a port.
pub(super) fn guard(facts: &Facts, found: &mut [Finding]) {
    let losing: Vec<_> = facts.app.listeners().iter().filter_map(|l| losing(facts, l)).collect();
    if losing.is_empty() {
        return;
    }
    let ports: Vec<_> = losing.iter().map(|(listener, _)| listener.address.to_string()).collect();
    let back = back(facts, losing.iter().map(|(_, by)| *by));
    for finding in found.iter_mut().filter(|finding| reloads(finding)) {
        let cause =
            format!("; a reload would close {}: put that address back first", ports.join(", "));
        finding.cause.push_str(&cause);
        finding.mend.clone_from(&back);
        finding.cure = Cure::ByHand(
            "a reload would close an open port, whose address was changed on disk: put it back first",
        );
    }
}

/// What takes its address from a listener that systemd holds open.
fn losing<'a>(facts: &'a Facts, listener: &'a Listener) -> Option<(&'a Listener, &'a Readdressed)> {
    facts.listeners.get(&listener.name)?.held?;
    Some((listener, facts.readdressed.get(&listener.name)?))
}

fn reloads(finding: &Finding) -> bool {
    matches!(finding.cure, Cure::Fix(Fix::Reload | Fix::PointAlias(_)))
        || RELOADS.iter().any(|command| finding.mend.contains(command))
}

/// An install writes the files anew before it reloads; drop-ins stay, and links are not replaced.
fn back<'a>(facts: &Facts, by: impl Iterator<Item = &'a Readdressed> + Clone) -> String {
    let mut gone: Vec<_> = by.clone().flat_map(|by| &by.drop_ins).collect();
    let files: Vec<_> = by.filter_map(|by| by.file.as_ref()).collect();
    gone.extend(files.iter().copied().filter(|path| path.is_symlink()));
    let last = match files.as_slice() {
        [] => super::units::RELOAD.into(),
        _ => super::units::install(facts),
    };
    let gone: Vec<_> = gone.into_iter().map(|path| path.display().to_string()).collect();
    match gone.as_slice() {
        [] => last,
        gone => format!("rm {} && {last}", gone.join(" ")),
    }
}
