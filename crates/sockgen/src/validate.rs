//! From a well-formed manifest to a valid application: the rules that need more than one value,
//! or that belong to what systemd does with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::address::Address;
use crate::duration::{Span, short_duration};
use crate::error::ManifestError;
use crate::manifest::{self, Manifest};
use crate::model::{
    App, Argv, Canary, Exec, Health, Hooks, Listener, Probe, Ready, Swap, UnixAccess,
};
use crate::names::{AppName, ListenerName, SlotName};
use crate::place::Place;
use crate::share::Share;
use crate::shown::shown;

/// Connections may wait here while nobody accepts; the kernel caps it at `net.core.somaxconn`,
/// which is 4096 by default.
const BACKLOG: u32 = 4096;

/// The longest argument or value in bytes; far below what the kernel takes for one string
/// (128 KiB, execve(2)) and what systemd takes for one line (1 MiB).
const LONGEST_VALUE: usize = 32 * 1024;

/// All arguments, or all the environment, together.
const LONGEST_SUM: usize = 128 * 1024;

/// What the sandbox of a slot hides or empties, so that no program can be run from there.
const HIDDEN: [&str; 9] = [
    "/home",
    "/root",
    "/run/user",
    "/tmp",
    "/var/tmp",
    "/dev",
    "/proc",
    "/sys",
    "/var/lib/sockact",
];

type Checked<T> = Result<T, ManifestError>;

pub(crate) fn app(raw: Manifest, place: &Place) -> Checked<App> {
    if place.is_user() {
        of_a_user(&raw)?;
    }
    let slots = slots(&raw.name, raw.slots)?;
    let app = App {
        exec: exec_in("exec", &raw.exec, place)?,
        args: args("args", raw.args)?,
        user: raw.user.map(|user| account("user", user)).transpose()?,
        listeners: listeners(&raw.name, &slots, raw.listeners)?,
        environment: environment(raw.environment)?,
        health: health(raw.health, raw.gate, &slots, place)?,
        hooks: hooks(raw.hooks, place)?,
        gated: raw.gate,
        ready: ready(raw.start.ready, raw.gate)?,
        start_timeout: positive("start.timeout", raw.start.timeout)?,
        swap: swap(&raw.swap)?,
        keep: keep(raw.release.keep)?,
        max_size: raw.release.max_size.0,
        max_files: raw.release.max_files,
        textfile: raw.metrics.textfile.map(textfile).transpose()?,
        name: raw.name,
        place: place.clone(),
        slots,
    };
    together(&app)?;
    Ok(app)
}

/// What is right alone and not beside the rest.
fn together(app: &App) -> Checked<()> {
    let checked = match &app.health.probe {
        Probe::Exec(argv) => Some(argv),
        _ => None,
    };
    let commands = [
        ("health.exec", checked),
        ("hooks.migrate", app.hooks.migrate.as_ref()),
        ("hooks.pre_stop", app.hooks.pre_stop.as_ref()),
    ];
    for (key, argv) in commands {
        if matches!(app.exec, Exec::Program(_))
            && matches!(argv.map(|argv| &argv.exec), Some(Exec::Release(_)))
        {
            let problem = "is a path inside the release, and `exec` is a program outside of one";
            return Err(ManifestError::value(key, problem)
                .with_hint("write the absolute path of an installed program"));
        }
    }
    if app.hooks.pre_stop.is_some() && !app.swap.keep_warm.is_zero() {
        let problem = "stands beside swap.keep_warm, with which a timer stops the old slot later";
        return Err(ManifestError::value("hooks.pre_stop", problem)
            .with_hint("keep one of them: no controller is there to run it then"));
    }
    Ok(())
}

fn hooks(raw: manifest::Hooks, place: &Place) -> Checked<Hooks> {
    Ok(Hooks {
        migrate: raw.migrate.map(|given| argv("hooks.migrate", given, place)).transpose()?,
        pre_stop: raw.pre_stop.map(|given| argv("hooks.pre_stop", given, place)).transpose()?,
        timeout: positive("hooks.timeout", raw.timeout)?,
    })
}

