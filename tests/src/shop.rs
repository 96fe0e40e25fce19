//! The example application installed in a sandbox, as a person would have installed it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use serde_json::Value;

use crate::binaries::Binaries;
use crate::sandbox::Output;
use crate::{Sandbox, binaries};

/// Where the application listens inside its sandbox.
pub const URL: &str = "http://127.0.0.1:8080/";

/// Short times, so that a test takes seconds. The defaults are for people. More of `[health]` can follow.
pub const HEALTH: &str = r#"
[start]
timeout = "2s"

[health]
path = "/health"
interval = "50ms"
"#;

/// The same for the end of a manifest, so that more of `[swap]` can follow.
pub const SWAP: &str = r#"
[swap]
stable = "300ms"
deadline = "10s"
watch = "300ms"
drain = "10s"
"#;

/// The application `shop` on a machine of its own.
#[derive(Debug)]
pub struct Shop {
    /// The machine.
    pub sandbox: Sandbox,
    binaries: &'static Binaries,
}

impl Shop {
    /// Boots, generates, installs and enables it; nothing is deployed yet.
    ///
    /// # Panics
    /// When any of it fails.
    #[must_use]
    pub fn enabled() -> Self {
        Self::enabled_with(&format!("{HEALTH}{SWAP}"))
    }

    /// The same with this in its manifest, as [`manifest`] has it.
    ///
    /// # Panics
    /// When any of it fails.
    #[must_use]
    pub fn enabled_with(rest: &str) -> Self {
        let shop = Self::machine();
        shop.install(&manifest(rest));
        shop.enable();
        shop
    }

    /// The same with release `v1` live.
    ///
    /// # Panics
    /// When any of it fails.
    #[must_use]
    pub fn deployed() -> Self {
        let shop = Self::enabled();
        shop.deploy(&shop.release("v1", None)).ok();
        shop
    }

    /// The same with version `v1` in `/opt/shop`, as an administrator installs a program.
    ///
    /// # Panics
    /// When any of it fails.
    #[must_use]
    pub fn of_a_program() -> Self {
        let shop = Self::machine();
        let release = shop.release("v1", None);
        shop.sandbox.run(["cp", "--recursive", &release, "/opt/shop"]).ok();
        shop.install_short("/opt/shop/bin/shop");
        shop.enable();
        assert_eq!(shop.get(), "v1");
        shop
    }

    /// A machine with the programs and nothing else.
    ///
    /// # Panics
    /// When they cannot be built.
    #[must_use]
    pub fn machine() -> Self {
        Self::machine_on(Path::new("/"))
    }

    /// The same on another root, as debootstrap makes them.
    ///
    /// # Panics
    /// As [`Shop::machine`] does.
    #[must_use]
    pub fn machine_on(root: &Path) -> Self {
        let (sandbox, binaries) = (Sandbox::boot_on(root), binaries::get());
        for program in [&binaries.sockgen, &binaries.sockctl, &binaries.sockprove] {
            sandbox.install_program(program);
        }
        Self { sandbox, binaries }
    }

    /// Installs a manifest with `sockgen install`.
    ///
    /// # Panics
    /// When it is refused.
    pub fn install(&self, manifest: &str) {
        self.sandbox.install_file("/srv/shop/sockact.toml", manifest, 0o644);
        self.sandbox.run(["sockgen", "install", "/srv/shop/sockact.toml"]).ok();
    }

