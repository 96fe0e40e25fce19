//! The test process's side of `supervisor.sh`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

const BOOT_DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Supervisor {
    child: Child,
    /// Closing it, which the kernel does if nobody else can, takes the sandbox down.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// What systemd finds in `$NOTIFY_SOCKET`: it says READY=1 when the default target is reached, systemd(1).
    notify: UnixDatagram,
}

impl Supervisor {
    pub(super) fn start(lower: &Path) -> Self {
        // A session of its own: Ctrl-C reaches the test process only, and the supervisor has to clean up after it.
        let mut child = Command::new("setsid")
            .args([
                "unshare",
                "--mount",
                "--net",
                "sh",
                "-c",
                include_str!("supervisor.sh"),
                "supervisor",
            ])
            .arg(lower)
            .args([include_str!("prepare.sh"), include_str!("init.sh")])
            .env_clear()
            .env("PATH", super::command::PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start setsid (package util-linux): {e}"));
        let requests = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().expect("stdout is piped"));

        let mut answer = String::new();
        answers.read_line(&mut answer).expect("the supervisor's answer is text");
        assert_eq!(
            answer, "mounted\n",
            "the sandbox's supervisor ended early; its message is on standard error"
        );
        let socket = files_of(&child).join("notify");
        let notify = UnixDatagram::bind(&socket)
            .unwrap_or_else(|e| panic!("cannot bind {}: {e}", socket.display()));
        notify.set_nonblocking(true).expect("a socket can be made non-blocking");
        Self { child, requests, answers, notify }
    }

    /// Boots, after it killed the machine that may be running, and waits until systemd is ready.
    pub(super) fn boot(&mut self) -> Pid {
        while self.receive().is_some() {} // The machine before this one may have said something.
        self.requests
            .as_mut()
            .expect("open until drop")
            .write_all(b"boot\n")
            .expect("the supervisor is alive");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the supervisor's answer is text");
        let pid =
            answer.trim().strip_prefix("pid ").and_then(|pid| Pid::from_raw(pid.parse().ok()?));
        let pid = pid.unwrap_or_else(|| {
            panic!("the sandbox does not boot, answer {answer:?}\n{}", self.log())
        });
        self.await_ready(pid);
        pid
    }

    fn await_ready(&self, pid1: Pid) {
        let deadline = Instant::now() + BOOT_DEADLINE;
        let alive = pidfd_open(pid1, PidfdFlags::empty()).unwrap_or_else(|e| {
            panic!("the sandbox's PID 1 is gone already ({e})\n{}", self.log())
        });
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).expect("a minute fits");
            let mut events =
                [PollFd::new(&self.notify, PollFlags::IN), PollFd::new(&alive, PollFlags::IN)];
            let ready = poll(&mut events, Some(&timeout)).expect("poll(2) on a socket and a pidfd");
            assert!(
                ready > 0,
                "the sandbox's systemd is not ready after {BOOT_DEADLINE:?}\n{}",
                self.log()
            );
            let died = !events[1].revents().is_empty();
            while let Some(message) = self.receive() {
                if message.lines().any(|line| line == "READY=1") {
                    return;
                }
            }
            assert!(!died, "the sandbox's PID 1 died while it booted\n{}", self.log());
        }
    }

    fn receive(&self) -> Option<String> {
        let mut buffer = [0; 4096];
        let length = self.notify.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    fn log(&self) -> String {
        fs::read_to_string(files_of(&self.child).join("log"))
            .unwrap_or_else(|e| format!("(no log: {e})"))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.requests.take());
        // A failure to wait would hide the panic that brought us here.
        let _ = self.child.wait();
    }
}

/// The supervisor's tmpfs, which only its own mount namespace has.
fn files_of(supervisor: &Child) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root/mnt", supervisor.id()))
}
