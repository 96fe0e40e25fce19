//! Many swaps of ours in a row, under each kind of load: none may lose a request.

use anyhow::Result;
use sockprove::record::Latency;

use crate::attempt::attempt;
use crate::load::{HTTP2, KEEP_ALIVE, KEEP_ALIVE_2000, Load, ONE_SHOT, ONE_SHOT_1000, WEBSOCKET};
use crate::lost::Lost;
use crate::machine::Machine;
use crate::rival::{OURS, Rival};
use crate::round::Broken;
use crate::sample::{Windows, phase};
use crate::tools::Tools;

/// Every kind of load that there is.
pub const ALL: [&Load; 6] =
    [&KEEP_ALIVE, &ONE_SHOT, &ONE_SHOT_1000, &KEEP_ALIVE_2000, &HTTP2, &WEBSOCKET];

/// How many releases each thread of a load tells apart, [`sockprove::record::Record::bodies`].
pub const TOLD_APART: usize = 64;

/// What clients saw of many swaps in a row.
#[derive(Debug, serde::Serialize)]
pub struct Many {
    /// [`Load::title`].
    pub load: &'static str,
    /// How many swaps.
    pub swaps: usize,
    /// Releases of which somebody got an answer: at least so many, for the load tells the first [`TOLD_APART`] of them apart.
    pub releases: usize,
    /// WebSockets that were told to go and opened again; what they send back names no release.
    pub moved: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// In all of it.
    pub lost: Lost,
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
    Ok(Many {
        lost: Lost::from(&record),
        load: load.title,
        swaps,
        releases: record.bodies.len(),
        moved: record.moved,
        answered: record.answered,
        steady: phase(&record, "steady")?.latency,
        swapping: phase(&record, "swapping")?.latency,
    })
}
