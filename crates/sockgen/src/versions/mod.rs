//! The systemd that is to read the units: what it does not know yet is left out or replaced, and said.

mod directives;
mod table;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

pub use directives::directives;
pub use table::{NOVELTIES, Novelty};

use crate::model::App;
use crate::place::below;
use crate::render::{UnitFile, draw};
use crate::shown::shown;

/// A version of systemd, [`Target::OLDEST`] or newer.
///
/// ```
/// use sockgen::Target;
/// let target: Target = "257".parse()?;
/// assert!(target > Target::OLDEST && target < Target::NEWEST);
/// assert!("251".parse::<Target>().is_err());
/// // A newer one gets what the newest known one does.
/// assert!("300".parse::<Target>()?.unknown().is_some());
/// # Ok::<(), sockgen::TargetError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target(u16);

/// No version of systemd for which units can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is no number.
    #[error("{} is no version of systemd", .0)]
    NoVersion(String),
    /// It lacks what our units rest on.
    #[error("systemd {} is older than {}", .0, Target::OLDEST)]
    Old(u32),
    /// It cannot be told which systemd is there.
    #[error("it cannot be told which systemd is {}", .0)]
    Unknown(String),
}

impl TargetError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> String {
        let (oldest, newest) = (Target::OLDEST, Target::NEWEST);
        match self {
            Self::NoVersion(_) => {
                format!("a number from {oldest} to {newest}, such as `systemctl --version` shows")
            }
            Self::Old(_) => format!("units are written for systemd {oldest} (Debian 12) and newer"),
            Self::Unknown(_) => {
                format!("say it: --systemd {oldest} is right for every newer one, too")
            }
        }
    }
}

impl Target {
    /// The oldest that is supported: units for it are right for every newer one.
    pub const OLDEST: Self = Self(252);
    /// The newest whose directives are known.
    pub const NEWEST: Self = Self(262);

    /// The first that sets up a service's filters of system calls before it gives its rights up. Older ones need `NoNewPrivileges=` for that, and set
    /// it for every service with a user and such a filter, whatever its unit says.
    pub(crate) const SECCOMP_AS_ROOT: Self = Self(256);

    /// What to say of one that is newer than the newest known one.
    #[must_use]
    pub fn unknown(self) -> Option<String> {
        let newest = Self::NEWEST;
        (self > newest).then(|| {
            format!("systemd {self} is newer than {newest}, the newest whose directives are known here: the units are those for {newest}")
        })
    }

    /// The one that was typed, or that of the machine whose root this is; with what is to be said of it.
    ///
    /// # Errors
    /// When it is too old.
    pub fn choose(typed: Option<Self>, root: &Path) -> Result<(Self, Option<String>), TargetError> {
        match typed.map_or_else(|| Self::of_root(root), Ok) {
            Ok(target) => Ok((target, target.unknown())),
            Err(error @ TargetError::Unknown(_)) => {
                let oldest = Self::OLDEST;
                Ok((
                    oldest,
                    Some(format!(
                        "{error}: the units are those for {oldest}, which are right for newer ones, too"
                    )),
                ))
            }
            Err(error) => Err(error),
        }
    }

    /// The version for which these units were written, when the application would be the same today; by default the oldest.
    pub fn of_units(app: &App, installed: impl Fn(&str) -> Option<String>) -> Self {
        let mut versions = (Self::OLDEST.0..=Self::NEWEST.0).map(Self);
        let same = |target: &Self| {
            let units = render_for(app, *target).units;
            units
                .iter()
                .all(|unit| installed(unit.name.as_ref()).is_some_and(|text| text == unit.text))
        };
        versions.find(same).unwrap_or_default()
    }

    /// The systemd of the machine whose root this is, by the library that all of its programs load: no program is run, because an image's may be
    /// another architecture's. On the machine itself `systemctl --version` is asked when there is no such library.
    ///
    /// # Errors
    /// When there is none, or it is too old.
    pub fn of_root(root: &Path) -> Result<Self, TargetError> {
        if let Some(version) = library(root) {
            return version.parse();
        }
        let here = root == Path::new("/");
        let asked =
            here.then(|| Command::new("systemctl").arg("--version").output().ok()).flatten();
        let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        match said
            .as_deref()
            .and_then(|text| text.strip_prefix("systemd "))
            .and_then(|rest| rest.split(' ').next())
        {
            Some(version) => version.parse(),
            None => Err(TargetError::Unknown(if here {
                "here".into()
            } else {
                format!("in {}", root.display())
            })),
        }
    }
}

/// `257` of `/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-257.so`, the newest when there are several.
fn library(root: &Path) -> Option<String> {
    let folders =
        ["/usr/lib", "/lib", "/usr/lib64", "/lib64"].map(|folder| below(root, Path::new(folder)));
    // Debian has a folder for each architecture between the two.
    let inside = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let all = folders.iter().cloned().chain(inside.map(|entry| entry.path()));
    let files =
        all.filter_map(|folder| fs::read_dir(folder.join("systemd")).ok()).flatten().flatten();
    let versions = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        let rest = name.strip_prefix("libsystemd-shared-")?.strip_suffix(".so")?;
        let version: String = rest.chars().take_while(char::is_ascii_digit).collect();
        version.parse::<u32>().ok()
    });
    versions.max().map(|version| version.to_string())
}

