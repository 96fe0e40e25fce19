//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use sockgen::Scope;

use super::canary::CanaryArgs;
use crate::plan::Step;

/// Deploys without losing a request.
///
/// systemd holds the listening sockets; two slots of the service take turns. A new release goes into the idle slot behind a closed
/// gate, proves itself, and only then accepts users' connections; the old one answers what it has begun and stops. When anything goes
/// wrong on the way, the old release is still there and serves.
#[derive(Debug, Parser)]
#[command(name = "sockctl", version, max_term_width = 100, after_help = AFTER)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Verb,

    /// Write one JSON object in each line instead of text
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// Your own systemd's applications, installed with `sockgen install --user`
    #[arg(long, global = true)]
    pub(super) user: bool,

    /// Run a command that changes something as a unit of systemd's, which outlives this terminal, and follow it
    #[arg(long, global = true)]
    pub(super) detach: bool,

    /// Stop this process (SIGSTOP) after the named step, to rehearse a crash
    #[arg(long, global = true, hide = true, value_name = "STEP", value_parser = step_name)]
    pub(super) pause_after: Option<String>,
}

impl Cli {
    /// Whose systemd is meant.
    pub fn scope(&self) -> Scope {
        if self.user { Scope::User } else { Scope::System }
    }
}

const AFTER: &str = "\
Exit status:
  0  done, or nothing to do
  1  error, findings of doctor, or FAIL of prove
  2  wrong usage
  3  rolled back: the old release serves
  4  refused: nothing was changed
  5  locked: another sockctl is at work
  6  half done: run `sockctl resume`

Examples:
  sockctl deploy shop ./build           a directory is the release
  sockctl deploy shop ./target/shop     a single file becomes the manifest's `exec`
  sockctl rollback shop                 back to the release that was live before";

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    #[command(flatten)]
    OfApp(OfApp),
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
    /// Deploy an application under load, and say whether any client lost anything
    ///
    /// Becomes sockprove(1), which makes the load. `sockctl prove --help` says all that it can be asked.
    #[command(disable_help_flag = true)]
    Prove {
        /// The application, and what is asked of it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "APP …")]
        arguments: Vec<OsString>,
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

/// What is done with one application.
#[derive(Debug, Subcommand)]
pub(super) enum OfApp {
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
    /// Show what the slots and the hooks wrote to the journal
    ///
    /// In order of time, each line with its unit. Becomes journalctl(1): its pager, keys and colours.
    Logs {
        /// The application, as in its manifest
        app: String,
        /// Only this slot or hook: blue, migrate, pre-stop
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
}

impl OfApp {
    /// The application, as it was typed.
    pub(super) fn app(&self) -> &str {
        match self {
            Self::Deploy { app, .. }
            | Self::Restart { app, .. }
            | Self::Rollback { app, .. }
            | Self::Promote { app, .. }
            | Self::Abort { app, .. }
            | Self::Stop { app, .. }
            | Self::Retire { app, .. }
            | Self::Resume { app, .. }
            | Self::Plan { app, .. }
            | Self::History { app, .. }
            | Self::Releases { app, .. }
            | Self::Metrics { app, .. }
            | Self::Gc { app, .. }
            | Self::Logs { app, .. }
            | Self::Status { app, .. } => app,
        }
    }

    /// The word of a command that may run as a unit of its own.
    pub(super) fn detachable(&self) -> Option<&'static str> {
        match self {
            Self::Deploy { .. } => Some("deploy"),
            Self::Restart { .. } => Some("restart"),
            Self::Rollback { .. } => Some("rollback"),
            Self::Resume { .. } => Some("resume"),
            Self::Promote { .. } => Some("promote"),
            Self::Abort { .. } => Some("abort"),
            Self::Stop { .. } => Some("stop"),
            _ => None,
        }
    }
}

fn step_name(text: &str) -> Result<String, String> {
    if Step::ALL.iter().any(|step| step.name() == text) {
        return Ok(text.into());
    }
    let all: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
    Err(format!("the steps are {}", all.join(", ")))
}
