//! A load generator at work.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::event::{Account, Event, event};
use super::{Generator, Load, LoadReport, Scratch, THREADS, http2_pool, oha, wrk};
use crate::sandbox::exits_within;
use crate::{Sandbox, binaries};

const START_DEADLINE: Duration = Duration::from_secs(30);
/// Beyond the time after which a response is late.
const EXIT_DEADLINE: Duration = Duration::from_secs(10);

/// A load that runs until it is finished; dropped, it is killed.
#[derive(Debug)]
#[must_use = "a load that is dropped at once shows nothing"]
pub struct Running<'a> {
    sandbox: &'a Sandbox,
    load: Load,
    scratch: Scratch,
    command: String,
    child: Child,
    stdout: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    /// All that it printed up to now.
    told: Vec<String>,
}

impl<'a> Running<'a> {
    pub(super) fn start(sandbox: &'a Sandbox, load: &Load) -> Self {
        let scratch = Scratch::new();
        let argv = match load.generator {
            Generator::KeepAlive | Generator::OneShot => {
                sandbox.install_file(&scratch.script, include_str!("wrk.lua"), 0o644);
                wrk::argv(load, &scratch)
            }
            Generator::Http2 => {
                sandbox.install_program(binaries::oha());
                oha::argv(load)
            }
            Generator::Http2Pool => {
                sandbox.install_program(&binaries::get().http2_client);
                http2_pool::argv(load)
            }
        };
        let command = argv.join(" ");
        let mut child = sandbox
            .command(&argv[0])
            .args(&argv[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| {
                panic!("cannot start nsenter (package util-linux) for {command}: {e}")
            });
        let stdout = lines(child.stdout.take().expect("stdout is piped"));
        let stderr = Some(text(child.stderr.take().expect("stderr is piped")));
        let (load, told) = (load.clone(), Vec::new());
        let mut running = Self { sandbox, load, scratch, command, child, stdout, stderr, told };
        running.await_start();
        running
    }

    fn await_start(&mut self) {
        if self.load.generator.tells() {
            let first = |event: &Event| matches!(event, Event::Release { .. } | Event::Status);
            return self.await_event("a first response", START_DEADLINE, first);
        }
        // oha says nothing before its end. Nobody tells when a process connects: look, as long as it lives.
        let deadline = Instant::now() + START_DEADLINE;
        while self.sandbox.connections_to(self.load.address()) == 0 {
            let ended = exits_within(&self.child, Duration::from_millis(5));
            assert!(!ended, "ended before it connected:\n{}", self.transcript());
            assert!(
                Instant::now() < deadline,
                "not connected within {START_DEADLINE:?}:\n{}",
                self.transcript()
            );
        }
    }

    /// Waits until a client has seen a response of this release.
    ///
    /// # Panics
    /// When the time is over before, or the generator ended, or is oha, which does not read bodies.
    pub fn await_release(&mut self, name: &str, deadline: Duration) {
        assert!(self.load.generator.tells(), "oha does not read bodies");
        let seen = |event: &Event| matches!(event, Event::Release { release } if release == name);
        if !self.told.iter().filter_map(|line| event(line)).any(|event| seen(&event)) {
            self.await_event(&format!("a response of release {name:?}"), deadline, seen);
        }
    }

    /// Lets the load go on for this time.
    ///
    /// # Panics
    /// When the load ends by itself before.
    pub fn run_for(&mut self, time: Duration) {
        let ended = exits_within(&self.child, time);
        assert!(!ended, "the load had ended by itself: raise `at_most`\n{}", self.transcript());
    }

    /// Ends the load and gives its account. Requests that are on their way are waited for, as long as twice the time
    /// after which a response is late.
    ///
    /// # Panics
    /// When the generator had ended before, failed, or printed what is not understood.
    #[must_use]
    pub fn finish(mut self) -> LoadReport {
        self.run_for(Duration::ZERO);
        // The others time out what is not answered.
        if let Generator::KeepAlive | Generator::OneShot = self.load.generator {
            self.park();
        }
        self.sandbox.signal(&self.child, Signal::INT);
        let deadline = self.load.timeout + EXIT_DEADLINE;
        if !exits_within(&self.child, deadline) {
            panic!("still running {deadline:?} after SIGINT:\n{}", self.transcript());
        }
        let status = self.child.wait().expect("a child can be waited for");
        self.told.extend(self.stdout.iter());
        assert!(status.success(), "{status}:\n{}", self.transcript());
        match self.load.generator {
            Generator::KeepAlive | Generator::OneShot => {
                wrk::report(&self.load, &self.command, &self.told)
            }
            Generator::Http2 => oha::report(&self.command, &self.told),
            Generator::Http2Pool => Account::read(&self.told).report(&self.command, 0),
        }
    }

    /// Waits until no request is on its way; those that stay are in the generator's account.
    fn park(&mut self) {
        self.sandbox.install_file(&self.scratch.stop, "", 0o644);
        let deadline = Instant::now() + 2 * self.load.timeout;
        for _ in 0..THREADS {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.next_event(left, |event| matches!(event, Event::Parked)).is_err() {
                return;
            }
        }
    }

    fn await_event(&mut self, what: &str, timeout: Duration, wanted: impl Fn(&Event) -> bool) {
        match self.next_event(timeout, wanted) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => {
                panic!("no {what} within {timeout:?}:\n{}", self.transcript())
            }
            Err(RecvTimeoutError::Disconnected) => {
                panic!("ended before {what}:\n{}", self.transcript())
            }
        }
    }

    fn next_event(
        &mut self,
        timeout: Duration,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<(), RecvTimeoutError> {
        let deadline = Instant::now() + timeout;
        loop {
            let line =
                self.stdout.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
            let found = event(&line).is_some_and(|event| wanted(&event));
            self.told.push(line);
            if found {
                return Ok(());
            }
        }
    }

    /// All that the generator said; ends it, for its last words are wanted too.
    fn transcript(&mut self) -> String {
        // It may have ended.
        let _ = self.child.kill();
        self.told.extend(self.stdout.iter());
        let stderr = self
            .stderr
            .take()
            .map(|reader| reader.join().expect("reading a pipe"))
            .unwrap_or_default();
        format!("$ {}\n{}\n--- stderr\n{stderr}", self.command, self.told.join("\n"))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            // Nobody listens any more when a test has panicked.
            if sender.send(line.expect("a generator prints UTF-8")).is_err() {
                break;
            }
        }
    });
    receiver
}

fn text(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
