//! The warm standby: who stays, until when, and what ends it.

use jiff::{SignedDuration, Timestamp};
use sockgen::{App, SlotName};

use super::{Deploy, Fault};
use crate::plan::Invocation;
use crate::report::human;
use crate::systemd::Later;

impl Deploy<'_> {
    /// The timer is made for this run of the slot: a slot that is started anew for something else outlives it.
    pub(super) async fn warm(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let run = self.run_of(slot).ok_or_else(|| Fault::new(format!("{slot} does not run")))?;
        let (app, after) = (self.session.app, self.desired.keep_warm);
        let (timer, service) =
            (app.name().retire_timer(slot, &run.0), app.name().retire_service(slot, &run.0));
        let later = Later {
            timer: timer.as_ref(),
            service: service.as_ref(),
            description: &format!("{}: ends the standby of slot {slot}", app.name()),
            after,
            command: &retire(app, slot, &run)?,
        };
        self.session.systemd.later(&later).await?;
        let until = Timestamp::now() + SignedDuration::try_from(after).unwrap_or_default();
        Ok(format!("{slot} stands by for {}, until {until:.0}", human(after)))
    }

    /// Takes the timer of the slot's present run away: it is no standby any more.
    pub(super) async fn disarm(&self, slot: &SlotName) -> Result<(), Fault> {
        let retires = self.observed.slots.get(slot).is_some_and(|state| state.retires);
        if let (true, Some(run)) = (retires, self.run_of(slot)) {
            let timer = self.session.app.name().retire_timer(slot, &run.0);
            self.session.systemd.cancel(timer.as_ref()).await?;
        }
        Ok(())
    }
}

/// `sockctl retire`, by the path of this very program.
fn retire(app: &App, slot: &SlotName, run: &Invocation) -> Result<Vec<String>, Fault> {
    let sockctl = std::env::current_exe()?;
    let sockctl = sockctl.to_str().ok_or_else(|| Fault::new("the path of sockctl is no text"))?;
    let user = app.place().is_user().then_some("--user");
    let words = [sockctl, "retire", app.name().as_ref(), slot.as_ref(), &run.0];
    let words = words.into_iter().chain(user);
    Ok(words.map(String::from).collect())
}
