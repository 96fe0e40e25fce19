//! The keys of a listener: which fit its kind, and what the kernel can be told.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Checked;
use crate::duration::{Span, short_duration};
use crate::endpoint::Endpoint;
use crate::error::ManifestError;
use crate::manifest::Listener;
use crate::model::SocketOption as O;
use crate::shown::shown;
use crate::size::Size;

/// A key, whether it is given, the kinds that have it, and how those are called.
type Fit = (&'static str, fn(&Listener) -> bool, fn(&Endpoint) -> bool, &'static str);

const PATHS: &str = "for a unix socket or a FIFO";
const TCP: &str = "for TCP";
const IP: &str = "for TCP and UDP";
const WILDCARD: &str = "for [::], which can take IPv4 as well";

const FITS: [Fit; 23] = [
    ("backlog", |l| l.backlog.is_some(), Endpoint::has_connections, "for what is accepted"),
    ("mode", |l| l.mode.is_some(), has_path, PATHS),
    ("user", |l| l.user.is_some(), has_path, PATHS),
    ("group", |l| l.group.is_some(), has_path, PATHS),
    ("directory_mode", |l| l.directory_mode.is_some(), has_path, PATHS),
    ("dual_stack", |l| l.dual_stack.is_some(), is_wildcard, WILDCARD),
    ("free_bind", |l| l.free_bind.is_some(), is_ip, IP),
    ("keep_alive", |l| l.keep_alive.is_some(), is_tcp, TCP),
    ("keep_alive_time", |l| l.keep_alive_time.is_some(), is_tcp, TCP),
    ("keep_alive_interval", |l| l.keep_alive_interval.is_some(), is_tcp, TCP),
    ("keep_alive_probes", |l| l.keep_alive_probes.is_some(), is_tcp, TCP),
    ("no_delay", |l| l.no_delay.is_some(), is_tcp, TCP),
    ("congestion", |l| l.congestion.is_some(), is_tcp, TCP),
    ("tos", |l| l.tos.is_some(), takes_v4, "for IPv4"),
    ("ttl", |l| l.ttl.is_some(), is_ip, IP),
    ("mark", |l| l.mark.is_some(), is_ip, IP),
    ("priority", |l| l.priority.is_some(), is_ip, IP),
    ("receive_buffer", |l| l.receive_buffer.is_some(), is_socket, "for TCP, UDP and unix sockets"),
    ("send_buffer", |l| l.send_buffer.is_some(), is_socket, "for TCP, UDP and unix sockets"),
    ("broadcast", |l| l.broadcast.is_some(), is_udp, "for UDP"),
    ("packet_info", |l| l.packet_info.is_some(), is_udp, "for UDP"),
    ("pass_credentials", |l| l.pass_credentials.is_some(), is_unix, "for unix sockets"),
    ("pipe_size", |l| l.pipe_size.is_some(), is_fifo, "for a FIFO"),
];

fn has_path(endpoint: &Endpoint) -> bool {
    endpoint.path().is_some()
}

fn is_wildcard(endpoint: &Endpoint) -> bool {
    endpoint.inet().is_some_and(|inet| inet.is_v6_wildcard())
}

fn takes_v4(endpoint: &Endpoint) -> bool {
    endpoint.inet().is_some_and(|inet| inet.takes_v4())
}

fn is_ip(endpoint: &Endpoint) -> bool {
    endpoint.inet().is_some()
}

fn is_tcp(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Tcp(_))
}

fn is_udp(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Udp(_))
}

fn is_fifo(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Fifo(_))
}

/// vsock(7) has buffers of another kind.
fn is_socket(endpoint: &Endpoint) -> bool {
    !matches!(endpoint, Endpoint::Fifo(_) | Endpoint::Vsock(_))
}

fn is_unix(endpoint: &Endpoint) -> bool {
    has_path(endpoint) && !is_fifo(endpoint)
}

/// Every key that is given fits what listens there.
pub(super) fn fitting(key: &str, raw: &Listener, endpoint: &Endpoint) -> Checked<()> {
    let unfit = FITS.iter().find(|(_, given, fits, _)| given(raw) && !fits(endpoint));
    let Some((extra, _, _, of)) = unfit else { return Ok(()) };
    let what = endpoint.what();
    let problem = format!("{} is {what}, which has no {extra}", endpoint.setting().1);
    Err(ManifestError::value(format!("{key}.{extra}"), problem)
        .with_hint(format!("{extra} is {of}")))
}

