//! Health probes from the admin socket, answered by the application on one of its own threads.

use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::worker::Workers;
use crate::BoxError;
use crate::serve::io::Stream;
use crate::serve::track::Tracker;

/// Hands each probe to the application over a connection of its own, which is in no count.
#[derive(Clone)]
pub(super) struct Probe {
    workers: Workers,
    tracker: Arc<Tracker>,
}

impl Probe {
    pub(super) fn new(workers: Workers, tracker: Arc<Tracker>) -> Probe {
        Probe { workers, tracker }
    }

    async fn ask(self, mut request: Request<Incoming>) -> Result<Response<Incoming>, BoxError> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        let theirs = Stream::Unix(tokio::net::UnixStream::from_std(theirs)?);
        self.workers.take(theirs, self.tracker.enter());
        let ours = tokio::net::UnixStream::from_std(ours)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await?;
        tokio::spawn(connection);
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        Ok(sender.send_request(request).await?)
    }
}

impl tower_service::Service<Request<Incoming>> for Probe {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}
