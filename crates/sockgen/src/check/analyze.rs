//! `systemd-analyze` on a set of units, in a folder of their own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::Units;

/// How many units one call takes: the kernel limits the arguments of a program (execve(2)).
const AT_ONCE: usize = 1000;

/// `systemd-analyze` could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalyzeError {
    /// The units could not be written for it.
    #[error("cannot write the units to a temporary folder")]
    Write(#[source] io::Error),
    /// The program could not be started.
    #[error("cannot run systemd-analyze")]
    Run(#[source] io::Error),
    /// It failed without saying what is wrong with the units.
    #[error("systemd-analyze {verb} failed: {said}")]
    Failed {
        /// What was asked of it.
        verb: &'static str,
        /// What it wrote.
        said: String,
    },
}

impl AnalyzeError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Write(_) => "see that $TMPDIR (or /tmp) can be written",
            Self::Run(_) => "install systemd, or go without it: sockgen check --no-analyze",
            Self::Failed { .. } => "go without it: sockgen check --no-analyze",
        }
    }
}

/// The units as files, merged from wherever they come.
pub(super) struct Copies {
    folder: TempDir,
    /// The file that each copy was made of.
    origins: BTreeMap<PathBuf, String>,
}

impl Copies {
    pub(super) fn of(units: &Units) -> Result<Self, AnalyzeError> {
        let folder = tempfile::tempdir().map_err(AnalyzeError::Write)?;
        let mut copies = Self { folder, origins: BTreeMap::new() };
        copies.fill(units).map_err(AnalyzeError::Write)?;
        Ok(copies)
    }

    fn fill(&mut self, units: &Units) -> io::Result<()> {
        // A name that is a path would be written elsewhere; no unit has one.
        for unit in units.units.values().filter(|unit| !unit.name.contains('/')) {
            let path = self.folder.path().join(&unit.name);
            if unit.masked {
                symlink("/dev/null", &path)?;
                continue;
            }
            let text = units.texts.get(&unit.name).map_or("", String::as_str);
            // Of an empty file systemd would make a mask.
            fs::write(&path, if text.is_empty() { "\n" } else { text })?;
            self.origins.insert(path, unit.file.to_string());
            self.drop_ins(units, &unit.name)?;
        }
        for (alias, name) in &units.aliases {
            if !alias.contains('/') && !units.units.contains_key(alias) {
                symlink(name, self.folder.path().join(alias))?;
            }
        }
        Ok(())
    }

    fn drop_ins(&mut self, units: &Units, name: &str) -> io::Result<()> {
        let Some(drop_ins) = units.drop_ins.get(name) else { return Ok(()) };
        let folder = self.folder.path().join(format!("{name}.d"));
        fs::create_dir(&folder)?;
        for (number, (file, text)) in drop_ins.iter().enumerate() {
            let path = folder.join(format!("{number:06}.conf"));
            fs::write(&path, text)?;
            self.origins.insert(path, file.to_string());
        }
        Ok(())
    }

    /// Runs `systemd-analyze` on these units; gives all that it said.
    pub(super) fn run(
        &self,
        args: &[&str],
        names: &[&str],
        mut said: impl FnMut(Output) -> Result<(), AnalyzeError>,
    ) -> Result<(), AnalyzeError> {
        for names in names.chunks(AT_ONCE) {
            let mut command = Command::new("systemd-analyze");
            command.args(args).args(names.iter().map(|name| self.folder.path().join(name)));
            // The trailing colon adds the machine's own folders (systemd.unit(5)).
            command.env("SYSTEMD_UNIT_PATH", format!("{}:", self.folder.path().display()));
            command.envs([("SYSTEMD_COLORS", "0"), ("SYSTEMD_LOG_TARGET", "console")]);
            command.envs([("LC_ALL", "C.UTF-8"), ("SYSTEMD_LOG_LEVEL", "info")]);
            said(command.output().map_err(AnalyzeError::Run)?)?;
        }
        Ok(())
    }

    /// The file that a copy was made of.
    pub(super) fn origin(&self, path: &str) -> Option<&str> {
        self.origins.get(Path::new(path)).map(String::as_str)
    }

    /// A message with the files' own names in it.
    pub(super) fn renamed(&self, message: &str) -> String {
        message.replace(&format!("{}/", self.folder.path().display()), "")
    }

    /// The unit of a path in the folder, when it is one.
    pub(super) fn unit<'a>(&self, path: &'a str) -> Option<&'a str> {
        let inside = Path::new(path).strip_prefix(self.folder.path()).ok()?;
        let first = inside.components().next()?.as_os_str().to_str()?;
        let name = first.strip_suffix(".d").unwrap_or(first);
        path.find(name).map(|at| &path[at..at + name.len()])
    }
}
