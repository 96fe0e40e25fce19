//! One message on its way: a datagram, with descriptors where the address is a unix socket.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket as nixs;
use rustix::io::retry_on_intr;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, sendmsg, sendmsg_addr, socket_with,
};

use super::NotifyError;
use super::address::{Address, VsockKind};

/// `SCM_MAX_FD` of unix(7).
const MAX_FDS: usize = 253;

/// Sends one message. Waits while the receiver's queue is full.
pub(super) fn send(
    address: &Address,
    message: &str,
    fds: &[BorrowedFd<'_>],
) -> Result<(), NotifyError> {
    if fds.len() > MAX_FDS {
        return Err(NotifyError::TooManyFds { count: fds.len(), max: MAX_FDS });
    }
    let connect = |source| NotifyError::Connect { address: address.to_string(), source };
    let sent = match address {
        Address::Path(path) => {
            to_unix(&SocketAddrUnix::new(path).map_err(|e| connect(e.into()))?, message, fds)
        }
        Address::Abstract(name) => {
            let name = SocketAddrUnix::new_abstract_name(name);
            to_unix(&name.map_err(|e| connect(e.into()))?, message, fds)
        }
        Address::Vsock { .. } if !fds.is_empty() => {
            return Err(NotifyError::NoFds { address: address.to_string() });
        }
        Address::Vsock { cid, port, kind } => {
            let socket = vsock(*cid, *port, *kind).map_err(connect)?;
            write_all(&socket, message)
        }
    };
    sent.map_err(|source| NotifyError::Send { address: address.to_string(), source })
}

fn to_unix(to: &SocketAddrUnix, message: &str, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(fds.len()))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("the descriptors do not fit into a control message"));
    }
    let text = [IoSlice::new(message.as_bytes())];
    retry_on_intr(|| sendmsg_addr(&socket, to, &text, &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// A connected vsock. Where a transport has no datagrams, sequential packets and then streams are
/// taken, as `sd_notify(3)` does: the end of the connection ends the message.
fn vsock(cid: u32, port: u32, kind: VsockKind) -> io::Result<OwnedFd> {
    let types: &[SocketType] = match kind {
        VsockKind::Any => &[SocketType::DGRAM, SocketType::SEQPACKET, SocketType::STREAM],
        VsockKind::Stream => &[SocketType::STREAM],
        VsockKind::Datagram => &[SocketType::DGRAM],
        VsockKind::Seqpacket => &[SocketType::SEQPACKET],
    };
    let mut last = io::Error::from(io::ErrorKind::Unsupported);
    for kind in types {
        match socket_with(AddressFamily::VSOCK, *kind, SocketFlags::CLOEXEC, None) {
            Ok(socket) => {
                bind_privileged(&socket)?;
                nixs::connect(socket.as_raw_fd(), &nixs::VsockAddr::new(cid, port))?;
                return Ok(socket);
            }
            Err(e) => last = e.into(),
        }
    }
    Err(last)
}

/// Binds to a free port below 1024, by which the receiver sees that root sent it; whoever may not
/// sends from any port, as `sd_notify(3)` does.
fn bind_privileged(socket: &OwnedFd) -> io::Result<()> {
    for port in (1..1024).rev() {
        match nixs::bind(socket.as_raw_fd(), &nixs::VsockAddr::new(u32::MAX, port)) {
            Err(Errno::EADDRINUSE) => {}
            Ok(()) | Err(Errno::EACCES | Errno::EPERM) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

fn write_all(socket: &OwnedFd, message: &str) -> io::Result<()> {
    let mut rest = message.as_bytes();
    while !rest.is_empty() {
        let mut none = SendAncillaryBuffer::default();
        let text = [IoSlice::new(rest)];
        let sent = retry_on_intr(|| sendmsg(socket, &text, &mut none, SendFlags::NOSIGNAL))?;
        rest = &rest[sent..];
    }
    Ok(())
}
