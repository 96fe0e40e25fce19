//! What can be wrong with passed descriptors, each with what was asked, found, and what to do.

use std::io;

use super::Kind;

/// Why a listener could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// [`listeners`](crate::listeners) was called before in this process.
    #[error(
        "the passed descriptors were adopted before: call sockact::listeners() once and keep what it returns"
    )]
    AlreadyAdopted,

    /// `LISTEN_FDS` is set, `LISTEN_PID` is not.
    #[error(
        "LISTEN_FDS is set but LISTEN_PID is not: the descriptors are meant for some process, none says which; start the service by systemd, or unset LISTEN_FDS"
    )]
    NoPid,

    /// The descriptors are meant for another process.
    #[error(
        "the descriptors are for process {found} (LISTEN_PID), this is process {own}: a wrapper in ExecStart= that does not `exec` the program is the usual cause"
    )]
    Pid {
        /// The process `LISTEN_PID` names.
        found: u32,
        /// This process.
        own: u32,
    },

    /// The process id fits, but it was another process's before: the service manager started one
    /// that is gone.
    #[error(
        "the descriptors are for an earlier process with this process id (LISTEN_PIDFDID={found}, this process has {own}): the variables were inherited by a process they do not mean"
    )]
    PidfdId {
        /// The pidfd inode that `LISTEN_PIDFDID` names.
        found: u64,
        /// That of this process.
        own: u64,
    },

    /// A variable holds no such number.
    #[error("{var}={value:?} is not a decimal number in range")]
    Malformed {
        /// `LISTEN_FDS`, `LISTEN_PID` or `LISTEN_PIDFDID`.
        var: &'static str,
        /// Its value.
        value: String,
    },

    /// `LISTEN_FDNAMES` has not one name for each descriptor.
    #[error("LISTEN_FDS says {fds} descriptors, LISTEN_FDNAMES has {names} names")]
    NameCount {
        /// Descriptors.
        fds: usize,
        /// Names.
        names: usize,
    },

    /// `LISTEN_FDNAMES` ends within an escape.
    #[error("LISTEN_FDNAMES={value:?} ends with a backslash that escapes nothing")]
    Names {
        /// Its value.
        value: String,
    },

    /// A descriptor that the variables promise could not be taken.
    #[error("descriptor {fd} ({name:?}) was promised by LISTEN_FDS but is not open")]
    NotOpen {
        /// Its number.
        fd: i32,
        /// Its FileDescriptorName.
        name: String,
        /// From fcntl(2).
        source: io::Error,
    },

    /// A descriptor's kind or flags could not be read.
    #[error("cannot tell what descriptor {fd} ({name:?}) is")]
    Inspect {
        /// Its number.
        fd: i32,
        /// Its FileDescriptorName.
        name: String,
        /// From getsockopt(2) or fcntl(2).
        source: io::Error,
    },

    /// A listener came without O_NONBLOCK, which is shared with every other holder of it.
    #[error(
        "descriptor {fd} ({name:?}, a {kind}) is blocking: set NonBlocking=yes in this service's unit and in every other unit that gets this socket (the program must not change it: the flag is shared); under systemd-socket-activate or systemfd, or to accept on plain threads, adopt with sockact::Adopt::new().allow_blocking()"
    )]
    Blocking {
        /// Its number.
        fd: i32,
        /// Its FileDescriptorName.
        name: String,
        /// What it is.
        kind: Kind,
    },

    /// The descriptor named `sockact-admin` is no unix listener.
    #[error(
        "descriptor {fd} is named \"sockact-admin\" but is a {found}: the admin socket is a unix stream listener (ListenStream=/run/…), and there is one"
    )]
    Admin {
        /// Its number.
        fd: i32,
        /// What it is.
        found: Kind,
    },

    /// A listener was asked for and nothing was passed.
    #[error(
        "no listener {name:?}: this process was started without socket activation (LISTEN_FDS is not set); start it by its systemd unit, or use tcp_or()/unix_or() to bind when started by hand"
    )]
    NotActivated {
        /// The name that was asked for.
        name: String,
    },

    /// No descriptor has this name.
    #[error(
        "no listener {name:?}: passed were {have}; FileDescriptorName= in the .socket unit gives the name, Sockets= in the .service unit must list that socket"
    )]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// The names there are, for reading.
        have: String,
    },

    /// The name is right, the socket is not of the kind asked for.
    #[error(
        "listener {name:?} (descriptor {fd}) is a {found}, asked for was a {asked}; passed were {have}"
    )]
    WrongKind {
        /// The name that was asked for.
        name: String,
        /// Its number.
        fd: i32,
        /// What was asked for.
        asked: Kind,
        /// What it is.
        found: Kind,
        /// The names that nobody took yet, for reading.
        have: String,
    },

    /// No descriptor has this place.
    #[error("no descriptor at index {index}: {count} were passed, the first has index 0")]
    NoIndex {
        /// What was asked for.
        index: usize,
        /// How many were passed.
        count: usize,
    },

    /// Descriptors that nobody asked for.
    #[error(
        "passed but never taken: {left}; remove their sockets from Sockets= of this service, or take them"
    )]
    Leftover {
        /// Their names, numbers and kinds, for reading.
        left: String,
    },

    /// Several descriptors have the name.
    #[error(
        "{count} listeners are named {name:?} (several ListenStream= lines): take them with {all}({name:?})"
    )]
    Several {
        /// The name that was asked for.
        name: String,
        /// How many there are.
        count: usize,
        /// The method that returns all of them.
        all: &'static str,
    },

    /// The listener was handed out before.
    #[error("listener {name:?} was taken before")]
    Taken {
        /// The name that was asked for.
        name: String,
    },

    /// Started by hand, and the fallback address cannot be bound.
    #[error("cannot bind {address} for {name:?} (started by hand, without socket activation)")]
    Bind {
        /// The name that was asked for.
        name: String,
        /// The address given in the code.
        address: String,
        /// From bind(2) or listen(2).
        source: io::Error,
    },
}
