//! The commands: each looks, decides what is wished, and lets [`crate::deploy`] do it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;
use sockgen::{App, AppName, Exec, SlotName};

use crate::deploy::{Deploy, described};
use crate::error::Error;
use crate::files::FileError;
use crate::history;
use crate::lock::{self, Lock};
use crate::plan::{Active, Command, Desired};
use crate::release::{self, ReleaseId, Staged};
use crate::report::{Account, Report};
use crate::signals::Interrupt;
use crate::sockets::Held;
use crate::systemd::Systemd;
use crate::world::World;

/// What every command that changes something needs.
#[derive(Debug)]
pub struct Session<'a> {
    pub(crate) app: &'a App,
    pub(crate) report: &'a Report,
    pub(crate) systemd: Systemd,
    pub(crate) interrupt: Interrupt,
    pub(crate) account: Account,
    _lock: Lock,
}

impl<'a> Session<'a> {
    /// Takes the lock and connects to systemd.
    ///
    /// # Errors
    /// When somebody else deploys, or systemd cannot be reached.
    pub async fn begin(app: &'a App, report: &'a Report, typed: &str) -> Result<Self, Error> {
        let account = Account::begin();
        let systemd = Systemd::connect().await?;
        let lock = lock::take(&app.lock_path(), typed)?;
        let interrupt = Interrupt::listen().map_err(|source| FileError {
            doing: "listen for signals in",
            path: "/".into(),
            source,
        })?;
        Ok(Self { app, report, systemd, interrupt, account, _lock: lock })
    }

    /// `sockctl deploy APP PATH`.
    ///
    /// # Errors
    /// Those of staging, and those of [`Deploy::run`].
    pub async fn deploy(self, source: &Path) -> Result<(), Error> {
        let Exec::Release(exec) = self.app.exec() else {
            let name = self.app.name();
            return Err(refused(
                format!("{name} runs a program that the administrator installs"),
                format!("install the new version, then run `sockctl restart {name}`"),
            ));
        };
        let world = self.ready().await?;
        let staged = self.stage(source, exec).await?;
        if self.serves(&world, &staged.id) {
            return self.nothing_to_do(&staged.id);
        }
        self.go(&world, Command::Deploy, Some(staged.id)).await
    }

    /// Copies the release, on a thread of its own, so that Ctrl-C is heard.
    async fn stage(&self, source: &Path, exec: &Path) -> Result<Staged, Error> {
        let began = Instant::now();
        let stop = Arc::new(AtomicBool::new(false));
        let (from, exec, releases) = (source.to_owned(), exec.to_owned(), self.app.releases_dir());
        let seen = Arc::clone(&stop);
        let mut copy =
            tokio::task::spawn_blocking(move || release::stage(&from, &exec, &releases, &seen));
        let mut interrupt = self.interrupt.clone();
        let staged = tokio::select! {
            staged = &mut copy => staged,
            () = interrupt.once() => {
                stop.store(true, Relaxed);
                copy.await
            }
        };
        let staged =
            staged.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let mib = staged.bytes as f64 / 1048576.0;
        let known = if staged.known { ", staged before" } else { "" };
        let private = match staged.private {
            0 => String::new(),
            n => format!("; {n} of its files were private, and every user can read them there"),
        };
        let detail = format!("release {}, {mib:.1} MiB{known}{private}", staged.id);
        self.report.done("stage", began.elapsed(), &detail);
        Ok(staged)
    }

    /// `sockctl restart APP`.
    ///
    /// # Errors
    /// When nothing is live, and those of [`Deploy::run`].
    pub async fn restart(self) -> Result<(), Error> {
        let world = self.ready().await?;
        let name = self.app.name();
        let live = world.live_slot().ok_or_else(|| nothing_deployed(name))?;
        self.go(&world, Command::Restart, live.release.clone()).await
    }

