//! From what was typed and what is there to a wish, or to the reason against it. Changes nothing.

use std::time::Duration;

use jiff::Timestamp;
use sockgen::{App, Exec, Listener, generator};

use crate::canary::Canary;
use crate::deploy::described;
use crate::error::Error;
use crate::history;
use crate::listen::{endangered, unopened};
use crate::plan::{Active, Command, Desired};
use crate::release::{self, ReleaseId};
use crate::report::monotonic_us;
use crate::sockets::Held;
use crate::systemd::Systemd;
use crate::world::World;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// This release, which is staged or would be.
    Deploy(ReleaseId),
    /// What is live, in a new process.
    Restart,
    /// This release, or the one that was live before.
    Rollback(Option<ReleaseId>),
}

/// What follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// The release is live already.
    Nothing(ReleaseId),
    /// A deploy.
    Deploy(Box<Desired>),
}

/// The world, when a deploy may begin in it: no other one is unfinished, and PID 1 holds every socket.
///
/// # Errors
/// [`Error::Refused`] says what is in the way.
pub async fn ready(app: &App, systemd: &Systemd) -> Result<World, Error> {
    let name = app.name();
    if let Some(unfinished) = history::remembered(app)? {
        let hint = match &unfinished.canary {
            Some(canary) if canary.stay && unfinished.failed.is_none() => {
                format!(
                    "its canary waits: `sockctl promote {name}` or `sockctl abort {name}` first"
                )
            }
            _ => format!(
                "run `sockctl resume {name}` first: it finishes or undoes it; `sockctl abort {name}` undoes it"
            ),
        };
        return Err(refused(
            format!(
                "{} of {} into {} is not finished",
                unfinished.command.name(),
                described(&unfinished),
                unfinished.into
            ),
            hint,
        ));
    }
    let world = World::look(app, systemd).await?;
    if let Some(missing) = world.slots.iter().find(|slot| slot.unit.load != "loaded") {
        return Err(refused(
            format!("{} is not installed", app.slot_unit(&missing.name)),
            "run `sockgen install` with the application's manifest".into(),
        ));
    }
    if let Some(foreign) = &world.foreign_alias {
        return Err(refused(
            format!("{} is an alias of {foreign}, which is no slot of {name}", app.alias()),
            format!(
                "`{} disable {foreign}` takes it away, if nobody needs it",
                app.place().typed("systemctl")
            ),
        ));
    }
    if !world.listening() {
        let target = app.target();
        return Err(refused(
            format!("{target} is not active, so nobody listens"),
            format!("run `{} enable --now {target}`", app.place().typed("systemctl")),
        ));
    }
    let unopened = unopened(app, systemd).await?;
    let open = |listener: &Listener| !unopened.contains(&listener);
    Held::look_at(app, systemd.pid(), open)?;
    // The commit's reload is the first to read it.
    if let Some(lost) = endangered(app, systemd, open).await? {
        return Err(refused(
            would_close(lost),
            format!("put that address back first: `sockctl doctor {name}` says how"),
        ));
    }
    if let (Some(live), Some(other)) = (world.live_slot(), world.accepting())
        && !live.unit.active.serves()
    {
        let (systemctl, unit) = (app.place().typed("systemctl"), app.slot_unit(&other.name));
        let start = format!("`{systemctl} start {}`", app.slot_unit(&live.name));
        // systemd enables nothing that a generator made.
        let hint = match generator::is_made(app.place(), unit.as_ref()) {
            true => start,
            false => format!(
                "`{systemctl} enable --force {unit}` makes {} the live one; or {start}",
                other.name
            ),
        };
        return Err(refused(
            format!("{} is the live slot and does not run, while {} serves", live.name, other.name),
            hint,
        ));
    }
    Ok(world)
}

