//! A load generator for HTTP/2 that behaves as the clients of users do: a request that could not be sent because the
//! server had said with GOAWAY that the connection ends goes to the next connection, RFC 9113 section 8.7. Those
//! made for measuring, h2load and oha, count such a request as failed.
//!
//! It says on standard output what `wrk.lua` says, in the same words.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

/// Each stream of each connection sends its next request when it has its last response, until SIGINT.
#[derive(Debug, Parser)]
struct Args {
    /// Where every request goes
    url: String,
    /// A multiple of the threads
    #[arg(long)]
    connections: usize,
    /// Requests that are under way on one connection at a time
    #[arg(long)]
    streams: usize,
    #[arg(long)]
    threads: usize,
    /// A response that takes longer is a failure
    #[arg(long)]
    timeout_ms: u64,
    /// It ends by itself after this time
    #[arg(long)]
    seconds: u64,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let (connections, threads) = (args.connections, args.threads);
    ensure!(connections % threads == 0, "{threads} threads cannot share {connections} connections");
    let (args, stop) = (Arc::new(args), Arc::new(AtomicBool::new(false)));
    let started = Instant::now();
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let (args, stop) = (Arc::clone(&args), Arc::clone(&stop));
            thread::spawn(move || load(&args, &stop))
        })
        .collect();
    let limit = Duration::from_secs(args.seconds);
    let end = async { tokio::time::timeout(limit, tokio::signal::ctrl_c()).await };
    if let Ok(signal) = runtime()?.block_on(end) {
        signal.context("cannot wait for SIGINT")?;
    }
    stop.store(true, Ordering::Relaxed);
    let mut account = Account::new()?;
    for thread in threads {
        account.add(thread.join().map_err(|_| anyhow!("a thread panicked"))??)?;
    }
    account.print(started.elapsed());
    Ok(ExitCode::SUCCESS)
}

/// Of one thread: hyper's client, run on several, now and then calls a request unsent that it has just sent when a
/// GOAWAY comes in between, and then it is sent twice.
fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot make a runtime")
}

/// The load of one thread, until it is told to stop.
fn load(args: &Args, stop: &Arc<AtomicBool>) -> Result<Account> {
    let account = Rc::new(RefCell::new(Account::new()?));
    let streams = LocalSet::new();
    for _ in 0..args.connections / args.threads {
        // Over HTTP/2 a client has one connection to a server, and makes a new one when that ends.
        let client = Client::builder()
            .http2_prior_knowledge()
            .timeout(Duration::from_millis(args.timeout_ms))
            .build()
            .context("cannot make a client")?;
        for _ in 0..args.streams {
            let (client, url) = (client.clone(), args.url.clone());
            let (stop, account) = (Arc::clone(stop), Rc::clone(&account));
            streams.spawn_local(async move {
                while !stop.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    let seen = get(&client, &url).await;
                    account.borrow_mut().note(seen, sent.elapsed());
                }
            });
        }
    }
    runtime()?.block_on(streams);
    Ok(Rc::into_inner(account).context("a stream has not ended")?.into_inner())
}

async fn get(client: &Client, url: &str) -> reqwest::Result<(StatusCode, String)> {
    let response = client.get(url).send().await?;
    Ok((response.status(), response.text().await?))
}

/// What was seen.
struct Account {
    /// By release, which is the body: how many, and when the first one came.
    releases: BTreeMap<String, (u64, Duration)>,
    statuses: BTreeMap<u16, u64>,
    failures: BTreeMap<String, u64>,
    connect: u64,
    timeout: u64,
    /// Microseconds.
    latency: Histogram<u64>,
}

impl Account {
    fn new() -> Result<Self> {
        Ok(Self {
            releases: BTreeMap::new(),
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            connect: 0,
            timeout: 0,
            latency: Histogram::new(3)?,
        })
    }

    fn note(&mut self, seen: reqwest::Result<(StatusCode, String)>, took: Duration) {
        match seen {
            Ok((status, body)) => {
                self.latency.record(took.as_micros() as u64).expect("it grows by itself");
                if status == StatusCode::OK { self.release(body) } else { self.status(status) }
            }
            Err(e) if e.is_timeout() => self.timeout += 1,
            Err(e) if e.is_connect() => self.connect += 1,
            Err(e) => *self.failures.entry(words(&e)).or_default() += 1,
        }
    }

    fn release(&mut self, body: String) {
        if let Some((count, _)) = self.releases.get_mut(&body) {
            *count += 1;
            return;
        }
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        say(&json!({"event": "release", "release": body}));
        self.releases.insert(body, (1, Duration::new(now.tv_sec as u64, now.tv_nsec as u32)));
    }

    fn status(&mut self, status: StatusCode) {
        let count = self.statuses.entry(status.as_u16()).or_default();
        *count += 1;
        if *count == 1 {
            say(&json!({"event": "status"}));
        }
    }

    fn add(&mut self, other: Self) -> Result<()> {
        for (release, (count, first)) in other.releases {
            let seen = self.releases.entry(release).or_insert((0, first));
            *seen = (seen.0 + count, seen.1.min(first));
        }
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (words, count) in other.failures {
            *self.failures.entry(words).or_default() += count;
        }
        self.connect += other.connect;
        self.timeout += other.timeout;
        self.latency.add(other.latency).context("cannot add latencies")
    }

    fn print(&self, duration: Duration) {
        for (release, (count, first)) in &self.releases {
            let first = first.as_nanos() as u64;
            say(
                &json!({"event": "responses", "release": release, "count": count, "first_ns": first}),
            );
        }
        for (status, count) in &self.statuses {
            say(&json!({"event": "statuses", "status": status, "count": count}));
        }
        for (words, count) in &self.failures {
            say(&json!({"event": "failures", "words": words, "count": count}));
        }
        say(&json!({
            "event": "summary",
            "requests": self.latency.len(),
            "duration_us": duration.as_micros() as u64,
            "connect": self.connect,
            "read": 0,
            "write": 0,
            "timeout": self.timeout,
            "status": self.statuses.values().sum::<u64>(),
        }));
        let at = |percentile| self.latency.value_at_percentile(percentile);
        say(&json!({
            "event": "latency",
            "p50": at(50.0),
            "p90": at(90.0),
            "p99": at(99.0),
            "p99_9": at(99.9),
            "max": self.latency.max(),
        }));
    }
}

/// What stands at the bottom of an error: the top only repeats the URL.
fn words(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn say(event: &serde_json::Value) {
    println!("@{event}");
}
