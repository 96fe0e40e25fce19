//! What a public socket is: where it listens, and what arrives there.

mod vsock;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::address::{Address, AddressError, beyond_var_run, port_number};
pub use vsock::Vsock;

/// A public socket of any kind that slots can share (systemd.socket(5)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Connections of TCP.
    Tcp(Inet),
    /// Datagrams of UDP.
    Udp(Inet),
    /// Connections at a path: unix(7), `SOCK_STREAM`.
    Unix(PathBuf),
    /// Datagrams at a path: unix(7), `SOCK_DGRAM`.
    UnixDatagram(PathBuf),
    /// Connections of whole messages at a path: unix(7), `SOCK_SEQPACKET`.
    UnixSeqpacket(PathBuf),
    /// A pipe with a path: fifo(7).
    Fifo(PathBuf),
    /// Connections between a virtual machine and its host: vsock(7), `SOCK_STREAM`.
    Vsock(Vsock),
}

/// An IP address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inet {
    /// The address.
    pub at: SocketAddr,
    /// Whether `[::]` leaves IPv4 alone.
    pub only_v6: bool,
}

/// What arrives at a listener, as the manifest says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Connections: bytes in order.
    #[default]
    Stream,
    /// Messages without a connection.
    Datagram,
    /// Connections of whole messages.
    Seqpacket,
    /// Bytes of whoever opens the path.
    Fifo,
}

/// The settings that make an endpoint.
pub(crate) const ENDPOINT_KEYS: [&str; 4] =
    ["ListenStream", "ListenDatagram", "ListenSequentialPacket", "ListenFIFO"];

/// `listen` of a manifest, well formed on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    Ip(SocketAddr),
    Path(PathBuf),
    Vsock(Vsock),
}

impl FromStr for Listen {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        match given.strip_prefix("vsock:") {
            Some(rest) => vsock::parse(rest).map(Self::Vsock).map_err(|broken| {
                let hint = "write vsock:CID:PORT, or vsock::PORT for any CID, such as vsock::7000";
                AddressError::new(given, broken, hint)
            }),
            None => Ok(match Address::parse(given)? {
                Address::Tcp(at) => Self::Ip(at),
                Address::Unix(path) => match beyond_var_run(&path) {
                    None => Self::Path(path),
                    Some(real) => {
                        let hint = format!("write {}", real.display());
                        let broken = "systemd listens in /run instead";
                        return Err(AddressError::new(given, broken, &hint));
                    }
                },
            }),
        }
    }
}

impl Endpoint {
    /// What of this kind listens there; `None` when there is no such thing.
    pub(crate) fn new(kind: Kind, listen: Listen, only_v6: bool) -> Option<Self> {
        let inet = |at| Inet { at, only_v6 };
        Some(match (kind, listen) {
            (Kind::Stream, Listen::Ip(at)) => Self::Tcp(inet(at)),
            (Kind::Datagram, Listen::Ip(at)) => Self::Udp(inet(at)),
            (Kind::Stream, Listen::Path(path)) => Self::Unix(path),
            (Kind::Datagram, Listen::Path(path)) => Self::UnixDatagram(path),
            (Kind::Seqpacket, Listen::Path(path)) => Self::UnixSeqpacket(path),
            (Kind::Fifo, Listen::Path(path)) => Self::Fifo(path),
            (Kind::Stream, Listen::Vsock(vsock)) => Self::Vsock(vsock),
            _ => return None,
        })
    }

    /// What a setting of a `[Socket]` section makes, with its specifiers expanded; `None` when it is none that is told apart here.
    pub(crate) fn of_setting(key: &str, value: &str, only_v6: bool) -> Option<Self> {
        let kind = match key {
            "ListenStream" => Kind::Stream,
            "ListenDatagram" => Kind::Datagram,
            "ListenSequentialPacket" => Kind::Seqpacket,
            "ListenFIFO" => Kind::Fifo,
            _ => return None,
        };
        // A bare port is all of IPv6 and, unless it is told otherwise, of IPv4.
        let listen = match (port_number(value), value.starts_with('/')) {
            (Some(port), _) => Listen::Ip((std::net::Ipv6Addr::UNSPECIFIED, port).into()),
            (None, true) => {
                Listen::Path(beyond_var_run(value.as_ref()).unwrap_or_else(|| value.into()))
            }
            (None, false) => match value.parse() {
                Ok(at) => Listen::Ip(at),
                Err(_) => Listen::Vsock(vsock::parse(value.strip_prefix("vsock:")?).ok()?),
            },
        };
        Self::new(kind, listen, only_v6)
    }