/// Each slot is a process of the application in the worst case, and a unit in any.
const MOST_SLOTS: usize = 8;

fn slots(app: &AppName, given: Vec<SlotName>) -> Checked<Vec<SlotName>> {
    let refuse =
        |problem: String, hint: &str| Err(ManifestError::value("slots", problem).with_hint(hint));
    if !(2..=MOST_SLOTS).contains(&given.len()) {
        return refuse(
            format!("{} of them are not between 2 and {MOST_SLOTS}", given.len()),
            "leave it out for blue and green; a third lets a deploy begin while an old release still drains",
        );
    }
    for (index, slot) in given.iter().enumerate() {
        if given[..index].contains(slot) {
            return refuse(
                format!("{slot} stands in it twice"),
                "give each slot a name of its own",
            );
        }
        if app.slot_unit(slot) == app.activator() {
            let problem = format!("{slot} would be {}, what traffic starts", app.activator());
            return refuse(problem, "choose another name");
        }
    }
    Ok(given)
}

/// What only PID 1 can do.
fn of_a_user(raw: &Manifest) -> Checked<()> {
    let refuse = |key: &str| {
        let problem = "your own systemd runs everything as you";
        Err(ManifestError::value(key, problem).with_hint("leave it out, or install without --user"))
    };
    if raw.user.is_some() {
        return refuse("user");
    }
    for (name, listener) in &raw.listeners {
        if listener.user.is_some() || listener.group.is_some() {
            return refuse(&format!(
                "listeners.{name}.{}",
                if listener.user.is_some() { "user" } else { "group" }
            ));
        }
        if matches!(listener.listen, Address::Tcp(at) if at.port() < 1024) {
            let problem = "only root may listen on a port below 1024";
            return Err(ManifestError::value(format!("listeners.{name}.listen"), problem)
                .with_hint("choose a port from 1024 on, or install without --user"));
        }
    }
    Ok(())
}

/// A user's own systemd hides nothing: it may not make such a sandbox.
fn exec_in(key: &str, given: &str, place: &Place) -> Checked<Exec> {
    let hidden: &[&str] = if place.is_user() { &[] } else { &HIDDEN };
    exec_outside(key, given, hidden)
}

/// The `exec` of a manifest, or another program in it.
pub(crate) fn exec(key: &str, given: &str) -> Checked<Exec> {
    exec_outside(key, given, &HIDDEN)
}

fn exec_outside(key: &str, given: &str, hidden: &[&str]) -> Checked<Exec> {
    let refuse = |broken: &str, hint: &str| {
        Err(ManifestError::value(key, format!("{} {broken}", shown(given))).with_hint(hint))
    };
    let relative = given.strip_prefix('/').unwrap_or(given);
    if relative.is_empty() {
        return refuse("names no program", "write a path inside the release, such as bin/shop");
    }
    // systemd refuses quotes and backslashes in the path of a program (systemd.service(5)),
    // and would expand $ in argv[0].
    if given.chars().any(|c| c.is_control() || "\\\"'$".contains(c)) {
        return refuse(
            "has a control character, a quote, a backslash or a $ in it",
            "rename the program: systemd does not run such a path",
        );
    }
    if given.len() > 1024 {
        return refuse("is longer than 1024 bytes", "use a shorter path");
    }
    if relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse(
            "has an empty part, . or .. in it",
            "write the path as it is, such as bin/shop or /usr/bin/shop",
        );
    }
    if relative == given {
        return Ok(Exec::Release(PathBuf::from(given)));
    }
    if let Some(hidden) = hidden.iter().find(|hidden| Path::new(given).starts_with(hidden)) {
        return refuse(
            &format!("lies in {hidden}, which the sandbox of the slots hides"),
            "install the program in /usr/local/bin or /opt, or use a path inside the release",
        );
    }
    Ok(Exec::Program(PathBuf::from(given)))
}

fn args(key: &str, given: Vec<String>) -> Checked<Vec<String>> {
    for (index, arg) in given.iter().enumerate() {
        value(&format!("{key}[{index}]"), arg)?;
    }
    sum(key, given.iter().map(String::len))?;
    Ok(given)
}

