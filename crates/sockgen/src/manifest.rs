//! `sockact.toml` as typed: every key, its form and its default. What it means is in `model`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::address::Address;
use crate::duration::Span;
use crate::error::ManifestError;
use crate::model::Ready;
use crate::names::{AppName, ListenerName, SlotName};
use crate::share::Share;
use crate::shown::{nearest, shown};
use crate::size::Size;

/// A whole manifest, each value well formed on its own.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) name: AppName,
    pub(crate) exec: String,
    #[serde(default)]
    pub(crate) args: Vec<String>,
    pub(crate) user: Option<String>,
    #[serde(default = "yes")]
    pub(crate) gate: bool,
    #[serde(default = "blue_and_green")]
    pub(crate) slots: Vec<SlotName>,
    pub(crate) listeners: BTreeMap<ListenerName, Listener>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) health: Health,
    #[serde(default)]
    pub(crate) start: Start,
    #[serde(default)]
    pub(crate) swap: Swap,
    #[serde(default)]
    pub(crate) release: Release,
    #[serde(default)]
    pub(crate) hooks: Hooks,
    #[serde(default)]
    pub(crate) metrics: Metrics,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    #[serde(deserialize_with = "address")]
    pub(crate) listen: Address,
    pub(crate) mode: Option<Mode>,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) backlog: Option<u32>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Health {
    pub(crate) path: Option<String>,
    pub(crate) exec: Option<Vec<String>>,
    pub(crate) at: Option<BTreeMap<SlotName, At>>,
    pub(crate) interval: Span,
    pub(crate) timeout: Span,
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

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Start {
    pub(crate) ready: Ready,
    pub(crate) timeout: Span,
}

impl Default for Start {
    fn default() -> Self {
        Self { ready: Ready::Notify, timeout: millis(60_000) }
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Swap {
    pub(crate) stable: Span,
    pub(crate) deadline: Span,
    pub(crate) watch: Span,
    pub(crate) drain: Span,
    pub(crate) keep_warm: Span,
    pub(crate) canary: Vec<Share>,
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

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Release {
    pub(crate) keep: u32,
    pub(crate) max_size: Size,
    pub(crate) max_files: u64,
}

impl Default for Release {
    fn default() -> Self {
        Self { keep: 5, max_size: Size(4 << 30), max_files: 250_000 }
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hooks {
    pub(crate) migrate: Option<Vec<String>>,
    pub(crate) pre_stop: Option<Vec<String>>,
    pub(crate) timeout: Span,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { migrate: None, pre_stop: None, timeout: millis(600_000) }
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
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

/// Between a message and its hint inside a `serde` error, which has room for one text only.
const HINT_MARK: char = '\u{1f}';

impl Manifest {
    pub(crate) fn parse(text: &str) -> Result<Self, ManifestError> {
        toml::from_str(text).map_err(|error| form_error(text, &error))
    }
}

/// Puts the line, a pointer to the column, and a hint to what the parser said.
fn form_error(text: &str, error: &toml::de::Error) -> ManifestError {
    let full = error.message();
    let (message, own_hint) = match full.split_once(HINT_MARK) {
        Some((message, hint)) => (message, Some(hint.to_owned())),
        None => (full, None),
    };
    let Some(span) = error.span() else {
        let hint = own_hint.or_else(|| hint_for(message, ""));
        let message = one_line(message);
        return ManifestError::Form { message, line: 0, column: 0, hint };
    };
    let start = span.start.min(text.len());
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[line_start..].chars().count() + 1;
    let hint = own_hint.or_else(|| hint_for(message, text.get(span).unwrap_or_default()));
    let source_line = shown_line(text.lines().nth(line - 1).unwrap_or_default());
    let message = one_line(message);
    let mut message = format!("line {line}, column {column}: {message}");
    if !source_line.is_empty() {
        message.push_str("\n  | ");
        message.push_str(&source_line);
    }
    ManifestError::Form { message, line, column, hint }
}

/// What the parser said, without the line breaks that it or a value put in.
fn one_line(message: &str) -> String {
    message.split(char::is_control).collect::<Vec<_>>().join(" ")
}

/// One line of the manifest as shown under a message: no control characters, not too long.
fn shown_line(line: &str) -> String {
    line.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The hint for what `serde` and `toml` say themselves; they quote names in backquotes.
fn hint_for(message: &str, found: &str) -> Option<String> {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown field") {
        let (given, expected) = quoted.split_first()?;
        return Some(match nearest(given, expected.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the keys here are {}", expected.join(", ")),
        });
    }
    if message.starts_with("missing field") {
        return match *quoted.first()? {
            "listeners" => Some("add [listeners.http] with listen = \"127.0.0.1:8080\"".into()),
            "listen" => Some("add listen = \"127.0.0.1:8080\"".into()),
            "exec" => Some("add exec = \"bin/shop\", the program inside a release".into()),
            "name" => Some("add name = \"shop\", the name of the application".into()),
            other => Some(format!("add {other}")),
        };
    }
    if message.contains("a size") {
        return Some("write it as \"500MiB\" or \"4GiB\"".to_owned());
    }
    if message.contains("a duration") {
        let bare = found.trim_matches('"');
        return Some(match bare.parse::<f64>() {
            Ok(_) => format!("write \"{bare}s\" for seconds, \"{bare}ms\" for milliseconds"),
            Err(_) => "write it as \"10s\", \"5min\" or \"500ms\"".to_owned(),
        });
    }
    if message.contains("a share of the connections") {
        return Some(crate::share::HINT.to_owned());
    }
    if message.starts_with("invalid type") && message.ends_with("expected a string") {
        return Some(format!("put it in quotes: \"{found}\""));
    }
    let of_name = crate::names::hint_in(message);
    Some(of_name.unwrap_or("`sockgen init` writes a manifest that shows every key").to_owned())
}