    /// The setting that makes it: a key of systemd.socket(5) and its value, before any quoting.
    #[must_use]
    pub fn setting(&self) -> (&'static str, String) {
        let key = match self {
            Self::Tcp(_) | Self::Unix(_) | Self::Vsock(_) => "ListenStream",
            Self::Udp(_) | Self::UnixDatagram(_) => "ListenDatagram",
            Self::UnixSeqpacket(_) => "ListenSequentialPacket",
            Self::Fifo(_) => "ListenFIFO",
        };
        let value = match self {
            Self::Tcp(inet) | Self::Udp(inet) => inet.at.to_string(),
            Self::Unix(path)
            | Self::UnixDatagram(path)
            | Self::UnixSeqpacket(path)
            | Self::Fifo(path) => path.display().to_string(),
            Self::Vsock(vsock) => vsock.to_string(),
        };
        (key, value)
    }

    /// What it is, for people: `TCP`, `a unix socket`.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP",
            Self::Udp(_) => "UDP",
            Self::Unix(_) => "a unix socket",
            Self::UnixDatagram(_) => "a unix datagram socket",
            Self::UnixSeqpacket(_) => "a unix seqpacket socket",
            Self::Fifo(_) => "a FIFO",
            Self::Vsock(_) => "vsock",
        }
    }

    /// What arrives there.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Tcp(_) | Self::Unix(_) | Self::Vsock(_) => Kind::Stream,
            Self::Udp(_) | Self::UnixDatagram(_) => Kind::Datagram,
            Self::UnixSeqpacket(_) => Kind::Seqpacket,
            Self::Fifo(_) => Kind::Fifo,
        }
    }

    /// Whether connections are accepted from it. Where none are, the slots read from one queue, and no gate stands before it.
    #[must_use]
    pub fn has_connections(&self) -> bool {
        matches!(self.kind(), Kind::Stream | Kind::Seqpacket)
    }

    /// The path of a unix socket or a FIFO.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path)
            | Self::UnixDatagram(path)
            | Self::UnixSeqpacket(path)
            | Self::Fifo(path) => Some(path),
            Self::Tcp(_) | Self::Udp(_) | Self::Vsock(_) => None,
        }
    }

    /// The address and port of TCP or UDP.
    #[must_use]
    pub fn inet(&self) -> Option<Inet> {
        match self {
            Self::Tcp(inet) | Self::Udp(inet) => Some(*inet),
            _ => None,
        }
    }

    /// Whether the kernel would refuse to listen on both at once, or, for UDP, would give one what was meant for the other.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(a), Self::Tcp(b)) | (Self::Udp(a), Self::Udp(b)) => a.overlaps(b),
            (Self::Vsock(a), Self::Vsock(b)) => a.overlaps(*b),
            // Of whatever kind: a path is one file.
            _ => self.path().is_some() && self.path() == other.path(),
        }
    }

    /// Whether the address belongs to one interface, so that it may not be there yet at boot.
    pub(crate) fn may_come_later(&self) -> bool {
        self.inet().is_some_and(|Inet { at, .. }| {
            !at.ip().is_unspecified() && !at.ip().is_loopback() && !at.ip().is_multicast()
        })
    }

    /// The same as the kernel's tables show it, which do not say whether IPv4 is left alone.
    pub(crate) fn in_tables(&self) -> Self {
        let inet = |inet: &Inet| Inet { only_v6: false, ..*inet };
        match self {
            Self::Tcp(at) => Self::Tcp(inet(at)),
            Self::Udp(at) => Self::Udp(inet(at)),
            other => other.clone(),
        }
    }
}

impl Inet {
    /// Whether it is `[::]`.
    #[must_use]
    pub fn is_v6_wildcard(&self) -> bool {
        self.at.is_ipv6() && self.at.ip().is_unspecified()
    }

    /// Whether IPv4 arrives here.
    #[must_use]
    pub fn takes_v4(&self) -> bool {
        self.at.is_ipv4() || (self.is_v6_wildcard() && !self.only_v6)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let takes_all = |inet: &Self, other: IpAddr| {
            let same_family = inet.at.is_ipv4() == other.is_ipv4();
            inet.at.ip().is_unspecified() && (same_family || (inet.at.is_ipv6() && inet.takes_v4()))
        };
        self.at.port() == other.at.port()
            && (self.at.ip() == other.at.ip()
                || takes_all(self, other.at.ip())
                || takes_all(other, self.at.ip()))
    }
}

