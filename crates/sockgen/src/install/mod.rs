//! `sockgen install`: units and manifest to where systemd reads them, all or none.
//!
//! Everything is checked before anything is written, and no unit is ever started, stopped or
//! restarted here.

mod compare;
mod drop_ins;
mod plan;
mod ports;
mod readdressed;
mod removed;
mod snapshot;
pub(crate) mod systemd;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use serde::Serialize;

use crate::error::ManifestError;
use crate::files::{self, Change, FileError};
use crate::model::App;
use crate::names::{MANIFEST_FILE, UnitName};
use crate::place::{Place, Scope, below};
use crate::versions::{Rendered, Target, TargetError, render_for};
pub use compare::{Comparison, FileChange, compare};
pub(crate) use drop_ins::files as drop_in_files;
pub use drop_ins::{DropIn, Setting};
pub(crate) use plan::plan;
pub use readdressed::{Readdressed, readdressed};
pub use removed::{Removed, removed};
pub(crate) use snapshot::{GENERATED, Snapshot, listens_on, ours};
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
    /// The systemd that is to read the units; the machine's own, or the image's, when it is not said.
    pub target: Option<Target>,
    /// Check and decide, and change nothing.
    pub dry_run: bool,
}

impl Request {
    fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or(Path::new("/"))
    }

    /// Where units and manifests go.
    fn folders(&self) -> [PathBuf; 2] {
        [self.place.units(), self.place.manifests()].map(|folder| below(self.root(), folder))
    }
}

/// One reason against an install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

impl Plan {
    /// Whether the file of this unit goes.
    pub(crate) fn deletes(&self, unit: &str) -> bool {
        self.changes.iter().any(|change| change.text.is_none() && change.path.ends_with(unit))
    }
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
    /// The administrator's drop-ins for its units, which stay.
    pub drop_ins: Vec<DropIn>,
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
    /// The machine's systemd is too old.
    #[error(transparent)]
    Target(#[from] TargetError),
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
            Self::Target(error) => Some(error.hint()),
            _ => None,
        }
    }
}

/// Installs the application of a manifest.
///
/// # Errors
/// When anything is in the way; then nothing is changed.
pub fn install(request: &Request) -> Result<Outcome, InstallError> {
    let Decision { app, plan, problems, drop_ins } = decide(request)?;
    if !problems.is_empty() {
        return Err(InstallError::Refused(problems));
    }
    if !request.dry_run {
        execute(request, &plan)?;
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
        drop_ins,
        next: plan.next,
        app,
    })
}

/// What is to be done, and what is in its way.
struct Decision {
    app: App,
    plan: Plan,
    problems: Vec<Problem>,
    drop_ins: Vec<DropIn>,
}

/// The one decision that `install` carries out and [`compare`] shows.
fn decide(request: &Request) -> Result<Decision, InstallError> {
    let root = request.root();
    let folder = request.manifest.is_dir();
    let path =
        &if folder { request.manifest.join(MANIFEST_FILE) } else { request.manifest.clone() };
    let text = fs::read_to_string(path)
        .map_err(|source| InstallError::Read { path: path.clone(), source })?;
    let mut app = App::parse_for(&request.place, &text)
        .map_err(|source| InstallError::Manifest { path: path.clone(), source })?;
    app.find_secrets(root);
    if !request.dry_run {
        request.folders().iter().try_for_each(|to| writable(to, request.place.scope()))?;
    }
    let (target, unknown) = Target::choose(request.target, root)?;
    let Rendered { units, notes } = render_for(&app, target);
    let now = Snapshot::take(request, &app, &units)?;
    let (mut plan, problems) = plan(root, &app, &text, &units, &now);
    plan.notes.extend(unknown.into_iter().chain(notes));
    let drop_ins = drop_ins::find(root, &app, &units);
    Ok(Decision { app, plan, problems, drop_ins })
}

/// Whether files can be made in a folder, or the folder itself can.
fn writable(folder: &Path, scope: Scope) -> Result<(), InstallError> {
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let path = folder.to_owned();
        InstallError::NoAccess { path, scope, source: error.into() }
    })
}

fn execute(request: &Request, plan: &Plan) -> Result<(), InstallError> {
    if !plan.changes.is_empty() {
        for folder in request.folders() {
            fs::create_dir_all(&folder).map_err(FileError::new("make", &folder))?;
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
