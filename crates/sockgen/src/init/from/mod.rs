//! `sockgen init --from`: a service that exists becomes an application, and everything that changes on the way is said.

mod carry;
mod convert;
mod draft;
mod fates;
mod found;
mod listeners;
mod program;
mod report;
mod words;

use std::path::PathBuf;

use super::{InitError, Into, Made, make};
use crate::check::LoadError;
use crate::endpoint::Endpoint;
use crate::error::ManifestError;
use crate::files::Change;
use crate::model::App;
use crate::names::{AppName, ListenerName, MANIFEST_FILE, NameError};
use convert::convert;
use found::Found;

/// What is asked for beside the unit.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The application's name; that of the unit when left out.
    pub name: Option<AppName>,
    /// The listeners; what the service listens on when there is none.
    pub listeners: Vec<(ListenerName, Endpoint)>,
    /// The program; that of the unit when left out.
    pub exec: Option<String>,
}

/// A service that was converted.
#[derive(Debug)]
pub struct Taken {
    /// What was written.
    pub made: Made,
    /// What a person has to know, for the terminal.
    pub report: String,
}

/// A service cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FromError {
    /// There is no such unit on this machine.
    #[error("there is no unit {0} on this machine")]
    Unknown(String),
    /// The file cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// What is there is no service, or is masked.
    #[error("{} is no service that could be started", .0.display())]
    NoService(PathBuf),
    /// A file of the unit cannot be read as systemd would.
    #[error("{file}: {message}")]
    Unreadable {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// sockgen wrote it.
    #[error("{0} is a slot of an application already")]
    Ours(String),
    /// It runs nothing.
    #[error("{0} has no ExecStart=")]
    NoProgram(String),
    /// A line that a manifest has no room for.
    #[error("{directive}: {why}")]
    Line {
        /// The directive.
        directive: String,
        /// Why it cannot be carried over.
        why: String,
    },
    /// A type that a slot cannot have.
    #[error("Type={kind} is none that a slot can have")]
    Type {
        /// The type.
        kind: String,
        /// What to do.
        hint: &'static str,
    },
    /// A socket that starts a process for each connection.
    #[error("{0} has Accept=yes: each connection has a process of its own")]
    Accept(String),
    /// Nobody knows what it listens on.
    #[error("it is not known what {0} listens on")]
    NoListeners(String),
    /// The unit's name is no name of an application.
    #[error("{unit}: {source}")]
    Name {
        /// The unit.
        unit: String,
        /// Why not.
        source: NameError,
    },
    /// A package owns the unit, whose name would be that of the alias.
    #[error(
        "{0} belongs to a package, and has the name that the alias of the live slot would have"
    )]
    Package(String),
    /// What came out is no valid manifest.
    #[error("what would be written is not valid: {0}")]
    Manifest(#[source] ManifestError),
    /// The files cannot be written.
    #[error(transparent)]
    Write(#[from] InitError),
}

impl FromError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => "`systemctl list-units --type=service` lists what runs; a path names a file".into(),
            Self::Load(error) => error.hint().to_owned(),
            Self::NoService(_) => "name a .service; its sockets are found by themselves".into(),
            Self::Unreadable { .. } => "mend the file first: `sockgen check` says what systemd makes of it".into(),
            Self::Ours(_) => "its manifest is in /etc/sockact".into(),
            Self::NoProgram(_) => "a service that runs nothing needs no slots".into(),
            Self::Line { .. } => "change the unit first, see that it works, and convert that".into(),
            Self::Type { hint, .. } => (*hint).to_owned(),
            Self::Accept(_) => "slots share one socket and accept themselves: the program has to, first".into(),
            Self::NoListeners(_) => {
                "start it, so that its sockets are seen (as root), or say it: --listen http=127.0.0.1:8080".into()
            }
            Self::Name { source, .. } => format!("{}; --name NAME gives it another", source.hint()),
            Self::Package(_) => "give it another name, such as --name my-shop, and disable the package's service".into(),
            Self::Manifest(error) => {
                let hint = error.hint().unwrap_or_default();
                format!("{hint}; --name, --exec and --listen say it in another way")
            }
            Self::Write(error) => error.hint().unwrap_or_default(),
        }
    }
}

/// Makes a manifest and units of the service `given`, a path or the name of a unit of this machine, and writes them: all or none.
///
/// # Errors
/// When it cannot be converted, or a file is there with another text and `force` is not given.
pub fn from(given: &str, asked: &Asked, into: Into<'_>) -> Result<Taken, FromError> {
    let found = Found::look(given, !asked.listeners.is_empty())?;
    let converted = convert(&found, asked)?;
    let text = converted.draft.text(&found.unit.name);
    let app = App::parse(&text).map_err(FromError::Manifest)?;
    let manifest = Change::text(into.folder.join(MANIFEST_FILE), text);
    let made = make(app, vec![manifest], into, |_| into.force)?;
    let report = report::report(&found, &converted, &made.app, into.folder);
    Ok(Taken { made, report })
}
