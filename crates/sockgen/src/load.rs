//! Manifests where they are: as a text, or installed on a machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::error::ManifestError;
use crate::manifest::Manifest;
use crate::model::App;
use crate::names::AppName;
use crate::place::{Place, below};
use crate::secrets::Store;
use crate::validate;

impl App {
    /// Reads and validates the text of a manifest.
    ///
    /// # Errors
    /// [`ManifestError::Form`] with line and column, or [`ManifestError::Value`] with the key.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        Self::parse_for(&Place::system(), text)
    }

    /// The same for an application of this place.
    ///
    /// # Errors
    /// As [`App::parse`], and when a key asks for what a user's own systemd cannot do.
    pub fn parse_for(place: &Place, text: &str) -> Result<Self, ManifestError> {
        validate::app(Manifest::parse(text)?, place)
    }

    /// Reads and validates the manifest in this file.
    ///
    /// # Errors
    /// When it cannot be read, and as [`App::parse`].
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|source| ManifestError::InFile {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Reads the manifest of an installed application below `root`, which is `/` normally.
    ///
    /// # Errors
    /// When it is not there, cannot be read, is not valid, or is another application's.
    pub fn load(root: &Path, place: &Place, name: &AppName) -> Result<Self, ManifestError> {
        let path = below(root, &place.manifest(name));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let installed = Self::installed(root, place)?;
                return Err(ManifestError::Unknown { name: name.clone(), path, installed });
            }
            Err(source) => return Err(ManifestError::Read { path, source }),
        };
        let mut app = Self::parse_for(place, &text).map_err(|source| ManifestError::InFile {
            path: path.clone(),
            source: Box::new(source),
        })?;
        if app.name != *name {
            return Err(ManifestError::Misnamed { name: name.clone(), path, found: app.name });
        }
        app.find_secrets(root);
        Ok(app)
    }

    /// Looks how each secret is stored.
    pub(crate) fn find_secrets(&mut self, root: &Path) {
        let store = Store::of(root, &self.place, &self.name);
        for secret in &mut self.secrets {
            secret.form = store.form(&secret.name).unwrap_or(secret.form);
        }
    }

    /// The names of the applications that are installed below `root`, sorted.
    ///
    /// # Errors
    /// When the directory is there and cannot be read.
    pub fn installed(root: &Path, place: &Place) -> Result<Vec<AppName>, ManifestError> {
        let path = below(root, place.manifests());
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(ManifestError::Read { path, source }),
        };
        let mut names: Vec<AppName> = entries
            .filter_map(|entry| {
                let file = PathBuf::from(entry.ok()?.file_name());
                let stem = file.file_stem()?.to_str()?;
                (file.extension() == Some(OsStr::new("toml"))).then(|| stem.parse().ok())?
            })
            .collect();
        names.sort();
        Ok(names)
    }
}
