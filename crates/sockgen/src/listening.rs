//! Who listens on this machine, from the kernel's tables (proc(5)), which are those of this network namespace.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::address::Address;

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Of TCP on IPv4.
    Tcp,
    /// Of TCP on IPv6, which may take IPv4 as well.
    Tcp6,
    /// Of unix sockets.
    Unix,
}

impl Table {
    /// The one in which a socket on this address stands.
    #[must_use]
    pub fn of(address: &Address) -> Self {
        match address {
            Address::Tcp(SocketAddr::V4(_)) => Self::Tcp,
            Address::Tcp(SocketAddr::V6(_)) => Self::Tcp6,
            Address::Unix(_) => Self::Unix,
        }
    }

    /// The file.
    #[must_use]
    pub fn path(self) -> &'static Path {
        Path::new(match self {
            Self::Tcp => "/proc/net/tcp",
            Self::Tcp6 => "/proc/net/tcp6",
            Self::Unix => "/proc/net/unix",
        })
    }

    /// The inodes, as in `socket:[4026]`, of the sockets that listen on an address that is `wanted`.
    ///
    /// The kernel lists all that listen on TCP before the connections (its `proc_net_tcp.rst`). Under load there may be tens of
    /// thousands of those, and each costs time and memory, so the reading ends where they begin.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn listening(self, wanted: impl Fn(&Address) -> bool) -> io::Result<Vec<u64>> {
        let mut inodes = Vec::new();
        for line in BufReader::new(File::open(self.path())?).split(b'\n').skip(1) {
            // An abstract socket's name is bytes, and anybody's.
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let row = match self {
                Self::Unix => unix_row(&fields),
                _ if fields.get(3) == Some(&LISTEN) => tcp_row(&fields),
                _ => break,
            };
            inodes.extend(row.filter(|(address, _)| wanted(address)).map(|(_, inode)| inode));
        }
        Ok(inodes)
    }
}

/// The state of a TCP socket that listens (`include/net/tcp_states.h`).
const LISTEN: &str = "0A";

/// `sl local_address rem_address st …`; the tenth field is the inode.
fn tcp_row(fields: &[&str]) -> Option<(Address, u64)> {
    let (ip, port) = fields.get(1)?.split_once(':')?;
    let at = SocketAddr::new(hex_ip(ip)?, u16::from_str_radix(port, 16).ok()?);
    Some((Address::Tcp(at), fields.get(9)?.parse().ok()?))
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

/// `Num RefCount Protocol Flags Type St Inode Path`; the flag 0x10000 is `SO_ACCEPTCON`.
fn unix_row(fields: &[&str]) -> Option<(Address, u64)> {
    let flags = u32::from_str_radix(fields.get(3)?, 16).ok()?;
    let (path, inode) = (fields.get(7)?, fields.get(6)?.parse().ok()?);
    (flags & 0x10000 != 0).then(|| (Address::Unix(path.into()), inode))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};

    use super::{Address, Table};

    fn inode_of(socket: impl AsFd) -> u64 {
        rustix::fs::fstat(socket).expect("fstat of an open socket").st_ino
    }

    fn on(address: &Address) -> Vec<u64> {
        Table::of(address).listening(|at| at == address).expect("/proc is there")
    }

    #[track_caller]
    fn check(address: &str) {
        let Ok(socket) = TcpListener::bind(address) else { panic!("cannot bind {address}") };
        let at = socket.local_addr().expect("a bound socket has an address");
        assert_eq!(on(&Address::Tcp(at)), [inode_of(&socket)]);
        // Connections to it stand after it, and after a listener that is younger than they are.
        let connected: Vec<_> = (0..8).map(|_| TcpStream::connect(at).expect("connect")).collect();
        let Ok(younger) = TcpListener::bind((at.ip(), 0)) else { panic!("cannot bind {at}") };
        let also = younger.local_addr().expect("a bound socket has an address");
        assert_eq!(on(&Address::Tcp(also)), [inode_of(&younger)]);
        drop((socket, connected));
        assert!(on(&Address::Tcp(at)).is_empty());
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
        assert_eq!(on(&Address::Unix(path)), [inode_of(&socket)]);
    }
}
