//! A small HTTP/1.1 server that makes one mistake of a chosen kind.

use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// What happens to the request that is numbered [`FAULTY_REQUEST`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    None,
    Status(u16),
    /// The connection is closed in order, without a response.
    Close,
    /// The connection is reset, without a response.
    Reset,
    /// The connection is closed in the middle of the response.
    HalfAResponse,
    /// The connection stays open and nothing comes.
    Silence,
    Late(Duration),
    /// No connection is accepted any more.
    StopListening,
}

/// Up to it the responses' body is "one", after it "two".
const FAULTY_REQUEST: u64 = 500;
const ENOUGH_REQUESTS: u64 = 1000;

/// Stops listening when it is dropped.
pub(crate) struct Server {
    listener: Arc<TcpListener>,
    /// Hears of the fault, or of enough requests, whichever is later.
    made: Receiver<()>,
}

#[derive(Clone)]
struct Shared {
    listener: Arc<TcpListener>,
    fault: Fault,
    requests: Arc<AtomicU64>,
    made: Sender<()>,
}

impl Server {
    pub(crate) fn start(listener: TcpListener, fault: Fault) -> Self {
        let listener = Arc::new(listener);
        let (sender, made) = mpsc::channel();
        let requests = Arc::new(AtomicU64::new(0));
        let shared = Shared { listener: Arc::clone(&listener), fault, requests, made: sender };
        thread::spawn(move || {
            for stream in shared.listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                // An error is a client that went away, which is its right.
                thread::spawn(move || shared.serve(stream).ok());
            }
        });
        Self { listener, made }
    }

    /// Waits until the fault was made and some requests more were answered.
    pub(crate) fn await_fault(&self) {
        for _ in 0..2 {
            self.made
                .recv_timeout(Duration::from_secs(20))
                .expect("a load reaches the fault in time");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when the fault was to stop listening.
        let _ = rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both);
    }
}

impl Shared {
    fn serve(self, mut stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(close) = read_request(&mut reader)? {
            let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
            if number == FAULTY_REQUEST {
                let goes_on = self.fail(&mut stream, close)?;
                self.made.send(()).ok();
                if !goes_on {
                    break;
                }
            } else {
                let release = if number < FAULTY_REQUEST { "one" } else { "two" };
                respond(&mut stream, 200, release, close)?;
            }
            // Without new connections there are not many more requests.
            if number == ENOUGH_REQUESTS
                || (number == FAULTY_REQUEST && matches!(self.fault, Fault::StopListening))
            {
                self.made.send(()).ok();
            }
            if close {
                break;
            }
        }
        Ok(())
    }

    /// Answers wrongly; whether the connection goes on.
    fn fail(&self, stream: &mut TcpStream, close: bool) -> io::Result<bool> {
        match self.fault {
            Fault::None => respond(stream, 200, "two", close)?,
            Fault::Status(status) => respond(stream, status, "", close)?,
            Fault::Close => stream.shutdown(Shutdown::Both)?,
            Fault::Reset => set_socket_linger(&stream, Some(Duration::ZERO))?,
            Fault::HalfAResponse => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nt")?;
            }
            Fault::Silence => {
                let mut silent = stream.try_clone()?;
                thread::spawn(move || io::copy(&mut silent, &mut io::sink()));
            }
            Fault::Late(time) => {
                #[expect(clippy::disallowed_methods, reason = "to be late is the fault")]
                thread::sleep(time);
                respond(stream, 200, "two", close)?;
            }
            Fault::StopListening => {
                rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both)?;
                respond(stream, 200, "two", close)?;
            }
        }
        Ok(!matches!(
            self.fault,
            Fault::Close | Fault::Reset | Fault::HalfAResponse | Fault::Silence
        ))
    }
}

/// Reads a request without a body: whether its client wants the connection closed; none at the end.
fn read_request(reader: &mut impl io::BufRead) -> io::Result<Option<bool>> {
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
    let response =
        format!("HTTP/1.1 {status} -\r\n{connection}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(response.as_bytes())
}