/// For people: `127.0.0.1:53 (UDP)`. Where nothing is said of the kind it is a stream.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.setting().1)?;
        match self {
            Self::Tcp(_) | Self::Unix(_) | Self::Vsock(_) => Ok(()),
            Self::Udp(_) => f.write_str(" (UDP)"),
            Self::UnixDatagram(_) => f.write_str(" (datagram)"),
            Self::UnixSeqpacket(_) => f.write_str(" (seqpacket)"),
            Self::Fifo(_) => f.write_str(" (FIFO)"),
        }
    }
}

/// The word of the manifest.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Datagram => "datagram",
            Self::Seqpacket => "seqpacket",
            Self::Fifo => "fifo",
        })
    }
}

impl From<Address> for Endpoint {
    fn from(address: Address) -> Self {
        match address {
            Address::Tcp(at) => Self::Tcp(Inet { at, only_v6: false }),
            Address::Unix(path) => Self::Unix(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `stream 127.0.0.1:80`, `v6 [::]:80` for a stream that leaves IPv4 alone.
    fn endpoint(text: &str) -> Endpoint {
        let (kind, listen) = text.split_once(' ').unwrap();
        let kind = match kind {
            "stream" | "v6" => Kind::Stream,
            "datagram" => Kind::Datagram,
            "seqpacket" => Kind::Seqpacket,
            _ => Kind::Fifo,
        };
        Endpoint::new(kind, listen.parse().unwrap(), text.starts_with("v6")).unwrap()
    }

    #[test]
    fn what_cannot_be_open_at_once() {
        for (a, b, expected) in [
            ("stream 127.0.0.1:53", "datagram 127.0.0.1:53", false),
            ("datagram 127.0.0.1:53", "datagram 0.0.0.0:53", true),
            ("datagram [::]:53", "datagram 0.0.0.0:53", true),
            ("v6 [::]:80", "stream 0.0.0.0:80", false),
            ("v6 [::]:80", "stream 127.0.0.1:80", false),
            ("v6 [::]:80", "stream [::1]:80", true),
            ("v6 [::]:80", "stream [::]:80", true),
            ("stream [::]:80", "stream 127.0.0.1:80", true),
            ("stream /run/a", "datagram /run/a", true),
            ("seqpacket /run/a", "fifo /run/a", true),
            ("fifo /run/a", "fifo /run/b", false),
            ("stream vsock::80", "stream vsock:3:80", true),
            ("stream vsock:2:80", "stream vsock:3:80", false),
            ("stream vsock::80", "stream vsock::81", false),
            ("stream vsock::80", "stream 127.0.0.1:80", false),
        ] {
            let (left, right) = (endpoint(a), endpoint(b));
            assert_eq!(left.overlaps(&right), expected, "{a} and {b}");
            assert_eq!(right.overlaps(&left), expected, "{b} and {a}");
            assert!(left.overlaps(&left) && right.overlaps(&right), "{a}, {b}");
        }
    }

    #[test]
    fn a_setting_is_read_as_it_was_written() {
        for text in [
            "stream 127.0.0.1:80",
            "v6 [::]:80",
            "datagram [::1]:53",
            "stream /run/a",
            "datagram /run/a",
            "seqpacket /run/a",
            "fifo /run/100%/a",
            "stream vsock::80",
            "stream vsock:3:80",
        ] {
            let endpoint = endpoint(text);
            let (key, value) = endpoint.setting();
            let read = Endpoint::of_setting(key, &value, text.starts_with("v6"));
            assert_eq!(read, Some(endpoint), "{text}");
        }
        let all = Endpoint::of_setting("ListenDatagram", "53", false);
        assert_eq!(all, Some(endpoint("datagram [::]:53")));
        // As systemd has it, and so the kernel.
        for value in ["/var/run/a", "//var/./run//a"] {
            let read = Endpoint::of_setting("ListenStream", value, false);
            assert_eq!(read, Some(endpoint("stream /run/a")), "{value}");
        }
        let other = Endpoint::of_setting("ListenStream", "/var/running/a", false);
        assert_eq!(other, Some(endpoint("stream /var/running/a")));
        for (key, value) in [
            ("ListenStream", "@abstract"),
            ("ListenSequentialPacket", "vsock::80"),
            ("ListenFIFO", "80"),
            ("ListenSpecial", "/dev/random"),
        ] {
            assert_eq!(Endpoint::of_setting(key, value, false), None, "{key}={value}");
        }
    }
}
