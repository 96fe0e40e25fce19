//! A set of units that are checked together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::unit::{Entry, Unit};
use crate::render::UnitFile;

/// Units that are checked together.
#[derive(Debug, Clone, Default)]
pub struct Units {
    pub(crate) units: BTreeMap<String, Unit>,
    /// Other names of units, such as links to them.
    pub(crate) aliases: BTreeMap<String, String>,
    /// Units that are there to be looked up, and are not checked themselves.
    pub(crate) context: BTreeSet<String>,
    /// Whether they are those of a machine or an image, in systemd's own folders.
    pub(crate) machine: bool,
    /// What is wrong with files before anybody asks what stands in them.
    pub(crate) unreadable: Vec<Problem>,
    /// Drop-ins that no unit reads.
    pub(crate) unread: Vec<Problem>,
    /// What the manifest beside the units gives, when there is one.
    pub(crate) generated: Vec<UnitFile>,
    /// The texts as they are, to compare with what is generated and to hand to systemd.
    pub(crate) texts: BTreeMap<String, String>,
    /// The drop-ins of each unit, in the order in which they count.
    pub(crate) drop_ins: BTreeMap<String, Vec<(Arc<str>, String)>>,
}

/// A file, and what is wrong with it.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) unit: String,
    pub(crate) file: String,
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

impl Units {
    /// Adds a unit; an earlier one of the same name is replaced.
    pub fn add(&mut self, name: &str, text: &str) {
        self.add_file(name, name, text);
    }

    /// Adds a unit out of a file; findings name the file.
    pub fn add_file(&mut self, name: &str, file: &str, text: &str) {
        self.units.insert(name.to_owned(), Unit::read(name, file, text));
        self.texts.insert(name.to_owned(), text.to_owned());
        self.drop_ins.remove(name);
    }

    /// Adds a drop-in to a unit that is in the set already; to another it does nothing.
    pub fn add_drop_in(&mut self, unit: &str, file: &str, text: &str) {
        if let Some(found) = self.units.get_mut(unit) {
            let file: Arc<str> = file.into();
            found.append(&file, text);
            self.drop_ins.entry(unit.to_owned()).or_default().push((file, text.to_owned()));
        }
    }

    /// Adds a unit that is masked: `file` is a link to `/dev/null`, or empty.
    pub fn add_masked(&mut self, name: &str, file: &str) {
        let unit = Unit { masked: true, ..Unit::read(name, file, "") };
        self.units.insert(name.to_owned(), unit);
    }

    /// Adds another name of a unit, as a link to its file gives it.
    pub fn add_alias(&mut self, name: &str, unit: &str) {
        self.aliases.insert(name.to_owned(), unit.to_owned());
    }

    /// Adds what a link in a `.wants` or `.requires` folder says.
    pub(crate) fn add_link(&mut self, unit: &str, key: &str, value: &str, file: &str) {
        if let Some(found) = self.units.get_mut(unit) {
            let (section, key, value) = ("Unit".into(), key.to_owned(), value.to_owned());
            found.entries.push(Entry { section, key, value, file: file.into(), line: None });
        }
    }

    /// Takes over all of another set.
    pub(crate) fn merge(&mut self, other: Self) {
        self.units.extend(other.units);
        self.aliases.extend(other.aliases);
        self.context.extend(other.context);
        self.machine |= other.machine;
        self.unreadable.extend(other.unreadable);
        self.unread.extend(other.unread);
        self.generated.extend(other.generated);
        self.texts.extend(other.texts);
        self.drop_ins.extend(other.drop_ins);
    }

    /// Says that a unit is there to be looked up and not to be checked.
    pub fn only_look_up(&mut self, name: &str) {
        self.context.insert(name.to_owned());
    }

    /// Says what the manifest beside the units gives.
    pub fn expect(&mut self, generated: Vec<UnitFile>) {
        self.generated = generated;
    }

    /// How many units are checked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names().count()
    }

    /// Whether there is nothing to check; the administrator's folder of a machine may well be empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.unreadable.is_empty() && !self.machine
    }

    /// The names of the units that are checked, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.units.keys().map(String::as_str).filter(|name| !self.context.contains(*name))
    }

    /// The unit of this name or alias; for an instance that has no file, its template.
    pub(crate) fn get(&self, name: &str) -> Option<&Unit> {
        if let Some(unit) = self.units.get(name) {
            return Some(unit);
        }
        // systemd follows no chain of aliases that goes in a circle; ours ends after a few.
        let mut name = name;
        for _ in 0..8 {
            let Some(target) = self.aliases.get(name) else { break };
            if let Some(unit) = self.units.get(target) {
                return Some(unit);
            }
            name = target;
        }
        self.units.get(&template(name)?)
    }
}

/// `a@.service` of `a@b.service`.
pub(crate) fn template(name: &str) -> Option<String> {
    let (stem, suffix) = name.rsplit_once('.')?;
    let (prefix, instance) = stem.split_once('@')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{suffix}"))
}
