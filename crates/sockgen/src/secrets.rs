//! The secrets of an application on this machine: encrypted by systemd-creds(1) with the machine's key, or as files that only their owner reads.
//!
//! A slot reads them in its credentials directory (systemd.exec(5), "Credentials"). None stands in a unit, an argument or a variable.

mod store;

use std::io;
use std::path::{Path, PathBuf};

pub use store::{Store, Stored};

use crate::model::App;
use crate::names::{AppName, SecretName};

/// The most that systemd passes in one credential, in bytes (systemd.exec(5), "Credentials").
pub const SECRET_MAX: usize = 1 << 20;

/// How a secret lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// With the machine's key, that of its TPM or that of /var/lib/systemd: of no use elsewhere.
    Encrypted,
    /// As it is, in a file that only its owner may read.
    File,
}

impl Form {
    /// The ending of the file's name.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Encrypted => ".cred",
            Self::File => "",
        }
    }
}

/// A secret could not be stored, listed or removed. No variant holds any of its content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There was nothing to store.
    #[error("the secret is empty")]
    Empty,
    /// More than a credential can be.
    #[error("the secret is longer than {SECRET_MAX} bytes")]
    TooLong,
    /// systemd-creds(1) could not encrypt it.
    #[error("systemd-creds cannot encrypt it: {said}")]
    Encrypt {
        /// What it said.
        said: String,
    },
    /// The files could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Others may read where it would lie.
    #[error("{} may be read by others", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
    },
    /// There is no secret of this name.
    #[error("{app} has no secret {name}")]
    Unknown {
        /// The application.
        app: AppName,
        /// The secret.
        name: SecretName,
        /// Those that it has.
        have: Vec<SecretName>,
    },
    /// The installed manifest names it.
    #[error("the installed manifest of {app} names {name}: without it no slot would start")]
    Needed {
        /// The application.
        app: AppName,
        /// The secret.
        name: SecretName,
    },
}

impl SecretError {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Empty => Some("type it, or give it on standard input: ... <file".to_owned()),
            Self::TooLong => Some("put what is that long into a file of the service".to_owned()),
            Self::Encrypt { .. } => Some(
                "see that /var/lib/systemd can be written, or `systemd-creds setup`".to_owned(),
            ),
            Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("try again with sudo, or with --user for your own systemd".to_owned())
            }
            Self::File { .. } => None,
            Self::Open { path } => Some(format!("chmod 0700 {}", path.display())),
            Self::Unknown { have, .. } if have.is_empty() => Some("it has none".to_owned()),
            Self::Unknown { have, .. } => {
                let names: Vec<&str> = have.iter().map(AsRef::as_ref).collect();
                Some(format!("it has {}", names.join(", ")))
            }
            Self::Needed { .. } => {
                Some("take it out of `secrets` in sockact.toml and install that first".to_owned())
            }
        }
    }
}

/// The command that stores a secret, as a person types it.
pub(crate) fn set_command(root: &Path, app: &App, name: &SecretName) -> String {
    let of = match (app.place().is_user(), root == Path::new("/")) {
        (true, _) => "--user ".to_owned(),
        (false, true) => String::new(),
        (false, false) => format!("--root {} ", root.display()),
    };
    format!("sockgen secret set {of}{} {name}", app.name())
}
