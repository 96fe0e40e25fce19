//! A program that opens its own address: one for each slot, which nobody but the slot's proxy uses.

use std::collections::BTreeMap;

use super::Checked;
use super::health::each_slot;
use super::program::{args, environment};
use crate::address::Address;
use crate::endpoint::Endpoint;
use crate::error::ManifestError;
use crate::manifest;
use crate::model::{Listener, Proxy};
use crate::names::SlotName;

pub(super) fn proxy(
    given: manifest::Proxy,
    gate: bool,
    slots: &[SlotName],
    listeners: &[Listener],
) -> Checked<Proxy> {
    if gate {
        let problem = "a program that opens its own address has no gate of sockact's";
        return Err(ManifestError::value("proxy", problem).with_hint(
            "write gate = false; without [proxy] the program takes systemd's sockets itself",
        ));
    }
    if let Some(other) = listeners.iter().find(|listener| !Proxy::carries(&listener.address)) {
        let key = format!("listeners.{}", other.name);
        let problem = "systemd-socket-proxyd carries streams of TCP and unix sockets alone";
        return Err(ManifestError::value(key, problem)
            .with_hint("leave it out, or use a program that takes systemd's sockets"));
    }
    let to = each_slot("proxy.to", given.to, slots)?;
    for (slot, address) in &to {
        own(slot, address, listeners)?;
    }
    ports("proxy.to", &to, &to)?;
    let proxy = Proxy {
        to,
        args: args("proxy.args", given.args)?,
        environment: environment("proxy.environment", given.environment)?,
    };
    words(&proxy)?;
    Ok(proxy)
}

/// An address at which users could get past the sockets would be a second, unguarded way to a release.
fn own(slot: &SlotName, address: &Address, listeners: &[Listener]) -> Checked<()> {
    let key = format!("proxy.to.{slot}");
    if let Address::Tcp(at) = address
        && !at.ip().is_loopback()
    {
        let problem = format!("{address} can be reached from other machines, past the sockets");
        return Err(ManifestError::value(key, problem)
            .with_hint("an address of this machine alone, such as 127.0.0.1:9101, or a path"));
    }
    // By its port the slot is seen to listen, as in `ports`.
    let taken = listeners.iter().find(|listener| match (&listener.address, address) {
        (Endpoint::Tcp(public), Address::Tcp(own)) => public.at.port() == own.port(),
        (Endpoint::Unix(public), Address::Unix(own)) => public == own,
        _ => false,
    });
    if let Some(taken) = taken {
        let problem = format!("{address} is taken by listeners.{}, {}", taken.name, taken.address);
        return Err(ManifestError::value(key, problem)
            .with_hint("give the program an address of its own, such as 127.0.0.1:9101"));
    }
    Ok(())
}

/// By its port a slot is seen to listen, because a program may open it on all addresses: what else of the application listens at the
/// same one, on any address, would be taken for it, and users would meet a program that is not ready.
pub(super) fn ports(
    key: &str,
    given: &BTreeMap<SlotName, Address>,
    to: &BTreeMap<SlotName, Address>,
) -> Checked<()> {
    for (slot, address) in given {
        let Address::Tcp(at) = address else { continue };
        let taken = to.iter().find(|(other, taken)| match taken {
            // A slot is asked where it listens.
            _ if *other == slot && *taken == address => false,
            Address::Tcp(taken) => taken.port() == at.port(),
            Address::Unix(_) => false,
        });
        if let Some((other, taken)) = taken {
            let problem = format!(
                "{address} has the port of proxy.to.{other}, {taken}, and by its port a slot is seen to listen"
            );
            return Err(ManifestError::value(format!("{key}.{slot}"), problem).with_hint(
                "give each address a port of its own, such as 127.0.0.1:9101 and 127.0.0.1:9102",
            ));
        }
    }
    Ok(())
}

/// A word that stands for nothing would go to the program as it is.
fn words(proxy: &Proxy) -> Checked<()> {
    let Some((slot, path)) = proxy.to.iter().find(|(_, at)| matches!(at, Address::Unix(_))) else {
        return Ok(());
    };
    let args = proxy.args.iter().enumerate().map(|(n, arg)| (format!("proxy.args[{n}]"), arg));
    let variables: &BTreeMap<_, _> = &proxy.environment;
    let variables = variables.iter().map(|(key, text)| (format!("proxy.environment.{key}"), text));
    for (key, text) in args.chain(variables) {
        if let Some(word) = Proxy::WORDS[1..].iter().find(|word| text.contains(**word)) {
            let problem = format!("{word} is no part of {path}, where {slot} listens");
            return Err(ManifestError::value(key, problem).with_hint(
                "{address} stands for the path; or give each slot an address and a port",
            ));
        }
    }
    Ok(())
}
