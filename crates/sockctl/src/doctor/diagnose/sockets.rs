//! The public sockets: while the target is up systemd holds and listens on each, and none of them blocks.

use sockgen::Listener;

use crate::doctor::facts::Facts;
use crate::doctor::finding::{Cure, Finding, Fix};
use crate::doctor::hazard::Hazard;
use crate::plan::Active;

pub(super) fn sockets(facts: &Facts) -> Vec<Finding> {
    if facts.target != Active::Active {
        return Vec::new();
    }
    facts.app.listeners().iter().filter_map(|listener| socket(facts, listener)).collect()
}

fn socket(facts: &Facts, listener: &Listener) -> Option<Finding> {
    let app = &facts.app;
    let unit = app.socket_unit(&listener.name);
    let seen = facts.listeners.get(&listener.name)?;
    let state = facts.units.get(unit.as_ref()).map(|unit| unit.active).unwrap_or_default();
    let address = &listener.address;
    let anew = format!("systemctl restart {}", app.target());
    let gap = Cure::ByHand(
        "a slot still holds the old socket: to open it anew that slot has to stop, and the port closes for a moment",
    );
    let (hazard, cause, mend, cure) = match (state, seen.held, seen.listening) {
        (_, Some(_), _) if seen.blocking => (
            Hazard::BlockingListener,
            format!("O_NONBLOCK is not set on the socket on {address}"),
            format!("systemctl start {}", app.activator()),
            Cure::Fix(Fix::StartActivator),
        ),
        (_, Some(_), _) => return None,
        (Active::Active, None, true) => {
            (Hazard::LostSocket, format!("only a slot listens on {address}"), anew, gap)
        }
        (Active::Active, None, false) => (
            Hazard::LostSocket,
            format!("nobody listens on {address}, and its unit shows active"),
            anew,
            Cure::ByHand(
                "systemd takes the unit for open: only a stop of the target makes it open the socket anew",
            ),
        ),
        (_, None, true) => {
            let cause = format!("systemd closed it; only a slot listens on {address}");
            (Hazard::ClosedSocket, cause, anew, gap)
        }
        (_, None, false) => (
            Hazard::ClosedSocket,
            format!("nobody listens on {address}"),
            format!("sockctl doctor {} --fix", app.name()),
            Cure::Fix(Fix::OpenSockets),
        ),
    };
    Some(Finding { hazard, subject: unit.to_string(), cause, mend, cure })
}