    /// Enables and starts it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn enable(&self) {
        self.sandbox.run(["systemctl", "enable", "--now", "shop.target"]).ok();
    }

    /// Installs the application with short times and this executable.
    ///
    /// # Panics
    /// When it is refused.
    pub fn install_short(&self, exec: &str) {
        self.install(&manifest_of(exec, &format!("{HEALTH}{SWAP}")));
    }

    /// The same with more at the top of the manifest and in its section `[swap]`.
    ///
    /// # Panics
    /// When it is refused.
    pub fn install_more(&self, top: &str, swap: &str) {
        self.install(&manifest(&format!("{top}\n{HEALTH}{SWAP}{swap}\n")));
    }

    /// Waits until no standby is left, nor the timer of one.
    ///
    /// # Panics
    /// When one is, after half a minute.
    pub fn await_retirement(&self) {
        let gone = "while systemctl is-active --quiet 'shop-*-retire-*'; do sleep 0.1; done";
        self.sandbox.run(["timeout", "30", "sh", "-c", gone]).ok();
    }

    /// What `sockctl status` says of one slot.
    ///
    /// # Panics
    /// When there is no such slot.
    #[must_use]
    #[track_caller]
    pub fn slot(&self, slot: &str) -> Value {
        let status = self.status();
        let found = status["slots"].as_array().into_iter().flatten().find(|s| s["slot"] == slot);
        found.unwrap_or_else(|| panic!("no slot {slot}: {status:#}")).clone()
    }

    /// Makes a release directory: the example application with this version and this fault. Gives its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn release(&self, version: &str, fault: Option<&str>) -> String {
        self.release_of(&self.binaries.shop, version, fault)
    }

    /// The same of another program.
    ///
    /// # Panics
    /// When it cannot be read or written.
    #[must_use]
    pub fn release_of(&self, program: &Path, version: &str, fault: Option<&str>) -> String {
        let home = format!("/srv/releases/{version}");
        let program = std::fs::read(program).expect("the built example application");
        self.sandbox.install_file(&format!("{home}/bin/shop"), program, 0o755);
        self.sandbox.install_file(&format!("{home}/VERSION"), version, 0o644);
        if let Some(fault) = fault {
            self.sandbox.install_file(&format!("{home}/FAULT"), fault, 0o644);
        }
        home
    }

    /// `sockctl deploy shop PATH` to its end.
    pub fn deploy(&self, path: &str) -> Output {
        self.sandbox.run(["sockctl", "--json", "deploy", "shop", path])
    }

    /// Any `sockctl` command to its end.
    pub fn sockctl<const N: usize>(&self, args: [&str; N]) -> Output {
        self.sandbox.run(std::iter::once("sockctl").chain(args))
    }

    /// Starts a `sockctl` command that stops itself after `step`, and waits until it has.
    ///
    /// # Panics
    /// When it ended before.
    pub fn paused_after(&self, step: &str, args: &[&str]) -> Paused {
        let mut command = self.sandbox.command("sockctl");
        command.args(args).args(["--pause-after", step]).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(Stdio::piped()).spawn().expect("nsenter starts");
        let pid = rustix::process::Pid::from_child(&child);
        // nsenter stops itself when its child has stopped.
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(pid), options).expect("a child can be waited for");
        let mut paused = Paused(child);
        assert!(status.is_some_and(|s| s.stopped()), "ended before {step}: {}", paused.words());
        paused
    }

    /// `sockctl status --json`.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn status(&self) -> Value {
        let output = self.sockctl(["status", "shop", "--json"]).ok();
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}:\n{output}"))
    }

    /// The live slot; asserts that it alone runs and accepts, and that PID 1 holds the socket.
    ///
    /// # Panics
    /// When that is not so.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "often called for the assertion alone")]
    pub fn one_live_slot(&self) -> String {
        let status = self.status();
        let live = status["live"].as_str().unwrap_or_else(|| panic!("no live slot: {status:#}"));
        for slot in status["slots"].as_array().expect("slots") {
            if slot["slot"] == live {
                assert_eq!(slot["active"], "active", "{status:#}");
                assert_eq!(slot["status"]["gate"], 1.0, "{status:#}");
                assert_eq!(slot["starts_closed"], false, "{status:#}");
            } else {
                assert!(slot["active"] == "inactive", "{status:#}");
            }
        }
        assert!(status["unfinished"].is_null(), "{status:#}");
        assert!(status["listeners"][0]["inode"].is_u64(), "PID 1 lost the socket: {status:#}");
        live.to_owned()
    }

    /// The inode of the public socket, held by PID 1.
    ///
    /// # Panics
    /// When PID 1 holds none.
    #[must_use]
    pub fn socket_inode(&self) -> u64 {
        let status = self.status();
        status["listeners"][0]["inode"].as_u64().unwrap_or_else(|| panic!("no socket: {status:#}"))
    }

    /// The body of `GET /`, from a connection of its own.
    ///
    /// # Panics
    /// When it is not answered within half a minute.
    pub fn get(&self) -> String {
        self.sandbox.run(["curl", "--silent", "--show-error", "--max-time", "30", URL]).ok().stdout
    }

    /// The main process of a slot, as the machine outside sees it, with the unit's state.
    ///
    /// # Panics
    /// When the slot does not run.
    #[must_use]
    pub fn kill_slot(&self, slot: &str) -> u64 {
        let unit = format!("shop-{slot}.service");
        let status = self.status();
        let slots = status["slots"].as_array().expect("slots");
        let found = slots.iter().find(|s| s["slot"] == slot).expect("the slot");
        let pid = found["status"]["pid"].as_u64().unwrap_or_else(|| panic!("{slot}: {status:#}"));
        self.sandbox.run(["systemctl", "kill", "--kill-whom=main", "--signal=KILL", &unit]).ok();
        pid
    }
}

