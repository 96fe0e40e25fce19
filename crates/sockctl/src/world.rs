//! What is there: unit states, the alias, the slot links and the gates, read anew before each step.

use std::fs;

use futures_util::future::join_all;
use sockgen::{App, SlotName, UnitName, generator};

use crate::admin::{Admin, Status};
use crate::plan::{Active, Observed, SlotState};
use crate::release::{ReleaseId, linked};
use crate::systemd::{Systemd, SystemdError, UnitState};

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
    /// Whether a timer stands that will stop this very run.
    pub retires: bool,
}

impl Slot {
    /// The share of accepts that it takes; `None` when that is not known. Without a gate it takes what it can while it runs.
    pub fn gate(&self) -> Option<f64> {
        if self.unit.active != Active::Active {
            // One that drains accepts nobody, whatever its gate says.
            return None;
        }
        if self.gated { self.status.as_ref().map(|status| status.gate) } else { Some(1.0) }
    }

    async fn look(app: &App, systemd: &Systemd, name: &SlotName, unit: UnitState) -> Self {
        let gated = app.gated();
        let status = match unit.active {
            Active::Active | Active::Deactivating if gated => {
                Admin::of(app, name, systemd, unit.invocation.clone()).status().await.ok()
            }
            _ => None,
        };
        Self {
            name: name.clone(),
            unit,
            release: linked(&app.slot_link(name)),
            held: gated && app.env_path(name).exists(),
            gated,
            status,
            retires: false,
        }
    }

    /// The timer that would stop this run; `None` when nothing runs.
    pub fn retire_timer(&self, app: &App) -> Option<UnitName> {
        let run = self.unit.invocation.as_ref().filter(|_| self.unit.active == Active::Active)?;
        Some(app.name().retire_timer(&self.name, &run.0))
    }

    /// Whether it runs behind a closed gate.
    pub fn is_standby(&self) -> bool {
        let shut = self.status.as_ref().is_some_and(|status| status.gate == 0.0);
        self.unit.active == Active::Active && self.held && shut
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
        let asked: Vec<_> = names.iter().map(AsRef::as_ref).collect();
        let mut units = systemd.units_and(&asked, &[alias.as_ref(), target.as_ref()]).await?;
        let target = units.pop().unwrap_or_default().active;
        let behind = units.pop().filter(|unit| unit.load == "loaded").map(|unit| unit.id);
        let slots = app.slots().iter().zip(units);
        let slots = slots.map(|(name, unit)| Slot::look(app, systemd, name, unit));
        let mut slots = join_all(slots).await;
        let alias = alias_on_disk(app);
        let live = alias.as_ref().and_then(|unit| slot_of(app, unit));
        retirements(app, systemd, live.as_ref(), &mut slots).await?;
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
        self.live_slot().or_else(|| self.accepting())
    }

    /// The first slot that accepts.
    pub fn accepting(&self) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.gate().is_some_and(|gate| gate > 0.0))
    }

    /// Where the next release goes: a standby that has it already, else a slot that users do not meet and that is soonest free.
    pub fn next_slot(&self, standby_of: Option<&ReleaseId>) -> Option<&Slot> {
        let serving = self.serving().map(|slot| &slot.name);
        let idle = || self.slots.iter().filter(|slot| serving != Some(&slot.name));
        let has_it = |slot: &&Slot| {
            standby_of.is_some() && slot.release.as_ref() == standby_of && slot.is_standby()
        };
        idle().find(has_it).or_else(|| {
            idle().min_by_key(|slot| match slot.unit.active {
                Active::Inactive | Active::Failed => 0,
                Active::Activating | Active::Active => 1,
                Active::Deactivating => 2,
            })
        })
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
                retires: slot.retires,
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

/// Finds the timers of the standbys.
async fn retirements(
    app: &App,
    systemd: &Systemd,
    live: Option<&SlotName>,
    slots: &mut [Slot],
) -> Result<(), SystemdError> {
    let standbys = slots.iter_mut().filter(|slot| Some(&slot.name) != live);
    let (standbys, timers): (Vec<_>, Vec<_>) =
        standbys.filter_map(|slot| slot.retire_timer(app).map(|timer| (slot, timer))).unzip();
    if timers.is_empty() {
        return Ok(());
    }
    let stand = systemd.are_active(&timers.iter().map(AsRef::as_ref).collect::<Vec<_>>()).await?;
    for (slot, stands) in standbys.into_iter().zip(stand) {
        slot.retires = stands;
    }
    Ok(())
}

/// The slot that the alias on disk points to.
pub fn live(app: &App) -> Option<SlotName> {
    slot_of(app, &alias_on_disk(app)?)
}

pub(crate) fn alias_on_disk(app: &App) -> Option<String> {
    let alias = app.alias();
    // What is in /etc counts first, as for systemd.
    let folders = [app.place().units(), generator::folder(app.place(), alias.as_ref())];
    let target =
        folders.iter().find_map(|folder| fs::read_link(folder.join(alias.as_ref())).ok())?;
    Some(target.file_name()?.to_str()?.to_owned())
}

fn slot_of(app: &App, unit: &str) -> Option<SlotName> {
    app.slots().iter().find(|slot| app.slot_unit(slot).as_ref() == unit).cloned()
}
