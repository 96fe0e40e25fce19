//! What befalls a deploy, done to the real thing.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sockctl::plan::Step;

use super::stage::{New, Scene, new, old_runs, scene};
use crate::shop::Shop;

/// One misfortune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL to the controller.
    Killed,
    /// Ctrl-C.
    Interrupted,
    /// The new slot's process ends, or cannot start.
    NewExits,
    /// The new slot's process stands still, or never says `READY=1`.
    NewHangs,
    /// The kernel kills the new slot's process for its memory.
    NewOom,
    /// The new slot answers 500 to the question for its health.
    NewSick,
    /// The old slot's process is killed.
    OldDies,
    /// The message bus dies, and every connection to it.
    BusCut,
    /// `systemctl daemon-reexec`.
    Reexec,
    /// `systemctl daemon-reload`.
    Reload,
    /// The file system of the releases is full.
    NoSpace,
    /// The plug is pulled, and the machine boots again.
    Reboot,
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::Killed,
        Self::Interrupted,
        Self::NewExits,
        Self::NewHangs,
        Self::NewOom,
        Self::NewSick,
        Self::OldDies,
        Self::BusCut,
        Self::Reexec,
        Self::Reload,
        Self::NoSpace,
        Self::Reboot,
    ];

    /// Whether it can befall a deploy when this step is done.
    pub(super) fn fits(self, step: Step) -> bool {
        match self {
            Self::NewExits => new(step) != New::Gone,
            // With the watch nobody looks any more whether the live slot is well: that is not a deploy.
            Self::NewHangs => matches!(new(step), New::Waits | New::Runs),
            Self::NewSick => {
                matches!(new(step), New::Waits | New::Runs) && scene(step).flaw().is_none()
            }
            Self::NewOom => matches!(new(step), New::Runs | New::Serves),
            Self::OldDies => old_runs(step),
            Self::Killed
            | Self::Interrupted
            | Self::BusCut
            | Self::Reexec
            | Self::Reload
            | Self::NoSpace
            | Self::Reboot => true,
        }
    }

    /// Whether the release shows it before any user could meet it.
    pub(super) fn shows_before_users(self, step: Step) -> bool {
        let flawed = matches!(self, Self::NewExits | Self::NewHangs | Self::NewSick);
        flawed
            && scene(step) != Scene::First
            && matches!(
                step,
                Step::Stage | Step::Listen | Step::Clear | Step::Link | Step::Hold | Step::Start
            )
    }

    /// The slot that it takes down, of the two.
    pub(super) fn victim<'a>(self, new: &'a str, old: &'a str) -> Option<&'a str> {
        match self {
            Self::NewExits | Self::NewHangs | Self::NewOom => Some(new),
            Self::OldDies => Some(old),
            _ => None,
        }
    }

    /// Does it to the slots or to the machine; what befalls the controller is the caller's.
    pub(super) fn befall(self, shop: &Shop, step: Step, slot: &str) {
        let waits = new(step) == New::Waits;
        match self {
            Self::NewExits if waits => flaw(shop, slot, "FAULT", "exit"),
            Self::NewHangs if waits => flaw(shop, slot, "FAULT", "never-ready"),
            Self::NewSick => flaw(shop, slot, "SICK", ""),
            Self::NewExits | Self::OldDies => drop(shop.kill_slot(slot)),
            Self::NewHangs => signal(shop, &format!("shop-{slot}.service"), "STOP"),
            Self::NewOom => out_of_memory(shop, slot),
            Self::BusCut => signal(shop, "dbus.service", "KILL"),
            Self::Reexec => drop(shop.sandbox.run(["systemctl", "daemon-reexec"]).ok()),
            Self::Reload => drop(shop.sandbox.run(["systemctl", "daemon-reload"]).ok()),
            Self::NoSpace => fill(shop),
            Self::Killed | Self::Interrupted | Self::Reboot => {}
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Killed => "killed",
            Self::Interrupted => "interrupted",
            Self::NewExits => "new-exits",
            Self::NewHangs => "new-hangs",
            Self::NewOom => "new-oom",
            Self::NewSick => "new-sick",
            Self::OldDies => "old-dies",
            Self::BusCut => "bus-cut",
            Self::Reexec => "reexec",
            Self::Reload => "reload",
            Self::NoSpace => "no-space",
            Self::Reboot => "reboot",
        })
    }
}

