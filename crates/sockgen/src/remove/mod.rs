//! `sockgen remove`: what `install` and `systemctl enable` brought, taken away again, after a drain.
//!
//! This is the one place where sockgen stops units. What it goes by are the files that are there, not the manifest, which may be broken.

mod lock;
mod stop;
mod survey;

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::files::{self, Change, FileError};
use crate::install::{InstallError, systemd};
use crate::model::App;
use crate::names::AppName;
use crate::place::{Place, below};
pub use survey::Found;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The application.
    pub app: AppName,
    /// Whose systemd runs it.
    pub place: Place,
    /// An image to remove it from; nothing is stopped then.
    pub root: Option<PathBuf>,
    /// Its releases, its secrets and its state go, too.
    pub purge: bool,
    /// Look, and change nothing.
    pub dry_run: bool,
}

/// The application was not removed, or not wholly: the same again goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// Nothing of it is there.
    #[error("there is no application {app} here")]
    Unknown {
        /// What was asked for.
        app: AppName,
        /// The applications that there are.
        installed: Vec<AppName>,
        /// State that an earlier removal kept.
        kept: Vec<PathBuf>,
    },
    /// A deploy is under way.
    #[error("somebody is at work on this application: {by}")]
    Locked {
        /// Who.
        by: String,
    },
    /// A deploy was begun and not ended.
    #[error("a deploy of {app} is not finished")]
    Unfinished {
        /// The application.
        app: AppName,
        /// The controller as a person types it.
        sockctl: String,
    },
    /// It did not stop.
    #[error("{} did not stop", units.join(", "))]
    Runs {
        /// What still runs.
        units: Vec<String>,
    },
    /// systemd, or what is on the disk, cannot be asked.
    #[error(transparent)]
    Machine(#[from] InstallError),
    /// A file cannot be changed.
    #[error(transparent)]
    File(#[from] FileError),
}

impl RemoveError {
    fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File(FileError::new(action, &path)(source))
    }

    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { app, kept, .. } if !kept.is_empty() => Some(format!(
                "what an earlier removal kept goes with `sockgen remove {app} --purge`"
            )),
            Self::Unknown { installed, .. } if installed.is_empty() => {
                Some("no application is installed".into())
            }
            Self::Unknown { installed, .. } => {
                let names: Vec<&str> = installed.iter().map(AsRef::as_ref).collect();
                Some(format!("these are installed: {}", names.join(", ")))
            }
            Self::Locked { .. } => Some("wait until it is done, and try again".into()),
            Self::Unfinished { app, sockctl } => {
                Some(format!("`{sockctl} resume {app}` or `{sockctl} abort {app}` first"))
            }
            Self::Runs { units } => Some(format!("see why: systemctl status {}", units.join(" "))),
            Self::Machine(error) => error.hint(),
            Self::File(error) => error.hint().map(str::to_owned),
        }
    }
}

/// Removes an application; `say` hears what is waited for. Gives what was there.
///
/// # Errors
/// When a deploy is under way or unfinished, when it does not stop, and when something cannot be deleted. All of it goes on from
/// there when it is asked again.
pub fn remove(request: &Request, say: &mut dyn FnMut(&str)) -> Result<Found, RemoveError> {
    let Request { app, place, .. } = request;
    let root = request.root.as_deref().unwrap_or(Path::new("/"));
    let found = survey::survey(root, place, app)?;
    let to_purge = request.purge && !found.state.is_empty();
    if found.is_nothing() && !to_purge {
        let installed = App::installed(root, place).map_err(InstallError::Others)?;
        return Err(RemoveError::Unknown { app: app.clone(), installed, kept: found.state });
    }
    let wish = place.wish_path(app);
    let unfinished =
        || RemoveError::Unfinished { app: app.clone(), sockctl: place.typed("sockctl") };
    if request.root.is_none() && wish.exists() {
        return Err(unfinished());
    }
    if request.dry_run {
        return Ok(found);
    }
    access(below(root, place.units()), Access::WRITE_OK).or_else(missing).map_err(|error| {
        let path = place.units().to_owned();
        InstallError::NoAccess { path, scope: place.scope(), source: error.into() }
    })?;
    if request.root.is_some() {
        delete(request, &found)?;
        return Ok(found);
    }
    // Held until everything is gone, the file of the lock last.
    let _lock =
        lock::take(&place.lock_path(app), &format!("{} remove {app}", place.typed("sockgen")))?;
    // A deploy may have ended, or begun and died, before the lock was ours.
    if wish.exists() {
        return Err(unfinished());
    }
    let found = survey::survey(root, place, app)?;
    stop::stop(place, app, &found, say)?;
    delete(request, &found)?;
    stop::forget(place, &found);
    let run = place.run_dir(app);
    fs::remove_dir_all(&run).map_err(RemoveError::file("delete", &run))?;
    Ok(found)
}

fn missing(error: rustix::io::Errno) -> Result<(), rustix::io::Errno> {
    if error == rustix::io::Errno::NOENT { Ok(()) } else { Err(error) }
}

/// The links, then the files, and systemd reads again; after a failure all of them are as before. State last: it does not come back.
fn delete(request: &Request, found: &Found) -> Result<(), RemoveError> {
    let mut unlinked = Vec::new();
    let deleted = found.links.iter().try_for_each(|link| {
        let to = fs::read_link(link).map_err(FileError::new("read", link))?;
        fs::remove_file(link).map_err(FileError::new("delete", link))?;
        unlinked.push((link, to));
        Ok(())
    });
    let gone = |path: &PathBuf| Change::gone(path.clone());
    let changes = || files::stage(found.files().map(gone).collect())?.commit();
    let told = deleted.and_then(|()| changes()).map_err(RemoveError::File).and_then(|done| {
        let reload = || match request.root {
            None => systemd::reload(&request.place),
            Some(_) => Ok(()),
        };
        reload().map_err(|error| {
            let _ = done.undo();
            RemoveError::Machine(error)
        })
    });
    if let Err(error) = told {
        // The first error is the one to report.
        unlinked.iter().for_each(|(link, to)| drop(symlink(to, link)));
        return Err(error);
    }
    if request.purge {
        found.state.iter().map(PathBuf::as_path).try_for_each(purge)?;
    }
    Ok(())
}

/// Of a link the link alone goes: where it leads is somebody else's.
fn purge(path: &Path) -> Result<(), RemoveError> {
    let delete = if path.is_symlink() { fs::remove_file } else { fs::remove_dir_all };
    delete(path).map_err(RemoveError::file("delete", path))
}
