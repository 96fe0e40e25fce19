//! Addresses of connections: TCP with a port, or an absolute unix path.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::endpoint::Endpoint;
use crate::shown::shown;

/// The longest path of a unix socket, in bytes: `sun_path` less the final NUL (unix(7)).
const LONGEST_UNIX_PATH: usize = 107;

/// Where connections are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP; `[::]` takes IPv4 as well.
    Tcp(SocketAddr),
    /// A unix stream socket at an absolute path.
    Unix(PathBuf),
}

/// Why an address was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not an address to listen on: {broken}")]
pub struct AddressError {
    given: String,
    broken: &'static str,
    hint: String,
}

impl AddressError {
    pub(crate) fn new(given: &str, broken: &'static str, hint: impl Into<String>) -> Self {
        Self { given: shown(given), broken, hint: hint.into() }
    }

    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

const HINT: &str = "write address:port such as 127.0.0.1:8080 or [::1]:8080, or an absolute path";

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        match Self::parse(given)? {
            Self::Tcp(at) if at.ip().is_multicast() => {
                Err(AddressError::new(given, NO_MULTICAST, HINT))
            }
            address => Ok(address),
        }
    }
}

/// Why a group of hosts is no place for connections.
pub(crate) const NO_MULTICAST: &str = "TCP has no multicast addresses";

/// The number of a port, and nothing else.
pub(crate) fn port_number(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

impl Address {
    /// The same with groups of hosts among the IP addresses.
    pub(crate) fn parse(given: &str) -> Result<Self, AddressError> {
        let refuse = |broken, hint: &str| Err(AddressError::new(given, broken, hint));
        if given.starts_with('/') {
            return match unix_path_broken(given) {
                None => Ok(Self::Unix(PathBuf::from(given))),
                Some(broken) => refuse(broken, "use a path such as /run/shop.sock"),
            };
        }
        if !given.is_empty() && given.chars().all(|c| c.is_ascii_digit()) {
            let hint = format!("to listen on this machine only: 127.0.0.1:{given}");
            return refuse("the address before the port is missing", &hint);
        }
        let Ok(address) = given.parse::<SocketAddr>() else {
            return refuse(unread(given), HINT);
        };
        match ip_broken(address) {
            None => Ok(Self::Tcp(address)),
            Some(broken) => refuse(broken, HINT),
        }
    }
}

/// What is wrong with a text that is neither path nor socket address, as far as can be told.
fn unread(given: &str) -> &'static str {
    if given.parse::<IpAddr>().is_ok() {
        return "the port is missing";
    }
    let number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match given.rsplit_once(':') {
        Some((_, port)) if number(port) && port.parse::<u16>().is_err() => {
            "a port is at most 65535"
        }
        // ListenStream= takes numbers only, systemd.socket(5).
        Some((host, port))
            if number(port) && host.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            "systemd looks no names up, it takes an IP address"
        }
        _ => "it is neither address:port nor an absolute path",
    }
}

fn ip_broken(address: SocketAddr) -> Option<&'static str> {
    if address.port() == 0 {
        return Some("port 0 means a different port at every start");
    }
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => Some("an interface (%) cannot be given here"),
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => {
            Some("it is an IPv4 address written as IPv6")
        }
        _ => None,
    }
}

fn unix_path_broken(path: &str) -> Option<&'static str> {
    if path.len() > LONGEST_UNIX_PATH {
        return Some("the path is longer than 107 bytes");
    }
    // systemd strips blanks at the end of a value and joins lines at a backslash
    // (systemd.syntax(7)); a path that needs neither is asked for instead.
    if path.chars().any(|c| c.is_control() || c.is_whitespace() || "\\\"'".contains(c)) {
        return Some("blanks, quotes, backslashes and control characters cannot be in the path");
    }
    if path[1..].split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some("the path has an empty part, . or ..");
    }
    if ["/run/sockact", "/var/run/sockact"].iter().any(|own| Path::new(path).starts_with(own)) {
        return Some("/run/sockact is sockact's own");
    }
    None
}

/// What systemd makes of a path below `/var/run`, however that is spelt; the kernel knows a socket by that one alone.
pub(crate) fn beyond_var_run(path: &Path) -> Option<PathBuf> {
    path.strip_prefix("/var/run").ok().map(|rest| Path::new("/run").join(rest))
}

impl Address {
    /// Whether the kernel would refuse to listen on both at once.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        Endpoint::from(self.clone()).overlaps(&other.clone().into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}
