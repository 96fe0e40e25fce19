//! A service of plain threads: echoes lines, and says goodbye while draining. A thread for each connection; with `POOL=N` as many as
//! that, each of which serves its client to the end before it accepts again, beside one that has other work and never accepts.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use sockact::threads::{Drain, Guard};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listeners = sockact::listeners()?;
    let http = listeners.tcp("http")?;
    // A file whose presence means that this service is not well.
    let sick = std::env::var_os("SICK_FILE");
    let drain = Drain::new()?.health("/health", move || match &sick {
        Some(path) if Path::new(path).exists() => Err("the file says so"),
        _ => Ok(()),
    });
    drain.ready()?;
    if let Ok(threads) = std::env::var("POOL") {
        pool(&drain, &http, threads.parse()?);
    } else {
        while let Some((stream, guard)) = drain.accept(&http)? {
            std::thread::spawn(move || echo(stream, &guard));
        }
    }
    drop(http);
    println!("{}", drain.finish());
    Ok(())
}

fn pool(drain: &Drain, http: &TcpListener, threads: usize) {
    let serve = || {
        while let Some((stream, guard)) = drain.accept(http)? {
            // A client that breaks is no end of the pool.
            let _ = echo(stream, &guard);
        }
        Ok::<_, io::Error>(())
    };
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(serve)));
        while !drain.is_draining() {
            // The other work: some of it, now and then.
            std::thread::park_timeout(Duration::from_millis(10));
        }
    });
}

fn echo(mut stream: TcpStream, guard: &Guard) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    loop {
        if lines.buffer().is_empty() {
            let (client, drain) = (stream.try_clone()?, guard.draining_fd());
            let mut fds = [
                PollFd::new(&client, PollFlags::IN),
                PollFd::from_borrowed_fd(drain, PollFlags::IN),
            ];
            poll(&mut fds, None)?;
            if fds[0].revents().is_empty() {
                return stream.write_all(b"bye\n");
            }
        }
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        stream.write_all(line.as_bytes())?;
    }
}
