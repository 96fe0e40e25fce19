//! A program that opens an address of its own, and the proxy of each slot that carries connections to it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::App;
use crate::address::Address;
use crate::endpoint::Endpoint;
use crate::names::SlotName;

/// Where the program of each slot listens, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) to: BTreeMap<SlotName, Address>,
    pub(crate) args: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

/// What stands for the address of a slot, or for a part of it, and what it stands for.
type Word = (&'static str, String);

impl Proxy {
    /// The words that a value may have in it; a path has neither host nor port.
    pub(crate) const WORDS: [&'static str; 3] = ["{address}", "{host}", "{port}"];

    /// Whether systemd-socket-proxyd(8) can stand before it.
    pub(crate) fn carries(address: &Endpoint) -> bool {
        matches!(address, Endpoint::Tcp(_) | Endpoint::Unix(_))
    }

    /// The address that the program of this slot opens.
    ///
    /// # Panics
    /// When the application has no such slot.
    #[must_use]
    pub fn to(&self, slot: &SlotName) -> &Address {
        &self.to[slot]
    }

    /// The arguments of the program in this slot, after those of all slots.
    pub(crate) fn args(&self, slot: &SlotName) -> impl Iterator<Item = String> {
        self.args.iter().map(|arg| self.put(slot, arg))
    }

    /// The variables of the program in this slot, beside those of all slots.
    pub(crate) fn environment(&self, slot: &SlotName) -> impl Iterator<Item = (&str, String)> {
        self.environment.iter().map(|(key, value)| (key.as_str(), self.put(slot, value)))
    }

    fn words(&self, slot: &SlotName) -> Vec<Word> {
        let address = self.to(slot);
        let mut words = vec![("{address}", address.to_string())];
        if let Address::Tcp(at) = address {
            words.push(("{host}", at.ip().to_string()));
            words.push(("{port}", at.port().to_string()));
        }
        words
    }

    /// All words at once, so that none is looked for in what another stands for: a path may have braces.
    fn put(&self, slot: &SlotName, text: &str) -> String {
        let words = self.words(slot);
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let next = |rest: &str| {
            let found = words.iter().filter_map(|word| Some((rest.find(word.0)?, word)));
            found.min_by_key(|(at, _)| *at)
        };
        while let Some((at, (word, stands_for))) = next(rest) {
            out.push_str(&rest[..at]);
            out.push_str(stands_for);
            rest = &rest[at + word.len()..];
        }
        out + rest
    }
}

impl App {
    /// How connections get to a program that takes no socket of systemd's; `None` when it does.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// `TimeoutStopSec=` of a unit of a slot: a slot says itself when its drain deadline passes, and systemd kills only what does not.
    pub(crate) fn slot_stop_timeout(&self) -> Duration {
        self.swap.drain + Duration::from_secs(5)
    }

    /// The longest time that systemd lets a slot take until it has stopped, with its proxy when it has one: that stops first.
    #[must_use]
    pub fn stop_timeout(&self) -> Duration {
        let units = if self.proxy.is_some() { 2 } else { 1 };
        self.slot_stop_timeout() * units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_has_its_own_words_and_none_is_looked_for_in_another() {
        let slot = |name: &str| name.parse::<SlotName>().unwrap();
        let to = [(slot("blue"), "[::1]:81"), (slot("green"), "/run/{port}")];
        let proxy = Proxy {
            to: to.map(|(slot, at)| (slot, at.parse().unwrap())).into(),
            args: vec!["{host}|{port}|{address}|{{port}}|{PORT}".into()],
            environment: BTreeMap::new(),
        };
        let args = |name| proxy.args(&slot(name)).collect::<Vec<_>>();
        assert_eq!(args("blue"), ["::1|81|[::1]:81|{81}|{PORT}"]);
        assert_eq!(args("green"), ["{host}|{port}|/run/{port}|{{port}}|{PORT}"]);
    }
}
