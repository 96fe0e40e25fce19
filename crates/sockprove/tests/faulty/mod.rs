//! A small HTTP/1.1 server on loopback that makes one mistake, once.

use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is reset, without an answer.
    Reset,
    /// The connection is closed in order, without an answer.
    Close,
    /// The connection is closed in the middle of the answer.
    HalfAnAnswer,
    /// The connection stays open and nothing comes.
    Hang,
    /// 503.
    Status,
    /// Another body.
    Body,
    /// What comes is not HTTP.
    Nonsense,
    /// Nobody is accepted for so long.
    Stall(Duration),
}

/// Serves until the test ends; the request with this number, from 1, meets the fault. Gives the URL.
pub(crate) fn serve(fault: Fault, number: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (requests, stalls) = (Arc::clone(&requests), matches!(fault, Fault::Stall(_)));
            if let Fault::Stall(time) = fault
                && requests.load(Relaxed) >= number
                && requests.swap(0, Relaxed) < u64::MAX / 2
            {
                // Never again.
                requests.store(u64::MAX / 2, Relaxed);
                #[expect(clippy::disallowed_methods, reason = "to stand still is the fault")]
                thread::sleep(time);
            }
            // An error is a client that went away, which is its right.
            thread::spawn(move || {
                answer_all(stream, fault, &requests, if stalls { 0 } else { number }).ok()
            });
        }
    });
    url
}

fn answer_all(
    mut stream: TcpStream,
    fault: Fault,
    requests: &AtomicU64,
    faulty: u64,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(close) = read_request(&mut reader)? {
        if requests.fetch_add(1, Relaxed) + 1 != faulty {
            respond(&mut stream, 200, "fine", close)?;
        } else {
            match fault {
                Fault::Reset => {
                    return set_socket_linger(&stream, Some(Duration::ZERO)).map_err(Into::into);
                }
                Fault::Close => return Ok(()),
                Fault::HalfAnAnswer => {
                    return stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi");
                }
                Fault::Hang => drop(reader.read_line(&mut String::new())?),
                Fault::Status => respond(&mut stream, 503, "fine", close)?,
                Fault::Body => respond(&mut stream, 200, "wrong", close)?,
                Fault::Nonsense => stream.write_all(b"220 mail ESMTP\r\n\r\n")?,
                Fault::Stall(_) => unreachable!("it has no number"),
            }
        }
        if close {
            break;
        }
    }
    Ok(())
}

/// Reads a request without a body: whether its client wants the connection closed; none at the end.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<bool>> {
    let mut close = false;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => return Ok(Some(close)),
            header => close |= header.eq_ignore_ascii_case("connection: close"),
        }
    }
}

fn respond(stream: &mut TcpStream, status: u16, body: &str, close: bool) -> io::Result<()> {
    let connection = if close { "Connection: close\r\n" } else { "" };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status} -\r\n{connection}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes())
}
