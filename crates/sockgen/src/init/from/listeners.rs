//! What the service listens on, as listeners of the manifest.

use super::convert::Notes;
use super::draft::Listener;
use super::found::{Found, Open};
use super::{Asked, FromError};
use crate::check::Unit;
use crate::endpoint::{ENDPOINT_KEYS, Endpoint, Inet, Kind};
use crate::init::string;
use crate::names::ListenerName;

/// Ports from here on are given out to clients (`net.ipv4.ip_local_port_range`): a UDP socket there is one that asks, not one that is asked.
const EPHEMERAL: u16 = 32768;

/// Settings of a socket unit that are keys here, and how their values are written.
const KEYS: [(&str, &str, Form); 9] = [
    ("Backlog", "backlog", Form::Number),
    ("SocketUser", "user", Form::Text),
    ("SocketGroup", "group", Form::Text),
    ("DirectoryMode", "directory_mode", Form::Text),
    ("KeepAlive", "keep_alive", Form::Flag),
    ("NoDelay", "no_delay", Form::Flag),
    ("Broadcast", "broadcast", Form::Flag),
    ("PassCredentials", "pass_credentials", Form::Flag),
    ("IPTTL", "ttl", Form::Number),
];

/// Settings that are ours, or that are read elsewhere.
const KNOWN: [&str; 8] = [
    "FileDescriptorName",
    "Service",
    "BindIPv6Only",
    "SocketMode",
    "FreeBind",
    "TriggerLimitIntervalSec",
    "TriggerLimitBurst",
    "Accept",
];

#[derive(Clone, Copy)]
enum Form {
    Number,
    Text,
    Flag,
}

/// Those that were asked for, or those of its socket units, or what its processes have open.
pub(super) fn listeners(
    found: &Found,
    asked: &Asked,
    notes: &mut Notes,
) -> Result<Vec<Listener>, FromError> {
    let mut listeners = Vec::new();
    if !asked.listeners.is_empty() {
        for (name, endpoint) in &asked.listeners {
            add(&mut listeners, Some(name.to_string()), endpoint, Vec::new());
        }
        return Ok(listeners);
    }
    for socket in &found.sockets {
        of_unit(socket, &mut listeners, notes)?;
    }
    for open in apart(&found.listening) {
        of_process(&open, &mut listeners, notes);
    }
    if listeners.is_empty() {
        return Err(FromError::NoListeners(found.unit.name.clone()));
    }
    Ok(listeners)
}

fn of_unit(
    socket: &Unit,
    listeners: &mut Vec<Listener>,
    notes: &mut Notes,
) -> Result<(), FromError> {
    if socket.flag("Socket", "Accept") == Some(true) {
        return Err(FromError::Accept(socket.name.clone()));
    }
    let only_v6 = socket.value("Socket", "BindIPv6Only") == Some("ipv6-only");
    let own = socket.value("Socket", "FileDescriptorName").map(str::to_owned);
    let before = listeners.len();
    for key in ENDPOINT_KEYS {
        for entry in socket.all("Socket", key) {
            let value = socket.expand(&entry.value);
            let endpoint = value.and_then(|value| Endpoint::of_setting(key, &value, only_v6));
            let Some(endpoint) = endpoint else {
                notes.lost(entry, "a listener has an IP address and a port, a path, or vsock");
                continue;
            };
            let mut keys = Vec::new();
            if endpoint.path().is_some() {
                // systemd's own default is open to everybody (systemd.socket(5)).
                let mode = socket.value("Socket", "SocketMode").unwrap_or("0666");
                keys.push(("mode", string(mode)));
            }
            let fits = |key: &str| match key {
                "user" | "group" | "directory_mode" => endpoint.path().is_some(),
                "backlog" => endpoint.has_connections(),
                "keep_alive" | "no_delay" => matches!(endpoint, Endpoint::Tcp(_)),
                "broadcast" => matches!(endpoint, Endpoint::Udp(_)),
                "pass_credentials" => {
                    endpoint.path().is_some() && !matches!(endpoint, Endpoint::Fifo(_))
                }
                _ => endpoint.inet().is_some(),
            };
            keys.extend(KEYS.iter().filter(|(_, key, _)| fits(key)).filter_map(
                |(directive, key, form)| Some((*key, value_of(socket, directive, *form)?)),
            ));
            add(listeners, own.clone(), &endpoint, keys);
        }
    }
    for entry in socket.entries.iter().filter(|entry| &*entry.section == "Socket") {
        let key = entry.key.as_str();
        let known = ENDPOINT_KEYS.contains(&key)
            || KNOWN.contains(&key)
            || KEYS.iter().any(|(directive, ..)| *directive == key);
        if !known && !entry.value.is_empty() {
            notes.lost(
                entry,
                "ARCHITECTURE.md says which options slots can share, and why not others",
            );
        }
    }
    if listeners.len() > before + 1 && own.is_some() {
        notes.changed.push(format!(
            "each listener has a name of its own, where {} gave one to all",
            socket.name
        ));
    }
    Ok(())
}

