//! Where requests go.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Why a URL cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is not one.
    #[error("{url:?} is not a URL: {source}")]
    Url {
        /// What was given.
        url: String,
        /// Why not.
        source: http::uri::InvalidUri,
    },
    /// It is of another scheme.
    #[error("{0:?}: only http:// is spoken here, not TLS: give an address that speaks it plainly")]
    Scheme(String),
    /// It names no host.
    #[error("{0:?} names no host: give http://HOST:PORT/PATH")]
    Host(String),
    /// Its host is unknown.
    #[error("{host} has no address: {source}")]
    Resolve {
        /// Host and port.
        host: String,
        /// What was answered.
        source: io::Error,
    },
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Of TCP.
    Tcp(SocketAddr),
    /// A Unix socket's path.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A URL whose host has an address.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where to connect to.
    pub address: Address,
    /// Host and port, as the request names them.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

impl Target {
    /// From `http://HOST:PORT/PATH`; with a Unix socket that is asked instead of the host.
    ///
    /// # Errors
    /// When it is no such URL, or its host has no address.
    pub fn parse(url: &str, unix: Option<PathBuf>) -> Result<Self, TargetError> {
        let uri =
            Uri::from_str(url).map_err(|source| TargetError::Url { url: url.into(), source })?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(TargetError::Scheme(url.into()));
        }
        let authority = uri.authority().ok_or_else(|| TargetError::Host(url.into()))?;
        let address = match unix {
            Some(path) => Address::Unix(path),
            None => {
                let bare = authority.host().trim_start_matches('[').trim_end_matches(']');
                let host = (bare, authority.port_u16().unwrap_or(80));
                let told = |source| TargetError::Resolve { host: authority.to_string(), source };
                let mut all = host.to_socket_addrs().map_err(told)?;
                let none = || TargetError::Host(url.into());
                Address::Tcp(all.next().ok_or_else(none)?)
            }
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { address, authority: authority.to_string(), path })
    }

    /// The same place, another path.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        Self { path: path.into(), ..self.clone() }
    }

    /// A request of HTTP/1.1, as it is sent.
    pub(crate) fn request(&self, close: bool) -> Vec<u8> {
        let connection = if close { "Connection: close\r\n" } else { "" };
        let (path, host, agent) = (&self.path, &self.authority, AGENT);
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n{connection}\r\n")
            .into_bytes()
    }

    pub(crate) async fn connect(&self) -> io::Result<Stream> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }
}

/// What servers read in `User-Agent`.
pub(crate) const AGENT: &str = concat!("sockprove/", env!("CARGO_PKG_VERSION"));

pub(crate) type Stream = Box<dyn Io>;

/// A connection of either kind.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_an_address_and_a_request() {
        let target = Target::parse("http://127.0.0.1:8080/a?b=c", None).unwrap();
        assert_eq!(target.address, Address::Tcp("127.0.0.1:8080".parse().unwrap()));
        let request = String::from_utf8(target.request(true)).unwrap();
        assert!(
            request.starts_with("GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"),
            "{request}"
        );
        assert!(request.ends_with("Connection: close\r\n\r\n"), "{request}");
        let six = Target::parse("http://[::1]:81", None).unwrap();
        assert_eq!((six.address.to_string(), six.path.as_str()), ("[::1]:81".into(), "/"));
        let unix = Target::parse("http://shop/", Some("/run/shop".into())).unwrap();
        assert_eq!(unix.address, Address::Unix("/run/shop".into()));
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        let error = |url| Target::parse(url, None).unwrap_err().to_string();
        assert!(error("https://127.0.0.1/").contains("not TLS"));
        assert!(error("127.0.0.1:80").contains("only http://"));
        assert!(error("http://a b/").contains("is not a URL"));
    }
}
