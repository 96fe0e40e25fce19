//! What `install` would do, shown: the same decision, and nothing of it carried out.

use std::path::PathBuf;

use serde::Serialize;

use super::snapshot::read_if_there;
use super::{Decision, DropIn, InstallError, Problem, Request, decide};
use crate::model::App;
use crate::names::UnitName;

/// A file that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Where it is.
    pub path: PathBuf,
    /// Its text now; `None` when it is not there.
    pub before: Option<String>,
    /// Its text after the install; `None` when it would be deleted.
    pub after: Option<String>,
}

/// The application as it is on this machine beside what its manifest says.
#[derive(Debug)]
pub struct Comparison {
    /// The application.
    pub app: App,
    /// The files that differ.
    pub files: Vec<FileChange>,
    /// The slot that the alias would be pointed at.
    pub enables: Option<UnitName>,
    /// Whether systemd would read its units again.
    pub reloads: bool,
    /// What follows for an application that runs, in words.
    pub notes: Vec<String>,
    /// What is in the way: `install` would change nothing.
    pub problems: Vec<Problem>,
    /// The administrator's drop-ins, which stay.
    pub drop_ins: Vec<DropIn>,
    /// The commands to type after the install.
    pub next: Vec<String>,
}

impl Comparison {
    /// Whether the machine is as the manifest says.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.files.is_empty() && self.enables.is_none() && !self.reloads
    }
}

/// Compares the machine with a manifest. Nothing is changed, whatever [`Request::dry_run`] says.
///
/// # Errors
/// When the manifest or the machine cannot be read. What an install would be refused for is no error here.
pub fn compare(request: &Request) -> Result<Comparison, InstallError> {
    let request = Request { dry_run: true, ..request.clone() };
    let Decision { app, plan, problems, drop_ins } = decide(&request)?;
    let file = |change: crate::files::Change| {
        let before = read_if_there(&change.path)?;
        Ok(FileChange { path: change.path, before, after: change.text })
    };
    Ok(Comparison {
        files: plan.changes.into_iter().map(file).collect::<Result<_, InstallError>>()?,
        enables: plan.enable,
        reloads: plan.reload,
        notes: plan.notes,
        problems,
        drop_ins,
        next: plan.next,
        app,
    })
}
