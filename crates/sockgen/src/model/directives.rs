//! Directives that the manifest has no word of its own for, written into the units as they are: systemd.directives(7).

use std::fmt;

/// Further directives, by section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives {
    /// `[Unit]` of each slot.
    pub unit: Vec<Directive>,
    /// `[Service]` of each slot.
    pub service: Vec<Directive>,
    /// `[Socket]` of each public socket.
    pub socket: Vec<Directive>,
}

/// One directive; with several values it is written several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its name, without `=`.
    pub key: String,
    /// Its values, each a line.
    pub values: Vec<String>,
}

/// A section that directives can be added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Unit,
    Service,
    Socket,
}

impl Section {
    /// As a manifest has it.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Service => "service",
            Self::Socket => "socket",
        }
    }
}

/// As a unit has it.
impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unit => "Unit",
            Self::Service => "Service",
            Self::Socket => "Socket",
        })
    }
}

impl Directives {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sections().iter().all(|(_, directives)| directives.is_empty())
    }

    pub(crate) fn sections(&self) -> [(Section, &[Directive]); 3] {
        [
            (Section::Unit, &self.unit),
            (Section::Service, &self.service),
            (Section::Socket, &self.socket),
        ]
    }
}
