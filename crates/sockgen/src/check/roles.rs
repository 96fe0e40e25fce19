//! The part that each unit of a set plays.
//!
//! A rule on slots speaks of units whose sockets several services take turns on, or that sockgen wrote. To a service that is alone with its
//! sockets, as most of a distribution's are, only those rules apply that hold for everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use super::Severity;
use super::unit::{Kind, Unit};
use super::units::Units;
use crate::names::ADMIN_FD_NAME;

/// A set of units, and who is what in it.
pub(crate) struct Roles<'a> {
    units: &'a Units,
    slots: Vec<&'a Unit>,
    proxies: Vec<&'a Unit>,
    public: Vec<&'a Unit>,
    admin: Vec<&'a Unit>,
    plain: Vec<&'a Unit>,
    activators: Vec<&'a Unit>,
    installed_aliases: BTreeSet<&'a str>,
    wanted: BTreeSet<&'a str>,
}

impl Deref for Roles<'_> {
    type Target = Units;

    fn deref(&self) -> &Units {
        self.units
    }
}

impl<'a> Roles<'a> {
    pub(crate) fn of(units: &'a Units) -> Self {
        let all = |kind| units.units.values().filter(move |u| u.kind() == kind && !u.masked);
        let receivers = receivers(units);
        let shared = |name: &str| receivers.get(name).is_some_and(|services| services.len() > 1);
        let receiving: Vec<_> = all(Kind::Service)
            .filter(|unit| {
                let named = unit.words("Service", "Sockets");
                !named.is_empty() && (is_ours(unit) || named.iter().any(|(_, name)| shared(name)))
            })
            .collect();
        let of_slots: BTreeSet<&str> = receiving
            .iter()
            .flat_map(|slot| slot.words("Service", "Sockets"))
            .map(|(_, name)| name)
            .collect();
        let (shared, plain): (Vec<_>, Vec<_>) = all(Kind::Socket)
            .partition(|socket| socket.ours || of_slots.contains(socket.name.as_str()));
        let (admin, public): (Vec<_>, Vec<_>) = shared.into_iter().partition(|s| is_admin(s));
        let started: BTreeSet<String> = public.iter().map(|socket| service_of(socket)).collect();
        let activators = all(Kind::Service)
            .filter(|unit| {
                started.contains(&unit.name) && unit.all("Service", "Sockets").is_empty()
            })
            .collect();
        let (proxies, mut slots): (Vec<_>, Vec<_>) =
            receiving.into_iter().partition(|unit| program_of(units, unit).is_some());
        slots.extend(proxies.iter().filter_map(|proxy| program_of(units, proxy)));
        let words = |section, key| {
            units
                .units
                .values()
                .flat_map(move |unit| unit.words(section, key))
                .map(|(_, word)| word)
        };
        let installed_aliases = words("Install", "Alias").collect();
        let wanted = words("Unit", "Wants").chain(words("Unit", "Requires")).collect();
        Self { units, slots, proxies, public, admin, plain, activators, installed_aliases, wanted }
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &'a Unit> {
        self.units.units.values().filter(move |unit| unit.kind() == kind && !unit.masked)
    }

