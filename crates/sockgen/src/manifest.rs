//! `sockact.toml` as typed: every key, its form and its default. What it means is in `model`.

mod form;
mod journal;
mod listener;
mod proxy;
mod service;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::address::Address;
use crate::duration::Span;
use crate::error::ManifestError;
use crate::model::Ready;
use crate::names::{AppName, ListenerName, SecretName, SlotName};
use crate::share::Share;
use crate::shown::shown;
use crate::size::Size;
use form::{HINT_MARK, form_error};
pub(crate) use journal::Journal;
pub(crate) use listener::Listener;
pub(crate) use proxy::Proxy;
pub(crate) use service::{Directives, Hardening, OneOrMany, Resources, Storage};

/// How a service is deployed on one Linux machine without losing a request: `sockact.toml`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The application: `[a-z][a-z0-9-]*`, at most 30 characters, no `--`, no `-` at the end.
    pub(crate) name: AppName,
    /// The program: a path inside a release, such as `bin/shop`, or the absolute path of one that is installed in another way.
    pub(crate) exec: String,
    /// Its arguments, each as it is: nothing in them is expanded.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// The user the service runs as. Without one systemd makes a user that exists only while it runs.
    pub(crate) user: Option<String>,
    /// The group of the service; that of its user when left out.
    pub(crate) group: Option<String>,
    /// Further groups whose files the service may use.
    #[serde(default)]
    pub(crate) supplementary_groups: Vec<String>,
    /// false: the program is not built on sockact. It takes systemd's sockets, and has no gate and no admin socket.
    #[serde(default = "yes")]
    pub(crate) gate: bool,
    /// For a program that takes no socket of systemd's: systemd-socket-proxyd takes the connections, and carries them to it.
    pub(crate) proxy: Option<Proxy>,
    /// The slots that take turns. A third one lets a deploy begin while an old release still drains for hours.
    #[serde(default = "blue_and_green")]
    pub(crate) slots: Vec<SlotName>,
    /// The public sockets. The service finds each by its name.
    pub(crate) listeners: BTreeMap<ListenerName, Listener>,
    /// Variables for the service.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// How a slot is asked whether it is well.
    #[serde(default)]
    pub(crate) health: Health,
    /// What counts as started, and in what time.
    #[serde(default)]
    pub(crate) start: Start,
    /// The times and steps of a deploy.
    #[serde(default)]
    pub(crate) swap: Swap,
    /// Which releases are taken, and which stay.
    #[serde(default)]
    pub(crate) release: Release,
    /// Commands that a deploy runs once each, as the service's user and in its sandbox. One that fails leaves everything as it was.
    #[serde(default)]
    pub(crate) hooks: Hooks,
    /// What is written for a monitor.
    #[serde(default)]
    pub(crate) metrics: Metrics,
    /// Names of secrets that the service reads in `$CREDENTIALS_DIRECTORY`; `sockgen secret set` stores each.
    #[serde(default)]
    pub(crate) secrets: Vec<SecretName>,
    /// What each slot may use of the machine; during a deploy two run.
    #[serde(default)]
    pub(crate) resources: Resources,
    /// Where the slots may write, besides `$STATE_DIRECTORY`.
    #[serde(default)]
    pub(crate) storage: Storage,
    /// Where the lines of the slots go, and how long they stay.
    #[serde(default)]
    pub(crate) journal: Journal,
    /// What the slots may not do.
    #[serde(default)]
    pub(crate) hardening: Hardening,
    /// Directives of systemd that no key here stands for, written into the units as they are.
    #[serde(default)]
    pub(crate) directives: Directives,
}

/// How a slot is asked whether it is well: by `path`, by `exec`, or at an address of its own.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Health {
    /// A request to this path, to the new slot alone; 2xx and 3xx are healthy. `/health` when nothing is said.
    pub(crate) path: Option<String>,
    /// A command: healthy when it exits with status 0.
    pub(crate) exec: Option<Vec<String>>,
    /// Where to ask each slot, when the program opens an address of its own for it (`$SOCKACT_HEALTH`); with no path, to connect is enough.
    pub(crate) at: Option<BTreeMap<SlotName, At>>,
    /// Between the end of one request and the start of the next; `250ms` when left out.
    pub(crate) interval: Span,
    /// The longest wait for one answer; `2s` when left out.
    pub(crate) timeout: Span,
    /// So many misses in a row, and the release is given up; 12 when left out.
    pub(crate) failures: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            path: None,
            exec: None,
            at: None,
            interval: millis(250),
            timeout: millis(2_000),
            failures: 12,
        }
    }
}

