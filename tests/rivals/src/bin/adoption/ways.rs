//! The ways to take passed listeners that are measured.
#![allow(unsafe_code, reason = "the others hand out numbers; here they become owned, as ours are")]

use std::collections::HashMap;
use std::error::Error;
use std::ffi::{CStr, c_char, c_int};
use std::net::TcpListener;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, RawFd};

use libsystemd::activation::{IsType, receive_descriptors_with_names};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::net::{SocketType, ipproto, sockopt};

type Taken = Result<usize, Box<dyn Error>>;

/// One way.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// What is not checked, if anything.
    pub(crate) lacks: &'static str,
    /// Takes a listener for each name and says how many came.
    pub(crate) take: fn(&[String]) -> Taken,
}

/// Nothing lacks.
pub(crate) const SAME: &str = "";

pub(crate) const WAYS: &[Way] = &[
    Way { name: "sockact", lacks: SAME, take: sockact },
    Way { name: "listenfd, checked", lacks: SAME, take: listenfd_checked },
    Way { name: "libsystemd crate, checked", lacks: SAME, take: libsystemd_checked },
    Way { name: "libsystemd.so.0, checked", lacks: SAME, take: c_library_checked },
    Way {
        name: "listenfd",
        lacks: "names, protocol, listening, non-blocking",
        take: listenfd_alone,
    },
    Way {
        name: "libsystemd crate",
        lacks: "type, protocol, listening, non-blocking",
        take: libsystemd_alone,
    },
    Way {
        name: "libsystemd.so.0",
        lacks: "family, type, protocol, listening, non-blocking",
        take: c_library_alone,
    },
];

fn sockact(names: &[String]) -> Taken {
    let listeners = ::sockact::listeners()?;
    let taken: Result<Vec<_>, _> = names.iter().map(|name| listeners.tcp(name)).collect();
    counted(taken?)
}

/// What was taken is dropped after the measurement, with the process.
fn counted<T>(taken: Vec<T>) -> Taken {
    let count = taken.len();
    std::mem::forget(taken);
    Ok(count)
}

fn listenfd_checked(names: &[String]) -> Taken {
    let mut fds = ::listenfd::ListenFd::from_env();
    let passed = std::env::var("LISTEN_FDNAMES")?;
    let places: HashMap<&str, usize> = passed.split(':').zip(0..).collect();
    let take = |name: &String| -> Result<TcpListener, Box<dyn Error>> {
        let place = *places.get(name.as_str()).ok_or("no such name")?;
        let listener = fds.take_tcp_listener(place)?.ok_or("taken")?;
        listens(&listener)?;
        Ok(listener)
    };
    counted(names.iter().map(take).collect::<Result<Vec<_>, _>>()?)
}

fn listenfd_alone(names: &[String]) -> Taken {
    let mut fds = ::listenfd::ListenFd::from_env();
    let taken = (0..names.len()).map(|place| fds.take_tcp_listener(place));
    counted(taken.collect::<Result<Vec<_>, _>>()?)
}

fn libsystemd_checked(names: &[String]) -> Taken {
    let passed = receive_descriptors_with_names(false)?;
    let mut by_name: HashMap<String, _> = passed.into_iter().map(|(fd, name)| (name, fd)).collect();
    let take = |name: &String| -> Result<TcpListener, Box<dyn Error>> {
        let fd = by_name.remove(name).filter(IsType::is_inet).ok_or("no such inet socket")?;
        // SAFETY: passed to this process, and taken out of the map, so once.
        let listener = unsafe { TcpListener::from_raw_fd(fd.into_raw_fd()) };
        is_stream(&listener)?;
        listens(&listener)?;
        Ok(listener)
    };
    counted(names.iter().map(take).collect::<Result<Vec<_>, _>>()?)
}

fn libsystemd_alone(_: &[String]) -> Taken {
    counted(receive_descriptors_with_names(false)?)
}

fn c_library_checked(names: &[String]) -> Taken {
    let mut by_name: HashMap<String, RawFd> = c_library_names()?.into_iter().zip(3..).collect();
    let take = |name: &String| -> Result<TcpListener, Box<dyn Error>> {
        let fd = by_name.remove(name).ok_or("no such name")?;
        if sd_is_socket_inet(fd, 0, SocketType::STREAM.as_raw() as c_int, 1, 0) <= 0 {
            return Err("not a listening inet stream socket".into());
        }
        // SAFETY: passed to this process, and taken out of the map, so once.
        let listener = unsafe { TcpListener::from_raw_fd(fd) };
        is_tcp_without_waiting(&listener)?;
        Ok(listener)
    };
    counted(names.iter().map(take).collect::<Result<Vec<_>, _>>()?)
}

fn c_library_alone(_: &[String]) -> Taken {
    counted(c_library_names()?)
}

fn is_stream(listener: impl AsFd) -> Result<(), Box<dyn Error>> {
    let stream = sockopt::socket_type(listener)? == SocketType::STREAM;
    stream.then_some(()).ok_or_else(|| "not a stream socket".into())
}

fn listens(listener: &TcpListener) -> Result<(), Box<dyn Error>> {
    if !sockopt::socket_acceptconn(listener)? {
        return Err("not a listener".into());
    }
    is_tcp_without_waiting(listener)
}

fn is_tcp_without_waiting(listener: &TcpListener) -> Result<(), Box<dyn Error>> {
    let tcp = sockopt::socket_protocol(listener)? == Some(ipproto::TCP);
    let waits = !fcntl_getfl(listener)?.contains(OFlags::NONBLOCK);
    (tcp && !waits).then_some(()).ok_or_else(|| "not TCP, or blocking".into())
}

// The C library of systemd itself, by the name that it has without its development files.
#[link(name = "libsystemd.so.0", kind = "dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    /// `sd_listen_fds(3)`.
    fn sd_listen_fds_with_names(unset: c_int, names: *mut *mut *mut c_char) -> c_int;
    /// `sd_is_socket(3)`; the last two: is to listen, at which port or any.
    safe fn sd_is_socket_inet(
        fd: c_int,
        family: c_int,
        kind: c_int,
        listening: c_int,
        port: u16,
    ) -> c_int;
}

/// The names of descriptors 3 and so on, now close-on-exec.
fn c_library_names() -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = std::ptr::null_mut();
    // SAFETY: `names` is where the function puts an array; nobody changes the environment.
    let count = unsafe { sd_listen_fds_with_names(0, &raw mut names) };
    // SAFETY: so many C strings it made; they are left to the end of the process.
    let name = |nth| unsafe { CStr::from_ptr(*names.add(nth)).to_str().map(str::to_owned) };
    Ok((0..usize::try_from(count)?).map(name).collect::<Result<Vec<_>, _>>()?)
}
