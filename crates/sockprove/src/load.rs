//! A load: its threads, its clients, and its end.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::client::Client;
use crate::failure::{Failure, FailureKind};
use crate::kind::Kind;
use crate::probe::{self, Probes};
use crate::schedule::Pace;
use crate::tally::Tally;
use crate::target::Target;
use crate::worker::{Seen, Worker};

/// Times are microseconds in 32 bits.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// What is asked of a service.
#[derive(Debug, Clone)]
pub struct Load {
    /// By which clients.
    pub kind: Kind,
    /// How fast.
    pub pace: Pace,
    /// Where.
    pub target: Target,
    /// For how long, an hour at most.
    pub duration: Duration,
    /// How long an answer may take, from when its request is due.
    pub timeout: Duration,
    /// The bodies that an answer may have; any, when there are none.
    pub expect: Vec<String>,
    /// Whether answers are counted by their bodies.
    pub by_body: bool,
    /// How many threads send requests.
    pub threads: u32,
    /// How often it is tried whether anybody accepts.
    pub probe: Option<Duration>,
}

/// What a thread of a load knows.
#[derive(Debug, Clone)]
pub(crate) struct Going {
    pub(crate) load: Arc<Load>,
    pub(crate) start: Instant,
    /// True when it ends before its time.
    stop: watch::Receiver<bool>,
    /// Hears of the first answer of each thread.
    pub(crate) answered: Sender<()>,
}

impl Going {
    pub(crate) fn end(&self) -> Instant {
        self.start + self.load.duration
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.stop.borrow() || Instant::now() >= self.end()
    }