fn environment(given: BTreeMap<String, String>) -> Checked<BTreeMap<String, String>> {
    for (key, text) in &given {
        let mut chars = key.chars();
        let head = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !head || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') || key.len() > 255 {
            let problem = format!("{} is not a name for a variable", shown(key));
            return Err(ManifestError::value("environment", problem)
                .with_hint("letters, digits and _, not beginning with a digit"));
        }
        let key_shown = format!("environment.{key}");
        if let Some(prefix) =
            ["SOCKACT_", "LISTEN_", "NOTIFY_"].iter().find(|prefix| key.starts_with(**prefix))
        {
            return Err(ManifestError::value(
                key_shown,
                format!("names that begin with {prefix} are set by systemd or sockact"),
            )
            .with_hint("choose another name"));
        }
        value(&key_shown, text)?;
    }
    sum("environment", given.iter().map(|(key, text)| key.len() + text.len()))?;
    Ok(given)
}

fn value(key: &str, text: &str) -> Checked<()> {
    if text.contains(['\0', '\n']) {
        let problem = format!("{} has a NUL or a newline in it", shown(text));
        return Err(ManifestError::value(key, problem).with_hint("put it into a file instead"));
    }
    if text.len() > LONGEST_VALUE {
        let problem = format!("{} bytes are too many, {LONGEST_VALUE} is the limit", text.len());
        return Err(ManifestError::value(key, problem).with_hint("put it into a file instead"));
    }
    Ok(())
}

fn sum(key: &str, lengths: impl Iterator<Item = usize>) -> Checked<()> {
    let total: usize = lengths.sum();
    if total <= LONGEST_SUM {
        return Ok(());
    }
    let problem = format!("{total} bytes in all are too many, {LONGEST_SUM} is the limit");
    Err(ManifestError::value(key, problem).with_hint("put it into a file instead"))
}

/// The name of a user or a group, or its number (useradd(8), systemd's "User/Group Name Syntax").
fn account(key: &str, given: String) -> Checked<String> {
    let number = !given.is_empty() && given.chars().all(|c| c.is_ascii_digit());
    let name = given.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && given.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if given.len() <= 31 && (number || name) {
        return Ok(given);
    }
    Err(ManifestError::value(key, format!("{} is not the name of an account", shown(&given)))
        .with_hint("letters, digits, _ and -, at most 31"))
}

