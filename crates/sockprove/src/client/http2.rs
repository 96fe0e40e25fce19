//! A client of HTTP/2, some requests at a time on each connection.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;

use super::{Answered, Counters};
use crate::failure::{Failure, FailureKind};
use crate::target::{AGENT, Target};

/// Requests that are under way on one connection at a time.
pub(crate) const STREAMS: u32 = 8;

/// How often one request may find that its connection ends before it was sent.
const MOVES: u32 = 16;

/// The first connection is number 1.
const NO_CONNECTION: u64 = 0;

type Sender = SendRequest<Empty<Bytes>>;

/// The connection that some clients share, with a number, so that only the one that ended is forgotten.
#[derive(Default)]
pub(crate) struct Shared {
    open: RefCell<Option<(u64, Sender)>>,
    opening: Mutex<u64>,
}

pub(crate) struct Http2 {
    target: Rc<Target>,
    counters: Rc<Counters>,
    shared: Rc<Shared>,
    url: String,
    pub(crate) body: Vec<u8>,
}

impl Http2 {
    pub(crate) fn new(target: Rc<Target>, counters: Rc<Counters>, shared: Rc<Shared>) -> Self {
        let url = format!("http://{}{}", target.authority, target.path);
        Self { target, counters, shared, url, body: Vec::new() }
    }

    /// Sends the request and reads the answer. One that was not sent, or that the server says it did not look at, goes to the next
    /// connection, as RFC 9113 has it in sections 6.8 and 8.7.
    pub(crate) async fn exchange(&mut self) -> Result<Answered, Failure> {
        for _ in 0..MOVES {
            let (number, mut sender) = self.sender().await?;
            let lease = Lease { shared: Rc::clone(&self.shared), number };
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(self.request()?).await {
                Ok(response) => match self.read(response).await {
                    Ok(answered) => {
                        lease.keep();
                        return Ok(answered);
                    }
                    Err(error) if was_refused(&error) => {}
                    Err(error) => return Err(failure(&error)),
                },
                Err(mut error) => {
                    let unsent = error.take_message().is_some();
                    let error = error.into_error();
                    if !unsent && !was_refused(&error) {
                        return Err(failure(&error));
                    }
                }
            }
            Counters::add(&self.counters.resent);
        }
        let words = format!("{MOVES} connections in a row ended before the request was sent");
        Err(Failure::new(FailureKind::Closed, words))
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, Failure> {
        let request = Request::get(&self.url).header(header::USER_AGENT, AGENT).body(Empty::new());
        request.map_err(|e| Failure::new(FailureKind::Protocol, e.to_string()))
    }

    async fn read(&mut self, response: http::Response<Incoming>) -> hyper::Result<Answered> {
        let status = response.status().as_u16();
        let mut body = response.into_body();
        self.body.clear();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                self.body.extend_from_slice(data);
            }
        }
        Ok(Answered { at: Instant::now(), status })
    }

    /// The connection, a new one if there is none.
    async fn sender(&self) -> Result<(u64, Sender), Failure> {
        let mut number = self.shared.opening.lock().await;
        if let Some((number, sender)) = &*self.shared.open.borrow()
            && !sender.is_closed()
        {
            return Ok((*number, sender.clone()));
        }
        Counters::add(&self.counters.connections);
        let stream = self.target.connect().await;
        let stream = stream.map_err(|e| Failure::from_io("connecting", &e))?;
        let shake = http2::handshake(Local, TokioIo::new(stream)).await;
        let (sender, connection) = shake.map_err(|error| failure(&error))?;
        // How it ends is told to each of its requests.
        tokio::task::spawn_local(async move { drop(connection.await) });
        *number += 1;
        *self.shared.open.borrow_mut() = Some((*number, sender.clone()));
        Ok((*number, sender))
    }
}

/// A request's hold on the connection: unless it had its answer nobody asks on that connection again, also when it was given up because no
/// answer came in time.
struct Lease {
    shared: Rc<Shared>,
    number: u64,
}

impl Lease {
    fn keep(mut self) {
        self.number = NO_CONNECTION;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.open.borrow_mut().take_if(|(open, _)| *open == self.number);
    }
}

/// Whether the server said that it has not looked at the request: its stream's number is above the last one of GOAWAY, or the stream was
/// reset with REFUSED_STREAM.
fn was_refused(error: &hyper::Error) -> bool {
    cause::<h2::Error>(error).is_some_and(|error| {
        let gone = error.is_go_away() && error.is_remote();
        gone && error.reason() == Some(h2::Reason::NO_ERROR)
            || error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
    })
}

fn failure(error: &hyper::Error) -> Failure {
    let h2 = cause::<h2::Error>(error);
    let io = h2.and_then(h2::Error::get_io).or_else(|| cause::<std::io::Error>(error));
    if let Some(io) = io {
        return Failure::from_io("on an HTTP/2 connection", io);
    }
    let mut words = error.to_string();
    if let Some(h2) = h2 {
        words = format!("{words}: {h2}");
    }
    let kind = match h2 {
        Some(h2) if h2.is_reset() || h2.is_go_away() => FailureKind::Reset,
        _ if error.is_canceled() || error.is_closed() || error.is_incomplete_message() => {
            FailureKind::Closed
        }
        _ => FailureKind::Protocol,
    };
    Failure::new(kind, words)
}

fn cause<T: std::error::Error + 'static>(error: &hyper::Error) -> Option<&T> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |cause| cause.source()).find_map(|e| e.downcast_ref())
}

/// Runs what hyper needs run on the thread that asked for it.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}
