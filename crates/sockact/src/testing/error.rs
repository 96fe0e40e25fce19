//! What can go wrong with a program under test.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a program under test did not do what was waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestingError {
    /// It could not be started.
    #[error("cannot start {program} by way of bash")]
    Start {
        /// The program.
        program: String,
        /// What failed.
        source: io::Error,
    },

    /// It ended too early.
    #[error("{program} ended ({status}) before {line:?}; it had said {heard:?}")]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What was waited for.
        line: String,
        /// All that it said.
        heard: Vec<String>,
    },

    /// It took too long.
    #[error("{program}: no {line:?} within {timeout:?}; it had said {heard:?}")]
    Late {
        /// The program.
        program: String,
        /// The time it was given.
        timeout: Duration,
        /// What was waited for.
        line: String,
        /// All that it said.
        heard: Vec<String>,
    },

    /// It could not be watched.
    #[error("cannot watch {program}")]
    Watch {
        /// The program.
        program: String,
        /// From poll(2), recvmsg(2) or waitid(2).
        source: io::Error,
    },
}
