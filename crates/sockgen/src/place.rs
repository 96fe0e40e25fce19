//! Where an application lives: on the machine, in PID 1's hands, or at home, in those of a user's own systemd.
//!
//! Every path of an application comes from here; nothing else asks whose systemd it is.

use std::path::{Path, PathBuf};

use crate::names::{AppName, SlotName};

/// Whose systemd runs the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// PID 1.
    System,
    /// `systemd --user`.
    User,
}

/// The directories of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    scope: Scope,
    units: PathBuf,
    manifests: PathBuf,
    state: PathBuf,
    run: PathBuf,
    cache: PathBuf,
}

/// A directory of the user's is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is not set to an absolute path")]
pub struct PlaceError {
    variable: &'static str,
}

impl PlaceError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "log in as the user (machinectl shell USER@, ssh), or export XDG_RUNTIME_DIR=/run/user/$(id -u)"
    }
}

impl Place {
    /// The machine's: `/etc/systemd/system`, `/etc/sockact`, `/var/lib/sockact`, `/run/sockact`.
    #[must_use]
    pub fn system() -> Self {
        Self {
            scope: Scope::System,
            units: "/etc/systemd/system".into(),
            manifests: "/etc/sockact".into(),
            state: "/var/lib/sockact".into(),
            run: "/run/sockact".into(),
            cache: "/var/cache".into(),
        }
    }

    /// A user's, from the variables of the XDG base directory specification: units in `~/.config/systemd/user`, manifests in
    /// `~/.config/sockact`, state in `~/.local/state/sockact`, and what lives until logout in `$XDG_RUNTIME_DIR/sockact`.
    ///
    /// ```
    /// # use std::{ffi::OsString, path::Path};
    /// let vars = |name: &str| match name {
    ///     "HOME" => Some(OsString::from("/home/ann")),
    ///     "XDG_RUNTIME_DIR" => Some(OsString::from("/run/user/1000")),
    ///     _ => None,
    /// };
    /// let place = sockgen::Place::user(vars)?;
    /// assert_eq!(place.units(), Path::new("/home/ann/.config/systemd/user"));
    /// # Ok::<(), sockgen::PlaceError>(())
    /// ```
    ///
    /// # Errors
    /// When `HOME` or `XDG_RUNTIME_DIR` is needed and is no absolute path.
    pub fn user(vars: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self, PlaceError> {
        // The specification: a relative path in one of these is to be ignored.
        let get = |variable: &str| vars(variable).map(PathBuf::from).filter(|p| p.is_absolute());
        let home = |variable: &'static str, default: &str| {
            let at_home = || Some(get("HOME")?.join(default));
            get(variable).or_else(at_home).ok_or(PlaceError { variable: "HOME" })
        };
        let config = home("XDG_CONFIG_HOME", ".config")?;
        let state = home("XDG_STATE_HOME", ".local/state")?;
        let run = get("XDG_RUNTIME_DIR").ok_or(PlaceError { variable: "XDG_RUNTIME_DIR" })?;
        Ok(Self {
            scope: Scope::User,
            units: config.join("systemd/user"),
            manifests: config.join("sockact"),
            state: state.join("sockact"),
            run: run.join("sockact"),
            cache: home("XDG_CACHE_HOME", ".cache")?,
        })
    }

    /// The user's when asked for, with the variables of this process.
    ///
    /// # Errors
    /// As [`Place::user`].
    pub fn asked(user: bool) -> Result<Self, PlaceError> {
        if user { Self::user(|name| std::env::var_os(name)) } else { Ok(Self::system()) }
    }

    /// Whose systemd it is.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether it is a user's own.
    #[must_use]
    pub fn is_user(&self) -> bool {
        self.scope == Scope::User
    }

    /// Where unit files go, and the links that `systemctl enable` makes.
    #[must_use]
    pub fn units(&self) -> &Path {
        &self.units
    }

    /// Where the manifests of installed applications are.
    #[must_use]
    pub fn manifests(&self) -> &Path {
        &self.manifests
    }

