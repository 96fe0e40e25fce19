//! From what was typed to the command that does it.

mod args;
mod canary;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use sockgen::{App, AppName, Place};

pub use self::args::Cli;
use self::args::{OfApp, Verb};
use crate::commands::Session;
use crate::detach::detach;
use crate::doctor::doctor;
use crate::error::Error;
use crate::logs::logs;
use crate::metrics::metrics;
use crate::plan::Invocation;
use crate::prover::prove;
use crate::release::{Limits, name_of_content};
use crate::report::{Format, Report};
use crate::status::status;
use crate::stop::retire;
use crate::systemd::Systemd;
use crate::unfinished::{abort, promote};
use crate::wish::{Asked, exec_in_release, refused};
use crate::{forecast, gc, listing, watch};

/// Does what was typed.
///
/// # Errors
/// Those of the command.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let format = if cli.json { Format::Json } else { Format::Text };
    let verb = match cli.command {
        Verb::OfApp(verb) => verb,
        Verb::Doctor { app, fix } => {
            return examine(&Place::asked(cli.user)?, app.as_deref(), fix, format).await;
        }
        Verb::Prove { .. } => return Err(prove()),
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "sockctl", &mut std::io::stdout());
            return Ok(());
        }
        Verb::Man => return print(&manual()),
    };
    let name = verb.app().parse::<AppName>()?;
    let place = Place::asked(cli.user)?;
    let load = || App::load(Path::new("/"), &place, &name);
    if cli.detach {
        let word = verb.detachable().ok_or_else(|| {
            let hint =
                "only deploy, restart, rollback, promote, abort, stop and resume take long enough";
            refused("--detach has nothing to do here".into(), hint.into())
        })?;
        return detach(&load()?, word).await;
    }
    carry_out(verb, &load()?, &Report::new(format, cli.pause_after)).await
}

async fn carry_out(verb: OfApp, app: &App, report: &Report) -> Result<(), Error> {
    let format = report.format();
    let begin = async || Session::begin(app, report, &typed()).await;
    match verb {
        OfApp::Deploy { path, canary, .. } => {
            let canary = canary.of(app)?;
            begin().await?.deploy(&path, canary).await
        }
        OfApp::Restart { canary, .. } => {
            let canary = canary.of(app)?;
            begin().await?.restart(canary).await
        }
        OfApp::Rollback { release, .. } => {
            let release = release.map(|release| release.parse()).transpose()?;
            begin().await?.rollback(release).await
        }
        OfApp::Resume { .. } => begin().await?.resume().await,
        OfApp::Stop { disable, .. } => begin().await?.stop(disable).await,
        OfApp::Promote { full, .. } => promote(app, report, &typed(), full).await,
        OfApp::Abort { .. } => abort(app, report, &typed()).await,
        OfApp::Retire { slot, run, .. } => {
            retire(app, report, &slot.parse()?, &Invocation(run), &typed()).await
        }
        OfApp::Plan { path, rollback, canary, .. } => {
            let canary = canary.of(app)?.filter(|_| rollback.is_none());
            let asked = asked(app, path, rollback)?;
            print(forecast::plan(app, asked, canary, format).await?.as_bytes())
        }
        OfApp::History { lines, .. } => print(listing::history(app, lines, format)?.as_bytes()),
        OfApp::Releases { .. } => print(listing::releases(app, format)?.as_bytes()),
        OfApp::Metrics { .. } => {
            print(metrics(app, &Systemd::connect(app.place()).await?).await?.as_bytes())
        }
        OfApp::Gc { dry_run, .. } => print(gc::gc(app, dry_run, &typed(), format)?.as_bytes()),
        OfApp::Logs { slot, follow, .. } => Err(logs(app, slot.as_deref(), follow, format)),
        OfApp::Status { watch: true, .. } => watch::watch(app, format).await,
        OfApp::Status { .. } => print(status(app, format).await?.as_bytes()),
    }
}

/// What `sockctl plan` explains: clap sees to it that it is one of the three.
fn asked(
    app: &App,
    path: Option<PathBuf>,
    rollback: Option<Option<String>>,
) -> Result<Asked, Error> {
    Ok(match (path, rollback) {
        (Some(path), _) => {
            Asked::Deploy(name_of_content(&path, exec_in_release(app)?, Limits::of(app))?)
        }
        (None, Some(release)) => {
            Asked::Rollback(release.map(|release| release.parse()).transpose()?)
        }
        (None, None) => Asked::Restart,
    })
}

async fn examine(place: &Place, app: Option<&str>, fix: bool, format: Format) -> Result<(), Error> {
    let root = Path::new("/");
    let names = match app {
        Some(app) => vec![app.parse::<AppName>()?],
        None => App::installed(root, place)?,
    };
    let mut count = 0;
    for name in names {
        let visit = doctor(&App::load(root, place, &name)?, fix, &typed()).await?;
        print(visit.shown(format).as_bytes())?;
        count += visit.findings();
    }
    if count == 0 { Ok(()) } else { Err(Error::Findings { count }) }
}

fn typed() -> String {
    std::iter::once("sockctl".into()).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

fn manual() -> Vec<u8> {
    let mut page = Vec::new();
    let _ = clap_mangen::Man::new(Cli::command()).render(&mut page);
    page
}

/// A reader that went away is no error.
fn print(bytes: &[u8]) -> Result<(), Error> {
    let _ = std::io::stdout().lock().write_all(bytes);
    Ok(())
}
