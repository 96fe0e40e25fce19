//! Whether an address is free, and who has it when it is not.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use super::systemd;
use crate::address::Address;

/// The state `LISTEN` in `/proc/net/tcp` (proc_net_tcp.txt of the kernel).
const LISTEN: &str = "0A";

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
            Err(Errno::ADDRINUSE) => Tried::Taken(holder(address, &listening_tcp(*tcp))),
            Err(Errno::ADDRNOTAVAIL) => Tried::NotHere,
            // A port below 1024, tried without root: only root will listen on it.
            Err(Errno::ACCESS) => match listening_tcp(*tcp) {
                inodes if inodes.is_empty() => Tried::Free,
                inodes => Tried::Taken(holder(address, &inodes)),
            },
            Err(error) => Tried::Refused(error.to_string()),
        },
        Address::Unix(path) => {
            let inodes = listening_unix(path);
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

/// The inodes of the listening TCP sockets that are in the way of an address.
fn listening_tcp(address: SocketAddr) -> Vec<u64> {
    let wanted = Address::Tcp(address);
    let mut inodes = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        let rows = text.lines().skip(1).filter_map(tcp_row);
        inodes.extend(
            rows.filter(|(at, _)| Address::Tcp(*at).overlaps(&wanted)).map(|(_, inode)| inode),
        );
    }
    inodes
}

/// Address and inode of one line of `/proc/net/tcp` or `tcp6`, when it listens.
fn tcp_row(line: &str) -> Option<(SocketAddr, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (ip, port) = words.get(1)?.split_once(':')?;
    if *words.get(3)? != LISTEN {
        return None;
    }
    let mut octets = Vec::new();
    for word in ip.as_bytes().chunks(8) {
        // Each 32 bits are printed as a number of this machine, in network order in memory.
        let number = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        octets.extend(number.to_ne_bytes());
    }
    let ip: IpAddr = match <[u8; 4]>::try_from(octets.as_slice()) {
        Ok(v4) => Ipv4Addr::from(v4).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into(),
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((SocketAddr::new(ip, port), words.get(9)?.parse().ok()?))
}

/// The inodes of the listening sockets at a path, from `/proc/net/unix` (proc(5)).
fn listening_unix(path: &Path) -> Vec<u64> {
    const ACCEPTS: u32 = 0x1_0000;
    let text = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let accepts = u32::from_str_radix(words.get(3)?, 16).ok()? & ACCEPTS != 0;
        let here = Path::new(words.get(7)?) == path;
        (accepts && here).then(|| words[6].parse().ok())?
    };
    text.lines().skip(1).filter_map(row).collect()
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
    fn a_listening_row() {
        let row = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 \
                   0 0 4711 1 0000000000000000 100 0 0 10 0";
        assert_eq!(tcp_row(row), Some(("127.0.0.1:8080".parse().unwrap(), 4711)));
        assert_eq!(tcp_row(&row.replace(" 0A ", " 01 ")), None);
        let six = row.replace("0100007F", "00000000000000000000000001000000");
        assert_eq!(tcp_row(&six), Some(("[::1]:8080".parse().unwrap(), 4711)));
    }

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
