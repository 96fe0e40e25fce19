//! Directives that are written into the units as they are: none may break the line, take the place of one of ours, or bring a hazard in.

mod refused;

use std::collections::BTreeMap;

use super::Checked;
use super::program::reserved;
use crate::check::{self, Severity, Unit, Units};
use crate::error::ManifestError;
use crate::manifest::{self, OneOrMany};
use crate::model::{App, Directive, Directives, RELAXATIONS, Section};
use crate::names::UnitName;
use crate::render::render;
use crate::shown::{nearest, shown};
use crate::versions::{self, Target};

/// systemd takes lines of 1 MiB; a directive of a thousandth is long.
const LONGEST_VALUE: usize = 4096;
const MOST_VALUES: usize = 64;
const LONGEST_KEY: usize = 64;

/// Lists to which the generator's own line is only the beginning.
const ADDED_TO: &[(Section, &str)] = &[
    (Section::Unit, "After"),
    (Section::Unit, "Wants"),
    (Section::Unit, "PartOf"),
    (Section::Service, "EnvironmentFile"),
    (Section::Service, "LoadCredential"),
    (Section::Service, "LoadCredentialEncrypted"),
];

pub(super) fn directives(raw: manifest::Directives) -> Checked<Directives> {
    Ok(Directives {
        unit: section(Section::Unit, raw.unit)?,
        service: section(Section::Service, raw.service)?,
        socket: section(Section::Socket, raw.socket)?,
    })
}

fn section(section: Section, given: BTreeMap<String, OneOrMany>) -> Checked<Vec<Directive>> {
    given.into_iter().map(|(key, values)| directive(section, key, values)).collect()
}

fn directive(section: Section, key: String, values: OneOrMany) -> Checked<Directive> {
    let table = format!("directives.{}", section.table());
    let named = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.len() <= LONGEST_KEY
        && key.chars().all(|c| c.is_ascii_alphanumeric());
    if !named {
        let problem = format!("{} is not the name of a directive", shown(&key));
        return Err(ManifestError::value(table, problem)
            .with_hint("letters and digits, as systemd.directives(7) has them"));
    }
    let name = format!("{table}.{key}");
    if let Some(refused) = refused::refused(section, &key) {
        let explained = refused.rule.map(|rule| format!(" (`sockgen explain {rule}`)"));
        let problem = format!("{}{}", refused.why, explained.unwrap_or_default());
        return Err(ManifestError::value(name, problem).with_hint(refused.instead));
    }
    if !versions::directives(&section.to_string()).any(|known| known == key) {
        return Err(unknown(section, name, &key));
    }
    let values = values.into_list();
    if values.is_empty() || values.len() > MOST_VALUES {
        let problem = format!("{} values are not between 1 and {MOST_VALUES}", values.len());
        return Err(ManifestError::value(name, problem).with_hint("a string, or a list of strings"));
    }
    values.iter().try_for_each(|text| value(&name, text))?;
    if key == "UnsetEnvironment" {
        values.iter().try_for_each(|text| unset(&name, text))?;
    }
    Ok(Directive { key, values })
}

/// systemd would ignore it with no more than a line in the journal, and what was meant to protect does not.
fn unknown(section: Section, name: String, key: &str) -> ManifestError {
    let elsewhere = || {
        let others = [Section::Unit, Section::Service, Section::Socket].into_iter();
        others
            .filter(|other| *other != section)
            .find(|other| versions::directives(&other.to_string()).any(|known| known == key))
    };
    let hint = match (elsewhere(), nearest(key, versions::directives(&section.to_string()))) {
        (Some(other), _) => format!("it belongs into [directives.{}]", other.table()),
        (None, Some(near)) => format!("did you mean {near}?"),
        (None, None) => format!(
            "systemd.directives(7) lists all; one that is newer than systemd {} goes into a drop-in of each slot",
            Target::NEWEST
        ),
    };
    ManifestError::value(name, format!("systemd knows no {key}= in [{section}]")).with_hint(hint)
}

