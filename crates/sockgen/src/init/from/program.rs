//! What the service runs: its command, its variables, and where the program lies.

use std::collections::BTreeMap;

use super::FromError;
use super::convert::Notes;
use super::found::{EnvironmentFile, Found};
use super::words::{environment_file, expand, is_name, with_variables, words};
use crate::check::Entry;
use crate::shown::shown;

/// Parts of names whose values do not belong into a file that everybody may read.
const SECRET: [&str; 7] = ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH", "DSN"];

/// The variables of the service.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Those that the manifest says.
    pub(super) carried: BTreeMap<String, String>,
    /// Those that a command line can use.
    pub(super) all: BTreeMap<String, String>,
}

/// Those of files come after those of the unit, as systemd has them.
pub(super) fn variables(found: &Found, notes: &mut Notes) -> Result<Variables, FromError> {
    let mut variables = Variables::default();
    for entry in found.unit.all("Service", "Environment") {
        for word in split(found, entry)? {
            if let Some((name, value)) = word.split_once('=') {
                one(name, value, "Environment=", &mut variables, notes);
            }
        }
    }
    for entry in found.unit.all("Service", "EnvironmentFile") {
        let (optional, path) = match entry.value.strip_prefix('-') {
            Some(path) => (true, path),
            None => (false, entry.value.as_str()),
        };
        let path = expand(&found.unit, path)
            .map_err(|why| FromError::Line { directive: shown_line(entry), why })?;
        match found.environment.get(&path) {
            Some(EnvironmentFile::Text(text)) => {
                for (name, value) in environment_file(text) {
                    one(&name, &value, &path, &mut variables, notes);
                }
                notes.changed.push(format!(
                    "{path} is not read any more: what was in it now stands in [environment]"
                ));
            }
            Some(EnvironmentFile::Secret) => notes.lost(
                entry,
                "not everybody may read it, so nothing of it was written into the manifest; a credential is the place for a secret",
            ),
            _ if optional => notes.changed.push(format!("{path} was not there, and is not read any more")),
            _ => notes.lost(entry, "it is not there"),
        }
    }
    Ok(variables)
}

fn one(name: &str, value: &str, from: &str, variables: &mut Variables, notes: &mut Notes) {
    if !is_name(name) {
        return;
    }
    variables.all.insert(name.to_owned(), value.to_owned());
    let secret = is_secret(name, value);
    let taken = ["SOCKACT_", "LISTEN_", "NOTIFY_"].iter().any(|prefix| name.starts_with(prefix));
    let why = if taken {
        "systemd or sockact sets it"
    } else if secret {
        "it looks like a secret, and everybody may read a manifest: a credential is the place for it"
    } else if value.contains(['\0', '\n']) {
        "it has a newline in it"
    } else {
        variables.carried.insert(name.to_owned(), value.to_owned());
        return;
    };
    // Its value is not shown: it may be a secret.
    notes.lost.push((format!("{name} of {from}"), why.to_owned()));
}

fn is_secret(name: &str, value: &str) -> bool {
    SECRET.iter().any(|part| name.to_uppercase().contains(part)) || has_password(value)
}

/// Whether there is a URL such as `postgres://shop:password@db/shop` in it.
fn has_password(value: &str) -> bool {
    value.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
        user.is_some_and(|(_, password)| !password.is_empty())
    })
}

fn uses(word: &str, name: &str) -> bool {
    word == format!("${name}") || word.contains(&format!("${{{name}}}"))
}

/// The words of a line of the unit, with specifiers put in.
fn split(found: &Found, entry: &Entry) -> Result<Vec<String>, FromError> {
    let broken = |why: String| FromError::Line { directive: shown_line(entry), why };
    let words = words(&entry.value).map_err(|why| broken(why.to_owned()))?;
    words.iter().map(|word| expand(&found.unit, word).map_err(broken)).collect()
}

/// A directive as a message shows it.
pub(super) fn shown_line(entry: &Entry) -> String {
    format!("{}={}", entry.key, shown(&entry.value).trim_matches('"'))
}

/// The program and its arguments, without the prefixes of systemd.service(5).
pub(super) fn command(
    found: &Found,
    entry: &Entry,
    variables: &BTreeMap<String, String>,
    notes: &mut Notes,
) -> Result<Vec<String>, FromError> {
    let broken = |why: &str| FromError::Line { directive: shown_line(entry), why: why.to_owned() };
    let plain = entry.value.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    let prefixes = &entry.value[..entry.value.len() - plain.len()];
    if prefixes.contains(['+', '!', '|']) {
        return Err(broken(
            "it runs with other rights than the service, or in a shell, which a slot cannot",
        ));
    }
    if prefixes.contains('-') {
        notes
            .changed
            .push("an exit of the program with an error is one: the prefix - is gone".into());
    }
    let unprefixed = Entry { value: plain.to_owned(), ..entry.clone() };
    let mut words = split(found, &unprefixed)?;
    if words.iter().any(|word| word == ";") {
        return Err(broken("it has several commands"));
    }
    if prefixes.contains('@') && words.len() > 1 {
        let name = words.remove(1);
        notes
            .changed
            .push(format!("the program is called by its path, no longer as {}", shown(&name)));
    }
    if words.is_empty() {
        return Err(broken("it names no program"));
    }
    let program = words.remove(0);
    let secret = variables.iter().find(|(name, value)| {
        is_secret(name, value)
            && words.iter().any(|word| uses(word, name))
            && !prefixes.contains(':')
    });
    if let Some((name, _)) = secret {
        return Err(broken(&format!(
            "it uses ${name}, which looks like a secret, and everybody may read a manifest"
        )));
    }
    let mut unset = Vec::new();
    let args = match prefixes.contains(':') {
        true => words,
        false => with_variables(words, variables, &mut unset),
    };
    for name in unset {
        notes.changed.push(format!("${name} of {} is not set, and gone", entry.key));
    }
    let program = match program.starts_with('/') {
        true => program,
        false => found.program(&program).ok_or_else(|| broken("there is no such program"))?,
    };
    Ok(std::iter::once(program).chain(args).collect())
}
