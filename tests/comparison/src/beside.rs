//! The application on sockact beside the bare one, alternately, with no swap.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::load::{KEEP_ALIVE, Load, ONE_SHOT};
use crate::machine::Machine;
use crate::rival::{BARE, OURS, Rival};
use crate::sample::Windows;
use crate::summary::median;
use crate::tools::Tools;

/// What a load costs and brings.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Steady {
    /// Requests each second.
    pub per_second: f64,
    /// Microseconds of processor time for a request.
    pub cpu_us: f64,
}

/// Both, under one load, one right after the other.
#[derive(Debug, serde::Serialize)]
pub struct Pair {
    /// [`Load::name`].
    pub load: &'static str,
    /// The bare application.
    pub bare: Steady,
    /// The same on sockact.
    pub ours: Steady,
}

/// The medians of the pairs of one load.
#[derive(Debug)]
pub struct Beside {
    /// How many pairs.
    pub pairs: usize,
    /// The bare application.
    pub bare: Steady,
    /// The same on sockact.
    pub ours: Steady,
    /// Medians of each pair's ratios, not ratios of the medians.
    pub ratio: Steady,
}

/// Short, so that both see the same machine.
const WINDOWS: Windows =
    Windows { warm: Duration::from_millis(300), window: Duration::from_secs(1) };

/// So many pairs of the same two processes: where one happens to lie in memory makes a per cent or two.
const OF_TWO_PROCESSES: usize = 5;

/// Measures so many pairs under each load.
///
/// # Errors
/// When a load cannot be made.
///
/// # Panics
/// When a machine does not boot.
pub fn pairs(count: usize, tools: &Tools) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for from in (0..count).step_by(OF_TWO_PROCESSES) {
        let [bare, ours] = [BARE, OURS].map(|name| {
            let rival = Rival::named(name).map_err(anyhow::Error::msg);
            rival.and_then(|rival| Machine::boot(rival, tools))
        });
        let (bare, ours) = (bare?, ours?);
        for n in from..count.min(from + OF_TWO_PROCESSES) {
            eprintln!("beside the bare application: {} of {count}", n + 1);
            for load in [&KEEP_ALIVE, &ONE_SHOT] {
                pairs.push(pair(n, &bare, &ours, load)?);
            }
        }
    }
    Ok(pairs)
}

/// Whoever comes second has the warmer machine: by turns.
fn pair(n: usize, bare: &Machine, ours: &Machine, load: &Load) -> Result<Pair> {
    let name = load.name;
    if n.is_multiple_of(2) {
        let bare = steady(bare, load)?;
        Ok(Pair { load: name, bare, ours: steady(ours, load)? })
    } else {
        let ours = steady(ours, load)?;
        Ok(Pair { load: name, bare: steady(bare, load)?, ours })
    }
}

fn steady(machine: &Machine, load: &Load) -> Result<Steady> {
    let mut running = load.start(machine)?;
    running.run_for(WINDOWS.warm)?;
    running.mark("steady")?;
    let before = machine.processor_time()?;
    running.run_for(WINDOWS.window)?;
    let cpu = machine.processor_time()? - before;
    running.mark("end")?;
    let record = running.finish()?;
    let steady = record.phases.iter().find(|phase| phase.name == "steady");
    let steady = steady.context("the account has no phase \"steady\"")?;
    let answered = steady.answered as f64;
    let length = Duration::from_nanos(steady.to_ns - steady.from_ns);
    Ok(Steady {
        per_second: answered / length.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / answered,
    })
}

/// The medians of one load, when there is any pair of it.
#[must_use]
pub fn of(pairs: &[Pair], load: &Load) -> Option<Beside> {
    let pairs: Vec<_> = pairs.iter().filter(|pair| pair.load == load.name).collect();
    let of = |value: &dyn Fn(&Pair) -> Steady| {
        Some(Steady {
            per_second: median(pairs.iter().map(|pair| value(pair).per_second))?,
            cpu_us: median(pairs.iter().map(|pair| value(pair).cpu_us))?,
        })
    };
    Some(Beside {
        pairs: pairs.len(),
        bare: of(&|pair| pair.bare)?,
        ours: of(&|pair| pair.ours)?,
        ratio: of(&|pair| Steady {
            per_second: pair.ours.per_second / pair.bare.per_second,
            cpu_us: pair.ours.cpu_us / pair.bare.cpu_us,
        })?,
    })
}
