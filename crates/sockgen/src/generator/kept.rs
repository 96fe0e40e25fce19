//! What was written last, kept where it lives until the next boot: then nothing runs that could lose it.

use std::fs;
use std::io;
use std::path::Path;

use super::{Set, kept_path};
use crate::files::{Change, FileError, stage};
use crate::names::AppName;
use crate::place::{Place, below};

/// What was written last for one application.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) set: Set,
    is_there: bool,
}

impl Kept {
    /// What cannot be read is as good as nothing: it is only ours.
    pub(super) fn read(root: &Path, place: &Place, name: &AppName) -> Self {
        let text = fs::read_to_string(kept_path(root, place, name)).ok();
        let set = text.as_deref().and_then(|text| serde_json::from_str(text).ok());
        Self { is_there: set.is_some(), set: set.unwrap_or_default() }
    }

    pub(super) fn has_units(&self) -> bool {
        !self.set.units.is_empty()
    }

    /// Whether this is the first time since the boot.
    pub(super) fn is_new(&self) -> bool {
        !self.is_there
    }

    /// Keeps these instead.
    pub(super) fn replace(
        &self,
        root: &Path,
        place: &Place,
        name: &AppName,
        set: &Set,
    ) -> Result<(), FileError> {
        if self.is_there && self.set == *set {
            return Ok(());
        }
        let path = kept_path(root, place, name);
        let folder = path.parent().unwrap_or(root);
        let manifest = below(root, &place.manifest(name));
        if set.units.is_empty() && !manifest.exists() {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(FileError::new("delete", &path)(error))
                }
                _ => Ok(()),
            };
        }
        fs::create_dir_all(folder).map_err(FileError::new("make", folder))?;
        let text = serde_json::to_string(set).expect("text can be JSON");
        let _ = stage(vec![Change::text(path, text)])?.commit()?;
        Ok(())
    }
}

/// The applications of which something is kept.
pub(super) fn applications(root: &Path, place: &Place) -> Vec<AppName> {
    let folder = below(root, place.run());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<AppName>().ok());
    let mut names: Vec<_> = names.filter(|name| kept_path(root, place, name).exists()).collect();
    names.sort();
    names
}
