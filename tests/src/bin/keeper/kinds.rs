//! Whatever a `.socket` unit can make, taken by its name and kind.

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::thread;

use anyhow::{Context as _, Result, bail};
use sockact::threads::Drain;
use sockact::{Kind, Listeners};

const KINDS: [Kind; 12] = [
    Kind::TcpListener,
    Kind::UnixListener,
    Kind::Udp,
    Kind::UnixDatagram,
    Kind::UnixSeqpacketListener,
    Kind::VsockListener,
    Kind::VsockDatagram,
    Kind::Netlink,
    Kind::OtherSocket,
    Kind::Fifo,
    Kind::Special,
    Kind::MessageQueue,
];

/// Takes each `name=Kind`, after it was asked for as what it is not. TCP listeners then answer with their names.
pub(crate) fn serve(wanted: &[&str]) -> Result<()> {
    let listeners = sockact::listeners()?;
    let mut taken = Vec::new();
    for one in wanted {
        let (name, kind) = one.split_once('=').context("name=Kind")?;
        let kind = KINDS.into_iter().find(|k| format!("{k:?}") == kind).context("no such kind")?;
        taken.extend(take(&listeners, name, kind)?.into_iter().map(|fd| (name, kind, fd)));
    }
    listeners.finish()?;
    let drain = Drain::new()?;
    drain.ready()?;
    thread::scope(|scope| {
        for (name, kind, fd) in taken {
            if kind == Kind::TcpListener {
                let drain = &drain;
                scope.spawn(move || answer(drain, &TcpListener::from(fd), name));
            }
        }
    });
    eprintln!("{}", drain.finish());
    Ok(())
}

fn take(listeners: &Listeners, name: &str, kind: Kind) -> Result<Vec<OwnedFd>> {
    let wrong = if kind == Kind::Udp { Kind::TcpListener } else { Kind::Udp };
    match listeners.fds(name, wrong) {
        Err(e) => eprintln!("refused: {e}"),
        Ok(fds) => bail!("{name}: {} descriptors were given out as a {wrong}", fds.len()),
    }
    let fds = listeners.fds(name, kind)?;
    eprintln!("adopted: {} x {name}, a {kind}", fds.len());
    Ok(fds)
}

fn answer(drain: &Drain, listener: &TcpListener, name: &str) -> io::Result<()> {
    while let Some((mut stream, _guard)) = drain.accept(listener)? {
        writeln!(stream, "{name}")?;
    }
    Ok(())
}
