//! `sockctl stop` and `sockctl retire`: what ends on purpose.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;
use sockgen::install::removed;
use sockgen::{App, SlotName};
use tokio::time::interval;

use crate::admin::Admin;
use crate::commands::Session;
use crate::error::Error;
use crate::history;
use crate::listen::close_removed;
use crate::lock;
use crate::plan::{Active, Invocation, Step};
use crate::report::{Report, human};
use crate::systemd::{Systemd, SystemdError};
use crate::wish::refused;
use crate::world::World;

/// How often a drain is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// More than systemd's own limit, so that systemd's answer comes first.
const GRACE: Duration = Duration::from_secs(10);

impl Session<'_> {
    /// `sockctl stop APP`: the slots drain, then the sockets close. One transaction of systemd's: `PartOf=` the target.
    ///
    /// # Errors
    /// When a deploy is unfinished, and when the slots do not end in time.
    pub async fn stop(mut self, disable: bool) -> Result<(), Error> {
        let (app, name, target) = (self.app, self.app.name(), self.app.target());
        if history::remembered(app)?.is_some() {
            return Err(refused(
                "a deploy is not finished".into(),
                format!("`sockctl resume {name}` or `sockctl abort {name}` first"),
            ));
        }
        let began = Instant::now();
        let world = World::look(app, &self.systemd).await?;
        let timers = world.slots.iter().filter(|slot| slot.retires);
        for timer in timers.filter_map(|slot| slot.retire_timer(app)) {
            self.systemd.cancel(timer.as_ref()).await?;
        }
        if disable {
            self.systemd.drop_alias(target.as_ref()).await?;
            self.report.done("disable", began.elapsed(), &format!("{target} stays closed at boot"));
        }
        let began = Instant::now();
        self.systemd.begin_stop(target.as_ref()).await?;
        let limit = app.stop_timeout() + GRACE;
        let what = format!("what has begun is answered, then {target} closes its sockets");
        self.report.waits_for("drain", &what, app.swap().drain);
        let mut interrupt = self.interrupt.clone();
        tokio::select! {
            ended = self.ended(limit) => ended?,
            never = self.report.ticks() => match never {},
            () = interrupt.once() => return Err(Error::GoesOn { target: target.to_string() }),
        }
        self.account.waited(began.elapsed());
        self.report.done(
            "drain",
            began.elapsed(),
            "every slot has stopped, the sockets are closed",
        );
        let systemctl = app.place().typed("systemctl");
        let verb = if disable { "enable --now" } else { "start" };
        let text = format!("{name}: stopped; `{systemctl} {verb} {target}` brings it back");
        self.report
            .end(&text, json!({"app": name.as_ref(), "outcome": "stopped", "disabled": disable}));
        Ok(())
    }

    /// Waits until no slot and no socket of the application is up.
    async fn ended(&self, limit: Duration) -> Result<(), Error> {
        let app = self.app;
        let slots = app.slots().iter().map(|slot| app.slot_unit(slot).to_string());
        let sockets = app.listeners().iter().map(|each| app.socket_unit(&each.name).to_string());
        let units: Vec<_> = slots.chain(sockets).collect();
        let names: Vec<_> = units.iter().map(String::as_str).collect();
        let deadline = Instant::now() + limit;
        let mut ticks = interval(LOOK);
        let mut ends = self.systemd.job_ends().await?;
        loop {
            let states = self.systemd.units(&names).await?;
            let up = names.iter().zip(&states).find(|(_, state)| state.active.runs() || state.job);
            let Some((unit, _)) = up else { return Ok(()) };
            if Instant::now() > deadline {
                let unit = (*unit).to_owned();
                return Err(SystemdError::Timeout { verb: "stop", unit, within: limit }.into());
            }
            tokio::select! {
                Some(()) = ends.next() => {}
                _ = ticks.tick() => self.left().await,
            }
        }
    }

    /// Says what is still open.
    async fn left(&self) {
        let (mut connections, mut in_flight) = (0, 0);
        for slot in self.app.slots() {
            if let Ok(status) = Admin::of(self.app, slot, &self.systemd, None).status().await {
                connections += status.connections;
                in_flight += status.in_flight;
            }
        }
        self.report.left("drain", connections, in_flight);
    }
}

/// `sockctl retire APP SLOT RUN`: what the timer of a warm standby calls. Stops the slot only if it still is that standby.
///
/// # Errors
/// When it does not stop.
pub async fn retire(
    app: &App,
    report: &Report,
    slot: &SlotName,
    run: &Invocation,
    typed: &str,
) -> Result<(), Error> {
    let began = Instant::now();
    let _lock = lock::wait(&app.lock_path(), typed)?;
    let systemd = Systemd::connect(app.place()).await?;
    let world = World::look(app, &systemd).await?;
    let standby = world.slot(slot).filter(|found| {
        let live = world.serving().is_some_and(|serving| serving.name == *slot);
        !live && found.held && found.unit.invocation.as_ref() == Some(run)
    });
    let deploy = history::remembered(app)?;
    let needed = deploy.is_some_and(|d| d.into == *slot || d.from.as_ref() == Some(slot));
    let end = |text: &str, outcome: &str| {
        let object = json!({"app": app.name().as_ref(), "slot": slot.as_ref(), "outcome": outcome});
        report.end(&format!("{}: {text}", app.name()), object);
    };
    let Some(standby) = standby.filter(|found| found.unit.active == Active::Active && !needed)
    else {
        end(&format!("{slot} is not the standby any more that this was meant for"), "nothing");
        return Ok(());
    };
    let unit = app.slot_unit(&standby.name);
    systemd.stop(unit.as_ref(), app.stop_timeout() + GRACE).await?;
    systemd.reset_failed(unit.as_ref()).await?;
    // It may have been the last user of a socket that is not in the manifest any more.
    if !removed(app).unwrap_or_default().is_empty() {
        let began = Instant::now();
        let detail = close_removed(app, &systemd).await;
        report.done(Step::Unlisten.name(), began.elapsed(), &detail);
    }
    end(&format!("{slot} was warm long enough; stopped in {}", human(began.elapsed())), "retired");
    Ok(())
}
