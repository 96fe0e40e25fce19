//! Load from `sockprove`, inside a machine's network.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use sockprove::load::monotonic_ns;
use sockprove::record::Record;

use crate::machine::{Machine, URL};

/// How the service is asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Load {
    /// Its name in files.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    path: &'static str,
    args: &'static [&'static str],
}

const fn load(
    name: &'static str,
    title: &'static str,
    path: &'static str,
    args: &'static [&'static str],
) -> Load {
    Load { name, title, path, args }
}

/// At full speed nothing but the load connects: what is measured is how much the service can do.
pub const KEEP_ALIVE: Load = load(
    "keep-alive",
    "64 keep-alive connections at full speed",
    "",
    &["--kind=keep-alive", "--connections=64", "--no-probe"],
);
/// The same with a connection for each request.
pub const ONE_SHOT: Load = load(
    "one-shot",
    "64 clients at full speed, a connection for each request",
    "",
    &["--kind=one-shot", "--connections=64", "--no-probe"],
);
/// A fixed rate, whatever the service does.
pub const ONE_SHOT_1000: Load = load(
    "one-shot-1000",
    "1000 requests a second, a connection for each",
    "",
    &["--kind=one-shot", "--rate=1000"],
);
/// The same on connections that stay.
pub const KEEP_ALIVE_2000: Load = load(
    "keep-alive-2000",
    "2000 requests a second, keep-alive",
    "",
    &["--kind=keep-alive", "--rate=2000"],
);
/// HTTP/2, which not each of the compared speaks.
pub const HTTP2: Load = load(
    "http2",
    "64 requests at a time over HTTP/2 at full speed",
    "",
    &["--kind=http2", "--connections=64", "--no-probe"],
);
/// Connections that are upgraded.
pub const WEBSOCKET: Load = load(
    "websocket",
    "64 WebSockets, a message at a time on each",
    "ws",
    &["--kind=websocket", "--connections=64", "--no-probe"],
);

/// Those under which all are compared.
pub const LOADS: [&Load; 4] = [&KEEP_ALIVE, &ONE_SHOT, &ONE_SHOT_1000, &KEEP_ALIVE_2000];

/// Beyond what is asked for, until it has told its account.
const END_DEADLINE: Duration = Duration::from_secs(30);

/// A load that goes on; dropped, it is killed.
#[derive(Debug)]
#[must_use = "a load that is dropped at once shows nothing"]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Load {
    /// Starts it, and waits for the first answer.
    ///
    /// # Errors
    /// When there is none.
    pub fn start(&self, machine: &Machine) -> Result<Running> {
        let mut command = machine.sandbox.command("sockprove");
        command.args(["load", &format!("{URL}{}", self.path), "--json", "--by-body", "--marks"]);
        command.args(["--duration=10min"]).args(self.args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = BufReader::new(child.stdout.take().context("stdout is piped")?);
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Nobody listens any more when a measurement has failed.
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let running = Running { child, lines };
        running.event("begin", END_DEADLINE)?;
        Ok(running)
    }
}

impl Running {
    /// Begins a phase, and says when, by CLOCK_MONOTONIC.
    ///
    /// # Errors
    /// When the load has ended.
    pub fn mark(&mut self, phase: &str) -> Result<u64> {
        let now = monotonic_ns();
        let stdin = self.child.stdin.as_mut().context("it was told to end")?;
        writeln!(stdin, "mark {phase} {now}").context("the load has ended")?;
        Ok(now)
    }

    /// Lets it go on for this time.
    ///
    /// # Errors
    /// When it ends before.
    pub fn run_for(&self, time: Duration) -> Result<()> {
        match self.lines.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => bail!("the load ended by itself"),
            Ok(line) => bail!("the load ended by itself: {line}"),
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it tells no account.
    pub fn finish(mut self) -> Result<Record> {
        drop(self.child.stdin.take());
        let account = self.event("end", END_DEADLINE)?;
        let record: Record = serde_json::from_value(account).context("the load's account")?;
        ensure!(record.answered > 0, "no request was answered");
        Ok(record)
    }

    fn event(&self, event: &str, within: Duration) -> Result<Value> {
        let line = self.lines.recv_timeout(within);
        let line = line.with_context(|| format!("sockprove told no {event:?} in {within:?}"))?;
        let value: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        ensure!(value["event"] == event, "no {event:?}: {line}");
        Ok(value)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
