//! What is there: unit states, the alias, the slot links and the gates, read anew before each step.

use std::fs;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use sockgen::{App, SlotName};

use crate::admin::{Admin, Status};
use crate::plan::{Active, Observed, SlotState};
use crate::release::{ReleaseId, linked};
use crate::systemd::{Systemd, SystemdError, UnitState};

/// Where `systemctl enable` and `EnableUnitFiles` put links.
pub(crate) const UNITS: &str = "/etc/systemd/system";

/// One slot as `status` shows it.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its name.
    pub name: SlotName,
    /// Its unit.
    pub unit: UnitState,
    /// The release it is linked to.
    pub release: Option<ReleaseId>,
    /// Whether it would start with a closed gate.
    pub held: bool,
    /// Whether it has a gate.
    pub gated: bool,
    /// Its own answer; `None` when it gives none.
    pub status: Option<Status>,
}

impl Slot {
    /// The share of accepts that it takes; `None` when that is not known. Without a gate it takes what it can while it runs.
    pub fn gate(&self) -> Option<f64> {
        if self.gated {
            return self.status.as_ref().map(|status| status.gate);
        }
        (self.unit.active == Active::Active).then_some(1.0)
    }

    async fn look(app: &App, name: &SlotName, unit: UnitState) -> Self {
        let gated = app.gated();
        let status = match unit.active {
            Active::Active if gated => Admin::new(app.admin_path(name)).status().await.ok(),
            _ => None,
        };
        Self {
            name: name.clone(),
            unit,
            release: linked(&app.slot_link(name)),
            held: gated && app.env_path(name).exists(),
            gated,
            status,
        }
    }
}

/// Everything that is read of an application.
#[derive(Debug, Clone)]
pub struct World {
    /// The slot that the alias on disk points to.
    pub live: Option<SlotName>,
    /// What the alias on disk points to when that is no slot of the application.
    pub foreign_alias: Option<String>,
    /// The slot that systemd's memory takes the alias for.
    pub loaded: Option<SlotName>,
    /// The state of the application's target, which opens and closes its sockets.
    pub target: Active,
    /// Every slot, in the manifest's order.
    pub slots: Vec<Slot>,
}

impl World {
    /// Looks now.
    ///
    /// # Errors
    /// When systemd gives no answer. A slot that gives none is an observation, not an error.
    pub async fn look(app: &App, systemd: &Systemd) -> Result<Self, SystemdError> {
        let names: Vec<_> = app.slots().iter().map(|slot| app.slot_unit(slot)).collect();
        let (alias, target) = (app.alias(), app.target());
        let asked: Vec<_> = names.iter().chain([&alias, &target]).map(AsRef::as_ref).collect();
        let mut units = systemd.units(&asked).await?;
        let target = units.pop().unwrap_or_default().active;
        let behind = units.pop().filter(|unit| unit.load == "loaded").map(|unit| unit.id);
        let slots = app.slots().iter().zip(units).map(|(name, unit)| Slot::look(app, name, unit));
        let slots = join_all(slots).await;
        let alias = alias_on_disk(app);
        let live = alias.as_ref().and_then(|unit| slot_of(app, unit));
        Ok(Self {
            foreign_alias: alias.filter(|_| live.is_none()),
            live,
            loaded: behind.and_then(|unit| slot_of(app, &unit)),
            target,
            slots,
        })
    }

    /// Whether the target is up, so that systemd listens.
    pub fn listening(&self) -> bool {
        self.target == Active::Active
    }

    /// The slot of this name.
    pub fn slot(&self, name: &SlotName) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.name == *name)
    }

    /// The live slot.
    pub fn live_slot(&self) -> Option<&Slot> {
        self.live.as_ref().and_then(|name| self.slot(name))
    }

    /// The slot that users meet: the live one, or, when somebody took the alias away, the one that accepts all the same.
    pub fn serving(&self) -> Option<&Slot> {
        let accepts = |slot: &&Slot| slot.gate().is_some_and(|gate| gate > 0.0);
        self.live_slot().or_else(|| self.slots.iter().find(accepts))
    }

    /// The first slot that users do not meet: where the next release goes.
    pub fn idle_slot(&self) -> Option<&Slot> {
        let serving = self.serving().map(|slot| &slot.name);
        self.slots.iter().find(|slot| serving != Some(&slot.name))
    }

    /// What the plan needs of it.
    pub fn observed(&self) -> Observed {
        let slots = self.slots.iter().map(|slot| {
            let state = SlotState {
                active: slot.unit.active,
                invocation: slot.unit.invocation.clone(),
                release: slot.release.clone(),
                held: slot.held,
                gate: slot.gate(),
            };
            (slot.name.clone(), state)
        });
        Observed {
            live: self.live.clone(),
            loaded: self.loaded.clone(),
            slots: slots.collect(),
            ungated: self.slots.iter().any(|slot| !slot.gated),
            ..Observed::default()
        }
    }
}

/// The slot that the alias on disk points to.
pub fn live(app: &App) -> Option<SlotName> {
    slot_of(app, &alias_on_disk(app)?)
}

pub(crate) fn alias_on_disk(app: &App) -> Option<String> {
    let link: PathBuf = Path::new(UNITS).join(app.alias().as_ref());
    let target = fs::read_link(link).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

fn slot_of(app: &App, unit: &str) -> Option<SlotName> {
    app.slots().iter().find(|slot| app.slot_unit(slot).as_ref() == unit).cloned()
}