/// A value as TOML has it; `None` when it is not set or not of the form.
fn value_of(socket: &Unit, directive: &str, form: Form) -> Option<String> {
    let value = socket.value("Socket", directive)?;
    match form {
        Form::Flag => socket.flag("Socket", directive).map(|on| on.to_string()),
        // systemd's default is no number that a manifest may have.
        Form::Number => value.parse::<i32>().ok().filter(|n| *n > 0).map(|n| n.to_string()),
        Form::Text => Some(string(value)),
    }
}

/// `[::]` beside `0.0.0.0` on one port can only be one that leaves IPv4 alone.
fn apart(open: &[Open]) -> Vec<Open> {
    let four = |port: u16, udp: bool| {
        open.iter().any(|other| {
            let is_udp = matches!(other.endpoint, Endpoint::Udp(_));
            let inet = other.endpoint.inet();
            is_udp == udp && inet.is_some_and(|i| i.at.is_ipv4() && i.at.port() == port)
        })
    };
    let only = |inet: Inet, udp: bool| Inet {
        only_v6: inet.is_v6_wildcard() && four(inet.at.port(), udp),
        ..inet
    };
    let each = |open: &Open| {
        let endpoint = match &open.endpoint {
            Endpoint::Tcp(inet) => Endpoint::Tcp(only(*inet, false)),
            Endpoint::Udp(inet) => Endpoint::Udp(only(*inet, true)),
            other => other.clone(),
        };
        Open { endpoint, ..open.clone() }
    };
    open.iter().map(each).collect()
}

fn of_process(open: &Open, listeners: &mut Vec<Listener>, notes: &mut Notes) {
    let endpoint = &open.endpoint;
    let abstract_name = endpoint.path().is_some_and(|path| !path.is_absolute());
    let client = matches!(endpoint, Endpoint::Udp(inet) if inet.at.port() >= EPHEMERAL);
    if abstract_name || client {
        let why = if client { "it looks like a client's" } else { "it has no path" };
        notes.changed.push(format!("{endpoint} is open and was left out: {why}"));
        return;
    }
    let mut keys = Vec::new();
    if let Some(mode) = open.mode {
        keys.push(("mode", string(&format!("{mode:04o}"))));
    }
    if let Some((user, group)) = open.owner.filter(|owner| *owner != (0, 0)) {
        keys.extend([("user", string(&user.to_string())), ("group", string(&group.to_string()))]);
    }
    add(listeners, None, endpoint, keys);
}

fn add(
    listeners: &mut Vec<Listener>,
    name: Option<String>,
    endpoint: &Endpoint,
    more: Vec<(&'static str, String)>,
) {
    let valid = |name: &String| name.parse::<ListenerName>().is_ok();
    let wished = name.filter(valid).unwrap_or_else(|| name_of(endpoint));
    let taken = |name: &str| listeners.iter().any(|listener| listener.name == name);
    let numbered = (2..).map(|n| format!("{wished}-{n}"));
    let name = std::iter::once(wished.clone()).chain(numbered).find(|name| !taken(name));
    let mut keys = vec![("listen", string(&endpoint.setting().1))];
    if endpoint.kind() != Kind::Stream {
        keys.push(("type", string(&endpoint.kind().to_string())));
    }
    if endpoint.inet().is_some_and(|inet| inet.is_v6_wildcard() && inet.only_v6) {
        keys.push(("dual_stack", "false".to_owned()));
    }
    keys.extend(more);
    listeners.push(Listener { name: name.unwrap_or(wished), keys });
}

/// What a person would call it.
fn name_of(endpoint: &Endpoint) -> String {
    let of_path = |path: &std::path::Path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        let plain: String = stem.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        if plain.is_empty() { "path".to_owned() } else { plain }
    };
    match endpoint {
        Endpoint::Tcp(inet) => match inet.at.port() {
            80 | 3000 | 5000 | 8000 | 8080 => "http".to_owned(),
            443 | 8443 => "https".to_owned(),
            port => format!("tcp-{port}"),
        },
        Endpoint::Udp(inet) => format!("udp-{}", inet.at.port()),
        Endpoint::Vsock(vsock) => format!("vsock-{}", vsock.port),
        Endpoint::Unix(path)
        | Endpoint::UnixDatagram(path)
        | Endpoint::UnixSeqpacket(path)
        | Endpoint::Fifo(path) => of_path(path),
    }
}
