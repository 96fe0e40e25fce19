//! Whether an address is free, and who has it when it is not.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use nix::sys::socket::VsockAddr;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use rustix::process::{getegid, geteuid};

use super::systemd;
use crate::endpoint::{Endpoint, Inet, Vsock};
use crate::listening::{Inode, Table, listening};
use crate::model::{Listener, UnixAccess};

/// What trying an address gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tried {
    Free,
    /// The address belongs to no interface now; it may come later.
    NotHere,
    Taken(Holder),
    /// The kernel refuses for another reason.
    Refused(String),
}

/// Who listens on an address, as far as can be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: Option<u32>,
    pub(crate) command: String,
    pub(crate) unit: Option<String>,
}

impl Holder {
    pub(crate) fn describe(&self) -> String {
        match (self.pid, &self.unit) {
            (None, _) => "another process (only root can see which)".to_owned(),
            (Some(1), Some(unit)) => format!("systemd for {unit}"),
            (Some(pid), Some(unit)) => format!("{} (pid {pid}, {unit})", self.command),
            (Some(pid), None) => format!("{} (pid {pid})", self.command),
        }
    }

    pub(crate) fn hint(&self) -> String {
        let other = "choose another address in the manifest";
        match (self.pid, &self.unit) {
            (_, Some(unit)) => format!("stop it with `systemctl stop {unit}`, or {other}"),
            (Some(1), None) => format!("`systemctl list-sockets` shows its units; {other}"),
            (Some(pid), None) => format!("stop process {pid}, or {other}"),
            (None, None) => format!("only root is told whose it is; or {other}"),
        }
    }
}

/// Tries the address without ever listening, so that no client is taken by mistake.
pub(crate) fn try_listener(listener: &Listener) -> Tried {
    let endpoint = &listener.address;
    let inodes = in_the_way(endpoint);
    let taken = || Tried::Taken(holder(endpoint, &inodes));
    match (endpoint, endpoint.path()) {
        (Endpoint::Fifo(path), _) => try_fifo(path, listener.access.as_ref()),
        (_, Some(_)) if !inodes.is_empty() => taken(),
        (_, Some(path)) => match fs::symlink_metadata(path) {
            // systemd replaces a socket that nobody listens on any more.
            Ok(found) if !found.file_type().is_socket() => {
                Tried::Refused("it is not a socket".into())
            }
            _ => Tried::Free,
        },
        (_, None) => match try_bind(endpoint) {
            Ok(()) => Tried::Free,
            Err(Errno::ADDRINUSE) => taken(),
            Err(Errno::ADDRNOTAVAIL) if endpoint.inet().is_some() => Tried::NotHere,
            // A port below 1024, tried without root: only root will listen on it.
            Err(Errno::ACCESS) if inodes.is_empty() => Tried::Free,
            Err(Errno::ACCESS) => taken(),
            Err(error) => Tried::Refused(error.to_string()),
        },
    }
}

/// systemd takes a FIFO that is there only when it is as it would make it (measured on 252: `File exists`).
fn try_fifo(path: &Path, access: Option<&UnixAccess>) -> Tried {
    let Ok(found) = fs::symlink_metadata(path) else { return Tried::Free };
    let mode = access.map_or(0o660, |access| access.mode);
    let own = geteuid().as_raw();
    if !found.file_type().is_fifo() {
        Tried::Refused("it is not a FIFO".into())
    } else if found.mode() & 0o777 != mode
        || found.uid() != own
        || found.gid() != getegid().as_raw()
    {
        let now = format!("{:04o} of {}:{}", found.mode() & 0o777, found.uid(), found.gid());
        Tried::Refused(format!("a FIFO is there with the mode {now}: remove it"))
    } else {
        Tried::Free
    }
}

/// Binds as systemd will, but for UDP: there `SO_REUSEADDR` would let in a second socket, which takes the first one's datagrams. For TCP only a
/// listening socket is in the way with it.
fn try_bind(endpoint: &Endpoint) -> Result<(), Errno> {
    let (Inet { at, only_v6 }, kind) = match endpoint {
        Endpoint::Tcp(inet) => (inet, SocketType::STREAM),
        Endpoint::Udp(inet) => (inet, SocketType::DGRAM),
        Endpoint::Vsock(vsock) => return try_vsock(*vsock),
        _ => return Ok(()),
    };
    let family = if at.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, kind == SocketType::STREAM)?;
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, *only_v6)?;
    }
    bind(&socket, at)
}

