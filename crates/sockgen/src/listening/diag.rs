//! What listens on TCP, as the kernel tells whoever asks for that alone (sock_diag(7)). To find the end of the file `/proc/net/tcp` it looks
//! into every place where a connection could be: a millisecond or two of a processor that users could have.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

/// `SOCK_DIAG_BY_FAMILY`, of `linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`, of netlink(7).
const DUMP: u16 = 0x301;
/// `NLMSG_ERROR` and `NLMSG_DONE`, of netlink(7).
const ERROR: u16 = 2;
const DONE: u16 = 3;
const TCP: u8 = 6;
/// The set of the one state `TCP_LISTEN`, of `include/net/tcp_states.h`.
const LISTENING: u32 = 1 << 10;
/// `struct nlmsghdr`, and `struct inet_diag_req_v2` with its sockets left empty.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;

/// The address of every socket of this family that listens, with its inode.
///
/// # Errors
/// When the kernel does not answer such questions, or not to this process.
pub(super) fn listening(family: AddressFamily) -> io::Result<Vec<(SocketAddr, u64)>> {
    let flags = SocketFlags::CLOEXEC;
    let kernel = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
    sendto(&kernel, &request(family), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut found = Vec::new();
    // What the kernel puts into one datagram is less (netlink(7)).
    let mut buffer = vec![0; 1 << 16];
    loop {
        let (length, _) = recv(&kernel, &mut buffer[..], RecvFlags::empty())?;
        if each(&buffer[..length], family, &mut found)? {
            return Ok(found);
        }
    }
}

fn request(family: AddressFamily) -> Vec<u8> {
    let mut request = Vec::with_capacity(REQUEST);
    request.extend((REQUEST as u32).to_ne_bytes());
    request.extend(BY_FAMILY.to_ne_bytes());
    request.extend(DUMP.to_ne_bytes());
    request.resize(HEADER, 0);
    request.extend([family.as_raw() as u8, TCP, 0, 0]);
    request.extend(LISTENING.to_ne_bytes());
    request.resize(REQUEST, 0);
    request
}

/// Reads the messages of one datagram; whether the last of them was the end.
fn each(
    mut datagram: &[u8],
    family: AddressFamily,
    found: &mut Vec<(SocketAddr, u64)>,
) -> io::Result<bool> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "sock_diag: a message is cut short");
    while !datagram.is_empty() {
        let length = u32_at(datagram, 0).ok_or_else(broken)? as usize;
        let message = datagram.get(HEADER..length).ok_or_else(broken)?;
        match u16_at(datagram, 4).ok_or_else(broken)? {
            DONE => return Ok(true),
            ERROR => {
                let error = u32_at(message, 0).ok_or_else(broken)?.cast_signed();
                return Err(io::Error::from_raw_os_error(-error));
            }
            BY_FAMILY => found.push(socket(message, family).ok_or_else(broken)?),
            _ => {}
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// Of a `struct inet_diag_msg`: the port and the address are as on the network, the inode is the last field.
fn socket(message: &[u8], family: AddressFamily) -> Option<(SocketAddr, u64)> {
    let port = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
    let ip: IpAddr = if family == AddressFamily::INET {
        Ipv4Addr::from(<[u8; 4]>::try_from(message.get(8..12)?).ok()?).into()
    } else {
        Ipv6Addr::from(<[u8; 16]>::try_from(message.get(8..24)?).ok()?).into()
    };
    Some((SocketAddr::new(ip, port), u32_at(message, 68)?.into()))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::AddressFamily;

    use super::{each, listening};

    #[test]
    fn tells_more_listeners_than_fit_into_a_datagram() {
        let open: Vec<_> =
            (0..500).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let found = listening(AddressFamily::INET).expect("the kernel has sock_diag");
        for socket in open {
            let at = socket.local_addr().expect("a bound socket has an address");
            let inode = rustix::fs::fstat(&socket).expect("fstat of an open socket").st_ino;
            assert_eq!(found.iter().filter(|found| **found == (at, inode)).count(), 1, "{at}");
        }
    }

    #[test]
    fn a_refusal_and_a_broken_answer_are_errors() {
        let read = |bytes: &[u8]| each(bytes, AddressFamily::INET, &mut Vec::new());
        let message = |kind: u16, body: &[u8]| {
            let length = (super::HEADER + body.len()) as u32;
            [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], body].concat()
        };
        let refused = read(&message(super::ERROR, &(-2_i32).to_ne_bytes())).expect_err("refused");
        assert_eq!(refused.raw_os_error(), Some(2));
        assert!(read(&message(super::DONE, &[])).expect("an end"));
        assert!(!read(&message(4, &[])).expect("nothing of ours"));
        for length in 1..40 {
            let whole = message(super::BY_FAMILY, &[0; 72]);
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        assert!(read(&message(super::BY_FAMILY, &[0; 71])).is_err());
        // A length of 0 would never end.
        assert!(read(&[0; 16]).is_err());
    }
}
