//! A first manifest, written to be read and changed, and the units it gives.

pub mod from;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use askama::Template;

use crate::ManifestError;
use crate::address::Address;
use crate::files::{self, Change, FileError};
use crate::model::App;
use crate::names::{AppName, ListenerName, MANIFEST_FILE};
use crate::render::{owner_of, render};

/// What a new manifest says; everything else is shown in it with its default.
#[derive(Debug, Clone)]
pub struct Start {
    /// The application.
    pub name: AppName,
    /// Its listeners, in the order given.
    pub listeners: Vec<(ListenerName, Address)>,
    /// The program: relative inside the release, or absolute.
    pub exec: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The path of the health request.
    pub health_path: String,
}

/// `sockgen init` could not write.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// What was given makes no valid manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file is there with another text.
    #[error("{path} is there and has another text", path = .0.display())]
    Differs(PathBuf),
    /// A file could not be read.
    #[error("cannot read {path}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file could not be written; none was.
    #[error(transparent)]
    File(#[from] FileError),
}

impl InitError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Manifest(error) => error.hint(),
            Self::Differs(_) => Some("--force replaces it; --dir DIR writes elsewhere".into()),
            Self::Read { .. } => None,
            Self::File(error) => error.hint().map(str::to_owned),
        }
    }
}

#[derive(Template)]
#[template(path = "sockact.toml", escape = "none")]
struct Text<'a> {
    name: String,
    exec: String,
    args: Option<String>,
    listeners: Vec<(&'a str, String, bool)>,
    health_path: String,
    relative: bool,
}

/// A TOML string. A JSON string is one, but for DEL, which TOML wants escaped.
fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// The text of the manifest, which is valid.
///
/// # Errors
/// When what was given breaks a rule of the manifest.
pub fn manifest(start: &Start) -> Result<(String, App), ManifestError> {
    let args: Vec<String> = start.args.iter().map(|arg| string(arg)).collect();
    let text = Text {
        name: string(start.name.as_ref()),
        exec: string(&start.exec),
        args: (!args.is_empty()).then(|| format!("[{}]", args.join(", "))),
        listeners: start
            .listeners
            .iter()
            .map(|(name, at)| {
                (name.as_ref(), string(&at.to_string()), matches!(at, Address::Unix(_)))
            })
            .collect(),
        health_path: string(&start.health_path),
        relative: !start.exec.starts_with('/'),
    };
    let mut text = text.render().expect("writing to a string cannot fail");
    text.truncate(text.trim_end().len());
    text.push('\n');
    let app = App::parse(&text)?;
    Ok((text, app))
}

/// What was done to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// It was made or replaced.
    Wrote,
    /// It had this text already.
    Kept,
}

/// Writes the manifest and its units into `folder`: all or none.
///
/// # Errors
/// When a file is there with another text and `force` is not given, or cannot be written.
pub fn init(
    start: &Start,
    folder: &Path,
    force: bool,
) -> Result<(App, Vec<(PathBuf, Did)>), InitError> {
    let (text, app) = manifest(start)?;
    let mut files = vec![(folder.join(MANIFEST_FILE), text)];
    files.extend(unit_files(&app, folder));
    let done = write(files, |_| force)?;
    Ok((app, done))
}

/// Writes the units of the manifest in `folder` anew, after it was edited: all or none.
///
/// # Errors
/// When the manifest is not valid, when a unit's file is there that sockgen did not write for this
/// application and `force` is not given, or when a file cannot be written.
pub fn again(folder: &Path, force: bool) -> Result<(App, Vec<(PathBuf, Did)>), InitError> {
    let path = folder.join(MANIFEST_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(InitError::Read { path, source }),
    };
    let app = App::parse(&text)
        .map_err(|source| ManifestError::InFile { path, source: Box::new(source) })?;
    let own = |found: &[u8]| {
        let owner = std::str::from_utf8(found).ok().and_then(owner_of);
        force || owner == Some(app.name().as_ref())
    };
    let done = write(unit_files(&app, folder), own)?;
    Ok((app, done))
}

fn unit_files(app: &App, folder: &Path) -> Vec<(PathBuf, String)> {
    render(app).into_iter().map(|unit| (folder.join(unit.name.as_ref()), unit.text)).collect()
}

/// Writes what is not there with the same text; `may_replace` decides on what is there now.
fn write(
    files: Vec<(PathBuf, String)>,
    may_replace: impl Fn(&[u8]) -> bool,
) -> Result<Vec<(PathBuf, Did)>, InitError> {
    let mut done = Vec::new();
    let mut changes = Vec::new();
    for (path, text) in files {
        let found = match fs::read(&path) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(InitError::Read { path, source }),
        };
        match found {
            Some(found) if found == text.as_bytes() => done.push((path, Did::Kept)),
            Some(found) if !may_replace(&found) => return Err(InitError::Differs(path)),
            _ => {
                done.push((path.clone(), Did::Wrote));
                changes.push(Change { path, text: Some(text) });
            }
        }
    }
    let _ = files::stage(changes)?.commit()?;
    Ok(done)
}
