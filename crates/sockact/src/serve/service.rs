//! The application's router with the bookkeeping of a drain around it. Nothing is allocated here
//! for a request; the account of its connection is all that is touched.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::Service;
use pin_project_lite::pin_project;

use super::pipeline::BodyLength;
use super::track::{Account, Protocol};
use crate::BoxError;

/// What can be served: every tower service of HTTP requests that can be cloned for each connection, such as an `axum::Router`.
/// Implemented by itself for all that qualify.
pub trait HttpService:
    Clone
    + Send
    + 'static
    + tower_service::Service<
        Request<Incoming>,
        Response = Response<<Self as HttpService>::ResponseBody>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    >
{
    /// The body of its responses.
    type ResponseBody: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> HttpService for S
where
    S: tower_service::Service<
            Request<Incoming>,
            Response = Response<B>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type ResponseBody = B;
}

/// A service that keeps its connection's account: from [`Connection::track`](crate::Connection).
#[derive(Clone, Debug)]
pub struct Tracked<S> {
    inner: S,
    account: Arc<Account>,
}

impl<S> Tracked<S> {
    pub(crate) fn new(inner: S, account: Arc<Account>) -> Tracked<S> {
        Tracked { inner, account }
    }

    /// The same connection, another service.
    #[cfg(feature = "axum")]
    pub(crate) fn with<T>(&self, inner: T) -> Tracked<T> {
        Tracked::new(inner, Arc::clone(&self.account))
    }
}

/// What the end of the response must know of the request.
#[derive(Clone, Copy, Debug)]
struct Asked {
    http1: bool,
    connect: bool,
    body: BodyLength,
    /// More is written than one head and the response's body, or less: a `100 Continue` before, or
    /// nothing after the head of an answer to HEAD.
    #[cfg(feature = "axum")]
    odd: bool,
}

impl Asked {
    fn of(request: &Request<impl Body>) -> Asked {
        let body = match request.body().size_hint().exact() {
            Some(length) => BodyLength::Known(length),
            None => BodyLength::Chunked,
        };
        Asked {
            http1: request.version() < Version::HTTP_2,
            connect: request.method() == Method::CONNECT,
            #[cfg(feature = "axum")]
            odd: request.method() == Method::HEAD
                || body != BodyLength::Known(0) && request.headers().contains_key(header::EXPECT),
            body,
        }
    }
}

impl<S, B> Service<Request<Incoming>> for Tracked<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let asked = Asked::of(&request);
        let in_flight = InFlight::begin(&self.account);
        Answer { future: self.inner.call(request), asked, in_flight: Some(in_flight) }
    }
}

impl<S, B, D: Body> tower_service::Service<Request<D>> for Tracked<S>
where
    S: tower_service::Service<Request<D>, Response = Response<B>>,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<D>) -> Self::Future {
        let asked = Asked::of(&request);
        let in_flight = InFlight::begin(&self.account);
        Answer { future: self.inner.call(request), asked, in_flight: Some(in_flight) }
    }
}

/// A request that is being answered; ends when the response's body ends or is dropped.
#[derive(Debug)]
struct InFlight {
    account: Arc<Account>,
    /// The I/O object ends it.
    handed_over: bool,
}

impl InFlight {
    fn begin(account: &Arc<Account>) -> InFlight {
        account.request_begins();
        InFlight { account: Arc::clone(account), handed_over: false }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.handed_over {
            self.account.request_ends();
        }
    }
}

pin_project! {
    /// A response on its way.
    pub struct Answer<F> {
        #[pin]
        future: F,
        asked: Asked,
        in_flight: Option<InFlight>,
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        if let (Some(in_flight), true) = (&this.in_flight, this.asked.http1) {
            last_word(&mut response, *this.asked, &in_flight.account);
        }
        let (in_flight, asked) = (this.in_flight.take(), *this.asked);
        Poll::Ready(Ok(response.map(|body| CountedBody { body, asked, in_flight })))
    }
}

/// While draining or standing by, tells an HTTP/1 client that this response is the connection's last.
fn last_word<B>(response: &mut Response<B>, asked: Asked, account: &Account) {
    let tunnel = asked.connect && response.status().is_success();
    if tunnel || response.status() == StatusCode::SWITCHING_PROTOCOLS {
        account.set_protocol(Protocol::Upgraded);
    } else if account.dismisses(asked.body) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

pin_project! {
    /// A response's body; the request is in flight until it ends.
    pub struct CountedBody<B> {
        #[pin]
        body: B,
        asked: Asked,
        in_flight: Option<InFlight>,
    }
}

#[cfg(feature = "axum")]
impl<B: Body> CountedBody<B> {
    /// The body alone, where nothing has to watch it: it has ended, or the I/O object sees the end of
    /// a response of known length to a request that is alone on its connection. For a server that
    /// is not ours, and a status that has a body.
    pub(crate) fn unwatched(mut self, status: StatusCode) -> Result<B, Self> {
        if self.body.is_end_stream() {
            return Ok(self.body);
        }
        let bodyless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let Asked { http1, connect, body, odd } = self.asked;
        let (Some(in_flight), Some(length)) = (&mut self.in_flight, self.body.size_hint().exact())
        else {
            return Err(self);
        };
        let alone = http1 && in_flight.account.tally().is_alone(body);
        if !alone || connect || odd || bodyless {
            return Err(self);
        }
        in_flight.account.ends_after(length);
        in_flight.handed_over = true;
        Ok(self.body)
    }
}

impl<B: Body> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
