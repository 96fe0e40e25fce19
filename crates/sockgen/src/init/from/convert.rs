//! From a service as it is to a manifest, with all that changes. No I/O here.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::carry::carry;
use super::draft::Draft;
use super::fates;
use super::found::Found;
use super::listeners::listeners;
use super::program::{Variables, command, shown_line, variables};
use super::{Asked, FromError};
use crate::check::{Entry, micros};
use crate::duration::short_duration;
use crate::names::AppName;

/// What a person is told of the conversion.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) changed: Vec<String>,
    /// A directive, and why it is not carried over.
    pub(super) lost: Vec<(String, String)>,
    pub(super) todo: Vec<String>,
}

impl Notes {
    pub(super) fn lost(&mut self, entry: &Entry, why: impl Into<String>) {
        self.lost.push((fates::line(entry), why.into()));
    }
}

/// What the manifest says, and where its program lies.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) draft: Draft,
    pub(super) notes: Notes,
    /// The directory that is deployed; `None` when the program is installed in another way.
    pub(super) release: Option<String>,
}

pub(super) fn convert(found: &Found, asked: &Asked) -> Result<Converted, FromError> {
    let unit = &found.unit;
    if unit.ours {
        return Err(FromError::Ours(unit.name.clone()));
    }
    let mut notes = Notes::default();
    let notify = kind(found)?;
    let Variables { carried: environment, all } = variables(found, &mut notes)?;
    let start = match unit.all("Service", "ExecStart").as_slice() {
        [one] => *one,
        [] => return Err(FromError::NoProgram(unit.name.clone())),
        [_, second, ..] => {
            let why = "it is a second command, and a slot runs one".to_owned();
            return Err(FromError::Line { directive: shown_line(second), why });
        }
    };
    let mut argv = command(found, start, &all, &mut notes)?;
    let release = release(found, &argv[0], &mut notes);
    let mut migrate = migration(found, &all, &mut notes)?;
    if let Some(folder) = &release {
        inside(folder, &mut argv, &mut notes);
        if let Some(migrate) = &mut migrate {
            inside(folder, migrate, &mut notes);
        }
    }
    let mut draft = Draft {
        name: name(found, asked)?,
        exec: argv.remove(0),
        args: argv,
        user: user(found, &mut notes),
        notify,
        environment,
        migrate,
        listeners: listeners(found, asked, &mut notes)?,
        start_timeout: time(found, "TimeoutStartSec", &mut notes),
        drain: time(found, "TimeoutStopSec", &mut notes),
        kept: Vec::new(),
        secrets: Vec::new(),
    };
    if let Some(exec) = &asked.exec {
        draft.exec.clone_from(exec);
    }
    if unit.value("Service", "ProtectSystem") != Some("strict") {
        notes.changed.push(
            "the file system is read-only to the slots, but for $STATE_DIRECTORY and what is in storage.write; hardening.allow = [\"disk\"] opens it"
                .to_owned(),
        );
    }
    carry(found, &mut draft, &mut notes);
    let more = fates::lost(unit).into_iter();
    let own_socket = |line: &str| {
        let (_, names) = line.split_once('=').unwrap_or_default();
        let own = |name: &str| found.sockets.iter().any(|socket| socket.name == name);
        names.split_whitespace().all(own)
    };
    let more = more.filter(|(line, _)| !own_socket(line));
    notes.lost.extend(more.map(|(line, why)| (line, why.to_owned())));
    notes.lost.dedup();
    todo(found, &draft, &mut notes);
    Ok(Converted { draft, notes, release })
}

/// Whether it says `READY=1`. What forks, or ends, is no program for a slot.
fn kind(found: &Found) -> Result<bool, FromError> {
    let hint = match found.unit.value("Service", "Type") {
        None | Some("simple" | "exec" | "idle") => return Ok(false),
        Some("notify" | "notify-reload") => return Ok(true),
        Some("forking") => {
            "a slot's program stays in the foreground: most have an option for it (--foreground, --no-daemon, -D, `daemon off`); make the unit Type=exec with it, see that it works, and convert that"
        }
        Some("oneshot") => "it ends by itself, and nobody can connect to it: it needs no slots",
        Some("dbus") => {
            "a name on the bus belongs to one process at a time, so that two slots cannot run at once"
        }
        Some(_) => "systemd 252 knows no such type",
    };
    let kind = found.unit.value("Service", "Type").unwrap_or_default().to_owned();
    Err(FromError::Type { kind, hint })
}

/// That of the option, or that of the unit where it can become the alias of the live slot.
fn name(found: &Found, asked: &Asked) -> Result<String, FromError> {
    let unit = &found.unit;
    let name = match &asked.name {
        Some(name) => name.to_string(),
        None if found.of_package => return Err(FromError::Package(unit.file.to_string())),
        None => unit.stem().to_owned(),
    };
    match name.parse::<AppName>() {
        Ok(app) if found.of_package && app.alias().as_ref() == unit.name => {
            Err(FromError::Package(unit.file.to_string()))
        }
        Ok(_) => Ok(name),
        Err(error) => Err(FromError::Name { unit: unit.name.clone(), source: error }),
    }
}

