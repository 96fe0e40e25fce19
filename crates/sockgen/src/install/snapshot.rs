//! What is on the machine now: read once, handed to the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::ports::{self, Tried};
use super::readdressed::readdressed;
use super::systemd::{self, UnitState};
use super::{InstallError, Request};
use crate::check::Unit;
use crate::endpoint::{ENDPOINT_KEYS, Endpoint};
use crate::model::{App, Exec, Listener};
use crate::names::{AppName, SecretName, SlotName};
use crate::place::{Place, Scope, below};
use crate::render::{UnitFile, owner_of};
use crate::secrets::Store;

/// Where generators write (systemd.generator(7)).
pub(crate) const GENERATED: &str = "/run/systemd/generator";

/// Where else units come from (systemd.unit(5)); a unit of ours would hide one that is there.
pub(crate) fn other_unit_dirs(place: &Place) -> &'static [&'static str] {
    match place.scope() {
        Scope::System => &[
            "/usr/local/lib/systemd/system",
            "/usr/lib/systemd/system",
            "/lib/systemd/system",
            "/run/systemd/system",
            GENERATED,
        ],
        Scope::User => {
            &["/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"]
        }
    }
}

/// What stands where a unit file or the alias would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A symlink, and where it points.
    Link(PathBuf),
    /// A file, and its text.
    File(String),
}

/// The program of an absolute `exec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Fine,
    Missing,
    NoFile,
    NotExecutable,
}

/// What is on the machine now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// Under the names of the units and of the alias, in the folder of units.
    pub(crate) found: BTreeMap<String, Found>,
    /// Every unit of this application that systemd reads: name and text.
    pub(crate) ours: BTreeMap<String, String>,
    /// Those of them that no install wrote: the generator will not write them again once there is an installed one.
    pub(crate) from_generator: BTreeSet<String>,
    /// Units and the alias that another folder has, too.
    pub(crate) elsewhere: BTreeMap<String, PathBuf>,
    pub(crate) manifest: Option<String>,
    /// The other applications that are installed.
    pub(crate) others: Vec<App>,
    /// Where systemd has a public socket open, by its unit: what the installed manifest says, and the kernel, whatever is in the file now.
    pub(crate) open: BTreeMap<String, Endpoint>,
    /// Drop-ins that take the manifest's address from such a socket at the next reload.
    pub(crate) readdressing: BTreeMap<String, Vec<PathBuf>>,
    /// The states of the units; `None` for an image.
    pub(crate) states: Option<BTreeMap<String, UnitState>>,
    /// What trying the addresses gave, by listener; those that are ours already are not tried.
    pub(crate) tried: BTreeMap<String, Tried>,
    pub(crate) program: Option<Program>,
    /// The live slot, when it has no release, or one without a file at the manifest's `exec`.
    pub(crate) lacking: Option<SlotName>,
    /// Secrets of the manifest that are not stored.
    pub(crate) missing_secrets: Vec<SecretName>,
    /// Paths of `storage.write` that are not there.
    pub(crate) missing_paths: Vec<PathBuf>,
    /// The names of the accounts in passwd(5).
    pub(crate) accounts: Vec<String>,
}

impl Snapshot {
    pub(crate) fn take(
        request: &Request,
        app: &App,
        units: &[UnitFile],
    ) -> Result<Self, InstallError> {
        let root = request.root();
        let folder = below(root, app.place().units());
        let mut names: Vec<String> = units.iter().map(|unit| unit.name.to_string()).collect();
        names.push(app.alias().to_string());
        let installed = ours(&folder, app.name())?;
        let mut generated = match app.place().scope() {
            Scope::System => ours(&below(root, Path::new(GENERATED)), app.name())?,
            Scope::User => BTreeMap::new(),
        };
        generated.retain(|name, _| !installed.contains_key(name));
        let from_generator = generated.keys().cloned().collect();
        let ours: BTreeMap<_, _> = installed.into_iter().chain(generated).collect();
        let mut all = names.clone();
        all.extend(ours.keys().filter(|name| !names.contains(name)).cloned());
        let states = match request.root {
            None => Some(systemd::states(app.place(), &all)?),
            Some(_) => None,
        };
        let mut snapshot = Self {
            found: found(&folder, &names)?,
            ours,
            from_generator,
            elsewhere: elsewhere(root, app, &names),
            manifest: read_if_there(&below(root, &app.manifest_path()))?,
            others: others(root, app)?,
            open: BTreeMap::new(),
            readdressing: BTreeMap::new(),
            states,
            tried: BTreeMap::new(),
            program: program(root, app),
            lacking: lacking(root, app),
            missing_secrets: missing_secrets(root, app),
            missing_paths: missing_paths(root, app),
            accounts: accounts(root),
        };
        if request.root.is_none() {
            snapshot.open = open(app);
            snapshot.readdressing = snapshot.readdressing(app);
            snapshot.tried = snapshot.try_addresses(app);
        }
        Ok(snapshot)
    }

