//! Strict HTTPS clients: nothing is tried twice, and every loss is counted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;

use super::not_processed;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Shakes hands; the certificate is checked against the configuration's root.
pub(crate) async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Error> {
    let stream = TcpStream::connect(address).await?;
    let name = "localhost".try_into()?;
    Ok(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?)
}

/// One connection, whichever is spoken.
#[derive(Clone)]
pub(crate) enum Sender {
    Http1(Arc<tokio::sync::Mutex<http1::SendRequest<Empty<Bytes>>>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl Sender {
    pub(crate) async fn open(a: SocketAddr, config: &Arc<ClientConfig>) -> Result<Sender, Error> {
        let stream = connect(a, config).await?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            let io = TokioIo::new(stream);
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            return Ok(Sender::Http2(sender));
        }
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Sender::Http1(Arc::new(tokio::sync::Mutex::new(sender))))
    }

    /// Whether the server takes one more request here.
    pub(crate) async fn is_ready(&mut self) -> bool {
        match self {
            Sender::Http1(sender) => sender.lock().await.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> hyper::Result<Bytes> {
        let uri: Uri = format!("https://localhost{path}").parse().expect("URI");
        let request = Request::get(uri).header("host", "localhost").body(Empty::new());
        let request = request.expect("request");
        let response = match self {
            Sender::Http1(sender) => sender.lock().await.send_request(request).await?,
            Sender::Http2(sender) => sender.send_request(request).await?,
        };
        assert_eq!(response.status(), 200);
        Ok(response.into_body().collect().await?.to_bytes())
    }
}

/// What a crowd met.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) answered: AtomicU64,
    /// Sent and not answered, or no connection to be had.
    pub(crate) lost: AtomicU64,
    /// Not sent, or not looked at as GOAWAY said: for a new connection (RFC 9113, section 8.7).
    pub(crate) unsent: AtomicU64,
    /// Connections that the server ended.
    pub(crate) ended: AtomicU64,
    /// How the first was lost.
    pub(crate) how: OnceLock<String>,
}

impl Count {
    fn fails(&self, e: Error) {
        if not_processed(&*e) {
            self.unsent.fetch_add(1, Relaxed);
            return;
        }
        self.lost.fetch_add(1, Relaxed);
        self.how.get_or_init(|| format!("{e:?}"));
    }
}

/// Clients that ask until they are told to stop: each protocol on kept connections, and connections
/// for one request.
pub(crate) struct Crowd {
    clients: JoinSet<()>,
    stop: Arc<AtomicBool>,
    pub(crate) count: Arc<Count>,
}

/// Of each kind; an HTTP/2 client has this many streams.
const CLIENTS: usize = 8;

impl Crowd {
    pub(crate) fn start(address: SocketAddr, configs: [Arc<ClientConfig>; 2]) -> Crowd {
        let mut crowd =
            Crowd { clients: JoinSet::new(), stop: Arc::default(), count: Arc::default() };
        for config in configs {
            for _ in 0..CLIENTS {
                let (stop, count) = (Arc::clone(&crowd.stop), Arc::clone(&crowd.count));
                crowd.clients.spawn(keep(address, Arc::clone(&config), stop, count));
                let (stop, count) = (Arc::clone(&crowd.stop), Arc::clone(&crowd.count));
                crowd.clients.spawn(once(address, Arc::clone(&config), stop, count));
            }
        }
        crowd
    }

    pub(crate) fn answered(&self) -> u64 {
        self.count.answered.load(Relaxed)
    }

    /// Waits for so many more answers.
    pub(crate) async fn goes_on(&self, answers: u64) {
        let enough = self.answered() + answers;
        let wait = async {
            while self.answered() < enough {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(super::PATIENCE, wait).await.expect("answers in time");
    }

    pub(crate) async fn ends(self) -> Arc<Count> {
        self.stop.store(true, Relaxed);
        self.clients.join_all().await;
        self.count
    }
}

async fn keep(a: SocketAddr, config: Arc<ClientConfig>, stop: Arc<AtomicBool>, count: Arc<Count>) {
    while !stop.load(Relaxed) {
        let sender = match Sender::open(a, &config).await {
            Ok(sender) => sender,
            Err(e) => {
                count.fails(e);
                continue;
            }
        };
        let streams = if matches!(sender, Sender::Http1(_)) { 1 } else { CLIENTS };
        let mut asking = JoinSet::new();
        for _ in 0..streams {
            asking.spawn(ask(sender.clone(), Arc::clone(&stop), Arc::clone(&count)));
        }
        asking.join_all().await;
        count.ended.fetch_add(u64::from(!stop.load(Relaxed)), Relaxed);
    }
}

async fn ask(mut sender: Sender, stop: Arc<AtomicBool>, count: Arc<Count>) {
    while !stop.load(Relaxed) && sender.is_ready().await {
        match sender.get("/").await {
            Ok(_) => _ = count.answered.fetch_add(1, Relaxed),
            Err(e) => return count.fails(e.into()),
        }
    }
}

async fn once(a: SocketAddr, config: Arc<ClientConfig>, stop: Arc<AtomicBool>, count: Arc<Count>) {
    while !stop.load(Relaxed) {
        let answer = async { Ok::<_, Error>(Sender::open(a, &config).await?.get("/").await?) };
        match answer.await {
            Ok(_) => _ = count.answered.fetch_add(1, Relaxed),
            Err(e) => count.fails(e),
        }
    }
}