    /// `sockctl rollback APP [RELEASE]`.
    ///
    /// # Errors
    /// When there is no such release, and those of [`Deploy::run`].
    pub async fn rollback(self, wanted: Option<ReleaseId>) -> Result<(), Error> {
        let world = self.ready().await?;
        let name = self.app.name();
        let live = world.live_slot().ok_or_else(|| nothing_deployed(name))?;
        let Some(live) = live.release.clone() else {
            return Err(refused(
                format!("{name} runs a program that the administrator installs"),
                format!("install the earlier version, then run `sockctl restart {name}`"),
            ));
        };
        let staged = release::list(&self.app.releases_dir())?;
        let previous = || history::previous(&history::read(self.app).ok()?, &live);
        let wanted = wanted.or_else(previous).ok_or_else(|| {
            refused("no release was live before this one".into(), "deploy another one".into())
        })?;
        if !staged.contains(&wanted) {
            let there: Vec<_> = staged.iter().map(ToString::to_string).collect();
            return Err(refused(
                format!("release {wanted} is not on this machine any more"),
                format!("there are: {}", there.join(", ")),
            ));
        }
        if self.serves(&world, &wanted) {
            return self.nothing_to_do(&wanted);
        }
        self.go(&world, Command::Rollback, Some(wanted)).await
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
                format!("run `systemctl start {target}`, then this again"),
            ));
        }
        self.run(desired).await
    }

    /// The state in which a deploy may begin: no other one unfinished, and PID 1 holds every socket.
    async fn ready(&self) -> Result<World, Error> {
        let name = self.app.name();
        if let Some(unfinished) = history::remembered(self.app)? {
            return Err(refused(
                format!(
                    "{} of {} into {} was interrupted",
                    unfinished.command.name(),
                    described(&unfinished),
                    unfinished.into
                ),
                format!("run `sockctl resume {name}` first: it finishes or undoes it"),
            ));
        }
        let target = self.app.target();
        let world = World::look(self.app, &self.systemd).await?;
        if let Some(missing) = world.slots.iter().find(|slot| slot.unit.load != "loaded") {
            return Err(refused(
                format!("{} is not installed", self.app.slot_unit(&missing.name)),
                "run `sockgen install` with the application's manifest".into(),
            ));
        }
        if let Some(foreign) = &world.foreign_alias {
            return Err(refused(
                format!(
                    "{} is an alias of {foreign}, which is no slot of {name}",
                    self.app.alias()
                ),
                format!("`systemctl disable {foreign}` takes it away, if nobody needs it"),
            ));
        }
        if !world.listening() {
            return Err(refused(
                format!("{target} is not active, so nobody listens"),
                format!("run `systemctl enable --now {target}`"),
            ));
        }
        Held::look(self.app)?;
        Ok(world)
    }

    fn serves(&self, world: &World, release: &ReleaseId) -> bool {
        world.live_slot().is_some_and(|slot| {
            slot.release.as_ref() == Some(release) && slot.unit.active == Active::Active
        })
    }

    fn nothing_to_do(&self, release: &ReleaseId) -> Result<(), Error> {
        let name = self.app.name();
        let object = json!({"app": name.as_ref(), "outcome": "nothing", "release": release});
        self.report.end(&format!("{name}: nothing to do, release {release} is live"), object);
        Ok(())
    }

    async fn go(
        self,
        world: &World,
        command: Command,
        release: Option<ReleaseId>,
    ) -> Result<(), Error> {
        let Some(idle) = world.idle_slot() else {
            return Err(refused(
                "there is no idle slot".into(),
                "the manifest needs two slots".into(),
            ));
        };
        // A warm standby that already runs the wanted release is taken as it is, but for a restart.
        let warm = command == Command::Rollback;
        let desired = Desired {
            version: 1,
            command,
            release,
            into: idle.name.clone(),
            from: world.serving().map(|slot| slot.name.clone()),
            stale: if warm { None } else { idle.unit.invocation.clone() },
            failed: None,
            since: Timestamp::now().as_second(),
        };
        history::remember(self.app, &desired)?;
        self.run(desired).await
    }

    async fn run(self, desired: Desired) -> Result<(), Error> {
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

fn nothing_deployed(name: &AppName) -> Error {
    refused("nothing is deployed yet".into(), format!("run `sockctl deploy {name} PATH` first"))
}

fn refused(what: String, hint: String) -> Error {
    Error::Refused { what, hint }
}