/// What counts as started, and in what time.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Start {
    /// `exec` for a program that does not say `READY=1`.
    pub(crate) ready: Ready,
    /// How long a release may take until it is ready; `60s` when left out.
    pub(crate) timeout: Span,
}

impl Default for Start {
    fn default() -> Self {
        Self { ready: Ready::Notify, timeout: millis(60_000) }
    }
}

/// The times and steps of a deploy.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Swap {
    /// How long a new release must stay healthy before it gets users; `10s` when left out.
    pub(crate) stable: Span,
    /// From `READY=1` to that point, at most; `5min` when left out.
    pub(crate) deadline: Span,
    /// How long it is watched afterwards; when it fails, the old release takes over again. `10s` when left out.
    pub(crate) watch: Span,
    /// How long the old release may take to end what it still answers; `30s` when left out.
    pub(crate) drain: Span,
    /// How long the old release stands by after that, for a rollback without a start; `0s` when left out.
    pub(crate) keep_warm: Span,
    /// Shares of the connections that a new release has to hold before it gets all, rising.
    pub(crate) canary: Vec<Share>,
    /// How long it has to hold each; `1min` when left out.
    pub(crate) hold: Span,
}

impl Default for Swap {
    fn default() -> Self {
        Self {
            stable: millis(10_000),
            deadline: millis(300_000),
            watch: millis(10_000),
            drain: millis(30_000),
            keep_warm: millis(0),
            canary: Vec::new(),
            hold: millis(60_000),
        }
    }
}

/// Which releases are taken, and which stay.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Release {
    /// How many releases stay on the disk, 2 to 1000; 5 when left out.
    pub(crate) keep: u32,
    /// The most bytes that the files of a release may have; `4GiB` when left out.
    pub(crate) max_size: Size,
    /// The most files, directories and links of a release; 250000 when left out.
    pub(crate) max_files: u64,
}

impl Default for Release {
    fn default() -> Self {
        Self { keep: 5, max_size: Size(4 << 30), max_files: 250_000 }
    }
}

/// Commands that a deploy runs once each: program and arguments.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hooks {
    /// Before the new slot starts.
    pub(crate) migrate: Option<Vec<String>>,
    /// Before the old slot is stopped.
    pub(crate) pre_stop: Option<Vec<String>>,
    /// The longest time that one may take; `10min` when left out.
    pub(crate) timeout: Span,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { migrate: None, pre_stop: None, timeout: millis(600_000) }
    }
}

/// What is written for a monitor.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    /// The folder that node_exporter's textfile collector reads; written to after each deploy.
    pub(crate) textfile: Option<String>,
}

fn yes() -> bool {
    true
}

/// An address in a table of them.
#[derive(Debug)]
pub(crate) struct At(pub(crate) Address);

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        address(deserializer).map(Self)
    }
}

fn blue_and_green() -> Vec<SlotName> {
    ["blue", "green"].map(|name| name.parse().expect("a valid name of a slot")).into()
}

const fn millis(n: u64) -> Span {
    Span(Duration::from_millis(n))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error: crate::AddressError| {
        D::Error::custom(format!("{error}{HINT_MARK}{}", error.hint()))
    })
}

/// The permissions of a unix socket, written as `"0660"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode(pub(crate) u32);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Mode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("octal permissions as a string, such as \"0660\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Mode, E> {
                let octal = (3..=4).contains(&text.len())
                    && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
                match u32::from_str_radix(text, 8) {
                    Ok(mode) if octal && mode <= 0o777 => Ok(Mode(mode)),
                    _ => Err(E::custom(format!(
                        "{} is not a mode: three or four octal digits, such as \"0660\"",
                        shown(text)
                    ))),
                }
            }
        }

        deserializer.deserialize_any(Text)
    }
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Result<Self, ManifestError> {
        toml::from_str(text).map_err(|error| form_error(text, &error))
    }
}
