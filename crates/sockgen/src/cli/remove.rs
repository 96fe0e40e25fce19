//! `sockgen remove`

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Failure, Report};
use crate::names::AppName;
use crate::place::Place;
use crate::remove::{Found, Request, remove};

#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// The application
    app: String,

    /// Remove it from the image of a machine that lies in this directory
    #[arg(long, value_name = "DIR", conflicts_with = "user")]
    root: Option<PathBuf>,

    /// Remove it from your own systemd
    #[arg(long)]
    user: bool,

    /// Its releases, history and secrets, and the program's own state, cache and logs go, too
    #[arg(long)]
    purge: bool,

    /// Say what would be done
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: Remove) -> Result<Report, Failure> {
    let Remove { app, root, user, purge, dry_run } = args;
    let app: AppName = app
        .parse()
        .map_err(|error: crate::NameError| Failure::usage("APP", &error, error.hint()))?;
    let place = Place::asked(user)
        .map_err(|error| Failure::typed(format!("--user: {error}"), error.hint()))?;
    let request = Request { app, place, root, purge, dry_run };
    let mut say = |what: &str| eprintln!("{what}");
    let found = remove(&request, &mut say).map_err(|error| Failure::new(&error, error.hint()))?;
    Ok(Report::done(text(&request, &found)))
}

fn text(request: &Request, found: &Found) -> String {
    let mut text = String::new();
    if request.dry_run && request.root.is_none() {
        writeln!(text, "would stop {}, if it runs", request.app.target()).expect("memory");
    }
    let verb = if request.dry_run { "would delete" } else { "deleted" };
    let purged = found.state.iter().filter(|_| request.purge);
    let gone = found.links.iter().chain(found.files()).chain(&found.run).chain(purged);
    gone.for_each(|path| writeln!(text, "{verb} {}", path.display()).expect("memory"));
    if !request.purge {
        for path in &found.state {
            writeln!(text, "kept {}", path.display()).expect("memory");
        }
    }
    for path in &found.drop_ins {
        writeln!(text, "kept {}, which an administrator wrote", path.display()).expect("memory");
    }
    if !request.purge && !found.state.is_empty() {
        writeln!(text, "note: what was kept goes with `sockgen remove {} --purge`", request.app)
            .expect("memory");
    }
    text
}
