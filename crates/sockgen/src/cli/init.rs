//! `sockgen init`

use std::fmt::Write as _;
use std::path::Path;

use super::args::Init;
use super::{Failure, Report, questions};
use crate::address::Address;
use crate::init::from::{Asked, Taken, from as convert};
use crate::init::{Did, InitError, Into, Made, Start, again, init};
use crate::model::{App, Exec};
use crate::names::{AppName, ListenerName, MANIFEST_FILE};
use crate::presets::{PRESETS, Preset};
use crate::shown::shown;
use crate::versions::Target;
use crate::{ManifestError, validate};

pub(super) fn run(args: &Init) -> Result<Report, Failure> {
    if args.preset.as_deref() == Some("help") {
        return Ok(Report::done(presets()));
    }
    if let Some(unit) = &args.from {
        return from(args, unit);
    }
    if let Some(name) = &args.name {
        return first(args, &start(args, name)?);
    }
    if args.preset.is_some() {
        return Err(incomplete("--name", "shop --listen http=127.0.0.1:8080"));
    }
    if args.dir.join(MANIFEST_FILE).exists() {
        let (into, unknown) = into(args)?;
        let made = again(into).map_err(|error| Failure::new(&error, error.hint()))?;
        return Ok(Report::done(listed(&made, unknown) + &next(args, &made.app, None)));
    }
    if questions::somebody_is_there() {
        return first(args, &questions::ask(&args.dir)?);
    }
    let message = format!("there is no {MANIFEST_FILE} in {}", args.dir.display());
    let hint = "for a first one: sockgen init --name shop --listen http=127.0.0.1:8080 \
                --exec bin/shop; --preset help shows what can stand in place of --exec";
    Err(Failure::typed(message, hint))
}

/// A first manifest, of what was typed or answered.
fn first(args: &Init, start: &Start) -> Result<Report, Failure> {
    let (into, unknown) = into(args)?;
    let made = init(start, into).map_err(|error| match &error {
        // Everything was typed, so that the manifest's rules speak of options.
        InitError::Manifest(inner) => Failure::typed(inner.to_string(), hint_of(inner)),
        InitError::Preset { hint, .. } => Failure::typed(error.to_string(), hint),
        _ => Failure::new(&error, error.hint()),
    })?;
    let program = start.main.then_some(start.preset);
    Ok(Report::done(listed(&made, unknown) + &next(args, &made.app, program)))
}

/// The presets, a line each.
fn presets() -> String {
    let mut text = String::from("The kinds of program for `sockgen init --preset KIND`:\n");
    for preset in PRESETS {
        writeln!(text, "  {:<10}{}", preset.name, preset.summary).expect("memory");
    }
    text.push_str("\nWith --main, a starting program is written, too.\n");
    text
}

/// Where to write, for which systemd; with what is to be said of that one.
fn into(args: &Init) -> Result<(Into<'_>, Option<String>), Failure> {
    let (target, unknown) = Target::choose(args.systemd, Path::new("/"))
        .map_err(|error| Failure::typed(error.to_string(), error.hint()))?;
    Ok((Into { folder: &args.dir, target, force: args.force }, unknown))
}

/// A line for each file, and for what the systemd lacks.
fn listed(made: &Made, unknown: Option<String>) -> String {
    let mut text = String::new();
    for (path, did) in &made.files {
        let did = match did {
            Did::Wrote => "wrote",
            Did::Kept => "kept ",
        };
        writeln!(text, "{did} {}", bare(path).display()).expect("memory");
    }
    for note in unknown.iter().chain(&made.notes) {
        writeln!(text, "note: {note}").expect("memory");
    }
    text
}

/// Of a service that is there.
fn from(args: &Init, unit: &str) -> Result<Report, Failure> {
    let asked = Asked {
        name: args.name.as_deref().map(name).transpose()?,
        listeners: args
            .listen
            .iter()
            .map(|text| listener(text).map(|(name, address)| (name, address.into())))
            .collect::<Result<_, _>>()?,
        exec: args.exec.clone(),
    };
    let (into, unknown) = into(args)?;
    let Taken { made, report } = convert(unit, &asked, into)
        .map_err(|error| Failure::new(&error, Some(error.hint()).filter(|h| !h.is_empty())))?;
    Ok(Report::done(listed(&made, unknown) + &report))
}

fn incomplete(option: &str, such_as: &str) -> Failure {
    let message = format!("{option} is missing");
    Failure::typed(message, format!("add {option} {such_as}"))
}

