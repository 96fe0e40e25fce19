//! Whether PID 1 still holds every public socket.
//!
//! The state of a `.socket` unit does not prove it: after a changed or deleted unit file and a reload it still shows
//! `active (running)` while systemd has closed the descriptor. What counts is that the inode that listens on the address is among
//! the descriptors of PID 1 (proc(5)). A FIFO is the file at its path; of vsock(7) the kernel has no table, and PID 1's own
//! descriptors are all that is seen.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sockgen::listening::{Inode, ListeningError, listening};
use sockgen::{App, Endpoint, ListenerName};

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
    /// The kernel's tables cannot be read.
    #[error(transparent)]
    Listening(#[from] ListeningError),
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
    /// Looks at the kernel's tables now, for those of the listeners that are `wanted`.
    ///
    /// # Errors
    /// [`SocketError::Lost`] names the first listener whose socket PID 1 does not hold.
    pub fn look_at(
        app: &App,
        manager: u32,
        wanted: impl Fn(&sockgen::Listener) -> bool,
    ) -> Result<Self, SocketError> {
        let ours = descriptors_of(manager)?;
        let mut held = BTreeMap::new();
        for listener in app.listeners().iter().filter(|listener| wanted(listener)) {
            let inode =
                listening(&listener.address, manager)?.into_iter().find(|i| ours.contains_key(i));
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

    /// Whether this listener's is among them.
    pub fn has(&self, listener: &sockgen::Listener) -> bool {
        self.0.contains_key(&listener.name)
    }

    /// Each listener with its inode.
    pub fn iter(&self) -> impl Iterator<Item = (&ListenerName, u64)> {
        self.0.iter().map(|(name, inode)| (name, inode.number()))
    }
}

/// What there is of a listener, as doctor looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Whether anybody listens on its address; of vsock(7) only PID 1 is seen.
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
        let inodes = listening(&listener.address, manager)?;
        let held = inodes.iter().copied().find(|inode| ours.contains_key(inode));
        let blocking = held.is_some_and(|inode| is_blocking(manager, &ours[&inode]));
        // A FIFO is there when nobody has it open, too.
        let fifo = matches!(listener.address, Endpoint::Fifo(_));
        let listening = match held {
            None if fifo => is_used(&listener.address, manager)?,
            _ => !inodes.is_empty(),
        };
        Ok((listener.name.clone(), Seen { listening, held, blocking }))
    };
    app.listeners().iter().map(look).collect()
}

/// Whether anybody listens on a unix socket.
///
/// # Errors
/// When the kernel's table cannot be read.
pub fn is_listening(path: &Path) -> Result<bool, SocketError> {
    Ok(!listening(&Endpoint::Unix(path.into()), 1)?.is_empty())
}

/// Whether a process other than the manager has the socket that listens there. Whoever has a FIFO open to write is a client of it.
///
/// # Errors
/// When the kernel's tables cannot be read.
pub fn is_used(endpoint: &Endpoint, manager: u32) -> Result<bool, SocketError> {
    let inodes = listening(endpoint, manager)?;
    let proc = Path::new("/proc");
    let failed = |source| SocketError::Proc { path: proc.into(), source };
    let pids = fs::read_dir(proc).map_err(failed)?.flatten();
    let mut others = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != manager);
    // A process that has ended meanwhile has nothing.
    Ok(others.any(|pid| {
        let descriptors = descriptors_of(pid).unwrap_or_default();
        let of_it = inodes.iter().filter_map(|inode| Some((inode, descriptors.get(inode)?)));
        of_it.into_iter().any(|(inode, descriptor)| match inode {
            Inode::Socket(_) => true,
            Inode::Fifo { .. } => {
                flags(pid, descriptor).is_none_or(|f| !f.contains(OFlags::WRONLY))
            }
        })
    }))
}

fn is_blocking(manager: u32, descriptor: &str) -> bool {
    flags(manager, descriptor).is_some_and(|flags| !flags.contains(OFlags::NONBLOCK))
}

/// The flags of the open file description, in octal: those of open(2), as proc(5) says of `fdinfo`.
fn flags(pid: u32, descriptor: &str) -> Option<OFlags> {
    let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}")).ok()?;
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
    Some(OFlags::from_bits_retain(u32::from_str_radix(flags.trim(), 8).ok()?))
}

/// The sockets and FIFOs of a process, such as the manager, which is PID 1 or a user's own systemd, each with the name of its descriptor.
fn descriptors_of(manager: u32) -> Result<BTreeMap<Inode, String>, SocketError> {
    let path = PathBuf::from(format!("/proc/{manager}/fd"));
    let entries =
        fs::read_dir(&path).map_err(|source| SocketError::Proc { path: path.clone(), source })?;
    let open = |entry: fs::DirEntry| {
        Some((Inode::of_descriptor(&entry.path())?, entry.file_name().into_string().ok()?))
    };
    Ok(entries.flatten().filter_map(open).collect())
}