fn listeners(
    app: &AppName,
    slots: &[SlotName],
    given: BTreeMap<ListenerName, manifest::Listener>,
) -> Checked<Vec<Listener>> {
    if given.is_empty() {
        return Err(ManifestError::value("listeners", "there is none")
            .with_hint("add [listeners.http] with listen = \"127.0.0.1:8080\""));
    }
    let private: BTreeSet<_> = slots.iter().map(|slot| app.admin_socket_unit(slot)).collect();
    let mut listeners: Vec<Listener> = Vec::new();
    for (name, raw) in given {
        let key = format!("listeners.{name}");
        let unit = app.socket_unit(&name);
        if private.contains(&unit) {
            let problem = format!("its socket would be {unit}, which is a slot's private socket");
            return Err(ManifestError::value(key, problem).with_hint("choose another name"));
        }
        let listener = listener(&key, name, raw)?;
        if let Some(other) = listeners.iter().find(|l| l.address.overlaps(&listener.address)) {
            let problem = format!(
                "{} cannot be listened on beside {} of listeners.{}",
                listener.address, other.address, other.name
            );
            return Err(ManifestError::value(format!("{key}.listen"), problem)
                .with_hint("give each listener a port or path of its own"));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listener(key: &str, name: ListenerName, raw: manifest::Listener) -> Checked<Listener> {
    let backlog = raw.backlog.unwrap_or(BACKLOG);
    if backlog == 0 || backlog > i32::MAX as u32 {
        let problem = format!("{backlog} is not between 1 and {}", i32::MAX);
        return Err(ManifestError::value(format!("{key}.backlog"), problem)
            .with_hint("leave it out for 4096"));
    }
    let access = match &raw.listen {
        Address::Unix(_) => Some(UnixAccess {
            mode: raw.mode.map_or(0o660, |mode| mode.0),
            user: raw.user.map(|user| account(&format!("{key}.user"), user)).transpose()?,
            group: raw.group.map(|group| account(&format!("{key}.group"), group)).transpose()?,
        }),
        Address::Tcp(address) => {
            let given = [
                ("mode", raw.mode.is_some()),
                ("user", raw.user.is_some()),
                ("group", raw.group.is_some()),
            ];
            if let Some((extra, _)) = given.iter().find(|(_, given)| *given) {
                let problem = format!("{address} is TCP, which has no {extra}");
                return Err(ManifestError::value(format!("{key}.{extra}"), problem)
                    .with_hint("mode, user and group are for a unix path"));
            }
            None
        }
    };
    Ok(Listener { name, address: raw.listen, backlog, access })
}

/// The `health.path` of a manifest.
pub(crate) fn health_path(path: &str) -> Checked<()> {
    // The path goes into a request line as it is (RFC 9112, section 3.2).
    if path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic() && c != '#') {
        return Ok(());
    }
    Err(ManifestError::value("health.path", format!("{} is not the path of a URL", shown(path)))
        .with_hint("begin with / and write other characters than ASCII as %XX"))
}

/// A program and its arguments, as one list.
fn argv(key: &str, given: Vec<String>, place: &Place) -> Checked<Argv> {
    let mut words = given.into_iter();
    let Some(program) = words.next() else {
        return Err(ManifestError::value(key, "names no program").with_hint(
            "write the program and its arguments, such as [\"bin/check\", \"--deep\"]",
        ));
    };
    Ok(Argv { exec: exec_in(key, &program, place)?, args: args(key, words.collect())? })
}

fn ready(given: Ready, gate: bool) -> Checked<Ready> {
    if gate && given == Ready::Exec {
        let problem = "a program that is built on sockact says READY=1 itself";
        return Err(ManifestError::value("start.ready", problem)
            .with_hint("leave it out, or write gate = false for a program that is not"));
    }
    Ok(given)
}

fn health(raw: manifest::Health, gate: bool, slots: &[SlotName], place: &Place) -> Checked<Health> {
    Ok(Health {
        interval: positive("health.interval", raw.interval)?,
        timeout: positive("health.timeout", raw.timeout)?,
        failures: failures(raw.failures)?,
        probe: probe(raw.path, raw.exec, raw.at, gate, slots, place)?,
    })
}

fn probe(
    path: Option<String>,
    exec: Option<Vec<String>>,
    at: Option<BTreeMap<SlotName, manifest::At>>,
    gate: bool,
    slots: &[SlotName],
    place: &Place,
) -> Checked<Probe> {
    path.as_deref().map_or(Ok(()), health_path)?;
    let at = at.map(|at| health_at(at, slots)).transpose()?;
    match (exec, at, path) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            let problem = "stands beside health.path or health.at, which ask in another way";
            Err(ManifestError::value("health.exec", problem).with_hint("keep one of them"))
        }
        (Some(exec), None, None) => Ok(Probe::Exec(argv("health.exec", exec, place)?)),
        (None, Some(at), Some(path)) => Ok(Probe::Http { path, at }),
        (None, Some(at), None) => Ok(Probe::Connect { at }),
        (None, None, _) if !gate => {
            let problem = "with gate = false there is no admin socket to ask";
            Err(ManifestError::value("health", problem).with_hint(
                "[health.at] names an address for each slot, which the program opens; or exec = [...] is a command that checks",
            ))
        }
        (None, None, path) => {
            let path = path.unwrap_or_else(|| "/health".into());
            if path == "/-" || path.starts_with("/-/") {
                return Err(ManifestError::value(
                    "health.path",
                    "paths below /-/ are sockact's own",
                )
                .with_hint("use a path that the application answers, such as /health"));
            }
            Ok(Probe::Admin { path })
        }
    }
}