/// What is to be done for what was asked.
///
/// # Errors
/// [`Error::Refused`] when it cannot be done in this world.
pub fn wish(app: &App, world: &World, asked: Asked, canary: Option<Canary>) -> Result<Wish, Error> {
    let live = world.live_slot().ok_or_else(|| nothing_live(app));
    let (command, release) = match asked {
        Asked::Deploy(release) => (Command::Deploy, Some(release)),
        Asked::Restart => (Command::Restart, live?.release.clone()),
        Asked::Rollback(wanted) => {
            let live = live?.release.as_ref().ok_or_else(|| no_release(app))?;
            (Command::Rollback, Some(back_to(app, live, wanted)?))
        }
    };
    let serves =
        |slot: &&crate::world::Slot| slot.unit.active == Active::Active && slot.release == release;
    if command != Command::Restart
        && world.live_slot().filter(serves).is_some()
        && let Some(release) = release
    {
        return Ok(Wish::Nothing(release));
    }
    if command != Command::Deploy {
        has_exec(app, release.as_ref())?;
    }
    let back = command == Command::Rollback;
    let next = world.next_slot(release.as_ref().filter(|_| back)).ok_or_else(|| {
        refused("there is no idle slot".into(), "the manifest needs two slots".into())
    })?;
    let from = world.serving().map(|slot| slot.name.clone());
    if canary.as_ref().is_some_and(|canary| canary.stay) && from.is_none() {
        return Err(refused(
            "nothing is live, so there is nobody to give the other connections to".into(),
            "the first deploy has no canary: leave `--until` out".into(),
        ));
    }
    // A warm standby that already runs the wanted release is taken as it is, but only for a rollback.
    let (stale, warm) = match &next.unit.invocation {
        run if !back => (run.clone(), None),
        run if next.is_standby() && proven(app, release.as_ref())? => (None, run.clone()),
        _ => (None, None),
    };
    Ok(Wish::Deploy(Box::new(Desired {
        version: 1,
        command,
        release,
        into: next.name.clone(),
        from,
        stale,
        warm,
        canary,
        // What was rolled back is not kept for its users.
        keep_warm: if back { Duration::ZERO } else { app.swap().keep_warm },
        failed: None,
        since: Timestamp::now().as_second(),
        since_us: monotonic_us(),
    })))
}

/// Whether the release was live before.
fn proven(app: &App, release: Option<&ReleaseId>) -> Result<bool, Error> {
    let Some(release) = release else { return Ok(false) };
    Ok(history::was_live(&history::read(app)?, release))
}

/// Refuses to put releases into an application that runs an installed program.
///
/// # Errors
/// [`Error::Refused`] with the way to do it.
pub fn exec_in_release(app: &App) -> Result<&std::path::Path, Error> {
    match app.exec() {
        Exec::Release(exec) => Ok(exec),
        Exec::Program(_) => Err(program_of_the_administrator(app)),
    }
}

fn back_to(app: &App, live: &ReleaseId, wanted: Option<ReleaseId>) -> Result<ReleaseId, Error> {
    let previous = || history::previous(&history::read(app).ok()?, live);
    let wanted = wanted.or_else(previous).ok_or_else(|| {
        refused("no release was live before this one".into(), "deploy another one".into())
    })?;
    let staged = release::list(&app.releases_dir())?;
    if staged.contains(&wanted) {
        return Ok(wanted);
    }
    let there: Vec<_> = staged.iter().map(ToString::to_string).collect();
    Err(refused(
        format!("release {wanted} is not on this machine any more"),
        format!("there are: {}", there.join(", ")),
    ))
}

/// Refuses to start what has not got the manifest's program.
fn has_exec(app: &App, release: Option<&ReleaseId>) -> Result<(), Error> {
    let Exec::Release(exec) = app.exec() else { return Ok(()) };
    let release = release.ok_or_else(|| no_release(app))?;
    if app.releases_dir().join(release.to_string()).join(exec).is_file() {
        return Ok(());
    }
    Err(refused(
        format!("release {release} has no {}, which the manifest names as `exec`", exec.display()),
        format!("`sockctl deploy {} PATH` with one that has it", app.name()),
    ))
}

/// No release is live: the program is the administrator's, or was when it was started.
fn no_release(app: &App) -> Error {
    let Exec::Release(exec) = app.exec() else { return program_of_the_administrator(app) };
    refused(
        format!("no release is live, and the manifest names {} in one as `exec`", exec.display()),
        format!("`sockctl deploy {} PATH` with one that has it", app.name()),
    )
}

fn program_of_the_administrator(app: &App) -> Error {
    let name = app.name();
    refused(
        format!("{name} runs a program that the administrator installs"),
        format!("install the version that you want, then run `sockctl restart {name}`"),
    )
}

fn nothing_live(app: &App) -> Error {
    let name = app.name();
    match app.exec() {
        Exec::Release(_) => refused(
            "nothing is deployed yet".into(),
            format!("run `sockctl deploy {name} PATH` first"),
        ),
        Exec::Program(_) => refused(
            format!("{} leads to no slot", app.alias()),
            format!("run `sockctl doctor {name}`: it says what puts that right"),
        ),
    }
}

/// What a reload would do to a listener that is [`endangered`].
pub fn would_close(lost: &Listener) -> String {
    let address = &lost.address;
    format!("systemd's reload would close {address}, for its unit has another address on disk")
}

/// [`Error::Refused`] with what was found and what to do.
pub fn refused(what: String, hint: String) -> Error {
    Error::Refused { what, hint }
}
