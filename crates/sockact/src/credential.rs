//! Credentials of a service: `LoadCredential=`, `SetCredential=` of `systemd.exec(5)`.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use zeroize::{Zeroize, Zeroizing};

/// The most that systemd passes in one credential, in bytes (`CREDENTIAL_SIZE_MAX` of its
/// `creds-util.h`; `systemd.exec(5)`, "Credentials": 1 MiB).
pub const CREDENTIAL_MAX: usize = 1 << 20;

/// A secret: it is not printed, has no `Debug` text of its own, and is overwritten when dropped.
pub struct Credential(Zeroizing<Vec<u8>>);

/// Reads the credential `name` from `$CREDENTIALS_DIRECTORY`.
///
/// The content is as it was given: a line break at the end of the file belongs to it, see
/// [`Credential::line`].
///
/// ```no_run
/// let url = sockact::credential("db_url")?;
/// connect(url.line()?);
/// # fn connect(_: &str) {}
/// # Ok::<(), sockact::CredentialError>(())
/// ```
///
/// # Errors
/// A name that systemd would not take, no credentials at all, none of this name, one that is larger
/// than [`CREDENTIAL_MAX`], is no file, or cannot be read.
pub fn credential(name: &str) -> Result<Credential, CredentialError> {
    read(std::env::var_os("CREDENTIALS_DIRECTORY").as_deref(), name)
}

/// Why a credential could not be had. No variant holds any of its content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// No name of a credential.
    #[error(
        "{name:?} is no name of a credential: 1 to 255 printable ASCII characters without / and :, not . or .."
    )]
    Name {
        /// The name asked for.
        name: String,
    },

    /// The process was started without credentials.
    #[error(
        "no credential {name:?}: CREDENTIALS_DIRECTORY is not set; the unit needs LoadCredential={name}:/path, or start the program with CREDENTIALS_DIRECTORY=/path/of/a/directory"
    )]
    NoDirectory {
        /// The name asked for.
        name: String,
    },

    /// `CREDENTIALS_DIRECTORY` is not absolute.
    #[error("CREDENTIALS_DIRECTORY={value:?} is no absolute path")]
    Directory {
        /// Its value.
        value: PathBuf,
    },

    /// There is no such credential.
    #[error(
        "no credential {name:?} in {}: there are {have}; the unit needs LoadCredential={name}:/path",
        directory.display()
    )]
    NotFound {
        /// The name asked for.
        name: String,
        /// `CREDENTIALS_DIRECTORY`.
        directory: PathBuf,
        /// The names there are, for reading.
        have: String,
    },

    /// Not readable for this user.
    #[error(
        "credential {name:?}: {} may not be read by this user; systemd gives it to the unit's User=, at the start",
        path.display()
    )]
    Permission {
        /// The name asked for.
        name: String,
        /// The file.
        path: PathBuf,
        /// From open(2).
        source: io::Error,
    },

    /// Larger than systemd makes them.
    #[error("credential {name:?} is larger than {max} bytes")]
    TooLarge {
        /// The name asked for.
        name: String,
        /// [`CREDENTIAL_MAX`].
        max: usize,
    },

    /// A directory, FIFO or device.
    #[error("credential {name:?}: {} is no regular file", path.display())]
    NoFile {
        /// The name asked for.
        name: String,
        /// What was found.
        path: PathBuf,
    },

    /// Reading failed.
    #[error("credential {name:?}: cannot read {}", path.display())]
    Read {
        /// The name asked for.
        name: String,
        /// The file.
        path: PathBuf,
        /// From open(2), fstat(2) or read(2).
        source: io::Error,
    },

    /// The content is no UTF-8 text.
    #[error("the credential is no UTF-8 text")]
    NoText,
}

impl Credential {
    /// The content.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The content as text.
    ///
    /// # Errors
    /// It is no UTF-8.
    pub fn as_str(&self) -> Result<&str, CredentialError> {
        std::str::from_utf8(&self.0).map_err(|_| CredentialError::NoText)
    }

    /// The content as text, without the one line break that an editor leaves at the end of a file.
    ///
    /// # Errors
    /// It is no UTF-8.
    pub fn line(&self) -> Result<&str, CredentialError> {
        let text = self.as_str()?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        Ok(text.strip_suffix('\r').unwrap_or(text))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(not shown)")
    }
}

fn read(directory: Option<&OsStr>, name: &str) -> Result<Credential, CredentialError> {
    let name = valid(name)?;
    let own = || name.to_owned();
    let directory =
        Path::new(directory.ok_or_else(|| CredentialError::NoDirectory { name: own() })?);
    if !directory.is_absolute() {
        return Err(CredentialError::Directory { value: directory.to_owned() });
    }
    let path = directory.join(name);
    let failed =
        |source: io::Error| CredentialError::Read { name: own(), path: path.clone(), source };
    let file = open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CredentialError::NotFound {
            name: own(),
            directory: directory.to_owned(),
            have: names(directory),
        },
        io::ErrorKind::PermissionDenied => {
            CredentialError::Permission { name: own(), path: path.clone(), source }
        }
        _ => failed(source),
    })?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(CredentialError::NoFile { name: own(), path });
    }
    if metadata.len() > CREDENTIAL_MAX as u64 {
        return Err(CredentialError::TooLarge { name: own(), max: CREDENTIAL_MAX });
    }
    let content = content(file, metadata.len() as usize).map_err(failed)?;
    content.ok_or_else(|| CredentialError::TooLarge { name: own(), max: CREDENTIAL_MAX })
}

