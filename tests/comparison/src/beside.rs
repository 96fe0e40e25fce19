//! The application on sockact beside the bare one, and beside the bare one in the same sandbox, by turns, with no swap.

use std::time::Duration;

use anyhow::Result;

use crate::hardening;
use crate::load::{KEEP_ALIVE, Load, ONE_SHOT};
use crate::machine::Machine;
use crate::rival::{BARE, OURS, Rival};
use crate::sample::{Windows, phase};
use crate::summary::{Spread, median};
use crate::tools::Tools;

/// Under what.
pub const UNDER: [&Load; 2] = [&KEEP_ALIVE, &ONE_SHOT];

/// What a load costs and brings.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Steady {
    /// Requests each second.
    pub per_second: f64,
    /// Microseconds of processor time for a request.
    pub cpu_us: f64,
}

/// All three, under one load, one right after the other.
#[derive(Debug, serde::Serialize)]
pub struct Triple {
    /// [`Load::name`].
    pub load: &'static str,
    /// The bare application.
    pub bare: Steady,
    /// The same in the sandbox of a generated slot.
    pub sandboxed: Steady,
    /// The same on sockact, in a generated slot.
    pub ours: Steady,
}

/// What the triples of one load come to.
#[derive(Debug)]
pub struct Beside {
    /// How many triples.
    pub triples: usize,
    /// One line for each thing that was measured.
    pub lines: [Line; 2],
}

/// One thing that was measured: medians, and what each triple's ratios come to, which are not ratios of the medians.
#[derive(Debug)]
pub struct Line {
    /// What.
    pub unit: &'static str,
    /// The bare application.
    pub bare: f64,
    /// The same in the sandbox.
    pub sandboxed: f64,
    /// The same on sockact, in the sandbox.
    pub ours: f64,
    /// What the sandbox costs.
    pub sandboxed_to_bare: Spread,
    /// What sockact costs.
    pub ours_to_sandboxed: Spread,
    /// What both cost.
    pub ours_to_bare: Spread,
}

/// Short, so that there can be many. How threads come to lie on the processors differs from one load to the next and changes the rate by more
/// than a tenth; a longer look at the same load does not average that out.
const WINDOWS: Windows =
    Windows { warm: Duration::from_millis(60), window: Duration::from_millis(200) };

/// Who comes after whom: each place and each neighbour as often as any other.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1], [1, 0, 2]];

/// Measures so many triples under each load.
///
/// # Errors
/// When a load cannot be made.
///
/// # Panics
/// When a machine does not boot.
pub fn triples(count: usize, tools: &Tools) -> Result<Vec<Triple>> {
    let (mut triples, machines) = (Vec::new(), machines(tools)?);
    for n in 0..count {
        if n.is_multiple_of(ORDERS.len()) {
            eprintln!("beside the bare application: {} of {count}", n + 1);
            // Where a process happens to lie in memory makes a per cent or two for as long as it lives.
            machines.iter().for_each(Machine::restart);
        }
        for load in UNDER {
            triples.push(triple(n, &machines, load)?);
        }
    }
    Ok(triples)
}

/// The bare application, the same in the sandbox that the third one's slot has, and the one on sockact.
///
/// # Errors
/// When a program is missing.
///
/// # Panics
/// When a machine does not boot.
pub fn machines(tools: &Tools) -> Result<[Machine; 3]> {
    let [bare, ours] = [BARE, OURS].map(|name| Rival::named(name).map_err(anyhow::Error::msg));
    let (bare, ours) = (bare?, Machine::boot(ours?, tools)?);
    let unit = ours.sandbox.run(["cat", "/etc/systemd/system/app-blue.service"]).ok();
    let sandboxed = Machine::boot_with(bare, tools, Some(&hardening::drop_in(&unit.stdout)))?;
    Ok([Machine::boot(bare, tools)?, sandboxed, ours])
}

/// Whoever comes later has the warmer machine: by turns.
fn triple(n: usize, machines: &[Machine; 3], load: &Load) -> Result<Triple> {
    let mut seen = [Steady::default(); 3];
    for which in ORDERS[n % ORDERS.len()] {
        seen[which] = steady(&machines[which], load)?;
    }
    let [bare, sandboxed, ours] = seen;
    Ok(Triple { load: load.name, bare, sandboxed, ours })
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
    let steady = phase(&record, "steady")?;
    let answered = steady.answered as f64;
    let length = Duration::from_nanos(steady.to_ns - steady.from_ns);
    Ok(Steady {
        per_second: answered / length.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / answered,
    })
}

/// What one load's come to, when there is any triple of it.
#[must_use]
pub fn of(triples: &[Triple], load: &Load) -> Option<Beside> {
    let triples: Vec<_> = triples.iter().filter(|triple| triple.load == load.name).collect();
    Some(Beside {
        triples: triples.len(),
        lines: [
            line("requests/s", &triples, |steady| steady.per_second)?,
            line("CPU s per million", &triples, |steady| steady.cpu_us)?,
        ],
    })
}

fn line(unit: &'static str, triples: &[&Triple], value: fn(&Steady) -> f64) -> Option<Line> {
    let middle = |who: fn(&Triple) -> &Steady| median(triples.iter().map(|t| value(who(t))));
    let ratio = |who: fn(&Triple) -> &Steady, to: fn(&Triple) -> &Steady| {
        Spread::of(triples.iter().map(|triple| value(who(triple)) / value(to(triple))))
    };
    Some(Line {
        unit,
        bare: middle(|t| &t.bare)?,
        sandboxed: middle(|t| &t.sandboxed)?,
        ours: middle(|t| &t.ours)?,
        sandboxed_to_bare: ratio(|t| &t.sandboxed, |t| &t.bare)?,
        ours_to_sandboxed: ratio(|t| &t.ours, |t| &t.sandboxed)?,
        ours_to_bare: ratio(|t| &t.ours, |t| &t.bare)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_each_triple() {
        let steady = |per_second| Steady { per_second, cpu_us: 1e6 / per_second };
        // A machine that becomes half as fast changes no ratio.
        let triple = |fast: f64| Triple {
            load: KEEP_ALIVE.name,
            bare: steady(100.0 * fast),
            sandboxed: steady(80.0 * fast),
            ours: steady(60.0 * fast),
        };
        let found = of(&[2.0, 1.0, 0.5].map(triple), &KEEP_ALIVE).expect("triples");
        let [rate, cpu] = &found.lines;
        assert_eq!((found.triples, rate.bare, rate.ours), (3, 100.0, 60.0));
        assert_eq!(rate.ours_to_sandboxed.least, 0.75);
        assert_eq!(rate.sandboxed_to_bare.most, 0.8);
        assert!((cpu.ours_to_bare.median - 1.0 / 0.6).abs() < 1e-9);
        assert!(of(&[triple(1.0)], &ONE_SHOT).is_none());
    }

    #[test]
    fn each_is_in_each_place_as_often() {
        for place in 0..3 {
            let sum: usize = ORDERS.iter().map(|order| order[place]).sum();
            assert_eq!(sum, 6, "place {place}");
        }
    }
}
