//! What a slot reads and writes outside of its release: systemd.exec(5), "Credentials" and `StateDirectory=`.

use std::path::PathBuf;

use super::App;
use crate::names::SecretName;
use crate::secrets::Form;

/// Where the slots may write, besides the state directory that each application has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storage {
    /// `ReadWritePaths=`: absolute paths of what is there already.
    pub write: Vec<PathBuf>,
    /// `CacheDirectory=`: `/var/cache/sockact-shop`.
    pub cache: bool,
    /// `LogsDirectory=`: `/var/log/sockact-shop`.
    pub logs: bool,
}

/// What a slot finds in `$CREDENTIALS_DIRECTORY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The name of the credential.
    pub name: SecretName,
    /// How it is stored on this machine; of an application that was not read from a machine, how it will be.
    pub form: Form,
}

impl App {
    /// What the slots read in their credentials directory.
    #[must_use]
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Where the slots may write.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }
}
