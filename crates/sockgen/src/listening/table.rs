//! The kernel's tables of sockets (proc(5)).

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use rustix::net::AddressFamily;

use super::diag;
use crate::endpoint::{Endpoint, Inet};

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Of TCP on IPv4.
    Tcp,
    /// Of TCP on IPv6, which may take IPv4 as well.
    Tcp6,
    /// Of UDP on IPv4.
    Udp,
    /// Of UDP on IPv6, which may take IPv4 as well.
    Udp6,
    /// Of unix sockets.
    Unix,
}

impl Table {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [Self::Tcp, Self::Tcp6, Self::Udp, Self::Udp6, Self::Unix];

    /// The one in which such a socket stands; there is none of FIFOs, nor of vsock(7).
    #[must_use]
    pub fn of(endpoint: &Endpoint) -> Option<Self> {
        Some(match endpoint {
            Endpoint::Tcp(inet) if inet.at.is_ipv4() => Self::Tcp,
            Endpoint::Tcp(_) => Self::Tcp6,
            Endpoint::Udp(inet) if inet.at.is_ipv4() => Self::Udp,
            Endpoint::Udp(_) => Self::Udp6,
            Endpoint::Unix(_) | Endpoint::UnixDatagram(_) | Endpoint::UnixSeqpacket(_) => {
                Self::Unix
            }
            Endpoint::Fifo(_) | Endpoint::Vsock(_) => return None,
        })
    }

    /// Those in which sockets stand that can be in the way of one.
    #[must_use]
    pub fn beside(endpoint: &Endpoint) -> &'static [Self] {
        match endpoint {
            Endpoint::Tcp(_) => &[Self::Tcp, Self::Tcp6],
            Endpoint::Udp(_) => &[Self::Udp, Self::Udp6],
            Endpoint::Vsock(_) => &[],
            _ => &[Self::Unix],
        }
    }

    /// The file.
    #[must_use]
    pub fn path(self) -> &'static Path {
        Path::new(match self {
            Self::Tcp => "/proc/net/tcp",
            Self::Tcp6 => "/proc/net/tcp6",
            Self::Udp => "/proc/net/udp",
            Self::Udp6 => "/proc/net/udp6",
            Self::Unix => "/proc/net/unix",
        })
    }

    /// The inodes, as in `socket:[4026]`, of the sockets that listen where it is `wanted`.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn listening(self, wanted: impl Fn(&Endpoint) -> bool) -> io::Result<Vec<u64>> {
        let mut inodes = Vec::new();
        self.each(|endpoint, inode| inodes.extend(wanted(&endpoint).then_some(inode)))?;
        Ok(inodes)
    }

    /// Every socket that listens.
    pub(super) fn each(self, mut found: impl FnMut(Endpoint, u64)) -> io::Result<()> {
        let family = match self {
            Self::Tcp => AddressFamily::INET,
            Self::Tcp6 => AddressFamily::INET6,
            _ => return self.read(found),
        };
        match diag::listening(family) {
            Ok(sockets) => {
                for (at, inode) in sockets {
                    found(Endpoint::Tcp(Inet { at, only_v6: false }), inode);
                }
                Ok(())
            }
            // In a container whose kernel has not loaded sock_diag(7), or that may not use it, there is the file.
            Err(_) => self.read(found),
        }
    }

    /// The same from the file.
    ///
    /// The kernel lists all that listen on TCP before the connections (its `proc_net_tcp.rst`). Under load there may be tens of
    /// thousands of those, and each costs time and memory, so the reading ends where they begin.
    fn read(self, mut found: impl FnMut(Endpoint, u64)) -> io::Result<()> {
        for line in BufReader::new(File::open(self.path())?).split(b'\n').skip(1) {
            // An abstract socket's name is bytes, and anybody's.
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let row = match self {
                Self::Unix => unix_row(&fields),
                Self::Udp | Self::Udp6 => udp_row(&fields),
                Self::Tcp | Self::Tcp6 if fields.get(3) == Some(&LISTEN) => {
                    inet_row(&fields).map(|(inet, inode)| (Endpoint::Tcp(inet), inode))
                }
                Self::Tcp | Self::Tcp6 => break,
            };
            if let Some((endpoint, inode)) = row {
                found(endpoint, inode);
            }
        }
        Ok(())
    }
}

/// The state of a TCP socket that listens (`include/net/tcp_states.h`).
const LISTEN: &str = "0A";

/// The state of a UDP socket that is not connected to one peer.
const UNCONNECTED: &str = "07";

fn udp_row(fields: &[&str]) -> Option<(Endpoint, u64)> {
    let open = fields.get(3) == Some(&UNCONNECTED);
    let (inet, inode) = open.then(|| inet_row(fields))??;
    Some((Endpoint::Udp(inet), inode))
}

/// `sl local_address rem_address st …`; the tenth field is the inode.
fn inet_row(fields: &[&str]) -> Option<(Inet, u64)> {
    let (ip, port) = fields.get(1)?.split_once(':')?;
    let at = SocketAddr::new(hex_ip(ip)?, u16::from_str_radix(port, 16).ok()?);
    Some((Inet { at, only_v6: false }, fields.get(9)?.parse().ok()?))
}

/// Each group of eight digits is a 32-bit word in the machine's byte order.
fn hex_ip(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for at in (0..text.len()).step_by(8) {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|b| Ipv4Addr::from(b).into()),
        _ => <[u8; 16]>::try_from(bytes).ok().map(|b| Ipv6Addr::from(b).into()),
    }
}

