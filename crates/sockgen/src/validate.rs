//! From a well-formed manifest to a valid application: the rules that need more than one value,
//! or that belong to what systemd does with it.

mod directives;
mod hardening;
mod health;
mod journal;
mod listeners;
mod program;
mod proxy;
mod resources;
mod socket_options;
mod storage;

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use self::directives::directives;
use self::hardening::hardening;
use self::health::health;
pub(crate) use self::health::health_path;
use self::journal::journal;
use self::listeners::listeners;
use self::program::{Hidden, args, argv, environment, exec_in};
pub(crate) use self::program::{account, exec};
use self::proxy::proxy;
use self::resources::resources;
use self::storage::{groups, secrets, storage};
use crate::duration::{Span, short_duration};
use crate::error::ManifestError;
use crate::manifest::{self, Manifest};
use crate::model::{App, Canary, Exec, Hooks, Probe, Ready, Swap};
use crate::names::{AppName, PROXY, SlotName};
use crate::place::Place;
use crate::share::Share;
use crate::shown::shown;

type Checked<T> = Result<T, ManifestError>;

pub(crate) fn app(raw: Manifest, place: &Place) -> Checked<App> {
    if place.is_user() {
        of_a_user(&raw)?;
    }
    let slots = slots(&raw.name, raw.slots)?;
    let hardening = hardening(raw.hardening, raw.user.as_deref(), place)?;
    let hidden = Hidden::of(&hardening, raw.user.is_none(), place);
    let listeners = listeners(&raw.name, &slots, raw.listeners)?;
    let proxy = raw.proxy.map(|given| proxy(given, raw.gate, &slots, &listeners)).transpose()?;
    let app = App {
        group: raw.group.map(|group| account("group", group)).transpose()?,
        supplementary_groups: groups(raw.supplementary_groups)?,
        secrets: secrets(raw.secrets, place)?,
        resources: resources(raw.resources, place)?,
        storage: storage(raw.storage)?,
        journal: journal(raw.journal, place)?,
        hardening,
        directives: directives(raw.directives)?,
        exec: exec_in("exec", &raw.exec, &hidden)?,
        args: args("args", raw.args)?,
        user: raw.user.map(|user| account("user", user)).transpose()?,
        listeners,
        environment: environment("environment", raw.environment)?,
        health: health(raw.health, raw.gate, proxy.as_ref(), &slots, &hidden)?,
        hooks: hooks(raw.hooks, &hidden)?,
        gated: raw.gate,
        proxy,
        ready: ready(raw.start.ready, raw.gate)?,
        start_timeout: positive("start.timeout", raw.start.timeout)?,
        swap: swap(&raw.swap)?,
        keep: keep(raw.release.keep)?,
        max_size: raw.release.max_size.0,
        max_files: max_files(raw.release.max_files)?,
        textfile: raw.metrics.textfile.map(textfile).transpose()?,
        name: raw.name,
        place: place.clone(),
        slots,
    };
    together(&app)?;
    directives::in_units(&app)?;
    Ok(app)
}

/// What is right alone and not beside the rest.
fn together(app: &App) -> Checked<()> {
    let checked = match &app.health.probe {
        Probe::Exec(argv) => Some(argv),
        _ => None,
    };
    if let (Some(proxy), Probe::Http { at, .. } | Probe::Connect { at }) =
        (&app.proxy, &app.health.probe)
    {
        proxy::ports("health.at", at, &proxy.to)?;
    }
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
    let own = app.proxy.as_ref().map(|proxy| &proxy.environment);
    if let Some(key) = own.and_then(|own| own.keys().find(|key| app.environment.contains_key(*key)))
    {
        let problem = "stands in environment, too";
        return Err(ManifestError::value(format!("proxy.environment.{key}"), problem)
            .with_hint("keep one of them"));
    }
    if app.hooks.pre_stop.is_some() && !app.swap.keep_warm.is_zero() {
        let problem = "stands beside swap.keep_warm, with which a timer stops the old slot later";
        return Err(ManifestError::value("hooks.pre_stop", problem)
            .with_hint("keep one of them: no controller is there to run it then"));
    }
    Ok(())
}

fn hooks(raw: manifest::Hooks, hidden: &Hidden) -> Checked<Hooks> {
    Ok(Hooks {
        migrate: raw.migrate.map(|given| argv("hooks.migrate", given, hidden)).transpose()?,
        pre_stop: raw.pre_stop.map(|given| argv("hooks.pre_stop", given, hidden)).transpose()?,
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
        if slot.as_ref() == PROXY {
            let problem = format!(
                "{slot} would be {}, which reads as the proxy before a slot",
                app.slot_unit(slot)
            );
            return refuse(problem, "choose another name");
        }
    }
    Ok(given)
}

/// What only PID 1 can do.
fn of_a_user(raw: &Manifest) -> Checked<()> {
    if raw.user.is_some() {
        return Err(as_you("user"));
    }
    if raw.group.is_some() {
        return Err(as_you("group"));
    }
    if !raw.supplementary_groups.is_empty() {
        return Err(as_you("supplementary_groups"));
    }
    listeners::of_a_user(raw)
}

fn as_you(key: &str) -> ManifestError {
    ManifestError::value(key, "your own systemd runs everything as you")
        .with_hint("leave it out, or install without --user")
}

fn ready(given: Ready, gate: bool) -> Checked<Ready> {
    if gate && given == Ready::Exec {
        let problem = "a program that is built on sockact says READY=1 itself";
        return Err(ManifestError::value("start.ready", problem)
            .with_hint("leave it out, or write gate = false for a program that is not"));
    }
    Ok(given)
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

/// The largest number of steps of a canary. More are no proof that fewer would not be.
pub const MOST_SHARES: usize = 10;

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

/// Not even a release of a single file would be taken.
fn max_files(given: u64) -> Checked<u64> {
    if given > 0 {
        return Ok(given);
    }
    Err(ManifestError::value("release.max_files", "with 0 every release would be refused")
        .with_hint("leave it out for 250000"))
}

fn keep(given: u32) -> Checked<usize> {
    // Two: the live release and the one to return to.
    if (2..=1000).contains(&given) {
        return Ok(given as usize);
    }
    Err(ManifestError::value("release.keep", format!("{given} is not between 2 and 1000"))
        .with_hint("the live release and the one before must stay"))
}