/// One line, which systemd reads as it stands there.
fn value(key: &str, text: &str) -> Checked<()> {
    let refuse =
        |problem: String, hint: &str| Err(ManifestError::value(key, problem).with_hint(hint));
    if text.trim().is_empty() {
        let problem = "an empty value would undo what stands before it".to_owned();
        return refuse(problem, "leave the directive out");
    }
    if text.contains(char::is_control) {
        let problem = format!("{} has a control character in it", shown(text));
        return refuse(problem, "write a directive with several lines as a list of strings");
    }
    if text.ends_with('\\') {
        let problem = format!("{} ends with a backslash, which joins the next line", shown(text));
        return refuse(problem, "write the whole value in one line");
    }
    if text.len() > LONGEST_VALUE {
        let problem = format!("{} bytes are too many, {LONGEST_VALUE} is the limit", text.len());
        return refuse(problem, "put it into a drop-in of the unit");
    }
    Ok(())
}

/// Plain names, so that no quote, backslash or specifier hides one that the slot needs.
fn unset(key: &str, text: &str) -> Checked<()> {
    let refuse =
        |problem: String, hint: &str| Err(ManifestError::value(key, problem).with_hint(hint));
    for word in text.split_whitespace() {
        if !word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let problem = format!("{} is not the name of a variable", shown(word));
            return refuse(problem, "names alone, with a space between them");
        }
        if reserved(word).is_some() {
            let problem = format!("without {word} a slot does not find its sockets or its gate");
            return refuse(problem, "the program can remove it from what its children get");
        }
    }
    Ok(())
}

/// What tells a slot to drain, when it is built on sockact (systemd.kill(5)).
const STOP_SIGNALS: [&str; 2] = ["KillSignal", "RestartKillSignal"];

/// What can be seen only in the units: directives that are there already, and hazards that come in.
pub(super) fn in_units(app: &App) -> Checked<()> {
    if app.directives().is_empty() {
        return Ok(());
    }
    let mut of_service = app.directives().service.iter();
    let signal = of_service.find(|directive| STOP_SIGNALS.contains(&directive.key.as_str()));
    if let Some(Directive { key, .. }) = signal.filter(|_| app.gated()) {
        let problem = "a slot drains on SIGTERM; another signal ends it under its clients";
        return Err(ManifestError::value(format!("directives.service.{key}"), problem)
            .with_hint("leave it out; gate = false is for programs that drain on another signal"));
    }
    let mut plain = app.clone();
    plain.directives = Directives::default();
    let written: Vec<Unit> =
        render(&plain).iter().map(|unit| Unit::parse(unit.name.as_ref(), &unit.text)).collect();
    for (section, directives) in app.directives().sections() {
        for Directive { key, .. } in directives {
            if !ADDED_TO.contains(&(section, key)) && has(app, &written, section, key) {
                let name = format!("directives.{}.{key}", section.table());
                let problem = "sockgen writes this one itself";
                return Err(ManifestError::value(name, problem).with_hint(instead(key)));
            }
        }
    }
    let mut units = Units::default();
    render(app).iter().for_each(|unit| units.add(unit.name.as_ref(), &unit.text));
    let found = check::check(&units).into_iter().find(|found| found.severity > Severity::Note);
    found.map_or(Ok(()), |found| {
        let problem = format!("{} (`sockgen explain {}`)", found.message, found.rule);
        Err(ManifestError::value("directives", problem).with_hint(found.fix))
    })
}

/// Whether one of the units that a section is added to has the directive.
///
/// These are the slots and the public sockets: neither the activator nor what else a slot has.
fn has(app: &App, units: &[Unit], section: Section, key: &str) -> bool {
    let meant: Vec<UnitName> = match section {
        Section::Socket => app.listeners().iter().map(|l| app.socket_unit(&l.name)).collect(),
        Section::Unit | Section::Service => app.slots().iter().map(|s| app.slot_unit(s)).collect(),
    };
    let section = section.to_string();
    let has = |unit: &Unit| unit.entries.iter().any(|e| *e.section == *section && e.key == key);
    units.iter().filter(|unit| meant.iter().any(|name| *name.as_ref() == *unit.name)).any(has)
}

/// How the manifest says it.
fn instead(key: &str) -> String {
    let of_hardening = || RELAXATIONS.iter().filter(|kind| kind.changes(key));
    let names: Vec<_> = of_hardening().map(|kind| kind.name).collect();
    if names.is_empty() {
        "leave it out".to_owned()
    } else {
        format!(
            "hardening.allow loosens it: {}; level = \"none\" leaves it to you",
            names.join(", ")
        )
    }
}
