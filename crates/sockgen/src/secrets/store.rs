//! The directory of an application's secrets.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

use super::{Form, SECRET_MAX, SecretError};
use crate::names::{AppName, SecretName};
use crate::place::{Place, below};

/// The secrets of one application.
#[derive(Debug)]
pub struct Store {
    app: AppName,
    folder: PathBuf,
    /// Whether the machine's key may be used: not in an image, nor by a user's own systemd.
    sealing: bool,
}

/// A secret that is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Stored {
    /// Its name.
    pub name: SecretName,
    /// How it lies on the disk.
    pub form: Form,
}

impl Store {
    /// That of an application below `root`, which is `/` normally.
    #[must_use]
    pub fn of(root: &Path, place: &Place, app: &AppName) -> Self {
        let sealing = root == Path::new("/") && !place.is_user();
        Self { app: app.clone(), folder: below(root, &place.secrets_dir(app)), sealing }
    }

    /// How a secret is stored; `None` when it is not.
    #[must_use]
    pub fn form(&self, name: &SecretName) -> Option<Form> {
        let there = |form: &Form| self.path(name, *form).symlink_metadata().is_ok();
        [Form::Encrypted, Form::File].into_iter().find(there)
    }

    /// All that are stored, sorted by name.
    ///
    /// # Errors
    /// When the directory is there and cannot be read.
    pub fn list(&self) -> Result<Vec<Stored>, SecretError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(SecretError::file("read", &self.folder)(error)),
        };
        let mut stored: Vec<Stored> = entries
            .filter_map(|entry| {
                let file = entry.ok()?.file_name().into_string().ok()?;
                let (name, form) = match file.strip_suffix(Form::Encrypted.ending()) {
                    Some(name) => (name, Form::Encrypted),
                    None => (file.as_str(), Form::File),
                };
                Some(Stored { name: name.parse().ok()?, form })
            })
            .collect();
        stored.sort();
        stored.dedup_by(|one, other| one.name == other.name);
        Ok(stored)
    }

    /// Stores a secret, whole or not at all, and says how: as it was stored before, because a unit may name that file; a new one encrypted,
    /// where systemd-creds(1) can.
    ///
    /// # Errors
    /// When it is empty or too long, cannot be encrypted, or cannot be written.
    pub fn set(&self, name: &SecretName, secret: &[u8]) -> Result<Form, SecretError> {
        if secret.is_empty() {
            return Err(SecretError::Empty);
        }
        if secret.len() > SECRET_MAX {
            return Err(SecretError::TooLong);
        }
        self.make_folder()?;
        let form = self.form(name).unwrap_or_else(|| self.form_of_new());
        match form {
            Form::Encrypted => self.write(name, form, &encrypted(name, secret)?)?,
            Form::File => self.write(name, form, secret)?,
        }
        Ok(form)
    }

    /// Takes a secret off the disk.
    ///
    /// # Errors
    /// When there is none of this name, or it cannot be removed.
    pub fn remove(&self, name: &SecretName) -> Result<(), SecretError> {
        if self.form(name).is_none() {
            let have = self.list()?.into_iter().map(|stored| stored.name).collect();
            return Err(SecretError::Unknown { app: self.app.clone(), name: name.clone(), have });
        }
        for form in [Form::Encrypted, Form::File] {
            let path = self.path(name, form);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(SecretError::file("remove", &path)(error));
                }
                _ => {}
            }
        }
        self.sync();
        Ok(())
    }

    fn path(&self, name: &SecretName, form: Form) -> PathBuf {
        self.folder.join(format!("{name}{}", form.ending()))
    }

    fn form_of_new(&self) -> Form {
        let can = || {
            let mut creds = Command::new("systemd-creds");
            let version = creds.arg("--version").stdin(Stdio::null()).stderr(Stdio::null());
            version.output().is_ok_and(|output| output.status.success())
        };
        if self.sealing && can() { Form::Encrypted } else { Form::File }
    }

    /// Nobody but the owner may look into it, nor into the one above.
    fn make_folder(&self) -> Result<(), SecretError> {
        let above = self.folder.parent().unwrap_or(&self.folder);
        // Beside the secrets are the manifests, which are no secret.
        let manifests = above.parent().unwrap_or(above);
        let mut open = DirBuilder::new();
        open.recursive(true).mode(0o755);
        open.create(manifests).map_err(SecretError::file("make", manifests))?;
        for folder in [above, &self.folder] {
            let mut private = DirBuilder::new();
            private.recursive(true).mode(0o700);
            private.create(folder).map_err(SecretError::file("make", folder))?;
            let found = fs::metadata(folder).map_err(SecretError::file("read", folder))?;
            if found.mode() & 0o077 != 0 {
                return Err(SecretError::Open { path: folder.to_owned() });
            }
        }
        Ok(())
    }

    fn write(&self, name: &SecretName, form: Form, content: &[u8]) -> Result<(), SecretError> {
        let path = self.path(name, form);
        let fail = || SecretError::file("write", &path);
        // Made with mode 0600, in a folder that is its owner's.
        let mut file = NamedTempFile::with_prefix_in(".sockgen-", &self.folder).map_err(fail())?;
        file.write_all(content).map_err(fail())?;
        file.as_file().set_permissions(Permissions::from_mode(0o400)).map_err(fail())?;
        file.as_file().sync_all().map_err(fail())?;
        file.persist(&path).map_err(|error| fail()(error.error))?;
        self.sync();
        Ok(())
    }

    /// So that the name outlives a power cut; a file system that cannot sync a folder is no reason to fail.
    fn sync(&self) {
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
    }
}

