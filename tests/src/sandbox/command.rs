//! Programs run inside a sandbox.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::Sandbox;

pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const RUN_DEADLINE: Duration = Duration::from_secs(180);

impl Sandbox {
    /// A command that enters all the sandbox's namespaces; set up pipes, environment and arguments as usual.
    ///
    /// The environment starts empty but for `PATH`, `HOME` and `LANG`. The child that it spawns is `nsenter`, which
    /// exits as the program does, by signal too; [`Child::kill`] kills both, for other signals use [`Sandbox::signal`].
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        // When the process that asked dies, nsenter has to go, also while it is stopped: it is outside of the PID namespace, which
        // cannot end before the dead in it are waited for. When nsenter dies, the program has to go too.
        let pdeathsig = ["setpriv", "--pdeathsig", "KILL", "--"];
        let mut command = Command::new(pdeathsig[0]);
        command
            .args(&pdeathsig[1..])
            .args(["nsenter", &format!("--target={}", self.pid1.as_raw_nonzero())])
            .args(["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--net", "--"])
            // nsenter forks to get into the PID namespace.
            .args(pdeathsig)
            .arg(program)
            .env_clear()
            .envs([("PATH", PATH), ("HOME", "/root"), ("LANG", "C.UTF-8")]);
        command
    }

    /// Runs a program to its end and collects what it wrote; its standard input is empty.
    ///
    /// # Panics
    /// When it cannot be started or is still running after three minutes.
    pub fn run<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Output {
        let mut argv = argv.into_iter();
        let mut command = self.command(argv.next().expect("the program to run"));
        command.args(argv).stdin(Stdio::null());
        run(command, b"")
    }

    /// A process of the sandbox's, as the machine outside counts it.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn pid_outside(&self, inside: u64) -> Pid {
        let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let ours = namespace(self.pid1.as_raw_nonzero().get());
        let processes = fs::read_dir("/proc").expect("/proc is mounted");
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let found = pids.into_iter().find(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            let last = pids.and_then(|pids| pids.split_whitespace().last()?.parse().ok());
            last == Some(inside) && namespace(*pid) == ours
        });
        found.and_then(Pid::from_raw).unwrap_or_else(|| panic!("no process {inside} inside"))
    }

    /// Sends a signal to the program that a child of [`Sandbox::command`] became.
    ///
    /// # Panics
    /// When that program has ended.
    pub fn signal(&self, child: &Child, signal: Signal) {
        let entered = child.id();
        let children = fs::read_to_string(format!("/proc/{entered}/task/{entered}/children"))
            .unwrap_or_default();
        let program =
            children.split_whitespace().next().and_then(|pid| Pid::from_raw(pid.parse().ok()?));
        let program = program
            .unwrap_or_else(|| panic!("nsenter {entered} has no child to send {signal:?} to"));
        kill_process(program, signal)
            .unwrap_or_else(|e| panic!("cannot send {signal:?} to {program:?}: {e}"));
    }
}

/// How a program ended and what it wrote.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command as typed.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output; what is not UTF-8 is replaced.
    pub stdout: String,
    /// Its standard error; what is not UTF-8 is replaced.
    pub stderr: String,
}

impl Output {
    /// Itself, when the program succeeded.
    ///
    /// # Panics
    /// When it failed: with all that it wrote.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "often called for the assertion alone")]
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "should have succeeded:\n{self}");
        self
    }

    /// Itself, when the program ended with this exit status.
    ///
    /// # Panics
    /// When it ended otherwise: with all that it wrote.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "often called for the assertion alone")]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "should have exited with {code}:\n{self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}\n{}", self.command, self.status)?;
        write!(f, "--- stdout\n{}\n--- stderr\n{}", self.stdout.trim_end(), self.stderr.trim_end())
    }
}

/// Runs a prepared command with this input to its end.
pub(super) fn run(mut command: Command, input: &[u8]) -> Output {
    let typed = typed(&command);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|e| {
            panic!("cannot start nsenter (package util-linux) for {typed}: {e}")
        });
    let stdout = collect(child.stdout.take().expect("stdout is piped"));
    let stderr = collect(child.stderr.take().expect("stderr is piped"));
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input ends with a status of its own, which says more.
        let _ = stdin.write_all(input);
    }
    let in_time = exits_within(&child, RUN_DEADLINE);
    if !in_time {
        child.kill().expect("nsenter can be killed");
    }
    let status = child.wait().unwrap_or_else(|e| panic!("cannot wait for {typed}: {e}"));
    let [stdout, stderr] = [stdout, stderr].map(|reader| reader.join().expect("reading a pipe"));
    let output = Output { command: typed, status, stdout, stderr };
    assert!(in_time, "killed, for it was still running after {RUN_DEADLINE:?}:\n{output}");
    output
}

/// Waits for a child's end; false when the time is over before.
pub(crate) fn exits_within(child: &Child, timeout: Duration) -> bool {
    let pid = Pid::from_child(child);
    let exited = pidfd_open(pid, PidfdFlags::empty())
        .unwrap_or_else(|e| panic!("cannot open a pidfd of {pid:?}: {e}"));
    let timeout = Timespec::try_from(timeout).expect("a test's deadline fits");
    let mut events = [PollFd::new(&exited, PollFlags::IN)];
    poll(&mut events, Some(&timeout)).expect("poll(2) on a pidfd") > 0
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The command without what gets it into the sandbox.
fn typed(command: &Command) -> String {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let entered = words.iter().rposition(|word| word == "KILL").map_or(0, |kill| kill + 2);
    words[entered..].join(" ")
}
