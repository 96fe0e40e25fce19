//! What is done with a deploy that is not finished: `promote` lets its canary go on, `abort` undoes it, `resume` goes on with it.
//!
//! A controller at work holds the lock. It is told by a signal, and does itself what was asked.

use rustix::process::Signal;
use serde_json::json;
use sockgen::{App, Share};

use crate::commands::Session;
use crate::deploy::described;
use crate::error::{Error, Serves};
use crate::files::FileError;
use crate::history;
use crate::lock::{self, Holder, LockError};
use crate::plan::Desired;
use crate::report::Report;
use crate::systemd::Systemd;
use crate::wish::refused;
use crate::world::World;

/// `sockctl promote APP`: the canary goes on to its next share, or all the way.
///
/// # Errors
/// When no canary is in place, and those of the deploy that goes on.
pub async fn promote(
    app: &App,
    report: &Report,
    typed: &str,
    all_the_way: bool,
) -> Result<(), Error> {
    match Session::begin(app, report, typed).await {
        Err(Error::Lock(LockError::Held { holder: Some(holder) })) => {
            let (_, share) = canary(app, &Systemd::connect(app.place()).await?).await?;
            let signal = if all_the_way { Signal::USR2 } else { Signal::USR1 };
            told(app, &holder, signal)?;
            let text = format!("{}: told pid {} to go on from {share}", app.name(), holder.pid);
            report.end(
                &text,
                json!({"app": app.name().as_ref(), "outcome": "told", "pid": holder.pid}),
            );
            Ok(())
        }
        session => {
            let session = session?;
            let (mut desired, share) = canary(app, &session.systemd).await?;
            if let Some(canary) = &mut desired.canary {
                canary.promote(share, all_the_way);
            }
            history::remember(app, &desired)?;
            session.run(desired).await
        }
    }
}

/// The canary that is in place, and its share.
async fn canary(app: &App, systemd: &Systemd) -> Result<(Desired, Share), Error> {
    let name = app.name();
    let none = |hint: String| refused(format!("{name} has no canary"), hint);
    let Some(desired) = history::remembered(app)? else {
        return Err(none(format!("`sockctl deploy {name} PATH --until canary` makes one")));
    };
    let world = World::look(app, systemd).await?;
    let slot = world.observed().slots.remove(&desired.into).unwrap_or_default();
    let canary = desired.canary.as_ref().filter(|_| desired.failed.is_none() && slot.held);
    match canary.and_then(|canary| canary.at(slot.gate)) {
        Some(share) => Ok((desired, share)),
        None => Err(none(format!(
            "{} of {} into {} has got to another step: `sockctl status {name}`, then `resume` or `abort`",
            desired.command.name(),
            described(&desired),
            desired.into
        ))),
    }
}

/// `sockctl abort APP`: undoes the deploy that is under way, or was interrupted.
///
/// # Errors
/// When it was too late, and when a step on the way back failed.
pub async fn abort(app: &App, report: &Report, typed: &str) -> Result<(), Error> {
    let before = history::read(app)?.len();
    let session = match Session::begin(app, report, typed).await {
        Err(Error::Lock(LockError::Held { holder: Some(holder) })) => {
            told(app, &holder, Signal::INT)?;
            let what = format!("told pid {} to go back ({})", holder.pid, holder.command);
            report.waits("abort", &what);
            tokio::select! {
                ended = await_end(app, typed) => ended?,
                never = report.ticks() => match never {},
            }
            Session::begin(app, report, typed).await?
        }
        session => session?,
    };
    if let Some(mut desired) = history::remembered(app)? {
        desired.failed.get_or_insert(format!("aborted by {}", lock::user()));
        history::remember(app, &desired)?;
        let end = session.run(desired).await;
        let name = app.name().as_ref();
        let text = match &end {
            Err(Error::GivenUp { serves: Serves::Old | Serves::None, consequence, .. }) => {
                format!("{name}: aborted; {consequence}")
            }
            _ => return end,
        };
        report.end(&text, json!({"app": name, "outcome": "aborted"}));
        return Ok(());
    }
    ended(app, report, before)
}

/// The controller went its way back itself, or had come to its end before.
fn ended(app: &App, report: &Report, before: usize) -> Result<(), Error> {
    let name = app.name();
    let entries = history::read(app)?;
    let (outcome, text) = match entries.get(before..).and_then(<[_]>::last) {
        Some(entry) if matches!(&*entry.outcome, "live" | "kept") => {
            let hint = match &*entry.outcome {
                "live" => format!("`sockctl rollback {name}` leads back"),
                _ => "what served before does not start any more".into(),
            };
            return Err(refused(
                format!("it was too late: the deploy came to its end, {} is live", entry.slot),
                hint,
            ));
        }
        Some(entry) => ("aborted", format!("aborted: {}", entry.outcome)),
        None => ("nothing", "nothing to abort".to_owned()),
    };
    report.end(&format!("{name}: {text}"), json!({"app": name.as_ref(), "outcome": outcome}));
    Ok(())
}

fn told(app: &App, holder: &Holder, signal: Signal) -> Result<(), Error> {
    Ok(lock::signal(&app.lock_path(), holder, signal)?)
}

/// Waits for the end of whoever holds the lock; on a thread, so that Ctrl-C is heard.
async fn await_end(app: &App, typed: &str) -> Result<(), Error> {
    let (path, typed) = (app.lock_path(), typed.to_owned());
    let waiting = path.clone();
    let (done, free) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(lock::wait(&waiting, &typed).map(drop)));
    let gone = |_| FileError::of("wait for", &path)(std::io::Error::other("the thread is gone"));
    Ok(free.await.map_err(gone)??)
}
