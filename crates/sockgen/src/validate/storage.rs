//! What a slot reads and writes outside of its release.

use std::path::{Component, Path, PathBuf};

use super::Checked;
use super::program::account;
use crate::error::ManifestError;
use crate::manifest;
use crate::model::{Secret, Storage};
use crate::names::SecretName;
use crate::place::Place;
use crate::secrets::Form;
use crate::shown::shown;

/// More are a mistake; the kernel takes 65536 groups (credentials(7)).
const MOST: usize = 64;

pub(super) fn groups(given: Vec<String>) -> Checked<Vec<String>> {
    few("supplementary_groups", given.len())?;
    let one = |(index, group)| account(&format!("supplementary_groups[{index}]"), group);
    given.into_iter().enumerate().map(one).collect()
}

pub(super) fn secrets(given: Vec<SecretName>, place: &Place) -> Checked<Vec<Secret>> {
    few("secrets", given.len())?;
    let twice = given.iter().enumerate().find(|(index, name)| given[..*index].contains(name));
    if let Some((index, name)) = twice {
        let problem = format!("{name} stands in it twice");
        return Err(
            ManifestError::value(format!("secrets[{index}]"), problem).with_hint("once is enough")
        );
    }
    // Only PID 1 has the machine's key.
    let form = if place.is_user() { Form::File } else { Form::Encrypted };
    Ok(given.into_iter().map(|name| Secret { name, form }).collect())
}

pub(super) fn storage(raw: manifest::Storage) -> Checked<Storage> {
    few("storage.write", raw.write.len())?;
    let write = raw.write.into_iter().enumerate();
    let write = write.map(|(index, path)| writable(&format!("storage.write[{index}]"), path));
    Ok(Storage { write: write.collect::<Checked<_>>()?, cache: raw.cache, logs: raw.logs })
}

fn writable(key: &str, given: String) -> Checked<PathBuf> {
    let path = Path::new(&given);
    let refuse =
        |problem: String, hint: &str| Err(ManifestError::value(key, problem).with_hint(hint));
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    let plain = path.components().all(plain) && !given.contains(char::is_control);
    if !path.is_absolute() || !plain || given.len() > 1024 {
        let problem = format!("{} is not a plain absolute path", shown(&given));
        return refuse(problem, "such as \"/srv/uploads\"");
    }
    if path == Path::new("/") {
        let problem = "the whole file system is more than a service needs".to_owned();
        return refuse(problem, "name directories, or write hardening.allow = [\"disk\"]");
    }
    if path.starts_with("/var/lib/sockact") {
        let problem = format!("{} holds the releases, which no service changes", shown(&given));
        return refuse(problem, "$STATE_DIRECTORY is there to be written in");
    }
    Ok(given.into())
}

fn few(key: &str, count: usize) -> Checked<()> {
    if count <= MOST {
        return Ok(());
    }
    Err(ManifestError::value(key, format!("{count} of them are more than {MOST}"))
        .with_hint("name those that the service needs"))
}
