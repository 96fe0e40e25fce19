//! For the fuzzer: any bytes on an admin connection, through the code that serves them.

use std::cell::Cell;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, OnceLock};

use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use super::super::notify::Herald;
use super::super::shared::Shared;
use super::super::track::Tracker;
use super::{Pace, connection, nobody};
use crate::slot::{Identity, Setting};

/// Whatever comes, and in whatever pieces: it is answered in HTTP or not at all, alike each time,
/// and the gate has a share that it can have.
///
/// # Panics
/// When that does not hold.
#[doc(hidden)]
pub fn fuzz_admin(input: &[u8]) {
    let Some((piece, bytes)) = input.split_first() else { return };
    let whole = said(bytes, bytes.len().max(1));
    let pieces = said(bytes, usize::from(*piece).max(1));
    let (whole, pieces) = (before_refusal(&whole), before_refusal(&pieces));
    // hyper closes after the answer to a request whose body nobody reads, if it is not there yet:
    // then one is shorter. But never do they contradict each other.
    let alike = whole.starts_with(pieces) || pieces.starts_with(whole);
    let asked = String::from_utf8_lossy(bytes);
    assert!(alike, "{asked:?}, in pieces of {piece}: {pieces:?}, whole: {whole:?}");
    assert!(whole.is_empty() || whole.starts_with("HTTP/1."), "{whole}");
}

/// Without hyper's last word to what is no HTTP: in pieces it waits for the end of a head that at
/// once it refuses.
fn before_refusal(answers: &str) -> &str {
    let empty = "\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    match answers.rfind("HTTP/1.") {
        Some(last) if answers[last..].ends_with(empty) => &answers[..last],
        _ => answers,
    }
}

/// What the slot answers, without the dates, which may differ by a second.
fn said(bytes: &[u8], piece: usize) -> String {
    let (runtime, shared) = world();
    let answers = runtime.block_on(async {
        shared.gate.set(Setting::OPEN).await;
        let (client, slot) = StdUnixStream::pair()?;
        client.set_nonblocking(true)?;
        slot.set_nonblocking(true)?;
        let serve =
            connection(UnixStream::from_std(slot)?, shared, &Arc::new(Pace::new()), &nobody());
        let client = talk(UnixStream::from_std(client)?, bytes, piece);
        let ((), answers) = tokio::join!(serve, client);
        answers
    });
    let share = shared.gate.setting().share();
    assert!((0.0..=1.0).contains(&share), "the gate is at {share}");
    // A slot that has closed while bytes were on the way is gone like this.
    let answers = answers.unwrap_or_default();
    let lines = String::from_utf8_lossy(&answers).into_owned();
    lines.split_inclusive('\n').filter(|line| !line.starts_with("date: ")).collect()
}

/// So many turns of the runtime without a byte: the slot waits for more.
const QUIET: usize = 32;

/// Sends all while it reads what comes. The slot drops a client that closes before its answer, so
/// it is given the time to answer what it can.
async fn talk(stream: UnixStream, bytes: &[u8], piece: usize) -> io::Result<Vec<u8>> {
    let (stream, count) = (&stream, &Cell::new(0));
    let send = async move {
        for piece in bytes.chunks(piece) {
            let mut left = piece;
            while !left.is_empty() {
                stream.writable().await?;
                match stream.try_write(left) {
                    Ok(n) => left = &left[n..],
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    // It has closed: the rest is not for it.
                    Err(_) => return Ok(()),
                }
            }
            tokio::task::yield_now().await;
        }
        let (mut quiet, mut before) = (0, count.get());
        while quiet < QUIET {
            tokio::task::yield_now().await;
            quiet = if count.get() == before { quiet + 1 } else { 0 };
            before = count.get();
        }
        let fd = std::os::fd::AsFd::as_fd(stream).try_clone_to_owned()?;
        StdUnixStream::from(fd).shutdown(Shutdown::Write)
    };
    let receive = async move {
        let mut got = Vec::new();
        loop {
            stream.readable().await?;
            match stream.try_read_buf(&mut got) {
                Ok(0) => return Ok(got),
                Ok(n) => count.set(count.get() + n),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // Closed with bytes unread: what was answered before has been read.
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(got),
                Err(e) => return Err(e),
            }
        }
    };
    let (sent, got) = tokio::join!(send, receive);
    let _: io::Result<()> = sent;
    got
}

fn world() -> &'static (Runtime, Arc<Shared>) {
    static WORLD: OnceLock<(Runtime, Arc<Shared>)> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let herald = Herald::new().expect("a thread");
        let shared = Shared::new(Identity::default(), Setting::OPEN, Tracker::new(), herald);
        (runtime, shared)
    })
}