    /// The same for the generator, which cannot ask systemd: `ours` is what it wrote last, `live` what the kernel says of it. Neither the program
    /// nor the address is tried: at boot a disk may not be mounted yet.
    pub(crate) fn of_files(
        root: &Path,
        app: &App,
        units: &[UnitFile],
        ours: BTreeMap<String, String>,
        live: Vec<String>,
    ) -> Result<Self, InstallError> {
        let names: Vec<String> = units
            .iter()
            .map(|unit| &unit.name)
            .chain([&app.alias()])
            .map(ToString::to_string)
            .collect();
        let state = || UnitState { active: "active".into(), ..UnitState::default() };
        Ok(Self {
            found: found(&below(root, app.place().units()), &names)?,
            elsewhere: elsewhere(root, app, &names),
            states: Some(live.into_iter().map(|unit| (unit, state())).collect()),
            ours,
            accounts: accounts(root),
            ..Self::default()
        })
    }

    /// Whether systemd has this unit running.
    pub(crate) fn is_live(&self, unit: &str) -> bool {
        self.states.as_ref().and_then(|all| all.get(unit)).is_some_and(UnitState::is_live)
    }

    /// Where a live socket is open.
    pub(crate) fn open_at(&self, unit: &str) -> Option<Endpoint> {
        let file = || self.ours.get(unit).and_then(|text| listens_on(unit, text));
        self.open.get(unit).cloned().or_else(file)
    }

    fn is_open_at(&self, unit: &str, address: &Endpoint) -> bool {
        let open = self.open_at(unit);
        self.is_live(unit) && open.is_some_and(|open| open.setting() == address.setting())
    }

    fn readdressing(&self, app: &App) -> BTreeMap<String, Vec<PathBuf>> {
        let of = |listener: &Listener| {
            let unit = app.socket_unit(&listener.name).to_string();
            let drop_ins = readdressed(app, listener)?.drop_ins;
            let loses = self.is_open_at(&unit, &listener.address) && !drop_ins.is_empty();
            loses.then_some((unit, drop_ins))
        };
        app.listeners().iter().filter_map(of).collect()
    }

    fn try_addresses(&self, app: &App) -> BTreeMap<String, Tried> {
        app.listeners()
            .iter()
            .filter(|listener| {
                !self.is_open_at(app.socket_unit(&listener.name).as_ref(), &listener.address)
            })
            .map(|listener| (listener.name.to_string(), ports::try_listener(listener)))
            .collect()
    }
}

/// The public sockets of the installed manifest that systemd has open.
fn open(app: &App) -> BTreeMap<String, Endpoint> {
    let Ok(before) = App::load(Path::new("/"), app.place(), app.name()) else {
        return BTreeMap::new();
    };
    let open = before.listeners().iter().filter(|listener| ports::systemd_has(&listener.address));
    open.map(|l| (before.socket_unit(&l.name).to_string(), l.address.clone())).collect()
}

