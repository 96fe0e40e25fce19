//! A machine with one rival on it.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::sandbox::Output;
use e2e::{Sandbox, binaries};
use serde::Serialize;

use crate::rival::{OURS, Rival};
use crate::tools::{self, Tools};

/// Where each of them listens.
pub const URL: &str = "http://127.0.0.1:8080/";

/// A machine with one rival on it and its first release at work.
#[derive(Debug)]
pub struct Machine {
    /// The machine.
    pub sandbox: Sandbox,
    /// Who is on it.
    pub rival: &'static Rival,
    application: PathBuf,
    releases: Cell<u32>,
    current: RefCell<String>,
    /// Units that are there without it.
    before: Vec<String>,
}

/// Resident memory in KiB: what processes share is told once, in shares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Of the application's own processes.
    pub application: u64,
    /// Of all others that came with the rival.
    pub others: u64,
}

impl Machine {
    /// Boots one and brings the first release up.
    ///
    /// # Errors
    /// When a program is missing.
    ///
    /// # Panics
    /// When it cannot be booted or started.
    pub fn boot(rival: &'static Rival, tools: &Tools) -> Result<Self> {
        Self::boot_with(rival, tools, None)
    }

    /// The same with this drop-in for its `app.service`.
    ///
    /// # Errors
    /// As [`Machine::boot`].
    ///
    /// # Panics
    /// As [`Machine::boot`].
    pub fn boot_with(rival: &'static Rival, tools: &Tools, drop_in: Option<&str>) -> Result<Self> {
        let application = tools.application(rival.language)?.to_owned();
        let sandbox = Sandbox::boot();
        sandbox.install_program(&binaries::get().sockprove);
        if let Some(drop_in) = drop_in {
            let path = "/etc/systemd/system/app.service.d/comparison.conf";
            sandbox.install_file(path, drop_in, 0o644);
        }
        install(&sandbox, rival)?;
        let mut machine = Self {
            sandbox,
            rival,
            application,
            releases: Cell::new(0),
            current: RefCell::default(),
            before: Vec::new(),
        };
        machine.before = machine.units()?;
        let first = machine.release();
        name_of(&first).clone_into(&mut machine.current.borrow_mut());
        machine.type_in("start", &first);
        // Not all of them say when they are ready.
        let wait = ["--retry", "50", "--retry-delay", "1", "--retry-all-errors"];
        let curl = ["curl", "--silent", "--show-error", "--fail", "--max-time", "10"];
        let answer = machine.sandbox.run(curl.iter().chain(&wait).chain(&[URL])).ok();
        assert_eq!(answer.stdout, name_of(&first), "{answer}");
        Ok(machine)
    }

    /// Makes the folder of the next release, and gives its path.
    pub fn release(&self) -> String {
        let home = format!("/srv/releases/r{}", self.releases.get());
        self.releases.set(self.releases.get() + 1);
        let program = fs::read(&self.application).expect("the built application");
        self.sandbox.install_file(&format!("{home}/bin/app"), program, 0o755);
        self.sandbox.install_file(&format!("{home}/VERSION"), name_of(&home), 0o644);
        home
    }

    /// Replaces the release at work.
    ///
    /// # Panics
    /// When the script fails.
    pub fn swap(&self, release: &str) {
        self.type_in("swap", release);
        name_of(release).clone_into(&mut self.current.borrow_mut());
    }

    /// Stops the release at work and starts it in a new process.
    ///
    /// # Panics
    /// When systemd does not.
    pub fn restart(&self) {
        self.sandbox.run(["systemctl", "restart", "app.service"]).ok();
    }

    /// The name of the release at work.
    #[must_use]
    pub fn current(&self) -> String {
        self.current.borrow().clone()
    }

    /// What it says which version it is; what is a library has the one that it was built with.
    ///
    /// # Errors
    /// When nobody knows.
    ///
    /// # Panics
    /// When its program does not run.
    pub fn version(&self) -> Result<String> {
        if self.rival.version.is_empty() {
            return tools::library_version(self.rival.name);
        }
        let said = self.sandbox.run(self.rival.version).ok();
        // nginx says it on standard error.
        let said = [said.stdout, said.stderr].concat();
        let digits = said.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
        let number = digits.map(|word| word.trim_start_matches('v'));
        let mut found = number.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        Ok(found.next().with_context(|| format!("no version: {said}"))?.to_owned())
    }

