//! What a passed descriptor is.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, FsWord};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketType, ipproto, sockopt};

/// What a descriptor is, as the kernel tells it: `SO_DOMAIN`, `SO_TYPE`, `SO_PROTOCOL` and
/// `SO_ACCEPTCONN` of a socket (`socket(7)`), the type of a file (`fstat(2)`).
///
/// The setting of `systemd.socket(5)` that makes each is named with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A listening TCP socket, IPv4 or IPv6, MPTCP included (`ListenStream=80`).
    TcpListener,
    /// A listening unix stream socket (`ListenStream=/run/…`).
    UnixListener,
    /// A TCP connection (`Accept=yes`), or a TCP socket that does not listen.
    TcpStream,
    /// A unix stream socket that does not listen (`Accept=yes`).
    UnixStream,
    /// A UDP socket (`ListenDatagram=53`).
    Udp,
    /// A unix datagram socket (`ListenDatagram=/run/…`).
    UnixDatagram,
    /// A unix sequential-packet socket that does not listen (`Accept=yes`).
    UnixSeqpacket,
    /// A listening unix sequential-packet socket (`ListenSequentialPacket=`).
    UnixSeqpacketListener,
    /// A listening vsock(7) stream socket (`ListenStream=vsock:…`).
    VsockListener,
    /// A vsock(7) stream socket that does not listen (`Accept=yes`).
    VsockStream,
    /// A vsock(7) datagram socket (`ListenDatagram=vsock:…`).
    VsockDatagram,
    /// A netlink(7) socket (`ListenNetlink=`).
    Netlink,
    /// A socket of another family, type or protocol (SCTP, UDP-Lite, raw).
    OtherSocket,
    /// A FIFO or pipe (`ListenFIFO=`).
    Fifo,
    /// A regular file or character device (`ListenSpecial=`, `OpenFile=`, a memfd in the store).
    Special,
    /// A POSIX message queue (`ListenMessageQueue=`, mq_overview(7)).
    MessageQueue,
    /// Another file: a directory, a block device, an epoll or pidfd from the store.
    NoSocket,
}

/// `MQUEUE_MAGIC` of the kernel's `include/uapi/linux/magic.h`.
const MQUEUE_MAGIC: FsWord = 0x1980_0202;

impl Kind {
    /// Asks the kernel what `fd` is.
    ///
    /// ```
    /// use sockact::Kind;
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// assert_eq!(Kind::of(&socket)?, Kind::Udp);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// That of fstat(2) or getsockopt(2).
    pub fn of(fd: impl std::os::fd::AsFd) -> io::Result<Kind> {
        let fd = fd.as_fd();
        match sockopt::socket_domain(fd) {
            Err(Errno::NOTSOCK) => Kind::of_file(fd),
            domain => Kind::of_socket(fd, domain?),
        }
    }

    fn of_file(fd: BorrowedFd<'_>) -> io::Result<Kind> {
        Ok(match FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) {
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::Special,
            // Message queues are regular files of a file system of their own.
            FileType::RegularFile => match rustix::fs::fstatfs(fd)?.f_type {
                MQUEUE_MAGIC => Kind::MessageQueue,
                _ => Kind::Special,
            },
            _ => Kind::NoSocket,
        })
    }

    /// What is commonest costs the fewest questions: a TCP or unix listener three.
    fn of_socket(fd: BorrowedFd<'_>, domain: AddressFamily) -> io::Result<Kind> {
        let listens = sockopt::socket_acceptconn(fd)?;
        if matches!(domain, AddressFamily::INET | AddressFamily::INET6) {
            return Kind::of_inet(fd, listens);
        }
        let kind = sockopt::socket_type(fd)?;
        Ok(match domain {
            AddressFamily::UNIX => match kind {
                SocketType::STREAM if listens => Kind::UnixListener,
                SocketType::STREAM => Kind::UnixStream,
                SocketType::DGRAM => Kind::UnixDatagram,
                SocketType::SEQPACKET if listens => Kind::UnixSeqpacketListener,
                SocketType::SEQPACKET => Kind::UnixSeqpacket,
                _ => Kind::OtherSocket,
            },
            AddressFamily::VSOCK => match kind {
                SocketType::STREAM if listens => Kind::VsockListener,
                SocketType::STREAM => Kind::VsockStream,
                SocketType::DGRAM => Kind::VsockDatagram,
                _ => Kind::OtherSocket,
            },
            AddressFamily::NETLINK => Kind::Netlink,
            _ => Kind::OtherSocket,
        })
    }

    fn of_inet(fd: BorrowedFd<'_>, listens: bool) -> io::Result<Kind> {
        let protocol = sockopt::socket_protocol(fd)?;
        if listens {
            // Only a stream listens: a raw socket of the same protocol cannot.
            let tcp = protocol.is_some_and(is_tcp);
            return Ok(if tcp { Kind::TcpListener } else { Kind::OtherSocket });
        }
        Ok(match (sockopt::socket_type(fd)?, protocol) {
            (SocketType::STREAM, Some(p)) if is_tcp(p) => Kind::TcpStream,
            (SocketType::DGRAM, Some(ipproto::UDP)) => Kind::Udp,
            _ => Kind::OtherSocket,
        })
    }

    /// Whether connections are accepted from it (`SO_ACCEPTCONN`).
    pub fn is_listener(self) -> bool {
        matches!(
            self,
            Kind::TcpListener
                | Kind::UnixListener
                | Kind::UnixSeqpacketListener
                | Kind::VsockListener
        )
    }
}