/// `Num RefCount Protocol Flags Type St Inode Path`; the flag 0x10000 is `SO_ACCEPTCON`. Of sockets for datagrams only the bound one has the path.
fn unix_row(fields: &[&str]) -> Option<(Endpoint, u64)> {
    let flags = u32::from_str_radix(fields.get(3)?, 16).ok()?;
    let (path, inode) = (fields.get(7)?.into(), fields.get(6)?.parse().ok()?);
    let accepts = flags & 0x10000 != 0;
    let endpoint = match (*fields.get(4)?, accepts) {
        ("0001", true) => Endpoint::Unix(path),
        ("0002", _) => Endpoint::UnixDatagram(path),
        ("0005", true) => Endpoint::UnixSeqpacket(path),
        _ => return None,
    };
    Some((endpoint, inode))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};

    use super::{Endpoint, Inet, Table};

    fn tcp(at: std::net::SocketAddr) -> Endpoint {
        Endpoint::Tcp(Inet { at, only_v6: false })
    }

    fn inode_of(socket: impl AsFd) -> u64 {
        rustix::fs::fstat(socket).expect("fstat of an open socket").st_ino
    }

    fn on(endpoint: &Endpoint) -> Vec<u64> {
        let table = Table::of(endpoint).expect("there is a table of these");
        table.listening(|at| at == endpoint).expect("/proc is there")
    }

    /// The same, where the kernel answers no sock_diag(7).
    fn in_file(endpoint: &Endpoint) -> Vec<u64> {
        let table = Table::of(endpoint).expect("there is a table of these");
        let mut inodes = Vec::new();
        let each = |at, inode| inodes.extend((at == *endpoint).then_some(inode));
        table.read(each).expect("/proc is there");
        inodes
    }

    #[track_caller]
    fn check(address: &str) {
        let Ok(socket) = TcpListener::bind(address) else { panic!("cannot bind {address}") };
        let at = socket.local_addr().expect("a bound socket has an address");
        assert_eq!(on(&tcp(at)), [inode_of(&socket)]);
        assert_eq!(in_file(&tcp(at)), [inode_of(&socket)]);
        // Connections to it stand after it, and after a listener that is younger than they are.
        let connected: Vec<_> = (0..8).map(|_| TcpStream::connect(at).expect("connect")).collect();
        let Ok(younger) = TcpListener::bind((at.ip(), 0)) else { panic!("cannot bind {at}") };
        let also = younger.local_addr().expect("a bound socket has an address");
        assert_eq!(on(&tcp(also)), [inode_of(&younger)]);
        assert_eq!(in_file(&tcp(also)), [inode_of(&younger)]);
        drop((socket, connected));
        assert!(on(&tcp(at)).is_empty());
    }

    #[test]
    fn finds_ipv4() {
        check("127.0.0.1:0");
    }

    #[test]
    fn finds_ipv6() {
        check("[::1]:0");
    }

    #[test]
    fn finds_unix_beside_a_name_that_is_no_text() {
        let name = [b"\xff", &std::process::id().to_ne_bytes()[..]].concat();
        let name = SocketAddr::from_abstract_name(name).expect("a name");
        let _odd = UnixListener::bind_addr(&name).expect("bind to a name of this process");
        let home = tempfile::tempdir().expect("a directory for the test");
        let path = home.path().join("api.sock");
        let socket = UnixListener::bind(&path).expect("bind in a fresh directory");
        assert_eq!(on(&Endpoint::Unix(path)), [inode_of(&socket)]);
    }

    #[test]
    fn finds_udp_but_not_what_talks_to_it() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = UdpSocket::bind(any) else { panic!("cannot bind {any}") };
            let at = socket.local_addr().expect("a bound socket has an address");
            let Ok(client) = UdpSocket::bind((at.ip(), 0)) else { panic!("cannot bind {at}") };
            client.connect(at).expect("connect");
            let from = client.local_addr().expect("a bound socket has an address");
            let udp = |at| Endpoint::Udp(Inet { at, only_v6: false });
            assert_eq!(on(&udp(at)), [inode_of(&socket)]);
            assert!(on(&udp(from)).is_empty(), "a connected socket listens to nobody else");
            assert!(on(&tcp(at)).is_empty(), "TCP has ports of its own");
        }
    }

    #[test]
    fn tells_the_kinds_of_unix_sockets_apart() {
        let home = tempfile::tempdir().expect("a directory for the test");
        let [datagram, packets] = ["datagram", "packets"].map(|name| home.path().join(name));
        let bound = UnixDatagram::bind(&datagram).expect("bind in a fresh directory");
        let client = UnixDatagram::unbound().expect("a socket");
        client.connect(&datagram).expect("connect");
        let listener = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).expect("a socket");
        bind(&listener, &SocketAddrUnix::new(&packets).expect("a path")).expect("bind");
        assert!(on(&Endpoint::UnixSeqpacket(packets.clone())).is_empty(), "it does not listen yet");
        listen(&listener, 1).expect("listen");
        assert_eq!(on(&Endpoint::UnixDatagram(datagram.clone())), [inode_of(&bound)]);
        assert_eq!(on(&Endpoint::UnixSeqpacket(packets.clone())), [inode_of(&listener)]);
        for other in [Endpoint::Unix(datagram), Endpoint::Unix(packets)] {
            assert!(on(&other).is_empty(), "{other}");
        }
    }
}
