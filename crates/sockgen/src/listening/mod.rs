//! Which sockets are open on this machine: from the kernel's tables (proc(5), sock_diag(7)), which are those of this network namespace, and
//! where it has none from the descriptors of a process.

mod diag;
mod table;
mod vsock;

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

pub use table::Table;

use crate::endpoint::Endpoint;

/// The open end of a listener, as the kernel numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inode {
    /// Of a socket, as in `socket:[4026]`.
    Socket(u64),
    /// Of a FIFO: that of its path, and of the file system it is in.
    Fifo {
        /// The file system.
        device: u64,
        /// The file.
        inode: u64,
    },
}

impl Inode {
    /// The number alone.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::Socket(inode) | Self::Fifo { inode, .. } => inode,
        }
    }

    /// What a descriptor leads to, such as `/proc/1/fd/30`; `None` when it is neither a socket nor a FIFO, or gone.
    #[must_use]
    pub fn of_descriptor(path: &Path) -> Option<Self> {
        let target = std::fs::read_link(path).ok()?;
        let target = target.to_str()?;
        if let Some(inode) = target.strip_prefix("socket:[").and_then(|t| t.strip_suffix(']')) {
            return inode.parse().ok().map(Self::Socket);
        }
        // Pipes without a name, epoll and the like are told without a path.
        target.starts_with('/').then(|| Self::of_fifo(path))?
    }

    /// Only a FIFO: other files are not asked for more than their type.
    fn of_fifo(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        let fifo = found.file_type().is_fifo();
        fifo.then(|| Self::Fifo { device: found.dev(), inode: found.ino() })
    }
}

/// What is open on this machine cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct ListeningError {
    /// The file.
    pub path: PathBuf,
    /// What the kernel answered.
    pub source: io::Error,
}

/// What listens on an endpoint.
///
/// The kernel has no table of vsock(7): of those sockets only what the process `holder` has is seen, who is systemd as a rule. A FIFO is its path,
/// whether anybody has it open or not.
///
/// # Errors
/// When the kernel's table cannot be read, or the descriptors of `holder` cannot be looked at.
pub fn listening(endpoint: &Endpoint, holder: u32) -> Result<Vec<Inode>, ListeningError> {
    let sought = endpoint.in_tables();
    match (Table::of(endpoint), endpoint) {
        (Some(table), _) => table
            .listening(|at| *at == sought)
            .map(|inodes| inodes.into_iter().map(Inode::Socket).collect())
            .map_err(|source| ListeningError { path: table.path().into(), source }),
        (None, Endpoint::Vsock(vsock)) => vsock::of_process(holder, *vsock)
            .map_err(|source| ListeningError { path: format!("/proc/{holder}/fd").into(), source }),
        (None, other) => Ok(other.path().and_then(Inode::of_fifo).into_iter().collect()),
    }
}

/// What these processes listen on, of the kinds that have a table.
///
/// # Errors
/// When a table of the kernel's cannot be read.
pub fn of_processes(pids: &[u32]) -> Result<Vec<Endpoint>, ListeningError> {
    let held = |pid: &u32| std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let held: BTreeSet<Inode> = pids
        .iter()
        .flat_map(held)
        .filter_map(|entry| Inode::of_descriptor(&entry.ok()?.path()))
        .collect();
    let mut found = Vec::new();
    for table in Table::ALL {
        let ours = |endpoint, inode| {
            if held.contains(&Inode::Socket(inode)) {
                found.push(endpoint);
            }
        };
        table.each(ours).map_err(|source| ListeningError { path: table.path().into(), source })?;
    }
    Ok(found)
}