fn is_tcp(protocol: Protocol) -> bool {
    protocol == ipproto::TCP || protocol == ipproto::MPTCP
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::TcpListener => "TCP listener",
            Kind::UnixListener => "unix listener",
            Kind::TcpStream => "TCP socket that does not listen (Accept=yes?)",
            Kind::UnixStream => "unix stream socket that does not listen (Accept=yes?)",
            Kind::Udp => "UDP socket",
            Kind::UnixDatagram => "unix datagram socket",
            Kind::UnixSeqpacket => "unix seqpacket socket that does not listen (Accept=yes?)",
            Kind::UnixSeqpacketListener => "unix seqpacket listener",
            Kind::VsockListener => "vsock listener",
            Kind::VsockStream => "vsock socket that does not listen (Accept=yes?)",
            Kind::VsockDatagram => "vsock datagram socket",
            Kind::Netlink => "netlink socket",
            Kind::OtherSocket => "socket of another family",
            Kind::Fifo => "FIFO",
            Kind::Special => "file or character device",
            Kind::MessageQueue => "POSIX message queue",
            Kind::NoSocket => "file that is no socket",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use rustix::net::{self, SocketFlags};

    use super::*;

    #[track_caller]
    fn check(fd: impl AsFd, expected: Kind) {
        assert_eq!(Kind::of(fd).unwrap(), expected);
    }

    fn socket(
        family: AddressFamily,
        kind: SocketType,
        protocol: Option<Protocol>,
    ) -> Option<std::os::fd::OwnedFd> {
        net::socket_with(family, kind, SocketFlags::CLOEXEC, protocol).ok()
    }

    #[test]
    fn sockets() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        check(&tcp, Kind::TcpListener);
        check(TcpStream::connect(tcp.local_addr().unwrap()).unwrap(), Kind::TcpStream);
        check(UdpSocket::bind("127.0.0.1:0").unwrap(), Kind::Udp);
        check(UnixStream::pair().unwrap().0, Kind::UnixStream);
        check(UnixDatagram::unbound().unwrap(), Kind::UnixDatagram);
        let seqpacket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
        check(&seqpacket, Kind::UnixSeqpacket);
        net::bind(&seqpacket, &net::SocketAddrUnix::new_unnamed()).unwrap();
        net::listen(&seqpacket, 1).unwrap();
        check(&seqpacket, Kind::UnixSeqpacketListener);
        check(socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap(), Kind::Netlink);
        let icmp = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP));
        check(icmp.expect("raw sockets need root"), Kind::OtherSocket);
        // Protocols that a kernel may lack: what it has is told apart from TCP and UDP.
        for (kind, protocol, expected) in [
            (SocketType::STREAM, ipproto::MPTCP, Kind::TcpStream),
            (SocketType::STREAM, ipproto::SCTP, Kind::OtherSocket),
            (SocketType::DGRAM, ipproto::UDPLITE, Kind::OtherSocket),
        ] {
            if let Some(socket) = socket(AddressFamily::INET, kind, Some(protocol)) {
                check(socket, expected);
            }
        }
        if let Some(vsock) = socket(AddressFamily::VSOCK, SocketType::STREAM, None) {
            check(vsock, Kind::VsockStream);
        }
    }

    #[test]
    fn files() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        check(read, Kind::Fifo);
        check(write, Kind::Fifo);
        check(std::fs::File::open("/dev/null").unwrap(), Kind::Special);
        check(tempfile::tempfile().unwrap(), Kind::Special);
        check(std::fs::File::open("/").unwrap(), Kind::NoSocket);
    }

    #[test]
    fn message_queue() {
        use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_unlink};
        let name = format!("/sockact-kind-{}", std::process::id());
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDONLY;
        let mode = nix::sys::stat::Mode::S_IRUSR;
        let queue = mq_open(name.as_str(), flags, mode, Some(&MqAttr::new(0, 1, 16, 0))).unwrap();
        mq_unlink(name.as_str()).unwrap();
        check(&queue, Kind::MessageQueue);
    }
}
