//! How bad a finding is.

use std::fmt;

use serde::Serialize;

/// How bad a finding is; the worst one is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[clap(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing: a default of systemd's that most units live with.
    Note,
    /// Loses a port or connections when something else happens too.
    Warning,
    /// Loses a port or connections as it stands, or cannot work.
    Error,
}

impl Severity {
    /// The word for it, as JSON and SARIF have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