/// When a step was done, by CLOCK_MONOTONIC, from the controller's own report.
///
/// # Panics
/// When it was not done.
#[must_use]
#[track_caller]
pub fn when(deploy: &Output, step: &str) -> Duration {
    let events = deploy.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let micros = events
        .filter(|event| event["event"] == "step" && event["step"] == step)
        .find_map(|event| event["monotonic_us"].as_u64());
    Duration::from_micros(micros.unwrap_or_else(|| panic!("no step {step} in\n{deploy}")))
}

/// A controller that has stopped in the middle.
#[derive(Debug)]
#[must_use = "it stays stopped until it is killed or continued"]
pub struct Paused(Child);

impl Paused {
    /// SIGKILL: nsenter dies, and the controller with it. Returns when the controller is gone.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(mut self) {
        let entered = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{entered}/task/{entered}/children"));
        let controller =
            children.expect("nsenter runs").trim().parse().ok().and_then(Pid::from_raw);
        let controller = controller.expect("nsenter has one child");
        let end = pidfd_open(controller, PidfdFlags::empty()).expect("the controller is there");
        self.0.kill().expect("nsenter can be killed");
        self.0.wait().expect("nsenter can be waited for");
        poll(&mut [PollFd::new(&end, PollFlags::IN)], None).expect("poll(2) on a pidfd");
    }

    /// Lets it go on to its end, and gives its exit status and what it said on standard error.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn go_on(mut self) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("SIGCONT");
        let words = self.words();
        (self.0.wait().expect("nsenter can be waited for").code(), words)
    }

    /// Ctrl-C, then as [`Paused::go_on`].
    ///
    /// # Panics
    /// When it has ended.
    pub fn interrupt(self, shop: &Shop) -> (Option<i32>, String) {
        shop.sandbox.signal(&self.0, rustix::process::Signal::INT);
        self.go_on()
    }

    fn words(&mut self) -> String {
        let stderr = self.0.stderr.take().expect("stderr is piped");
        BufReader::new(stderr).lines().map_while(Result::ok).collect::<Vec<_>>().join("\n")
    }
}

/// The manifest of the application on [`URL`], with this at its end: keys, then tables.
#[must_use]
pub fn manifest(rest: &str) -> String {
    manifest_of("bin/shop", rest)
}

fn manifest_of(exec: &str, rest: &str) -> String {
    let listen = "listeners.http.listen = \"127.0.0.1:8080\"";
    format!("name = \"shop\"\nexec = \"{exec}\"\n{listen}\n{rest}")
}

/// Long enough for a release to be seen by a client after its deploy.
pub const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// A stopped nsenter never reaps the controller, and a PID namespace with a zombie in it does not end.
impl Drop for Paused {
    fn drop(&mut self) {
        // Errors mean that it is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
