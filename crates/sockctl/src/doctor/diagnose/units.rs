//! The units: as sockgen makes them, and as systemd has loaded them.

use std::path::PathBuf;

use sockgen::{Ready, SlotName};

use crate::doctor::facts::{Facts, FileIs, Unit};
use crate::doctor::finding::{Cure, Finding, Fix};
use crate::doctor::hazard::Hazard;

/// One for each connection: what systemd gives without our setting is 1024.
const DESCRIPTORS_AT_LEAST: u64 = 16_384;

const SOMEBODYS: &str = "somebody set it on purpose, and knows why";

pub(super) const RELOAD: &str = "systemctl daemon-reload";

/// One rule on a unit as loaded: when it is broken, what was seen, and the key that a drop-in would have.
type Rule = (Hazard, &'static str, fn(&Unit) -> Option<String>);

fn limit(us: Option<u64>, key: &str) -> Option<String> {
    us.filter(|us| *us > 0).map(|us| format!("{key}={} ms", us / 1000))
}

const SERVICE_RULES: &[Rule] = &[
    (Hazard::StartLimit, "StartLimitInterval", |u| {
        limit(u.start_limit_us, "StartLimitIntervalSec")
    }),
    (Hazard::Condition, "Condition", |u| {
        (u.conditions > 0).then(|| format!("{} conditions or assertions", u.conditions))
    }),
    (Hazard::BlockingStart, "NonBlocking", |u| {
        (u.non_blocking == Some(false)).then(|| "NonBlocking=no".into())
    }),
];

const NOTIFY_RULES: &[Rule] = &[(Hazard::NoReadiness, "Type", |u| {
    let kind = u.kind.as_deref()?;
    (!kind.starts_with("notify")).then(|| format!("Type={kind}"))
})];

const SLOT_RULES: &[Rule] = &[(Hazard::FewDescriptors, "LimitNOFILE", |u| {
    u.descriptors.filter(|n| *n < DESCRIPTORS_AT_LEAST).map(|n| format!("LimitNOFILE={n}"))
})];

const SOCKET_RULES: &[Rule] = &[(Hazard::TriggerLimit, "TriggerLimitInterval", |u| {
    limit(u.trigger_limit_us, "TriggerLimitIntervalSec")
})];

const PUBLIC_RULES: &[Rule] = &[
    (Hazard::FlushPending, "FlushPending", |u| {
        (u.flush_pending == Some(true)).then(|| "FlushPending=yes".into())
    }),
    (Hazard::Accept, "Accept", |u| (u.accept == Some(true)).then(|| "Accept=yes".into())),
    (Hazard::ManualStop, "RefuseManualStop", |u| {
        (u.refuse_manual_stop == Some(false)).then(|| "RefuseManualStop=no".into())
    }),
];

pub(super) fn units(facts: &Facts) -> Vec<Finding> {
    facts.units.iter().flat_map(|(name, unit)| of_unit(facts, name, unit)).collect()
}

fn of_unit(facts: &Facts, name: &str, unit: &Unit) -> Vec<Finding> {
    let app = &facts.app;
    let is_slot = app.slots().iter().any(|slot| app.slot_unit(slot).as_ref() == name);
    let is_public = app.listeners().iter().any(|l| app.socket_unit(&l.name).as_ref() == name);
    let rules: [(bool, &[Rule]); 5] = [
        (is_slot && app.ready() == Ready::Notify, NOTIFY_RULES),
        (name.ends_with(".service"), SERVICE_RULES),
        (is_slot, SLOT_RULES),
        (name.ends_with(".socket"), SOCKET_RULES),
        (is_public, PUBLIC_RULES),
    ];
    let rules = rules.iter().filter(|(applies, _)| *applies).flat_map(|(_, rules)| *rules);
    let mut found = Vec::new();
    let mut explained = false;
    for (hazard, key, broken) in rules {
        let Some(seen) = broken(unit) else { continue };
        let drop_in = unit.drop_ins.iter().find(|(_, text)| text.contains(key));
        let (from, mend) = match drop_in {
            Some((path, _)) => (format!(", from {}", path.display()), without(&[path])),
            None if unit.file != FileIs::Same => (String::new(), install(facts)),
            None => (", not from its file".into(), RELOAD.into()),
        };
        explained |= drop_in.is_some();
        found.push(Finding {
            hazard: *hazard,
            subject: name.into(),
            cause: format!("systemd has loaded {seen}{from}"),
            mend,
            cure: Cure::ByHand(SOMEBODYS),
        });
    }
    found.extend(file(facts, name, unit));
    found.extend(stale(name, unit));
    if !explained {
        found.extend(drop_ins(facts, name, unit, is_slot));
    }
    found
}

pub(super) fn install(facts: &Facts) -> String {
    format!("sockgen install {}", facts.app.manifest_path().display())
}

fn without(drop_ins: &[&PathBuf]) -> String {
    let paths: Vec<_> = drop_ins.iter().map(|path| path.display().to_string()).collect();
    match paths.as_slice() {
        [] => RELOAD.into(),
        paths => format!("rm {} && {RELOAD}", paths.join(" ")),
    }
}

fn file(facts: &Facts, name: &str, unit: &Unit) -> Option<Finding> {
    let edited = Cure::ByHand("an edit by hand would be lost");
    let (hazard, cause, mend, cure) = match unit.file {
        FileIs::Same if !matches!(unit.load.as_str(), "loaded" | "not-found") => {
            let drop_ins: Vec<_> = unit.drop_ins.iter().map(|(path, _)| path).collect();
            let cause = format!("its load state is {}", unit.load);
            (Hazard::NotLoaded, cause, without(&drop_ins), Cure::ByHand(SOMEBODYS))
        }
        FileIs::Same => return None,
        FileIs::Other if unit.load == "masked" => {
            let mend = format!("systemctl unmask {name} && {}", install(facts));
            (Hazard::NotLoaded, "it is masked".into(), mend, Cure::ByHand(SOMEBODYS))
        }
        FileIs::Other if unit.made => {
            (Hazard::ChangedUnit, "it is not what the manifest gives".into(), RELOAD.into(), edited)
        }
        FileIs::Other => {
            (Hazard::ChangedUnit, "its file was changed by hand".into(), install(facts), edited)
        }
        FileIs::Missing if facts.is_generated() => {
            (Hazard::ChangedUnit, "its file is not there".into(), RELOAD.into(), edited)
        }
        FileIs::Missing => {
            (Hazard::ChangedUnit, "its file is not there".into(), install(facts), edited)
        }
    };
    Some(Finding { hazard, subject: name.into(), cause, mend, cure })
}

fn stale(name: &str, unit: &Unit) -> Option<Finding> {
    unit.stale.then(|| Finding {
        hazard: Hazard::NotReloaded,
        subject: name.into(),
        cause: "its files changed since systemd read them".into(),
        mend: RELOAD.into(),
        cure: Cure::Fix(Fix::Reload),
    })
}

/// A drop-in that every slot has is how the sandbox is loosened: no finding.
fn drop_ins(facts: &Facts, name: &str, unit: &Unit, is_slot: bool) -> Vec<Finding> {
    let app = &facts.app;
    let of = |slot: &SlotName| facts.units.get(app.slot_unit(slot).as_ref());
    let whom = if is_slot { ", which the other slot does not have" } else { "" };
    let everywhere = |text: &String| {
        let has = |unit: &Unit| unit.drop_ins.iter().any(|(_, other)| other == text);
        is_slot && app.slots().iter().all(|slot| of(slot).is_some_and(has))
    };
    let own = unit.drop_ins.iter().filter(|(_, text)| !everywhere(text));
    own.map(|(path, _)| Finding {
        hazard: Hazard::DropIn,
        subject: name.into(),
        cause: format!("{} changes it{whom}", path.display()),
        mend: without(&[path]),
        cure: Cure::ByHand(SOMEBODYS),
    })
    .collect()
}
