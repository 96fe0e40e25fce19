//! Clients of every kind that deploys must not lose, and what they count.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What one kind of client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Asks on one connection as long as the server does not say close, thinking at most so long.
    Kept { think: Duration },
    /// A connection for each request.
    OneShot,
    /// Ten streams on a connection.
    Http2,
    /// Opens a WebSocket, echoes ten messages, closes it.
    WebSocket,
}

/// So many clients of a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) clients: usize,
}

/// The loads that a deploy must survive.
pub(crate) const CROWDS: [Crowd; 5] = [
    Crowd { name: "keep-alive", kind: Kind::Kept { think: Duration::ZERO }, clients: 100 },
    Crowd {
        name: "keep-alive, up to 20 ms between",
        kind: Kind::Kept { think: Duration::from_millis(20) },
        clients: 100,
    },
    Crowd { name: "one-shot", kind: Kind::OneShot, clients: 200 },
    Crowd { name: "HTTP/2, 10 streams each", kind: Kind::Http2, clients: 10 },
    Crowd { name: "WebSocket", kind: Kind::WebSocket, clients: 50 },
];

/// What a crowd met.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) answered: AtomicU64,
    /// Requests that were sent and not answered, WebSockets that ended before their client meant.
    pub(crate) lost: AtomicU64,
    /// How the first was lost.
    pub(crate) how: std::sync::OnceLock<String>,
}

impl Count {
    fn add(&self, result: io::Result<()>) {
        let Err(e) = result else {
            self.answered.fetch_add(1, Relaxed);
            return;
        };
        self.lost.fetch_add(1, Relaxed);
        self.how.get_or_init(|| e.to_string());
    }
}

/// What the crowds count while something is done.
pub(crate) fn meanwhile(
    address: SocketAddr,
    crowds: &[Crowd],
    doing: impl FnOnce(),
) -> Vec<Arc<Count>> {
    let stop = Arc::new(AtomicBool::new(false));
    let counted: Vec<_> = crowds.iter().map(|c| (*c, Arc::<Count>::default())).collect();
    let (clients, until) = (counted.clone(), Arc::clone(&stop));
    let clients = std::thread::spawn(move || run(address, &clients, &until));
    doing();
    stop.store(true, Relaxed);
    clients.join().expect("clients");
    counted.into_iter().map(|(_, count)| count).collect()
}

/// Runs the crowds on this thread until `stop`.
fn run(address: SocketAddr, crowds: &[(Crowd, Arc<Count>)], stop: &Arc<AtomicBool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("runtime").block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for (crowd, count) in crowds {
            for nth in 0..crowd.clients {
                clients.spawn(client(
                    address,
                    crowd.kind,
                    nth,
                    Arc::clone(count),
                    Arc::clone(stop),
                ));
            }
        }
        clients.join_all().await;
    });
}

async fn client(a: SocketAddr, kind: Kind, nth: usize, count: Arc<Count>, stop: Arc<AtomicBool>) {
    while !stop.load(Relaxed) {
        match kind {
            Kind::Kept { think } => kept(a, think, nth as u64, &count, &stop).await,
            Kind::OneShot => count.add(one_shot(a).await),
            Kind::Http2 => http2(a, &count, &stop).await,
            Kind::WebSocket => count.add(web_socket(a).await),
        }
    }
}

/// Connects. That this machine has no port left for a client is no fault of the server.
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    loop {
        match TcpStream::connect(address).await {
            Err(e) if e.kind() == io::ErrorKind::AddrNotAvailable => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => return other,
        }
    }
}

/// Reads to the end of a response; whether it says close.
async fn answer(stream: &mut TcpStream, buf: &mut Vec<u8>) -> io::Result<bool> {
    buf.clear();
    loop {
        if stream.read_buf(buf).await? == 0 {
            return Err(io::Error::other("closed without an answer"));
        }
        let Some(end) = memchr::memmem::find(buf, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buf[..end]).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(io::Error::other(head));
        }
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
        let length: usize = length.and_then(|l| l.parse().ok()).unwrap_or(0);
        while buf.len() < end + 4 + length {
            if stream.read_buf(buf).await? == 0 {
                return Err(io::Error::other("closed within a body"));
            }
        }
        return Ok(head.contains("\r\nconnection: close"));
    }
}

async fn kept(a: SocketAddr, think: Duration, nth: u64, count: &Count, stop: &AtomicBool) {
    let mut buf = Vec::new();
    let mut seed = nth;
    let mut asked: io::Result<bool> = Ok(false);
    let mut stream = match connect(a).await {
        Ok(stream) => stream,
        Err(e) => return count.add(Err(e)),
    };
    while matches!(asked, Ok(false)) && !stop.load(Relaxed) {
        asked = match stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await {
            Ok(()) => answer(&mut stream, &mut buf).await,
            Err(e) => Err(e),
        };
        let failed = asked.as_ref().err().map(ToString::to_string);
        count.add(failed.map_or(Ok(()), |e| Err(io::Error::other(e))));
        if !think.is_zero() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            tokio::time::sleep(think.mul_f64((seed >> 40) as f64 / (1u64 << 24) as f64)).await;
        }
    }
}

async fn one_shot(a: SocketAddr) -> io::Result<()> {
    let mut stream = connect(a).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    answer(&mut stream, &mut Vec::new()).await.map(drop)
}

async fn http2(a: SocketAddr, count: &Arc<Count>, stop: &Arc<AtomicBool>) {
    let stream = match connect(a).await {
        Ok(stream) => stream,
        Err(e) => return count.add(Err(e)),
    };
    let shake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let Ok((sender, connection)) = shake else { return };
    let connection = tokio::spawn(connection);
    let mut streams = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (mut sender, count, stop) = (sender.clone(), Arc::clone(count), Arc::clone(stop));
        streams.spawn(async move {
            while !stop.load(Relaxed) && sender.ready().await.is_ok() {
                match get(&mut sender, a).await {
                    Ok(()) => count.add(Ok(())),
                    Err(e) if not_processed(&e) => break,
                    Err(e) => count.add(Err(io::Error::other(format!("{e:?}")))),
                }
            }
        });
    }
    drop(sender);
    streams.join_all().await;
    connection.abort();
}

async fn get(sender: &mut http2::SendRequest<Empty<Bytes>>, a: SocketAddr) -> hyper::Result<()> {
    let request = hyper::Request::get(format!("http://{a}/")).body(Empty::new()).expect("request");
    sender.send_request(request).await?.into_body().collect().await.map(drop)
}

/// The request was not sent, or the server said by GOAWAY that it was not looked at: it is for a
/// new connection (RFC 9113, section 8.7).
fn not_processed(error: &hyper::Error) -> bool {
    error.is_canceled() || format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)")
}

/// RFC 6455, by hand: masked with zeroes, texts of five bytes.
async fn web_socket(a: SocketAddr) -> io::Result<()> {
    let mut stream = connect(a).await?;
    let head = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        got.push(stream.read_u8().await?);
    }
    if !got.starts_with(b"HTTP/1.1 101") {
        return Err(io::Error::other(String::from_utf8_lossy(&got).into_owned()));
    }
    for _ in 0..10 {
        stream.write_all(b"\x81\x85\0\0\0\0hello").await?;
        let mut echo = [0; 7];
        stream.read_exact(&mut echo).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stream.write_all(b"\x88\x80\0\0\0\0").await?;
    // An answer to the close or a plain end, as the server likes; a reset is neither.
    stream.read(&mut [0; 2]).await.map(drop)
}
