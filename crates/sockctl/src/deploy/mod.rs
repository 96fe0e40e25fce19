//! Carries a deploy out: observe, ask the plan, do the one step, and again. Decides nothing itself.

mod canary;
mod health;
mod hooks;
mod log;
mod standby;
mod steps;

use std::time::{Duration, Instant};

use serde_json::json;
use sockgen::install::removed;
use sockgen::{Listener, Share};

use crate::commands::Session;
use crate::error::{Error, Serves};
use crate::history;
use crate::journal::{Message, usec};
use crate::listen::unopened;
use crate::metrics;
use crate::plan::{Active, Desired, Invocation, Next, Observed, Outcome, Step, next};
use crate::report::{human, peak_memory_kib};
use crate::sockets::Held;
use crate::systemd::SystemdError;
use crate::world::World;
pub use hooks::Hook;

/// More than systemd's own limit for the job, so that systemd's answer comes first.
const GRACE: Duration = Duration::from_secs(15);

/// A plan has at most one step of each kind, twice when something died in between. More means that it turns in a circle.
const STEPS_AT_MOST: usize = 3 * Step::ALL.len();

/// Why nothing is left to do for this controller.
enum End {
    Done(Outcome),
    /// The canary waits for a person.
    Stays(Share),
}

/// Why a step failed.
struct Fault {
    reason: String,
}

impl Fault {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
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
    session: Session<'a>,
    desired: Desired,
    observed: Observed,
    /// The sockets that PID 1 held when it began.
    before: Option<Held>,
    /// The unit of a hook that failed, whose log says why.
    blamed: Option<String>,
    /// When this controller started the new slot.
    started: Option<Instant>,
    /// The run of the new slot that it opened first: one that died in service and was restarted by systemd is not taken for it.
    opened: Option<Invocation>,
}

impl<'a> Deploy<'a> {
    /// A deploy towards `desired`. The session holds the lock, and the wish is written down.
    pub fn new(session: Session<'a>, desired: Desired) -> Self {
        let observed = Observed::default();
        Self { session, desired, observed, before: None, blamed: None, started: None, opened: None }
    }

    /// Goes all the way.
    ///
    /// # Errors
    /// [`Error::GivenUp`] when the release failed and the way back came to its end, [`Error::HalfDone`] when a step on the way back
    /// failed, or systemd gave no answer.
    pub async fn run(mut self) -> Result<(), Error> {
        self.tell_begin();
        if let Some((took, detail)) = self.session.staged.take() {
            self.tell_step(Step::Stage, took, Ok(&detail));
        }
        // A second signal means now: every step can be left in the middle, `resume` finds its way from there.
        let mut impatient = self.session.interrupt.clone();
        let report = self.session.report;
        let result = tokio::select! {
            result = self.steps() => result,
            never = report.ticks() => match never {},
            () = impatient.twice() => {
                // Who asks twice does not want `resume` to go on with that release.
                self.desired.failed.get_or_insert("interrupted".into());
                let remembered = history::remember(self.session.app, &self.desired);
                Err(remembered.map_or_else(|e| e.to_string(), |()| "interrupted twice".into()))
            }
        };
        match result {
            Ok(End::Done(outcome)) => {
                self.tell_end(&outcome);
                // A pity, not a failed deploy: the next one writes it anew.
                let _ = metrics::write(self.session.app, &self.session.systemd).await;
                self.end(&outcome).await
            }
            Ok(End::Stays(share)) => {
                self.stays(share);
                Ok(())
            }
            Err(reason) => {
                let took = usec(self.session.account.total());
                let fields = [
                    ("SOCKACT_OUTCOME", "half-done"),
                    ("SOCKACT_REASON", &reason),
                    ("SOCKACT_TOOK_USEC", &took),
                ];
                self.tell(Message::HalfDone, &format!("half done: {reason}"), &fields);
                Err(Error::HalfDone { app: self.session.app.name().to_string(), reason })
            }
        }
    }

    async fn steps(&mut self) -> Result<End, String> {
        let report = self.session.report;
        self.look_at_listeners().await.map_err(|error| error.to_string())?;
        for _ in 0..STEPS_AT_MOST {
            if !self.observe().await.map_err(|error| error.to_string())? {
                // Whoever stopped it wants it down: nothing is started against that.
                let target = self.session.app.target();
                return Err(format!("{target} was stopped meanwhile, so nobody listens"));
            }
            match next(&self.desired, &self.observed) {
                Next::Do(step) => self.step(step).await?,
                Next::Stay(share) => {
                    let Some(all_the_way) = self.session.interrupt.promotion() else {
                        return Ok(End::Stays(share));
                    };
                    let into = self.desired.into.clone();
                    let said = self.promoted(&into, share, all_the_way);
                    report.waits("trial", &said.map_err(|fault| fault.reason)?);
                }
                Next::Done(outcome) => {
                    let began = Instant::now();
                    self.forget_hooks().await;
                    let recorded = self.record(&outcome);
                    self.tell_step(Step::Record, began.elapsed(), recorded.as_ref());
                    let detail = recorded.map_err(|fault| fault.reason)?;
                    self.session.report.done(Step::Record.name(), began.elapsed(), &detail);
                    return Ok(End::Done(outcome));
                }
            }
        }
        Err("the slots change while they are looked at".into())
    }

    /// Once: nobody but this controller opens and closes listeners.
    async fn look_at_listeners(&mut self) -> Result<(), Error> {
        let Session { app, systemd, .. } = &self.session;
        let unopened = unopened(app, systemd).await?;
        let open = |listener: &Listener| !unopened.contains(&listener);
        self.before = Held::look_at(app, systemd.pid(), open).ok();
        self.observed.to_listen = !unopened.is_empty();
        // A unit file that cannot be read is `sockgen check`'s to tell.
        self.observed.to_unlisten = removed(app).is_ok_and(|removed| !removed.is_empty());
        Ok(())
    }

