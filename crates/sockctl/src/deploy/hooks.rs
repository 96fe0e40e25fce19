//! The manifest's hooks: commands that a deploy runs once, each a transient unit beside a slot.
//!
//! The unit is the record: systemd keeps one that succeeded as `active (exited)` and one that failed as `failed`, until the deploy
//! forgets them. Its description says for which wish it ran, so that a later controller waits for it and never runs it twice.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use sockgen::{App, Argv, Exec, SlotName};

use super::{Deploy, Fault, described};
use crate::asker::{Asker, words};
use crate::commands::Session;
use crate::plan::{Active, Command, Desired};
use crate::report::human;
use crate::systemd::{SystemdError, Task};

/// One of the manifest's hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Before the new slot starts.
    Migrate,
    /// Before the old slot is stopped.
    PreStop,
}

impl Hook {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Migrate, Self::PreStop];

    /// The step that runs it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::PreStop => "pre-stop",
        }
    }

    /// The manifest's command.
    pub fn argv(self, app: &App) -> Option<&Argv> {
        match self {
            Self::Migrate => app.hooks().migrate.as_ref(),
            Self::PreStop => app.hooks().pre_stop.as_ref(),
        }
    }

    /// Whether this wish is one for it. A rollback migrates nothing: what was migrated stays, and the earlier release lived with it
    /// while the new one was on trial.
    pub fn wanted(self, app: &App, desired: &Desired) -> bool {
        let new_program = match desired.command {
            Command::Deploy => true,
            // A new version of an installed program comes into service by a restart.
            Command::Restart => matches!(app.exec(), Exec::Program(_)),
            Command::Rollback => false,
        };
        self.argv(app).is_some()
            && match self {
                Self::Migrate => new_program,
                Self::PreStop => desired.from.is_some(),
            }
    }

    /// The unit that runs it.
    pub fn unit(self, app: &App) -> String {
        app.name().task_unit(self.name()).to_string()
    }

    /// Where its programs of a release lie.
    fn home(self, app: &App, desired: &Desired, slot: &SlotName) -> PathBuf {
        match (self, &desired.release) {
            (Self::Migrate, Some(release)) => app.releases_dir().join(release.to_string()),
            _ => app.slot_link(slot),
        }
    }

    fn task(self, app: &App, desired: &Desired, slot: &SlotName) -> Option<Task> {
        let home = self.home(app, desired, slot);
        Some(Task {
            unit: self.unit(app),
            description: description(self, app, desired),
            like: app.slot_unit(slot).to_string(),
            argv: words(self.argv(app)?, &home),
            directory: matches!(app.exec(), Exec::Release(_)).then_some(home),
            environment: Vec::new(),
            timeout: app.hooks().timeout,
            remains: true,
        })
    }
}

/// Two wishes have not the same one.
fn description(hook: Hook, app: &App, desired: &Desired) -> String {
    let (name, what, since) = (app.name(), described(desired), desired.since);
    format!("{name}: {} for the {} of {what} at {since}", hook.name(), desired.command.name())
}

impl Deploy<'_> {
    /// Whether the hook is still to succeed for this wish.
    pub(super) async fn is_due(&self, hook: Hook) -> Result<bool, SystemdError> {
        let app = self.session.app;
        if !hook.wanted(app, &self.desired) {
            return Ok(false);
        }
        let (active, ours) = self.run_of_hook(hook).await?;
        Ok(!(ours && active == Active::Active))
    }

    /// The state of the hook's unit, and whether it is that of this wish.
    async fn run_of_hook(&self, hook: Hook) -> Result<(Active, bool), SystemdError> {
        let (app, systemd) = (self.session.app, &self.session.systemd);
        let unit = hook.unit(app);
        let state = systemd.unit(&unit).await?;
        if state.active == Active::Inactive {
            return Ok((state.active, false));
        }
        let found = systemd.properties(&unit, "Unit").await?.text("Description");
        Ok((state.active, found == Some(description(hook, app, &self.desired))))
    }

    pub(super) async fn hook(&mut self, hook: Hook, slot: &SlotName) -> Result<String, Fault> {
        let app = self.session.app;
        let task = hook.task(app, &self.desired, slot);
        let task = task.ok_or_else(|| Fault::new("the manifest has no such hook any more"))?;
        let argv = hook.argv(app).map_or(String::new(), ToString::to_string);
        let limit = human(task.timeout);
        self.session.report.waits_for(hook.name(), &format!("{argv} runs"), task.timeout);
        let began = Instant::now();
        let mut interrupt = self.session.interrupt.clone();
        let result = tokio::select! {
            result = self.run_once(hook, &task) => result,
            () = interrupt.once() => {
                self.session.systemd.forget(&task.unit, task.timeout).await?;
                return Err(Fault::new(format!("interrupted; {argv} was stopped")));
            }
        };
        self.session.account.waited(began.elapsed());
        match result {
            Ok(()) => Ok(format!("{argv} succeeded")),
            Err(SystemdError::Job { .. }) => {
                let ending = self.session.systemd.ending(&task.unit).await?;
                self.blamed = Some(task.unit);
                Err(Fault::new(match ending.result.as_str() {
                    "timeout" => format!("{argv} did not end within {limit}"),
                    _ => format!("{argv} {}", ending.words()),
                }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Runs it, or waits for the run that an earlier controller began for this wish.
    async fn run_once(&self, hook: Hook, task: &Task) -> Result<(), SystemdError> {
        let systemd = &self.session.systemd;
        match self.run_of_hook(hook).await? {
            (Active::Active, true) => Ok(()),
            // The start job is under way: to ask for it again is to wait for it.
            (Active::Activating, true) => systemd.start(&task.unit, task.timeout).await,
            (Active::Failed, true) => Err(SystemdError::Job {
                verb: "start",
                unit: task.unit.clone(),
                result: "failed".into(),
            }),
            _ => {
                systemd.forget(&task.unit, task.timeout).await?;
                systemd.run(task).await
            }
        }
    }

    /// Stops what runs of the hooks, and lets systemd forget how they ended.
    pub(super) async fn forget_hooks(&self) {
        let Session { app, systemd, .. } = &self.session;
        // A check that was given up on the way to its end.
        if let Some(unit) = Asker::new(app, &self.desired.into, systemd).unit() {
            let _ = systemd.forget(unit, app.health().timeout).await;
        }
        for hook in Hook::ALL {
            if hook.wanted(app, &self.desired) {
                // The next deploy forgets what could not be forgotten now.
                let _ = systemd.forget(&hook.unit(app), app.hooks().timeout).await;
            }
        }
    }

    /// When the wish was made, for the log of a hook that an earlier controller started.
    pub(super) fn wished(&self) -> Timestamp {
        Timestamp::from_second(self.desired.since).unwrap_or_else(|_| Timestamp::now())
    }
}
