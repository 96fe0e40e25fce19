//! Carries a deploy out: observe, ask the plan, do the one step, and again. Decides nothing itself.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use sockgen::{App, SlotName};

use crate::admin::Admin;
use crate::error::Error;
use crate::files;
use crate::history::{self, Entry};
use crate::plan::{Active, Command, Desired, Invocation, Next, Observed, Outcome, Step, next};
use crate::probe::{Hold, Verdict};
use crate::release::{self, linked};
use crate::report::{Account, Report, human, peak_memory_kib};
use crate::signals::Interrupt;
use crate::sockets::Held;
use crate::systemd::{Systemd, SystemdError};
use crate::why::last_words;
use crate::world::World;

/// More than systemd's own limit for the job, so that systemd's answer comes first.
const GRACE: Duration = Duration::from_secs(15);

/// Misses in a row that end a probe or a watch.
const FAILURES: u32 = 12;

/// A plan has at most one step of each kind, twice when something died in between. More means that it turns in a circle.
const STEPS_AT_MOST: usize = 3 * Step::ALL.len();

/// Why a step failed, and what the release said.
struct Fault {
    reason: String,
    log: Vec<String>,
}

impl Fault {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), log: Vec::new() }
    }
}

impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// A deploy on its way.
#[derive(Debug)]
pub struct Deploy<'a> {
    app: &'a App,
    systemd: &'a Systemd,
    report: &'a Report,
    desired: Desired,
    interrupt: Interrupt,
    account: Account,
    before: Option<Held>,
    started: Option<Instant>,
    observed: Observed,
    log: Vec<String>,
}

impl<'a> Deploy<'a> {
    /// A deploy towards `desired`. The caller holds the lock and has written the wish down.
    pub fn new(
        app: &'a App,
        systemd: &'a Systemd,
        report: &'a Report,
        desired: Desired,
        interrupt: Interrupt,
        account: Account,
    ) -> Self {
        Self {
            app,
            systemd,
            report,
            desired,
            interrupt,
            account,
            before: None,
            started: None,
            observed: Observed::default(),
            log: Vec::new(),
        }
    }

    /// Goes all the way.
    ///
    /// # Errors
    /// [`Error::GivenUp`] when the new slot was given up and everything is as before, [`Error::HalfDone`] when a step on the way back
    /// failed, or systemd gave no answer.
    pub async fn run(mut self) -> Result<(), Error> {
        // A second signal means now: every step can be left in the middle, `resume` finds its way from there.
        let mut impatient = self.interrupt.clone();
        let result = tokio::select! {
            result = self.steps() => result,
            () = impatient.twice() => Err("interrupted twice".into()),
        };
        match result {
            Ok(outcome) => self.end(&outcome),
            Err(reason) => Err(Error::HalfDone { app: self.app.name().to_string(), reason }),
        }
    }

    async fn steps(&mut self) -> Result<Outcome, String> {
        self.before = Held::look(self.app).ok();
        for _ in 0..STEPS_AT_MOST {
            self.observe().await.map_err(|error| error.to_string())?;
            match next(&self.desired, &self.observed) {
                Next::Do(step) => self.step(step).await?,
                Next::Done(outcome) => {
                    let began = Instant::now();
                    let detail = self.record(&outcome).map_err(|fault| fault.reason)?;
                    self.report.done(Step::Record.name(), began.elapsed(), &detail);
                    return Ok(outcome);
                }
            }
        }
        Err("the slots change while they are looked at".into())
    }