fn user(found: &Found, notes: &mut Notes) -> Option<String> {
    let unit = &found.unit;
    let dynamic = unit.flag("Service", "DynamicUser") == Some(true);
    let user = unit.value("Service", "User").and_then(|user| unit.expand(user));
    match user.as_deref() {
        _ if dynamic => notes.changed.push(
            "its dynamic user has another name and number: files that it left are not its own any more"
                .to_owned(),
        ),
        None | Some("root" | "0") => notes.changed.push(
            "it ran as root, and becomes a user of its own that systemd makes; write user = \"...\" for one that exists"
                .to_owned(),
        ),
        Some(_) => return user,
    }
    None
}

/// The working directory, when the program is below it: then it is what is deployed.
fn release(found: &Found, program: &str, notes: &mut Notes) -> Option<String> {
    let entry = found.unit.last("Service", "WorkingDirectory")?;
    let path = entry.value.strip_prefix('-').unwrap_or(&entry.value);
    let path = found.unit.expand(path).filter(|path| path.starts_with('/'));
    let path = path.map(|path| path.trim_end_matches('/').to_owned());
    let release = path.filter(|path| !path.is_empty() && Path::new(program).starts_with(path));
    match &release {
        Some(path) => notes.changed.push(format!(
            "{path} becomes a release: each deploy copies what it is given, and a slot's working directory is its own copy"
        )),
        None => notes.lost(
            entry,
            "the program is not below it: a slot starts in /, or in its release when it has one",
        ),
    }
    release
}

/// Paths inside the release are told without it; arguments that name the old one are for a person.
fn inside(folder: &str, argv: &mut [String], notes: &mut Notes) {
    let prefix = format!("{folder}/");
    if let Some(program) = argv[0].strip_prefix(&prefix) {
        argv[0] = program.to_owned();
    }
    for arg in &argv[1..] {
        if arg.contains(&prefix) || arg == folder {
            notes.todo.push(format!(
                "the argument {arg} names the old directory for every release: write a path relative to the release, which is the working directory"
            ));
        }
    }
}

/// A command before the start that looks like a migration runs once in a deploy; others are not carried over.
fn migration(
    found: &Found,
    variables: &BTreeMap<String, String>,
    notes: &mut Notes,
) -> Result<Option<Vec<String>>, FromError> {
    let mut migrate = None;
    for entry in found.unit.all("Service", "ExecStartPre") {
        if entry.value.to_lowercase().contains("migrat") && migrate.is_none() {
            migrate = Some(command(found, entry, variables, notes)?);
            notes.changed.push(format!(
                "{} runs once in each deploy, before the new slot starts, and beside the old release",
                shown_line(entry)
            ));
        } else {
            notes.lost(
                entry,
                "it would run at every start of each slot; put it into the program, or make it hooks.migrate",
            );
        }
    }
    Ok(migrate)
}

/// A time of the unit as manifests have it; `TimeoutSec=` is both.
fn time(found: &Found, key: &str, notes: &mut Notes) -> Option<String> {
    let unit = &found.unit;
    let entry = unit.last("Service", key).or_else(|| unit.last("Service", "TimeoutSec"))?;
    let time = micros(&entry.value).map(Duration::from_micros);
    let most = Duration::from_secs(7 * 24 * 60 * 60);
    match time.filter(|time| (Duration::from_millis(1)..=most).contains(time)) {
        Some(time) => Some(short_duration(Duration::from_millis(time.as_millis() as u64))),
        None => {
            notes.lost(entry, "a deploy waits for no end without a limit; the default stands");
            None
        }
    }
}

/// What the program needs that no unit can give it.
fn todo(found: &Found, draft: &Draft, notes: &mut Notes) {
    let names: Vec<_> = draft.listeners.iter().map(|listener| listener.name.as_str()).collect();
    if found.sockets.is_empty() {
        notes.todo.push(format!(
            "it opens its port itself, which two slots cannot: let it take the socket {} that systemd passes ($LISTEN_FDS, sd_listen_fds(3)); in Rust with the crate sockact, and then without gate = false",
            names.join(", ")
        ));
    } else if names.len() > 1 {
        notes.todo.push(
            "the order of several descriptors is not stable: let it find them by $LISTEN_FDNAMES"
                .to_owned(),
        );
    }
    notes.todo.push(
        "on SIGTERM it has to stop accepting, end what it has begun, and exit: what it drops then is lost"
            .to_owned(),
    );
    notes.todo.push(
        "health.exec is /bin/true: any release that stays up counts as healthy until you write a check of your own".to_owned(),
    );
    if !draft.notify {
        notes.todo.push(
            "it counts as started when its program is executed; say READY=1 (sd_notify(3)) when it can answer, and write ready = \"notify\"".to_owned(),
        );
    }
}
