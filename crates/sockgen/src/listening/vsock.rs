//! Sockets of vsock(7). The kernel shows them in no file of /proc, and its socket monitor is a module that few have, so the descriptors of a
//! process are asked one by one: pidfd_getfd(2), getsockname(2). Nothing is changed by that, and each copy is closed at once.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use nix::sys::socket::{VsockAddr, getsockname};
use rustix::net::{AddressFamily, sockopt};
use rustix::process::{ForeignRawFd, Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::Inode;
use crate::endpoint::Vsock;

/// Those of the process that listen on `sought`.
pub(super) fn of_process(pid: u32, sought: Vsock) -> io::Result<Vec<Inode>> {
    let folder = PathBuf::from(format!("/proc/{pid}/fd"));
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let process = pidfd_open(process, PidfdFlags::empty())?;
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.flatten() {
        let Some(inode @ Inode::Socket(_)) = Inode::of_descriptor(&entry.path()) else { continue };
        let number = entry.file_name().to_str().and_then(|name| name.parse::<ForeignRawFd>().ok());
        let Some(number) = number else { continue };
        let socket = match pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) {
            Ok(socket) => socket,
            // Closed meanwhile.
            Err(rustix::io::Errno::BADF) => continue,
            Err(error) => return Err(error.into()),
        };
        let is_vsock = sockopt::socket_domain(&socket) == Ok(AddressFamily::VSOCK);
        if !is_vsock || sockopt::socket_acceptconn(&socket) != Ok(true) {
            continue;
        }
        let at = getsockname::<VsockAddr>(socket.as_raw_fd()).map_err(io::Error::from)?;
        if (at.cid(), at.port()) == (sought.number(), sought.port) {
            found.push(inode);
        }
    }
    Ok(found)
}
