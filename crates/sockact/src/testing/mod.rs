//! Starts a program as systemd would, so that its activation can be tested: real descriptors from
//! 3 on, names, a process id that is its own, and a real notify socket.
//!
//! ```
//! use std::net::TcpListener;
//! use std::time::Duration;
//! use sockact::testing::Activation;
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! listener.set_nonblocking(true)?; // as NonBlocking=yes does
//! # let program = "bash"; // here a stand-in: env!("CARGO_BIN_EXE_shop") in your test
//! let mut service = Activation::new(program)
//!     .fd("http", listener)
//!     .configure(|command| {
//! #       command.args(["-c", r#"[ "$LISTEN_FDNAMES" = http ] && [ $LISTEN_PID = $$ ] && [ -S /proc/self/fd/3 ] && exec sleep 60"#]);
//!         command.env("RUST_LOG", "debug");
//!     })
//!     .start()?;
//! # let ready = sockact::Notify::to(service.notify_socket())?.ready();
//! service.wait_ready(Duration::from_secs(10))?;
//! // … requests to the listener's address …
//! let status = service.stop(Duration::from_secs(10))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Needs bash: it puts the descriptors in place and then becomes the program, keeping its process
//! id, so that nothing has to run between fork(2) and exec(2).

mod error;
mod manager;

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

pub use error::TestingError;
use manager::{Event, Manager};

/// A program to be started with descriptors.
#[derive(Debug)]
#[must_use = "nothing runs before start()"]
pub struct Activation {
    command: Command,
    program: String,
    fds: Vec<(String, OwnedFd)>,
}

impl Activation {
    /// For the program at this path.
    pub fn new(program: impl AsRef<OsStr>) -> Activation {
        let program = program.as_ref();
        let mut command = Command::new("bash");
        crate::scrub(&mut command);
        command.args(["-c", SCRIPT]).arg(program);
        Activation { command, program: program.to_string_lossy().into_owned(), fds: Vec::new() }
    }

    /// Passes one more descriptor under this name: the first becomes descriptor 3. One name may be
    /// given several times.
    pub fn fd(mut self, name: &str, fd: impl Into<OwnedFd>) -> Activation {
        self.fds.push((name.to_owned(), fd.into()));
        self
    }

    /// Sets arguments, environment, working directory or output of the program. What is set here
    /// wins over what [`start`](Activation::start) would set, such as a wrong `LISTEN_FDS` for a
    /// test of errors.
    pub fn configure(mut self, change: impl FnOnce(&mut Command)) -> Activation {
        change(&mut self.command);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// No bash, no socket for notifications, or too few descriptors left.
    pub fn start(mut self) -> Result<Service, TestingError> {
        let failed = |source| TestingError::Start { program: self.program.clone(), source };
        let manager = Manager::new().map_err(failed)?;
        let names: Vec<_> = self.fds.iter().map(|(name, _)| escape(name)).collect();
        self.set("LISTEN_FDS", self.fds.len().to_string());
        self.set("LISTEN_FDNAMES", names.join(":"));
        self.set("NOTIFY_SOCKET", manager.address());
        let failed = |source| TestingError::Start { program: self.program.clone(), source };
        // The descriptors are inheritable for a moment: no other start here may get them.
        let alone = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = inheritable(&self.fds).map_err(failed)?;
        let numbers: Vec<_> = passed.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
        self.command.env("SOCKACT_TESTING_FDS", numbers.join(" "));
        let child = self.command.spawn().map_err(failed)?;
        drop(passed);
        drop(alone);
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
        let pidfd = pidfd.map_err(|e| failed(e.into()))?;
        Ok(Service { child, pidfd, manager, program: self.program })
    }

    /// Unless [`configure`](Activation::configure) did.
    fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        let set = self.command.get_envs().any(|(n, value)| n == name && value.is_some());
        if !set {
            self.command.env(name, value);
        }
    }
}

static STARTS: Mutex<()> = Mutex::new(());