    /// Looks at the world again, and says whether systemd still listens.
    async fn observe(&mut self) -> Result<bool, SystemdError> {
        let world = World::look(self.session.app, &self.session.systemd).await?;
        let known = std::mem::take(&mut self.observed);
        let to_migrate = self.is_due(Hook::Migrate).await?;
        let to_pre_stop = self.is_due(Hook::PreStop).await?;
        self.observed = Observed { to_migrate, to_pre_stop, ..world.observed().after(known) };
        Ok(world.listening())
    }

    async fn step(&mut self, step: Step) -> Result<(), String> {
        let began = Instant::now();
        self.tell(
            Message::StepBegins,
            &format!("{} begins", step.name()),
            &[("SOCKACT_STEP", step.name())],
        );
        let done = self.execute(step).await;
        self.tell_step(step, began.elapsed(), done.as_ref());
        match done {
            Ok(detail) => self.session.report.done(step.name(), began.elapsed(), &detail),
            Err(fault) => {
                self.session.report.failed(step.name(), began.elapsed(), &fault.reason);
                // Then it stops where the plan knows no way on, as at any step on the way back that fails.
                if step == Step::Revive && self.observed.goes_on_without_old(&self.desired.into) {
                    return Ok(());
                }
                // The old slot has begun to go: the new one is live and stays it, whatever keeps the old one.
                if self.desired.failed.is_some() || step == Step::Retire {
                    let way_out = self.way_out(step);
                    return Err(format!("{} failed: {}{way_out}", step.name(), fault.reason));
                }
                self.desired.failed = Some(fault.reason);
                history::remember(self.session.app, &self.desired)
                    .map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// What a person can do where trying again does not help: users meet a new slot that is not live, and the old one does not start.
    fn way_out(&self, step: Step) -> String {
        if step != Step::Revive || !self.observed.lost {
            return String::new();
        }
        let (app, new) = (self.session.app, &self.desired.into);
        let (systemctl, unit) = (app.place().typed("systemctl"), app.slot_unit(new));
        format!(
            "\n{new} has users, so it is not stopped; when you would have them wait: `{systemctl} stop {unit}`"
        )
    }

    /// The wish stays written down: `promote` and `abort` go on from it.
    fn stays(&self, share: Share) {
        let (app, into) = (self.session.app.name(), &self.desired.into);
        let sockctl = self.session.app.place().typed("sockctl");
        let object = json!({
            "app": app.as_ref(), "outcome": "canary", "release": self.desired.release,
            "slot": into.as_ref(), "share": share, "took_ms": self.session.account.total().as_millis() as u64,
        });
        let text = format!(
            "{app}: {} stays a canary in {into} with {share} of the connections; nobody watches it now\n\
             `{sockctl} promote {app}` goes on, `{sockctl} abort {app}` withdraws it",
            described(&self.desired)
        );
        self.session.report.end(&text, object);
    }

    async fn end(self, outcome: &Outcome) -> Result<(), Error> {
        let app = self.session.app.name();
        let what = described(&self.desired);
        let account = &self.session.account;
        let (total, own, reload) = (account.total(), account.own(), account.reloading());
        let peak = peak_memory_kib();
        let object = |word: &str| {
            json!({
                "app": app.as_ref(), "outcome": word, "release": self.desired.release, "slot": self.desired.into.as_ref(),
                "reason": self.desired.failed, "took_ms": total.as_millis() as u64,
                "own_ms": own.as_secs_f64() * 1e3, "reload_ms": reload.as_secs_f64() * 1e3,
                "peak_memory_kib": peak,
            })
        };
        let cost = format!(
            "{}; systemd's reload {}, sockctl's own share {}, its peak memory {:.1} MiB",
            human(total),
            human(reload),
            human(own),
            peak as f64 / 1024.0
        );
        let (reason, consequence, serves) = match outcome {
            Outcome::Live => {
                let text = format!("{app}: {what} is live in {} after {cost}", self.desired.into);
                self.session.report.end(&text, object("live"));
                return Ok(());
            }
            Outcome::RolledBack(reason) => {
                let text = format!("{app}: rolled back after {cost}");
                self.session.report.end(&text, object("rolled-back"));
                let old = self.desired.from.as_ref();
                let state = old.and_then(|slot| self.observed.slots.get(slot));
                let old = old.map_or("?", |slot| slot.as_ref());
                if state.is_some_and(|state| state.active == Active::Active) {
                    (reason, format!("{old} serves, as before"), Serves::Old)
                } else {
                    let text = "is live again, but it does not run";
                    (reason, format!("{old} {text}: `sockctl status {app}`"), Serves::None)
                }
            }
            Outcome::Kept(reason) => {
                self.session.report.end(&format!("{app}: kept after {cost}"), object("kept"));
                let (old, new) = (self.desired.from.as_ref(), &self.desired.into);
                let old = old.map_or("?", |slot| slot.as_ref());
                (reason, format!("{old} does not start any more, so {new} stays live"), Serves::New)
            }
            Outcome::Undone(reason) => {
                self.session.report.end(&format!("{app}: undone after {cost}"), object("undone"));
                (reason, "nothing is deployed yet; connections wait".to_owned(), Serves::None)
            }
        };
        let log = match reason.as_str() {
            "interrupted" => Vec::new(),
            _ => self.log_of(&self.desired.into).await,
        };
        Err(Error::GivenUp {
            app: app.to_string(),
            attempt: what,
            reason: reason.clone(),
            consequence,
            serves,
            log,
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
