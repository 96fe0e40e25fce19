//! What can be typed.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand};
use sockgen::{App, AppName};

use crate::commands::Session;
use crate::error::Error;
use crate::plan::Step;
use crate::release::ReleaseId;
use crate::report::{Format, Report};
use crate::status::status;

/// Deploys without losing a request.
///
/// systemd holds the listening sockets; two slots of the service take turns. A new release goes into the idle slot behind a closed
/// gate, proves itself, and only then accepts users' connections; the old one answers what it has begun and stops. When anything goes
/// wrong on the way, the old release is still there and serves.
#[derive(Debug, Parser)]
#[command(name = "sockctl", version, max_term_width = 100, after_help = AFTER)]
pub struct Cli {
    #[command(subcommand)]
    command: Verb,

    /// Write one JSON object in each line instead of text
    #[arg(long, global = true)]
    json: bool,

    /// Stop this process (SIGSTOP) after the named step, to rehearse a crash
    #[arg(long, global = true, hide = true, value_name = "STEP", value_parser = step_name)]
    pause_after: Option<String>,
}

const AFTER: &str = "\
Exit status:
  0  done, or nothing to do
  1  error
  2  wrong usage
  3  rolled back: the old release serves
  4  refused: nothing was changed
  5  locked: another sockctl is at work
  6  half done: run `sockctl resume`

Examples:
  sockctl deploy shop ./build           a directory is the release
  sockctl deploy shop ./target/shop     a single file becomes the manifest's `exec`
  sockctl rollback shop                 back to the release that was live before";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Put a new release into service
    ///
    /// PATH is a directory, which is the release, or a single file, which becomes the manifest's `exec`. The same content is staged
    /// once; a release that is live already is nothing to do.
    Deploy {
        /// The application, as in its manifest
        app: String,
        /// The release: a directory or a single executable
        path: PathBuf,
    },
    /// Start the same release anew in the other slot and move users over
    ///
    /// After a package upgrade or a changed configuration. With an absolute `exec` this is how a new version of the program comes
    /// into service.
    Restart {
        /// The application, as in its manifest
        app: String,
    },
    /// Put an earlier release into service again
    ///
    /// Without RELEASE the one that was live before the present one.
    Rollback {
        /// The application, as in its manifest
        app: String,
        /// The release to go back to, as `sockctl status` shows it
        release: Option<String>,
    },
    /// Finish or undo a deploy whose controller was killed
    Resume {
        /// The application, as in its manifest
        app: String,
    },
    /// Show the slots, their releases, gates and connections
    Status {
        /// The application, as in its manifest
        app: String,
    },
    /// Print the completions of a shell
    #[command(hide = true)]
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

fn step_name(text: &str) -> Result<String, String> {
    let mut names = std::iter::once("stage").chain(Step::ALL.iter().map(|step| step.name()));
    if names.any(|name| name == text) {
        return Ok(text.into());
    }
    let all: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
    Err(format!("the steps are stage, {}", all.join(", ")))
}

/// Does what was typed.
///
/// # Errors
/// Those of the command.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let format = if cli.json { Format::Json } else { Format::Text };
    let report = Report::new(format, cli.pause_after);
    let release: Option<ReleaseId> = match &cli.command {
        Verb::Rollback { release: Some(text), .. } => Some(text.parse()?),
        _ => None,
    };
    let app = match &cli.command {
        Verb::Deploy { app, .. }
        | Verb::Restart { app }
        | Verb::Rollback { app, .. }
        | Verb::Resume { app }
        | Verb::Status { app } => App::load(Path::new("/"), &app.parse::<AppName>()?)?,
        Verb::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "sockctl", &mut std::io::stdout());
            return Ok(());
        }
        Verb::Man => return print(&manual()),
    };
    if let Verb::Status { .. } = cli.command {
        return print(status(&app, format).await?.as_bytes());
    }
    let session = Session::begin(&app, &report, &typed()).await?;
    match cli.command {
        Verb::Deploy { path, .. } => session.deploy(&path).await,
        Verb::Restart { .. } => session.restart().await,
        Verb::Rollback { .. } => session.rollback(release).await,
        _ => session.resume().await,
    }
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