    /// Every socket that is not masked.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &'a Unit> {
        self.of_kind(Kind::Socket)
    }

    /// Every service that is not masked.
    pub(crate) fn services(&self) -> impl Iterator<Item = &'a Unit> {
        self.of_kind(Kind::Service)
    }

    /// The private sockets of slots: by name, by path or by the name of the descriptor, so that
    /// one wrong line does not make a public socket of it.
    pub(crate) fn admin_sockets(&self) -> impl Iterator<Item = &'a Unit> {
        self.admin.iter().copied()
    }

    /// The sockets that slots take turns on.
    pub(crate) fn public_sockets(&self) -> impl Iterator<Item = &'a Unit> {
        self.public.iter().copied()
    }

    /// The sockets of one service alone.
    pub(crate) fn plain_sockets(&self) -> impl Iterator<Item = &'a Unit> {
        self.plain.iter().copied()
    }

    /// Services that take connections and carry them to a slot whose program takes no socket of systemd's.
    pub(crate) fn proxies(&self) -> impl Iterator<Item = &'a Unit> {
        self.proxies.iter().copied()
    }

    /// Services that take turns on sockets, by themselves or behind a proxy of each.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &'a Unit> {
        self.slots.iter().copied()
    }

    /// Services that public sockets start and that are no slots.
    pub(crate) fn activators(&self) -> impl Iterator<Item = &'a Unit> {
        self.activators.iter().copied()
    }

    /// Services that are alone with the sockets that start them, each with one of these.
    pub(crate) fn plain_services(&self) -> impl Iterator<Item = (&'a Unit, &'a Unit)> {
        let units = self.units;
        let service = move |socket: &&'a Unit| Some((*socket, units.get(&service_of(socket))?));
        self.plain
            .iter()
            .filter(|socket| !is_inetd(socket))
            .filter_map(service)
            .filter(|(_, service)| !service.masked)
    }

    /// How bad something is that matters only once these are started: a package may leave a socket to whoever needs it, or offer what
    /// another one offers, too.
    pub(crate) fn when_wanted(&self, sockets: &[&Unit]) -> Severity {
        let wanted = sockets.iter().all(|socket| self.wanted.contains(socket.name.as_str()));
        if wanted || !self.units.machine { Severity::Warning } else { Severity::Note }
    }

    /// Whether a unit says that it is also called this once it is enabled.
    pub(crate) fn may_be_called(&self, name: &str) -> bool {
        self.installed_aliases.contains(name)
    }

    /// The aliases that slots declare.
    pub(crate) fn slot_aliases(&self) -> BTreeSet<&'a str> {
        self.slots().flat_map(|slot| slot.words("Install", "Alias")).map(|(_, name)| name).collect()
    }
}

/// Which services get each socket: those that name it, and the one that it starts.
fn receivers(units: &Units) -> BTreeMap<String, BTreeSet<String>> {
    let mut receivers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for unit in units.units.values().filter(|unit| !unit.masked) {
        match unit.kind() {
            Kind::Service => {
                for (_, name) in unit.words("Service", "Sockets") {
                    receivers.entry(name.to_owned()).or_default().insert(unit.name.clone());
                }
            }
            Kind::Socket if !is_inetd(unit) => {
                if let Some(service) = units.get(&service_of(unit)) {
                    receivers.entry(unit.name.clone()).or_default().insert(service.name.clone());
                }
            }
            _ => {}
        }
    }
    receivers
}

/// The slot for which a service with sockets is the proxy: it stops with it, and the slot says that it is one.
fn program_of<'a>(units: &'a Units, proxy: &Unit) -> Option<&'a Unit> {
    let bound = proxy.words("Unit", "BindsTo").into_iter();
    let mut bound = bound.filter_map(|(_, name)| units.get(name));
    bound.find(|unit| unit.kind() == Kind::Service && !unit.masked && is_slot(unit))
}

fn is_slot(unit: &Unit) -> bool {
    let words = unit.words("Service", "Environment");
    words.iter().any(|(_, word)| word.trim_matches('"').starts_with("SOCKACT_SLOT="))
}

fn is_ours(slot: &Unit) -> bool {
    slot.ours || is_slot(slot)
}

/// By its descriptor's name; one without any by its own, for a listener may be called admin, too.
fn is_admin(socket: &Unit) -> bool {
    socket
        .value("Socket", "FileDescriptorName")
        .map_or_else(|| socket.stem().ends_with("-admin"), |name| name == ADMIN_FD_NAME)
        || socket
            .value("Socket", "ListenStream")
            .is_some_and(|path| path.starts_with("/run/sockact/"))
}

/// Whether systemd accepts, and starts an instance for each connection (systemd.socket(5)).
pub(crate) fn is_inetd(socket: &Unit) -> bool {
    socket.flag("Socket", "Accept") == Some(true)
}

/// The service a socket starts: `Service=`, or the one of the same name (systemd.socket(5)).
pub(crate) fn service_of(socket: &Unit) -> String {
    match socket.value("Socket", "Service") {
        Some(service) => socket.expand(service).unwrap_or_else(|| service.to_owned()),
        None if is_inetd(socket) => format!("{}@.service", socket.stem().trim_end_matches('@')),
        None => format!("{}.service", socket.stem()),
    }
}
