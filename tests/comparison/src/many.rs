//! Many swaps of ours in a row, under each kind of load: none may lose a request.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use sockprove::failure::FailureKind;
use sockprove::record::Latency;

use crate::attempt::attempt;
use crate::load::{HTTP2, KEEP_ALIVE, KEEP_ALIVE_2000, Load, ONE_SHOT, ONE_SHOT_1000, WEBSOCKET};
use crate::machine::Machine;
use crate::rival::{OURS, Rival};
use crate::round::Broken;
use crate::sample::Windows;
use crate::tools::Tools;

/// Every kind of load that there is.
pub const ALL: [&Load; 6] =
    [&KEEP_ALIVE, &ONE_SHOT, &ONE_SHOT_1000, &KEEP_ALIVE_2000, &HTTP2, &WEBSOCKET];

/// What clients saw of many swaps in a row.
#[derive(Debug, serde::Serialize)]
pub struct Many {
    /// [`Load::title`].
    pub load: &'static str,
    /// How many swaps.
    pub swaps: usize,
    /// Releases of which somebody got an answer.
    pub releases: usize,
    /// WebSockets that were told to go and opened again; what they send back names no release.
    pub moved: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were not, each kind apart.
    pub failures: BTreeMap<FailureKind, u64>,
    /// With no swap.
    pub steady: Latency,
    /// While one swap followed the other.
    pub swapping: Latency,
}

/// Swaps so many times under each load.
#[must_use]
pub fn all(swaps: usize, windows: Windows, tools: &Tools) -> (Vec<Many>, Vec<Broken>) {
    let (mut seen, mut broken) = (Vec::new(), Vec::new());
    for load in ALL {
        eprintln!("{swaps} swaps: {}", load.name);
        match attempt(|| one(load, swaps, windows, tools)) {
            Ok(many) => seen.push(many),
            Err(why) => {
                eprintln!("{}: {why}", load.name);
                broken.push(Broken { rival: load.name, turn: 0, why });
            }
        }
    }
    (seen, broken)
}

fn one(load: &'static Load, swaps: usize, windows: Windows, tools: &Tools) -> Result<Many> {
    let rival = Rival::named(OURS).map_err(anyhow::Error::msg)?;
    let machine = Machine::boot(rival, tools)?;
    let mut running = load.start(&machine)?;
    running.run_for(windows.warm)?;
    running.mark("steady")?;
    running.run_for(windows.window)?;
    running.mark("swapping")?;
    for _ in 0..swaps {
        machine.swap(&machine.release());
    }
    running.mark("end")?;
    running.run_for(windows.warm)?;
    let record = running.finish()?;
    let latency = |name: &str| {
        let found = record.phases.iter().find(|phase| phase.name == name);
        found.map(|phase| phase.latency).with_context(|| format!("no phase {name:?}"))
    };
    Ok(Many {
        load: load.title,
        swaps,
        releases: record.bodies.len(),
        moved: record.moved,
        answered: record.answered,
        steady: latency("steady")?,
        swapping: latency("swapping")?,
        failures: record.failures.into_iter().filter(|(_, count)| *count > 0).collect(),
    })
}
