//! The example application without any runtime: plain threads, one for each connection, each of which has one request.
//!
//! Its releases are directories as those of `shop`: `bin/shop` is this program, `VERSION` its answer, and a file `FAULT` makes
//! it sick.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result};
use sockact::threads::Drain;

/// Threads that accept.
const LOOPS: usize = 2;

fn main() -> Result<()> {
    // The slot's directory is the release's.
    let version = std::fs::read_to_string("VERSION").context("cannot read VERSION")?;
    let sick = Path::new("FAULT").exists();
    let listeners = sockact::listeners()?;
    let http = listeners.tcp_or("http", "127.0.0.1:8080")?;
    let health = move || if sick { Err("sick, the file FAULT says so") } else { Ok(()) };
    let drain = Drain::new()?.health("/health", health);
    drain.ready()?;
    thread::scope(|scope| {
        let loops = [(); LOOPS].map(|()| scope.spawn(|| accept(&drain, &http, version.trim())));
        loops.into_iter().try_for_each(|one| one.join().expect("accepting does not panic"))
    })?;
    drop(http);
    eprintln!("{}", drain.finish());
    Ok(())
}

fn accept(drain: &Drain, http: &TcpListener, version: &str) -> io::Result<()> {
    while let Some((stream, guard)) = drain.accept(http)? {
        let version = version.to_owned();
        thread::Builder::new().spawn(move || {
            // An error is a client that went away.
            let _ = answer(&stream, &version);
            drop(stream);
            drop(guard);
        })?;
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, version: &str) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    // No whole head is no request.
    while let Some(line) = lines.next().transpose()? {
        if line.is_empty() {
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
            return write!(stream, "{head} {}\r\n\r\n{version}", version.len());
        }
    }
    Ok(())
}
