//! The application with the bookkeeping of a drain around it, in actix's terms.

use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::actix_web::{Error, HttpResponse};
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_http::{ConnectionType, Request, Response, StatusCode, Version};
use actix_service::Service;
use bytes::Bytes;
use pin_project_lite::pin_project;

use crate::serve::pipeline::BodyLength;
use crate::serve::track::{Account, Protocol};

/// The application's service; requests are counted on the account of their connection.
/// `B` is the body that its responses can be made into.
pub(super) struct Tracked<S, B>(Rc<S>, PhantomData<B>);

impl<S, B> Tracked<S, B> {
    pub(super) fn new(service: S) -> Tracked<S, B> {
        Tracked(Rc::new(service), PhantomData)
    }
}

impl<S, B> Clone for Tracked<S, B> {
    fn clone(&self) -> Tracked<S, B> {
        Tracked(Rc::clone(&self.0), PhantomData)
    }
}

impl<S, B> Service<Request> for Tracked<S, B>
where
    S: Service<Request>,
    S::Error: Into<Error>,
    S::Response: Into<Response<B>>,
{
    type Response = Response<CountedBody<B>>;
    type Error = Response<BoxBody>;
    type Future = Answer<S::Future, B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(refusal)
    }

    fn call(&self, request: Request) -> Self::Future {
        let account = request.conn_data::<Arc<Account>>().map(Arc::clone);
        let asked =
            Asked { http1: request.head().version < Version::HTTP_2, body: body_length(&request) };
        let in_flight = account.map(InFlight::begin);
        Answer { future: self.0.call(request), asked, in_flight, body: PhantomData }
    }
}

fn refusal(e: impl Into<Error>) -> Response<BoxBody> {
    HttpResponse::from_error(e.into()).into()
}

/// What the end of the response must know of the request.
#[derive(Clone, Copy)]
struct Asked {
    http1: bool,
    body: BodyLength,
}

fn body_length(request: &Request) -> BodyLength {
    let headers = &request.head().headers;
    if headers.contains_key(TRANSFER_ENCODING) {
        return BodyLength::Chunked;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    BodyLength::Known(length.and_then(|length| length.parse().ok()).unwrap_or(0))
}

/// A request that is being answered; ends when the response's body ends or is dropped.
struct InFlight(Arc<Account>);

impl InFlight {
    fn begin(account: Arc<Account>) -> InFlight {
        account.request_begins();
        InFlight(account)
    }

    /// While draining, the last response of an HTTP/1 connection says close.
    fn last_word<B>(&self, response: &mut Response<B>, asked: Asked) {
        let account = &self.0;
        if !asked.http1 {
            return;
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            account.set_protocol(Protocol::Upgraded);
        } else if account.dismisses(asked.body) {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

pin_project! {
    /// A response on its way.
    pub(super) struct Answer<F, B> {
        #[pin]
        future: F,
        asked: Asked,
        in_flight: Option<InFlight>,
        body: PhantomData<B>,
    }
}

impl<F, R, E, B> Future for Answer<F, B>
where
    F: Future<Output = Result<R, E>>,
    R: Into<Response<B>>,
    E: Into<Error>,
{
    type Output = Result<Response<CountedBody<B>>, Response<BoxBody>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.future.poll(cx));
        let in_flight = this.in_flight.take();
        Poll::Ready(match result {
            Ok(response) => {
                let mut response = response.into();
                if let Some(in_flight) = &in_flight {
                    in_flight.last_word(&mut response, *this.asked);
                }
                Ok(response.map_body(|_, body| CountedBody { body, in_flight }))
            }
            Err(e) => {
                let mut response = refusal(e);
                if let Some(in_flight) = &in_flight {
                    in_flight.last_word(&mut response, *this.asked);
                }
                Err(response)
            }
        })
    }
}

pin_project! {
    /// A response's body; the request is in flight until it ends.
    pub(super) struct CountedBody<B> {
        #[pin]
        body: B,
        in_flight: Option<InFlight>,
    }
}

impl<B: MessageBody> MessageBody for CountedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, B::Error>>> {
        self.project().body.poll_next(cx)
    }
}
