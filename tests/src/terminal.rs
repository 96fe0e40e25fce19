//! A person at a terminal: a program on a pseudo-terminal inside a sandbox, and what its screen shows.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use vt100::{Parser, Screen};

use crate::Sandbox;

/// The longest wait for the screen to show something.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program on a terminal of its own, as script(1) makes one.
pub struct Terminal {
    child: Child,
    parser: Parser,
    /// Every byte that was sent to the terminal so far.
    pub bytes: Vec<u8>,
}

impl Terminal {
    /// Runs a line of sh(1) on a terminal of so many columns and rows.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(sandbox: &Sandbox, (columns, rows): (u16, u16), line: &str) -> Self {
        let mut script = sandbox.command("script");
        let line = format!("stty columns {columns} rows {rows}; {line}");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        script.env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = script.spawn().expect("nsenter starts");
        Self { child, parser: Parser::new(rows, columns, 0), bytes: Vec::new() }
    }

    /// Reads on until the screen shows this; gives what `look` saw.
    ///
    /// # Panics
    /// When the program ends or half a minute passes before.
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Screen) -> Option<T>) -> T {
        self.read_until(what, |this| look(this.parser.screen()))
    }

    /// The same with every byte that was sent so far.
    ///
    /// # Panics
    /// As [`Terminal::until`].
    #[track_caller]
    pub fn until_sent<T>(&mut self, what: &str, mut look: impl FnMut(&[u8]) -> Option<T>) -> T {
        self.read_until(what, |this| look(&this.bytes))
    }

    #[track_caller]
    fn read_until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            assert!(self.read(deadline), "{what}: not seen before the end on\n{}", self.contents());
        }
    }

    /// Presses keys: what the line discipline makes signals of becomes signals.
    ///
    /// # Panics
    /// When the program has ended.
    pub fn press(&mut self, keys: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        stdin.write_all(keys.as_bytes()).expect("script(1) reads");
    }

    /// Waits until the program was stopped from its terminal: script(1) and nsenter(1) stop with it, and show what it wrote last when
    /// they go on.
    ///
    /// # Panics
    /// When it ended before.
    pub fn stopped(&self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(Pid::from_child(&self.child)), options);
        let status = status.expect("a child can be waited for");
        assert!(status.is_some_and(|status| status.stopped()), "it ended: {}", self.contents());
    }

    /// `fg`, for a program that was stopped: script(1) and nsenter(1) pass it on.
    ///
    /// # Panics
    /// When it has ended.
    pub fn go_on(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).expect("nsenter is there");
    }

    /// Reads to the end, and gives the exit status and what the terminal then shows, wrapped lines joined.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn end(mut self) -> (i32, Parser, Vec<u8>) {
        let deadline = Instant::now() + PATIENCE;
        while self.read(deadline) {}
        let status = self.child.wait().expect("nsenter can be waited for");
        let code = status.code().unwrap_or_else(|| panic!("{status}:\n{}", self.contents()));
        let parser = std::mem::take(&mut self.parser);
        (code, parser, std::mem::take(&mut self.bytes))
    }

    fn contents(&self) -> String {
        self.parser.screen().contents()
    }

    /// One read; false at the end.
    #[track_caller]
    fn read(&mut self, deadline: Instant) -> bool {
        let out = self.child.stdout.as_mut().expect("stdout is piped");
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a test's deadline fits");
        let ready = poll(&mut [PollFd::new(&out.as_fd(), PollFlags::IN)], Some(&left));
        assert!(ready.expect("poll(2) on a pipe") > 0, "no end of waiting:\n{}", self.contents());
        let mut some = [0; 4096];
        match out.read(&mut some) {
            Ok(count) => {
                self.parser.process(&some[..count]);
                self.bytes.extend(&some[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("cannot read what the terminal shows: {error}"),
        }
    }
}

/// A program that is left on its terminal would keep the sandbox from its end.
impl Drop for Terminal {
    fn drop(&mut self) {
        // Errors mean that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
