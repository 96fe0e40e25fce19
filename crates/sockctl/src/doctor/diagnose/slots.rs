//! The slots: the live one runs and accepts, the others do not; and what they are started from.

use sockgen::SlotName;

use crate::doctor::facts::{Facts, Link, Slot};
use crate::doctor::finding::{Cure, Finding, Fix};
use crate::doctor::hazard::Hazard;
use crate::plan::Active;

/// `CREDENTIALS_TOTAL_SIZE_MAX` of systemd.
const CREDENTIALS_AT_MOST: u64 = 1 << 20;

pub(super) fn slots(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for slot in &facts.slots {
        let is_live = facts.live().is_some_and(|live| live.name == slot.name);
        if facts.is_at_rest() {
            if is_live {
                found.extend(live(facts, slot));
            } else {
                found.extend(idle(facts, slot));
            }
            found.extend(stray_admin(facts, slot));
        }
        // An idle slot is linked anew by the next deploy.
        if is_live && slot.link == Link::Dangling {
            found.push(dangling(facts, slot));
        }
        found.extend(credentials(facts, slot));
    }
    found
}

fn live(facts: &Facts, slot: &Slot) -> Vec<Finding> {
    let app = &facts.app;
    let mut found = Vec::new();
    let mut add = |hazard, cause: &str, mend: String, fix| {
        found.push(mended(facts, slot, hazard, cause.into(), mend, fix));
    };
    if facts.target == Active::Active && !slot.active.runs() {
        let mend = format!("systemctl start {}", app.slot_unit(&slot.name));
        add(Hazard::LiveStopped, "it is live and does not run", mend, Fix::StartSlot);
    }
    if slot.active == Active::Active && slot.gate == Some(0.0) {
        let mend = format!(
            "curl --unix-socket {} -X PUT -d '{{\"share\":1}}' http://sockact/-/gate",
            app.admin_path(&slot.name).display()
        );
        add(Hazard::LiveClosed, "it is live and accepts nobody", mend, Fix::OpenGate);
    }
    if slot.held {
        let env = app.env_path(&slot.name);
        let cause = format!("{} says to start with a closed gate", env.display());
        add(Hazard::StartsClosed, &cause, format!("rm {}", env.display()), Fix::RemoveEnv);
    }
    found
}

fn idle(facts: &Facts, slot: &Slot) -> Option<Finding> {
    let open =
        |slot: &&Slot| slot.active == Active::Active && slot.gate.is_none_or(|gate| gate > 0.0);
    // A canary shares with the live slot on purpose: it has a part, and comes back closed.
    let canary = slot.held && slot.gate.is_some_and(|gate| gate < 1.0);
    let live = facts.live().filter(open)?;
    (open(&slot) && !canary).then(|| {
        let cause = format!("it accepts, and so does {}, which is live", live.name);
        let mend = format!("systemctl stop {}", facts.app.slot_unit(&slot.name));
        mended(facts, slot, Hazard::TwoOpen, cause, mend, Fix::StopSlot)
    })
}

fn stray_admin(facts: &Facts, slot: &Slot) -> Option<Finding> {
    let app = &facts.app;
    (slot.admin_listens && !slot.active.runs()).then(|| {
        let path = app.admin_path(&slot.name);
        let cause = format!("it is stopped, and {} listens", path.display());
        let mend = format!("systemctl stop {}", app.admin_socket_unit(&slot.name));
        mended(facts, slot, Hazard::StrayAdmin, cause, mend, Fix::StopAdmin)
    })
}

fn mended(
    facts: &Facts,
    slot: &Slot,
    hazard: Hazard,
    cause: String,
    mend: String,
    fix: fn(SlotName) -> Fix,
) -> Finding {
    let subject = facts.app.slot_unit(&slot.name).to_string();
    Finding { hazard, subject, cause, mend, cure: Cure::Fix(fix(slot.name.clone())) }
}

fn dangling(facts: &Facts, slot: &Slot) -> Finding {
    let app = &facts.app;
    let link = app.slot_link(&slot.name);
    Finding {
        hazard: Hazard::Dangling,
        subject: app.slot_unit(&slot.name).to_string(),
        cause: format!("{} leads to no release with the program", link.display()),
        mend: format!("sockctl deploy {} PATH", app.name()),
        cure: Cure::ByHand("which release is wanted is not known"),
    }
}

fn credentials(facts: &Facts, slot: &Slot) -> Option<Finding> {
    let unit = facts.app.slot_unit(&slot.name);
    (slot.credentials > CREDENTIALS_AT_MOST).then(|| Finding {
        hazard: Hazard::CredentialsTooLarge,
        subject: unit.to_string(),
        cause: format!("they are {} KiB in all", slot.credentials >> 10),
        mend: format!("systemctl cat {unit}"),
        cure: Cure::ByHand("what can be left out is not known"),
    })
}
