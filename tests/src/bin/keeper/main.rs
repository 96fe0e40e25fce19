//! The service of the stories in `tests/tests/runtime`: it does what its arguments and its clients say, so that a test sees
//! from outside what the library does inside.

mod http;
mod kinds;
mod lines;

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use sockact::{Adopt, Notify};

fn main() -> Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["lines"] => lines::serve(Adopt::new()),
        ["blocking-lines"] => lines::serve(Adopt::new().allow_blocking()),
        ["child"] => wait_for_the_end_of_input(),
        ["connection"] => connection(),
        ["http"] => http::serve(),
        ["kinds", kinds @ ..] => kinds::serve(kinds),
        ["slowly", time, extend @ ..] => slowly(time.parse()?, !extend.is_empty()),
        _ => bail!("{args:?}?"),
    }
}

/// What [`lines::serve`] makes the main process.
fn wait_for_the_end_of_input() -> Result<()> {
    Ok(io::stdin().read_to_end(&mut Vec::new()).map(drop)?)
}

/// One process for each connection: `Accept=yes` of systemd.socket(5).
fn connection() -> Result<()> {
    let listeners = sockact::listeners()?;
    let own = std::process::id();
    let answer = match listeners.take::<TcpStream>("connection") {
        Ok(mut stream) => writeln!(stream, "TCP {own}"),
        Err(e) => {
            eprintln!("{e}");
            writeln!(listeners.take::<UnixStream>("connection")?, "unix {own}")
        }
    };
    listeners.finish()?;
    Ok(answer?)
}

/// Is ready after this many milliseconds, and asks for the time or does not.
fn slowly(time: u64, extend: bool) -> Result<()> {
    let (notify, end) = (Notify::from_env()?, Duration::from_millis(time));
    let step = Duration::from_millis(250);
    let mut passed = Duration::ZERO;
    while passed < end {
        if extend {
            // More than it is away at a time on a busy machine.
            notify.extend_timeout(20 * step)?;
        }
        // A slow start is what is asked for: nobody unparks this thread.
        thread::park_timeout(step);
        passed += step;
    }
    notify.ready()?;
    Ok(())
}
