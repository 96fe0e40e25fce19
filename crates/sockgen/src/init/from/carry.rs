//! What of a unit has a key in the manifest besides its program and listeners: groups, limits, directories, secrets, and, for what has
//! no key, a directive as it stands. The manifest's own rules decide on each: what they refuse is lost, for the reason that they give.

use std::str::FromStr;

use super::convert::Notes;
use super::draft::{Draft, Kept, Table, Value};
use super::fates::{self, NETWORK, Target, target};
use super::found::Found;
use crate::check::Entry;
use crate::error::ManifestError;
use crate::init::string;
use crate::model::{App, Bandwidth, Memory, Tasks};

/// Adds to the draft what its rules take.
pub(super) fn carry(found: &Found, draft: &mut Draft, notes: &mut Notes) {
    // What is wrong with the draft itself is not told of each line.
    if valid(draft).is_err() {
        return;
    }
    let unit = &found.unit;
    let mut seen = Vec::new();
    // A link in a `.wants` folder has no line.
    for entry in unit.entries.iter().filter(|entry| entry.line.is_some()) {
        let name = (&entry.section, &entry.key);
        let Some(target) = target(entry).filter(|_| !seen.contains(&name)) else { continue };
        seen.push(name);
        let mut entries = unit.all(&entry.section, &entry.key);
        entries.retain(|entry| fates::target(entry).is_some());
        if !entries.is_empty() {
            Line { found, entries, draft, notes }.carry(target);
        }
    }
}

fn valid(draft: &Draft) -> Result<(), ManifestError> {
    App::parse(&draft.text("")).map(drop)
}

fn as_it_is(word: &str) -> Result<String, String> {
    Ok(word.to_owned())
}

/// Where systemd makes a directory of `StateDirectory=`, which may have a link beside it: `NAME:LINK` (systemd.exec(5)).
fn state_directory(word: &str) -> Result<String, String> {
    let (name, _) = word.split_once(':').unwrap_or((word, ""));
    Ok(format!("/var/lib/{name}"))
}

/// A path of `ReadWritePaths=`, without its prefixes (systemd.exec(5)).
fn that_is_there(word: &str) -> Result<String, String> {
    match word.strip_prefix('-') {
        Some(_) => Err("it may be missing, and storage.write is for what is there".into()),
        None => Ok(word.trim_start_matches('+').to_owned()),
    }
}

/// A path that stands in a command of the report without quotes.
fn is_plain(path: &str) -> bool {
    path.starts_with('/') && path.chars().all(|c| c.is_ascii_alphanumeric() || "/._@+-".contains(c))
}

/// All that a unit says of one directive.
struct Line<'a> {
    found: &'a Found,
    entries: Vec<&'a Entry>,
    draft: &'a mut Draft,
    notes: &'a mut Notes,
}