/// One address for each slot: both run at once, and each answers for itself.
fn health_at(
    given: BTreeMap<SlotName, manifest::At>,
    slots: &[SlotName],
) -> Checked<BTreeMap<SlotName, Address>> {
    let wanted: BTreeSet<_> = slots.iter().collect();
    if given.keys().collect::<BTreeSet<_>>() != wanted {
        let names: Vec<_> = slots.iter().map(ToString::to_string).collect();
        return Err(ManifestError::value("health.at", "there has to be one address for each slot")
            .with_hint(format!("the slots are {}", names.join(", "))));
    }
    let mut at: BTreeMap<SlotName, Address> = BTreeMap::new();
    for (slot, manifest::At(address)) in given {
        if let Some((other, _)) = at.iter().find(|(_, taken)| taken.overlaps(&address)) {
            let problem = format!("{address} cannot be opened beside that of {other}");
            return Err(ManifestError::value(format!("health.at.{slot}"), problem)
                .with_hint("give each slot an address of its own: both run at once"));
        }
        at.insert(slot, address);
    }
    Ok(at)
}

fn failures(given: u32) -> Checked<u32> {
    if (1..=10_000).contains(&given) {
        return Ok(given);
    }
    Err(ManifestError::value("health.failures", format!("{given} is not between 1 and 10000"))
        .with_hint("so many misses in a row and the release is given up, such as 12"))
}

fn swap(raw: &manifest::Swap) -> Checked<Swap> {
    let (stable, deadline) = (raw.stable.0, positive("swap.deadline", raw.deadline)?);
    if stable >= deadline {
        let problem = format!(
            "{} is not shorter than swap.deadline, {}",
            short_duration(stable),
            short_duration(deadline)
        );
        return Err(ManifestError::value("swap.stable", problem)
            .with_hint("no release could ever be proven in time"));
    }
    let drain = positive("swap.drain", raw.drain)?;
    let canary = Canary { shares: shares(&raw.canary)?, hold: positive("swap.hold", raw.hold)? };
    Ok(Swap { stable, deadline, watch: raw.watch.0, drain, keep_warm: raw.keep_warm.0, canary })
}

/// More steps than these are no proof that fewer would not be.
const MOST_SHARES: usize = 10;

fn shares(given: &[Share]) -> Checked<Vec<Share>> {
    if given.len() > MOST_SHARES {
        let problem = format!("{} steps are more than {MOST_SHARES}", given.len());
        return Err(ManifestError::value("swap.canary", problem)
            .with_hint("a few are enough, such as [0.01, 0.1, 0.5]"));
    }
    if let Some(pair) = given.windows(2).find(|pair| pair[0] >= pair[1]) {
        let problem = format!("{} does not follow {}", pair[1], pair[0]);
        return Err(ManifestError::value("swap.canary", problem)
            .with_hint("each step has a larger share than the one before, such as [0.1, 0.5]"));
    }
    Ok(given.to_vec())
}

fn positive(key: &str, span: Span) -> Checked<Duration> {
    if span.0.is_zero() {
        return Err(ManifestError::value(key, "must be longer than 0").with_hint("such as \"10s\""));
    }
    Ok(span.0)
}

fn textfile(given: String) -> Checked<PathBuf> {
    let plain = Path::new(&given).components().all(|part| !matches!(part, Component::ParentDir));
    if given.starts_with('/') && plain && !given.contains(char::is_control) {
        return Ok(given.into());
    }
    Err(ManifestError::value(
        "metrics.textfile",
        format!("{} is not an absolute path", shown(&given)),
    )
    .with_hint(
        "the folder that node_exporter reads, such as \"/var/lib/prometheus/node-exporter\"",
    ))
}

fn keep(given: u32) -> Checked<usize> {
    // Two: the live release and the one to return to.
    if (2..=1000).contains(&given) {
        return Ok(given as usize);
    }
    Err(ManifestError::value("release.keep", format!("{given} is not between 2 and 1000"))
        .with_hint("the live release and the one before must stay"))
}
