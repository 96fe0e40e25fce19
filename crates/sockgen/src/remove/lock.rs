//! The lock of a deploy, as `sockctl` takes it: flock(2) on a file in which the holder names itself.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::RemoveError;
use crate::shown::shown;

/// The lock, held until this value is dropped or the process ends, however it ends.
#[derive(Debug)]
#[must_use]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock, or says who has it. Does not wait.
pub(super) fn take(path: &Path, command: &str) -> Result<Lock, RemoveError> {
    let at = RemoveError::file;
    let folder = path.parent().unwrap_or(Path::new("/"));
    // As sockctl makes it: what a slot is asked in there is nobody else's.
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(at("make", folder))?;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(path).map_err(at("open", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(RemoveError::Locked { by: holder(&mut file) }),
        Err(TryLockError::Error(error)) => return Err(at("lock", path)(error)),
    }
    let user = ["SUDO_USER", "USER"].iter().find_map(|name| std::env::var(name).ok());
    let line = json!({
        "pid": std::process::id(), "user": user, "since": Timestamp::now(), "command": command,
    });
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(line.to_string().as_bytes()))
        .map_err(at("write", path))?;
    Ok(Lock { _file: file })
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    let holder: Value = serde_json::from_str(&text).unwrap_or_default();
    match (holder["pid"].as_u64(), holder["command"].as_str()) {
        (Some(pid), Some(command)) => format!("pid {pid}, {}", shown(command)),
        _ => "it has just begun".into(),
    }
}