/// The oldest: what is right for it is right for all.
impl Default for Target {
    fn default() -> Self {
        Self::OLDEST
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(typed: &str) -> Result<Self, TargetError> {
        let digits =
            !typed.is_empty() && typed.len() <= 5 && typed.bytes().all(|b| b.is_ascii_digit());
        let version: u32 = match typed.parse() {
            Ok(version) if digits => version,
            _ => return Err(TargetError::NoVersion(shown(typed))),
        };
        match u16::try_from(version) {
            Ok(version) if version >= Self::OLDEST.0 => Ok(Self(version)),
            Ok(_) => Err(TargetError::Old(version)),
            Err(_) => Err(TargetError::NoVersion(shown(typed))),
        }
    }
}

/// The units of an application for one systemd, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// All units, sorted by name.
    pub units: Vec<UnitFile>,
    /// What was left out or replaced, each once, in words.
    pub notes: Vec<String>,
}

/// All units of the application, sorted by name, for this systemd. The same application gives the same bytes.
#[must_use]
pub fn render_for(app: &App, target: Target) -> Rendered {
    let mut notes = Vec::new();
    let fit = |unit: UnitFile| UnitFile { text: fit(&unit.text, target, &mut notes), ..unit };
    let units = draw(app, target).into_iter().map(fit).collect();
    notes.extend(app.hardening().forgone(target));
    notes.sort();
    notes.dedup();
    Rendered { units, notes }
}

/// The text without what the target does not know. A comment that stands before a line goes with it.
fn fit(text: &str, target: Target, notes: &mut Vec<String>) -> String {
    let mut fitted = String::with_capacity(text.len());
    let (mut section, mut comment) = ("", String::new());
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare.starts_with('#') {
            comment.push_str(line);
            continue;
        }
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        }
        match lacking(section, bare, target) {
            None => fitted.extend([comment.as_str(), line]),
            Some(novelty) => {
                notes.push(note(novelty, target));
                if let Some(instead) = novelty.instead {
                    fitted.extend([comment.as_str(), novelty.key, "=", instead, "\n"]);
                }
            }
        }
        comment.clear();
    }
    fitted.push_str(&comment);
    fitted
}

/// What an assignment has that the target lacks.
fn lacking(section: &str, line: &str, target: Target) -> Option<&'static Novelty> {
    let (key, value) = line.split_once('=')?;
    NOVELTIES.iter().find(|novelty| {
        novelty.key == key
            && novelty.since > target.0
            && novelty.sections.contains(&section)
            && novelty.value.is_none_or(|new| new == value)
    })
}

fn note(novelty: &Novelty, target: Target) -> String {
    let Novelty { key, value, since, instead, .. } = novelty;
    let what = value.map_or_else(|| format!("{key}="), |value| format!("{key}={value}"));
    let done = instead
        .map_or_else(|| "it is left out".to_owned(), |it| format!("{key}={it} stands for it"));
    format!("{what} needs systemd {since} and this one is {target}: {done}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(text: &str, version: &str) -> (String, Vec<String>) {
        let mut notes = Vec::new();
        (fit(text, version.parse().unwrap(), &mut notes), notes)
    }

    #[test]
    fn what_the_target_lacks_goes_with_its_comment_and_is_said() {
        let text = "# Head\n\n[Service]\nA=b\n# Why\nPrivatePIDs=yes\n# Limits\nProtectControlGroups=strict\n# End\n";
        let (old, notes) = fitted(text, "252");
        assert_eq!(old, "# Head\n\n[Service]\nA=b\n# Limits\nProtectControlGroups=yes\n# End\n");
        assert_eq!(notes[0], "PrivatePIDs= needs systemd 257 and this one is 252: it is left out");
        assert_eq!(
            notes[1],
            "ProtectControlGroups=strict needs systemd 257 and this one is 252: ProtectControlGroups=yes stands for it"
        );
        assert_eq!(fitted(text, "257"), (text.to_owned(), Vec::new()));
        // The same word elsewhere is another one.
        let other = "[X-Mine]\nPrivatePIDs=yes\n[Service]\nEnvironment=PrivatePIDs=yes\n";
        assert_eq!(fitted(other, "252"), (other.to_owned(), Vec::new()));
    }

    #[test]
    fn a_version_is_a_number_that_is_not_too_old() {
        for (typed, says) in [
            ("", "\"\" is no version"),
            ("x", "no version"),
            ("+257", "no version"),
            ("257.1", "no version"),
            ("251", "older than 252"),
            ("99999", "no version"),
        ] {
            let error = typed.parse::<Target>().unwrap_err();
            assert!(error.to_string().contains(says), "{typed}: {error}");
            assert!(!error.hint().is_empty());
        }
        assert!("300".parse::<Target>().unwrap().unknown().unwrap().contains("newer than 262"));
        assert_eq!(Target::NEWEST.unknown(), None);
        assert_eq!(Target::default().to_string(), "252");
    }

    #[test]
    fn an_image_is_asked_by_its_files() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(Target::of_root(root.path()), Err(TargetError::Unknown(_))));
        let folder = root.path().join("usr/lib/riscv64-linux-gnu/systemd");
        fs::create_dir_all(&folder).unwrap();
        for version in ["254", "257.3-1~deb13u1"] {
            fs::write(folder.join(format!("libsystemd-shared-{version}.so")), "").unwrap();
        }
        assert_eq!(Target::of_root(root.path()), "257".parse());
    }
}
