//! The generator of systemd.generator(7): `/etc/sockact/*.toml` become units at boot and at each reload.
//!
//! It is `sockgen` itself, called by the name [`NAME`]. PID 1 waits for it and answers nobody meanwhile, so it asks systemd
//! nothing. The folder it writes in is empty each time: a unit that is not written again is gone, and systemd drops the
//! descriptor of an open socket without a word. So what was written last is kept under `/run`, and stands for a manifest
//! that became broken, that would re-address an open socket, or that vanished while its application runs.

mod emit;
mod kept;
mod kernel_log;
mod live;
mod neighbours;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::error::ManifestError;
use crate::install::{GENERATED, Problem, Snapshot, ours, plan};
use crate::model::{App, Exec};
use crate::names::AppName;
use crate::place::{Place, below};
use crate::render::UnitFile;
use crate::versions::{Target, render_for};
use kept::Kept;
use kernel_log::{Level, Log};
use neighbours::Neighbours;

/// What the program is called when it is a generator.
pub const NAME: &str = "sockact-generator";

/// The largest manifest: whatever is in the way of the boot must be small.
const LARGEST: u64 = 1 << 20;

/// Unit files by name.
type Texts = BTreeMap<String, String>;

/// All units of one application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Set {
    units: Texts,
    /// The slot that is live as long as no deploy has made the alias: a program that is installed in another way needs none.
    first: Option<String>,
}

/// Whether the program was called as a generator.
pub(crate) fn is_called(program: Option<&OsString>) -> bool {
    program.is_some_and(|path| Path::new(path).file_name() == Some(NAME.as_ref()))
}

/// Runs it with the arguments of systemd.generator(7), its own name first.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let mut log = Log::open();
    let Some(normal) = args.get(1) else {
        log.say(
            Level::Error,
            "systemd gives a generator three folders, the first for its units; there is none",
        );
        return ExitCode::from(2);
    };
    // The manifests are on the machine's own root, not in the first one.
    if std::env::var_os("SYSTEMD_IN_INITRD").is_some_and(|value| value == "1") {
        return ExitCode::SUCCESS;
    }
    let failed = Generator::new(Path::new("/"), Path::new(normal), &mut log).run();
    ExitCode::from(u8::from(failed > 0))
}

/// Where the file of a unit is: with those that are installed, or, when it is not there, with those of generators.
#[must_use]
pub fn folder<'a>(place: &'a Place, unit: &str) -> &'a Path {
    let installed = place.is_user() || place.units().join(unit).symlink_metadata().is_ok();
    if installed { place.units() } else { Path::new(GENERATED) }
}

/// Whether the unit is one that a generator made, which systemd cannot enable.
#[must_use]
pub fn is_made(place: &Place, unit: &str) -> bool {
    let folder = folder(place, unit);
    folder != place.units() && folder.join(unit).exists()
}

/// Has the next run forget a unit that is not in the manifest any more, because its socket is to be closed now.
///
/// # Errors
/// When what is kept of the last run cannot be written.
pub fn forget(place: &Place, app: &AppName, unit: &str) -> io::Result<()> {
    let root = Path::new("/");
    let kept = Kept::read(root, place, app);
    let mut set = kept.set.clone();
    match set.units.remove(unit) {
        Some(_) => kept.replace(root, place, app, &set).map_err(io::Error::other),
        None => Ok(()),
    }
}

struct Generator<'a> {
    root: &'a Path,
    place: Place,
    normal: &'a Path,
    target: Target,
    log: &'a mut Log,
}

/// Why the manifest of an application is not what its units are made of.
struct Refusal(Vec<String>);

impl From<Vec<Problem>> for Refusal {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems.into_iter().map(|p| format!("{}; {}", p.message, p.hint)).collect())
    }
}

impl<'a> Generator<'a> {
    fn new(root: &'a Path, normal: &'a Path, log: &'a mut Log) -> Self {
        let target = Target::of_root(root).unwrap_or_default();
        Self { root, place: Place::system(), normal, target, log }
    }

    /// All applications, each for itself. Gives how many have another state than their manifest says.
    fn run(&mut self) -> usize {
        let names = match App::installed(self.root, &self.place) {
            Ok(names) => names,
            Err(error) => {
                self.log.say(Level::Error, &format!("cannot see the manifests: {}", chain(&error)));
                Vec::new()
            }
        };
        let mut all = names.clone();
        all.extend(
            kept::applications(self.root, &self.place)
                .into_iter()
                .filter(|name| !names.contains(name)),
        );
        let mut neighbours = Neighbours::default();
        // Nothing here keeps what is installed from opening; and who has units already does not lose them to one that comes.
        all.sort_by_cached_key(|name| {
            let kept = Kept::read(self.root, &self.place, name).has_units();
            (self.installed(name).is_empty(), !kept)
        });
        all.iter().filter(|name| !self.application(name, &mut neighbours)).count()
    }