/// What was typed, made valid one option after the other.
fn start(args: &Init, given: &str) -> Result<Start, Failure> {
    let preset = args.preset.as_deref().map(Preset::named).transpose();
    let preset = preset.map_err(|error| Failure::usage("--preset", &error, error.hint()))?;
    if args.listen.is_empty() {
        return Err(incomplete("--listen", "http=127.0.0.1:8080"));
    }
    if preset.is_none() && args.exec.is_none() {
        return Err(incomplete("--exec", "bin/shop, or --preset with a kind of program"));
    }
    let name = name(given)?;
    let listeners = args.listen.iter().map(|text| listener(text)).collect::<Result<_, _>>()?;
    if let Some(exec) = &args.exec {
        validate::exec("exec", exec).map_err(|error| option("--exec", "exec: ", &error))?;
    }
    validate::health_path(&args.health_path)
        .map_err(|error| option("--health-path", "health.path: ", &error))?;
    let proxy_to = proxy_to(&args.proxy_to)?;
    Ok(Start {
        name,
        proxy_to,
        listeners,
        preset: preset.unwrap_or(Preset::DEFAULT),
        exec: args.exec.clone(),
        args: args.args.clone(),
        health_path: args.health_path.clone(),
        main: args.main,
    })
}

/// Blue's, and green's.
fn proxy_to(given: &[String]) -> Result<Option<[Address; 2]>, Failure> {
    let parse = |text: &String| {
        text.parse().map_err(|error: crate::AddressError| {
            let hint = error.hint();
            Failure::usage("--proxy-to", &error, hint)
        })
    };
    match given {
        [] => Ok(None),
        [blue, green] => Ok(Some([parse(blue)?, parse(green)?])),
        other => {
            let message = format!("--proxy-to: {} addresses, and there are two slots", other.len());
            let hint = "give one for blue and one for green: --proxy-to 127.0.0.1:9101 --proxy-to 127.0.0.1:9102";
            Err(Failure::typed(message, hint))
        }
    }
}

fn name(given: &str) -> Result<AppName, Failure> {
    given.parse().map_err(|e: crate::NameError| {
        let hint = e.hint();
        Failure::usage("--name", &e, hint)
    })
}

/// An error of the manifest in the words of the option it came from.
fn option(option: &str, key: &str, error: &ManifestError) -> Failure {
    let message = error.to_string();
    let message = message.strip_prefix(key).unwrap_or(&message);
    Failure::typed(format!("{option}: {message}"), hint_of(error))
}

fn hint_of(error: &ManifestError) -> String {
    error.hint().unwrap_or_else(|| "see `sockgen init --help`".to_owned())
}

fn listener(text: &str) -> Result<(ListenerName, Address), Failure> {
    let Some((name, address)) = text.split_once('=') else {
        let message = format!("--listen: {} has no name for the listener", shown(text));
        let hint = match text.parse::<Address>() {
            Ok(address) => format!("give it a name: --listen http={address}"),
            Err(_) => "write a name, = and an address: --listen http=127.0.0.1:8080".to_owned(),
        };
        return Err(Failure::typed(message, hint));
    };
    let name = name.parse().map_err(|error: crate::NameError| {
        let hint = error.hint();
        Failure::usage("--listen", &error, hint)
    })?;
    let address = address.parse().map_err(|error: crate::AddressError| {
        let hint = error.hint();
        Failure::usage("--listen", &error, hint)
    })?;
    Ok((name, address))
}

/// The path without a leading `./`; the folder itself stays `.`.
fn bare(path: &Path) -> &Path {
    match path.strip_prefix(".") {
        Ok(rest) if rest.as_os_str().is_empty() => Path::new("."),
        rest => rest.unwrap_or(path),
    }
}

/// What a person does next; with a starting program, also what makes a release of it.
fn next(args: &Init, app: &App, program: Option<&Preset>) -> String {
    let path = args.dir.join(MANIFEST_FILE);
    let manifest = bare(&path);
    let install = match manifest == Path::new(MANIFEST_FILE) {
        true => "sudo sockgen install".to_owned(),
        false => format!("sudo sockgen install {}", manifest.display()),
    };
    let mut text = format!(
        "\nNext:\n  look through {}\n  {install}\n  sudo systemctl enable --now {}\n",
        manifest.display(),
        app.target()
    );
    let mut release = "PATH".to_owned();
    if let Some(preset) = program {
        let named = |words: &str| words.replace("shop", app.name().as_ref());
        for command in preset.build {
            writeln!(text, "  {}", named(command)).expect("memory");
        }
        release = bare(&args.dir.join(named(preset.release))).display().to_string();
    }
    if matches!(app.exec(), Exec::Release(_)) {
        writeln!(text, "  sudo sockctl deploy {} {release}", app.name()).expect("memory");
    }
    text
}
