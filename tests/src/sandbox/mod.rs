//! A real systemd as PID 1 of a throw-away machine.
//!
//! A sandbox has its own mount, PID, UTS, IPC, cgroup and network namespace and an overlay of the machine's root on a
//! tmpfs. It boots to `running` in well under a second and is gone, without a trace, when it is dropped and also when
//! the test process is killed: see `supervisor.sh`.
//!
//! ```no_run
//! let sandbox = e2e::Sandbox::boot();
//! sandbox.run(["systemctl", "is-system-running"]).ok();
//! ```

mod command;
mod sockets;
mod supervisor;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;

pub use command::Output;
pub(crate) use command::exits_within;
use supervisor::Supervisor;

/// A booted machine; dropping it takes the machine down and waits until nothing of it is left.
#[derive(Debug)]
pub struct Sandbox {
    supervisor: Supervisor,
    pid1: Pid,
}

impl Sandbox {
    /// Boots an overlay of the machine's own root and waits until systemd says that it is running.
    ///
    /// # Panics
    /// When the process is not root, and when systemd does not come up within a minute: with what it said.
    #[must_use]
    pub fn boot() -> Self {
        Self::boot_on(Path::new("/"))
    }

    /// Boots an overlay of another root folder, as debootstrap makes them.
    ///
    /// # Panics
    /// As [`Sandbox::boot`] does.
    #[must_use]
    pub fn boot_on(lower: &Path) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "the end-to-end tests boot a real systemd in namespaces and need root; type:\n    \
             sudo tests/all"
        );
        let mut supervisor = Supervisor::start(lower);
        let pid1 = supervisor.boot();
        let sandbox = Self { supervisor, pid1 };
        sandbox.await_running();
        sandbox
    }

    /// Pulls the plug and boots again: files on disk stay, `/run`, `/tmp` and every process are gone.
    ///
    /// # Panics
    /// As [`Sandbox::boot`] does.
    pub fn reboot(&mut self) {
        self.pid1 = self.supervisor.boot();
        self.await_running();
    }

    /// systemd's PID as the machine outside sees it.
    #[must_use]
    pub fn pid1(&self) -> Pid {
        self.pid1
    }

    /// The sandbox's root as a path outside. Beware of absolute symbolic links in it: they lead out of the sandbox.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid1.as_raw_nonzero()))
    }

    /// Writes a file, and the directories above it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn install_file(&self, path: &str, contents: impl AsRef<[u8]>, mode: u32) {
        // From inside, so that an absolute symbolic link on the way cannot lead to a file of the machine's.
        let mut install = self.command("install");
        install.args(["-D", "-m", &format!("{mode:o}"), "/dev/stdin", path]);
        install.stdin(Stdio::piped());
        command::run(install, contents.as_ref()).ok();
    }

    /// Copies a program to `/usr/local/bin`, under the name that it has.
    ///
    /// # Panics
    /// When it cannot be read or written.
    pub fn install_program(&self, program: &Path) {
        let name =
            program.file_name().and_then(OsStr::to_str).expect("a program's path ends in its name");
        let contents = std::fs::read(program)
            .unwrap_or_else(|e| panic!("cannot read {}: {e}", program.display()));
        self.install_file(&format!("/usr/local/bin/{name}"), contents, 0o755);
    }

    /// What a unit's processes wrote, one line for each message, without time or name.
    ///
    /// # Panics
    /// When the journal cannot be read.
    #[must_use]
    pub fn journal(&self, unit: &str) -> String {
        self.run(["journalctl", "--sync"]).ok();
        self.run(["journalctl", "--no-pager", "--quiet", "--output=cat", "--unit", unit])
            .ok()
            .stdout
    }

    fn await_running(&self) {
        let state = self.run(["systemctl", "is-system-running", "--wait"]);
        if state.stdout.trim() != "running" {
            let failed = self.run(["systemctl", "--no-pager", "--failed"]);
            let jobs = self.run(["systemctl", "--no-pager", "list-jobs"]);
            panic!("the sandbox is not running:\n{state}\n{failed}\n{jobs}");
        }
    }
}

impl Drop for Sandbox {
    /// A test that fails says what systemd saw: it may not fail again.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut journal = self.command("journalctl");
        journal.args(["--no-pager", "--lines=60", "--output=short-monotonic"]);
        if let Ok(mut journal) = journal.stdin(Stdio::null()).spawn() {
            if !exits_within(&journal, Duration::from_secs(10)) {
                let _ = journal.kill();
            }
            let _ = journal.wait();
        }
    }
}
