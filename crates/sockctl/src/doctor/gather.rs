//! Looks at the machine. Decides nothing.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use jiff::Timestamp;
use sockgen::install::readdressed;
use sockgen::{App, Exec, SlotName, UnitFile};
use zbus::Variant;

use super::facts::{Clock, Disk, Facts, FileIs, Link, Slot, Unit};
use crate::error::Error;
use crate::files::FileError;
use crate::history;
use crate::lock::{self, LockError};
use crate::plan::Desired;
use crate::sockets;
use crate::systemd::{Properties, Systemd, SystemdError};
use crate::world::{World, alias_on_disk};

/// Looks at everything.
///
/// # Errors
/// When systemd gives no answer, or the kernel's tables cannot be read.
pub async fn gather(app: &App, systemd: &Systemd) -> Result<Facts, Error> {
    let at_work = at_work(app)?;
    let world = World::look(app, systemd).await?;
    // Installed for any version of systemd: which one is the machine's may have changed since.
    let installed = |unit: &str| fs::read_to_string(unit_path(app, unit)).ok();
    let files = sockgen::render_for(app, sockgen::Target::of_units(app, installed)).units;
    let names = files.iter().map(|file| file.name.to_string());
    let units = try_join_all(files.iter().map(|file| unit(app, systemd, file))).await?;
    let clock = clock(app, systemd).await?;
    let alias = app.alias();
    let loaded = systemd.unit(alias.as_ref()).await?;
    let mut slots = Vec::new();
    for slot in &world.slots {
        slots.push(Slot {
            name: slot.name.clone(),
            active: slot.unit.active,
            gate: slot.gate(),
            held: slot.held,
            admin_listens: sockets::is_listening(&app.admin_path(&slot.name))?,
            link: link(app, &slot.name),
            credentials: credentials(systemd, app.slot_unit(&slot.name).as_ref()).await?,
        });
    }
    let wish = history::remembered(app)?;
    let canary = wish.as_ref().is_some_and(|wish| is_canary(wish, &world));
    Ok(Facts {
        at_work: at_work.or_else(|| canary.then(|| "a canary".into())),
        unfinished: wish.map(|wish| format!("{} into {}", wish.command.name(), wish.into)),
        target: world.target,
        alias_on_disk: alias_on_disk(app),
        alias_loaded: (loaded.load == "loaded" && loaded.id != alias.as_ref()).then_some(loaded.id),
        slots,
        units: names.zip(units).collect(),
        listeners: sockets::survey(app, systemd.pid())?,
        readdressed: app
            .listeners()
            .iter()
            .filter_map(|listener| Some((listener.name.clone(), readdressed(app, listener)?)))
            .collect(),
        disks: disks(app)?,
        clock,
        app: app.clone(),
    })
}

/// The command that holds the lock.
fn at_work(app: &App) -> Result<Option<String>, LockError> {
    match lock::look(&app.lock_path()) {
        Ok(()) => Ok(None),
        Err(LockError::Held { holder }) => {
            Ok(Some(holder.map_or("sockctl".into(), |holder| holder.command)))
        }
        Err(error) => Err(error),
    }
}

/// Whether the wish waits as a canary for a person: that is no accident.
fn is_canary(wish: &Desired, world: &World) -> bool {
    let gate = world.slot(&wish.into).and_then(|slot| slot.status.as_ref()).map(|s| s.gate);
    let canary = wish.canary.as_ref().filter(|canary| canary.stay);
    wish.failed.is_none() && canary.and_then(|canary| canary.at(gate)).is_some()
}

async fn clock(app: &App, systemd: &Systemd) -> Result<Clock, Error> {
    let history = history::read(app)?;
    let ends = history.iter().map(|entry| {
        let took = Duration::from_millis(entry.took_ms);
        entry.since.checked_add(took).unwrap_or(entry.since)
    });
    Ok(Clock {
        now: Timestamp::now(),
        synchronised: systemd.clock_synchronised().await,
        newest: ends.max(),
    })
}

