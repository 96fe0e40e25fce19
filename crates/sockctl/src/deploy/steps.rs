//! Each step of the plan, done.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use sockgen::{Listener, Ready, SlotName};

use super::{Deploy, Fault, GRACE, Hook};
use crate::alias;
use crate::commands::Session;
use crate::files;
use crate::gc;
use crate::history::{self, Entry};
use crate::listen::{self, endangered};
use crate::lock;
use crate::plan::{Active, Outcome, Step};
use crate::release::{self, linked};
use crate::report::human;
use crate::sockets::Held;
use crate::systemd::SystemdError;
use crate::wish::would_close;

/// What a slot's environment file says, when it is there.
const CLOSED: &[u8] = b"SOCKACT_GATE=closed\n";

impl Deploy<'_> {
    pub(super) async fn execute(&mut self, step: Step) -> Result<String, Fault> {
        let new = self.desired.into.clone();
        let old = self.desired.from.clone().unwrap_or_else(|| new.clone());
        match step {
            Step::Listen => self.listen().await,
            Step::Clear => self.clear(&new).await,
            Step::Migrate => self.hook(Hook::Migrate, &new).await,
            Step::PreStop => self.hook(Hook::PreStop, &old).await,
            Step::Link => self.link(&new),
            Step::Hold => self.hold(&new),
            Step::Start => self.start(&new).await,
            Step::Revive => self.start(&old).await,
            Step::Probe => self.probe(&new).await,
            Step::Rest => self.stop(&new, "is proven; it rests while it gets its alias").await,
            Step::Commit => self.commit(&new).await,
            Step::Return => self.commit(&old).await,
            Step::Open => self.open(&new).await,
            Step::Reopen => self.reopen(&old).await,
            Step::Close => self.close(&old).await,
            Step::Watch => self.watch(&new).await,
            Step::Canary => self.canary(&new, &old).await,
            Step::Trial => self.trial(&new).await,
            Step::Warm => self.warm(&old).await,
            Step::Retire => self.retire(&old).await,
            Step::Unlisten => Ok(self.unlisten().await),
            Step::Shut => self.close(&new).await,
            Step::Withdraw => self.withdraw(&new).await,
            Step::Disable => self.disable(&new).await,
            Step::Stage | Step::Record => Ok(String::new()),
        }
    }

    async fn listen(&mut self) -> Result<String, Fault> {
        let opened = listen::open_new(self.session.app, &self.session.systemd).await?;
        self.observed.to_listen = false;
        Ok(opened)
    }

    /// Takes nothing from anybody, so what fails is said, and tried again after the next deploy.
    async fn unlisten(&mut self) -> String {
        self.observed.to_unlisten = false;
        listen::close_removed(self.session.app, &self.session.systemd).await
    }

    async fn clear(&mut self, slot: &SlotName) -> Result<String, Fault> {
        if self.started.is_some() {
            return Err(self.death(slot, "after READY=1").await);
        }
        self.disarm(slot).await?;
        self.stop(slot, "stopped what was left in it").await
    }

    fn link(&self, slot: &SlotName) -> Result<String, Fault> {
        let release =
            self.desired.release.as_ref().ok_or_else(|| Fault::new("no release to link"))?;
        release::link(&self.session.app.slot_link(slot), release)?;
        Ok(format!("{slot} -> {release}"))
    }

    fn hold(&self, slot: &SlotName) -> Result<String, Fault> {
        files::write(&self.session.app.env_path(slot), CLOSED)?;
        Ok(format!("{slot} will start with a closed gate"))
    }

    async fn start(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let unit = self.session.app.slot_unit(slot);
        let limit = self.session.app.start_timeout();
        let ready = match self.session.app.ready() {
            Ready::Notify => "READY=1",
            Ready::Exec => "the program",
        };
        // A slot that starts opens its sockets, and the last look may be some time ago.
        let target = self.session.app.target();
        if self.session.systemd.unit(target.as_ref()).await?.active != Active::Active {
            return Err(Fault::new(format!("{target} was stopped")));
        }
        let what = format!("waiting for {ready} of {slot}");
        self.session.report.waits_for("start", &what, limit);
        let began = Instant::now();
        self.started = Some(began);
        let mut interrupt = self.session.interrupt.clone();
        let forward = self.desired.failed.is_none();
        let job = self.session.systemd.start(unit.as_ref(), limit + GRACE);
        let result = tokio::select! {
            result = job => Ok(result),
            // On the way back the first Ctrl-C is what led there.
            () = interrupt.once(), if forward => Err(Fault::new("interrupted")),
        };
        self.session.account.waited(began.elapsed());
        match result? {
            Ok(()) if self.session.app.ready() == Ready::Exec => Ok(format!("{slot} runs")),
            Ok(()) => Ok(format!("{slot} said READY=1")),
            Err(SystemdError::Job { result, .. }) => {
                // On the way back it is the old slot. Where somebody cancelled its start, it may start another time.
                self.observed.lost = !forward && result != "canceled";
                Err(self.death(slot, "before READY=1").await)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// No reload may take a port away that this deploy found open.
    async fn keep_listening(&self) -> Result<(), Fault> {
        let Session { app, systemd, .. } = &self.session;
        let open = |listener: &Listener| self.before.as_ref().is_some_and(|b| b.has(listener));
        let lost = endangered(app, systemd, open).await?;
        lost.map_or(Ok(()), |lost| Err(Fault::new(would_close(lost))))
    }

    async fn commit(&mut self, slot: &SlotName) -> Result<String, Fault> {
        self.keep_listening().await?;
        let unit = self.session.app.slot_unit(slot);
        let began = Instant::now();
        match alias::point(self.session.app, &unit)? {
            true => self.session.systemd.reload().await?,
            false => self.session.systemd.point_alias(unit.as_ref()).await?,
        }
        self.session.account.reloaded(began.elapsed());
        self.disarm(slot).await?;
        // A slot that was started before a listener was new in the manifest does without it: the standby of a rollback, and the old
        // slot on the way back.
        let new = |listener: &Listener| {
            let held = self.before.as_ref().is_none_or(|before| before.has(listener));
            self.observed.to_listen && !held
        };
        let pid = self.session.systemd.pid();
        let held = Held::look_at(self.session.app, pid, |listener| !new(listener))?;
        if let Some(before) = &self.before {
            held.same_as(before, self.session.app)?;
        }
        let names: Vec<_> = held.iter().map(|(name, _)| name.to_string()).collect();
        Ok(format!(
            "{} -> {unit}; {} still holds {}",
            self.session.app.alias(),
            self.session.app.place().manager(),
            names.join(", ")
        ))
    }

    async fn disable(&mut self, slot: &SlotName) -> Result<String, Fault> {
        self.keep_listening().await?;
        let began = Instant::now();
        let unit = self.session.app.slot_unit(slot);
        match alias::drop(self.session.app, &unit)? {
            true => self.session.systemd.reload().await?,
            false => self.session.systemd.drop_alias(unit.as_ref()).await?,
        }
        self.session.account.reloaded(began.elapsed());
        Ok(format!("{} is gone; connections wait", self.session.app.alias()))
    }

    /// The file first: from now on a restart of the slot comes back open.
    async fn open(&mut self, slot: &SlotName) -> Result<String, Fault> {
        files::remove(&self.session.app.env_path(slot))?;
        match self.admin(slot).set_gate(1.0).await {
            Ok(_) => {
                self.opened = self.opened.take().or_else(|| self.run_of(slot));
                Ok(format!("{slot} accepts"))
            }
            Err(error) => Err(self.cause(slot, &error).await),
        }
    }

    /// An old slot that gives no answer may be restarting: it comes back open, because the file is gone. One that runs on behind a closed
    /// gate is nobody to give users back to.
    async fn reopen(&mut self, slot: &SlotName) -> Result<String, Fault> {
        files::remove(&self.session.app.env_path(slot))?;
        let Err(error) = self.admin(slot).set_gate(1.0).await else {
            return Ok(format!("{slot} accepts again"));
        };
        match self.dead_within(slot, self.run_of(slot).as_ref(), Duration::from_secs(1)).await {
            Err(_) => Ok(format!("{slot} will start with an open gate ({error})")),
            Ok(()) => {
                // The next controller asks it again. While nobody else accepts, a restart is to open it.
                let new = self.observed.slots.get(&self.desired.into);
                if new.and_then(|new| new.gate).is_some_and(|gate| gate > 0.0) {
                    files::write(&self.session.app.env_path(slot), CLOSED)?;
                }
                Err(Fault::new(format!("{slot}: {error}")))
            }
        }
    }

    /// The file first: a standby that crashes comes back as a standby.
    async fn close(&mut self, slot: &SlotName) -> Result<String, Fault> {
        files::write(&self.session.app.env_path(slot), CLOSED)?;
        match self.admin(slot).set_gate(0.0).await {
            Ok(status) => Ok(format!("{slot} stands by, {} connections open", status.connections)),
            Err(error) => Ok(format!("{slot} gives no answer, it will start closed ({error})")),
        }
    }

    pub(super) fn stop_limit(&self) -> Duration {
        self.session.app.stop_timeout() + GRACE
    }

    /// Says again and again what the slot still waits for.
    async fn left(&self, slot: &SlotName) -> Infallible {
        let admin = self.admin(slot);
        let mut looks = tokio::time::interval(Duration::from_secs(1));
        // Most drains are over before there is anything to say.
        looks.tick().await;
        loop {
            looks.tick().await;
            if let Ok(status) = admin.status().await {
                self.session.report.left("drain", status.connections, status.in_flight);
            }
        }
    }

    async fn stop(&mut self, slot: &SlotName, done: &str) -> Result<String, Fault> {
        let unit = self.session.app.slot_unit(slot);
        let status = self.admin(slot).status().await;
        if let Some(status) = status.ok().filter(|status| status.connections > 0) {
            let left = status.connections;
            let what = format!("{slot} has {left} connections open");
            self.session.report.waits_for("drain", &what, self.session.app.swap().drain);
        }
        let began = Instant::now();
        let stopped = tokio::select! {
            stopped = self.session.systemd.stop(unit.as_ref(), self.stop_limit()) => stopped,
            never = self.left(slot) => match never {},
        };
        self.session.account.waited(began.elapsed());
        stopped?;
        self.session.systemd.reset_failed(unit.as_ref()).await?;
        Ok(format!("{slot} {done}"))
    }

    /// With a slot to spare nobody waits for the drain: systemd sees to its end.
    async fn retire(&mut self, slot: &SlotName) -> Result<String, Fault> {
        self.disarm(slot).await?;
        if self.session.app.slots().len() == 2 {
            return self.stop(slot, "drained and stopped").await;
        }
        let status = self.admin(slot).status().await;
        let left = status.map_or(0, |status| status.connections);
        self.session.systemd.begin_stop(self.session.app.slot_unit(slot).as_ref()).await?;
        let drain = human(self.session.app.swap().drain);
        Ok(format!("{slot} drains: {left} connections open, at most {drain}"))
    }

    /// Stopped, and held: started by hand, it must not meet users.
    async fn withdraw(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let detail = self.stop(slot, "stopped").await?;
        if !self.session.app.gated() {
            return Ok(detail);
        }
        files::write(&self.session.app.env_path(slot), CLOSED)?;
        Ok(detail)
    }

    /// What cannot be written or removed here is a pity, not a failed deploy: a full disk must not keep it from its end.
    pub(super) fn record(&self, outcome: &Outcome) -> Result<String, Fault> {
        let app = self.session.app;
        let entry = Entry::new(&self.desired, outcome, lock::user());
        // The release that a rollback would go back to stays, however many failed after it.
        let live = match outcome {
            Outcome::Live | Outcome::Kept(_) => Some(&self.desired.into),
            Outcome::RolledBack(_) => self.desired.from.as_ref(),
            Outcome::Undone(_) => None,
        };
        let live = live.and_then(|slot| linked(&app.slot_link(slot)));
        let needed = gc::needed(app, live)?;
        let pruned =
            release::prune(&app.releases_dir(), app.keep(), &needed, false).map(|r| r.len());
        let appended = history::append(app, &entry);
        history::forget(app)?;
        let kept = match pruned {
            Ok(0) => String::new(),
            Ok(n) => format!(", {n} old releases removed"),
            Err(error) => format!("; old releases stay: {error}"),
        };
        Ok(match appended {
            Ok(()) => format!("history written{kept}"),
            Err(error) => format!("no history: {error}{kept}"),
        })
    }
}
