//! One client of the admin socket: HTTP/1.1, its heads parsed by httparse, everything bounded in size and time.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::slot::{Answer, BODY_SIZE, BODY_TIME, HEAD_SIZE, HEAD_TIME, LIFE};

/// Headers of a request; what asks here has five.
const HEADERS: usize = 64;

/// How long, and for how many bytes, a client is listened to that was refused.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_SIZE: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    /// What came and was not used yet.
    input: Vec<u8>,
    ends: Instant,
}

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    /// Without its query.
    pub(super) path: String,
    length: usize,
    /// No other request comes after this one.
    pub(super) last: bool,
}

/// What came of waiting for a request.
#[derive(Debug)]
pub(super) enum Heard {
    Request(Head),
    /// Something else, with its answer; the connection is then of no use.
    Garbage(Answer),
    /// The client went away, or said nothing for too long.
    Nothing,
}

impl Client {
    pub(super) fn new(stream: UnixStream) -> Client {
        Client { stream, input: Vec::new(), ends: Instant::now() + LIFE }
    }

    pub(super) fn head(&mut self) -> Heard {
        let until = Instant::now() + HEAD_TIME;
        loop {
            match parse(&self.input) {
                Err(answer) => return Heard::Garbage(answer),
                Ok(Some((head, size))) => {
                    self.input.drain(..size);
                    return Heard::Request(head);
                }
                Ok(None) if self.input.len() >= HEAD_SIZE => {
                    return Heard::Garbage(Answer::line(431, "the head is too large"));
                }
                Ok(None) => {}
            }
            if self.more(until).is_err() {
                return Heard::Nothing;
            }
        }
    }

    /// The body that this head announced.
    pub(super) fn body(&mut self, head: &Head) -> Result<Vec<u8>, Answer> {
        if head.length > BODY_SIZE {
            return Err(Answer::bad("cannot read the body: it is too large"));
        }
        let until = Instant::now() + BODY_TIME;
        while self.input.len() < head.length {
            self.more(until).map_err(|e| Answer::bad(&format!("no whole body came: {e}")))?;
        }
        Ok(self.input.drain(..head.length).collect())
    }

    pub(super) fn send(&mut self, answer: &Answer, head: Option<&Head>) -> io::Result<()> {
        let Answer { code, kind, text, allow } = answer;
        let mut message = format!("HTTP/1.1 {code} {}\r\nContent-Type: {kind}\r\n", reason(*code));
        message += &format!("Content-Length: {}\r\n", text.len());
        if let Some(allow) = allow {
            message += &format!("Allow: {allow}\r\n");
        }
        if head.is_none_or(|head| head.last) {
            message += "Connection: close\r\n";
        }
        message += "\r\n";
        if head.is_none_or(|head| head.method != "HEAD") {
            message += text;
        }
        self.stream.set_write_timeout(Some(HEAD_TIME))?;
        self.stream.write_all(message.as_bytes())
    }

    /// The last answer, to what was not read to its end: read on for a little, for a close with bytes unread resets the
    /// connection, and the client may not see why.
    pub(super) fn refuse(&mut self, answer: &Answer) {
        let until = Instant::now() + LINGER;
        let mut sent = self.send(answer, None).and_then(|()| self.stream.shutdown(Shutdown::Write));
        let mut taken = 0;
        while sent.is_ok() && taken < LINGER_SIZE {
            taken += self.input.len();
            self.input.clear();
            sent = self.more(until);
        }
    }

    fn more(&mut self, until: Instant) -> io::Result<()> {
        let left = until.min(self.ends).saturating_duration_since(Instant::now());
        // A time-out of zero would be none.
        self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => self.input.extend_from_slice(&piece[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

/// The head at the begin of this, and its size; `None` when it is not whole.
fn parse(input: &[u8]) -> Result<Option<(Head, usize)>, Answer> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let size = match request.parse(input) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => return Err(Answer::bad(&format!("no request: {e}"))),
    };
    let mut head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.and_then(|path| path.split('?').next()).unwrap_or_default().to_owned(),
        length: 0,
        last: request.version == Some(0),
    };
    let mut length = None;
    for header in request.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        let value = value.trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            let same = length.replace(value.to_owned()).is_none_or(|before| before == value);
            let digits = value.bytes().all(|b| b.is_ascii_digit());
            let number = value.parse().ok().filter(|_| same && digits);
            head.length = number.ok_or_else(|| Answer::bad("Content-Length is no number"))?;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Answer::line(411, "a body needs its Content-Length here"));
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.last |= value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close"));
        }
    }
    Ok(Some((head, size)))
}

fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        431 => "Request Header Fields Too Large",
        _ => "Service Unavailable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, expected: (&str, &str, usize, bool)) {
        let (head, size) = parse(input.as_bytes()).unwrap().expect("a whole head");
        assert_eq!((&*head.method, &*head.path, head.length, head.last), expected, "{input:?}");
        assert_eq!(size, input.len());
    }

    #[track_caller]
    fn refuses(input: &str, code: u16) {
        assert_eq!(parse(input.as_bytes()).unwrap_err().code, code, "{input:?}");
    }

    #[test]
    fn heads() {
        check("GET /-/status HTTP/1.1\r\nHost: x\r\n\r\n", ("GET", "/-/status", 0, false));
        check("GET /health?deep=1 HTTP/1.0\r\n\r\n", ("GET", "/health", 0, true));
        check(
            "PUT /-/gate HTTP/1.1\r\ncontent-length: 7\r\nConnection: x, Close\r\n\r\n",
            ("PUT", "/-/gate", 7, true),
        );
        check(
            "GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            ("GET", "/", 3, false),
        );
        assert_eq!(parse(b"GET / HTTP/1.1\r\nHo").unwrap(), None);
        refuses("GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400);
        refuses("GET / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", 400);
        refuses("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400);
        refuses("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411);
        refuses("\u{1}\u{2} nonsense\r\n\r\n", 400);
        refuses(&format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(HEADERS + 1)), 400);
    }
}
