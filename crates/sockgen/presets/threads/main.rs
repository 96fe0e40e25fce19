//! What users ask is answered here, by plain threads and no runtime; sockact.toml says how it is deployed.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::thread;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // systemd's socket, by its name; bound here only when the program is started by hand.
    let http = sockact::listeners()?.tcp_or("http", "127.0.0.1:8080")?;
    let version = version();
    // Asked at each deploy over a socket of this slot alone. Give an Err while the program cannot serve.
    let drain = sockact::threads::Drain::new()?.health("/health", || Ok::<(), String>(()));
    drain.ready()?;
    // Waits behind a closed gate; ends at SIGTERM.
    while let Some((stream, guard)) = drain.accept(&http)? {
        let version = version.clone();
        thread::spawn(move || {
            // An error is a client that went away.
            let _ = answer(&stream, &version);
            drop(stream);
            // The drain waits for those that are held.
            drop(guard);
        });
    }
    drop(http);
    eprintln!("{}", drain.finish());
    Ok(())
}

/// One request on each connection: the simplest HTTP there is.
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

/// Which release this is: the build writes the file.
fn version() -> String {
    let file = std::fs::read_to_string("VERSION");
    file.map_or_else(|_| env!("CARGO_PKG_VERSION").to_owned(), |text| text.trim().to_owned())
}