async fn unit(app: &App, systemd: &Systemd, file: &UnitFile) -> Result<Unit, SystemdError> {
    let name = file.name.as_ref();
    let kind = match name.rsplit_once('.') {
        Some((_, "service")) => "Service",
        Some((_, "socket")) => "Socket",
        _ => "Target",
    };
    let (unit, own) =
        try_join(systemd.properties(name, "Unit"), systemd.properties(name, kind)).await?;
    let state = systemd.unit(name).await?;
    Ok(Unit {
        load: unit.text("LoadState").unwrap_or_default(),
        active: state.active,
        stale: unit.flag("NeedDaemonReload").unwrap_or_default(),
        drop_ins: drop_ins([name, app.alias().as_ref()], &unit),
        made: sockgen::generator::is_made(app.place(), name),
        file: file_is(app, file),
        start_limit_us: unit.number("StartLimitIntervalUSec"),
        trigger_limit_us: own.number("TriggerLimitIntervalUSec"),
        flush_pending: own.flag("FlushPending"),
        accept: own.flag("Accept"),
        refuse_manual_stop: unit.flag("RefuseManualStop"),
        conditions: unit.rows("Conditions").len() + unit.rows("Asserts").len(),
        kind: own.text("Type"),
        non_blocking: own.flag("NonBlocking"),
        descriptors: own.number("LimitNOFILESoft"),
    })
}

/// Drop-ins in a folder of the unit's own name, or of the alias, which the live slot alone reads. Those for all services, or for a prefix
/// of names, are the machine's business; what they set is seen in the properties.
fn drop_ins(names: [&str; 2], unit: &Properties) -> Vec<(PathBuf, String)> {
    let paths = unit.texts("DropInPaths").into_iter().map(PathBuf::from);
    paths
        .filter(|path| is_own(path, names))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap_or_default();
            (path, text)
        })
        .collect()
}

fn is_own(path: &Path, names: [&str; 2]) -> bool {
    let folder = path.parent().and_then(Path::file_name).and_then(OsStr::to_str);
    folder.and_then(|folder| folder.strip_suffix(".d")).is_some_and(|name| names.contains(&name))
}

fn unit_path(app: &App, unit: &str) -> PathBuf {
    sockgen::generator::folder(app.place(), unit).join(unit)
}

fn file_is(app: &App, file: &UnitFile) -> FileIs {
    let path = unit_path(app, file.name.as_ref());
    match fs::read(&path) {
        _ if path.is_symlink() => FileIs::Other,
        Ok(text) if text == file.text.as_bytes() => FileIs::Same,
        Ok(_) => FileIs::Other,
        Err(_) => FileIs::Missing,
    }
}

fn link(app: &App, slot: &SlotName) -> Link {
    match app.exec() {
        Exec::Program(_) => Link::None,
        Exec::Release(exec) if app.slot_link(slot).join(exec).is_file() => Link::Fine,
        Exec::Release(_) => Link::Dangling,
    }
}

/// What the unit's credentials take: files it names, and values that stand in it (systemd.exec(5), `LoadCredential=`).
async fn credentials(systemd: &Systemd, unit: &str) -> Result<u64, SystemdError> {
    let service = systemd.properties(unit, "Service").await?;
    let mut sum = 0;
    for key in ["LoadCredential", "LoadCredentialEncrypted"] {
        sum += service.rows(key).iter().filter_map(second).map(file_size).sum::<u64>();
    }
    for key in ["SetCredential", "SetCredentialEncrypted"] {
        sum += service.rows(key).iter().filter_map(second).map(value_size).sum::<u64>();
    }
    Ok(sum)
}

fn second<'a>(row: &'a Variant<'a>) -> Option<&'a Variant<'a>> {
    match row {
        Variant::Structure(row) => row.fields().get(1),
        _ => None,
    }
}

fn file_size(path: &Variant<'_>) -> u64 {
    let Variant::Str(path) = path else { return 0 };
    let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
    let path = Path::new(path.as_str());
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| size(&entry.path())).sum(),
        Err(_) => size(path),
    }
}

fn value_size(value: &Variant<'_>) -> u64 {
    match value {
        Variant::Array(bytes) => bytes.len() as u64,
        _ => 0,
    }
}

/// The nearest directories that are there already.
fn disks(app: &App) -> Result<Vec<Disk>, FileError> {
    let look = |path: PathBuf| {
        let there = path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
        let of = rustix::fs::statvfs(there);
        let of =
            of.map_err(|error| FileError::of("look at the file system of", there)(error.into()))?;
        Ok(Disk {
            path: there.into(),
            bytes: of.f_bavail.saturating_mul(of.f_frsize),
            inodes: (of.f_files > 0).then_some(of.f_favail),
        })
    };
    [app.state_dir(), app.run_dir()].into_iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_of_the_unit_and_of_the_alias_are_its_own() {
        let own = |folder: &str| {
            let path = Path::new("/etc/systemd/system").join(folder).join("x.conf");
            is_own(&path, ["shop-blue.service", "shop.service"])
        };
        assert!(own("shop-blue.service.d") && own("shop.service.d"));
        assert!(!own("service.d") && !own("shop-.service.d") && !own("shop.service"));
    }
}