/// Where the socket of a unit's text listens, when that is of a kind we make.
pub(crate) fn listens_on(unit: &str, text: &str) -> Option<Endpoint> {
    let unit = Unit::parse(unit, text);
    let only_v6 = unit.value("Socket", "BindIPv6Only") == Some("ipv6-only");
    ENDPOINT_KEYS.iter().find_map(|key| {
        // A `%` stands twice in a unit file.
        let value = unit.value("Socket", key)?.replace("%%", "%");
        Endpoint::of_setting(key, &value, only_v6)
    })
}

pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>, InstallError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(InstallError::Read { path: path.to_owned(), source }),
    }
}

fn found(folder: &Path, names: &[String]) -> Result<BTreeMap<String, Found>, InstallError> {
    let mut found = BTreeMap::new();
    for name in names {
        let path = folder.join(name);
        if let Ok(target) = fs::read_link(&path) {
            found.insert(name.clone(), Found::Link(target));
        } else if let Some(text) = read_if_there(&path)? {
            found.insert(name.clone(), Found::File(text));
        }
    }
    Ok(found)
}

pub(crate) fn ours(folder: &Path, app: &AppName) -> Result<BTreeMap<String, String>, InstallError> {
    let mut ours = BTreeMap::new();
    let prefix = format!("{app}-");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let named = name.starts_with(&prefix) || name == app.target().as_ref();
        if !is_file || !named {
            continue;
        }
        if let Some(text) = read_if_there(&entry.path())?
            && owner_of(&text) == Some(app.as_ref())
        {
            ours.insert(name, text);
        }
    }
    Ok(ours)
}

fn elsewhere(root: &Path, app: &App, names: &[String]) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    // What the generator made of the application's own manifest gives way to what is installed.
    let generated = |path: &Path| {
        path.starts_with(GENERATED)
            && fs::read_to_string(below(root, path))
                .is_ok_and(|text| owner_of(&text) == Some(app.name().as_ref()))
    };
    for name in names {
        let folders = other_unit_dirs(app.place()).iter();
        let mut paths = folders.map(|folder| Path::new(folder).join(name));
        let there =
            |path: &PathBuf| below(root, path).symlink_metadata().is_ok() && !generated(path);
        if let Some(path) = paths.find(there) {
            found.insert(name.clone(), path);
        }
    }
    found
}

/// The other applications; one that cannot be read any more is no hindrance to this one.
fn others(root: &Path, app: &App) -> Result<Vec<App>, InstallError> {
    let names = App::installed(root, app.place()).map_err(InstallError::Others)?;
    Ok(names
        .iter()
        .filter(|name| *name != app.name())
        .filter_map(|name| App::load(root, app.place(), name).ok())
        .collect())
}

fn program(root: &Path, app: &App) -> Option<Program> {
    let Exec::Program(path) = app.exec() else { return None };
    let path = below(root, path);
    Some(match fs::metadata(&path) {
        // In an image an absolute symlink points outside of it as seen from here.
        Err(_) if root != Path::new("/") && path.is_symlink() => Program::Fine,
        Err(_) => Program::Missing,
        Ok(found) if !found.is_file() => Program::NoFile,
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Program::NotExecutable,
        Ok(_) => Program::Fine,
    })
}

fn lacking(root: &Path, app: &App) -> Option<SlotName> {
    let Exec::Release(exec) = app.exec() else { return None };
    let alias = fs::read_link(below(root, &app.place().units().join(app.alias().as_ref()))).ok()?;
    let live = app.slots().iter().find(|slot| alias.ends_with(app.slot_unit(slot).as_ref()))?;
    let release = below(root, &app.slot_link(live));
    (!release.join(exec).is_file()).then(|| live.clone())
}

fn missing_secrets(root: &Path, app: &App) -> Vec<SecretName> {
    let store = Store::of(root, app.place(), app.name());
    let names = app.secrets().iter().map(|secret| &secret.name);
    names.filter(|name| store.form(name).is_none()).cloned().collect()
}

fn missing_paths(root: &Path, app: &App) -> Vec<PathBuf> {
    let missing = |path: &&PathBuf| below(root, path).symlink_metadata().is_err();
    app.storage().write.iter().filter(missing).cloned().collect()
}

fn accounts(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(below(root, Path::new("/etc/passwd"))).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
}
