//! How a command ends when it does not end well, with its exit status.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use sockgen::Scope;

use crate::files::FileError;
use crate::lock::LockError;
use crate::release::StageError;
use crate::sockets::SocketError;
use crate::systemd::SystemdError;
use crate::words;

/// Which slot serves after a deploy that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// The one that served before.
    Old,
    /// The new one: the old one does not start any more.
    New,
    /// None; connections wait.
    None,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] sockgen::NameError),
    /// A user's own directories are not known.
    #[error("--user: {0}")]
    Place(#[from] sockgen::PlaceError),
    /// The manifest is missing or wrong.
    #[error(transparent)]
    Manifest(#[from] sockgen::ManifestError),
    /// The release could not be staged.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// systemd did not do what was asked, and nothing was changed.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// A file of ours could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody else deploys.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The machine is not in a state in which this can be done safely.
    #[error("refused: {what}")]
    Refused {
        /// What was found.
        what: String,
        /// What to do.
        hint: String,
    },
    /// PID 1 does not hold the sockets.
    #[error("refused: {0}")]
    Sockets(#[from] SocketError),
    /// The new slot was given up.
    #[error("{app}: {attempt} was given up: {reason}\n{consequence}{}", last_words(log))]
    GivenUp {
        /// The application.
        app: String,
        /// What was tried.
        attempt: String,
        /// Why it was given up.
        reason: String,
        /// What serves now.
        consequence: String,
        /// Which slot serves.
        serves: Serves,
        /// The last lines that the release itself wrote.
        log: Vec<String>,
    },
    /// Something is wrong with the machine, as doctor says on standard output.
    #[error("doctor has {count} findings")]
    Findings {
        /// How many, without notes.
        count: usize,
    },
    /// A detached command ended so, and has said why.
    #[error("it ended with exit status {status}")]
    Detached {
        /// Its exit status.
        status: u8,
    },
    /// What makes the load of `sockctl prove` could not be started.
    #[error("cannot start {}, which makes the load: {source}", program.display())]
    Prover {
        /// The program.
        program: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// Ctrl-C while systemd stops the application.
    #[error("interrupted; systemd goes on stopping {target}")]
    GoesOn {
        /// The application's target.
        target: String,
    },
    /// It stopped in the middle.
    #[error("{app}: half done: {reason}")]
    HalfDone {
        /// The application.
        app: String,
        /// What went wrong.
        reason: String,
    },
}

fn last_words(log: &[String]) -> String {
    if log.is_empty() {
        return String::new();
    }
    let lines: String = log.iter().map(|line| format!("\n  | {line}")).collect();
    format!("\nthe last lines of its log:{lines}")
}

impl Error {
    /// The exit status that scripts can rely on.
    pub fn status(&self) -> u8 {
        match self {
            Self::Name(_) | Self::Stage(StageError::Id { .. }) => 2,
            Self::GivenUp { serves: Serves::Old, .. } => 3,
            Self::Refused { .. } | Self::Sockets(_) => 4,
            Self::Lock(LockError::Held { .. }) => 5,
            Self::HalfDone { .. } => 6,
            Self::Detached { status } => *status,
            _ => 1,
        }
    }

    /// [`Error::status`] for `main`.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status())
    }

    /// What a person can do about it, as it is for the machine's systemd: [`words::typed`] makes the commands those of another.
    pub fn hint(&self, scope: Scope) -> Option<String> {
        match self {
            Self::Name(error) => Some(error.hint().into()),
            Self::Place(error) => Some(error.hint().into()),
            Self::Manifest(error) => error.hint(),
            Self::Stage(error) => error.hint(scope),
            Self::Systemd(error) => error.hint(scope).map(Into::into),
            Self::File(error) | Self::Lock(LockError::File(error)) => error.hint(scope).map(Into::into),
            Self::Lock(LockError::Held { .. }) => {
                Some("the lock goes when that process ends; then run this again. `sockctl abort` makes a deploy go back".into())
            }
            Self::Refused { hint, .. } => Some(hint.clone()),
            Self::Sockets(SocketError::Proc { .. } | SocketError::Listening(_)) => {
                Some(words::permission(scope).into())
            }
            Self::Sockets(_) => Some(
                "`systemctl status` of the socket says what happened to it; while a slot still holds the old socket, do not stop that slot"
                    .into(),
            ),
            Self::Prover { .. } => Some(
                "it is a package of its own: `cargo install sockprove`, or put the program beside sockctl or on PATH".into(),
            ),
            Self::GivenUp { .. } | Self::Detached { .. } => None,
            Self::Findings { .. } => {
                Some("`--fix` mends what can be mended without a gap; the rest is said above".into())
            }
            Self::GoesOn { target } => Some(format!(
                "the same command waits for its end; `systemctl start {target}` opens it again"
            )),
            Self::HalfDone { app, .. } => Some(format!("run `sockctl resume {app}`")),
        }
    }
}
