//! Where an application answers, and by which kinds of clients it can be asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sockgen::{App, Endpoint};

use super::{Asked, ProveError};
use crate::failure::{Failure, FailureKind};
use crate::kind::Kind;
use crate::load::ask;
use crate::target::{Address, Target};

/// How long the first answer of each kind may take.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// The first listener of HTTP, or the one with this name.
pub(super) fn target(app: &App, listener: Option<&str>, path: &str) -> Result<Target, ProveError> {
    let named = |name: &str| listener.is_none_or(|wanted| wanted == name);
    let mut addresses = app
        .listeners()
        .iter()
        .filter(|listener| named(listener.name.as_ref()))
        .filter_map(|listener| address(&listener.address));
    let address = addresses.next().ok_or_else(|| ProveError::Nowhere {
        app: app.name().to_string(),
        listener: listener.map(Into::into),
        known: app.listeners().iter().map(|listener| listener.name.to_string()).collect(),
    })?;
    let authority = match &address {
        Address::Tcp(at) => at.to_string(),
        Address::Unix(_) => app.name().to_string(),
    };
    Ok(Target { address, authority, path: path.into() })
}

fn address(endpoint: &Endpoint) -> Option<Address> {
    match endpoint {
        Endpoint::Tcp(inet) => Some(Address::Tcp(reachable(inet.at))),
        Endpoint::Unix(path) => Some(Address::Unix(path.clone())),
        _ => None,
    }
}

/// Who listens on all addresses can be asked on this machine's own.
fn reachable(at: SocketAddr) -> SocketAddr {
    let ip = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, at.port())
}

/// A kind of client, and what it asks.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) kind: Kind,
    pub(super) target: Target,
}

/// Whether a server may answer so that speaks another version of HTTP. One that is late, refuses or has no room speaks perhaps this one.
fn is_another(failure: &Failure) -> bool {
    use FailureKind::{Closed, Protocol, Reset};
    matches!(failure.kind, Closed | Protocol | Reset)
}

/// The clients that were asked for, each after its first answer. What was not asked for by name, and is not spoken there, is left out, with
/// a note.
pub(super) async fn clients(
    target: &Target,
    asked: &Asked,
) -> Result<(Vec<Client>, Vec<String>), ProveError> {
    let (kinds, websocket) = (&asked.kinds, asked.websocket.as_deref());
    let wanted: Vec<_> = if kinds.is_empty() {
        Kind::ALL
            .into_iter()
            .filter(|kind| *kind != Kind::WebSocket || websocket.is_some())
            .collect()
    } else {
        kinds.to_vec()
    };
    let (mut clients, mut notes) = (Vec::new(), Vec::new());
    for kind in wanted {
        let target = match (kind, websocket) {
            (Kind::WebSocket, Some(path)) => target.with_path(path),
            _ => target.clone(),
        };
        match ask(kind, &target, FIRST_ANSWER).await {
            Ok(until_close) => {
                if until_close && asked.expect.is_empty() {
                    notes.push(format!(
                        "{kind}: an answer has no length there and ends with its connection, so one that was cut off looks whole; --expect tells them apart"
                    ));
                }
                clients.push(Client { kind, target });
            }
            Err(failure) if kinds.is_empty() && kind == Kind::Http2 && is_another(&failure) => {
                let words = "no HTTP/2 clients: it is not spoken there without TLS";
                notes.push(format!("{words} ({})", failure.detail));
            }
            Err(failure) => {
                return Err(ProveError::NoAnswer {
                    kind,
                    at: format!("{}{}", target.authority, target.path),
                    what: failure.kind.words(),
                    detail: failure.detail,
                });
            }
        }
    }
    Ok((clients, notes))
}
