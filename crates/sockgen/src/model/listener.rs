//! A public listener, and what the kernel is told of its socket.

use std::fmt;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::names::ListenerName;

/// A public listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The name under which the service adopts the descriptor.
    pub name: ListenerName,
    /// Where it listens, and for what.
    pub address: Endpoint,
    /// The longest queue of connections that nobody accepted yet (`Backlog=`); `None` where there are no connections.
    pub backlog: Option<u32>,
    /// Whether the socket opens before its IP address is there (`FreeBind=`).
    pub free_bind: bool,
    /// Permissions and owner of a path.
    pub access: Option<UnixAccess>,
    /// What else the kernel is told, once, when systemd opens the socket. The slots share the socket, and with it these.
    pub options: Vec<SocketOption>,
}

/// Who may open a path: a unix socket or a FIFO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixAccess {
    /// Permission bits, such as `0o660` (`SocketMode=`).
    pub mode: u32,
    /// The owner (`SocketUser=`); root when not given.
    pub user: Option<String>,
    /// The group (`SocketGroup=`); root when not given.
    pub group: Option<String>,
    /// Permission bits of the directories that systemd makes for the path (`DirectoryMode=`); 0755 when not given.
    pub directory_mode: Option<u32>,
}

/// An option of the open socket, each named with its setting of systemd.socket(5). All are those of the listening socket, set by systemd
/// alone, and what is accepted from it inherits them: so they are the same for every slot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketOption {
    /// Whether silent peers are probed: `KeepAlive=`, `SO_KEEPALIVE` of socket(7).
    KeepAlive(bool),
    /// How long a peer may be silent before, in whole seconds: `KeepAliveTimeSec=`, `TCP_KEEPIDLE` of tcp(7).
    KeepAliveTime(Duration),
    /// Between two probes, in whole seconds: `KeepAliveIntervalSec=`, `TCP_KEEPINTVL` of tcp(7).
    KeepAliveInterval(Duration),
    /// So many without an answer end the connection: `KeepAliveProbes=`, `TCP_KEEPCNT` of tcp(7).
    KeepAliveProbes(u32),
    /// Whether small writes go out at once: `NoDelay=`, `TCP_NODELAY` of tcp(7).
    NoDelay(bool),
    /// The congestion control: `TCPCongestion=`, `TCP_CONGESTION` of tcp(7).
    Congestion(String),
    /// The type of service of IPv4 packets: `IPTOS=`, `IP_TOS` of ip(7).
    Tos(u32),
    /// How many routers a packet may pass: `IPTTL=`, `IP_TTL` of ip(7), `IPV6_UNICAST_HOPS` of ipv6(7).
    Ttl(u32),
    /// A number for the firewall: `Mark=`, `SO_MARK` of socket(7).
    Mark(u32),
    /// The class of the packets in the machine's own queue: `Priority=`, `SO_PRIORITY` of socket(7).
    Priority(u32),
    /// Bytes that wait to be read: `ReceiveBuffer=`, `SO_RCVBUF` of socket(7). For datagrams it is the queue that a swap lives on.
    ReceiveBuffer(u64),
    /// Bytes that wait to be sent: `SendBuffer=`, `SO_SNDBUF` of socket(7).
    SendBuffer(u64),
    /// Whether datagrams may go to all hosts: `Broadcast=`, `SO_BROADCAST` of socket(7).
    Broadcast(bool),
    /// Whether each datagram says at which address it came in: `PassPacketInfo=`, `IP_PKTINFO` of ip(7).
    PacketInfo(bool),
    /// Whether each message says which process sent it: `PassCredentials=`, `SO_PASSCRED` of unix(7).
    PassCredentials(bool),
    /// Bytes that a FIFO holds: `PipeSize=`, `F_SETPIPE_SZ` of fcntl(2).
    PipeSize(u64),
}

/// As it stands in a `[Socket]` section.
impl fmt::Display for SocketOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |yes: &bool| if *yes { "yes" } else { "no" };
        match self {
            Self::KeepAlive(on) => write!(f, "KeepAlive={}", yes(on)),
            Self::KeepAliveTime(time) => write!(f, "KeepAliveTimeSec={}s", time.as_secs()),
            Self::KeepAliveInterval(time) => write!(f, "KeepAliveIntervalSec={}s", time.as_secs()),
            Self::KeepAliveProbes(count) => write!(f, "KeepAliveProbes={count}"),
            Self::NoDelay(on) => write!(f, "NoDelay={}", yes(on)),
            Self::Congestion(name) => write!(f, "TCPCongestion={name}"),
            Self::Tos(tos) => write!(f, "IPTOS={tos}"),
            Self::Ttl(hops) => write!(f, "IPTTL={hops}"),
            Self::Mark(mark) => write!(f, "Mark={mark}"),
            Self::Priority(class) => write!(f, "Priority={class}"),
            Self::ReceiveBuffer(bytes) => write!(f, "ReceiveBuffer={bytes}"),
            Self::SendBuffer(bytes) => write!(f, "SendBuffer={bytes}"),
            Self::Broadcast(on) => write!(f, "Broadcast={}", yes(on)),
            Self::PacketInfo(on) => write!(f, "PassPacketInfo={}", yes(on)),
            Self::PassCredentials(on) => write!(f, "PassCredentials={}", yes(on)),
            Self::PipeSize(bytes) => write!(f, "PipeSize={bytes}"),
        }
    }
}
