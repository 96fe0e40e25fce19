//! The variables of the socket activation protocol, as a snapshot, and what they say.
//!
//! Everything here is pure: no environment, no descriptor is touched.

use std::ffi::OsString;

use super::AdoptError;

/// What the environment said about passed descriptors, read once.
///
/// See `sd_listen_fds(3)`, "Environment".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vars {
    pub(crate) listen_fds: Option<String>,
    pub(crate) listen_pid: Option<String>,
    pub(crate) listen_pidfdid: Option<String>,
    pub(crate) listen_fdnames: Option<String>,
}

/// Who this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) pid: u32,
    /// The inode of a pidfd of this process; `None` where the kernel (before 6.9) has no pidfs.
    pub(crate) pidfd_id: Option<u64>,
}

impl Vars {
    /// Reads the variables. The environment is not changed: other threads may be reading it, and
    /// every descriptor is marked close-on-exec, so that a child has nothing to adopt.
    pub(crate) fn from_env() -> Vars {
        let lossy = |v: OsString| v.to_string_lossy().into_owned();
        let text = |v: OsString| v.into_string().unwrap_or_else(lossy);
        let var = |name| std::env::var_os(name).map(text);
        Vars {
            listen_fds: var("LISTEN_FDS"),
            listen_pid: var("LISTEN_PID"),
            listen_pidfdid: var("LISTEN_PIDFDID"),
            listen_fdnames: var("LISTEN_FDNAMES"),
        }
    }

    /// How many descriptors are meant for the process `own`; `None` when none were passed at all
    /// (`LISTEN_FDS` is not set).
    pub(crate) fn count_for(&self, own: Own) -> Result<Option<usize>, AdoptError> {
        let Some(fds) = &self.listen_fds else { return Ok(None) };
        let count = number(fds).filter(|n| *n <= MAX_FDS);
        let count = count.ok_or_else(|| malformed("LISTEN_FDS", fds))?;
        let whose = self.listen_pid.as_ref().ok_or(AdoptError::NoPid)?;
        let whose = number(whose)
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| malformed("LISTEN_PID", whose))?;
        if whose != own.pid {
            return Err(AdoptError::Pid { found: whose, own: own.pid });
        }
        if let Some(id) = &self.listen_pidfdid {
            let found = number(id).ok_or_else(|| malformed("LISTEN_PIDFDID", id))?;
            if let Some(own) = own.pidfd_id.filter(|own| *own != found) {
                return Err(AdoptError::PidfdId { found, own });
            }
        }
        Ok(Some(count as usize))
    }

    /// The names of so many descriptors, in the order in which they were passed. Absent names are
    /// `unknown`, as `sd_listen_fds_with_names(3)` has it.
    pub(crate) fn names(&self, count: usize) -> Result<Vec<Name>, AdoptError> {
        let Some(text) = &self.listen_fdnames else {
            return Ok(vec![Name::new("unknown"); count]);
        };
        let names = match (count, text.as_str()) {
            (0, "") => Vec::new(),
            _ => split(text).ok_or_else(|| AdoptError::Names { value: text.clone() })?,
        };
        if names.len() != count {
            return Err(AdoptError::NameCount { fds: count, names: names.len() });
        }
        Ok(names)
    }
}

/// The name of a descriptor, in both readings of a backslash.
///
/// systemd writes `LISTEN_FDNAMES` without escaping, and the default name is that of the socket
/// unit, which often holds `\x2d`; `sd_listen_fds_with_names(3)` takes a backslash away and keeps
/// what follows. Whoever asks by either spelling means the same descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// As in `FileDescriptorName=`: only `\:` and `\\` are undone.
    pub(crate) text: String,
    /// As libsystemd reads it, where that differs.
    libsystemd: Option<String>,
}

impl Name {
    fn new(text: &str) -> Name {
        Name { text: text.to_owned(), libsystemd: None }
    }

    /// Whether this is the name asked for.
    pub(crate) fn is(&self, asked: &str) -> bool {
        self.spellings().any(|name| name == asked)
    }

    /// The name in one or both readings.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.text.as_str()).chain(self.libsystemd.as_deref())
    }
}

/// Splits at each colon that no backslash escapes; `None` when a backslash escapes nothing.
fn split(text: &str) -> Option<Vec<Name>> {
    if !text.contains('\\') {
        return Some(text.split(':').map(Name::new).collect());
    }
    let mut names = Vec::new();
    let (mut plain, mut libsystemd) = (String::new(), String::new());
    let mut chars = text.chars();
    loop {
        match chars.next() {
            Some('\\') => {
                let escaped = chars.next()?;
                if !matches!(escaped, ':' | '\\') {
                    plain.push('\\');
                }
                plain.push(escaped);
                libsystemd.push(escaped);
            }
            Some(c) if c != ':' => {
                plain.push(c);
                libsystemd.push(c);
            }
            end => {
                let (text, other) = (std::mem::take(&mut plain), std::mem::take(&mut libsystemd));
                names.push(Name { libsystemd: (other != text).then_some(other), text });
                if end.is_none() {
                    return Some(names);
                }
            }
        }
    }
}

/// More descriptors than any service manager passes, and small enough to be no wrong allocation.
const MAX_FDS: u64 = 65_536;

/// A decimal number as systemd prints it: digits only, no sign, no blank.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn malformed(var: &'static str, value: &str) -> AdoptError {
    AdoptError::Malformed { var, value: value.to_owned() }
}

/// For the fuzzer: any variables are read without a panic, and what comes out fits what went in.
/// `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_PIDFDID` (none when empty) and `LISTEN_FDNAMES`, one a line.
///
/// # Panics
/// When that does not hold.
#[doc(hidden)]
pub fn fuzz_vars(text: &str) {
    let mut lines = text.splitn(4, '\n');
    let mut next = || lines.next().map(str::to_owned);
    let (fds, pid) = (next().unwrap_or_default(), next().unwrap_or_default());
    let vars = Vars {
        listen_fds: Some(fds.clone()),
        listen_pid: Some(pid),
        listen_pidfdid: next().filter(|line| !line.is_empty()),
        listen_fdnames: next(),
    };
    if let Ok(Some(count)) = vars.count_for(Own { pid: 7, pidfd_id: Some(9) }) {
        assert!(count as u64 <= MAX_FDS && fds.parse() == Ok(count));
        if let Ok(names) = vars.names(count) {
            assert_eq!(names.len(), count);
        }
    }
}

#[cfg(test)]
mod tests;
