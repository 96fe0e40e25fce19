//! What a sandbox is made of, as the machine sees it, and whether that is gone.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use e2e::Sandbox;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// The namespaces, processes and the cgroup of one boot of a sandbox.
pub(crate) struct Footprint {
    pid1: OwnedFd,
    supervisor: OwnedFd,
    supervisor_pid: Pid,
    /// Open, so that the kernel does not give their inode numbers to the next sandbox.
    machine: Vec<File>,
    supervisors: Vec<File>,
    cgroup: PathBuf,
}

impl Footprint {
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        Self::of_machine(sandbox.pid1())
    }

    pub(crate) fn of_machine(pid1: Pid) -> Self {
        let supervisor = parent(parent(pid1));
        let namespaces = |pid: Pid, kinds: &[&str]| {
            let open = |kind: &&str| {
                File::open(format!("/proc/{}/ns/{kind}", pid.as_raw_nonzero())).unwrap()
            };
            kinds.iter().map(open).collect()
        };
        let footprint = Self {
            pid1: pidfd_open(pid1, PidfdFlags::empty()).unwrap(),
            supervisor: pidfd_open(supervisor, PidfdFlags::empty()).unwrap(),
            supervisor_pid: supervisor,
            machine: namespaces(pid1, &["pid", "mnt", "uts", "ipc", "cgroup"]),
            supervisors: namespaces(supervisor, &["mnt", "net"]),
            cgroup: cgroup(pid1),
        };
        assert!(footprint.cgroup.is_dir(), "{} should exist", footprint.cgroup.display());
        assert!(!processes_in(&footprint.machine).is_empty(), "the processes should be seen");
        footprint
    }

    pub(crate) fn kill_supervisor(&self) {
        kill_process(self.supervisor_pid, Signal::KILL).unwrap();
    }

    pub(crate) fn await_supervisor(&self) {
        await_exit(&self.supervisor, "the supervisor");
    }

    pub(crate) fn await_machine(&self) {
        await_exit(&self.pid1, "PID 1");
    }

    pub(crate) fn machine_is_gone(&self) {
        assert_eq!(
            processes_in(&self.machine),
            Vec::<PathBuf>::new(),
            "left in the machine's namespaces"
        );
        assert!(!self.cgroup.exists(), "{} is left", self.cgroup.display());
    }

    pub(crate) fn is_gone(&self) {
        self.machine_is_gone();
        let left = processes_in(&self.supervisors);
        assert_eq!(left, Vec::<PathBuf>::new(), "left in the supervisor's namespaces");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let ours = mounts.lines().find(|mount| mount.starts_with("sandbox "));
        assert_eq!(ours, None, "mounted in the machine's own namespace");
    }
}

fn await_exit(process: &OwnedFd, who: &str) {
    let deadline = Timespec { tv_sec: 20, tv_nsec: 0 };
    let exited = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&deadline)).unwrap();
    assert!(exited > 0, "{who} is still there after 20 s");
}

/// Without zombies: they hold nothing, and when their init reaps them is not up to us.
fn processes_in(namespaces: &[File]) -> Vec<PathBuf> {
    let ours: Vec<_> = namespaces.iter().map(|file| file.metadata().unwrap().ino()).collect();
    let namespace = |process: &Path, kind: &str| {
        fs::metadata(process.join("ns").join(kind)).map(|namespace| namespace.ino()).ok()
    };
    let inside = |process: &PathBuf| {
        let kinds =
            ["pid", "mnt", "uts", "ipc", "cgroup", "net"].map(|kind| namespace(process, kind));
        namespace(process, "mnt").is_some()
            && kinds.iter().flatten().any(|kind| ours.contains(kind))
    };
    fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).filter(inside).collect()
}

fn parent(pid: Pid) -> Pid {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    Pid::from_raw(parent.trim().parse().unwrap()).unwrap()
}

/// The directory made for this boot: systemd itself is in `init.scope` below it.
fn cgroup(pid1: Pid) -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mount =
        mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|m| m[2] == "cgroup2");
    let path = fs::read_to_string(format!("/proc/{}/cgroup", pid1.as_raw_nonzero())).unwrap();
    let path = path.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    let ours = Path::new(path).parent().expect("systemd is in init.scope");
    Path::new(mount.expect("cgroup2 is mounted")[1]).join(ours)
}
