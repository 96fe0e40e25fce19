//! What stands before a program that takes no socket of systemd's: systemd-socket-proxyd, one for each slot.

use askama::Template;

use super::{UnitFile, public_sockets, unit};
use crate::address::Address;
use crate::duration::short_duration;
use crate::model::{App, Hardening, Ready};
use crate::names::{SlotName, UnitName};
use crate::quote;
use crate::versions::Target;

/// Descriptors that systemd-socket-proxyd has open for each connection: two sockets and two pipes.
const FOR_EACH: u32 = 6;

/// Descriptors that it has open besides, and a few more.
const BESIDES: u32 = 32;

#[derive(Template)]
#[template(path = "proxy.service", escape = "none")]
struct Proxy<'a> {
    app: &'a str,
    slot: &'a str,
    user_scope: bool,
    name: UnitName,
    service: UnitName,
    target: UnitName,
    sockets: Vec<UnitName>,
    most: u32,
    to: String,
    stop_timeout: String,
    open_files: u32,
    log_namespace: Option<String>,
    dynamic: bool,
    /// Past the sandbox, in which the process is not seen.
    privileged: &'static str,
    manager: &'static str,
    /// What tells the program to end, when it is not SIGTERM.
    signal: Option<String>,
    /// For a unix socket, which the program's user alone may reach: that user, and the directory.
    shares: Option<Shares<'a>>,
    sandbox: Vec<(&'static str, String)>,
}

struct Shares<'a> {
    user: String,
    group: Option<&'a str>,
    state_directory: String,
}

/// The proxy of a slot, when the program needs one.
pub(super) fn unit_of(app: &App, slot: &SlotName, target: Target) -> Option<UnitFile> {
    let to = app.proxy()?.to(slot);
    let is_path = matches!(to, Address::Unix(_));
    let user_scope = app.place().is_user();
    let proxy = Proxy {
        app: app.name().as_ref(),
        slot: slot.as_ref(),
        user_scope,
        name: app.proxy_unit(slot),
        service: app.slot_unit(slot),
        target: app.target(),
        sockets: public_sockets(app),
        most: (app.resources().open_files.saturating_sub(BESIDES) / FOR_EACH).max(1),
        to: quote::argument(&remote(to)),
        stop_timeout: short_duration(app.slot_stop_timeout()),
        open_files: app.resources().open_files,
        log_namespace: app.log_namespace(),
        dynamic: !user_scope && (!is_path || app.user().is_none()),
        privileged: if user_scope { "" } else { "+" },
        manager: if user_scope { "--user " } else { "" },
        signal: signal(app),
        shares: is_path.then(|| Shares {
            user: app.user().map_or_else(|| app.name().dynamic_user(), str::to_owned),
            group: app.group(),
            state_directory: app.name().state_directory(),
        }),
        // Whatever the program needs, this needs none of it.
        sandbox: Hardening::default().directives(app.place().scope(), target),
    };
    Some(unit(app.proxy_unit(slot), &proxy))
}

fn signal(app: &App) -> Option<String> {
    let mut of_service = app.directives().service.iter();
    let given = of_service.find(|directive| directive.key == "KillSignal")?;
    given.values.last().map(|value| quote::argument(&format!("--signal={value}")))
}

/// As systemd-socket-proxyd(8) reads it: the port is what follows the last colon, and an address of IPv6 has no brackets.
fn remote(to: &Address) -> String {
    match to {
        Address::Tcp(at) => format!("{}:{}", at.ip(), at.port()),
        Address::Unix(path) => path.display().to_string(),
    }
}

/// Ends when somebody listens at the slot's address, by the kernel's own table (proc_net(5)), and fails when the program has ended.
/// `None` when the program says itself that it is ready.
pub(super) fn listens(app: &App, slot: &SlotName) -> Option<String> {
    let to = app.proxy()?.to(slot);
    if app.ready() == Ready::Notify {
        return None;
    }
    let (table, word) = match to {
        // State 0A is LISTEN. A program may listen on all addresses, of both kinds.
        Address::Tcp(at) => (
            "grep -q -s -e \"$$0\" /proc/self/net/tcp /proc/self/net/tcp6",
            format!(":{:04X} 0*:0000 0A ", at.port()),
        ),
        // With the flag of a socket that listens, of type stream.
        Address::Unix(path) => (
            "sed -n -e \"s/^.* 00010000 0001 01 *[0-9]* //p\" /proc/self/net/unix | grep -q -x -F -e \"$$0\"",
            path.display().to_string(),
        ),
    };
    Some(format!(
        "/bin/sh -c 'until {table}; do kill -0 $$MAINPID || exit 1; sleep 0.05; done' {}",
        quote::argument(&word)
    ))
}