/// What the kernel is told, always in one order.
pub(super) fn options(key: &str, raw: Listener) -> Checked<Vec<O>> {
    keep_alive(key, &raw)?;
    let number = |name, given: Option<u32>, range| number(key, name, given, range);
    let options = [
        raw.keep_alive.map(O::KeepAlive),
        seconds(key, "keep_alive_time", raw.keep_alive_time)?.map(O::KeepAliveTime),
        seconds(key, "keep_alive_interval", raw.keep_alive_interval)?.map(O::KeepAliveInterval),
        // tcp(7); the kernel's MAX_TCP_KEEPCNT.
        number("keep_alive_probes", raw.keep_alive_probes, 1..=127)?.map(O::KeepAliveProbes),
        raw.no_delay.map(O::NoDelay),
        raw.congestion.map(|name| congestion(key, name)).transpose()?.map(O::Congestion),
        number("tos", raw.tos, 0..=255)?.map(O::Tos),
        number("ttl", raw.ttl, 1..=255)?.map(O::Ttl),
        // systemd reads these two as signed (measured on 252).
        number("mark", raw.mark, 0..=i32::MAX as u32)?.map(O::Mark),
        number("priority", raw.priority, 0..=i32::MAX as u32)?.map(O::Priority),
        bytes(key, "receive_buffer", raw.receive_buffer)?.map(O::ReceiveBuffer),
        bytes(key, "send_buffer", raw.send_buffer)?.map(O::SendBuffer),
        raw.broadcast.map(O::Broadcast),
        raw.packet_info.map(O::PacketInfo),
        raw.pass_credentials.map(O::PassCredentials),
        bytes(key, "pipe_size", raw.pipe_size)?.map(O::PipeSize),
    ];
    Ok(options.into_iter().flatten().collect())
}

/// The times of probes that nobody sends mean nothing.
fn keep_alive(key: &str, raw: &Listener) -> Checked<()> {
    let given = [
        ("keep_alive_time", raw.keep_alive_time.is_some()),
        ("keep_alive_interval", raw.keep_alive_interval.is_some()),
        ("keep_alive_probes", raw.keep_alive_probes.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((extra, _)) if raw.keep_alive != Some(true) => {
            let problem = "without keep_alive no probes are sent";
            Err(ManifestError::value(format!("{key}.{extra}"), problem)
                .with_hint("write keep_alive = true beside it"))
        }
        _ => Ok(()),
    }
}

fn number(
    key: &str,
    name: &str,
    given: Option<u32>,
    range: RangeInclusive<u32>,
) -> Checked<Option<u32>> {
    match given {
        Some(number) if !range.contains(&number) => {
            Err(outside(key, name, number, range.start(), range.end()))
        }
        given => Ok(given),
    }
}

fn outside(
    key: &str,
    name: &str,
    given: impl Display,
    least: impl Display,
    most: impl Display,
) -> ManifestError {
    let problem = format!("{given} is not between {least} and {most}");
    ManifestError::value(format!("{key}.{name}"), problem)
        .with_hint("leave it out for the kernel's own")
}

/// The kernel counts whole seconds, and takes 32767 of them (its MAX_TCP_KEEPIDLE).
fn seconds(key: &str, name: &str, given: Option<Span>) -> Checked<Option<Duration>> {
    let Some(Span(time)) = given else { return Ok(None) };
    if time.subsec_nanos() != 0 {
        let problem = format!("{} is not a number of whole seconds", short_duration(time));
        return Err(ManifestError::value(format!("{key}.{name}"), problem)
            .with_hint("write it as \"60s\" or \"2min\""));
    }
    if !(1..=32_767).contains(&time.as_secs()) {
        return Err(outside(key, name, short_duration(time), "1s", "32767s"));
    }
    Ok(Some(time))
}

/// The kernel doubles what it is told, in a signed number of 32 bits.
fn bytes(key: &str, name: &str, given: Option<Size>) -> Checked<Option<u64>> {
    const MOST: u64 = 512 << 20;
    match given {
        Some(Size(bytes)) if bytes > MOST => {
            let given = format!("{}MiB", bytes >> 20);
            Err(outside(key, name, given, "1KiB", "512MiB"))
        }
        given => Ok(given.map(|Size(bytes)| bytes)),
    }
}

/// One that this kernel does not have is reported by systemd in the journal, and the socket opens without it.
fn congestion(key: &str, name: String) -> Checked<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    // TCP_CA_NAME_MAX of the kernel, with the final NUL.
    if (1..16).contains(&name.len()) && name.chars().all(plain) {
        return Ok(name);
    }
    let problem = format!("{} is not the name of a congestion control", shown(&name));
    Err(ManifestError::value(format!("{key}.congestion"), problem).with_hint(
        "`sysctl net.ipv4.tcp_available_congestion_control` lists them, such as \"bbr\"",
    ))
}