/// bash moves each inherited descriptor to its place and closes the original.
const SCRIPT: &str = r#"to=3
for from in $SOCKACT_TESTING_FDS; do eval "exec $to<&$from $from<&-"; to=$((to + 1)); done
unset SOCKACT_TESTING_FDS
export LISTEN_PID=${LISTEN_PID-$$}
exec "$0" "$@""#;

/// Duplicates that a child inherits, out of the way of the numbers they will have there.
fn inheritable(fds: &[(String, OwnedFd)]) -> std::io::Result<Vec<OwnedFd>> {
    let above = i32::try_from(fds.len()).unwrap_or(i32::MAX - 300) + 300;
    let mut passed = Vec::with_capacity(fds.len());
    for (_, fd) in fds {
        let high = fcntl_dupfd_cloexec(fd, above)?;
        fcntl_setfd(&high, FdFlags::empty())?;
        passed.push(high);
    }
    Ok(passed)
}

fn escape(name: &str) -> String {
    name.replace('\\', r"\\").replace(':', r"\:")
}

/// A started program; it is killed when this is dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    pidfd: OwnedFd,
    manager: Manager,
    program: String,
}

impl Service {
    /// Waits for `READY=1`.
    ///
    /// # Errors
    /// The program ended before, or `timeout` passed; both say what was heard.
    pub fn wait_ready(&mut self, timeout: Duration) -> Result<(), TestingError> {
        self.wait_for("READY=1", timeout)
    }

    /// Waits until the program has said this line, such as `STOPPING=1` (`sd_notify(3)`). One that
    /// was said before counts.
    ///
    /// # Errors
    /// As [`wait_ready`](Service::wait_ready).
    pub fn wait_for(&mut self, line: &str, timeout: Duration) -> Result<(), TestingError> {
        let end = Instant::now() + timeout;
        while !self.manager.heard().iter().any(|l| l == line) {
            match self.manager.next(&self.pidfd, end).map_err(|e| self.failed(e))? {
                Event::Heard => {}
                Event::Ended => {
                    let status = self.child.wait().map_err(|e| self.failed(e))?;
                    let (program, heard) = (self.program.clone(), self.manager.heard().to_vec());
                    return Err(TestingError::Ended { program, status, line: line.into(), heard });
                }
                Event::Late => {
                    let (program, heard) = (self.program.clone(), self.manager.heard().to_vec());
                    return Err(TestingError::Late { program, timeout, line: line.into(), heard });
                }
            }
        }
        Ok(())
    }

    /// Every line heard so far, in order.
    pub fn heard(&self) -> &[String] {
        self.manager.heard()
    }

    /// Takes what the program stored so far (`FDSTORE=1`), each with its name.
    pub fn take_stored(&mut self) -> Vec<(String, OwnedFd)> {
        self.manager.take_stored()
    }

    /// Where it sends notifications, the value of `NOTIFY_SOCKET`.
    pub fn notify_socket(&self) -> &Path {
        self.manager.address()
    }

    /// The process: its id, and its output where that was piped.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends SIGTERM, as `systemctl stop` does, and waits for the end.
    ///
    /// # Errors
    /// It did not end within `timeout`.
    pub fn stop(mut self, timeout: Duration) -> Result<ExitStatus, TestingError> {
        // It may have ended by itself.
        let _ = pidfd_send_signal(&self.pidfd, Signal::TERM);
        self.wait(timeout)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// It did not end within `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus, TestingError> {
        let end = Instant::now() + timeout;
        loop {
            match self.manager.next(&self.pidfd, end).map_err(|e| self.failed(e))? {
                Event::Heard => {}
                Event::Ended => return self.child.wait().map_err(|e| self.failed(e)),
                Event::Late => {
                    let (program, heard) = (self.program.clone(), self.manager.heard().to_vec());
                    let line = "its end".to_owned();
                    return Err(TestingError::Late { program, timeout, line, heard });
                }
            }
        }
    }

    fn failed(&self, source: std::io::Error) -> TestingError {
        TestingError::Watch { program: self.program.clone(), source }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only for a child that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
