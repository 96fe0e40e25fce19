//! A set of units that are checked together, and the part each plays.

use std::collections::{BTreeMap, BTreeSet};

use super::unit::{Kind, Unit};
use crate::names::ADMIN_FD_NAME;
use crate::render::UnitFile;

/// Units that are checked together.
#[derive(Debug, Clone, Default)]
pub struct Units {
    pub(crate) units: BTreeMap<String, Unit>,
    /// What the manifest beside the units gives, when there is one.
    pub(crate) generated: Vec<UnitFile>,
    /// The texts as they are, to compare with what is generated.
    pub(crate) texts: BTreeMap<String, String>,
}

impl Units {
    /// Adds a unit file; an earlier one of the same name is replaced.
    pub fn add(&mut self, name: &str, text: &str) {
        self.units.insert(name.to_owned(), Unit::parse(name, text));
        self.texts.insert(name.to_owned(), text.to_owned());
    }

    /// Adds a drop-in to a unit that is in the set already; to another it does nothing.
    pub fn add_drop_in(&mut self, unit: &str, text: &str) {
        if let Some(unit) = self.units.get_mut(unit) {
            unit.append(text);
        }
    }

    /// Says what the manifest beside the units gives.
    pub fn expect(&mut self, generated: Vec<UnitFile>) {
        self.generated = generated;
    }

    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The names of the units, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.units.keys().map(String::as_str)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Unit> {
        self.units.get(name)
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Unit> {
        self.units.values().filter(move |unit| unit.kind() == kind)
    }

    pub(crate) fn sockets(&self) -> impl Iterator<Item = &Unit> {
        self.of(Kind::Socket)
    }

    /// The private sockets of slots: by name, by path or by the name of the descriptor, so that
    /// one wrong line does not make a public socket of it.
    pub(crate) fn admin_sockets(&self) -> impl Iterator<Item = &Unit> {
        self.sockets().filter(|socket| is_admin(socket))
    }

    pub(crate) fn public_sockets(&self) -> impl Iterator<Item = &Unit> {
        self.sockets().filter(|socket| !is_admin(socket))
    }

    /// Services that take turns on sockets: those with `Sockets=`.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Unit> {
        self.of(Kind::Service).filter(|unit| !unit.all("Service", "Sockets").is_empty())
    }

    /// Services that public sockets start and that are no slots.
    pub(crate) fn activators(&self) -> impl Iterator<Item = &Unit> {
        let started: BTreeSet<String> = self.public_sockets().map(service_of).collect();
        self.of(Kind::Service).filter(move |unit| {
            started.contains(&unit.name) && unit.all("Service", "Sockets").is_empty()
        })
    }

    /// The aliases that slots declare.
    pub(crate) fn aliases(&self) -> BTreeSet<&str> {
        self.slots().flat_map(|slot| slot.words("Install", "Alias")).map(|(_, name)| name).collect()
    }
}

fn is_admin(socket: &Unit) -> bool {
    socket.value("Socket", "FileDescriptorName") == Some(ADMIN_FD_NAME)
        || socket.stem().ends_with("-admin")
        || socket
            .value("Socket", "ListenStream")
            .is_some_and(|path| path.starts_with("/run/sockact/"))
}

/// The service a socket starts: `Service=`, or the one of the same name (systemd.socket(5)).
pub(crate) fn service_of(socket: &Unit) -> String {
    match socket.value("Socket", "Service") {
        Some(service) => service.to_owned(),
        None => format!("{}.service", socket.stem()),
    }
}
