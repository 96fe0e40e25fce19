//! What can go wrong with a request, each kind apart.

use std::fmt;
use std::io;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// The kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// The connection was refused.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the answer was whole.
    Closed,
    /// No whole answer came in time, which begins when the request is due.
    Timeout,
    /// The answer's status was not a success (2xx).
    Status,
    /// The answer had another body than the one that was expected.
    Body,
    /// What came was no answer.
    Protocol,
    /// This machine had no port, descriptor or memory for the request: the service was not asked.
    Machine,
}

impl FailureKind {
    /// All that a service can be blamed for: all but [`FailureKind::Machine`].
    pub const OF_SERVICE: [Self; 7] = [
        Self::Refused,
        Self::Reset,
        Self::Closed,
        Self::Timeout,
        Self::Status,
        Self::Body,
        Self::Protocol,
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Closed => "closed before the answer",
            Self::Timeout => "timed out",
            Self::Status => "not 2xx",
            Self::Body => "wrong body",
            Self::Protocol => "not an answer",
            Self::Machine => "not sent: this machine had no more to give",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// One request's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which kind.
    pub kind: FailureKind,
    /// What was seen.
    pub detail: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// What an error of a socket means to a client.
    pub fn from_io(doing: &str, error: &io::Error) -> Self {
        use io::ErrorKind;
        let kind = match Errno::from_io_error(error) {
            Some(
                Errno::ADDRNOTAVAIL | Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM,
            ) => FailureKind::Machine,
            // A Unix socket that is not there, or whose queue is full (connect(2), EAGAIN).
            Some(Errno::NOENT | Errno::AGAIN | Errno::CONNREFUSED) => FailureKind::Refused,
            _ => match error.kind() {
                ErrorKind::ConnectionRefused => FailureKind::Refused,
                ErrorKind::UnexpectedEof => FailureKind::Closed,
                ErrorKind::TimedOut => FailureKind::Timeout,
                ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::NotConnected => FailureKind::Reset,
                _ => FailureKind::Protocol,
            },
        };
        Self::new(kind, format!("{doing}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_sorted_by_whose_fault_it_is() {
        let kind = |errno: Errno| Failure::from_io("x", &errno.into()).kind;
        assert_eq!(kind(Errno::CONNREFUSED), FailureKind::Refused);
        assert_eq!(kind(Errno::CONNRESET), FailureKind::Reset);
        assert_eq!(kind(Errno::PIPE), FailureKind::Reset);
        assert_eq!(kind(Errno::TIMEDOUT), FailureKind::Timeout);
        assert_eq!(kind(Errno::ADDRNOTAVAIL), FailureKind::Machine);
        assert_eq!(kind(Errno::MFILE), FailureKind::Machine);
    }
}
