//! Whether a slot is well, asked over its admin socket, and what it died of.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use jiff::Timestamp;
use sockgen::{Ready, SlotName};

use super::{Deploy, Fault};
use crate::admin::{Admin, AdminError};
use crate::asker::Asker;
use crate::history;
use crate::plan::{Active, Command, Invocation};
use crate::probe::{Answer, Hold, Verdict};
use crate::report::human;
use crate::why::{Ending, last_words};

impl Deploy<'_> {
    /// What the slot died of. Nothing is stopped here: the old slot has to accept again before the new one goes.
    pub(super) async fn death(&self, slot: &SlotName, when: &str) -> Fault {
        let unit = self.session.app.slot_unit(slot);
        let ending = match self.session.systemd.ending(unit.as_ref()).await {
            Ok(ending) if ending.code == 0 => {
                Ending::in_journal(self.session.app.place(), unit.as_ref(), self.since())
                    .await
                    .unwrap_or(ending)
            }
            Ok(ending) => ending,
            Err(error) => return error.into(),
        };
        Fault::new(format!("{slot} {} {when}", ending.words()))
    }

    /// The last lines that the slot wrote since this controller started it.
    pub(super) async fn log_of(&self, slot: &SlotName) -> Vec<String> {
        if let Some(blamed) = &self.blamed {
            return last_words(self.session.app, &[blamed], self.wished()).await;
        }
        let unit = self.session.app.slot_unit(slot);
        let asker = Asker::new(self.session.app, slot, &self.session.systemd);
        let units: Vec<_> = asker.unit().into_iter().chain([unit.as_ref()]).collect();
        last_words(self.session.app, &units, self.since()).await
    }

    fn since(&self) -> Timestamp {
        let ago = self.started.map_or_else(|| self.session.account.total(), |at| at.elapsed());
        Timestamp::now().checked_sub(ago).unwrap_or_else(|_| Timestamp::now())
    }

    /// The run that the plan saw: what is said to it is not meant for another one.
    pub(super) fn admin(&self, slot: &SlotName) -> Admin {
        Admin::of(self.session.app, slot, &self.session.systemd, self.run_of(slot))
    }

    pub(super) fn run_of(&self, slot: &SlotName) -> Option<Invocation> {
        self.observed.slots.get(slot).and_then(|state| state.invocation.clone())
    }

    pub(super) async fn probe(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let (health, swap) = (self.session.app.health(), self.session.app.swap());
        // A release that was live before has been proven: one healthy answer says that it is up.
        let proven = match &self.desired.release {
            Some(release) if self.desired.command == Command::Rollback => {
                history::was_live(&history::read(self.session.app)?, release)
            }
            _ => false,
        };
        let stable = if proven { Duration::ZERO } else { swap.stable };
        let (held, within) = (human(stable), human(swap.deadline));
        let what =
            format!("{} of {slot} must stay healthy for {held}, within {within}", health.probe);
        self.session.report.waits_for("probe", &what, swap.deadline);
        let hold = if self.session.app.gated() {
            Hold::without_a_miss(stable, health.failures)
        } else {
            // Users meet it already.
            Hold::at_once(stable, health.failures).starting(self.starting())
        };
        let healthy = self.healthy(slot, hold, swap.deadline).await?;
        self.observed.verified = self.run_of(slot);
        // Another process than the one that held a share.
        self.observed.trialed = None;
        self.session.account.waited(stable);
        Ok(format!("{} of {slot} was healthy {healthy} times", health.probe))
    }

    /// How long a slot that runs may not listen yet: one that says `READY=1` listens then.
    fn starting(&self) -> Duration {
        match self.session.app.ready() {
            Ready::Notify => Duration::ZERO,
            Ready::Exec => self.session.app.start_timeout(),
        }
    }

    pub(super) async fn watch(&mut self, slot: &SlotName) -> Result<String, Fault> {
        if self.opened.is_some() {
            self.alive(slot, self.opened.as_ref()).await?;
        }
        let time = self.session.app.swap().watch;
        let meanwhile = if self.session.app.gated() { "stands by" } else { "accepts too" };
        let standby =
            self.desired.from.as_ref().map_or(String::new(), |old| format!("; {old} {meanwhile}"));
        self.session.report.waits_for("watch", &format!("{slot} serves{standby}"), time);
        let health = self.session.app.health();
        // A first deploy has started its slot anew just now, and nothing else could serve meanwhile.
        let starting =
            self.desired.from.as_ref().map_or_else(|| self.starting(), |_| Duration::ZERO);
        let hold = Hold::watching(time, health.failures).starting(starting);
        let limit = starting + time + health.failures * (health.interval + health.timeout);
        let healthy = self.healthy(slot, hold, limit).await?;
        self.observed.watched = true;
        self.session.account.waited(time);
        Ok(format!("{slot} was healthy {healthy} times while it served"))
    }

    /// Asks for the slot's health until it held. The slot's death is seen when it happens, not at the next question.
    pub(super) async fn healthy(
        &self,
        slot: &SlotName,
        mut hold: Hold,
        limit: Duration,
    ) -> Result<u32, Fault> {
        let asker = Asker::new(self.session.app, slot, &self.session.systemd);
        let health = self.session.app.health().clone();
        let unit = self.session.app.slot_unit(slot);
        let mut changes = self.session.systemd.changes(unit.as_ref()).await?;
        let run = self.run_of(slot);
        self.alive(slot, run.as_ref()).await?;
        let mut interrupt = self.session.interrupt.clone();
        let mut at = Instant::now();
        let deadline = at + limit;
        let mut last = String::from("no answer yet");
        loop {
            let asker = &asker;
            let ask = async move {
                tokio::time::sleep_until(at.into()).await;
                asker.ask().await
            };
            tokio::pin!(ask);
            // A question under way goes on while the unit changes: a service that tells its status often is asked all the same.
            let answer = loop {
                tokio::select! {
                    answer = &mut ask => break answer,
                    Some(_) = changes.next() => self.alive(slot, run.as_ref()).await?,
                    () = interrupt.once() => return Err(Fault::new("interrupted")),
                    () = tokio::time::sleep_until(deadline.into()) => {
                        let limit = human(limit);
                        return Err(sick(slot, &format!("not held within {limit}; last: {last}")));
                    }
                }
            };
            let now = Instant::now();
            let verdict = hold.saw(
                now,
                match &answer {
                    Ok(()) => Answer::Healthy,
                    Err(error) if error.is_nobody() => Answer::Nobody,
                    Err(_) => Answer::Miss,
                },
            );
            if let Err(error) = answer {
                last = error.to_string();
            }
            if verdict != Verdict::GoOn {
                self.alive(slot, run.as_ref()).await?;
            }
            match verdict {
                Verdict::Held => return Ok(hold.healthy),
                Verdict::GaveUp => return Err(sick(slot, &last)),
                Verdict::GoOn => at = hold.ask_again(now, health.interval),
            }
        }
    }

    /// Why a slot gave no answer: that it died, when it did, or the error itself.
    pub(super) async fn cause(&self, slot: &SlotName, error: &AdminError) -> Fault {
        match self.dead_within(slot, self.run_of(slot).as_ref(), Duration::from_secs(1)).await {
            Ok(()) => Fault::new(format!("{slot}: {error}")),
            Err(fault) => fault,
        }
    }

    /// A broken connection is seen a moment before systemd has noticed the end of the process.
    pub(super) async fn dead_within(
        &self,
        slot: &SlotName,
        run: Option<&Invocation>,
        time: Duration,
    ) -> Result<(), Fault> {
        let mut changes =
            self.session.systemd.changes(self.session.app.slot_unit(slot).as_ref()).await?;
        self.alive(slot, run).await?;
        let _ = tokio::time::timeout(time, changes.next()).await;
        self.alive(slot, run).await
    }

    async fn alive(&self, slot: &SlotName, run: Option<&Invocation>) -> Result<(), Fault> {
        let unit = self.session.systemd.unit(self.session.app.slot_unit(slot).as_ref()).await?;
        if unit.active == Active::Active && unit.invocation.as_ref() == run {
            return Ok(());
        }
        Err(self.death(slot, "after READY=1").await)
    }
}

fn sick(slot: &SlotName, error: &str) -> Fault {
    Fault::new(format!("{slot} is unhealthy: {error}"))
}