/// Puts a file into the release that the slot is linked to, or will be: the example application reads it.
fn flaw(shop: &Shop, slot: &str, file: &str, text: &str) {
    let link = format!("/var/lib/sockact/shop/slots/{slot}");
    let linked = shop.sandbox.run(["cat", &format!("{link}/VERSION")]);
    let release = if linked.stdout.trim() == super::NEW {
        link
    } else {
        // Not linked yet, but staged: the newest.
        let newest = shop.sandbox.run(["ls", "-t1", "/var/lib/sockact/shop/releases"]).ok().stdout;
        let newest = newest.lines().find(|name| {
            let version = format!("/var/lib/sockact/shop/releases/{name}/VERSION");
            shop.sandbox.run(["cat", &version]).stdout.trim() == super::NEW
        });
        format!("/var/lib/sockact/shop/releases/{}", newest.expect("the new release is staged"))
    };
    shop.sandbox.install_file(&format!("{release}/{file}"), text, 0o644);
}

fn signal(shop: &Shop, unit: &str, signal: &str) {
    let signal = format!("--signal={signal}");
    shop.sandbox.run(["systemctl", "kill", "--kill-whom=main", &signal, unit]).ok();
}

/// Until not one byte more fits.
fn fill(shop: &Shop) {
    for block in ["64k", "1"] {
        let file = format!("of={}/fill-{block}", super::STATE);
        let full = shop.sandbox.run(["dd", "if=/dev/zero", &file, &format!("bs={block}")]);
        assert!(full.stderr.contains("No space left"), "the file system is not small:\n{full}");
    }
}

/// The kernel's own doing: the process is put into a memory cgroup that is too small for what it is asked to allocate.
fn out_of_memory(shop: &Shop, slot: &str) {
    let status = shop.status();
    let slots = status["slots"].as_array().expect("slots");
    let found = slots.iter().find(|found| found["slot"] == slot).expect("the slot");
    let pid = found["status"]["pid"].as_u64().unwrap_or_else(|| panic!("{slot}: {status:#}"));
    let pid = shop.sandbox.pid_outside(pid);
    let cgroup = Memory::limit(pid);
    let end = pidfd_open(pid, PidfdFlags::empty()).expect("the slot runs");
    let admin = format!("/run/sockact/shop/{slot}.sock");
    shop.sandbox.run(["curl", "--silent", "--unix-socket", &admin, "http://slot/allocate"]);
    poll(&mut [PollFd::new(&end, PollFlags::IN)], None).expect("poll(2) on a pidfd");
    drop(cgroup);
}

/// A memory cgroup of the machine's, of version 1: a sandbox has none of its own there.
struct Memory(PathBuf);

impl Memory {
    fn limit(pid: Pid) -> Self {
        let mounts = fs::read_to_string("/proc/mounts").expect("/proc is mounted");
        let memory = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (at, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
            (kind == "cgroup" && options.split(',').any(|option| option == "memory")).then_some(at)
        });
        let memory = memory.expect(
            "no memory cgroup (version 1) is mounted: nothing can be killed for its memory",
        );
        let cgroup = PathBuf::from(memory).join(format!("sockact-e2e-{}", pid.as_raw_nonzero()));
        fs::create_dir(&cgroup).expect("a cgroup can be made");
        let write = |file: &str, value: String| {
            fs::write(cgroup.join(file), value).expect("a cgroup's file");
        };
        write("memory.limit_in_bytes", (8 << 20).to_string());
        write("cgroup.procs", pid.as_raw_nonzero().to_string());
        Self(cgroup)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Its only process is dead; a failure leaves an empty directory.
        let _ = fs::remove_dir(&self.0);
    }
}
