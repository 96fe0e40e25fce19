//! The accept loop: one for each listening socket, obeying the gate.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};

use super::clock::Alarm;
use super::gate::Keeper;
use super::io::Stream;
use crate::listener::Socket;
use crate::slot::{Claim, Plan, is_the_connections, monotonic};

/// Accepts and hands each connection to `spawn`, until the gate says stop; then the listener is
/// closed. Closed, never shut down: shutdown(2) would end it for every process that holds it.
///
/// While the gate is closed the socket is not even watched, so that a warm standby is not woken for
/// each connection that the other slot takes.
pub(crate) async fn run(socket: Socket, mut keeper: Keeper, mut spawn: impl FnMut(Stream)) {
    let mut watch: Option<Watched> = None;
    let mut claim = Claim::on(&socket);
    let mut alarm = Alarm::default();
    let mut trouble = Trouble::default();
    loop {
        let order = keeper.order();
        if order.stop {
            return;
        }
        let plan = claim.plan(order.setting, monotonic());
        keeper.obeys(order);
        if plan == Plan::Closed {
            watch = None;
            keeper.changed().await;
            continue;
        }
        let step = async {
            let watched = match watch.take() {
                Some(watched) => watched,
                None => Watched::new(&socket)?,
            };
            let watched = watch.insert(watched);
            match plan {
                Plan::ShutUntil(edge) => alarm.at(edge).await,
                _ => {
                    accept_all(
                        watched,
                        || claim.allows(plan, monotonic()),
                        &mut spawn,
                        &mut trouble,
                    )
                    .await
                }
            }
        };
        let result = tokio::select! {
            biased;
            () = keeper.changed() => Ok(()),
            result = step => result,
        };
        if let Err(e) = result {
            let pause = trouble.met(&e);
            // An order ends the pause.
            let _ = tokio::time::timeout(pause, keeper.changed()).await;
        }
    }
}

/// A duplicate of the listening descriptor, registered with the runtime until it is dropped.
#[derive(Debug)]
enum Watched {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Watched {
    fn new(socket: &Socket) -> io::Result<Watched> {
        Ok(match socket {
            Socket::Tcp(l) => Watched::Tcp(TcpListener::from_std(l.try_clone()?)?),
            Socket::Unix(l) => Watched::Unix(UnixListener::from_std(l.try_clone()?)?),
        })
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match self {
            Watched::Tcp(l) => l.poll_accept(cx).map_ok(|(stream, _)| Stream::tcp(stream)),
            Watched::Unix(l) => l.poll_accept(cx).map_ok(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

/// Accepts as long as `allowed`, or until an error that is the process's own. What is allowed is
/// asked before each accept(2), so that not even a flood of connections prolongs a window. Under
/// one the runtime's budget gives the gate and the other tasks their turn.
async fn accept_all(
    watch: &Watched,
    allowed: impl Fn() -> bool,
    spawn: &mut impl FnMut(Stream),
    trouble: &mut Trouble,
) -> io::Result<()> {
    let next = || {
        poll_fn(|cx| if allowed() { watch.poll_accept(cx).map(Some) } else { Poll::Ready(None) })
    };
    while let Some(accepted) = next().await {
        match accepted {
            Ok(stream) => {
                spawn(stream);
                trouble.over();
            }
            Err(e) if is_the_connections(&e) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// How the loop takes an error such as EMFILE: it says so once, and pauses ever longer. The
/// connections wait in the backlog, or the other slot takes them.
#[derive(Debug, Default)]
struct Trouble {
    pause: Option<Duration>,
}

impl Trouble {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_secs(1);

    fn met(&mut self, error: &io::Error) -> Duration {
        if self.pause.is_none() {
            eprintln!("sockact: cannot accept connections: {error}; trying on");
        }
        let pause = self.pause.map_or(Trouble::FIRST, |p| (p * 2).min(Trouble::LONGEST));
        self.pause = Some(pause);
        pause
    }

    fn over(&mut self) {
        if self.pause.take().is_some() {
            eprintln!("sockact: accepting connections again");
        }
    }
}
