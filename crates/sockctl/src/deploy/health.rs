//! Whether a slot is well, asked over its admin socket, and what it died of.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use jiff::Timestamp;
use sockgen::SlotName;

use super::{Deploy, Fault};
use crate::admin::{Admin, AdminError};
use crate::plan::{Active, Command, Invocation};
use crate::probe::{Hold, Verdict};
use crate::report::human;
use crate::why::{Ending, last_words};

impl Deploy<'_> {
    /// What the slot died of, with its last words.
    pub(super) async fn death(&self, slot: &SlotName, when: &str) -> Fault {
        let unit = self.session.app.slot_unit(slot);
        let ending = match self.session.systemd.ending(unit.as_ref()).await {
            Ok(ending) if ending.code == 0 => {
                Ending::in_journal(unit.as_ref(), self.since()).unwrap_or(ending)
            }
            Ok(ending) => ending,
            Err(error) => return error.into(),
        };
        // Stopped first, so that the log does not fill with further starts while it is read.
        let _ = self.session.systemd.stop(unit.as_ref(), self.stop_limit()).await;
        Fault { reason: format!("{slot} {} {when}", ending.words()), log: self.log_of(slot) }
    }

    fn log_of(&self, slot: &SlotName) -> Vec<String> {
        last_words(self.session.app.slot_unit(slot).as_ref(), self.since())
    }

    /// Since when the new slot's journal is of interest.
    fn since(&self) -> Timestamp {
        let ago = self.started.map_or_else(|| self.session.account.total(), |at| at.elapsed());
        Timestamp::now().checked_sub(ago).unwrap_or_else(|_| Timestamp::now())
    }

    pub(super) async fn probe(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let (health, swap) = (self.session.app.health(), self.session.app.swap());
        // A release that was live before has been proven: one healthy answer says that it is up.
        let stable = match self.desired.command {
            Command::Rollback => Duration::ZERO,
            _ => swap.stable,
        };
        self.session.report.waits(
            "probe",
            &format!(
                "{} of {slot} must stay healthy for {}, within {}",
                health.path,
                human(stable),
                human(swap.deadline)
            ),
        );
        let hold = Hold::new(stable, self.session.app.health().failures);
        let healthy = self.healthy(slot, hold, Some(swap.deadline)).await?;
        let invocation =
            self.session.systemd.unit(self.session.app.slot_unit(slot).as_ref()).await?.invocation;
        self.observed.verified = invocation;
        self.session.account.waited(stable);
        Ok(format!("{} of {slot} was healthy {healthy} times in a row", health.path))
    }

    pub(super) async fn watch(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let time = self.session.app.swap().watch;
        let standby =
            self.desired.from.as_ref().map_or(String::new(), |old| format!("; {old} stands by"));
        self.session.report.waits("watch", &format!("{slot} serves for {}{standby}", human(time)));
        let hold = Hold::new(time, self.session.app.health().failures);
        let healthy = self.healthy(slot, hold, None).await?;
        self.observed.watched = true;
        self.session.account.waited(time);
        Ok(format!("{slot} was healthy {healthy} times while it served"))
    }

    /// Asks for the slot's health until it held. The slot's death is seen when it happens, not at the next question.
    async fn healthy(
        &mut self,
        slot: &SlotName,
        mut hold: Hold,
        deadline: Option<Duration>,
    ) -> Result<u32, Fault> {
        let unit = self.session.app.slot_unit(slot);
        let admin = Admin::new(self.session.app.admin_path(slot));
        let health = self.session.app.health().clone();
        let mut changes = self.session.systemd.changes(unit.as_ref()).await?;
        let run = self.session.systemd.unit(unit.as_ref()).await?.invocation;
        let began = Instant::now();
        let limit = deadline.map_or(Duration::MAX, |limit| limit);
        let mut last = None;
        let mut at = began;
        loop {
            let ask = async {
                tokio::time::sleep_until(at.into()).await;
                admin.health(&health.path, health.timeout).await
            };
            let answer = tokio::select! {
                answer = ask => answer,
                _ = changes.next() => {
                    self.alive(slot, run.as_ref()).await?;
                    continue;
                }
                () = self.session.interrupt.once() => return Err(Fault::new("interrupted")),
            };
            let now = Instant::now();
            match hold.saw(now, answer.is_ok()) {
                Verdict::Held => {
                    self.alive(slot, run.as_ref()).await?;
                    return Ok(hold.healthy);
                }
                Verdict::GaveUp => {
                    self.alive(slot, run.as_ref()).await?;
                    return Err(self.sick(slot, answer.err().map(|e| e.to_string())));
                }
                Verdict::GoOn => {}
            }
            last = answer.err().map(|error| error.to_string()).or(last);
            if began.elapsed() >= limit {
                let error = format!(
                    "not healthy within {}; last: {}",
                    human(limit),
                    last.unwrap_or_default()
                );
                return Err(self.sick(slot, Some(error)));
            }
            at = hold.ask_again(now, health.interval);
        }
    }

    fn sick(&self, slot: &SlotName, error: Option<String>) -> Fault {
        let reason = format!("{slot} is unhealthy: {}", error.unwrap_or_default());
        Fault { reason, log: self.log_of(slot) }
    }

    /// Why a slot gave no answer: that it died, when it did, or the error itself.
    pub(super) async fn cause(&self, slot: &SlotName, error: &AdminError) -> Fault {
        let run = self.observed.slots.get(slot).and_then(|state| state.invocation.clone());
        match self.dead_within(slot, run.as_ref(), Duration::from_secs(1)).await {
            Ok(()) => Fault { reason: format!("{slot}: {error}"), log: self.log_of(slot) },
            Err(fault) => fault,
        }
    }

    /// A broken connection is seen a moment before systemd has noticed the end of the process.
    async fn dead_within(
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