    fn type_in(&self, script: &str, release: &str) -> Output {
        self.sandbox.run([format!("/srv/rival/{script}").as_str(), release]).ok()
    }

    /// Processor time of all that is on the machine: not of the load, which comes from outside of its control group.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(self.cgroups().join("cpu.stat")).context("cpu.stat")?;
        let usage = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
        Ok(Duration::from_micros(usage.context("cpu.stat has no usage_usec")?))
    }

    /// Memory of all that came with the rival.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn memory(&self) -> Result<Memory> {
        let mut memory = Memory::default();
        for unit in self.units()? {
            if self.before.contains(&unit) {
                continue;
            }
            for process in processes(&self.slice().join(&unit))? {
                // It may have ended just now.
                let Ok(exe) = fs::read_link(process.join("exe")) else { continue };
                let Ok(kib) = proportional(&process) else { continue };
                let is_application = exe.file_name().is_some_and(|name| name == "app");
                *if is_application { &mut memory.application } else { &mut memory.others } += kib;
            }
        }
        Ok(memory)
    }

    fn cgroups(&self) -> PathBuf {
        self.sandbox.root().join("sys/fs/cgroup")
    }

    fn slice(&self) -> PathBuf {
        self.cgroups().join("system.slice")
    }

    /// Control groups of services, and of the slices of templates.
    fn units(&self) -> Result<Vec<String>> {
        let mut units = Vec::new();
        for entry in fs::read_dir(self.slice()).context("system.slice")? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                units.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(units)
    }
}

/// The name of a release, from its folder.
#[must_use]
pub fn name_of(release: &str) -> &str {
    release.rsplit('/').next().expect("there is always a last part")
}

/// Units, scripts and programs of a rival.
fn install(sandbox: &Sandbox, rival: &Rival) -> Result<()> {
    for entry in fs::read_dir(rival.folder()).with_context(|| rival.name.to_owned())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("a file's name")?;
        let contents = fs::read(&path)?;
        let is_unit = name.ends_with(".service") || name.ends_with(".socket");
        let folder = if is_unit { "/etc/systemd/system" } else { "/srv/rival" };
        let mode = if matches!(name, "start" | "swap") { 0o755 } else { 0o644 };
        sandbox.install_file(&format!("{folder}/{name}"), contents, mode);
    }
    match rival.name {
        OURS => {
            let ours = binaries::get();
            sandbox.install_program(&ours.sockgen);
            sandbox.install_program(&ours.sockctl);
        }
        "caddy" => sandbox.install_program(&tools::caddy()),
        _ if rival.packages => unpack(sandbox)?,
        _ => {}
    }
    sandbox.run(["systemctl", "daemon-reload"]).ok();
    Ok(())
}

/// Packages without the scripts that would start their services.
fn unpack(sandbox: &Sandbox) -> Result<()> {
    for package in tools::packages()? {
        let contents = fs::read(&package).with_context(|| package.display().to_string())?;
        sandbox.install_file("/srv/package.deb", contents, 0o644);
        let unpack = "dpkg-deb --fsys-tarfile /srv/package.deb | tar --extract --directory=/ --keep-directory-symlink";
        sandbox.run(["sh", "-c", unpack]).ok();
    }
    sandbox.run(["ldconfig"]).ok();
    Ok(())
}

/// The processes of a control group and of those below it, as folders of /proc.
fn processes(cgroup: &Path) -> Result<Vec<PathBuf>> {
    let pids = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let mut found: Vec<_> = pids.lines().map(|pid| Path::new("/proc").join(pid)).collect();
    for entry in fs::read_dir(cgroup).into_iter().flatten() {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(processes(&entry.path())?);
        }
    }
    Ok(found)
}

/// Proportional set size, proc(5).
fn proportional(process: &Path) -> Result<u64> {
    let rollup = fs::read_to_string(process.join("smaps_rollup"))?;
    let kib = rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next());
    Ok(kib.context("smaps_rollup has no Pss")?.parse()?)
}