    async fn observe(&mut self) -> Result<(), SystemdError> {
        let found = World::look(self.app, self.systemd).await?.observed();
        let Observed { verified, watched, .. } = std::mem::take(&mut self.observed);
        self.observed = Observed { verified, watched, ..found };
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<(), String> {
        let began = Instant::now();
        match self.execute(step).await {
            Ok(detail) => self.report.done(step.name(), began.elapsed(), &detail),
            Err(fault) => {
                self.report.failed(step.name(), began.elapsed(), &fault.reason);
                if self.desired.failed.is_some() {
                    return Err(format!("{} failed: {}", step.name(), fault.reason));
                }
                self.log = fault.log;
                self.desired.failed = Some(fault.reason);
                history::remember(self.app, &self.desired).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    async fn execute(&mut self, step: Step) -> Result<String, Fault> {
        let new = self.desired.into.clone();
        let old = self.desired.from.clone().unwrap_or_else(|| new.clone());
        match step {
            Step::Clear => self.clear(&new).await,
            Step::Link => self.link(&new),
            Step::Hold => self.hold(&new),
            Step::Start => self.start(&new).await,
            Step::Revive => self.start(&old).await,
            Step::Probe => self.probe(&new).await,
            Step::Commit => self.commit(&new).await,
            Step::Return => self.commit(&old).await,
            Step::Open => self.open(&new).await,
            Step::Reopen => self.reopen(&old).await,
            Step::Close => self.close(&old).await,
            Step::Watch => self.watch(&new).await,
            Step::Retire => self.stop(&old, "drained and stopped").await,
            Step::Withdraw => self.stop(&new, "stopped").await,
            Step::Disable => self.disable(&new).await,
            Step::Record => Ok(String::new()),
        }
    }

    async fn clear(&mut self, slot: &SlotName) -> Result<String, Fault> {
        if self.started.is_some() {
            return Err(self.death(slot, "after READY=1").await);
        }
        self.stop(slot, "stopped what was left in it").await
    }

    fn link(&self, slot: &SlotName) -> Result<String, Fault> {
        let release =
            self.desired.release.as_ref().ok_or_else(|| Fault::new("no release to link"))?;
        release::link(&self.app.slot_link(slot), release)?;
        Ok(format!("{slot} -> {release}"))
    }

    fn hold(&self, slot: &SlotName) -> Result<String, Fault> {
        files::write(&self.app.env_path(slot), b"SOCKACT_GATE=closed\n")?;
        Ok(format!("{slot} will start with a closed gate"))
    }

    async fn start(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let unit = self.app.slot_unit(slot);
        let limit = self.app.start_timeout();
        self.report
            .waits("start", &format!("waiting for READY=1 of {slot}, at most {}", human(limit)));
        let began = Instant::now();
        self.started = Some(began);
        let job = self.systemd.start(unit.as_ref(), limit + GRACE);
        let result = tokio::select! {
            result = job => Ok(result),
            () = self.interrupt.once() => Err(Fault::new("interrupted")),
        };
        self.account.waited(began.elapsed());
        match result? {
            Ok(()) => Ok(format!("{slot} said READY=1")),
            Err(SystemdError::Job { .. }) => Err(self.death(slot, "before READY=1").await),
            Err(error) => Err(error.into()),
        }
    }

    /// What the slot died of, with its last words.
    async fn death(&self, slot: &SlotName, when: &str) -> Fault {
        let unit = self.app.slot_unit(slot);
        let words = match self.systemd.ending(unit.as_ref()).await {
            Ok(ending) => ending.words(),
            Err(error) => format!("died ({error})"),
        };
        // Stopped first, so that the log does not fill with further starts while it is read.
        let _ = self.systemd.stop(unit.as_ref(), self.stop_limit()).await;
        Fault { reason: format!("{slot} {words} {when}"), log: self.log_of(slot) }
    }

    fn log_of(&self, slot: &SlotName) -> Vec<String> {
        let ago = self.started.map(|at| at.elapsed()).unwrap_or_else(|| self.account.total());
        let since = Timestamp::now().checked_sub(ago).unwrap_or_else(|_| Timestamp::now());
        last_words(self.app.slot_unit(slot).as_ref(), since)
    }

    async fn probe(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let (health, swap) = (self.app.health(), self.app.swap());
        // A release that was live before has been proven: one healthy answer says that it is up.
        let stable = match self.desired.command {
            Command::Rollback => Duration::ZERO,
            _ => swap.stable,
        };
        self.report.waits(
            "probe",
            &format!(
                "{} of {slot} must stay healthy for {}, within {}",
                health.path,
                human(stable),
                human(swap.deadline)
            ),
        );
        let hold = Hold::new(stable, FAILURES);
        let healthy = self.healthy(slot, hold, Some(swap.deadline)).await?;
        let invocation = self.systemd.unit(self.app.slot_unit(slot).as_ref()).await?.invocation;
        self.observed.verified = invocation;
        self.account.waited(stable);
        Ok(format!("{} of {slot} was healthy {healthy} times in a row", health.path))
    }

    async fn watch(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let time = self.app.swap().watch;
        let standby =
            self.desired.from.as_ref().map_or(String::new(), |old| format!("; {old} stands by"));
        self.report.waits("watch", &format!("{slot} serves for {}{standby}", human(time)));
        let hold = Hold::new(time, FAILURES);
        let healthy = self.healthy(slot, hold, None).await?;
        self.observed.watched = true;
        self.account.waited(time);
        Ok(format!("{slot} was healthy {healthy} times while it served"))
    }

    /// Asks for the slot's health until it held. The slot's death is seen when it happens, not at the next question.
    async fn healthy(
        &mut self,
        slot: &SlotName,
        mut hold: Hold,
        deadline: Option<Duration>,
    ) -> Result<u32, Fault> {
        let unit = self.app.slot_unit(slot);
        let admin = Admin::new(self.app.admin_path(slot));
        let health = self.app.health().clone();
        let mut changes = self.systemd.changes(unit.as_ref()).await?;
        let run = self.systemd.unit(unit.as_ref()).await?.invocation;
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
                _ = futures_util::StreamExt::next(&mut changes) => {
                    self.alive(slot, run.as_ref()).await?;
                    continue;
                }
                () = self.interrupt.once() => return Err(Fault::new("interrupted")),
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

    async fn alive(&self, slot: &SlotName, run: Option<&Invocation>) -> Result<(), Fault> {
        let unit = self.systemd.unit(self.app.slot_unit(slot).as_ref()).await?;
        if unit.active == Active::Active && unit.invocation.as_ref() == run {
            return Ok(());
        }
        Err(self.death(slot, "while it was watched").await)
    }

    async fn commit(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let unit = self.app.slot_unit(slot);
        self.systemd.point_alias(unit.as_ref()).await?;
        let held = Held::look(self.app)?;
        if let Some(before) = &self.before {
            held.same_as(before, self.app)?;
        }
        let names: Vec<_> = held.iter().map(|(name, _)| name.to_string()).collect();
        Ok(format!("{} -> {unit}; PID 1 still holds {}", self.app.alias(), names.join(", ")))
    }

    async fn disable(&mut self, slot: &SlotName) -> Result<String, Fault> {
        self.systemd.drop_alias(self.app.slot_unit(slot).as_ref()).await?;
        Ok(format!("{} is gone; connections wait", self.app.alias()))
    }

    /// The file first: from now on a restart of the slot comes back open.
    async fn open(&mut self, slot: &SlotName) -> Result<String, Fault> {
        files::remove(&self.app.env_path(slot))?;
        Admin::new(self.app.admin_path(slot)).set_gate(1.0).await?;
        Ok(format!("{slot} accepts"))
    }

    /// An old slot that gives no answer may be restarting: it comes back open, because the file is gone.
    async fn reopen(&mut self, slot: &SlotName) -> Result<String, Fault> {
        files::remove(&self.app.env_path(slot))?;
        match Admin::new(self.app.admin_path(slot)).set_gate(1.0).await {
            Ok(_) => Ok(format!("{slot} accepts again")),
            Err(error) => Ok(format!("{slot} will start with an open gate ({error})")),
        }
    }

    /// The file first: a standby that crashes comes back as a standby.
    async fn close(&mut self, slot: &SlotName) -> Result<String, Fault> {
        files::write(&self.app.env_path(slot), b"SOCKACT_GATE=closed\n")?;
        match Admin::new(self.app.admin_path(slot)).set_gate(0.0).await {
            Ok(status) => Ok(format!("{slot} stands by, {} connections open", status.connections)),
            Err(error) => Ok(format!("{slot} gives no answer, it will start closed ({error})")),
        }
    }

    fn stop_limit(&self) -> Duration {
        self.app.swap().drain + GRACE
    }

    async fn stop(&mut self, slot: &SlotName, done: &str) -> Result<String, Fault> {
        let unit = self.app.slot_unit(slot);
        if let Ok(status) = Admin::new(self.app.admin_path(slot)).status().await {
            let drain = human(self.app.swap().drain);
            let left = status.connections;
            self.report
                .waits("drain", &format!("{slot} has {left} connections open, at most {drain}"));
        }
        let began = Instant::now();
        let stopped = self.systemd.stop(unit.as_ref(), self.stop_limit()).await;
        self.account.waited(began.elapsed());
        stopped?;
        self.systemd.reset_failed(unit.as_ref()).await?;
        Ok(format!("{slot} {done}"))
    }

    /// Old releases that cannot be removed are a pity, not a failed deploy.
    fn record(&self, outcome: &Outcome) -> Result<String, Fault> {
        let entry = Entry::new(&self.desired, outcome, crate::lock::user());
        history::append(self.app, &entry)?;
        let linked: Vec<_> =
            self.app.slots().iter().filter_map(|slot| linked(&self.app.slot_link(slot))).collect();
        let pruned = release::prune(&self.app.releases_dir(), self.app.keep(), &linked);
        history::forget(self.app)?;
        Ok(match pruned {
            Ok(0) => "history written".into(),
            Ok(n) => format!("history written, {n} old releases removed"),
            Err(error) => format!("history written; old releases stay: {error}"),
        })
    }

    fn end(self, outcome: &Outcome) -> Result<(), Error> {
        let app = self.app.name();
        let what = described(&self.desired);
        let (total, own, peak) = (self.account.total(), self.account.own(), peak_memory_kib());
        let object = |word: &str| {
            json!({
                "app": app.as_ref(), "outcome": word, "release": self.desired.release, "slot": self.desired.into.as_ref(),
                "reason": self.desired.failed, "took_ms": total.as_millis() as u64,
                "own_ms": own.as_secs_f64() * 1e3, "peak_memory_kib": peak,
            })
        };
        let cost = format!(
            "{}; sockctl's own share {}, its peak memory {:.1} MiB",
            human(total),
            human(own),
            peak as f64 / 1024.0
        );
        let (reason, consequence, rolled_back) = match outcome {
            Outcome::Live => {
                let text = format!("{app}: {what} is live in {} after {cost}", self.desired.into);
                self.report.end(&text, object("live"));
                return Ok(());
            }
            Outcome::RolledBack(reason) => {
                let old = self.desired.from.as_ref().map_or("?", |slot| slot.as_ref());
                self.report.end(&format!("{app}: rolled back after {cost}"), object("rolled-back"));
                (reason, format!("{old} serves, as before"), true)
            }
            Outcome::Undone(reason) => {
                self.report.end(&format!("{app}: undone after {cost}"), object("undone"));
                (reason, "nothing is deployed yet; connections wait".to_owned(), false)
            }
        };
        Err(Error::GivenUp {
            app: app.to_string(),
            attempt: what,
            reason: reason.clone(),
            consequence,
            rolled_back,
            log: self.log,
        })
    }
}

/// The release in words.
pub fn described(desired: &Desired) -> String {
    match &desired.release {
        Some(release) => format!("release {release}"),
        None => "the installed program".into(),
    }
}
