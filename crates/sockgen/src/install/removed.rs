//! Sockets of listeners that were in an earlier manifest: open until their last user has drained.

use std::path::{Path, PathBuf};

use super::InstallError;
use super::snapshot::{GENERATED, listens_on, ours};
use crate::check::Unit;
use crate::endpoint::Endpoint;
use crate::model::App;
use crate::names::ADMIN_FD_NAME;
use crate::render;

/// A public socket whose listener is not in the manifest any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its unit, `shop-http.socket`.
    pub unit: String,
    /// Where it listens, as long as it is open.
    pub address: Endpoint,
    /// The unit file that an earlier install wrote.
    pub path: PathBuf,
}

impl Removed {
    /// The socket of a unit file; `None` for the admin socket of a slot, and for what listens on nothing we know.
    pub(crate) fn of(unit: &str, text: &str) -> Option<Self> {
        let parsed = Unit::parse(unit, text);
        let admin = parsed.value("Socket", "FileDescriptorName") == Some(ADMIN_FD_NAME);
        if admin || !unit.ends_with(".socket") {
            return None;
        }
        let address = listens_on(unit, text)?;
        Some(Self { unit: unit.to_owned(), address, path: PathBuf::new() })
    }
}

/// The public sockets that earlier installs of the application wrote and the installed manifest does not name.
///
/// # Errors
/// When a unit file cannot be read.
pub fn removed(app: &App) -> Result<Vec<Removed>, InstallError> {
    let units = render(app);
    let mut all = Vec::new();
    let generated = (!app.place().is_user()).then_some(Path::new(GENERATED));
    for folder in [app.place().units()].into_iter().chain(generated) {
        let ours = ours(folder, app.name())?.into_iter();
        let gone = ours.filter(|(name, _)| !units.iter().any(|unit| unit.name.as_ref() == name));
        let gone = gone.filter_map(|(name, text)| Removed::of(&name, &text));
        all.extend(gone.map(|removed| Removed { path: folder.join(&removed.unit), ..removed }));
    }
    Ok(all)
}
