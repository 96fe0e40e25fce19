//! What can be wrong with a manifest, in the words its author needs.

use std::io;
use std::path::PathBuf;

use crate::names::AppName;

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The text is not TOML, or a value has the wrong type or form.
    ///
    /// The message shows the line and points at the column.
    #[error("{message}")]
    Form {
        /// The message, with the line, the column and the text of the line.
        message: String,
        /// The line of the fault, counted from 1.
        line: usize,
        /// The column of the fault, counted from 1.
        column: usize,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Each value may be well formed, but the manifest makes no sense.
    #[error("{key}: {problem}")]
    Value {
        /// The key, such as `listeners.http.listen`.
        key: String,
        /// What was found and what rule it breaks.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// No manifest of this application is installed.
    #[error("there is no application {name} on this machine: {path} does not exist")]
    Unknown {
        /// The application that was asked for.
        name: AppName,
        /// Where its manifest would be.
        path: PathBuf,
        /// The applications that are installed.
        installed: Vec<AppName>,
    },
    /// The manifest could not be read from the disk.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A manifest on the disk is not valid.
    #[error("{path}: {source}")]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ManifestError>,
    },
    /// The installed manifest names another application than its file.
    #[error("{path} is the manifest of {found}, not of {name}")]
    Misnamed {
        /// The application that was asked for.
        name: AppName,
        /// The file.
        path: PathBuf,
        /// The application the file names.
        found: AppName,
    },
}

impl ManifestError {
    pub(crate) fn value(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Value { key: key.into(), problem: problem.into(), hint: None }
    }

    pub(crate) fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Form { hint, .. } | Self::Value { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Form { hint, .. } | Self::Value { hint, .. } => hint.clone(),
            Self::Unknown { installed, .. } if installed.is_empty() => {
                Some("no application is installed; `sockgen install` in its directory does".into())
            }
            Self::Unknown { installed, .. } => {
                let names: Vec<&str> = installed.iter().map(AsRef::as_ref).collect();
                Some(format!(
                    "installed here: {}; `sockgen install` adds an application",
                    names.join(", ")
                ))
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run it as a user who may read it".into())
            }
            Self::Read { .. } => None,
            Self::InFile { source, .. } => source.hint(),
            Self::Misnamed { path, .. } => {
                Some(format!("`sockgen install` writes {} itself; do not copy it", path.display()))
            }
        }
    }
}
