//! Proxies of slots whose program takes no socket: what an earlier manifest had of them.

use crate::install::Problem;
use crate::install::snapshot::Snapshot;
use crate::model::App;
use crate::render::UnitFile;

/// What stops a proxy, and makes it drain, stands in its unit: it takes connections for ever when that goes under it. Of a slot that goes
/// as a whole another check speaks.
pub(super) fn gone(app: &App, units: &[UnitFile], now: &Snapshot, problems: &mut Vec<Problem>) {
    let stays = |name: &str| units.iter().any(|unit| unit.name.as_ref() == name);
    for unit in super::gone(units, now).filter(|unit| now.is_live(unit)) {
        let slot = app.name().slot_of_proxy(unit).map(|slot| app.slot_unit(&slot));
        if !slot.is_some_and(|slot| stays(slot.as_ref())) {
            continue;
        }
        let (systemctl, target) = (app.place().typed("systemctl"), app.target());
        problems.push(Problem::new(
            format!("{unit} runs, and the manifest has no [proxy] any more"),
            format!("keep [proxy]; or stop the whole application ({systemctl} stop {target}), install, and start it again"),
        ));
    }
}