fn try_vsock(vsock: Vsock) -> Result<(), Errno> {
    let at = VsockAddr::new(vsock.number(), vsock.port);
    let socket = socket_with(AddressFamily::VSOCK, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    nix::sys::socket::bind(socket.as_raw_fd(), &at)
        .map_err(|error| Errno::from_raw_os_error(error as i32))
}

/// The sockets that are in the way of an endpoint.
fn in_the_way(endpoint: &Endpoint) -> Vec<Inode> {
    if let Endpoint::Vsock(_) = endpoint {
        // Of these only systemd's are seen.
        return listening(endpoint, 1).unwrap_or_default();
    }
    let overlap = |table: &Table| table.listening(|at| at.overlaps(endpoint)).unwrap_or_default();
    Table::beside(endpoint).iter().flat_map(overlap).map(Inode::Socket).collect()
}

/// The process with the lowest number that holds one of the sockets; systemd before its services.
fn holder(endpoint: &Endpoint, inodes: &[Inode]) -> Holder {
    let Some(pid) = pids().into_iter().find(|pid| holds(*pid, inodes)) else {
        return Holder::default();
    };
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let command = comm.trim().chars().filter(|c| !c.is_control()).collect();
    let unit = match pid {
        1 => systemd::socket_unit_of(endpoint),
        _ => unit_of(&fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default()),
    };
    Holder { pid: Some(pid), command, unit }
}

/// Every process, the lowest number first.
fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

/// Whether PID 1 or a user's own systemd has the socket that listens there, as far as we may see.
pub(crate) fn systemd_has(endpoint: &Endpoint) -> bool {
    let inodes = listening(endpoint, 1).unwrap_or_default();
    let is_systemd = |pid: u32| {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
        pid == 1 || comm.is_ok_and(|comm| comm == "systemd\n")
    };
    !inodes.is_empty() && pids().into_iter().any(|pid| is_systemd(pid) && holds(pid, &inodes))
}

fn holds(pid: u32, inodes: &[Inode]) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().any(|entry| {
        let inode = entry.ok().and_then(|entry| Inode::of_descriptor(&entry.path()));
        inode.is_some_and(|inode| inodes.contains(&inode))
    })
}

/// The service in a cgroup path, such as `nginx.service`.
fn unit_of(cgroups: &str) -> Option<String> {
    let path = cgroups.lines().find_map(|line| line.split_once("::"))?.1;
    let unit = path.split('/').rev().find(|part| part.ends_with(".service"))?;
    Some(unit.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A listener as the manifest makes it.
    fn listener(listen: &str, more: &str) -> Listener {
        let manifest = format!(
            "name = \"shop\"\nexec = \"bin/shop\"\n[listeners.one]\nlisten = {listen:?}\n{more}"
        );
        crate::App::parse(&manifest).unwrap().listeners()[0].clone()
    }

    #[track_caller]
    fn taken_then_free(listener: &Listener, socket: impl AsRawFd) {
        let Tried::Taken(holder) = try_listener(listener) else { panic!("free") };
        assert_eq!(holder.pid, Some(std::process::id()));
        drop(socket);
        assert_eq!(try_listener(listener), Tried::Free);
    }

    #[test]
    fn a_port_of_ours_is_taken_by_this_process() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = std::net::TcpListener::bind(any) else { continue };
            let at = socket.local_addr().unwrap().to_string();
            assert_eq!(try_listener(&listener(&at, "type = \"datagram\"")), Tried::Free);
            taken_then_free(&listener(&at, ""), socket);
            let Ok(socket) = std::net::UdpSocket::bind(any) else { continue };
            let at = socket.local_addr().unwrap().to_string();
            // As those have it whose datagrams a second socket would get.
            sockopt::set_socket_reuseaddr(&socket, true).unwrap();
            taken_then_free(&listener(&at, "type = \"datagram\""), socket);
        }
    }

    #[test]
    fn ipv6_alone_stands_beside_ipv4() {
        let socket = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let at = format!("[::]:{}", socket.local_addr().unwrap().port());
        assert_eq!(try_listener(&listener(&at, "dual_stack = false")), Tried::Free);
        taken_then_free(&listener(&at, ""), socket);
    }

    #[test]
    fn a_path_is_taken_while_somebody_listens_and_free_when_stale() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let at = |more| listener(path.to_str().unwrap(), more);
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(try_listener(&at("type = \"seqpacket\"")), Tried::Taken(_)));
        taken_then_free(&at(""), socket);
        fs::remove_file(&path).unwrap();
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        taken_then_free(&at("type = \"datagram\""), socket);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(try_listener(&at("")), Tried::Refused("it is not a socket".into()));
        let fifo = at("type = \"fifo\"\nmode = \"0640\"");
        assert_eq!(try_listener(&fifo), Tried::Refused("it is not a FIFO".into()));
        fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
        let Tried::Refused(why) = try_listener(&fifo) else { panic!("free") };
        assert!(why.contains("0600"), "{why}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(try_listener(&fifo), Tried::Free);
    }

    #[test]
    fn the_service_of_a_cgroup() {
        assert_eq!(unit_of("0::/system.slice/nginx.service\n"), Some("nginx.service".into()));
        assert_eq!(unit_of("0::/user.slice/session-1.scope\n"), None);
    }
}
