//! What each kind of program needs in its manifest, and a program to start with: one file each.

mod axum;
mod caddy;
mod detect;
mod go;
mod gunicorn;
mod hyper;
mod node;
mod proxyd;
mod puma;
mod source;
mod threads;
mod uvicorn;

use crate::model::Ready;
use crate::shown::{nearest, shown};

pub use detect::{Detected, detect};
pub use source::{Source, Words};

/// A kind of program.
#[derive(Debug)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// What a person should know, as comments at the top of the manifest.
    pub notes: &'static [&'static str],
    /// The program; `shop` in it stands for the application's name.
    pub exec: &'static str,
    /// Its arguments.
    pub args: &'static [&'static str],
    /// Whether it is built on `sockact`.
    pub gated: bool,
    /// When a slot of it counts as ready.
    pub ready: Ready,
    /// What its slots may do although they are shut in (`hardening.allow`).
    pub allow: &'static [&'static str],
    /// How a slot of it is asked for its health.
    pub health: Asks,
    /// How it finds its sockets.
    pub finds: Finds,
    /// Files beside the manifest by which it is known: with one of these words in it, or with none, by its being there.
    pub signs: &'static [(&'static str, &'static [&'static str])],
    /// The starting program.
    pub sources: &'static [Source],
    /// What makes a release of the sources, as a person types it; `shop` stands for the application's name.
    pub build: &'static [&'static str],
    /// What is given to `sockctl deploy`.
    pub release: &'static str,
}

/// How a slot is asked for its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Over its admin socket, which `sockact` serves.
    Admin,
    /// At an address of its own: a unix socket that it finds in `SOCKACT_HEALTH`, or where its proxy finds it.
    Own,
    /// By a command beside it.
    Exec(&'static [&'static str]),
}

/// How a program finds the sockets that systemd passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finds {
    /// By their names.
    Names,
    /// It takes all of them and serves the same on each.
    All,
    /// It takes descriptor 3, so that there can be one alone: the order of several is not stable.
    Third,
    /// It takes none: it opens an address of its own, to which a proxy carries the connections.
    Proxy {
        /// Variables by which it is told where.
        environment: &'static [(&'static str, &'static str)],
        /// Where, in blue and in green, when nothing else is said.
        to: [&'static str; 2],
    },
}

/// Every preset.
pub const PRESETS: [&Preset; 10] = [
    &axum::PRESET,
    &hyper::PRESET,
    &threads::PRESET,
    &gunicorn::PRESET,
    &uvicorn::PRESET,
    &node::PRESET,
    &go::PRESET,
    &caddy::PRESET,
    &puma::PRESET,
    &proxyd::PRESET,
];

/// No preset has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no preset {}", shown(.given))]
pub struct UnknownPreset {
    given: String,
}

impl UnknownPreset {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        match nearest(&self.given, PRESETS.iter().map(|preset| preset.name)) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
                format!("the presets are {}", names.join(", "))
            }
        }
    }
}

impl Preset {
    /// A program that is built on `sockact`, in whatever way: what a manifest says when no preset is named.
    pub const DEFAULT: &'static Self = &axum::PRESET;

    /// The preset of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(given: &str) -> Result<&'static Self, UnknownPreset> {
        let found = PRESETS.into_iter().find(|preset| preset.name == given);
        found.ok_or_else(|| UnknownPreset { given: given.to_owned() })
    }
}