/// What systemd-creds(1) makes of it, with the machine's key: by a pipe, never as an argument.
fn encrypted(name: &SecretName, secret: &[u8]) -> Result<Vec<u8>, SecretError> {
    let failed = |error: io::Error| SecretError::Encrypt { said: error.to_string() };
    let mut creds = Command::new("systemd-creds");
    creds.arg("encrypt").arg(format!("--name={name}")).args(["-", "-"]);
    creds.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = creds.spawn().map_err(failed)?;
    // It reads all before it writes, so that neither waits for the other. One that ends at once says why.
    let given = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(secret));
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(SecretError::Encrypt { said });
    }
    given.map_err(failed)?;
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(root: &Path) -> Store {
        Store::of(root, &Place::system(), &"shop".parse().unwrap())
    }

    #[test]
    fn a_secret_is_its_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path());
        let (name, other): (SecretName, SecretName) =
            ("db-password".parse().unwrap(), "key.pem".parse().unwrap());
        assert_eq!(store.list().unwrap(), []);
        assert_eq!(store.set(&name, b"old").unwrap(), Form::File, "an image has no key");
        store.set(&other, &[0, 0xff]).unwrap();
        store.set(&name, b"new\n").unwrap();
        let path = root.path().join("etc/sockact/secrets/shop/db-password");
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o400);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777, 0o700);
        let manifests = fs::metadata(root.path().join("etc/sockact")).unwrap();
        assert_eq!(manifests.mode() & 0o777, 0o755, "manifests are everybody's to read");
        let names: Vec<_> = store.list().unwrap().into_iter().map(|one| one.name).collect();
        assert_eq!(names, [name.clone(), other]);
        store.remove(&name).unwrap();
        assert_eq!(store.form(&name), None);
        let error = store.remove(&name).unwrap_err();
        assert_eq!(error.hint().unwrap(), "it has key.pem");
    }

    #[test]
    fn what_cannot_be_a_credential_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path());
        let name: SecretName = "key".parse().unwrap();
        assert!(matches!(store.set(&name, b""), Err(SecretError::Empty)));
        let long = vec![b'x'; SECRET_MAX + 1];
        assert!(matches!(store.set(&name, &long), Err(SecretError::TooLong)));
        store.set(&name, &long[1..]).unwrap();
    }

    #[test]
    fn a_directory_that_others_read_gets_no_secret() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/sockact/secrets");
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let error = store(root.path()).set(&"key".parse().unwrap(), b"x").unwrap_err();
        assert!(matches!(error, SecretError::Open { .. }), "{error}");
        assert!(fs::read_dir(&folder).unwrap().next().is_none());
    }
}
