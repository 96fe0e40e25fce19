//! Sockets that would lose their address at the next reload: systemd drops the descriptor of an address that a unit no longer has (rule S35).

use std::fs;
use std::path::{Path, PathBuf};

use super::drop_ins::in_order;
use crate::check::Unit;
use crate::endpoint::Endpoint;
use crate::generator;
use crate::model::{App, Listener};

/// What on disk takes the address of a listener away from its unit, whether systemd has read it or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readdressed {
    /// The unit's own file, when it is to blame: it says another address, or is gone.
    pub file: Option<PathBuf>,
    /// The drop-ins that forget the addresses before them.
    pub drop_ins: Vec<PathBuf>,
}

/// What would do that to this listener; `None` when its unit keeps the address.
#[must_use]
pub fn readdressed(app: &App, listener: &Listener) -> Option<Readdressed> {
    let (place, unit) = (app.place(), app.socket_unit(&listener.name));
    let unit = unit.as_ref();
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let path = place.units().join(unit);
    // A generator writes its own at each reload.
    let file = generator::is_made(place, unit) || keeps(false, unit, &text(&path), listener);
    let drop_ins: Vec<_> = in_order(Path::new("/"), place, unit);
    let kept = drop_ins.iter().fold(file, |kept, path| keeps(kept, unit, &text(path), listener));
    (!kept).then(|| Readdressed {
        file: (!file).then_some(path),
        drop_ins: drop_ins
            .into_iter()
            .filter(|path| !keeps(true, unit, &text(path), listener))
            .collect(),
    })
}

/// Whether the unit has the listener's address after this text, when it had it `before`: an empty `Listen*=` forgets every address.
fn keeps(before: bool, unit: &str, text: &str, listener: &Listener) -> bool {
    let parsed = Unit::parse(unit, text);
    let listens = parsed
        .entries
        .iter()
        .filter(|entry| &*entry.section == "Socket" && entry.key.starts_with("Listen"));
    listens.fold(before, |kept, entry| {
        let is_it = || {
            let value = parsed.expand(&entry.value)?;
            let at = Endpoint::of_setting(&entry.key, &value, false)?;
            Some(at.setting() == listener.address.setting())
        };
        !entry.value.is_empty() && (kept || is_it() == Some(true))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_until_it_is_forgotten() {
        let manifest =
            "name = \"shop\"\nexec = \"bin/shop\"\n[listeners.http]\nlisten = \"[::]:80\"";
        let app = App::parse(manifest).unwrap();
        let keeps = |before, text: &str| {
            keeps(before, "shop-http.socket", &format!("[Socket]\n{text}"), &app.listeners()[0])
        };
        assert!(keeps(false, "ListenStream=80") && keeps(false, "ListenStream=[::]:80"));
        assert!(keeps(true, "ListenStream=81") && keeps(true, "Backlog=1"));
        assert!(keeps(true, "ListenFIFO=\nListenStream=80"));
        assert!(!keeps(false, "ListenStream=81") && !keeps(false, "ListenDatagram=80"));
        assert!(!keeps(true, "ListenFIFO=\nListenStream=81"));
    }
}
