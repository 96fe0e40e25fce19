//! `sockgen init` on a terminal, when nothing was said: it asks, with a default and a reason for each answer.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use inquire::ui::RenderConfig;
use inquire::validator::Validation;
use inquire::{Confirm, InquireError, Select, Text};

use super::Failure;
use crate::address::Address;
use crate::init::Start;
use crate::names::AppName;
use crate::presets::{Asks, Finds, PRESETS, Preset, detect};
use crate::validate;

/// Whether there is somebody to ask.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks until everything is known. Nothing is written.
pub(super) fn ask(folder: &Path) -> Result<Start, Failure> {
    answers(folder).map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            // As a shell tells of a program that Ctrl-C ended.
            Failure::typed(
                "not answered to the end: nothing was written",
                "--help shows how to say it all at once",
            )
            .status(130)
        }
        other => Failure::new(&other, Some("--help shows how to say it all at once".into())),
    })
}

fn answers(folder: &Path) -> Result<Start, InquireError> {
    // Colours are no part of an answer, and a person may have asked for none.
    inquire::set_global_render_config(RenderConfig::empty());
    let name = name(folder)?;
    let preset = preset(folder)?;
    let address = text(
        "Listens on:",
        "127.0.0.1:8080",
        "127.0.0.1 is for this machine alone, [::]:80 for everybody",
        |typed| typed.parse::<Address>().map(drop).map_err(|error| error.to_string()),
    )?;
    let exec = text(
        "Program:",
        &preset.exec.replace("shop", name.as_ref()),
        "a path inside the release, which a deploy is given, or an absolute path",
        |typed| validate::exec("exec", typed).map(drop).map_err(|error| error.to_string()),
    )?;
    let proxy_to = match preset.finds {
        Finds::Proxy { to: [blue, green], .. } => {
            Some([proxy_to("blue", blue)?, proxy_to("green", green)?])
        }
        _ => None,
    };
    let health_path = match preset.health {
        Asks::Admin | Asks::Own => text(
            "Health path:",
            "/health",
            "asked of a new release alone before it is trusted; 2xx and 3xx are healthy",
            |typed| validate::health_path(typed).map_err(|error| error.to_string()),
        )?,
        Asks::Exec(_) => "/health".to_owned(),
    };
    // Its arguments belong to its program.
    let exec = (exec != preset.exec.replace("shop", name.as_ref())).then_some(exec);
    let main = exec.is_none() && starting_program(folder, preset)?;
    Ok(Start {
        name,
        listeners: vec![(
            "http".parse().expect("a valid name"),
            address.parse().expect("it was validated"),
        )],
        preset,
        exec,
        args: Vec::new(),
        proxy_to,
        health_path,
        main,
    })
}

/// Where a program that cannot be passed a socket listens in this slot.
fn proxy_to(slot: &str, default: &str) -> Result<Address, InquireError> {
    let typed = text(
        &format!("The program's own address in {slot}:"),
        default,
        "nobody else's: systemd-socket-proxyd carries the connections there",
        |typed| typed.parse::<Address>().map(drop).map_err(|error| error.to_string()),
    )?;
    Ok(typed.parse().expect("it was validated"))
}

fn name(folder: &Path) -> Result<AppName, InquireError> {
    let here = fs::canonicalize(folder).ok();
    let here = here.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    let here = here.filter(|name| name.parse::<AppName>().is_ok());
    let (default, why) = match here {
        Some(here) => (here, "the name of this folder; units, paths and the user are named so"),
        None => ("shop", "units, paths and the user are named so"),
    };
    let check = |typed: &str| typed.parse::<AppName>().map(drop).map_err(|error| error.to_string());
    Ok(text("Name of the application:", default, why, check)?.parse().expect("it was validated"))
}

fn preset(folder: &Path) -> Result<&'static Preset, InquireError> {
    // What cannot be read is no sign.
    let found = detect(|name| fs::read_to_string(folder.join(name)).ok());
    let why = match &found {
        Some(found) => format!("{}; it decides what the manifest needs", found.reason),
        None => "nothing here says; it decides what the manifest needs".to_owned(),
    };
    let start = found.and_then(|found| PRESETS.iter().position(|p| p.name == found.preset.name));
    let lines: Vec<String> =
        PRESETS.iter().map(|preset| format!("{:<9} {}", preset.name, preset.summary)).collect();
    let select = Select::new("Kind of program:", lines)
        .with_starting_cursor(start.unwrap_or(0))
        .with_page_size(PRESETS.len())
        .with_help_message(&why)
        .without_filtering();
    Ok(PRESETS[select.raw_prompt()?.index])
}

fn starting_program(folder: &Path, preset: &Preset) -> Result<bool, InquireError> {
    if preset.sources.iter().any(|source| folder.join(source.path).exists()) {
        return Ok(false);
    }
    Confirm::new("Write a program to start with, too?")
        .with_default(true)
        .with_help_message("it serves, answers for its health and drains; none is here yet")
        .prompt()
}

/// One line of text, asked until it is valid.
fn text(
    question: &str,
    default: &str,
    why: &str,
    check: impl Fn(&str) -> Result<(), String> + Clone + 'static,
) -> Result<String, InquireError> {
    let valid = move |typed: &str| {
        Ok(match check(typed) {
            Ok(()) => Validation::Valid,
            Err(error) => Validation::Invalid(error.into()),
        })
    };
    Text::new(question).with_default(default).with_help_message(why).with_validator(valid).prompt()
}
