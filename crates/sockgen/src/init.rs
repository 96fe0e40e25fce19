//! A first manifest, written to be read and changed, and the units it gives.

pub mod from;
mod program;
mod proxy;
mod write;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use askama::Template;

use self::program::{one_listener, program};
use self::write::write;
use crate::address::Address;
use crate::files::{Change, FileError};
use crate::model::App;
use crate::names::{AppName, ListenerName, MANIFEST_FILE};
use crate::presets::{Asks, Preset};
use crate::render::{UnitFile, owner_of};
use crate::versions::{Rendered, Target, render_for};
use crate::{ManifestError, Ready};

/// What a new manifest says; everything else is shown in it with its default.
#[derive(Debug, Clone)]
pub struct Start {
    /// The application.
    pub name: AppName,
    /// Its listeners, in the order given.
    pub listeners: Vec<(ListenerName, Address)>,
    /// What kind of program it is.
    pub preset: &'static Preset,
    /// The program: relative inside the release, or absolute. The preset's when not given.
    pub exec: Option<String>,
    /// Its arguments; the preset's when there are none.
    pub args: Vec<String>,
    /// Where the program listens in blue and in green, when its preset has a proxy; the preset's when not given.
    pub proxy_to: Option<[Address; 2]>,
    /// The path of the health request.
    pub health_path: String,
    /// Whether the preset's starting program is written beside the manifest.
    pub main: bool,
}

/// Where files are written, and how.
#[derive(Debug, Clone, Copy)]
pub struct Into<'a> {
    /// The folder, which is there.
    pub folder: &'a Path,
    /// The systemd that is to read the units.
    pub target: Target,
    /// Whether files that are there with another text are replaced.
    pub force: bool,
}

/// What was written.
#[derive(Debug)]
pub struct Made {
    /// The application.
    pub app: App,
    /// What was done to each file.
    pub files: Vec<(PathBuf, Did)>,
    /// What the target lacks, and what was done about it, in words.
    pub notes: Vec<String>,
}

/// `sockgen init` could not write.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// What was given makes no valid manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The preset cannot do what was asked.
    #[error("{problem}")]
    Preset {
        /// What was asked, and what the preset does.
        problem: String,
        /// What to do about it.
        hint: String,
    },
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
            Self::Preset { hint, .. } => Some(hint.clone()),
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
    notes: &'a [&'a str],
    exec: String,
    args: Option<String>,
    gated: bool,
    proxy: Option<proxy::Text>,
    listeners: Vec<(&'a str, String, bool)>,
    health_path: Option<String>,
    health_exec: Option<String>,
    health_at: Vec<(&'a str, String)>,
    notify: bool,
    allow: Option<String>,
    relative: bool,
}

/// A TOML string. A JSON string is one, but for DEL, which TOML wants escaped.
fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A TOML array of strings.
fn strings<T: AsRef<str>>(texts: &[T]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| string(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// The text of the manifest, which is valid.
///
/// # Errors
/// When what was given breaks a rule of the manifest.
///
/// # Panics
/// Never: writing to a string cannot fail.
pub fn manifest(start: &Start) -> Result<(String, App), ManifestError> {
    let preset = start.preset;
    let exec = match &start.exec {
        Some(exec) => exec.clone(),
        None => preset.exec.replace("shop", start.name.as_ref()),
    };
    let proxy = proxy::text(start);
    let args = match (&start.args[..], &start.exec) {
        // Those of a program behind a proxy have words in them, which stand for its slot's address.
        _ if proxy.is_some() => None,
        ([], None) => (!preset.args.is_empty()).then(|| strings(preset.args)),
        (args, _) => (!args.is_empty()).then(|| strings(args)),
    };
    let own = |slot| (slot, format!("/var/lib/{}/{slot}.sock", start.name.state_directory()));
    let text = Text {
        name: string(start.name.as_ref()),
        notes: preset.notes,
        args,
        gated: preset.gated,
        listeners: start
            .listeners
            .iter()
            .map(|(name, at)| {
                (name.as_ref(), string(&at.to_string()), matches!(at, Address::Unix(_)))
            })
            .collect(),
        health_path: match preset.health {
            Asks::Admin | Asks::Own => Some(string(&start.health_path)),
            Asks::Exec(_) => None,
        },
        health_exec: match preset.health {
            Asks::Exec(argv) => Some(strings(argv)),
            Asks::Admin | Asks::Own => None,
        },
        health_at: match preset.health {
            Asks::Own if proxy.is_some() => Vec::new(),
            Asks::Own => ["blue", "green"].map(own).map(|(slot, at)| (slot, string(&at))).into(),
            Asks::Admin | Asks::Exec(_) => Vec::new(),
        },
        notify: preset.ready == Ready::Notify,
        allow: (!preset.allow.is_empty()).then(|| strings(preset.allow)),
        relative: !exec.starts_with('/'),
        exec: string(&exec),
        proxy,
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

/// Writes the manifest and its units, and the starting program when it is wanted: all or none.
///
/// # Errors
/// When the preset cannot do what was asked, when a file is there with another text and `force` is not given, or when one
/// cannot be written.
pub fn init(start: &Start, into: Into<'_>) -> Result<Made, InitError> {
    let (text, app) = manifest(start)?;
    one_listener(start)?;
    proxy::fits(start)?;
    let mut files = vec![Change::text(into.folder.join(MANIFEST_FILE), text)];
    if start.main {
        files.extend(program(start, into.folder)?);
    }
    make(app, files, into, |_| into.force)
}

/// Writes the units of the manifest in the folder anew, after it was edited: all or none.
///
/// # Errors
/// When the manifest is not valid, when a unit's file is there that sockgen did not write for this
/// application and `force` is not given, or when a file cannot be written.
pub fn again(into: Into<'_>) -> Result<Made, InitError> {
    let path = into.folder.join(MANIFEST_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(InitError::Read { path, source }),
    };
    let app = App::parse(&text)
        .map_err(|source| ManifestError::InFile { path, source: Box::new(source) })?;
    let name = app.name().clone();
    let own = |found: &[u8]| {
        let owner = std::str::from_utf8(found).ok().and_then(owner_of);
        into.force || owner == Some(name.as_ref())
    };
    make(app, Vec::new(), into, own)
}

/// Writes these files, and the units beside them.
fn make(
    app: App,
    mut files: Vec<Change>,
    into: Into<'_>,
    may_replace: impl Fn(&[u8]) -> bool,
) -> Result<Made, InitError> {
    let Rendered { units, notes } = render_for(&app, into.target);
    let of_unit = |unit: UnitFile| Change::text(into.folder.join(unit.name.as_ref()), unit.text);
    files.extend(units.into_iter().map(of_unit));
    let files = write(into.folder, files, may_replace)?;
    Ok(Made { app, files, notes })
}
