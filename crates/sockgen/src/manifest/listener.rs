//! `[listeners.NAME]` as typed. What each key does is told with the model, [`crate::model::Listener`] and
//! [`crate::model::SocketOption`].

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};

use super::Mode;
use super::form::HINT_MARK;
use crate::duration::Span;
use crate::endpoint::{Kind, Listen};
use crate::size::Size;

/// A public socket, which systemd holds open.
// Each value is well formed on its own; whether a key fits the kind is for `validate::socket_options`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    /// Where: `address:port`, an absolute path, or `vsock:CID:PORT`. It never changes while the socket is open: for another one add a listener.
    #[serde(deserialize_with = "listen")]
    pub(crate) listen: Listen,
    /// What arrives there; `stream` when left out. UDP is `datagram` at an IP address.
    #[serde(rename = "type", default)]
    pub(crate) kind: Kind,
    /// The longest queue of connections that nobody accepted yet; 4096 when left out.
    pub(crate) backlog: Option<u32>,
    /// The permissions of a unix socket or a FIFO; `0660` when left out.
    pub(crate) mode: Option<Mode>,
    /// The owner of a unix socket or a FIFO; root when left out.
    pub(crate) user: Option<String>,
    /// The group of a unix socket or a FIFO; root when left out.
    pub(crate) group: Option<String>,
    /// The permissions of directories that systemd has to make for the path; `0755` when left out.
    pub(crate) directory_mode: Option<Mode>,
    /// Whether `[::]` takes IPv4, too; true when left out.
    pub(crate) dual_stack: Option<bool>,
    /// Whether it opens before its IP address is there; when left out, true where that belongs to an interface.
    pub(crate) free_bind: Option<bool>,
    /// Of TCP: whether silent peers are probed.
    pub(crate) keep_alive: Option<bool>,
    /// Of TCP: how long a peer may be silent before it is probed, in whole seconds.
    pub(crate) keep_alive_time: Option<Span>,
    /// Of TCP: the time between two probes, in whole seconds.
    pub(crate) keep_alive_interval: Option<Span>,
    /// Of TCP: so many probes without an answer end the connection.
    pub(crate) keep_alive_probes: Option<u32>,
    /// Of TCP: whether small writes go out at once.
    pub(crate) no_delay: Option<bool>,
    /// Of TCP: the congestion control, such as `bbr`.
    pub(crate) congestion: Option<String>,
    /// Of IPv4: the type of service of its packets, 0 to 255.
    pub(crate) tos: Option<u32>,
    /// Of TCP and UDP: how many routers a packet may pass, 1 to 255.
    pub(crate) ttl: Option<u32>,
    /// Of TCP and UDP: a number for the firewall.
    pub(crate) mark: Option<u32>,
    /// Of TCP and UDP: the class of its packets in the machine's own queue.
    pub(crate) priority: Option<u32>,
    /// Of TCP, UDP and unix sockets: bytes that may wait to be read. For datagrams it is what a swap's queue holds.
    pub(crate) receive_buffer: Option<Size>,
    /// Of TCP, UDP and unix sockets: bytes that may wait to be sent.
    pub(crate) send_buffer: Option<Size>,
    /// Of UDP: whether datagrams may go to all hosts.
    pub(crate) broadcast: Option<bool>,
    /// Of UDP: whether each datagram says at which address it came in.
    pub(crate) packet_info: Option<bool>,
    /// Of unix sockets: whether each message says which process sent it.
    pub(crate) pass_credentials: Option<bool>,
    /// Of a FIFO: bytes that it holds.
    pub(crate) pipe_size: Option<Size>,
}

fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Listen, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error: crate::AddressError| {
        D::Error::custom(format!("{error}{HINT_MARK}{}", error.hint()))
    })
}

/// Settings of systemd.socket(5) that are no keys here, each with what it would do to sockets that two slots share.
const REFUSED: [(&str, &str); 11] = [
    ("accept", "it would start a service for each connection: slots accept from one shared socket"),
    (
        "bind_to_device",
        "systemd closes such a socket when the interface goes away, and does not open it again; listen on the interface's address",
    ),
    (
        "defer_accept",
        "connections of clients that speak second would wait for the timeout: an accepting slot needs no such help",
    ),
    ("flush_pending", "it would throw away what waits in the queue whenever a slot stops"),
    (
        "interface",
        "systemd closes such a socket when the interface goes away, and does not open it again; listen on the interface's address",
    ),
    (
        "max_connections",
        "systemd counts only connections that it accepts itself; limit them in the program",
    ),
    (
        "remove_on_stop",
        "systemd replaces a stale socket by itself; removing it could take the path of one that is opened meanwhile",
    ),
    (
        "reuse_port",
        "each socket of such a group has a queue of its own, and what waits in it is lost with it",
    ),
    (
        "symlinks",
        "systemd does not mend such a link while the socket is open; make it with tmpfiles.d(5)",
    ),
    ("timestamping", "the program sets it, for it has to read the time stamps"),
    (
        "transparent",
        "it is for proxies that take over other hosts' connections; set it in a drop-in and mind CAP_NET_ADMIN",
    ),
];

/// Why a key of a listener is none on purpose; `known` are those that there are.
pub(super) fn refused(given: &str, known: &[&str]) -> Option<&'static str> {
    let given = given.to_lowercase();
    let plain = |key: &str| key.replace('_', "");
    let of_listener = known.contains(&"backlog");
    let found = REFUSED.iter().find(|(key, _)| of_listener && plain(key) == plain(&given));
    found.map(|(_, why)| *why)
}
