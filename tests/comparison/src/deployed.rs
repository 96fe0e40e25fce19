//! A time with a deploy of ours in it, beside one without under the same load: by how much a user's slowest answers are slower for it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sockprove::record::Latency;

use crate::load::Load;
use crate::lost::Lost;
use crate::machine::{Machine, name_of};
use crate::rival::{OURS, Rival};
use crate::sample::{last_answer, phase};
use crate::summary::{Spread, median};
use crate::tools::Tools;

/// Until connections are open and caches warm; in no account.
const WARM: Duration = Duration::from_millis(400);

/// What clients saw of one run.
#[derive(Debug, Default, serde::Serialize)]
pub struct Run {
    /// Of all requests due in it.
    pub latency: Latency,
    /// The longest time in which nobody accepted, when that was looked for.
    pub gap_us: Option<u32>,
}

/// Both, one right after the other: two times of one load, for what two loads differ by is more than what is looked for.
#[derive(Debug, Default, serde::Serialize)]
pub struct Pair {
    /// [`Load::name`].
    pub load: &'static str,
    /// How long each run was.
    pub length: Duration,
    /// With no deploy.
    pub without: Run,
    /// With one.
    pub with: Run,
    /// In all of the load, the warm-up included.
    pub lost: Lost,
}

/// The marks of the two.
const WITHOUT: &str = "without";
const WITH: &str = "with";

/// What the pairs of one load come to.
#[derive(Debug)]
pub struct Deployed {
    /// How many pairs.
    pub pairs: usize,
    /// Of the whole runs.
    pub p99_9: Change,
    /// Of the whole runs.
    pub max: Change,
    /// The longest time without an accept, where that was looked for.
    pub gap: Option<Change>,
    /// In all of them together.
    pub lost: Lost,
}

/// Milliseconds without and with a deploy: medians, and what the pairs' own ratios and differences come to.
#[derive(Debug)]
pub struct Change {
    /// With no deploy.
    pub without: f64,
    /// With one.
    pub with: f64,
    /// With : without.
    pub ratio: Spread,
    /// With - without.
    pub more: Spread,
}

/// When a run's deploy begins: what comes after it takes longer than it does.
#[must_use]
pub fn begin(run: Duration) -> Duration {
    run * 3 / 8
}

/// Measures so many pairs of runs of this length under each load.
///
/// # Errors
/// When a load cannot be made, or a deploy takes longer than what is left of its run.
///
/// # Panics
/// When the machine does not boot, or a deploy fails.
pub fn pairs(count: usize, run: Duration, loads: &[&Load], tools: &Tools) -> Result<Vec<Pair>> {
    let machine = Machine::boot(Rival::named(OURS).map_err(anyhow::Error::msg)?, tools)?;
    let mut pairs = Vec::new();
    for n in 0..count {
        for load in loads {
            eprintln!("with a deploy and without: {} of {count}: {}", n + 1, load.name);
            pairs.push(pair(n, &machine, load, run)?);
        }
    }
    Ok(pairs)
}

/// Whoever comes second has the warmer machine: by turns.
fn pair(n: usize, machine: &Machine, load: &Load, length: Duration) -> Result<Pair> {
    // Before the load: copying it is not a deploy's work.
    let release = machine.release();
    let mut running = load.start(machine)?;
    running.run_for(WARM)?;
    let order = if n.is_multiple_of(2) { [WITHOUT, WITH] } else { [WITH, WITHOUT] };
    for name in order {
        running.mark(name)?;
        let start = Instant::now();
        if name == WITH {
            running.run_for(begin(length))?;
            machine.swap(&release);
        }
        let rest = length.checked_sub(start.elapsed());
        running.run_for(rest.with_context(|| {
            format!("the deploy ended after its run of {length:?}; a longer one: --run SECONDS")
        })?)?;
    }
    running.mark("end")?;
    let record = running.finish()?;
    last_answer(&record, name_of(&release))?;
    let run = |name| -> Result<Run> {
        let whole = phase(&record, name)?;
        Ok(Run { latency: whole.latency, gap_us: whole.longest_gap_us })
    };
    let lost = Lost::from(&record);
    let (without, with) = (run(WITHOUT)?, run(WITH)?);
    Ok(Pair { load: load.name, length, without, with, lost })
}

/// What those of one load and length come to, when there is any.
#[must_use]
pub fn of(pairs: &[Pair], load: &Load, length: Duration) -> Option<Deployed> {
    let of_these = |pair: &&Pair| pair.load == load.name && pair.length == length;
    let pairs: Vec<_> = pairs.iter().filter(of_these).collect();
    Some(Deployed {
        pairs: pairs.len(),
        p99_9: change(&pairs, |run| Some(run.latency.p99_9_us))?,
        max: change(&pairs, |run| Some(run.latency.max_us))?,
        gap: change(&pairs, |run| run.gap_us),
        lost: pairs.iter().map(|pair| &pair.lost).sum(),
    })
}

fn change(pairs: &[&Pair], us: fn(&Run) -> Option<u32>) -> Option<Change> {
    let ms = |run: &Run| us(run).map(|us| f64::from(us) / 1e3);
    let both = pairs.iter().filter_map(|pair| Some((ms(&pair.without)?, ms(&pair.with)?)));
    let both: Vec<_> = both.collect();
    Some(Change {
        without: median(both.iter().map(|(without, _)| *without))?,
        with: median(both.iter().map(|(_, with)| *with))?,
        ratio: Spread::of(both.iter().map(|(without, with)| with / without))?,
        more: Spread::of(both.iter().map(|(without, with)| with - without))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{KEEP_ALIVE, ONE_SHOT_1000};

    fn run(p99_9_us: u32, gap_us: Option<u32>) -> Run {
        let latency = Latency { p99_9_us, max_us: p99_9_us * 2, ..Latency::default() };
        Run { latency, gap_us }
    }

    fn pair(load: &Load, without: Run, with: Run) -> Pair {
        Pair { load: load.name, without, with, ..Pair::default() }
    }

    #[test]
    fn a_ratio_is_that_of_a_pair_and_not_of_the_medians() {
        let pairs = [
            pair(&ONE_SHOT_1000, run(1000, Some(500)), run(1100, Some(2500))),
            pair(&ONE_SHOT_1000, run(4000, Some(700)), run(4000, Some(900))),
            pair(&ONE_SHOT_1000, run(2000, Some(600)), run(4000, Some(600))),
            pair(&KEEP_ALIVE, run(1, None), run(7, None)),
        ];
        let found = of(&pairs, &ONE_SHOT_1000, Duration::ZERO).expect("pairs");
        assert_eq!((found.pairs, found.p99_9.without, found.p99_9.with), (3, 2.0, 4.0));
        let ratio = found.p99_9.ratio;
        assert_eq!((ratio.least, ratio.median, ratio.most), (1.0, 1.1, 2.0));
        assert_eq!(found.max.with, 8.0);
        let gap = found.gap.expect("it was looked for");
        assert_eq!((gap.without, gap.with), (0.6, 0.9));
        assert!((gap.more.median - 0.2).abs() < 1e-9, "{gap:?}");
    }

    #[test]
    fn what_was_not_looked_for_is_not_told() {
        let mut lossy = pair(&KEEP_ALIVE, run(1, None), run(2, None));
        lossy.lost.probes = 2;
        let found = of(&[lossy], &KEEP_ALIVE, Duration::ZERO).expect("a pair");
        assert!(found.gap.is_none());
        assert_eq!(found.lost.count(), 2);
        assert!(of(&[], &KEEP_ALIVE, Duration::ZERO).is_none());
    }
}
