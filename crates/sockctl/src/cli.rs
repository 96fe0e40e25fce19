//! What can be typed.

use std::io::Write;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use sockgen::{App, AppName, Place, Share, SlotName, duration};

use crate::canary::Canary;
use crate::commands::Session;
use crate::detach::detach;
use crate::doctor::doctor;
use crate::error::Error;
use crate::files::FileError;
use crate::metrics::metrics;
use crate::plan::{Invocation, Step};
use crate::release::{Limits, ReleaseId, name_of_content};
use crate::report::{Format, Report};
use crate::status::status;
use crate::stop::retire;
use crate::systemd::Systemd;
use crate::unfinished::{abort, promote};
use crate::wish::{Asked, exec_in_release, refused};
use crate::{forecast, gc, listing, watch};

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

    /// Your own systemd's applications, installed with `sockgen install --user`
    #[arg(long, global = true)]
    user: bool,

    /// Run a deploy, restart, rollback or resume as a unit of systemd's, which outlives this terminal, and follow it
    #[arg(long, global = true)]
    detach: bool,

    /// Stop this process (SIGSTOP) after the named step, to rehearse a crash
    #[arg(long, global = true, hide = true, value_name = "STEP", value_parser = step_name)]
    pause_after: Option<String>,
}

const AFTER: &str = "\
Exit status:
  0  done, or nothing to do
  1  error, or findings of doctor
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
    /// PATH is a directory, which is the release, a tar archive of one (.tar, .tar.gz, .tar.zst), or a single file, which becomes the
    /// manifest's `exec`. The same content is staged once; a release that is live already is nothing to do.
    Deploy {
        /// The application, as in its manifest
        app: String,
        /// The release: a directory, a tar archive or a single executable
        path: PathBuf,
        #[command(flatten)]
        canary: CanaryArgs,
    },
    /// Start the same release anew in the other slot and move users over
    ///
    /// After a package upgrade or a changed configuration. With an absolute `exec` this is how a new version of the program comes
    /// into service.
    Restart {
        /// The application, as in its manifest
        app: String,
        #[command(flatten)]
        canary: CanaryArgs,
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
    /// Let a canary go on: to its next share of the connections, or into service
    ///
    /// A canary that stays (`deploy --until canary`) goes on from where it is. When a sockctl is at work, its present hold ends at once.
    Promote {
        /// The application, as in its manifest
        app: String,
        /// Past all further shares
        #[arg(long)]
        full: bool,
    },
    /// Undo the deploy that is under way, waits as a canary, or was interrupted
    ///
    /// The new release is withdrawn, the old one serves. When a sockctl is at work, it is told to go back, and this waits for it.
    Abort {
        /// The application, as in its manifest
        app: String,
    },
    /// Stop the application: the slots drain, then the sockets close
    ///
    /// Nothing brings it back but a person: no socket is left that traffic could wake it by. Connections that come meanwhile are refused.
    Stop {
        /// The application, as in its manifest
        app: String,
        /// Keep it closed at boot, too
        #[arg(long)]
        disable: bool,
    },
    /// End a warm standby; the timer of `swap.keep_warm` calls it
    #[command(hide = true)]
    Retire {
        /// The application, as in its manifest
        app: String,
        /// The slot
        slot: String,
        /// The run of it that is meant, as systemd names it
        run: String,
    },
    /// Finish or undo a deploy whose controller was killed
    Resume {
        /// The application, as in its manifest
        app: String,
    },
    /// Say what a command would do, step by step, and do nothing
    ///
    /// The steps come from the same decisions that the command itself follows, asked about a world in which each of them succeeds.
    Plan {
        /// The application, as in its manifest
        app: String,
        /// `sockctl deploy APP PATH`
        #[arg(required_unless_present_any = ["restart", "rollback"])]
        path: Option<PathBuf>,
        /// `sockctl restart APP`
        #[arg(long, conflicts_with_all = ["path", "rollback"])]
        restart: bool,
        /// `sockctl rollback APP [RELEASE]`
        #[arg(long, value_name = "RELEASE", num_args = 0..=1, conflicts_with = "path")]
        rollback: Option<Option<String>>,
        #[command(flatten)]
        canary: CanaryArgs,
    },
    /// Show what was deployed, when, by whom, and how it ended
    History {
        /// The application, as in its manifest
        app: String,
        /// The last so many deploys
        #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
        lines: usize,
    },
    /// Show the releases that lie on this machine, newest first
    Releases {
        /// The application, as in its manifest
        app: String,
    },
    /// Print the metrics of an application, as Prometheus reads them
    ///
    /// With `[metrics] textfile` in the manifest each deploy writes them for node_exporter's textfile collector.
    Metrics {
        /// The application, as in its manifest
        app: String,
    },
    /// Remove releases that are not kept, and what interrupted deploys left
    ///
    /// Every deploy does so at its end; this does it now. The live release, those of the slots, and the one that `rollback` goes back to
    /// always stay.
    Gc {
        /// The application, as in its manifest
        app: String,
        /// Say what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what the slots wrote to the journal
    ///
    /// Becomes journalctl(1): its pager, keys and colours.
    Logs {
        /// The application, as in its manifest
        app: String,
        /// Only this slot
        slot: Option<String>,
        /// Go on showing what is written from now on
        #[arg(short, long)]
        follow: bool,
    },
    /// Show the slots, their releases, gates and connections
    ///
    /// With --watch redrawn on a terminal at each change; into a pipe a line for each change, with --json an object.
    Status {
        /// The application, as in its manifest
        app: String,
        /// Go on showing it as it changes, until Ctrl-C
        #[arg(short, long)]
        watch: bool,
    },
    /// Look for everything on the machine that loses connections, and say what mends it
    ///
    /// Without APP every installed application. Exit status 1 when anything but notes is left.
    Doctor {
        /// The application, as in its manifest
        app: Option<String>,
        /// Mend what can be mended without a gap, and say what was not touched and why
        #[arg(long)]
        fix: bool,
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

impl Verb {
    /// The word of a command that may run as a unit of its own.
    fn detachable(&self) -> Option<&'static str> {
        match self {
            Self::Deploy { .. } => Some("deploy"),
            Self::Restart { .. } => Some("restart"),
            Self::Rollback { .. } => Some("rollback"),
            Self::Resume { .. } => Some("resume"),
            _ => None,
        }
    }
}

/// How much of the connections a new release gets before it gets all.
#[derive(Debug, Args)]
struct CanaryArgs {
    /// Give it these shares of the connections first, one after the other: 10%,50%
    ///
    /// Instead of the manifest's `swap.canary`. The old release has the others. When the new one turns sick or dies it is withdrawn.
    #[arg(long, value_name = "SHARE", value_delimiter = ',')]
    canary: Vec<Share>,
    /// Watch it for so long at each share, instead of `swap.hold`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    hold: Option<Duration>,
    /// Give it all connections at once, whatever the manifest says
    #[arg(long, conflicts_with_all = ["canary", "hold", "until"])]
    no_canary: bool,
    /// Leave it a canary after each hold, until `sockctl promote` or `abort`
    #[arg(long, value_name = "STEP")]
    until: Option<Until>,
}

/// Where a deploy stops to wait for a person.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Until {
    /// At each share of the canary.
    Canary,
}

impl CanaryArgs {
    /// What the flags say, or else the manifest.
    fn of(self, app: &App) -> Result<Option<Canary>, Error> {
        let from_manifest = &app.swap().canary;
        let stay = self.until.is_some();
        let shares = match self.canary {
            _ if self.no_canary => Vec::new(),
            shares if shares.is_empty() => from_manifest.shares.clone(),
            shares => shares,
        };
        if !shares.is_sorted_by(|a, b| a < b) {
            return Err(refused(
                "the shares of a canary must rise".into(),
                "such as --canary 10%,50%".into(),
            ));
        }
        if stay && shares.is_empty() {
            return Err(refused(
                "no share is given for a canary to stay at".into(),
                "add --canary 10%, or `canary = [0.1]` under [swap] in the manifest".into(),
            ));
        }
        let hold = self.hold.unwrap_or(from_manifest.hold);
        Ok((!shares.is_empty()).then_some(Canary { shares, hold, promoted: None, stay }))
    }
}

fn step_name(text: &str) -> Result<String, String> {
    let mut names = ["stage", "listen"].into_iter().chain(Step::ALL.iter().map(|step| step.name()));
    if names.any(|name| name == text) {
        return Ok(text.into());
    }
    let all: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
    Err(format!("the steps are stage, listen, {}", all.join(", ")))
}

/// Does what was typed.
///
/// # Errors
/// Those of the command.
pub async fn run(cli: Cli) -> Result<(), Error> {
    let format = if cli.json { Format::Json } else { Format::Text };
    let report = Report::new(format, cli.pause_after);
    let app = match &cli.command {
        Verb::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "sockctl", &mut std::io::stdout());
            return Ok(());
        }
        Verb::Man => return print(&manual()),
        Verb::Doctor { app, fix } => {
            return examine(&Place::asked(cli.user)?, app.as_deref(), *fix, format).await;
        }
        Verb::Deploy { app, .. }
        | Verb::Restart { app, .. }
        | Verb::Promote { app, .. }
        | Verb::Abort { app }
        | Verb::Stop { app, .. }
        | Verb::Retire { app, .. }
        | Verb::Rollback { app, .. }
        | Verb::Resume { app }
        | Verb::Plan { app, .. }
        | Verb::History { app, .. }
        | Verb::Releases { app }
        | Verb::Gc { app, .. }
        | Verb::Metrics { app }
        | Verb::Logs { app, .. }
        | Verb::Status { app, .. } => app.parse::<AppName>()?,
    };
    let parsed = |text: Option<String>| text.map(|text| text.parse::<ReleaseId>()).transpose();
    let place = Place::asked(cli.user)?;
    let load = || App::load(Path::new("/"), &place, &app);
    if cli.detach {
        let verb = cli.command.detachable().ok_or_else(|| {
            let hint =
                "only deploy, restart, rollback and resume change anything that may take long";
            refused("--detach has nothing to do here".into(), hint.into())
        })?;
        return detach(&load()?, verb).await;
    }
    let begin = async |app| Session::begin(app, &report, &typed()).await;
    match cli.command {
        Verb::Deploy { path, canary, .. } => {
            let app = load()?;
            let canary = canary.of(&app)?;
            begin(&app).await?.deploy(&path, canary).await
        }
        Verb::Restart { canary, .. } => {
            let app = load()?;
            let canary = canary.of(&app)?;
            begin(&app).await?.restart(canary).await
        }
        Verb::Promote { full, .. } => promote(&load()?, &report, &typed(), full).await,
        Verb::Abort { .. } => abort(&load()?, &report, &typed()).await,
        Verb::Stop { disable, .. } => begin(&load()?).await?.stop(disable).await,
        Verb::Retire { slot, run, .. } => {
            retire(&load()?, &report, &slot.parse()?, &Invocation(run), &typed()).await
        }
        Verb::Rollback { release, .. } => {
            let release = parsed(release)?;
            begin(&load()?).await?.rollback(release).await
        }
        Verb::Resume { .. } => begin(&load()?).await?.resume().await,
        Verb::Plan { path, restart, rollback, canary, .. } => {
            let app = load()?;
            let canary = canary.of(&app)?.filter(|_| rollback.is_none());
            let asked = match (path, rollback) {
                (Some(path), _) => {
                    let exec = exec_in_release(&app)?;
                    Asked::Deploy(name_of_content(&path, exec, Limits::of(&app))?)
                }
                (None, Some(release)) => Asked::Rollback(parsed(release)?),
                (None, None) => {
                    debug_assert!(restart, "clap asks for one of the three");
                    Asked::Restart
                }
            };
            print(forecast::plan(&app, asked, canary, format).await?.as_bytes())
        }
        Verb::History { lines, .. } => print(listing::history(&load()?, lines, format)?.as_bytes()),
        Verb::Releases { .. } => print(listing::releases(&load()?, format)?.as_bytes()),
        Verb::Metrics { .. } => {
            let app = load()?;
            print(metrics(&app, &Systemd::connect(app.place()).await?).await?.as_bytes())
        }
        Verb::Gc { dry_run, .. } => print(gc::gc(&load()?, dry_run, &typed(), format)?.as_bytes()),
        Verb::Logs { slot, follow, .. } => {
            let slot = slot.map(|slot| slot.parse::<SlotName>()).transpose()?;
            Err(logs(&load()?, slot, follow, format))
        }
        Verb::Status { watch: true, .. } => watch::watch(&load()?, format).await,
        Verb::Status { .. } => print(status(&load()?, format).await?.as_bytes()),
        Verb::Completions { .. } | Verb::Man | Verb::Doctor { .. } => Ok(()),
    }
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

/// Becomes journalctl(1); returns only when it cannot.
fn logs(app: &App, slot: Option<SlotName>, follow: bool, format: Format) -> Error {
    let slots = slot.map_or_else(|| app.slots().to_vec(), |slot| vec![slot]);
    if let Some(unknown) = slots.iter().find(|slot| !app.slots().contains(slot)) {
        let there: Vec<_> = app.slots().iter().map(ToString::to_string).collect();
        return refused(
            format!("{} has no slot {unknown}", app.name()),
            format!("its slots are {}", there.join(" and ")),
        );
    }
    let mut journalctl = std::process::Command::new("journalctl");
    let unit = if app.place().is_user() { "--user-unit" } else { "--unit" };
    journalctl.args(slots.iter().map(|slot| format!("{unit}={}", app.slot_unit(slot))));
    if follow {
        journalctl.arg("--follow");
    }
    if format == Format::Json {
        journalctl.arg("--output=json");
    }
    FileError::of("start", Path::new("journalctl"))(journalctl.exec()).into()
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
