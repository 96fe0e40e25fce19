//! A client of HTTP/1.1, one request at a time.

use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::answer::{self, Answer};
use super::{Answered, Counters};
use crate::failure::{Failure, FailureKind};
use crate::target::{Stream, Target};

/// How long a server is waited for that has said that it closes the connection.
const CLOSES_WITHIN: Duration = Duration::from_millis(200);

/// With `one_shot` each request has a connection of its own.
pub(crate) struct Http1 {
    target: Rc<Target>,
    counters: Rc<Counters>,
    one_shot: bool,
    request: Vec<u8>,
    /// The connection on which the next request goes.
    open: Option<Stream>,
    buffer: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// When the first byte of the last answer came.
    pub(crate) first_byte: Option<Instant>,
    /// Whether the last answer ended with its connection, and nothing else said where.
    pub(crate) until_close: bool,
}

impl Http1 {
    pub(crate) fn new(target: Rc<Target>, counters: Rc<Counters>, one_shot: bool) -> Self {
        let request = target.request(one_shot);
        let (buffer, body) = (Vec::with_capacity(8192), Vec::new());
        let (open, first_byte) = (None, None);
        let until_close = false;
        Self { target, counters, one_shot, request, open, buffer, body, first_byte, until_close }
    }

    /// Sends the request and reads the answer. When it is dropped on the way the connection is closed.
    pub(crate) async fn exchange(&mut self) -> Result<Answered, Failure> {
        self.first_byte = None;
        self.buffer.clear();
        let (mut stream, what) = match self.open.take().and_then(|stream| self.alive(stream)) {
            Some(stream) => (stream, "on a reused connection"),
            None => (self.connect().await?, "on a new connection"),
        };
        let told = |doing: &str, e| Failure::from_io(&format!("{doing} {what}"), &e);
        stream.write_all(&self.request).await.map_err(|e| told("sending", e))?;
        let mut ended = false;
        loop {
            let parsed = answer::parse(&self.buffer, ended);
            let parsed = parsed.map_err(|words| Failure::new(FailureKind::Protocol, words))?;
            if let Some(Answer { status, body, length, close, until_close }) = parsed {
                let at = Instant::now();
                self.body.clear();
                self.body.extend_from_slice(&body);
                self.until_close = until_close;
                let extra = length < self.buffer.len();
                if close || self.one_shot || extra {
                    if !ended {
                        linger(stream);
                    }
                } else {
                    self.open = Some(stream);
                }
                return Ok(Answered { at, status });
            }
            if ended || self.buffer.len() > answer::LIMIT {
                return Err(self.cut_off(ended, what));
            }
            let read = stream.read_buf(&mut self.buffer).await;
            ended = read.map_err(|e| told("reading the answer", e))? == 0;
            if !ended {
                self.first_byte.get_or_insert_with(Instant::now);
            }
        }
    }

    fn cut_off(&self, ended: bool, what: &str) -> Failure {
        if !ended {
            let words = format!("an answer of more than {} bytes", answer::LIMIT);
            return Failure::new(FailureKind::Protocol, words);
        }
        let where_ = match self.buffer.len() {
            0 => "before the first byte of the answer".into(),
            bytes => format!("after {bytes} bytes of the answer"),
        };
        Failure::new(FailureKind::Closed, format!("closed {where_}, {what}"))
    }

    async fn connect(&self) -> Result<Stream, Failure> {
        let stream = self.target.connect().await;
        Counters::add(&self.counters.connections);
        stream.map_err(|e| Failure::from_io("connecting", &e))
    }

    /// The connection if it can still be used: one that the server closed while no request was under way has cost nobody anything.
    fn alive(&self, mut stream: Stream) -> Option<Stream> {
        if stream.read(&mut [0]).now_or_never().is_none() {
            return Some(stream);
        }
        Counters::add(&self.counters.closed_idle);
        None
    }
}

/// Lets the server close first, as it said that it would: so it is the server that has the connection in TIME_WAIT, and the next ones do
/// not run out of ports.
fn linger(mut stream: Stream) {
    tokio::task::spawn_local(async move {
        // Whatever it does has no influence on an answer that was whole.
        let _ = tokio::time::timeout(CLOSES_WITHIN, stream.read(&mut [0; 64])).await;
    });
}
