//! The applications that have their units already: nobody else gets a name or an address of theirs.

use std::collections::BTreeMap;

use super::{Refusal, Texts};
use crate::endpoint::Endpoint;
use crate::install::listens_on;
use crate::names::AppName;

#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// Units and aliases, and whose they are.
    names: BTreeMap<String, AppName>,
    addresses: Vec<(Endpoint, String, AppName)>,
}

impl Neighbours {
    pub(super) fn add(&mut self, app: &AppName, units: &Texts) {
        self.names.insert(app.alias().to_string(), app.clone());
        for (unit, text) in units {
            self.names.insert(unit.clone(), app.clone());
            self.addresses.extend(address(unit, text).map(|at| (at, unit.clone(), app.clone())));
        }
    }

    /// Nothing, or what the application may not have.
    pub(super) fn beside(&self, app: &AppName, units: &Texts) -> Result<(), Refusal> {
        let alias = app.alias().to_string();
        let taken =
            units.keys().chain([&alias]).filter_map(|name| Some((name, self.names.get(name)?)));
        let mut reasons: Vec<String> = taken
            .map(|(name, other)| format!("{name} belongs to the application {other}"))
            .collect();
        for (unit, text) in units {
            let Some(wanted) = address(unit, text) else { continue };
            let taken = self.addresses.iter().find(|(at, ..)| at.overlaps(&wanted));
            reasons.extend(taken.map(|(at, theirs, other)| format!("{wanted} of {unit} is taken by {theirs} of the application {other}, which listens on {at}")));
        }
        if reasons.is_empty() { Ok(()) } else { Err(Refusal(reasons)) }
    }
}

fn address(unit: &str, text: &str) -> Option<Endpoint> {
    let is_socket = unit.ends_with(".socket");
    is_socket.then(|| listens_on(unit, text))?
}