impl Line<'_> {
    fn carry(mut self, target: Target) {
        match target {
            Target::Group => self.group(),
            Target::Groups => drop(self.words(Table::Top, "supplementary_groups", as_it_is)),
            Target::Memory(key) => self.resource::<Memory>(key, true),
            Target::Bandwidth(key) => self.resource::<Bandwidth>(key, true),
            Target::Tasks(key) => self.resource::<Tasks>(key, false),
            Target::Number(key) => self.resource::<i64>(key, false),
            Target::Write => drop(self.words(Table::Storage, "write", that_is_there)),
            Target::State => self.state(),
            Target::Directory(key) => self.directory(key),
            Target::Credential => self.credentials(),
            Target::Directive(table) => self.directive(table),
        }
    }

    /// Adds one key when the manifest is valid with it, in the place of the same key, if it has it already.
    fn keep(&mut self, table: Table, key: &str, value: Value) -> Result<(), String> {
        let before = self.draft.kept.clone();
        self.draft.kept.retain(|kept| (kept.table, kept.key.as_str()) != (table, key));
        self.draft.kept.push(Kept { table, key: key.to_owned(), value });
        valid(self.draft).map_err(|error| {
            self.draft.kept = before;
            match error.hint() {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            }
        })
    }

    /// Adds one text to a list, which another directive may have begun.
    fn add(&mut self, table: Table, key: &str, text: String) -> Result<(), String> {
        let mut texts = self.listed(table, key).to_vec();
        texts.push(text);
        self.keep(table, key, Value::List(texts))
    }

    fn listed(&self, table: Table, key: &str) -> &[String] {
        let kept =
            self.draft.kept.iter().find(|kept| (kept.table, kept.key.as_str()) == (table, key));
        match kept.map(|kept| &kept.value) {
            Some(Value::List(texts)) => texts,
            Some(Value::One(_)) | None => &[],
        }
    }

    fn last(&self) -> &Entry {
        self.entries.last().expect("a line that counts is one of them")
    }

    fn or_lost(&mut self, kept: Result<(), String>) -> bool {
        let entry = self.last().clone();
        kept.map_err(|why| self.notes.lost(&entry, why)).is_ok()
    }

    /// The slots have the group of their user without a word.
    fn group(&mut self) {
        let group = self.last().value.clone();
        if Some(group.as_str()) != self.found.unit.value("Service", "User") {
            let kept = self.keep(Table::Top, "group", Value::One(string(&group)));
            self.or_lost(kept);
        }
    }

    /// A limit; without one is how systemd has it.
    fn resource<T: FromStr>(&mut self, key: &str, quoted: bool) {
        let mut given = self.last().value.clone();
        if given == "infinity" {
            return;
        }
        // systemd's units of memory are those of 1024, which manifests call by their name.
        if quoted && given.ends_with(['K', 'M', 'G', 'T']) {
            given.push_str("iB");
        }
        // A part of the whole is a text, a count a number.
        let text = if quoted || given.ends_with('%') { string(&given) } else { given.clone() };
        let kept = match given.parse::<T>() {
            Ok(_) => self.keep(Table::Resources, key, Value::One(text)),
            Err(_) => Err(format!("resources.{key} takes no such value")),
        };
        self.or_lost(kept);
    }

    /// A list, each word of which is taken or lost by itself; gives what was taken.
    fn words(
        &mut self,
        table: Table,
        key: &str,
        shape: fn(&str) -> Result<String, String>,
    ) -> Vec<String> {
        let unit = &self.found.unit;
        let (section, directive) = (self.last().section.clone(), self.last().key.clone());
        let mut taken: Vec<String> = Vec::new();
        for (entry, word) in unit.words(&section, &directive) {
            let text = shape(word).and_then(|text| {
                unit.expand(&text).ok_or_else(|| {
                    "it has a specifier that only a running systemd could tell".into()
                })
            });
            let kept = text.and_then(|text| {
                if !self.listed(table, key).contains(&text) {
                    self.add(table, key, text.clone())?;
                }
                taken.push(text);
                Ok(())
            });
            if let Err(why) = kept {
                self.notes.lost.push((format!("{word} of {}=", entry.key), why));
            }
        }
        taken
    }

    /// The data stay where they are; the slots have a directory of their own beside.
    fn state(&mut self) {
        if self.draft.user.is_none() {
            let why = "the slots have /var/lib/sockact-NAME, and a user of their own: move what is there, and see whose it is";
            self.entries.iter().for_each(|entry| self.notes.lost(entry, why));
            return;
        }
        for path in self.words(Table::Storage, "write", state_directory) {
            self.notes.changed.push(format!(
                "{path} stays where it is, and may be written; $STATE_DIRECTORY is another one, /var/lib/sockact-{}",
                self.draft.name
            ));
        }
    }

    fn directory(&mut self, key: &'static str) {
        let kept = self.keep(Table::Storage, key, Value::One("true".into()));
        if !self.or_lost(kept) {
            return;
        }
        for entry in &self.entries {
            self.notes.changed.push(format!(
                "{}={} becomes sockact-{}, in ${}_DIRECTORY: what is in the old one stays there",
                entry.key,
                entry.value,
                self.draft.name,
                key.to_uppercase()
            ));
        }
    }

    /// `ID:PATH`: the name stays, and what it holds is stored where nobody else reads it.
    fn credentials(&mut self) {
        for entry in self.entries.clone() {
            let kept = match entry.value.split_once(':') {
                Some((name, path)) if is_plain(path) => {
                    let kept = self.add(Table::Top, "secrets", name.to_owned());
                    kept.map(|()| self.draft.secrets.push((name.to_owned(), path.to_owned())))
                }
                _ => Err("it has no plain path; store it with `sockgen secret set`, and name it in secrets".into()),
            };
            if let Err(why) = kept {
                self.notes.lost(entry, why);
            }
        }
    }

    /// What no key stands for, as it stands.
    fn directive(&mut self, table: Table) {
        let key = self.last().key.clone();
        let values: Option<Vec<String>> =
            self.entries.iter().map(|entry| self.plain(table, &entry.value)).collect();
        let kept = match values {
            Some(mut values) => {
                values.retain(|value| !value.is_empty());
                match &*values {
                    [] => return,
                    [one] => self.keep(table, &key, Value::One(string(one))),
                    _ => self.keep(table, &key, Value::List(values)),
                }
            }
            None => Err("it has a specifier that only a running systemd could tell".into()),
        };
        if let Err(why) = kept {
            for entry in self.entries.clone() {
                self.notes.lost(entry, why.clone());
            }
        }
    }

    /// A value with its specifiers put in, which would name another unit now; of an order only what the slots do not have.
    fn plain(&self, table: Table, value: &str) -> Option<String> {
        let value = self.found.unit.expand(value)?.replace('%', "%%");
        if table != Table::Unit {
            return Some(value);
        }
        let ours = |name: &&str| {
            NETWORK.contains(name) || self.found.sockets.iter().any(|socket| socket.name == **name)
        };
        Some(value.split_whitespace().filter(|name| !ours(name)).collect::<Vec<_>>().join(" "))
    }
}
