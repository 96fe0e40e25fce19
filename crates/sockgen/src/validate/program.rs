//! What is run: programs, their arguments, their environment, and whose accounts they have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Checked;
use crate::error::ManifestError;
use crate::model::{Argv, Exec, Hardening};
use crate::place::{Place, Scope};
use crate::shown::shown;
use crate::versions::Target;

/// The longest argument or value in bytes; far below what the kernel takes for one string
/// (128 KiB, execve(2)) and what systemd takes for one line (1 MiB).
const LONGEST_VALUE: usize = 32 * 1024;

/// All arguments, or all the environment, together.
const LONGEST_SUM: usize = 128 * 1024;

/// Where no program is run from, in any sandbox.
const NEVER: [&str; 4] = ["/dev", "/proc", "/sys", "/var/lib/sockact"];
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
const TMP: [&str; 2] = ["/tmp", "/var/tmp"];

/// What the sandbox of a slot hides or empties, so that no program can be run from there; each with the relaxation that shows it.
#[derive(Debug, Default)]
pub(super) struct Hidden(Vec<(&'static str, Option<&'static str>)>);

impl Hidden {
    pub(super) fn of(hardening: &Hardening, dynamic: bool, place: &Place) -> Self {
        // A user's own systemd hides nothing: it may not make such a sandbox.
        if place.is_user() {
            return Self::default();
        }
        let directives = hardening.directives(Scope::System, Target::NEWEST);
        let has = |key: &str| directives.iter().any(|(name, value)| *name == key && value == "yes");
        let homes = HOMES.iter().filter(|_| has("ProtectHome")).map(|path| (*path, Some("home")));
        // With a dynamic user it is private at any level (systemd.exec(5), DynamicUser=).
        let private = dynamic || has("PrivateTmp");
        let tmp = TMP.iter().filter(|_| private).map(|path| (*path, Some("shared-tmp")));
        Self(NEVER.iter().map(|path| (*path, None)).chain(homes).chain(tmp).collect())
    }
}

/// The `exec` of a manifest that says nothing of a user or of hardening.
pub(crate) fn exec(key: &str, given: &str) -> Checked<Exec> {
    exec_in(key, given, &Hidden::of(&Hardening::default(), true, &Place::system()))
}

pub(super) fn exec_in(key: &str, given: &str, hidden: &Hidden) -> Checked<Exec> {
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
    let hides = hidden.0.iter().find(|(path, _)| Path::new(given).starts_with(path));
    if let Some((path, shown_by)) = hides {
        let elsewhere =
            "install the program in /usr/local/bin or /opt, or use a path inside the release";
        let hint = match shown_by {
            Some(relaxation) => {
                format!("{elsewhere}; hardening.allow = [\"{relaxation}\"] shows it all the same")
            }
            None => elsewhere.to_owned(),
        };
        return refuse(&format!("lies in {path}, which the sandbox of the slots hides"), &hint);
    }
    Ok(Exec::Program(PathBuf::from(given)))
}

pub(super) fn args(key: &str, given: Vec<String>) -> Checked<Vec<String>> {
    for (index, arg) in given.iter().enumerate() {
        value(&format!("{key}[{index}]"), arg)?;
    }
    sum(key, given.iter().map(String::len))?;
    Ok(given)
}

pub(super) fn environment(
    key: &str,
    given: BTreeMap<String, String>,
) -> Checked<BTreeMap<String, String>> {
    let table = key;
    for (key, text) in &given {
        let mut chars = key.chars();
        let head = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !head || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') || key.len() > 255 {
            let problem = format!("{} is not a name for a variable", shown(key));
            return Err(ManifestError::value(table, problem)
                .with_hint("letters, digits and _, not beginning with a digit"));
        }
        let key_shown = format!("{table}.{key}");
        if let Some(prefix) = reserved(key) {
            return Err(ManifestError::value(
                key_shown,
                format!("names that begin with {prefix} are set by systemd or sockact"),
            )
            .with_hint("choose another name"));
        }
        value(&key_shown, text)?;
    }
    sum(table, given.iter().map(|(key, text)| key.len() + text.len()))?;
    Ok(given)
}

/// How the names begin by which systemd and the controller tell a slot what is its own (sd_listen_fds(3), sd_notify(3)).
pub(super) fn reserved(variable: &str) -> Option<&'static str> {
    ["SOCKACT_", "LISTEN_", "NOTIFY_"].into_iter().find(|prefix| variable.starts_with(prefix))
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

/// A program and its arguments, as one list.
pub(super) fn argv(key: &str, given: Vec<String>, hidden: &Hidden) -> Checked<Argv> {
    let mut words = given.into_iter();
    let Some(program) = words.next() else {
        return Err(ManifestError::value(key, "names no program").with_hint(
            "write the program and its arguments, such as [\"bin/check\", \"--deep\"]",
        ));
    };
    Ok(Argv { exec: exec_in(key, &program, hidden)?, args: args(key, words.collect())? })
}

/// The name of a user or a group, or its number (useradd(8), systemd's "User/Group Name Syntax").
pub(crate) fn account(key: &str, given: String) -> Checked<String> {
    let number = !given.is_empty() && given.chars().all(|c| c.is_ascii_digit());
    let name = given.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && given.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if given.len() <= 31 && (number || name) {
        return Ok(given);
    }
    Err(ManifestError::value(key, format!("{} is not the name of an account", shown(&given)))
        .with_hint("letters, digits, _ and -, at most 31"))
}
