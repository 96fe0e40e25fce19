//! Whether PID 1 still holds every public socket.
//!
//! The state of a `.socket` unit does not prove it: after a changed or deleted unit file and a reload it still shows
//! `active (running)` while systemd has closed the descriptor. What counts is that the inode that listens on the address is among
//! the descriptors of PID 1 (proc(5)).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sockgen::listening::Table;
use sockgen::{Address, App, ListenerName};

/// An inode of a socket, as in `socket:[4026]`.
pub type Inode = u64;

/// Why the sockets are not as they must be.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The kernel's tables cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Proc {
        /// The file.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },
    /// Nobody listens there, or not PID 1.
    #[error("listener {listener}: {manager} holds no socket that listens on {address}")]
    Lost {
        /// Who should, for people.
        manager: &'static str,
        /// The listener.
        listener: ListenerName,
        /// Its address.
        address: String,
    },
    /// It is another socket than before.
    #[error("listener {listener}: the socket on {address} was replaced by another one")]
    Replaced {
        /// The listener.
        listener: ListenerName,
        /// Its address.
        address: String,
    },
}

/// The sockets of an application that PID 1 holds, by listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held(BTreeMap<ListenerName, Inode>);

impl Held {
    /// Looks at the kernel's tables now.
    ///
    /// # Errors
    /// [`SocketError::Lost`] names the first listener whose socket PID 1 does not hold.
    pub fn look(app: &App, manager: u32) -> Result<Self, SocketError> {
        Self::look_at(app, manager, |_| true)
    }

    /// The same for some of the listeners.
    ///
    /// # Errors
    /// As [`Held::look`].
    pub fn look_at(
        app: &App,
        manager: u32,
        wanted: impl Fn(&sockgen::Listener) -> bool,
    ) -> Result<Self, SocketError> {
        let ours = descriptors_of(manager)?;
        let mut held = BTreeMap::new();
        for listener in app.listeners().iter().filter(|listener| wanted(listener)) {
            let inode = listening(&listener.address)?.into_iter().find(|i| ours.contains_key(i));
            let inode = inode.ok_or_else(|| SocketError::Lost {
                manager: app.place().manager(),
                listener: listener.name.clone(),
                address: listener.address.to_string(),
            })?;
            held.insert(listener.name.clone(), inode);
        }
        Ok(Self(held))
    }

    /// Whether these are the sockets of `before`; a listener that is new is fine.
    ///
    /// # Errors
    /// [`SocketError::Replaced`] names the first that is not.
    pub fn same_as(&self, before: &Self, app: &App) -> Result<(), SocketError> {
        for listener in app.listeners() {
            let (now, then) = (self.0.get(&listener.name), before.0.get(&listener.name));
            if then.is_some() && now != then {
                return Err(SocketError::Replaced {
                    listener: listener.name.clone(),
                    address: listener.address.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Each listener with its inode.
    pub fn iter(&self) -> impl Iterator<Item = (&ListenerName, Inode)> {
        self.0.iter().map(|(name, inode)| (name, *inode))
    }
}

/// What there is of a listener, as doctor looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Whether anybody listens on its address.
    pub listening: bool,
    /// The socket, when PID 1 holds it.
    pub held: Option<Inode>,
    /// Whether PID 1 holds it without `O_NONBLOCK`, which belongs to all who hold it.
    pub blocking: bool,
}

/// What there is of every listener.
///
/// # Errors
/// When the kernel's tables cannot be read.
pub fn survey(app: &App, manager: u32) -> Result<BTreeMap<ListenerName, Seen>, SocketError> {
    let ours = descriptors_of(manager)?;
    let look = |listener: &sockgen::Listener| {
        let inodes = listening(&listener.address)?;
        let held = inodes.iter().copied().find(|inode| ours.contains_key(inode));
        let blocking = held.is_some_and(|inode| is_blocking(manager, &ours[&inode]));
        Ok((listener.name.clone(), Seen { listening: !inodes.is_empty(), held, blocking }))
    };
    app.listeners().iter().map(look).collect()
}

/// Whether anybody listens on a unix socket.
///
/// # Errors
/// When the kernel's table cannot be read.
pub fn is_listening(path: &Path) -> Result<bool, SocketError> {
    Ok(!listening(&Address::Unix(path.into()))?.is_empty())
}

/// Whether a process other than the manager has the socket that listens there.
///
/// # Errors
/// When the kernel's tables cannot be read.
pub fn is_used(address: &Address, manager: u32) -> Result<bool, SocketError> {
    let inodes = listening(address)?;
    let proc = Path::new("/proc");
    let failed = |source| SocketError::Proc { path: proc.into(), source };
    let pids = fs::read_dir(proc).map_err(failed)?.flatten();
    let mut others = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != manager);
    // A process that has ended meanwhile has nothing.
    Ok(others.any(|pid| {
        let descriptors = descriptors_of(pid).unwrap_or_default();
        inodes.iter().any(|inode| descriptors.contains_key(inode))
    }))
}

/// The flags of the open file description, in octal: those of open(2), as proc(5) says of `fdinfo`.
fn is_blocking(manager: u32, descriptor: &str) -> bool {
    let text =
        fs::read_to_string(format!("/proc/{manager}/fdinfo/{descriptor}")).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & OFlags::NONBLOCK.bits() == 0)
}

/// The sockets of a process, such as the manager, which is PID 1 or a user's own systemd, each with the name of its descriptor.
fn descriptors_of(manager: u32) -> Result<BTreeMap<Inode, String>, SocketError> {
    let path = PathBuf::from(format!("/proc/{manager}/fd"));
    let entries =
        fs::read_dir(&path).map_err(|source| SocketError::Proc { path: path.clone(), source })?;
    let socket = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
        Some((inode, entry.file_name().into_string().ok()?))
    };
    Ok(entries.flatten().filter_map(socket).collect())
}

/// The inodes that listen on the address.
fn listening(address: &Address) -> Result<Vec<Inode>, SocketError> {
    let table = Table::of(address);
    let failed = |source| SocketError::Proc { path: table.path().into(), source };
    table.listening(|at| at == address).map_err(failed)
}
