//! Threads that speak actix-http, each with an application of its own: actix's services do not
//! leave their thread.

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc as blocking};

use ::actix_web::Error;
use ::actix_web::dev::AppConfig;
use ::actix_web::rt::Runtime;
use actix_http::body::MessageBody;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::ActixError;
use super::io::Known;
use super::service::Tracked;
use crate::serve::io::{Counted, Stream};
use crate::serve::track::Entry;

/// An accepted connection between two runtimes.
pub(super) struct Arrival {
    stream: Loose,
    entry: Entry,
}

enum Loose {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Arrival {
    fn new(stream: Stream, entry: Entry) -> io::Result<Arrival> {
        let stream = match stream {
            Stream::Tcp(stream) => Loose::Tcp(stream.into_std()?),
            Stream::Unix(stream) => Loose::Unix(stream.into_std()?),
        };
        Ok(Arrival { stream, entry })
    }

    /// For the runtime of this thread.
    fn land(self) -> io::Result<(Counted, Option<SocketAddr>)> {
        let (stream, peer) = match self.stream {
            Loose::Tcp(stream) => {
                let peer = stream.peer_addr().ok();
                (Stream::Tcp(tokio::net::TcpStream::from_std(stream)?), peer)
            }
            Loose::Unix(stream) => (Stream::Unix(tokio::net::UnixStream::from_std(stream)?), None),
        };
        Ok((Counted::foreign(stream, self.entry), peer))
    }
}

/// What a thread takes its connections from, and where it says once that it has an application.
pub(super) type Arrivals = mpsc::UnboundedReceiver<Arrival>;
pub(super) type Tell = blocking::Sender<Result<(), ActixError>>;

/// The way to all threads; each ends when this is gone and its last connection is.
#[derive(Clone)]
pub(super) struct Workers {
    senders: Arc<[mpsc::UnboundedSender<Arrival>]>,
    next: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts the threads with this life, and waits until each says that it has an application.
    pub(super) fn start<L, F>(threads: usize, life: &L) -> Result<Workers, ActixError>
    where
        L: Fn(Arrivals, Tell) -> F + Clone + Send + 'static,
        F: Future<Output = ()>,
    {
        let (tell, told) = blocking::channel();
        let mut senders = Vec::new();
        for nth in 0..threads {
            let (sender, arrivals) = mpsc::unbounded_channel();
            let (life, tell) = (life.clone(), tell.clone());
            let thread = std::thread::Builder::new().name(format!("sockact-actix-{nth}"));
            thread
                .spawn(move || match Runtime::new() {
                    Ok(runtime) => runtime.block_on(life(arrivals, tell)),
                    Err(source) => drop(tell.send(Err(ActixError::Thread { source }))),
                })
                .map_err(|source| ActixError::Thread { source })?;
            senders.push(sender);
        }
        drop(tell);
        for _ in 0..threads {
            // A thread that said nothing has panicked.
            told.recv().unwrap_or(Err(ActixError::Panicked))?;
        }
        Ok(Workers { senders: senders.into(), next: Arc::default() })
    }

    /// Hands a connection to the next thread. One that cannot be handed over is closed.
    pub(super) fn take(&self, stream: Stream, entry: Entry) {
        let next = self.next.fetch_add(1, Relaxed) % self.senders.len();
        if let Ok(arrival) = Arrival::new(stream, entry) {
            // The thread lives as long as this.
            let _ = self.senders[next].send(arrival);
        }
    }
}

/// The life of a thread, with the application that `factory` makes.
pub(super) async fn work<F, I, S, B>(factory: F, mut arrivals: Arrivals, tell: Tell)
where
    F: Fn() -> I,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Service: 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    let application = factory().into_factory().new_service(AppConfig::default()).await;
    let application = match application {
        Ok(application) => Tracked::new(application),
        Err(e) => {
            let reason = format!("{e:?}");
            return drop(tell.send(Err(ActixError::Application { reason })));
        }
    };
    let http = HttpService::build()
        // A server that hangs up on an idle client loses the request that is on its way.
        .keep_alive(KeepAlive::Os)
        .on_connect_ext(|io: &Known, data| _ = data.insert(Arc::clone(io.account())))
        .finish(fn_factory(move || ready(Ok::<_, Infallible>(application.clone()))));
    let Ok(http) = http.new_service(()).await else {
        let reason = "actix-http has no service".to_owned();
        return drop(tell.send(Err(ActixError::Application { reason })));
    };
    let (http, mut connections) = (Rc::new(http), JoinSet::new());
    drop(tell.send(Ok(())));
    drop(tell);
    loop {
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                Some(arrival) => drop(connections.spawn_local(serve(arrival, Rc::clone(&http)))),
                None => break,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    connections.join_all().await;
}

/// How a connection ends is the client's affair; the application logs its own requests.
async fn serve<H>(arrival: Arrival, http: Rc<H>)
where
    H: Service<(Known, Protocol, Option<SocketAddr>)>,
{
    let Ok((counted, peer)) = arrival.land() else { return };
    if let Some((known, spoken)) = Known::tell(counted).await {
        let _ = http.call((known, spoken, peer)).await;
    }
}
