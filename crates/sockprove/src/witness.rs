//! A listener of our own that does nothing but answer: when it stalls, the machine did, and not the service.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// How long a client may be silent. There is none but our own.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers, on a thread of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let thread = thread::Builder::new().name("witness".into()).spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Relaxed) {
                    return;
                }
                // An error is a client that went away.
                let _ = stream.and_then(answer);
            }
        })?;
        Ok(Self { address, ended, thread: Some(thread) })
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    // A request of ours is one segment.
    let _ = stream.read(&mut [0; 1024])?;
    stream.write_all(ANSWER)
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        // Wakes it from accept(2).
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}
