//! `sockgen install`: units and manifest to where systemd reads them, all or none.
//!
//! Everything is checked before anything is written, and no unit is ever started, stopped or
//! restarted here.

mod plan;
mod ports;
mod removed;
mod snapshot;
mod systemd;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::error::ManifestError;
use crate::files::{self, Change, FileError};
use crate::model::App;
use crate::names::{MANIFEST_FILE, UnitName};
use crate::place::{Place, Scope, below};
use crate::render;
pub use removed::{Removed, removed};
use snapshot::Snapshot;
pub(crate) use systemd::main_processes;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The manifest.
    pub manifest: PathBuf,
    /// An image to install into; the running systemd and its ports are then left alone.
    pub root: Option<PathBuf>,
    /// Whose systemd is to run it.
    pub place: Place,
    /// Check and decide, and change nothing.
    pub dry_run: bool,
}

/// One reason against an install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is in the way.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Problem {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// What is changed.
#[derive(Debug)]
pub(crate) struct Plan {
    changes: Vec<Change>,
    enable: Option<UnitName>,
    reload: bool,
    notes: Vec<String>,
    next: Vec<String>,
}

/// What was done, or would be.
#[derive(Debug)]
pub struct Outcome {
    /// The application.
    pub app: App,
    /// Files that were written.
    pub wrote: Vec<PathBuf>,
    /// Files that were deleted.
    pub deleted: Vec<PathBuf>,
    /// The slot the alias was pointed at.
    pub enabled: Option<UnitName>,
    /// Whether systemd read its units again.
    pub reloaded: bool,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The commands to type next.
    pub next: Vec<String>,
}

/// Nothing was installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The manifest is not valid.
    #[error("{}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ManifestError,
    },
    /// The folder of the installed manifests could not be read.
    #[error("cannot see which applications are installed")]
    Others(#[source] ManifestError),
    /// Something on the machine is in the way; every reason is named.
    #[error("{} things are in the way", .0.len())]
    Refused(Vec<Problem>),
    /// No systemd runs here.
    #[error("{found}")]
    NoSystemd {
        /// What was seen.
        found: &'static str,
    },
    /// systemctl could not be started.
    #[error("cannot start systemctl")]
    Spawn {
        /// What the kernel said.
        source: io::Error,
    },
    /// systemctl failed.
    #[error("cannot {what}: {said}")]
    Systemctl {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        said: String,
    },
    /// Not allowed to write where units are.
    #[error("cannot write in {}", path.display())]
    NoAccess {
        /// The folder.
        path: PathBuf,
        /// Whose units they are.
        scope: Scope,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl InstallError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(
                "`sockgen init` writes a first one; `sockgen install PATH` takes another".into(),
            ),
            Self::Manifest { source, .. } => source.hint(),
            Self::NoSystemd { .. } => {
                Some("to install into an image of a machine use --root DIR".into())
            }
            Self::Systemctl { said, .. } if said.contains("connect to bus") => {
                Some("systemd cannot be reached over D-Bus; is this a container?".into())
            }
            Self::NoAccess { path, scope, source }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some(match scope {
                    Scope::System => {
                        "try again with sudo, or with --user for your own systemd".into()
                    }
                    Scope::User => format!("it has to be yours: ls -ld {}", path.display()),
                })
            }
            Self::NoAccess { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                Some("the file system is mounted read-only".into())
            }
            Self::File(error) => error.hint().map(str::to_owned),
            _ => None,
        }
    }
}

/// Installs the application of a manifest.
///
/// # Errors
/// When anything is in the way; then nothing is changed.
pub fn install(request: &Request) -> Result<Outcome, InstallError> {
    let root = request.root.as_deref().unwrap_or(Path::new("/"));
    let folder = request.manifest.is_dir();
    let path =
        &if folder { request.manifest.join(MANIFEST_FILE) } else { request.manifest.clone() };
    let text = fs::read_to_string(path)
        .map_err(|source| InstallError::Read { path: path.clone(), source })?;
    let mut app = App::parse_for(&request.place, &text)
        .map_err(|source| InstallError::Manifest { path: path.clone(), source })?;
    app.find_secrets(root);
    let folders =
        [request.place.units(), request.place.manifests()].map(|folder| below(root, folder));
    if !request.dry_run {
        folders.iter().try_for_each(|folder| writable(folder, request.place.scope()))?;
    }
    let units = render(&app);
    let now = Snapshot::take(request, &app, &units)?;
    let plan = plan::plan(root, &app, &text, &units, &now).map_err(InstallError::Refused)?;
    if !request.dry_run {
        execute(request, &plan, &folders)?;
    }
    let of = |wanted: bool| {
        let matching = plan.changes.iter().filter(move |c| c.text.is_some() == wanted);
        matching.map(|c| c.path.clone()).collect()
    };
    Ok(Outcome {
        wrote: of(true),
        deleted: of(false),
        enabled: plan.enable,
        reloaded: plan.reload,
        notes: plan.notes,
        next: plan.next,
        app,
    })
}

/// Whether files can be made in a folder, or the folder itself can.
fn writable(folder: &Path, scope: Scope) -> Result<(), InstallError> {
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let path = folder.to_owned();
        InstallError::NoAccess { path, scope, source: error.into() }
    })
}

fn execute(request: &Request, plan: &Plan, folders: &[PathBuf]) -> Result<(), InstallError> {
    if !plan.changes.is_empty() {
        for folder in folders {
            fs::create_dir_all(folder).map_err(FileError::new("make", folder))?;
        }
    }
    let done = files::stage(plan.changes.clone())?.commit()?;
    let Err(error) = tell_systemd(request, plan) else { return Ok(()) };
    // The error that led here is the one to report. systemd reads the old files again, so that
    // it does not go on with units that are gone.
    let _ = done.undo();
    if plan.reload {
        let _ = systemd::reload(&request.place);
    }
    Err(error)
}

fn tell_systemd(request: &Request, plan: &Plan) -> Result<(), InstallError> {
    if plan.reload {
        systemd::reload(&request.place)?;
    }
    match &plan.enable {
        Some(slot) => systemd::enable(&request.place, request.root.as_deref(), slot.as_ref()),
        None => Ok(()),
    }
}