/// Does not wait for the writer of a FIFO.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Reads all; `None` when it is more than a credential can be. A buffer that becomes too small is
/// overwritten, not left behind.
fn content(mut file: File, expected: usize) -> io::Result<Option<Credential>> {
    let mut buffer = Zeroizing::new(vec![0; expected + 1]);
    let mut length = 0;
    loop {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        if length > CREDENTIAL_MAX {
            return Ok(None);
        }
        if length == buffer.len() {
            let mut larger = Zeroizing::new(vec![0; (length * 2).min(CREDENTIAL_MAX + 1)]);
            larger[..length].copy_from_slice(&buffer);
            buffer = larger;
        }
    }
    buffer[length..].zeroize();
    buffer.truncate(length);
    Ok(Some(Credential(buffer)))
}

/// A name as `LoadCredential=` takes it: one of a file and of a descriptor.
fn valid(name: &str) -> Result<&str, CredentialError> {
    let printable = name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'/' && b != b':');
    if printable && (1..=255).contains(&name.len()) && name != "." && name != ".." {
        return Ok(name);
    }
    Err(CredentialError::Name { name: name.to_owned() })
}

fn names(directory: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(directory) else { return "none".to_owned() };
    let mut names: Vec<_> =
        entries.filter_map(|e| Some(format!("{:?}", e.ok()?.file_name()))).collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new() -> Fixture {
            Fixture(tempfile::tempdir().unwrap())
        }

        fn with(self, name: &str, content: &[u8]) -> Fixture {
            std::fs::write(self.0.path().join(name), content).unwrap();
            self
        }

        fn read(&self, name: &str) -> Result<Credential, CredentialError> {
            read(Some(self.0.path().as_os_str()), name)
        }

        #[track_caller]
        fn refuses(&self, name: &str, expected: &str) {
            let e = self.read(name).unwrap_err().to_string();
            assert!(e.contains(expected), "{name:?}: {e}");
        }
    }

    #[test]
    fn is_read_as_it_is_and_never_shown() {
        let fixture = Fixture::new().with("db_url", b"postgres://secret\n").with("empty", b"");
        let url = fixture.read("db_url").unwrap();
        assert_eq!(url.as_bytes(), b"postgres://secret\n");
        assert_eq!(url.line().unwrap(), "postgres://secret");
        assert_eq!(format!("{url:?}"), "Credential(not shown)");
        assert_eq!(fixture.read("empty").unwrap().as_str().unwrap(), "");
        let binary = Fixture::new().with("key", &[0xff, 0]).read("key").unwrap();
        assert_eq!(binary.as_bytes(), [0xff, 0]);
        assert!(matches!(binary.as_str(), Err(CredentialError::NoText)));
    }

    #[test]
    fn what_is_missing_is_named() {
        let fixture = Fixture::new().with("b", b"").with("a", b"");
        fixture.refuses("db_url", "there are \"a\", \"b\"; the unit needs LoadCredential=db_url");
        let e = read(None, "db_url").unwrap_err().to_string();
        assert!(e.contains("CREDENTIALS_DIRECTORY is not set"), "{e}");
        let e = read(Some(OsStr::new("creds")), "db_url").unwrap_err().to_string();
        assert!(e.contains("no absolute path"), "{e}");
    }

    #[test]
    fn names() {
        let fixture = Fixture::new();
        for wrong in ["", ".", "..", "../a", "/etc/passwd", "a/b", "a:b", "a\nb", "ä"] {
            fixture.refuses(wrong, "is no name of a credential");
        }
        fixture.refuses(&"a".repeat(256), "is no name of a credential");
    }

    #[test]
    fn sizes() {
        let most = vec![b'x'; CREDENTIAL_MAX];
        let more = vec![b'x'; CREDENTIAL_MAX + 1];
        let fixture = Fixture::new().with("most", &most).with("more", &more);
        assert_eq!(fixture.read("most").unwrap().as_bytes(), most);
        fixture.refuses("more", "is larger than 1048576 bytes");
        // A file that says nothing of its size, and one that never ends.
        let file = |path| File::open(path).unwrap();
        let environ = content(file("/proc/self/status"), 0).unwrap().unwrap();
        assert!(environ.as_str().unwrap().starts_with("Name:"));
        assert!(content(file("/dev/zero"), 0).unwrap().is_none());
    }

    #[test]
    fn what_is_no_file() {
        let fixture = Fixture::new();
        std::fs::create_dir(fixture.0.path().join("dir")).unwrap();
        fixture.refuses("dir", "is no regular file");
        let fifo = fixture.0.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RUSR).unwrap();
        fixture.refuses("fifo", "is no regular file");
    }

    /// As another user, on a thread of its own: root may read everything.
    #[test]
    fn permission() {
        use std::os::unix::fs::PermissionsExt;
        let fixture = Fixture::new().with("key", b"secret");
        let key = fixture.0.path().join("key");
        std::fs::set_permissions(key, PermissionsExt::from_mode(0o000)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
                fixture.refuses("key", "may not be read by this user");
            });
        });
    }
}
