//! Who holds which listening socket, read from the kernel's own tables: systemd's word proves nothing here.

use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Sandbox;

// States as the kernel writes them, include/net/tcp_states.h.
const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

impl Sandbox {
    /// The inode of the TCP socket that listens on this address, from `/proc/net/tcp`, proc_pid_net(5).
    ///
    /// # Panics
    /// When the text is no address, or the table cannot be read.
    #[must_use]
    pub fn listening_inode(&self, address: &str) -> Option<u64> {
        let (table, address) = self.table(address);
        find(&table, address, LISTEN).next()
    }

    /// How many TCP connections the server's side of this address has open.
    ///
    /// # Panics
    /// When the text is no address, or the table cannot be read.
    #[must_use]
    pub fn connections_to(&self, address: &str) -> usize {
        let (table, address) = self.table(address);
        find(&table, address, ESTABLISHED).count()
    }

    fn table(&self, address: &str) -> (String, SocketAddr) {
        let address: SocketAddr = address.parse().unwrap_or_else(|e| panic!("{address:?}: {e}"));
        let table = if address.is_ipv4() { "tcp" } else { "tcp6" };
        let path = format!("/proc/{}/net/{table}", self.pid1.as_raw_nonzero());
        let table = fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {path}: {e}"));
        (table, address)
    }

    /// Whether systemd itself has this socket open.
    ///
    /// # Panics
    /// When its descriptors cannot be listed.
    #[must_use]
    pub fn pid1_holds(&self, inode: u64) -> bool {
        let path = format!("/proc/{}/fd", self.pid1.as_raw_nonzero());
        let descriptors = fs::read_dir(&path).unwrap_or_else(|e| panic!("cannot list {path}: {e}"));
        let socket = format!("socket:[{inode}]");
        // One that was closed since it was listed cannot be the one: a listening socket stays.
        descriptors
            .flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|link| link.as_os_str() == &*socket)
    }

    /// Connects to a server in the sandbox, from the test's own process.
    ///
    /// # Errors
    /// Those of [`TcpStream::connect`].
    pub fn connect(&self, address: &str) -> io::Result<TcpStream> {
        self.in_network(|| TcpStream::connect(address))
    }

    /// Listens in the sandbox, from the test's own process.
    ///
    /// # Errors
    /// Those of [`TcpListener::bind`].
    pub fn bind(&self, address: &str) -> io::Result<TcpListener> {
        self.in_network(|| TcpListener::bind(address))
    }

    /// A network namespace is a thread's own, and a socket stays in the one in which it was made.
    fn in_network<T: Send>(&self, make: impl FnOnce() -> T + Send) -> T {
        let path = format!("/proc/{}/ns/net", self.pid1.as_raw_nonzero());
        let namespace = File::open(&path).unwrap_or_else(|e| panic!("cannot open {path}: {e}"));
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .unwrap_or_else(|e| panic!("cannot enter {path}: {e}"));
                make()
            });
            inside.join().expect("making a socket does not panic")
        })
    }
}

/// The inodes of the sockets with this address as their own, in this state.
fn find(table: &str, address: SocketAddr, state: &str) -> impl Iterator<Item = u64> {
    let local = in_table(address);
    table.lines().skip(1).filter_map(move |line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let found = fields.get(1) == Some(&&*local) && fields.get(3) == Some(&state);
        found.then(|| fields.get(9)?.parse().ok())?
    })
}

/// An address as the kernel writes it: words of 32 bits in the machine's own byte order.
fn in_table(address: SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = octets
        .chunks_exact(4)
        .map(|w| format!("{:08X}", u32::from_ne_bytes([w[0], w[1], w[2], w[3]])));
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_listening_socket_and_no_connection() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 0100007F:AAAA 01 00000000:00000000 00:00000000 00000000     0        0 7 1 f 100\n\
             1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 f 100\n";
        let find =
            |address: &str, state| find(table, address.parse().unwrap(), state).collect::<Vec<_>>();
        assert_eq!(find("127.0.0.1:8080", LISTEN), [4711]);
        assert_eq!(find("127.0.0.1:8080", ESTABLISHED), [7]);
        assert_eq!(find("127.0.0.1:8081", LISTEN), [0; 0]);
        assert_eq!(in_table("[::1]:80".parse().unwrap()), "00000000000000000000000001000000:0050");
    }
}
