//! What a slot may see and do of the machine: a level, and named relaxations of it.
//!
//! The tables say everything: which directive each level has, and what each relaxation changes and who needs it. Parsing, "did you mean",
//! the units and HARDENING.md come out of them.

mod table;
mod words;

use std::fmt;
use std::str::FromStr;

pub(crate) use table::{Change, PARAMETER};
pub use table::{RELAXATIONS, RelaxationKind};

use crate::place::Scope;
use crate::shown::{nearest, shown};
use crate::versions::Target;

/// How far a slot is shut in, before relaxations.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What systemd does of itself, with a dynamic user no little: nothing is added.
    None,
    /// What no ordinary program of any language notices.
    Standard,
    /// All that a network service built for it needs no exception from.
    #[default]
    Strict,
}

impl Level {
    /// Every level, the most open first.
    pub const ALL: [Self; 3] = [Self::None, Self::Standard, Self::Strict];
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Standard => "standard",
            Self::Strict => "strict",
        })
    }
}

/// One exception from a level, such as `jit` or `capability:CAP_NET_ADMIN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relaxation {
    kind: &'static RelaxationKind,
    /// What stands after the colon, for a kind that takes something.
    word: Option<&'static str>,
}

/// A text that is no relaxation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not a relaxation that there is")]
pub struct RelaxationError {
    given: String,
    hint: String,
}

impl RelaxationError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl Relaxation {
    /// What it is, and who needs it.
    #[must_use]
    pub fn kind(&self) -> &'static RelaxationKind {
        self.kind
    }

    /// The directives that it loosens, for a comment: `MemoryDenyWriteExecute=`.
    pub(crate) fn keys(&self) -> Vec<&'static str> {
        let mut keys: Vec<_> = self.kind.changes.iter().map(Change::key).collect();
        keys.dedup();
        keys
    }
}

impl fmt::Display for Relaxation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name)?;
        self.word.map_or(Ok(()), |word| write!(f, ":{word}"))
    }
}

impl FromStr for Relaxation {
    type Err = RelaxationError;
    fn from_str(text: &str) -> Result<Self, RelaxationError> {
        let refuse = |hint: String| Err(RelaxationError { given: shown(text), hint });
        let (name, word) = text.split_once(':').map_or((text, None), |(n, w)| (n, Some(w)));
        let Some(kind) = RELAXATIONS.iter().find(|kind| kind.name == name) else {
            return refuse(match nearest(name, RELAXATIONS.iter().map(|kind| kind.name)) {
                Some(near) => format!("did you mean {near}?"),
                None => "`sockgen explain hardening` lists them, and who needs each".to_owned(),
            });
        };
        let word = match (kind.words, word) {
            (None, None) => None,
            (None, Some(_)) => return refuse(format!("write {name} alone")),
            (Some(words), None) => {
                return refuse(format!("say which: \"{name}:{}\"", words[0]));
            }
            (Some(words), Some(word)) => match words.iter().find(|known| **known == word) {
                Some(known) => Some(*known),
                None => {
                    return refuse(match nearest(word, words.iter().copied()) {
                        Some(near) => format!("did you mean {name}:{near}?"),
                        None => format!("such as \"{name}:{}\"", words[0]),
                    });
                }
            },
        };
        Ok(Self { kind, word })
    }
}

/// The relaxation that takes [`NoNewPrivileges=`](https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html) away.
const SETUID: &str = "setuid-programs";

/// How far a slot is shut in: systemd.exec(5), "Sandboxing", "Capabilities", "Security" and "System Call Filtering".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hardening {
    pub(crate) level: Level,
    pub(crate) allow: Vec<Relaxation>,
}

impl Hardening {
    /// The level.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The exceptions from it, sorted by name.
    #[must_use]
    pub fn allow(&self) -> &[Relaxation] {
        &self.allow
    }

    /// The directives of a slot, in the order in which they stand in its unit.
    #[must_use]
    pub fn directives(&self, scope: Scope, target: Target) -> Vec<(&'static str, String)> {
        let mut lines: Vec<(&str, String)> = table::LINES
            .iter()
            .filter(|line| line.from <= self.level && (scope == Scope::System || line.anybody))
            .map(|line| (line.key, line.value.to_owned()))
            .collect();
        for relaxation in &self.allow {
            for change in relaxation.kind.changes {
                change.apply(&mut lines, relaxation.word, scope);
            }
        }
        if self.forgoes(target) {
            lines.retain(|(key, _)| !table::IMPLY_NO_NEW_PRIVILEGES.contains(key));
        }
        lines
    }

    /// What is to be said of a target on which a relaxation costs more than its own directives.
    pub(crate) fn forgone(&self, target: Target) -> Option<String> {
        self.forgoes(target).then(|| {
            let keys = table::IMPLY_NO_NEW_PRIVILEGES.join("=, ");
            format!("before systemd {} each of {keys}= keeps a program from becoming another user, and this one is {target}: {SETUID} leaves them out", Target::SECCOMP_AS_ROOT)
        })
    }

    fn forgoes(&self, target: Target) -> bool {
        let allowed = self.allow.iter().any(|relaxation| relaxation.kind.name == SETUID);
        allowed && self.level > Level::None && target < Target::SECCOMP_AS_ROOT
    }
}

impl Change {
    fn apply(&self, lines: &mut Vec<(&'static str, String)>, word: Option<&str>, scope: Scope) {
        let filled = |value: &str| value.replace(PARAMETER, word.unwrap_or_default());
        match *self {
            Self::Gone(key) => lines.retain(|(name, _)| *name != key),
            Self::GoneLine(key, value) => {
                lines.retain(|(name, found)| (*name, found.as_str()) != (key, value));
            }
            Self::Becomes(key, value) => {
                for (_, found) in lines.iter_mut().filter(|(name, _)| *name == key) {
                    value.clone_into(found);
                }
            }
            Self::Word(key, value) => {
                if let Some((_, found)) = lines.iter_mut().find(|(name, _)| *name == key) {
                    add_word(found, &filled(value));
                }
            }
            Self::Gives(key, value) => {
                if scope == Scope::User {
                    return;
                }
                match lines.iter_mut().find(|(name, _)| *name == key) {
                    Some((_, found)) => add_word(found, &filled(value)),
                    None => lines.push((key, filled(value))),
                }
            }
        }
    }
}

fn add_word(list: &mut String, word: &str) {
    if list.split(' ').any(|known| known == word) {
        return;
    }
    if !list.is_empty() {
        list.push(' ');
    }
    list.push_str(word);
}
