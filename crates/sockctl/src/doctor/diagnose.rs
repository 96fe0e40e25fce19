//! From what was seen to what is wrong with it. No I/O here.

mod alias;
mod machine;
mod reload;
mod slots;
mod sockets;
mod units;

#[cfg(test)]
mod tests;

use super::facts::Facts;
use super::finding::{Cure, Finding};
use super::hazard::Hazard;

/// Everything that is wrong, worst first.
///
/// While a deploy is at work, or waits for `resume`, the states that it passes through are not reported.
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut found = units::units(facts);
    found.extend(sockets::sockets(facts));
    found.extend(alias::alias(facts));
    found.extend(unfinished(facts));
    found.extend(slots::slots(facts));
    found.extend(machine::machine(facts));
    reload::guard(facts, &mut found);
    if facts.app.place().is_user() {
        for finding in &mut found {
            finding.mend = for_a_user(&finding.mend);
        }
    }
    found.sort_by_key(|finding| (finding.hazard.severity(), finding.hazard));
    found
}

fn unfinished(facts: &Facts) -> Option<Finding> {
    let unfinished = facts.unfinished.as_ref().filter(|_| facts.at_work.is_none())?;
    Some(Finding {
        hazard: Hazard::Unfinished,
        subject: facts.app.name().to_string(),
        cause: format!("{unfinished} was interrupted"),
        mend: format!("sockctl resume {}", facts.app.name()),
        cure: Cure::ByHand("whether to go on with it is a decision"),
    })
}

/// The commands are written for PID 1's applications.
fn for_a_user(mend: &str) -> String {
    ["systemctl", "sockctl", "sockgen install"].iter().fold(mend.to_owned(), |mend, command| {
        mend.replace(&format!("{command} "), &format!("{command} --user "))
    })
}