    /// One application; false when something is wrong with it, which has been said then.
    fn application(&mut self, name: &AppName, neighbours: &mut Neighbours) -> bool {
        let kept = Kept::read(self.root, &self.place, name);
        let installed = self.installed(name);
        if !installed.is_empty() {
            neighbours.add(name, &installed);
            if kept.is_new() || kept.has_units() {
                self.log.say(
                    Level::Info,
                    &format!(
                        "{name} is installed: its units in {} are the ones that count",
                        self.place.units().display()
                    ),
                );
            }
            return self.keep(name, &kept, &Set::default());
        }
        let manifest = self.place.manifest(name);
        let (set, fine) = match self.decide(name, &kept, neighbours) {
            Ok(set) => (set, true),
            Err(Refusal(reasons)) => {
                for reason in &reasons {
                    self.log.say(Level::Error, &format!("{}: {reason}", manifest.display()));
                }
                let what = match kept.has_units() {
                    true => "keeps the units of its last good manifest",
                    false => "gets no units",
                };
                self.log
                    .say(Level::Error, &format!("{name} {what}; no other application is touched"));
                (kept.set.clone(), false)
            }
        };
        if set.units.is_empty() {
            return self.keep(name, &kept, &set) && fine;
        }
        neighbours.add(name, &set.units);
        if let Err(error) = emit::emit(self.root, self.normal, &self.place, name, &set) {
            self.log.say(Level::Error, &format!("{name} gets no units: {}", chain(&error)));
            return false;
        }
        self.keep(name, &kept, &set) && fine
    }

    /// The units that `sockgen install` has put where systemd looks first.
    fn installed(&self, name: &AppName) -> Texts {
        ours(&below(self.root, self.place.units()), name).unwrap_or_default()
    }

    /// The units that the manifest gives, when nothing is in their way.
    fn decide(&self, name: &AppName, kept: &Kept, neighbours: &Neighbours) -> Result<Set, Refusal> {
        let said = |reason: String| Refusal(vec![reason]);
        let path = below(self.root, &self.place.manifest(name));
        match fs::metadata(&path) {
            // Removed on purpose, when nothing of it is open any more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match live::sockets(&kept.set.units).is_empty() {
                    true => Ok(Set::default()),
                    false => Err(said(format!(
                        "it is gone, and the application is open; `sockgen remove {name}` stops it"
                    ))),
                };
            }
            Err(error) => return Err(said(error.to_string())),
            Ok(found) if !found.is_file() => return Err(said("it is no file".into())),
            Ok(found) if found.len() > LARGEST => {
                return Err(said(format!("it is longer than {LARGEST} bytes")));
            }
            Ok(_) => {}
        }
        let app = App::load(self.root, &self.place, name).map_err(|error| {
            let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
            // The path is said before it; of lines the log makes messages of their own.
            let words = match &error {
                ManifestError::InFile { source, .. } => source.to_string(),
                _ => error.to_string(),
            };
            said(words.split_whitespace().collect::<Vec<_>>().join(" ") + &hint)
        })?;
        let units = render_for(&app, self.target).units;
        let mut texts: Texts =
            units.iter().map(|unit| (unit.name.to_string(), unit.text.clone())).collect();
        neighbours.beside(name, &texts)?;
        let now = self.snapshot(&app, &units, kept)?;
        let (plan, problems) = plan(self.root, &app, "", &units, &now);
        if !problems.is_empty() {
            return Err(problems.into());
        }
        // The open socket of a listener that is not in the manifest any more has its unit until it is closed.
        for (unit, text) in &kept.set.units {
            if !texts.contains_key(unit) && !plan.deletes(unit) {
                texts.insert(unit.clone(), text.clone());
            }
        }
        let is_there = |unit: &String| texts.contains_key(unit);
        let first = match app.exec() {
            Exec::Program(_) => kept
                .set
                .first
                .clone()
                .filter(is_there)
                .or_else(|| Some(app.slot_unit(&app.slots()[0]).to_string())),
            Exec::Release(_) => None,
        };
        Ok(Set { units: texts, first })
    }

    /// What `install` asks of the machine, without a question to systemd.
    fn snapshot(&self, app: &App, units: &[UnitFile], kept: &Kept) -> Result<Snapshot, Refusal> {
        let mut live = live::sockets(&kept.set.units);
        let gone = kept.set.units.keys().filter(|unit| {
            unit.ends_with(".service") && !units.iter().any(|u| u.name.as_ref() == **unit)
        });
        live.extend(live::services(gone));
        Snapshot::of_files(self.root, app, units, kept.set.units.clone(), live)
            .map_err(|error| Refusal(vec![chain(&error)]))
    }

    /// Remembers what was written.
    fn keep(&mut self, name: &AppName, before: &Kept, set: &Set) -> bool {
        match before.replace(self.root, &self.place, name, set) {
            Ok(()) => true,
            Err(error) => {
                self.log.say(Level::Error, &format!("{name}: {}", chain(&error)));
                false
            }
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Where what was written last is kept.
fn kept_path(root: &Path, place: &Place, name: &AppName) -> PathBuf {
    below(root, &place.run_dir(name)).join("units.json")
}

#[cfg(test)]
mod tests;
