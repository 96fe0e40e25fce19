//! The test process's side of `supervisor.sh`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
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
    messages: Receiver<String>,
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
        let messages = listen(notify.try_clone().expect("a socket can be cloned"));
        Self { child, requests, answers, notify, messages }
    }

    /// Boots, after it killed the machine that may be running, and waits until systemd is ready.
    pub(super) fn boot(&mut self) -> Pid {
        while self.messages.try_recv().is_ok() {} // The machine before this one may have said something.
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
            let died = exited(&alive);
            match self.messages.recv_timeout(Duration::from_millis(100)) {
                Ok(message) if message.lines().any(|line| line == "READY=1") => return,
                _ => {}
            }
            assert!(!died, "the sandbox's PID 1 died while it booted\n{}", self.log());
            assert!(
                Instant::now() < deadline,
                "the sandbox's systemd is not ready after {BOOT_DEADLINE:?}\n{}",
                self.log()
            );
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(files_of(&self.child).join("log"))
            .unwrap_or_else(|e| format!("(no log: {e})"))
    }
}

/// Reads what systemd tells for as long as the machine lives: PID 1 itself blocks when nobody takes its messages, and it has one
/// for each job that takes long.
fn listen(notify: UnixDatagram) -> Receiver<String> {
    let (sender, messages) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = notify.recv(&mut buffer) {
            // Nobody waits for it any more: it is read all the same.
            let _ = sender.send(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
    });
    messages
}

fn exited(pidfd: &OwnedFd) -> bool {
    let mut events = [PollFd::new(pidfd, PollFlags::IN)];
    poll(&mut events, Some(&Timespec::default())).expect("poll(2) on a pidfd") > 0
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Ends the thread that listens.
        let _ = self.notify.shutdown(Shutdown::Both);
        drop(self.requests.take());
        // A failure to wait would hide the panic that brought us here.
        let _ = self.child.wait();
    }
}

/// The supervisor's tmpfs, which only its own mount namespace has.
fn files_of(supervisor: &Child) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root/mnt", supervisor.id()))
}
