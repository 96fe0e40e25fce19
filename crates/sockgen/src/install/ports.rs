//! Whether an address is free, and who has it when it is not.

use std::fs;
use std::net::SocketAddr;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use super::systemd;
use crate::address::Address;
use crate::listening::Table;

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
pub(crate) fn try_address(address: &Address) -> Tried {
    match address {
        Address::Tcp(tcp) => match try_bind(*tcp) {
            Ok(()) => Tried::Free,
            Err(Errno::ADDRINUSE) => Tried::Taken(holder(address, &in_the_way(address))),
            Err(Errno::ADDRNOTAVAIL) => Tried::NotHere,
            // A port below 1024, tried without root: only root will listen on it.
            Err(Errno::ACCESS) => match in_the_way(address) {
                inodes if inodes.is_empty() => Tried::Free,
                inodes => Tried::Taken(holder(address, &inodes)),
            },
            Err(error) => Tried::Refused(error.to_string()),
        },
        Address::Unix(path) => {
            let inodes = in_the_way(address);
            if !inodes.is_empty() {
                return Tried::Taken(holder(address, &inodes));
            }
            match fs::symlink_metadata(path) {
                // systemd replaces a socket that nobody listens on any more.
                Ok(found) if !is_socket(&found) => Tried::Refused("it is not a socket".into()),
                _ => Tried::Free,
            }
        }
    }
}

fn is_socket(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    found.file_type().is_socket()
}

/// Binds as systemd will. With `SO_REUSEADDR` only a listening socket is in the way.
fn try_bind(address: SocketAddr) -> Result<(), Errno> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    bind(&socket, &address)
}

/// The inodes of the listening sockets that are in the way of an address.
fn in_the_way(address: &Address) -> Vec<u64> {
    let tables: &[Table] = match address {
        Address::Tcp(_) => &[Table::Tcp, Table::Tcp6],
        Address::Unix(_) => &[Table::Unix],
    };
    let overlap = |table: &Table| table.listening(|at| at.overlaps(address)).unwrap_or_default();
    tables.iter().flat_map(overlap).collect()
}

/// The process with the lowest number that holds one of the sockets; systemd before its services.
fn holder(address: &Address, inodes: &[u64]) -> Holder {
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    let Some(pid) = pids.into_iter().find(|pid| holds(*pid, &links)) else {
        return Holder::default();
    };
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let command = comm.trim().chars().filter(|c| !c.is_control()).collect();
    let unit = match pid {
        1 => systemd::socket_unit_of(address),
        _ => unit_of(&fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default()),
    };
    Holder { pid: Some(pid), command, unit }
}

fn holds(pid: u32, links: &[String]) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().any(|entry| {
        let link = entry.and_then(|entry| fs::read_link(entry.path()));
        link.is_ok_and(|to| links.iter().any(|link| to.as_os_str() == link.as_str()))
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
    use super::*;

    #[test]
    fn a_port_of_ours_is_taken_by_this_process() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(any) else { continue };
            let address = Address::Tcp(listener.local_addr().unwrap());
            let Tried::Taken(holder) = try_address(&address) else { panic!("{address} is free") };
            assert_eq!(holder.pid, Some(std::process::id()));
            drop(listener);
            assert_eq!(try_address(&address), Tried::Free);
        }
    }

    #[test]
    fn a_path_is_taken_while_somebody_listens_and_free_when_stale() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let address = Address::Unix(path.clone());
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let Tried::Taken(holder) = try_address(&address) else { panic!("free") };
        assert_eq!(holder.pid, Some(std::process::id()));
        drop(listener);
        assert_eq!(try_address(&address), Tried::Free);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(try_address(&address), Tried::Refused("it is not a socket".into()));
    }

    #[test]
    fn the_service_of_a_cgroup() {
        assert_eq!(unit_of("0::/system.slice/nginx.service\n"), Some("nginx.service".into()));
        assert_eq!(unit_of("0::/user.slice/session-1.scope\n"), None);
    }
}
