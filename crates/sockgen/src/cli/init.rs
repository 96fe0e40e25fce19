//! `sockgen init`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::args::Init;
use super::{Failure, Report};
use crate::address::Address;
use crate::init::from::{Asked, Taken, from as convert};
use crate::init::{Did, InitError, Start, again, init};
use crate::model::{App, Exec};
use crate::names::{AppName, ListenerName, MANIFEST_FILE};
use crate::shown::shown;
use crate::{ManifestError, validate};

pub(super) fn run(args: &Init) -> Result<Report, Failure> {
    if let Some(unit) = &args.from {
        return from(args, unit);
    }
    let (app, files) = match (&args.name, &args.exec) {
        (Some(_), _) if args.listen.is_empty() => {
            return Err(incomplete("--listen", "http=127.0.0.1:8080"));
        }
        (Some(name), Some(exec)) => {
            let start = start(args, name, exec)?;
            init(&start, &args.dir, args.force).map_err(|error| match &error {
                // Everything was typed, so that the manifest's rules speak of options.
                InitError::Manifest(inner) => Failure::typed(inner.to_string(), hint_of(inner)),
                _ => Failure::new(&error, error.hint()),
            })?
        }
        (Some(_), None) => return Err(incomplete("--exec", "bin/shop")),
        _ if args.dir.join(MANIFEST_FILE).exists() => {
            again(&args.dir, args.force).map_err(|error| Failure::new(&error, error.hint()))?
        }
        _ => {
            let message = format!("there is no {MANIFEST_FILE} in {}", args.dir.display());
            let hint = "for a first one: sockgen init --name shop --listen http=127.0.0.1:8080 \
                        --exec bin/shop";
            return Err(Failure::typed(message, hint));
        }
    };
    let mut text = listed(files);
    text.push_str(&next(args, &app));
    Ok(Report::done(text))
}

/// A line for each file.
fn listed(files: Vec<(PathBuf, Did)>) -> String {
    let mut text = String::new();
    for (path, did) in files {
        let did = match did {
            Did::Wrote => "wrote",
            Did::Kept => "kept ",
        };
        writeln!(text, "{did} {}", bare(&path).display()).expect("memory");
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
    let done = convert(unit, &asked, &args.dir, args.force);
    let Taken { files, report, .. } =
        done.map_err(|error| Failure::new(&error, Some(error.hint()).filter(|h| !h.is_empty())))?;
    Ok(Report::done(listed(files) + &report))
}

fn incomplete(option: &str, such_as: &str) -> Failure {
    let message = format!("{option} is missing");
    Failure::typed(message, format!("add {option} {such_as}"))
}

/// What was typed, made valid one option after the other.
fn start(args: &Init, given: &str, exec: &str) -> Result<Start, Failure> {
    let name = name(given)?;
    let listeners = args.listen.iter().map(|text| listener(text)).collect::<Result<_, _>>()?;
    validate::exec("exec", exec).map_err(|error| option("--exec", "exec: ", &error))?;
    validate::health_path(&args.health_path)
        .map_err(|error| option("--health-path", "health.path: ", &error))?;
    Ok(Start {
        name,
        listeners,
        exec: exec.to_owned(),
        args: args.args.clone(),
        health_path: args.health_path.clone(),
    })
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

/// The path without a leading `./`.
fn bare(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

fn next(args: &Init, app: &App) -> String {
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
    if matches!(app.exec(), Exec::Release(_)) {
        writeln!(text, "  sudo sockctl deploy {} PATH", app.name()).expect("memory");
    }
    text
}
