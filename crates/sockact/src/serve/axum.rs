//! Stock `axum::serve` without a loss: its listener and its service, feature `axum`.
//!
//! See [`Drain`](crate::Drain) for the whole.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::extract::connect_info::Connected;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::connection::{Connection, Incoming, Peer};
use super::service::{Answer, Tracked};

impl Listener for Incoming {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        Incoming::accept(self).await
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Incoming::local_addr(self)
    }
}

impl Connected<IncomingStream<'_, Incoming>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Incoming>) -> Peer {
        *stream.remote_addr()
    }
}

/// What goes around the router given to `axum::serve`, beside an [`Incoming`]: each connection's
/// requests are counted, and while draining HTTP/1 responses say `Connection: close`.
///
/// Around an `axum::Router` as it is, or around `into_make_service_with_connect_info::<Peer>()`.
#[derive(Clone, Debug)]
pub struct Lame<M>(M);

impl<M> Lame<M> {
    /// Around what would be given to `axum::serve`.
    pub fn new(router: M) -> Lame<M> {
        Lame(router)
    }
}

impl<'a, M> Service<IncomingStream<'a, Incoming>> for Lame<M>
where
    M: Service<IncomingStream<'a, Incoming>, Error = Infallible>,
{
    type Response = Routed<M::Response>;
    type Error = Infallible;
    type Future = Made<M::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, stream: IncomingStream<'a, Incoming>) -> Self::Future {
        let track = stream.io().tracked(());
        Made { future: self.0.call(stream), track }
    }
}

pin_project! {
    /// The service of one connection, on its way.
    #[derive(Debug)]
    pub struct Made<F> {
        #[pin]
        future: F,
        track: Tracked<()>,
    }
}

impl<F: Future<Output = Result<S, Infallible>>, S> Future for Made<F> {
    type Output = Result<Routed<S>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let service = ready!(this.future.poll(cx))?;
        Poll::Ready(Ok(Routed(this.track.with(service))))
    }
}

/// The service of one connection: the router, tracked.
#[derive(Clone, Debug)]
pub struct Routed<S>(Tracked<S>);

impl<S> Service<Request> for Routed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Boxing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Boxing { answer: Service::call(&mut self.0, request) }
    }
}

pin_project! {
    /// A response on its way.
    pub struct Boxing<F> {
        #[pin]
        answer: Answer<F>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Boxing<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().answer.poll(cx))?;
        let status = response.status();
        // axum's body is a box, and what is around it would have to be boxed again.
        Poll::Ready(Ok(response.map(|body| match body.unwatched(status) {
            Ok(body) => body,
            Err(body) => axum::body::Body::new(body),
        })))
    }
}
