//! The alias: on disk and in systemd's memory it names one and the same slot.

use sockgen::{Exec, SlotName};

use super::units::RELOAD;
use crate::doctor::facts::{Facts, Slot};
use crate::doctor::finding::{Cure, Finding, Fix};
use crate::doctor::hazard::Hazard;
use crate::plan::Active;

pub(super) fn alias(facts: &Facts) -> Option<Finding> {
    let app = &facts.app;
    let slot = |unit: &String| app.slots().iter().find(|s| app.slot_unit(s).as_ref() == unit);
    let (hazard, cause, (mend, cure)) = match (&facts.alias_on_disk, &facts.alias_loaded) {
        (Some(disk), _) if slot(disk).is_none() => {
            (Hazard::ForeignAlias, format!("it leads to {disk}"), away_from(disk, facts))
        }
        (Some(disk), Some(loaded)) if disk != loaded => {
            let cause = format!("it leads to {disk}, and systemd takes it for {loaded}");
            let reload = ("systemctl daemon-reload".into(), Cure::Fix(Fix::Reload));
            (Hazard::StaleAlias, cause, reload)
        }
        (None, Some(loaded)) if facts.is_at_rest() => {
            let cause = format!("it is gone, and systemd takes it for {loaded}");
            (Hazard::StaleAlias, cause, point(facts, slot(loaded)?))
        }
        (None, None) if facts.is_at_rest() => {
            // A standby runs, too.
            let running = || facts.slots.iter().filter(|slot| slot.active == Active::Active);
            let accepts = |slot: &&Slot| slot.gate.is_none_or(|gate| gate > 0.0);
            let running = running().find(accepts).or_else(|| running().next())?;
            let cause = format!("it is gone, and {} runs", app.slot_unit(&running.name));
            (Hazard::ForeignAlias, cause, anew(facts, &running.name))
        }
        _ => return None,
    };
    Some(Finding { hazard, subject: app.alias().to_string(), cause, mend, cure })
}

/// To the slot that runs, when it is one.
fn away_from(disk: &str, facts: &Facts) -> (String, Cure) {
    let mut running = facts.slots.iter().filter(|slot| slot.active == Active::Active);
    match (running.next(), running.next()) {
        (Some(one), None) => point(facts, &one.name),
        _ => (
            format!("systemctl disable {disk} && sockctl deploy {} PATH", facts.app.name()),
            Cure::ByHand("no slot runs, or several do: which one is live is not known"),
        ),
    }
}

/// A slot that gets an alias while it runs may be taken for dead.
fn anew(facts: &Facts, running: &SlotName) -> (String, Cure) {
    let (app, unit) = (&facts.app, facts.app.slot_unit(running));
    let alias = match facts.is_generated() {
        true => RELOAD.into(),
        false => format!("systemctl enable --force {unit}"),
    };
    match app.exec() {
        Exec::Release(_) => (
            format!("sockctl deploy {} PATH", app.name()),
            Cure::ByHand(
                "a slot that gets an alias while it runs may be taken for dead: a deploy starts another one",
            ),
        ),
        Exec::Program(_) => (
            format!("systemctl stop {unit} && {alias} && systemctl start {unit}"),
            Cure::ByHand(
                "a slot that gets an alias while it runs may be taken for dead; connections wait while it is stopped",
            ),
        ),
    }
}

fn point(facts: &Facts, to: &SlotName) -> (String, Cure) {
    let command = match facts.is_generated() {
        // systemd enables nothing that a generator made.
        true => format!("sockctl doctor {} --fix", facts.app.name()),
        false => format!("systemctl enable --force {}", facts.app.slot_unit(to)),
    };
    (command, Cure::Fix(Fix::PointAlias(to.clone())))
}