    /// What lives until the next boot, of all applications: `/run/sockact`.
    #[must_use]
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// What wants the targets of applications at boot, or when the user's systemd starts.
    #[must_use]
    pub fn wanted_by(&self) -> &'static str {
        match self.scope {
            Scope::System => "multi-user.target",
            Scope::User => "default.target",
        }
    }

    /// Who holds the sockets, for people.
    #[must_use]
    pub fn manager(&self) -> &'static str {
        match self.scope {
            Scope::System => "PID 1",
            Scope::User => "your own systemd",
        }
    }

    /// A program as a person types it: `systemctl`, or `systemctl --user`.
    #[must_use]
    pub fn typed(&self, program: &str) -> String {
        match self.scope {
            Scope::System => program.to_owned(),
            Scope::User => format!("{program} --user"),
        }
    }

    /// The installed manifest: `/etc/sockact/shop.toml`.
    #[must_use]
    pub fn manifest(&self, app: &AppName) -> PathBuf {
        self.manifests.join(format!("{app}.toml"))
    }

    /// The secrets of an application: `/etc/sockact/secrets/shop`.
    #[must_use]
    pub fn secrets_dir(&self, app: &AppName) -> PathBuf {
        self.manifests.join("secrets").join(app.as_ref())
    }

    /// What lives until the next boot: `/run/sockact/shop`.
    #[must_use]
    pub fn run_dir(&self, app: &AppName) -> PathBuf {
        self.run.join(app.as_ref())
    }

    /// The slot's private socket: `/run/sockact/shop/blue.sock`.
    #[must_use]
    pub fn admin_path(&self, app: &AppName, slot: &SlotName) -> PathBuf {
        self.run_dir(app).join(format!("{slot}.sock"))
    }

    /// The slot's environment, written by the controller: `/run/sockact/shop/blue.env`.
    #[must_use]
    pub fn env_path(&self, app: &AppName, slot: &SlotName) -> PathBuf {
        self.run_dir(app).join(format!("{slot}.env"))
    }

    /// The lock of a deploy: `/run/sockact/shop/lock`.
    #[must_use]
    pub fn lock_path(&self, app: &AppName) -> PathBuf {
        self.run_dir(app).join("lock")
    }

    /// What the controller has begun and not ended: `/run/sockact/shop/deploy.json`.
    #[must_use]
    pub fn wish_path(&self, app: &AppName) -> PathBuf {
        self.run_dir(app).join("deploy.json")
    }

    /// Where systemd keeps what the program itself wrote (`StateDirectory=`, `CacheDirectory=`, `LogsDirectory=`): each at one of two
    /// places, and maybe a link at the other. With a dynamic user it lies in `private`; a user's own systemd before 254 has state and
    /// logs among the configuration (systemd.exec(5)).
    #[must_use]
    pub fn program_state(&self, app: &AppName) -> Vec<PathBuf> {
        let parent = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
        let bases = match self.scope {
            Scope::System => {
                let bases = [Path::new("/var/lib"), &self.cache, Path::new("/var/log")];
                bases.into_iter().flat_map(|base| [base.to_owned(), base.join("private")]).collect()
            }
            Scope::User => {
                let (new, old) = (parent(&self.state), parent(&self.manifests));
                let logs = [new.join("log"), old.join("log")];
                [vec![new, old, self.cache.clone()], logs.to_vec()].concat()
            }
        };
        bases.into_iter().map(|base: PathBuf| base.join(app.state_directory())).collect()
    }

    /// What outlives a boot: `/var/lib/sockact/shop`.
    #[must_use]
    pub fn state_dir(&self, app: &AppName) -> PathBuf {
        self.state.join(app.as_ref())
    }

    /// The releases: `/var/lib/sockact/shop/releases`.
    #[must_use]
    pub fn releases_dir(&self, app: &AppName) -> PathBuf {
        self.state_dir(app).join("releases")
    }

    /// The symlink to the slot's release: `/var/lib/sockact/shop/slots/blue`.
    #[must_use]
    pub fn slot_link(&self, app: &AppName, slot: &SlotName) -> PathBuf {
        self.state_dir(app).join("slots").join(slot.as_ref())
    }
}

/// The absolute `path` as it lies below `root`.
///
/// ```
/// use std::path::Path;
/// assert_eq!(sockgen::below(Path::new("/mnt"), Path::new("/etc/x")), Path::new("/mnt/etc/x"));
/// ```
#[must_use]
pub fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
