//! One deploy of an application at a time: flock(2), so that the lock dies with its holder.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{major, minor};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};

/// All locks of the machine, as far as this namespace of processes sees their holders.
const LOCKS: &str = "/proc/locks";

/// Who holds the lock, as it wrote itself down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Its user, by name where there is one.
    pub user: String,
    /// When it took the lock.
    pub since: Timestamp,
    /// What it was called as.
    pub command: String,
}

impl Holder {
    fn this(command: &str) -> Self {
        Self {
            pid: std::process::id(),
            user: user(),
            since: Timestamp::now(),
            command: command.into(),
        }
    }
}

/// The person at work: whoever used sudo is the one to ask, not root.
pub fn user() -> String {
    std::env::var("SUDO_USER").unwrap_or_else(|_| {
        let uid = nix::unistd::getuid();
        let entry = nix::unistd::User::from_uid(uid).ok().flatten();
        entry.map_or_else(|| format!("uid {uid}"), |user| user.name)
    })
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("another sockctl is at work on this application: {}", named(holder.as_ref()))]
    Held {
        /// Who; `None` when it has not yet written itself down.
        holder: Option<Holder>,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

fn named(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { pid, user, since, command }) => {
            format!("pid {pid}, {user}, since {since:.0}: {command}")
        }
        None => "it has just begun".into(),
    }
}

/// The lock, held until this value is dropped or the process ends, however it ends.
#[derive(Debug)]
#[must_use]
pub struct Lock {
    _file: File,
}

/// Takes the lock, or says who has it. Does not wait.
///
/// # Errors
/// [`LockError::Held`] names the holder; [`LockError::File`] when the file cannot be opened.
pub fn take(path: &Path, command: &str) -> Result<Lock, LockError> {
    files::directory(path.parent().unwrap_or(Path::new("/")))?;
    // Nobody else may open it: flock(2) asks for no more than a descriptor.
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(FileError::of("open", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(held(&mut file)),
        Err(TryLockError::Error(error)) => return Err(FileError::of("lock", path)(error).into()),
    }
    let line = serde_json::to_string(&Holder::this(command)).unwrap_or_default();
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(line.as_bytes()))
        .map_err(FileError::of("write", path))?;
    Ok(Lock { _file: file })
}

/// Waits until the lock is free and takes it. Blocks the thread.
///
/// # Errors
/// When the file cannot be opened or locked.
pub fn wait(path: &Path, command: &str) -> Result<Lock, LockError> {
    loop {
        match take(path, command) {
            Err(LockError::Held { .. }) => File::open(path)
                .and_then(|file| file.lock())
                .map_err(FileError::of("wait for", path))?,
            taken => return taken,
        }
    }
}

/// Sends a signal to the process that holds the lock, when that takes it for a wish and not for its end.
///
/// What the file says is not believed: the kernel says who holds the lock (proc_locks(5)), and which signals it catches
/// (`SigCgt`, proc_pid_status(5)). The descriptor of the process stands for it before it is asked, so no other can take its place.
///
/// # Errors
/// [`LockError::Held`] when the holder is not to be signalled; [`LockError::File`] when the kernel refuses.
pub fn signal(path: &Path, holder: &Holder, signal: Signal) -> Result<(), LockError> {
    let held = || LockError::Held { holder: Some(holder.clone()) };
    let pid = i32::try_from(holder.pid).ok().and_then(Pid::from_raw).ok_or_else(held)?;
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return Err(held()) };
    let file = std::fs::metadata(path).map_err(FileError::of("look at", path))?;
    let locks = fs::read_to_string(LOCKS).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{}/status", holder.pid)).unwrap_or_default();
    let named = holder.pid.to_string();
    if !holders(&locks, &file).any(|pid| pid == named) || !catches(&status, signal) {
        return Err(held());
    }
    let refused =
        |error: rustix::io::Errno| FileError::of("signal the holder of", path)(error.into());
    pidfd_send_signal(process, signal).map_err(refused)?;
    Ok(())
}

/// Who holds a lock of this file by flock(2), alone; who only waits for it has an arrow before `FLOCK`.
///
/// `1: FLOCK  ADVISORY  WRITE 712 00:19:1043 0 EOF`
fn holders<'a>(locks: &'a str, file: &fs::Metadata) -> impl Iterator<Item = &'a str> {
    let (dev, inode) = (file.dev(), file.ino());
    let id = format!("{:02x}:{:02x}:{inode}", major(dev), minor(dev));
    locks.lines().filter_map(move |line| {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            [_, "FLOCK", _, "WRITE", by, at, ..] if at == id => Some(by),
            _ => None,
        }
    })
}

/// `SigCgt:\t0000000000004a02`: bit n-1 stands for signal n.
fn catches(status: &str, signal: Signal) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal.as_raw() - 1) & 1 == 1
}

/// Says who has the lock. The kernel is asked (proc_locks(5)), because whoever took it for a moment only to look would keep a deploy that
/// begins just then from it, in the name of the holder before.
///
/// # Errors
/// [`LockError::Held`] names the holder; [`LockError::File`] when the file, or the kernel's list, cannot be read.
pub fn look(path: &Path) -> Result<(), LockError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(FileError::of("open", path))?,
    };
    let metadata = file.metadata().map_err(FileError::of("look at", path))?;
    let list = Path::new(LOCKS);
    let locks = fs::read_to_string(list).map_err(FileError::of("read", list))?;
    if holders(&locks, &metadata).next().is_some() { Err(held(&mut file)) } else { Ok(()) }
}

fn held(file: &mut File) -> LockError {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    LockError::Held { holder: serde_json::from_str(&text).ok() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;

    #[test]
    fn the_second_learns_who_has_it_and_a_dropped_lock_is_free() -> Result<(), LockError> {
        let home = tempfile::tempdir().expect("a directory for the test");
        let path = home.path().join("run/lock");
        let first = take(&path, "sockctl deploy shop")?;
        match take(&path, "sockctl rollback shop") {
            Err(LockError::Held { holder: Some(holder) }) => {
                assert!(matches!(look(&path), Err(LockError::Held { holder: Some(_) })));
                assert_eq!(holder.pid, std::process::id());
                assert_eq!(holder.command, "sockctl deploy shop");
            }
            other => panic!("the lock was given out twice: {other:?}"),
        }
        // The kernel agrees on who holds it, and who waits for it does not; and this process does not catch the signal.
        let holder = Holder::this("sockctl deploy shop");
        let (locks, file) = (fs::read_to_string(LOCKS).unwrap(), fs::metadata(&path).unwrap());
        assert!(holders(&locks, &file).eq([holder.pid.to_string()]), "{locks}");
        assert_eq!(holders(&locks.replace("FLOCK", "-> FLOCK"), &file).count(), 0);
        assert!(catches("SigCgt:\t0000000000000200", Signal::USR1));
        assert!(!catches("SigCgt:\t0000000000000400", Signal::USR1));
        assert!(matches!(signal(&path, &holder, Signal::USR1), Err(LockError::Held { .. })));
        drop(first);
        look(&path)?;
        take(&path, "sockctl resume shop").map(drop)
    }

    #[test]
    fn who_looks_keeps_nobody_from_it() -> Result<(), LockError> {
        let home = tempfile::tempdir().expect("a directory for the test");
        let path = home.path().join("lock");
        let take = || take(&path, "sockctl deploy shop").map(drop);
        take()?;
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Relaxed) {
                    // What it sees is the other one at work, or nobody.
                    let _ = look(&path);
                }
            });
            let taken = (0..1000).try_for_each(|_| take());
            ended.store(true, Relaxed);
            taken
        })
    }
}
