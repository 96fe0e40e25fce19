//! The commands: each looks, decides what is wished, and lets [`crate::deploy`] do it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::json;
use sockgen::{App, SlotName};
use tokio::sync::oneshot;

use crate::canary::Canary;
use crate::deploy::{Deploy, described};
use crate::error::Error;
use crate::files::FileError;
use crate::history;
use crate::journal::Journal;
use crate::lock::{self, Lock};
use crate::plan::{Desired, Step};
use crate::release::{self, Limits, ReleaseId, StageError, Staged};
use crate::report::{Account, Report};
use crate::signals::Interrupt;
use crate::systemd::Systemd;
use crate::wish::{Asked, Wish, exec_in_release, ready, refused, wish};
use crate::world::World;

/// What every command that changes something needs.
#[derive(Debug)]
pub struct Session<'a> {
    pub(crate) app: &'a App,
    pub(crate) report: &'a Report,
    pub(crate) systemd: Systemd,
    pub(crate) interrupt: Interrupt,
    pub(crate) account: Account,
    pub(crate) journal: Journal,
    /// How long the copy of the release took, and what it gave.
    pub(crate) staged: Option<(Duration, String)>,
    _lock: Lock,
}

impl<'a> Session<'a> {
    /// Takes the lock and connects to systemd.
    ///
    /// # Errors
    /// When somebody else deploys, or systemd cannot be reached.
    pub async fn begin(app: &'a App, report: &'a Report, typed: &str) -> Result<Self, Error> {
        let account = Account::begin();
        // A deploy takes milliseconds of work and should not queue behind the load that it is there for. Refused to plain users.
        let _ = rustix::process::nice(-10);
        let systemd = Systemd::connect(app.place()).await?;
        // Before the lock: whoever reads its holder's name may send a signal.
        let interrupt = Interrupt::listen().map_err(|source| FileError {
            doing: "listen for signals in",
            path: "/".into(),
            source,
        })?;
        let lock = lock::take(&app.lock_path(), typed)?;
        let slots: Vec<_> = app.slots().iter().map(|slot| app.slot_unit(slot)).collect();
        systemd.keep(&slots.iter().map(AsRef::as_ref).collect::<Vec<_>>()).await;
        let journal = Journal::open();
        Ok(Self { app, report, systemd, interrupt, account, journal, staged: None, _lock: lock })
    }

    /// `sockctl deploy APP PATH`.
    ///
    /// # Errors
    /// Those of staging, and those of [`Deploy::run`].
    pub async fn deploy(mut self, source: &Path, canary: Option<Canary>) -> Result<(), Error> {
        let exec = exec_in_release(self.app)?;
        ready(self.app, &self.systemd).await?;
        let staged = self.stage(source, exec).await?;
        // The copy may have taken minutes.
        let world = ready(self.app, &self.systemd).await?;
        let wish = wish(self.app, &world, Asked::Deploy(staged.id), canary)?;
        self.go(wish).await
    }

    /// Copies the release, on a thread of its own, so that Ctrl-C is heard.
    async fn stage(&mut self, source: &Path, exec: &Path) -> Result<Staged, Error> {
        let began = Instant::now();
        let stop = Arc::new(AtomicBool::new(false));
        let (from, exec, releases) = (source.to_owned(), exec.to_owned(), self.app.releases_dir());
        let (seen, limits) = (Arc::clone(&stop), Limits::of(self.app));
        let (done, copied) = oneshot::channel();
        // Not one of the runtime's threads: it would wait for a read that hangs before it ends.
        std::thread::spawn(move || {
            done.send(release::stage(&from, &exec, &releases, limits, &seen))
        });
        tokio::pin!(copied);
        self.report.busy("stage", format!("reading {}", source.display()));
        let (mut interrupt, mut impatient) = (self.interrupt.clone(), self.interrupt.clone());
        let staged = tokio::select! {
            staged = &mut copied => staged,
            never = self.report.ticks() => match never {},
            () = interrupt.once() => {
                stop.store(true, Relaxed);
                tokio::select! {
                    staged = &mut copied => staged,
                    () = impatient.twice() => Ok(Err(StageError::Interrupted)),
                }
            }
        };
        // A thread that panicked has said so.
        let staged = staged.unwrap_or(Err(StageError::Interrupted))?;
        let mib = staged.bytes as f64 / 1048576.0;
        let known = if staged.known { ", staged before" } else { "" };
        let private = match staged.private {
            0 => String::new(),
            n => {
                format!("; {n} private files or directories of it can be read by every user there")
            }
        };
        let detail = format!("release {}, {mib:.1} MiB{known}{private}", staged.id);
        self.report.done(Step::Stage.name(), began.elapsed(), &detail);
        self.staged = Some((began.elapsed(), detail));
        Ok(staged)
    }

