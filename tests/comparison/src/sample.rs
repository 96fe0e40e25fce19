//! One measurement: a load, and a swap in the middle of it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;
use sockprove::record::{Latency, Phase, Record, Slice};

use crate::load::{Load, Running};
use crate::lost::Lost;
use crate::machine::{Machine, Memory, name_of};

/// How long each part of a measurement is. Percentiles of windows that are not as long as each other cannot be compared.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// Until connections are open and caches warm; in no account.
    pub warm: Duration,
    /// With no swap, and from a swap's command on.
    pub window: Duration,
}

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// [`crate::rival::Rival::name`].
    pub rival: &'static str,
    /// [`Load::name`].
    pub load: &'static str,
    /// Which of the rounds.
    pub turn: usize,
    /// With no swap.
    pub steady: Window,
    /// From the command on.
    pub swap: Window,
    /// In all of it.
    pub lost: Lost,
    /// Requests each second, with no swap.
    pub per_second: f64,
    /// Microseconds of processor time for a request, with no swap: of all but the load.
    pub cpu_us: f64,
    /// When all was over.
    pub memory: Memory,
    /// How long the command ran.
    pub command: Option<Duration>,
    /// From the command to the last answer of the old release.
    pub switched: Option<Duration>,
    /// When the swap began, and what was seen in each tenth of a second.
    pub swap_ns: u64,
    /// See [`Record::slices`].
    pub slices: Vec<Slice>,
}

/// What was seen in one part of it.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Window {
    /// Of the answered requests.
    pub latency: Latency,
    /// Requests that failed.
    pub failed: u64,
    /// The longest time in which nobody accepted, when that was looked for.
    pub gap_us: Option<u32>,
}

impl From<&Phase> for Window {
    fn from(phase: &Phase) -> Self {
        Self { latency: phase.latency, failed: phase.failed, gap_us: phase.longest_gap_us }
    }
}

impl Sample {
    /// Measures.
    ///
    /// # Errors
    /// When the load cannot be made, or nobody hears of the new release.
    ///
    /// # Panics
    /// When the swap fails.
    pub fn measure(machine: &Machine, load: &Load, turn: usize, windows: Windows) -> Result<Self> {
        let old = machine.current();
        let release = (!machine.rival.is_baseline).then(|| machine.release());
        let mut running = load.start(machine)?;
        running.run_for(windows.warm)?;
        running.mark("steady")?;
        let cpu = machine.processor_time()?;
        running.run_for(windows.window)?;
        let cpu = machine.processor_time()? - cpu;
        let swap_ns = running.mark("swap")?;
        let command = swap(machine, &running, release.as_deref(), windows)?;
        let record = running.finish()?;
        let [steady, swap] = ["steady", "swap"].map(|name| phase(&record, name));
        let (steady, swap) = (steady?, swap?);
        let seconds = (steady.to_ns - steady.from_ns) as f64 / 1e9;
        if let Some(release) = &release {
            last_answer(&record, name_of(release))?;
        }
        let switched = release.as_ref().map(|_| last_answer(&record, &old)).transpose()?;
        Ok(Self {
            lost: Lost::from(&record),
            rival: machine.rival.name,
            load: load.name,
            turn,
            per_second: steady.answered as f64 / seconds,
            cpu_us: cpu.as_secs_f64() * 1e6 / steady.answered as f64,
            steady: steady.into(),
            swap: swap.into(),
            memory: machine.memory()?,
            command,
            switched: switched.map(|at| Duration::from_nanos(at.saturating_sub(swap_ns))),
            swap_ns,
            slices: record.slices,
        })
    }
}

/// Swaps, when there is a release to swap to, and lets the window go to its end. Gives how long the command ran.
fn swap(
    machine: &Machine,
    running: &Running,
    release: Option<&str>,
    windows: Windows,
) -> Result<Option<Duration>> {
    let start = Instant::now();
    let Some(release) = release else {
        running.run_for(windows.window)?;
        return Ok(None);
    };
    machine.swap(release);
    let command = start.elapsed();
    // What comes after the command is the swap's too.
    running.run_for(windows.window.saturating_sub(command).max(windows.window / 4))?;
    Ok(Some(command))
}

/// The phase of this name.
///
/// # Errors
/// When there is none.
pub fn phase<'a>(record: &'a Record, name: &str) -> Result<&'a Phase> {
    let found = record.phases.iter().find(|phase| phase.name == name);
    found.with_context(|| format!("the account has no phase {name:?}"))
}

/// When the last answer of this release came.
///
/// # Errors
/// When none did.
pub fn last_answer(record: &Record, release: &str) -> Result<u64> {
    let found = record.bodies.iter().find(|answers| answers.body == release);
    Ok(found.with_context(|| format!("nobody saw release {release:?}"))?.last_ns)
}
