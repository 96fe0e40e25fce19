//! Plain threads, one for each client: a line is a wish, and is answered by a line.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use signal_hook::consts::SIGHUP;
use sockact::threads::{Drain, Guard};
use sockact::{Adopt, Notify, NotifyState, scrub};

/// For systemd to take a message.
const HEARD: Duration = Duration::from_secs(20);

/// What all clients share.
struct Keeper {
    notify: Notify,
    /// A byte comes in with each SIGHUP.
    reloads: UnixStream,
}

/// Serves until SIGTERM: new clients, and those that an earlier process stored.
pub(crate) fn serve(adopt: Adopt) -> Result<()> {
    let listeners = adopt.listeners()?;
    // systemfd gives no names.
    let has_names = listeners.remaining().iter().any(|name| name == "lines");
    let listener = if has_names { listeners.tcp("lines")? } else { listeners.take_at(0)? };
    let (reloads, signals) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGHUP, signals)?;
    let keeper = Arc::new(Keeper { notify: Notify::from_env()?, reloads });
    let drain = Drain::new()?;
    for stored in listeners.any("session") {
        eprintln!("adopted {stored}");
        keeper.spawn(TcpStream::from(OwnedFd::from(stored)), drain.guard())?;
    }
    listeners.finish()?;
    drain.ready()?;
    while let Some((stream, guard)) = drain.accept(&listener)? {
        keeper.spawn(stream, guard)?;
    }
    eprintln!("{}", drain.finish());
    Ok(())
}

impl Keeper {
    fn spawn(self: &Arc<Self>, stream: TcpStream, guard: Guard) -> io::Result<()> {
        // One that was stored comes back non-blocking, for NonBlocking=yes means all; nobody else holds it but systemd.
        stream.set_nonblocking(false)?;
        let keeper = Arc::clone(self);
        thread::spawn(move || {
            // An error is a client that went away.
            let _ = keeper.talk(&stream);
            drop(guard);
        });
        Ok(())
    }

    fn talk(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next().transpose()? {
            let answer = self.act(&line, stream).unwrap_or_else(|e| {
                eprintln!("{e:#}");
                format!("refused: {e:#}")
            });
            writeln!(stream, "{answer}")?;
        }
        Ok(())
    }

    /// Does it, and returns when systemd has been told.
    fn act(&self, line: &str, stream: &TcpStream) -> Result<String> {
        let (verb, text) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "pid" => return Ok(std::process::id().to_string()),
            "credential" => return Ok(sockact::credential(text)?.line()?.to_owned()),
            "keep" => self.notify.store(text, &[stream.as_fd()])?,
            "forget" => self.notify.store_remove(text)?,
            "status" => self.notify.status(text)?,
            "errno" => self.notify.errno(text.parse()?)?,
            "main" => return self.hand_over(),
            "wait" => return wait(text.parse()?),
            "await-reload" => {
                (&self.reloads).read_exact(&mut [0])?;
                self.notify.reloading()?;
            }
            "reloaded" => {
                self.notify.send(&[NotifyState::Ready, NotifyState::Status("reloaded")])?;
            }
            _ => bail!("{line:?}?"),
        }
        self.notify.barrier(HEARD)?;
        Ok(verb.to_owned())
    }

    /// Makes a child the main process, as a supervisor does.
    fn hand_over(&self) -> Result<String> {
        let mut child = Command::new(std::env::current_exe()?);
        child.arg("child").stdin(Stdio::piped());
        let child = scrub(&mut child).spawn().context("cannot start the child")?;
        self.notify.main_pid(child.id())?;
        self.notify.barrier(HEARD)?;
        let pid = child.id().to_string();
        // The child ends with this end of its input, and that with this process.
        std::mem::forget(child.stdin);
        Ok(pid)
    }
}

#[expect(clippy::disallowed_methods, reason = "the delay is what was asked for")]
fn wait(ms: u64) -> Result<String> {
    thread::sleep(Duration::from_millis(ms));
    Ok("waited".to_owned())
}