    /// `sockctl restart APP`.
    ///
    /// # Errors
    /// When nothing is live, and those of [`Deploy::run`].
    pub async fn restart(self, canary: Option<Canary>) -> Result<(), Error> {
        let world = ready(self.app, &self.systemd).await?;
        let wish = wish(self.app, &world, Asked::Restart, canary)?;
        self.go(wish).await
    }

    /// `sockctl rollback APP [RELEASE]`.
    ///
    /// # Errors
    /// When there is no such release, and those of [`Deploy::run`].
    pub async fn rollback(self, release: Option<ReleaseId>) -> Result<(), Error> {
        let world = ready(self.app, &self.systemd).await?;
        let wish = wish(self.app, &world, Asked::Rollback(release), None)?;
        self.go(wish).await
    }

    /// `sockctl resume APP`.
    ///
    /// # Errors
    /// Those of [`Deploy::run`].
    pub async fn resume(self) -> Result<(), Error> {
        let Some(desired) = history::remembered(self.app)? else {
            let world = World::look(self.app, &self.systemd).await?;
            let live = world
                .live
                .as_ref()
                .map_or("nothing is deployed yet".into(), |s| format!("{s} is live"));
            let text = format!("{}: nothing to resume; {live}", self.app.name());
            self.report.end(&text, json!({"app": self.app.name().as_ref(), "outcome": "nothing"}));
            return Ok(());
        };
        let target = self.app.target();
        if !World::look(self.app, &self.systemd).await?.listening() {
            return Err(refused(
                format!("{target} was stopped meanwhile, so nobody listens"),
                format!(
                    "run `{} start {target}`, then this again",
                    self.app.place().typed("systemctl")
                ),
            ));
        }
        self.run(desired).await
    }

    async fn go(self, wish: Wish) -> Result<(), Error> {
        match wish {
            Wish::Nothing(release) => {
                let name = self.app.name();
                let object =
                    json!({"app": name.as_ref(), "outcome": "nothing", "release": release});
                let text = format!("{name}: nothing to do, release {release} is live");
                self.report.end(&text, object);
                Ok(())
            }
            Wish::Deploy(desired) => {
                history::remember(self.app, &desired)?;
                self.run(*desired).await
            }
        }
    }

    pub(crate) async fn run(self, desired: Desired) -> Result<(), Error> {
        let app = self.app;
        let from =
            desired.from.as_ref().map_or("nothing is live yet".into(), |slot| live(app, slot));
        let into = &desired.into;
        let text = format!(
            "{}: {} of {} into {into}; {from}",
            app.name(),
            desired.command.name(),
            described(&desired)
        );
        self.report.begin(
            &text,
            json!({
                "app": app.name().as_ref(), "command": desired.command, "release": desired.release,
                "into": into.as_ref(), "from": desired.from.as_ref().map(AsRef::as_ref),
            }),
        );
        Deploy::new(self, desired).run().await
    }
}

fn live(app: &App, slot: &SlotName) -> String {
    match release::linked(&app.slot_link(slot)) {
        Some(release) => format!("{slot} serves release {release}"),
        None => format!("{slot} serves"),
    }
}
