//! What there is of a service: its unit with its drop-ins, its sockets, and what its processes listen on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::FromError;
use crate::check::{Loader, SYSTEM, Unit, Units, service_of};
use crate::endpoint::Endpoint;
use crate::install::main_processes;
use crate::listening;
use crate::place::below;

/// Where systemd looks for a program without a path (systemd.service(5)).
const PATH: [&str; 6] = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"];

/// A service as it is now.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) unit: Unit,
    /// The socket units that give it what it listens on.
    pub(super) sockets: Vec<Unit>,
    /// What its processes listen on, when no socket unit gives it anything.
    pub(super) listening: Vec<Open>,
    /// The files of `EnvironmentFile=`, by path.
    pub(super) environment: BTreeMap<String, EnvironmentFile>,
    /// `/`, or the directory of an image.
    pub(super) root: PathBuf,
    /// Whether its file is not the administrator's, so that it cannot be put away.
    pub(super) of_package: bool,
    /// Files and folders of the administrator's that have the name of the alias.
    pub(super) in_the_way: Vec<PathBuf>,
}

/// What a process listens on, with the permissions of a path.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) endpoint: Endpoint,
    pub(super) mode: Option<u32>,
    pub(super) owner: Option<(u32, u32)>,
}

/// A file of variables.
#[derive(Debug)]
pub(super) enum EnvironmentFile {
    Text(String),
    /// Others than its owner may not read it, so that it is not written into a manifest that they may.
    Secret,
    Missing,
}

impl Found {
    /// Reads a unit: a path, or the name of a unit of this machine. With `listens` nobody asks what its processes listen on.
    pub(super) fn look(given: &str, listens: bool) -> Result<Self, FromError> {
        let path = path_of(given)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut loader = Loader::default();
        loader.ask(&path)?;
        let units = loader.load()?;
        let real = units.aliases.get(&name).cloned().unwrap_or(name);
        let unit =
            units.units.get(&real).filter(|unit| !unit.masked && unit.name.ends_with(".service"));
        let unit = unit.ok_or_else(|| FromError::NoService(path.clone()))?.clone();
        if let Some(problem) = units.unreadable.iter().find(|problem| problem.unit == unit.name) {
            return Err(FromError::Unreadable {
                file: problem.file.clone(),
                message: problem.message.clone(),
            });
        }
        let place = root_of(&path);
        let root = place.clone().unwrap_or_else(|| "/".into());
        let sockets = sockets(&units, &unit);
        let here = place.as_deref() == Some(Path::new("/"));
        let listening =
            if listens || !sockets.is_empty() || !here { Vec::new() } else { open(&unit.name) };
        let etc = |path: &Path| path.starts_with(below(&root, Path::new("/etc")));
        let mut in_the_way: Vec<PathBuf> =
            Some(PathBuf::from(&*unit.file)).filter(|path| etc(path)).into_iter().collect();
        let drop_ins = units.drop_ins.get(&unit.name).into_iter().flatten();
        for folder in drop_ins.filter_map(|(file, _)| Path::new(&**file).parent()) {
            let own = folder.file_name() == Some(format!("{}.d", unit.name).as_ref());
            if own && etc(folder) && !in_the_way.contains(&folder.to_owned()) {
                in_the_way.push(folder.to_owned());
            }
        }
        let of_package = place.is_some() && !etc(Path::new(&*unit.file));
        let environment = environment(&unit, &root);
        Ok(Self { unit, sockets, listening, environment, root, of_package, in_the_way })
    }

    /// The path of a program that is named without one.
    pub(super) fn program(&self, name: &str) -> Option<String> {
        let at = |folder: &&str| self.root.join(folder).join(name).is_file();
        PATH.iter().find(|folder| at(folder)).map(|folder| format!("/{folder}/{name}"))
    }
}

/// A path when it has a `/` or is a file here; else the unit of this machine with that name.
fn path_of(given: &str) -> Result<PathBuf, FromError> {
    if given.contains('/') || Path::new(given).is_file() {
        return Ok(given.into());
    }
    let name = if given.contains('.') { given.to_owned() } else { format!("{given}.service") };
    let paths = SYSTEM.iter().map(|folder| Path::new("/").join(folder).join(&name));
    let found = paths.into_iter().find(|path| path.symlink_metadata().is_ok());
    found.ok_or(FromError::Unknown(name))
}

/// The root below which systemd would read the unit; `None` when it lies somewhere else.
fn root_of(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?.canonicalize().ok()?;
    let end = SYSTEM.iter().find(|end| folder.ends_with(end))?;
    Some(folder.ancestors().nth(Path::new(end).components().count())?.to_owned())
}

/// Those that start it, and those that it names itself.
fn sockets(units: &Units, service: &Unit) -> Vec<Unit> {
    let named = service.words("Service", "Sockets");
    let all = units.units.values().filter(|unit| unit.name.ends_with(".socket") && !unit.masked);
    all.filter(|socket| {
        service_of(socket) == service.name || named.iter().any(|(_, name)| *name == socket.name)
    })
    .cloned()
    .collect()
}

/// What the running service listens on. One that does not run listens on nothing.
fn open(unit: &str) -> Vec<Open> {
    let endpoints = listening::of_processes(&main_processes(unit)).unwrap_or_default();
    let with_access = |endpoint: Endpoint| {
        let found = endpoint.path().and_then(|path| fs::metadata(path).ok());
        let (key, value) = endpoint.setting();
        Open {
            mode: found.as_ref().map(|found| found.permissions().mode() & 0o777),
            owner: found.map(|found| (found.uid(), found.gid())),
            // The kernel has the path that the program gave; systemd's is to be in the manifest.
            endpoint: match endpoint.path() {
                Some(_) => Endpoint::of_setting(key, &value, false).unwrap_or(endpoint),
                None => endpoint,
            },
        }
    };
    endpoints.into_iter().map(with_access).collect()
}

/// Whether everybody may read the file, and gets to it: its directories count as much as its own mode.
fn is_public(file: &Path, root: &Path) -> io::Result<bool> {
    let (file, root) = (file.canonicalize()?, root.canonicalize()?);
    let found = fs::metadata(&file)?;
    // Those above an image are this machine's, not the image's.
    let mut folders = file.ancestors().skip(1).take_while(|folder| **folder != *root);
    let passable =
        |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 != 0);
    Ok(found.is_file() && found.mode() & 0o004 != 0 && folders.all(passable))
}

fn environment(unit: &Unit, root: &Path) -> BTreeMap<String, EnvironmentFile> {
    let paths = unit.all("Service", "EnvironmentFile").into_iter().filter_map(|entry| {
        let path = entry.value.strip_prefix('-').unwrap_or(&entry.value);
        unit.expand(path)
    });
    let read = |path: String| {
        let at = below(root, Path::new(&path));
        let file = match is_public(&at, root) {
            Ok(true) => {
                fs::read_to_string(&at).map_or(EnvironmentFile::Missing, EnvironmentFile::Text)
            }
            Ok(false) => EnvironmentFile::Secret,
            Err(_) => EnvironmentFile::Missing,
        };
        (path, file)
    };
    paths.map(read).collect()
}
