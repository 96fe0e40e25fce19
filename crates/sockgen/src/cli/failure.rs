//! An error as a person sees it: what, why, what to do, and the exit status.

use std::error::Error;
use std::fmt::Write as _;

use crate::install::InstallError;

/// Wrong usage: a value on the command line is no good.
const USAGE: u8 = 2;

/// Why a command ended without doing what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u8,
    problems: Vec<(String, Option<String>)>,
}

impl Failure {
    /// An error with all its causes, and a hint.
    pub(crate) fn new(error: &dyn Error, hint: Option<String>) -> Self {
        Self { status: 1, problems: vec![(chain(error), hint)] }
    }

    /// With another exit status.
    pub(crate) fn status(self, status: u8) -> Self {
        Self { status, ..self }
    }

    /// A value of an option that is no good.
    pub(crate) fn usage(option: &str, error: &dyn Error, hint: impl Into<String>) -> Self {
        let message = format!("{option}: {}", chain(error));
        Self { status: USAGE, problems: vec![(message, Some(hint.into()))] }
    }

    /// A message of our own about what was typed.
    pub(crate) fn typed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status: USAGE, problems: vec![(message.into(), Some(hint.into()))] }
    }

    /// `error:` and `hint:` lines.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (message, hint) in &self.problems {
            writeln!(text, "error: {message}").expect("memory");
            if let Some(hint) = hint {
                writeln!(text, "hint: {hint}").expect("memory");
            }
        }
        text
    }
}

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        if let InstallError::Refused(problems) = error {
            let problems = problems.into_iter().map(|p| (p.message, Some(p.hint))).collect();
            return Self { status: 1, problems };
        }
        Self::new(&error, error.hint())
    }
}

/// The error and its causes; most of ours say their causes themselves, so that a library's users read them, too.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            write!(text, ": {words}").expect("memory");
        }
        cause = error.source();
    }
    text
}