    /// Waits until it is told to end.
    pub(crate) async fn over(&self) {
        // An error means that whoever could say so is gone.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}

/// All that one load saw.
#[derive(Debug, Clone)]
pub struct Run {
    /// What was asked for.
    pub load: Arc<Load>,
    /// Its start by CLOCK_MONOTONIC, in nanoseconds.
    pub start_ns: u64,
    /// Until its last answer had come.
    pub duration: Duration,
    /// What its clients saw.
    pub tally: Tally,
    /// Connections that were made.
    pub connections: u64,
    /// Those that the server closed while nothing was under way.
    pub closed_idle: u64,
    /// Requests over HTTP/2 that went to another connection, because the first one ended before they were looked at.
    pub resent: u64,
    /// WebSockets that the server closed in order, and that were opened again.
    pub moved: u64,
    /// What the connections saw that only look whether anybody accepts.
    pub probes: Probes,
    /// Processor time of this process meanwhile.
    pub cpu: Duration,
    /// Whether all its threads ran as soon as they had something to do.
    pub on_time: bool,
}

/// A load that goes on.
#[derive(Debug)]
#[must_use = "it goes on until its time is over"]
pub struct Running {
    load: Arc<Load>,
    start: Instant,
    start_ns: u64,
    cpu: Duration,
    stop: watch::Sender<bool>,
    answered: Receiver<()>,
    workers: Vec<JoinHandle<io::Result<Seen>>>,
    prober: Option<JoinHandle<io::Result<Probes>>>,
}

impl Load {
    /// Begins.
    ///
    /// # Errors
    /// When this machine has no threads or descriptors left.
    pub fn start(self) -> io::Result<Running> {
        let load = Arc::new(Self { duration: self.duration.min(LONGEST), ..self });
        let (cpu, start_ns, start) = (cpu(), monotonic_ns(), Instant::now());
        let (stop, stopped) = watch::channel(false);
        let (first, answered) = mpsc::channel();
        let going = Going { load: Arc::clone(&load), start, stop: stopped, answered: first };
        let workers = (0..load.threads).map(|index| {
            let going = going.clone();
            spawn("load", move || async move { Worker::new(going, index).run().await })
        });
        let workers = workers.collect::<io::Result<_>>()?;
        let prober = load.probe.map(|interval| {
            spawn("probe", move || async move { probe::run(going, interval).await })
        });
        let prober = prober.transpose()?;
        Ok(Running { load, start, start_ns, cpu, stop, answered, workers, prober })
    }
}

impl Running {
    /// Its start by CLOCK_MONOTONIC, in nanoseconds.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// Waits for the first answer; false when there was none in this time, or the load ended before.
    pub fn await_answer(&self, within: Duration) -> bool {
        self.answered.recv_timeout(within).is_ok()
    }

    /// What ends it, from any thread.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + 'static {
        let stop = self.stop.clone();
        move || {
            // An error means that it has ended.
            let _ = stop.send(true);
        }
    }

    /// Whether its time is over, so that nothing is sent any more.
    pub fn is_over(&self) -> bool {
        self.start.elapsed() >= self.load.duration
    }

    /// Waits for its end: what is under way then is still waited for.
    ///
    /// # Errors
    /// When a thread could not do its work.
    pub fn finish(self) -> io::Result<Run> {
        let mut run = Run {
            load: self.load,
            start_ns: self.start_ns,
            duration: Duration::ZERO,
            tally: Tally::default(),
            connections: 0,
            closed_idle: 0,
            resent: 0,
            moved: 0,
            probes: Probes::default(),
            cpu: Duration::ZERO,
            on_time: true,
        };
        for worker in self.workers {
            let Seen { tally, counters, ended, on_time } = join(worker)?;
            run.duration = run.duration.max(ended.saturating_duration_since(self.start));
            run.tally.add(tally);
            run.on_time &= on_time;
            run.connections += counters.connections.get();
            run.closed_idle += counters.closed_idle.get();
            run.resent += counters.resent.get();
            run.moved += counters.moved.get();
        }
        if let Some(prober) = self.prober {
            run.probes = join(prober)?;
        }
        run.cpu = cpu().saturating_sub(self.cpu);
        Ok(run)
    }

    /// Ends it now.
    ///
    /// # Errors
    /// As [`Running::finish`].
    pub fn stop(self) -> io::Result<Run> {
        let _ = self.stop.send(true);
        self.finish()
    }
}

/// Runs it on a thread with a runtime of its own: nothing goes from one thread to another while the load goes on.
fn spawn<T, F>(
    name: &str,
    make: impl FnOnce() -> F + Send + 'static,
) -> io::Result<JoinHandle<io::Result<T>>>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + 'static,
{
    thread::Builder::new().name(name.into()).spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, make())
    })
}

fn join<T>(thread: JoinHandle<io::Result<T>>) -> io::Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// CLOCK_MONOTONIC in nanoseconds, which all processes of the machine share.
pub fn monotonic_ns() -> u64 {
    nanos(ClockId::Monotonic)
}

fn cpu() -> Duration {
    Duration::from_nanos(nanos(ClockId::ProcessCPUTime))
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Neither clock is ever negative.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// One request by a client of this kind. Gives whether nothing but the connection's end told where the answer ended.
///
/// # Errors
/// What went wrong with it.
pub async fn ask(kind: Kind, target: &Target, timeout: Duration) -> Result<bool, Failure> {
    let once = async {
        let (target, counters, shared) = (Rc::new(target.clone()), Rc::default(), Rc::default());
        let mut client = Client::new(kind, target, counters, shared);
        let answered = client.exchange().await?;
        let until_close = client.is_until_close();
        client.close().await;
        if (200..300).contains(&answered.status) {
            return Ok(until_close);
        }
        Err(Failure::new(FailureKind::Status, format!("status {}", answered.status)))
    };
    let late = |_| Failure::new(FailureKind::Timeout, "no answer");
    LocalSet::new().run_until(tokio::time::timeout(timeout, once)).await.map_err(late)?
}

/// As many threads as the machine has processors.
pub fn processors() -> u32 {
    let known = thread::available_parallelism().ok();
    known.and_then(|count| u32::try_from(count.get()).ok()).unwrap_or(1)
}

/// Lets this process have as many connections as it may.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // As many as there are must do then.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
